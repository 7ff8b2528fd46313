//! msgpack at the edge of a connection: [`to_json`] for what comes in, [`Packer`] for what goes out.
//!
//! The engines work on JSON text. A connection that has agreed on msgpack is translated where its
//! bytes come in and leave, one message at a time and without building a tree. When and how a
//! connection agrees on it is the engines' business (`config {encoding:"msgpack"}`).
//!
//! What msgpack and JSON do not share:
//!
//! | msgpack | JSON text |
//! |---|---|
//! | nil | `null`: it does not vanish as with peers that decode it to Lua's nil |
//! | integers, 64 bits with and without sign | integers, exact; beyond 64 bits they are sent as doubles |
//! | floats of either width | the shortest text of that double, with a point: `1.0` stays a float |
//! | NaN, infinities | an error, as JSON has none |
//! | str, bin | a string; bytes that are no UTF-8 are taken as Latin-1, as in frames of JSON |
//! | integer and float keys | their text as the key, as encoders of Lua tables with holes send them |
//! | other keys, ext, the unused marker | an error |
//!
//! To msgpack, doubles go in four bytes where that loses nothing, and strings never as str 8 or
//! bin: readers of the first version of the format (cmsgpack before 0.4) know neither.

mod decode;
mod encode;

pub use decode::{Decoded, Error, Limits, Reason, to_json};
pub use encode::{Packer, array_header};

/// Whether a message begins as msgpack: with an array or a map, as all messages are one. No JSON
/// text begins so.
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
