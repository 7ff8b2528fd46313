//! [`Encoding`]: JSON or msgpack, and [`decode`], which makes JSON text of a received message in either.

use std::borrow::Cow;

use super::latin1;
use super::msgpack::{self, Limits};

/// The encoding of the messages of a connection. Frames are the same for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// JSON text, with which every connection begins.
    #[default]
    Json,
    /// msgpack, see [`msgpack`].
    Msgpack,
}

impl Encoding {
    /// Returns the encoding that `config` knows by that name. JSON cannot be asked for, so it is not among them.
    pub fn named(name: &str) -> Option<Encoding> {
        (name == "msgpack").then_some(Encoding::Msgpack)
    }

    /// Returns the name of the encoding, for programs and people.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Json => "json",
            Encoding::Msgpack => "msgpack",
        }
    }
}

/// A received message as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<'a> {
    /// What should be JSON. Only text that was msgpack is known to be.
    pub json: Cow<'a, str>,
    /// Whether bytes that are not UTF-8 were read as Latin-1.
    pub repaired: bool,
}

/// Returns a received message as text. A connection of msgpack accepts JSON too, which the other side may have sent
/// before it learned of the change: the first byte tells the two apart. `limits` apply to msgpack; JSON is checked
/// when it is parsed.
///
/// ```
/// use jet::wire::encoding::{Encoding, decode};
/// use jet::wire::msgpack::Limits;
///
/// let limits = Limits { max_depth: 10, max_text: 1000 };
/// let message = decode(Encoding::Msgpack, b"\x81\xa2id\x07", limits)?;
/// assert_eq!(message.json, r#"{"id":7}"#);
/// assert_eq!(decode(Encoding::Msgpack, b"{}", limits)?.json, "{}");
/// # Ok::<(), jet::wire::msgpack::Error>(())
/// ```
///
/// # Errors
/// Fails if the message is msgpack that JSON cannot express within the limits.
pub fn decode(encoding: Encoding, bytes: &[u8], limits: Limits) -> Result<Text<'_>, msgpack::Error> {
    if encoding == Encoding::Msgpack && msgpack::is_message(bytes) {
        let decoded = msgpack::to_json(bytes, limits)?;
        return Ok(Text { json: Cow::Owned(decoded.text), repaired: decoded.repaired });
    }
    let json = latin1::from_bytes(bytes);
    let repaired = matches!(json, Cow::Owned(_));
    Ok(Text { json, repaired })
}
