//! The envelope of a message: the members JSON-RPC gives a meaning to, as raw JSON.

use crate::json::{Kind, Raw};

/// The members of one message. Others (`jsonrpc`, …) are kept out, a member given twice counts
/// with its last value, and a member that is `null` is there and is `null`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Message<'a> {
    /// `id`: any JSON value; there in requests and responses.
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
    /// Reads the envelope; `None` if the value is no object.
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn only_objects_are_messages() {
        for text in ["[]", "1", "null", "\"x\""] {
            assert!(Message::read(Raw::parse(text, 9).unwrap()).is_none());
        }
    }
}
