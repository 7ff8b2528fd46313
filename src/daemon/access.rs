//! Who may fetch, set and call what: the groups that `access` on `add` names, and those of a login.
//!
//! What lives here: reading `access`, and comparing. Where it is asked: `publish` and `fetching` before an
//! element is shown, `conditions` before one decides over another, `routing` before a set or call goes on.
//! Names of groups are kept once, so groups are compared by address and an element without `access` costs
//! nothing.

use std::collections::HashSet;
use std::sync::Arc;

use crate::json::{Kind, Raw};
use crate::wire::auth::Auth;

/// What may be done with an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Know that it is there and what value it has.
    Fetch,
    /// Set it, if it is a state.
    Set,
    /// Call it, if it is a method.
    Call,
}

/// Groups, in the order of the addresses of their names.
#[derive(Debug, Clone, Default)]
pub struct GroupSet(Box<[Arc<str>]>);

impl GroupSet {
    /// Whether a group is in both.
    fn meets(&self, other: &GroupSet) -> bool {
        let (few, many) = if self.0.len() <= other.0.len() { (self, other) } else { (other, self) };
        few.0.iter().any(|group| many.0.binary_search_by_key(&address(group), address).is_ok())
    }
}

fn address(group: &Arc<str>) -> usize {
    group.as_ptr() as usize
}

/// The names of groups, each once.
#[derive(Debug, Default)]
pub struct Groups {
    names: HashSet<Arc<str>>,
    /// With so many, those that nobody uses any more are looked for.
    sweep_at: usize,
}

/// Fewest names that are worth looking through.
const FEWEST_TO_SWEEP: usize = 64;

impl Groups {
    /// The set of these groups.
    pub fn set<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) -> GroupSet {
        let mut groups: Vec<_> = names.into_iter().map(|name| self.group(name)).collect();
        groups.sort_unstable_by_key(address);
        groups.dedup_by_key(|group| address(group));
        GroupSet(groups.into())
    }

    /// Returns the rights of a user.
    pub fn rights(&mut self, user: &str, auth: &Auth) -> Rights {
        let mut set = |names: &[String]| self.set(names.iter().map(String::as_str));
        Rights {
            fetch: set(&auth.fetch_groups),
            set: set(&auth.set_groups),
            call: set(&auth.call_groups),
            user: user.into(),
            admin: auth.admin,
        }
    }

    fn group(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        if self.names.len() >= self.sweep_at {
            self.names.retain(|name| Arc::strong_count(name) > 1);
            // Looking costs as much as so many new names did.
            self.sweep_at = (self.names.len() * 2).max(FEWEST_TO_SWEEP);
        }
        let group: Arc<str> = name.into();
        self.names.insert(group.clone());
        group
    }
}

/// What a login allows.
#[derive(Debug)]
pub struct Rights {
    /// Who logged in.
    pub user: Box<str>,
    /// Whether the user may change what others log in with.
    pub admin: bool,
    /// The groups for each action.
    pub fetch: GroupSet,
    /// See [`fetch`](Self::fetch).
    pub set: GroupSet,
    /// See [`fetch`](Self::fetch).
    pub call: GroupSet,
}

/// The groups that an element is for. An action without a list is for everybody who is logged in.
#[derive(Debug, Default)]
pub struct Access {
    fetch: Option<GroupSet>,
    set: Option<GroupSet>,
    call: Option<GroupSet>,
}

impl Access {
    /// Reads `access` of `add`: `{fetchGroups, setGroups, callGroups}` as of node-jet 1 and 2, or the
    /// `{read, write}` of node-jet 3, which count where there is no list. None for null: the element is
    /// for everybody.
    ///
    /// # Errors
    /// The place that has a wrong type, or a member that means nothing: it might be what protects.
    pub fn read(access: Raw, groups: &mut Groups) -> Result<Option<Access>, Fault> {
        match access.kind() {
            Kind::Null => return Ok(None),
            Kind::Object => {}
            // Some write an empty table as an array.
            Kind::Array if access.elements().next().is_none() => {}
            _ => return Err(Fault::WrongType("access")),
        }
        let mut read = Access::default();
        let (mut reading, mut writing) = (None, None);
        for (key, value) in access.members() {
            match &*key {
                "fetchGroups" => read.fetch = list(value, "access.fetchGroups", groups)?,
                "setGroups" => read.set = list(value, "access.setGroups", groups)?,
                "callGroups" => read.call = list(value, "access.callGroups", groups)?,
                "read" => reading = one(value, "access.read", groups)?,
                "write" => writing = one(value, "access.write", groups)?,
                _ => return Err(Fault::Unknown(format!("access.{key}"))),
            }
        }
        read.fetch = read.fetch.or(reading);
        read.set = read.set.or_else(|| writing.clone());
        read.call = read.call.or(writing);
        Ok(Some(read))
    }

    /// Whether who logged in with these rights may do that; without a login nobody may do anything.
    pub fn allows(&self, rights: Option<&Rights>, action: Permission) -> bool {
        let Some(rights) = rights else {
            return false;
        };
        let (wanted, held) = match action {
            Permission::Fetch => (&self.fetch, &rights.fetch),
            Permission::Set => (&self.set, &rights.set),
            Permission::Call => (&self.call, &rights.call),
        };
        wanted.as_ref().is_none_or(|wanted| wanted.meets(held))
    }
}

/// What is wrong about an `access`.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// What is in that place has a wrong type.
    WrongType(&'static str),
    /// There is nothing of that name.
    Unknown(String),
}

/// A list of groups; null is none.
fn list(value: Raw, place: &'static str, groups: &mut Groups) -> Result<Option<GroupSet>, Fault> {
    match value.kind() {
        Kind::Null => return Ok(None),
        Kind::Array => {}
        // An empty table of Lua is an object.
        Kind::Object if value.members().next().is_none() => {}
        _ => return Err(Fault::WrongType(place)),
    }
    let names: Option<Vec<_>> = value.elements().map(Raw::as_str).collect();
    let names = names.ok_or(Fault::WrongType(place))?;
    Ok(Some(groups.set(names.iter().map(|name| &**name))))
}

/// One group; an empty name is none, as with node-jet 3.
fn one(value: Raw, place: &'static str, groups: &mut Groups) -> Result<Option<GroupSet>, Fault> {
    if value.is_null() {
        return Ok(None);
    }
    let name = value.as_str().ok_or(Fault::WrongType(place))?;
    Ok((!name.is_empty()).then(|| groups.set([&*name])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_nobody_uses_are_forgotten() {
        let mut groups = Groups::default();
        let kept = groups.set(["kept", "also kept", "kept"]);
        assert_eq!(kept.0.len(), 2);
        for number in 0..100_000 {
            groups.set([&*number.to_string()]);
            assert!(groups.names.len() <= FEWEST_TO_SWEEP, "{}", groups.names.len());
        }
        assert!(groups.set(["kept"]).meets(&kept));
        assert!(!groups.set(["other"]).meets(&kept));
    }
}
