//! Results and errors as a program sees them: what a response of our own daemon means, and the error
//! objects that this peer makes itself.

use std::borrow::Cow;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::json::{Kind, Raw, to_text};
use crate::wire::error::{Code, INTERNAL_ERROR, INVALID_PARAMS, Tag};

use super::event::Outcome;
use super::request::ResultKind;

/// Returns the outcome of a request on a daemon that needs no translation.
pub fn outcome<'a>(expected: ResultKind, outcome: Result<Raw<'a>, Raw<'a>>) -> Outcome<'a> {
    match outcome {
        Ok(result) => Ok(self::result(expected, result)),
        Err(error) => Err(as_object(error)),
    }
}

/// Returns the result of a request: `true` where there is nothing else to say. Some daemons and some
/// owners of states answer `{}` then; the new value of a state may be `{}`.
pub fn result(expected: ResultKind, result: Raw<'_>) -> Cow<'_, str> {
    match expected {
        ResultKind::Done => Cow::Borrowed("true"),
        ResultKind::Set if is_empty_object(result) => Cow::Borrowed("true"),
        _ => Cow::Borrowed(result.text()),
    }
}

/// Returns whether a value is `{}`.
pub fn is_empty_object(value: Raw) -> bool {
    value.kind() == Kind::Object && value.members().next().is_none()
}

/// Returns whether an error object has that code.
pub fn has_code(error: Raw, code: Code) -> bool {
    error.get("code").and_then(Raw::as_f64) == Some(code.code as f64)
}

/// Returns an error as an object with code and message. Some owners and daemons answer with only the
/// reason; it becomes the data of an internal error.
pub fn as_object(error: Raw<'_>) -> Cow<'_, str> {
    let has = |key| error.get(key).is_some_and(Raw::is_truthy);
    if has("code") && has("message") {
        return Cow::Borrowed(error.text());
    }
    let data = (!error.is_null()).then_some(error);
    Cow::Owned(to_text(&INTERNAL_ERROR.with_optional(data)))
}

/// Returns an error object without data.
pub fn plain(code: Code) -> String {
    to_text(&code.with_optional(None::<()>))
}

/// Returns the error object of a request that this peer could not send.
pub fn not_sent(reason: &str) -> String {
    to_text(&INVALID_PARAMS.with(Tag("reason", reason)))
}

/// The data of an error with one more member.
struct WithReason<'a> {
    data: Raw<'a>,
    reason: &'a str,
}

impl Serialize for WithReason<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.data.members() {
            map.serialize_entry(&*key, &value)?;
        }
        map.serialize_entry("reason", self.reason)?;
        map.end()
    }
}

/// Returns an error with a reason in its data.
pub fn with_reason(error: Raw, reason: &str) -> String {
    let data = error.get("data").unwrap_or(Raw::NULL);
    to_text(&INVALID_PARAMS.with(WithReason { data, reason }))
}

/// An error object with nothing else than code and message.
#[derive(Serialize)]
struct Bare<'a> {
    code: Raw<'a>,
    message: Raw<'a>,
}

/// Returns an error without its data.
pub fn without_data(error: Raw) -> String {
    let code = error.get("code").unwrap_or(Raw::trusted("0"));
    let message = error.get("message").filter(|message| message.as_str().is_some());
    to_text(&Bare { code, message: message.unwrap_or(Raw::trusted("\"\"")) })
}
