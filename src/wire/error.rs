//! [`ErrorObject`]: the `error` of a response, and the codes that the bus uses.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// The `code` and `message` of an error object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The number that programs compare.
    pub code: i64,
    /// The text that belongs to the number.
    pub message: &'static str,
}

/// A message is not acceptable JSON.
pub const PARSE_ERROR: Code = Code { code: -32700, message: "Parse error" };
/// A message is neither request nor response.
pub const INVALID_REQUEST: Code = Code { code: -32600, message: "Invalid Request" };
/// No service or element has that name.
pub const METHOD_NOT_FOUND: Code = Code { code: -32601, message: "Method not found" };
/// The params are wrong. `data` says how.
pub const INVALID_PARAMS: Code = Code { code: -32602, message: "Invalid params" };
/// A handler of a set or call failed. `data` is what it raised.
pub const INTERNAL_ERROR: Code = Code { code: -32603, message: "Internal error" };
/// The owner of a path did not answer in time. `data` is the params of the request.
pub const RESPONSE_TIMEOUT: Code = Code { code: -32001, message: "Response Timeout" };
/// The connection, or the connection of the owner of a path, is closed.
pub const CONNECTION_CLOSED: Code = Code { code: -32000, message: "Connection closed" };

/// More logins are waiting than the daemon can verify soon. `data.retryAfter` is the number of seconds to wait.
pub const TOO_MANY_LOGINS: Code = Code { code: -32000, message: "Too many logins" };

/// An error object: `{"code":…,"message":…,"data":…}`. There is no `data` without a value for it.
///
/// ```
/// use jet::json::to_text;
/// use jet::wire::error::{INVALID_PARAMS, Tag};
///
/// let error = INVALID_PARAMS.with(Tag("pathNotExists", "a/b"));
/// let text = r#"{"code":-32602,"message":"Invalid params","data":{"pathNotExists":"a/b"}}"#;
/// assert_eq!(to_text(&error), text);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ErrorObject<D> {
    /// The number that programs compare.
    pub code: i64,
    /// The text that belongs to the number.
    pub message: &'static str,
    /// What the error is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<D>,
}

impl Code {
    /// Returns an error object with this code and `data`.
    pub fn with<D>(self, data: D) -> ErrorObject<D> {
        self.with_optional(Some(data))
    }

    /// Returns an error object with this code, and with `data` if there is any.
    pub fn with_optional<D>(self, data: Option<D>) -> ErrorObject<D> {
        ErrorObject { code: self.code, message: self.message, data }
    }
}

/// An object with one member, which is the usual `data` of an error: `{"pathNotExists":"a"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag<'a, V>(pub &'a str, pub V);

impl<V: Serialize> Serialize for Tag<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(1))?;
        object.serialize_entry(self.0, &self.1)?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Raw, to_text};

    #[test]
    fn an_error_object_has_code_message_and_optional_data() {
        let bare = METHOD_NOT_FOUND.with_optional(None::<&str>);
        assert_eq!(to_text(&bare), r#"{"code":-32601,"message":"Method not found"}"#);
        let data = to_text(&Tag("pathNotExists", "a\"b"));
        let error = INVALID_PARAMS.with(Raw::trusted(&data));
        let text = r#"{"code":-32602,"message":"Invalid params","data":{"pathNotExists":"a\"b"}}"#;
        assert_eq!(to_text(&error), text);
    }
}
