//! `access` in the description of an element: the groups that may fetch, set and call it.

use mlua::Table;
use serde::{Deserialize, Serialize};

use super::fields::Text;
use super::reader::{self, Refusal};

/// An action without a list is open to every user who has logged in; an empty list closes it to all.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", rename = "member")]
pub struct Access {
    /// The groups whose users see the element.
    #[serde(skip_serializing_if = "Option::is_none")]
    fetch_groups: Option<Vec<Text>>,
    /// The groups whose users set it, if it is a state.
    #[serde(skip_serializing_if = "Option::is_none")]
    set_groups: Option<Vec<Text>>,
    /// The groups whose users call it, if it is a method.
    #[serde(skip_serializing_if = "Option::is_none")]
    call_groups: Option<Vec<Text>>,
}

/// `access(table, function)`: the JSON text of an `access`, or nil and why it is refused.
pub fn read(given: &Table, function: &str) -> (Option<String>, Option<String>) {
    let json = reader::read(given).and_then(|access: Access| {
        access.check(function)?;
        serde_json::to_string(&access).map_err(|error| Refusal::new("", error))
    });
    match json {
        Ok(json) => (Some(json), None),
        Err(refusal) => (None, Some(refusal.message("desc.access", function))),
    }
}

impl Access {
    /// Refuses the list of the other kind of element without the list of this kind: it may be the one that is meant to
    /// protect. A table with both serves for states and methods.
    fn check(&self, function: &str) -> Result<(), Refusal> {
        let (other, meant) = match function {
            "state" if self.call_groups.is_some() && self.set_groups.is_none() => ("callGroups", "setGroups"),
            "method" if self.set_groups.is_some() && self.call_groups.is_none() => {
                ("setGroups", "callGroups")
            }
            _ => return Ok(()),
        };
        let text = format!("{other} means nothing for a {function}, did you mean {meant}?");
        Err(Refusal::new("", text))
    }
}
