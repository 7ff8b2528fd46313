//! Reading the params of a fetch, with messages that name the rule.
//!
//! Lua writes an empty list as `{}`, so `{}` and `[]` are the same wherever a list or an object is expected. A rule
//! with the value false is as good as absent, except `equals` and `equalsNot`.

use crate::json::{Kind, Raw};
use crate::util::nearest::nearest;

/// Returns whether a value is an object, or the empty array that stands for an empty one.
pub fn is_object(raw: Raw<'_>) -> bool {
    raw.kind() == Kind::Object || (raw.kind() == Kind::Array && raw.elements().next().is_none())
}

/// Returns whether a value is an array, or the empty object that stands for an empty one.
pub fn is_list(raw: Raw<'_>) -> bool {
    raw.kind() == Kind::Array || (raw.kind() == Kind::Object && raw.members().next().is_none())
}

/// Returns the contents of a string. `at` is the name of the rule, for the error.
pub fn string(at: &str, raw: Raw<'_>) -> Result<Box<str>, String> {
    raw.as_str().map(Into::into).ok_or_else(|| mistyped(at, "a string", raw))
}

/// Returns the contents of a list of strings.
pub fn strings(at: &str, raw: Raw<'_>) -> Result<Vec<Box<str>>, String> {
    if !is_list(raw) {
        return Err(mistyped(at, "a list of strings", raw));
    }
    raw.elements().map(|element| string(at, element)).collect()
}

/// Returns the error for a value of the wrong kind.
pub fn mistyped(at: &str, expected: &str, raw: Raw<'_>) -> String {
    let got = match raw.kind() {
        Kind::Null => "null",
        Kind::Bool => "a boolean",
        Kind::Number => "a number",
        Kind::String => "a string",
        Kind::Array => "an array",
        Kind::Object => "an object",
    };
    format!("{at}: expected {expected}, got {got}")
}

/// Returns the warning for a key that is not in `known`. It names the nearest key that is.
pub fn unknown_key(at: &str, key: &str, known: &[&str]) -> String {
    let nearest = nearest(key, known).unwrap_or_default();
    format!("{at}: unknown '{key}' is ignored, did you mean '{nearest}'?")
}

/// Fails unless the table of fetch expressions in `docs/api.md` has an entry of that name.
#[cfg(test)]
pub fn check_documented(entry: &str) {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md"));
    let section = page.split("\n## Fetch expressions\n").nth(1).and_then(|rest| rest.split("\n## ").next());
    let section = section.expect("docs/api.md has a section on fetch expressions");
    assert!(section.contains(&format!("`{entry}`")), "docs/api.md does not describe {entry}");
}
