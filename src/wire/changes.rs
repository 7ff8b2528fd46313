//! The entries of `changes` in the notifications of a sorted fetch, and of a sorted `get`. Which there are is
//! for `rules`.

use crate::json::write;

/// Appends `{"path":…,"value":…,"index":…}`, and `"fetchOnly":true` where it is. The index counts from 1;
/// without a value there is no `value`.
pub fn push_entry(json: &mut Vec<u8>, path: &str, value: Option<&str>, index: usize, fetch_only: bool) {
    json.extend_from_slice(b"{\"path\":");
    write::string(json, path);
    if let Some(value) = value {
        json.extend_from_slice(b",\"value\":");
        json.extend_from_slice(value.as_bytes());
    }
    json.extend_from_slice(b",\"index\":");
    write::integer(json, index as i64);
    if fetch_only {
        json.extend_from_slice(b",\"fetchOnly\":true");
    }
    json.push(b'}');
}
