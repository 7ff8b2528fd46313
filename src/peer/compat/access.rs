//! The access rights of an added element, as each daemon understands them.
//!
//! Programs give `{fetchGroups, setGroups, callGroups}`, each a list of groups; an action without a list
//! is for every user. A daemon that cannot express that gets what admits fewer users, never what admits
//! more, and a note for the log says so.

use std::borrow::Cow;

use serde::Serialize;

use crate::json::{Raw, to_text};
use crate::peer::event::Notes;

use super::daemon_kind::{DaemonKind, NO_USERS};

/// The group of node-jet 3 that all its users are in.
const ALL_USERS: &str = "all";

/// The group of node-jet 3 that always has a user, and as few as possible.
const FEWEST_USERS: &str = "admin";

/// A group without users. To node-jet 3 an empty name means no restriction, and a group that it does
/// not know refuses everyone.
const NO_USER: &str = "(nobody)";

const NOT_KNOWN: &str = "the daemon does not say what it is: access may protect nothing";
const READ_BY_ALL: &str =
    "the daemon (node-jet 3) shows every element to every peer that fetches, whatever its fetchGroups are";
const ONE_GROUP: &str =
    "the daemon (node-jet 3) takes one group for each action: of a list in access it gets only the first";
const LISTS_MISSING: &str = "the daemon (cjet) refuses every action for which access has no list of groups";
const ALL_CLOSED: &str = "the daemon has no users: it refuses every action that access protects";

/// The access rights of node-jet 3: one group each.
#[derive(Serialize)]
struct OneGroupEach {
    #[serde(skip_serializing_if = "Option::is_none")]
    read: Option<String>,
    write: String,
}

/// Returns what a daemon gets as `access`, or `None` if that means nothing to it.
pub fn adapt<'a>(
    kind: DaemonKind,
    lacks_users: bool,
    access: Cow<'a, str>,
    is_method: bool,
    notes: &mut Notes,
) -> Option<Cow<'a, str>> {
    let rights = Raw::trusted(&access);
    match kind {
        DaemonKind::Lua => {
            notes.add(NO_USERS);
            return None;
        }
        DaemonKind::NodeJet3 => {
            return Some(Cow::Owned(for_node_jet_3(rights, is_method, lacks_users, notes)));
        }
        DaemonKind::Own if lacks_users => notes.add(NO_USERS),
        DaemonKind::Cjet => {
            if rights.get("fetchGroups").is_none() || rights.get(action(is_method)).is_none() {
                notes.add(LISTS_MISSING);
            }
        }
        DaemonKind::Unknown => notes.add(NOT_KNOWN),
        DaemonKind::Own | DaemonKind::NodeJet => {}
    }
    Some(access)
}

/// Returns the key of the groups that may use an element.
fn action(is_method: bool) -> &'static str {
    if is_method { "callGroups" } else { "setGroups" }
}

/// Returns `{read, write}`. A group that node-jet 3 does not know in `read` would break every `get` of
/// every peer, so `read` never has one that is made up.
fn for_node_jet_3(rights: Raw, is_method: bool, lacks_users: bool, notes: &mut Notes) -> String {
    notes.add(READ_BY_ALL);
    let write = one_group(rights.get(action(is_method)), notes).unwrap_or_else(|| NO_USER.into());
    let read = match lacks_users {
        true => {
            notes.add(ALL_CLOSED);
            None
        }
        false => {
            let group = one_group(rights.get("fetchGroups"), notes);
            Some(group.unwrap_or_else(|| FEWEST_USERS.into()))
        }
    };
    to_text(&OneGroupEach { read, write })
}

/// Returns the group that stands for a list, or `None` if the list is empty.
fn one_group(list: Option<Raw>, notes: &mut Notes) -> Option<String> {
    let Some(list) = list else {
        return Some(ALL_USERS.into());
    };
    let mut names = list.elements().filter_map(Raw::as_str).filter(|name| !name.is_empty());
    let first = names.next()?.into_owned();
    if names.any(|name| name != first) {
        notes.add(ONE_GROUP);
    }
    Some(first)
}
