//! Writes the JSON text of requests and notifications.

use std::borrow::Cow;

use crate::json::{Raw, write};

use super::outgoing::RequestOptions;

/// Appends `"key":value,`.
pub(super) fn member(out: &mut Vec<u8>, key: &str, value: &str) {
    write::string(out, key);
    out.push(b':');
    out.extend_from_slice(value.as_bytes());
    out.push(b',');
}

/// Whether the options of a call replace that member of its params.
fn overridden(key: &str, options: RequestOptions) -> bool {
    match key {
        "timeout" => options.timeout.is_some(),
        "valueAsResult" => options.value_as_result,
        _ => false,
    }
}

/// Appends members of an object but those the options replace, each with a comma behind it.
pub(super) fn write_members<'a>(
    out: &mut Vec<u8>,
    members: impl Iterator<Item = (Cow<'a, str>, Raw<'a>)>,
    options: RequestOptions,
) {
    for (key, value) in members {
        if !overridden(&key, options) {
            member(out, &key, value.text());
        }
    }
}

pub(super) fn write_path(out: &mut Vec<u8>, path: &str, extra: Option<(&str, Raw)>) {
    out.extend_from_slice(b"\"path\":");
    write::string(out, path);
    out.push(b',');
    if let Some((key, value)) = extra {
        member(out, key, value.text());
    }
}

/// Appends the message of a request, or of a notification if there is no id.
pub(super) fn write_request(
    out: &mut Vec<u8>,
    id: Option<u32>,
    method: &str,
    options: RequestOptions,
    params: impl FnOnce(&mut Vec<u8>),
) {
    out.push(b'{');
    if let Some(id) = id {
        out.extend_from_slice(b"\"id\":");
        write::integer(out, i64::from(id));
        out.push(b',');
    }
    out.extend_from_slice(b"\"method\":");
    write::string(out, method);
    out.extend_from_slice(b",\"params\":{");
    params(out);
    end_params(out, options);
    out.push(b'}');
}

/// Appends what the options add to the params, and closes them.
pub(super) fn end_params(out: &mut Vec<u8>, options: RequestOptions) {
    if let Some(seconds) = options.timeout {
        out.extend_from_slice(b"\"timeout\":");
        write::float(out, seconds);
        out.push(b',');
    }
    if options.value_as_result {
        member(out, "valueAsResult", "true");
    }
    if out.last() == Some(&b',') {
        out.pop();
    }
    out.push(b'}');
}
