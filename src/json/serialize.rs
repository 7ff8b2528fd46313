//! Writing JSON with serde: checked text passes through structs that derive `Serialize`.

use std::io::{self, Write};

use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

use super::{Raw, write};

/// The name by which serde_json recognises text that it has to pass through: `serde_json::value::RawValue` serialises
/// as a struct of this name with one field of this name. A `RawValue` can only be made by checking the text once more,
/// which takes several times as long as copying it. The test below fails if serde_json ever changes the name.
const PASS_THROUGH: &str = "$serde_json::private::RawValue";

impl Serialize for Raw<'_> {
    /// Passes the text of the value through unchanged. Works with serde_json only.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut value = serializer.serialize_struct(PASS_THROUGH, 1)?;
        value.serialize_field(PASS_THROUGH, self.text())?;
        value.end()
    }
}

/// Writes numbers and strings exactly as [`write`](mod@super::write) does.
struct Ours;

impl Formatter for Ours {
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let mut text = Vec::with_capacity(24);
        write::float(&mut text, value);
        writer.write_all(&text)
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            CharEscape::Backspace => writer.write_all(b"\\u0008"),
            CharEscape::FormFeed => writer.write_all(b"\\u000c"),
            other => CompactFormatter.write_char_escape(writer, other),
        }
    }
}

/// Returns `value` as JSON text.
///
/// ```
/// use jet::json::{Raw, to_text};
///
/// #[derive(serde::Serialize)]
/// struct Params<'a> {
///     path: &'a str,
///     value: Raw<'a>,
/// }
///
/// let params = Params { path: "a/b", value: Raw::trusted("[1.0, 2]") };
/// assert_eq!(to_text(&params), r#"{"path":"a/b","value":[1.0, 2]}"#);
/// ```
///
/// # Panics
/// If `value` refuses to be serialised. Derived structs never do; maps do if a key is not a string.
pub fn to_text(value: &impl Serialize) -> String {
    let mut text = Vec::new();
    append(&mut text, value);
    String::from_utf8(text).expect("serde_json and our formatter write UTF-8")
}

/// Appends `value` as JSON text to `out`.
///
/// # Panics
/// As [`to_text`] does.
pub fn append(out: &mut Vec<u8>, value: &impl Serialize) {
    let mut serializer = serde_json::Serializer::with_formatter(out, Ours);
    value.serialize(&mut serializer).expect("structs and maps of strings can be serialised");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checked_text_is_passed_through_byte_for_byte() {
        let text = r#"{ "a" : [1.0, -0.0, 1e400, 12345678901234567890123, "\u0041\ud800"] }"#;
        let object = std::collections::BTreeMap::from([("value", Raw::trusted(text))]);
        assert_eq!(to_text(&object), format!("{{\"value\":{text}}}"));
        let mut out = Vec::from(*b"x");
        append(&mut out, &Raw::trusted(text));
        assert_eq!(out, format!("x{text}").as_bytes());
    }

    #[test]
    fn numbers_and_strings_look_as_those_that_are_written_by_hand() {
        for value in [0.0, -0.0, 1.0, 21.37, 0.1 + 0.2, 1e15, 1e16, 1e300, 5e-324, 1e-4, 1e-5, 123456789.125]
        {
            let mut out = Vec::new();
            write::float(&mut out, value);
            assert_eq!(to_text(&value).as_bytes(), out);
        }
        for value in [0, 1, -1, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            write::integer(&mut out, value);
            assert_eq!(to_text(&value).as_bytes(), out);
        }
        let text: String = (0..=0x3000).filter_map(char::from_u32).collect();
        let mut out = Vec::new();
        write::string(&mut out, &text);
        assert_eq!(to_text(&text).as_bytes(), out);
    }
}
