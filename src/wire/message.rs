//! The envelope of a message, which is JSON-RPC 2.0 without the version: [`Message`] reads one, [`Request`],
//! [`Response`] and [`ErrorResponse`] are written with serde.
//!
//! On the hot path the response, the notification, its sorted changes and the routed request are written by hand:
//! [`write_response`], [`write_notification`], [`write_change`] and [`write_routed_request`] take a quarter of the time
//! that serde takes.

use serde::Serialize;

use crate::json::{Kind, Raw, write};

/// A request or, without an id, a notification.
///
/// ```
/// use jet::json::to_text;
/// use jet::wire::error::Tag;
/// use jet::wire::message::Request;
///
/// let request = Request { id: Some(7), method: "unfetch", params: Tag("id", "f1") };
/// assert_eq!(to_text(&request), r#"{"id":7,"method":"unfetch","params":{"id":"f1"}}"#);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Request<'a, I, P> {
    /// Any JSON value, mostly a number or a string. The response repeats it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<I>,
    /// The name of a service or the path of an element.
    pub method: &'a str,
    /// An object, mostly.
    pub params: P,
}

/// The response to a request that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Response<I, R> {
    /// The id of the request.
    pub id: I,
    /// Any JSON value.
    pub result: R,
}

/// The response to a request that failed.
///
/// ```
/// use jet::json::{Raw, to_text};
/// use jet::wire::error::METHOD_NOT_FOUND;
/// use jet::wire::message::ErrorResponse;
///
/// let response = ErrorResponse { id: Some(Raw::trusted("\"a\"")), error: METHOD_NOT_FOUND.with("no such service") };
/// let text = r#"{"id":"a","error":{"code":-32601,"message":"Method not found","data":"no such service"}}"#;
/// assert_eq!(to_text(&response), text);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ErrorResponse<I, E> {
    /// The id of the request. There is none if it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<I>,
    /// An [`ErrorObject`](super::error::ErrorObject), or the text of one.
    pub error: E,
}

/// Appends a [`Response`]. `id` and `result` are JSON text.
pub fn write_response(out: &mut Vec<u8>, id: &str, result: &str) {
    out.extend_from_slice(b"{\"id\":");
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(b",\"result\":");
    out.extend_from_slice(result.as_bytes());
    out.push(b'}');
}

/// Appends a notification, which is a [`Request`] without an id. `method`, which is the id of a fetch, and `params` are
/// JSON text.
pub fn write_notification(out: &mut Vec<u8>, method: &str, params: &[u8]) {
    out.extend_from_slice(b"{\"method\":");
    out.extend_from_slice(method.as_bytes());
    out.extend_from_slice(b",\"params\":");
    out.extend_from_slice(params);
    out.push(b'}');
}

/// Appends a [`Request`] to the owner of an element. The path is the method, and the id is `"r"` with the number of
/// the route; without a number it is a notification. `params` appends the params as JSON text.
pub fn write_routed_request(
    out: &mut Vec<u8>,
    number: Option<u64>,
    path: &str,
    params: impl FnOnce(&mut Vec<u8>),
) {
    out.push(b'{');
    if let Some(number) = number {
        out.extend_from_slice(b"\"id\":\"r");
        write::integer(out, number as i64);
        out.extend_from_slice(b"\",");
    }
    out.extend_from_slice(b"\"method\":");
    write::string(out, path);
    out.extend_from_slice(b",\"params\":");
    params(out);
    out.push(b'}');
}

/// The members of one received message. Other members, such as `jsonrpc`, are ignored. Of a member that is given twice
/// the last value counts, and a member that is `null` is present.
///
/// ```
/// use jet::json::Raw;
/// use jet::wire::message::Message;
///
/// let text = r#"{"method": "set", "params": {"path": "a", "value": 1.50}, "id": 7}"#;
/// let message = Message::read(Raw::parse(text, 10)?).expect("an object");
/// assert_eq!(message.method.and_then(Raw::as_str).as_deref(), Some("set"));
/// assert_eq!(message.params.and_then(|params| params.get("value")).map(Raw::text), Some("1.50"));
/// assert!(message.result.is_none());
/// # Ok::<(), jet::json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Message<'a> {
    /// `id`: any JSON value, in requests and responses.
    pub id: Option<Raw<'a>>,
    /// `method`: the name of a service, the path of an element or the id of a fetch.
    pub method: Option<Raw<'a>>,
    /// `params` of a request or notification.
    pub params: Option<Raw<'a>>,
    /// `result` of a response.
    pub result: Option<Raw<'a>>,
    /// `error` of a response.
    pub error: Option<Raw<'a>>,
}

impl<'a> Message<'a> {
    /// Reads the envelope. Returns `None` if the value is not an object.
    pub fn read(value: Raw<'a>) -> Option<Message<'a>> {
        if value.kind() != Kind::Object {
            return None;
        }
        let mut message = Message::default();
        for (key, value) in value.members() {
            match &*key {
                "id" => message.id = Some(value),
                "method" => message.method = Some(value),
                "params" => message.params = Some(value),
                "result" => message.result = Some(value),
                "error" => message.error = Some(value),
                _ => {}
            }
        }
        Some(message)
    }
}

/// Appends an entry of `changes` in the notifications of a sorted fetch, `{"path":…,"value":…,"index":…}`, with
/// `"fetchOnly":true` if `fetch_only` is set. The index counts from 1. Without a value there is no `value`.
pub fn write_change(out: &mut Vec<u8>, path: &str, value: Option<&str>, index: usize, fetch_only: bool) {
    out.extend_from_slice(b"{\"path\":");
    write::string(out, path);
    if let Some(value) = value {
        out.extend_from_slice(b",\"value\":");
        out.extend_from_slice(value.as_bytes());
    }
    out.extend_from_slice(b",\"index\":");
    write::integer(out, index as i64);
    if fetch_only {
        out.extend_from_slice(b",\"fetchOnly\":true");
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::to_text;

    #[test]
    fn members_are_found_whatever_their_order() {
        let raw =
            Raw::parse(r#"{"params":{"a":1},"jsonrpc":"2.0","method":"x","id":null,"id":7}"#, 9).unwrap();
        let message = Message::read(raw).expect("an object");
        assert_eq!(message.id.unwrap().text(), "7");
        assert_eq!(message.method.unwrap().as_str().unwrap(), "x");
        assert_eq!(message.params.unwrap().text(), r#"{"a":1}"#);
        assert!(message.result.is_none() && message.error.is_none());
    }

    #[test]
    fn writers_by_hand_agree_with_the_structs() {
        let (id, value) = (Raw::trusted("\"r7\""), Raw::trusted("[1.0]"));
        let mut out = Vec::new();
        write_response(&mut out, id.text(), value.text());
        assert_eq!(out, to_text(&Response { id, result: value }).as_bytes());
        out.clear();
        write_notification(&mut out, "\"f\\n\"", value.text().as_bytes());
        assert_eq!(out, to_text(&Request { id: None::<u32>, method: "f\n", params: value }).as_bytes());
        for number in [None, Some(7)] {
            out.clear();
            write_routed_request(&mut out, number, "a\"b", |out| out.extend_from_slice(b"[1.0]"));
            let request = Request { id: number.map(|_| id), method: "a\"b", params: value };
            assert_eq!(out, to_text(&request).as_bytes());
        }
    }

    #[test]
    fn only_objects_are_messages() {
        for text in ["[]", "1", "null", "\"x\""] {
            assert!(Message::read(Raw::parse(text, 9).unwrap()).is_none());
        }
    }
}
