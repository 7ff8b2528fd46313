//! `access` on add: who may fetch, set and call an element, put as the daemon understands it.
//!
//! Programs say it as `{fetchGroups, setGroups, callGroups}`, each a list of groups; an action without a
//! list is for everybody who is logged in. A daemon that cannot express it gets what lets in fewer, never
//! what lets in more, and the log is told.

use crate::json::{Raw, write};

use crate::peer::compat::daemon_kind::Dialect;
use crate::peer::early::Asked;
use crate::peer::engine::{Engine, Role};
use crate::peer::messages::{member, write_members, write_path};
use crate::peer::outgoing::{Failure, RequestOptions, Sent};
use crate::peer::requests::{Purpose, Service};

/// The group of node-jet 3 that all its users are in.
const EVERYBODY: &str = "all";

/// The group of node-jet 3 that always has a user, and as few as can be.
const FEWEST: &str = "admin";

/// A group that nobody is in. To node-jet 3 an empty name means that there is no restriction, and a group
/// that it does not know refuses whoever comes.
const NOBODY: &str = "(nobody)";

const NO_USERS: &str = "the daemon has no users: access protects nothing";
const NOT_KNOWN: &str = "the daemon does not say what it is: access may protect nothing";
const SHOWN_TO_ALL: &str =
    "the daemon (node-jet 3) shows everybody who fetches every element, whatever its fetchGroups are";
const ONE_GROUP: &str =
    "the daemon (node-jet 3) takes one group for each action: of several in access only the first is let in";
const LISTS_MISSING: &str = "the daemon (cjet) lets nobody do what access has no list of groups for";

impl Engine {
    /// Adds an element that is not for everybody. `access` is an object with any of the lists
    /// `fetchGroups`, `setGroups` and `callGroups`.
    ///
    /// # Errors
    /// [`Failure`], as all functions that send.
    pub fn add_with_access(
        &mut self,
        path: &str,
        value: Option<Raw>,
        role: Role,
        access: Raw,
        options: RequestOptions,
    ) -> Sent {
        self.check_limits(options.respond)?;
        let id = options.respond.then(|| self.requests.begin(Purpose::Program(Service::Done)));
        let mut params = Vec::from(*b"{");
        let empty_state = (role == Role::State).then_some(("kind", Raw::trusted("\"state\"")));
        write_path(&mut params, path, value.map(|value| ("value", value)).or(empty_state));
        member(&mut params, "access", access.text());
        params.pop();
        params.push(b'}');
        let params = String::from_utf8_lossy(&params);
        if self.knows_daemon() {
            self.write_add(Raw::trusted(&params), id, options)?;
        } else {
            self.early.wait(Asked::Add(params.as_ref().into()), params.len(), id, options);
        }
        Ok(id)
    }

    /// Writes an add with what this daemon makes of `access`.
    pub fn write_add(
        &mut self,
        params: Raw,
        id: Option<u32>,
        options: RequestOptions,
    ) -> Result<(), Failure> {
        let is_method = params.get("value").or(params.get("kind")).is_none();
        let access = params.get("access").and_then(|access| self.adapted_access(access, is_method));
        let options = self.dialect.adapted(options);
        self.write(id, "add", options, |out| {
            write_members(out, params.members().filter(|(key, _)| key != "access"), options);
            if let Some(access) = access {
                member(out, "access", &access);
            }
        })
    }

    /// What this daemon gets for `access`; none where it means nothing.
    fn adapted_access(&mut self, access: Raw, is_method: bool) -> Option<String> {
        match self.dialect {
            Dialect::Lua => {
                self.note_once(NO_USERS);
                return None;
            }
            Dialect::NodeJet3 => return Some(self.groups_of_node_jet_3(access, is_method)),
            Dialect::Own if self.has_no_users() => self.note_once(NO_USERS),
            Dialect::Cjet => {
                let action = if is_method { "callGroups" } else { "setGroups" };
                if access.get("fetchGroups").is_none() || access.get(action).is_none() {
                    self.note_once(LISTS_MISSING);
                }
            }
            Dialect::Unknown => self.note_once(NOT_KNOWN),
            Dialect::Own | Dialect::NodeJet => {}
        }
        Some(access.text().to_owned())
    }

    /// `{read, write}`, one group each. A group that node-jet 3 does not know in `read` would break every
    /// `get` of everybody, so nothing is made up there.
    fn groups_of_node_jet_3(&mut self, access: Raw, is_method: bool) -> String {
        self.note_once(SHOWN_TO_ALL);
        let write = access.get(if is_method { "callGroups" } else { "setGroups" });
        let write = self.one_group(write).unwrap_or_else(|| NOBODY.into());
        let mut out = Vec::from(*b"{");
        if self.has_no_users() {
            self.note_once("the daemon has no users: nobody may do what access protects");
        } else {
            let read = self.one_group(access.get("fetchGroups")).unwrap_or_else(|| FEWEST.into());
            out.extend_from_slice(b"\"read\":");
            write::string(&mut out, &read);
            out.push(b',');
        }
        out.extend_from_slice(b"\"write\":");
        write::string(&mut out, &write);
        out.push(b'}');
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The one group that stands for a list; none if that lets in nobody.
    fn one_group(&mut self, list: Option<Raw>) -> Option<String> {
        let Some(list) = list else {
            return Some(EVERYBODY.into());
        };
        let mut names = list.elements().filter_map(Raw::as_str).filter(|name| !name.is_empty());
        let first = names.next()?.into_owned();
        if names.any(|name| name != first) {
            self.note_once(ONE_GROUP);
        }
        Some(first)
    }

    /// Has the log told something, unless it has been told before.
    fn note_once(&mut self, text: &'static str) {
        if !self.said.contains(&text) {
            self.said.push(text);
            self.unsaid.push(text);
        }
    }
}
