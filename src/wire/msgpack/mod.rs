//! msgpack at the edge of a connection: [`to_json`] for received messages, [`Packer`] for sent ones.
//!
//! The engines work on JSON text. The messages of a connection that uses msgpack are translated where its
//! bytes arrive and leave, one message at a time and without building a tree. The engines decide when a
//! connection uses it (`config {encoding:"msgpack"}`).
//!
//! ```
//! use jet::wire::msgpack::{Limits, Packer, to_json};
//!
//! let mut bytes = Vec::from(r#"{"on":true,"levels":[1,-2,0.5]}"#);
//! Packer::default().pack(&mut bytes, 0);
//! assert_eq!(bytes, b"\x82\xa2on\xc3\xa6levels\x93\x01\xfe\xca\x3f\0\0\0");
//!
//! let message = to_json(&bytes, Limits { max_depth: 10, max_text: 1000 })?;
//! assert_eq!(message.text, r#"{"on":true,"levels":[1,-2,0.5]}"#);
//! # Ok::<(), jet::wire::msgpack::Error>(())
//! ```
//!
//! The two formats differ in this:
//!
//! | msgpack | JSON text |
//! |---|---|
//! | nil | `null`. It does not disappear, as it does with peers that decode it to Lua's nil |
//! | integers of 64 bits, signed and unsigned | exact integers; larger ones are sent as doubles |
//! | floats of either width | the shortest text of that double, with a point: `1.0` stays a float |
//! | NaN, infinities | an error, as JSON has none |
//! | str, bin | a string; bytes that are not UTF-8 are read as Latin-1, as in JSON messages |
//! | integer and float keys | their text as the key; encoders of Lua tables with holes send them |
//! | other keys, ext, the unused marker | an error |
//!
//! In msgpack, doubles take four bytes where that loses nothing. Strings are never sent as str 8 or
//! bin, which readers of the first version of the format (cmsgpack before 0.4) do not know.

mod decode;
mod encode;

pub use decode::{Decoded, Error, Limits, Reason, to_json};
pub use encode::{Packer, array_header};

/// Returns whether a message is msgpack. Every message is an array or a map, whose first byte no JSON text begins
/// with.
pub fn is_message(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0x80..=0x9f | 0xdc..=0xdf))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Raw;

    #[test]
    fn the_first_byte_tells_msgpack_from_json() {
        for json in ["{}", "[]", " {}", "\n[1]", "\t1", "\r{}", "\"x\"", "-1", "null", "true", "false", ""] {
            assert!(!is_message(json.as_bytes()), "{json}");
            let mut packed = Vec::from(json);
            if Raw::parse(json, 9).is_ok() {
                Packer::default().pack(&mut packed, 0);
                assert_eq!(is_message(&packed), json.trim().starts_with(['{', '[']), "{json}");
            }
        }
    }
}
