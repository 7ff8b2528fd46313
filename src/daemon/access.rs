//! Permissions: the groups in the `access` of an element, and the groups of a login.
//!
//! This module reads and compares them. `live` and `get` ask it before an element is reported or decides about another
//! one, `routing` before a set or call is forwarded. The name of a group is stored once, so groups are compared by
//! address.

use std::collections::HashSet;
use std::sync::Arc;

use crate::json::{Kind, Raw};
use crate::wire::auth::Auth;

/// A use of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Receiving its path and value.
    Fetch,
    /// Setting it, if it is a state.
    Set,
    /// Calling it, if it is a method.
    Call,
}

/// A set of groups, ordered by the addresses of their names.
#[derive(Debug, Clone, Default)]
pub struct GroupSet(Box<[Arc<str>]>);

impl GroupSet {
    /// Returns `true` if both have a group in common.
    fn meets(&self, other: &GroupSet) -> bool {
        let (few, many) = if self.0.len() <= other.0.len() { (self, other) } else { (other, self) };
        few.0.iter().any(|group| many.0.binary_search_by_key(&address(group), address).is_ok())
    }
}

fn address(group: &Arc<str>) -> usize {
    group.as_ptr() as usize
}

/// The names of all groups, each stored once.
#[derive(Debug, Default)]
pub struct Groups {
    names: HashSet<Arc<str>>,
    /// Number of names at which unused ones are removed.
    sweep_at: usize,
}

/// Number of names below which unused ones are not removed.
const FEWEST_TO_SWEEP: usize = 64;

impl Groups {
    /// Returns the set of groups with these names.
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
            // The names that were added since pay for this pass.
            self.sweep_at = (self.names.len() * 2).max(FEWEST_TO_SWEEP);
        }
        let group: Arc<str> = name.into();
        self.names.insert(group.clone());
        group
    }
}

/// The rights of a connection that has logged in.
#[derive(Debug)]
pub struct Rights {
    /// The name of the user.
    pub user: Box<str>,
    /// Whether the user may add users and change their passwords.
    pub admin: bool,
    /// The groups of the user that count for fetching.
    pub fetch: GroupSet,
    /// See [`fetch`](Self::fetch).
    pub set: GroupSet,
    /// See [`fetch`](Self::fetch).
    pub call: GroupSet,
}

/// The groups that may use an element. A use without groups is permitted after any login.
#[derive(Debug, Default)]
pub struct Access {
    fetch: Option<GroupSet>,
    set: Option<GroupSet>,
    call: Option<GroupSet>,
}

impl Access {
    /// Reads the member `access` of `add`: `{fetchGroups, setGroups, callGroups}` of node-jet 1 and 2, or
    /// `{read, write}` of node-jet 3, which count if there is no list. Returns `None` for null: all connections may use
    /// the element.
    ///
    /// # Errors
    /// A member has the wrong type or is unknown. An unknown member could be meant to protect the element.
    pub fn read(access: Raw, groups: &mut Groups) -> Result<Option<Access>, Fault> {
        match access.kind() {
            Kind::Null => return Ok(None),
            Kind::Object => {}
            // Some encoders write an empty Lua table as an array.
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

    /// Returns `true` if a connection with these rights may use the element so. Without rights it may not.
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

/// The reason why an `access` cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// The member at this place has the wrong type.
    WrongType(&'static str),
    /// There is no such member.
    Unknown(String),
}

/// Reads a list of groups. Null is no list.
fn list(value: Raw, place: &'static str, groups: &mut Groups) -> Result<Option<GroupSet>, Fault> {
    match value.kind() {
        Kind::Null => return Ok(None),
        Kind::Array => {}
        // Other encoders write an empty Lua table as an object.
        Kind::Object if value.members().next().is_none() => {}
        _ => return Err(Fault::WrongType(place)),
    }
    let names: Option<Vec<_>> = value.elements().map(Raw::as_str).collect();
    let names = names.ok_or(Fault::WrongType(place))?;
    Ok(Some(groups.set(names.iter().map(|name| &**name))))
}

/// Reads one group. An empty name is no group, as in node-jet 3.
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
    fn unused_names_are_removed() {
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
