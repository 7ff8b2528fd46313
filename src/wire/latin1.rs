//! Text from outside: bytes that are not UTF-8 are read as Latin-1, and characters that are dangerous to show
//! are escaped.
//!
//! Devices in the field put single Latin-1 bytes, mostly a degree sign, into their strings.
//! To refuse the message for one such byte would be to lose the device.

use std::borrow::Cow;

/// Returns `bytes` as text. They are borrowed if they are UTF-8. Otherwise each offending byte becomes the Latin-1
/// character of that number, and valid parts stay as they are.
///
/// ```
/// assert_eq!(jet::wire::latin1::from_bytes(b"20 \xb0C"), "20 °C");
/// ```
pub fn from_bytes(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let mut text = String::with_capacity(bytes.len() + bytes.len() / 8);
            push_latin1(&mut text, bytes);
            Cow::Owned(text)
        }
    }
}

/// Appends `bytes` to `text`, and each byte that is not part of valid UTF-8 as a Latin-1 character.
pub fn push_latin1(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|&byte| char::from(byte)));
    }
}

/// The number of characters from outside that a log line or an error shows at most.
pub const MAX_SHOWN: usize = 200;

/// Returns whether a character can do harm in a log or on a terminal: it begins a line or an escape code, or changes
/// the direction of the text.
pub fn is_unsafe_to_show(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns text from outside so that it is safe to show: on one line, without control characters, and cut after
/// [`MAX_SHOWN`] characters.
///
/// ```
/// assert_eq!(jet::wire::latin1::shown("a\n\u{1b}[31m"), "a\\n\\u{1b}[31m");
/// ```
pub fn shown(text: &str) -> Cow<'_, str> {
    shown_up_to(text, MAX_SHOWN)
}

/// As [`shown`], but cut after `limit` characters, which are counted before they are escaped.
pub fn shown_up_to(text: &str, limit: usize) -> Cow<'_, str> {
    let cut = text.char_indices().nth(limit).map(|(end, _)| end);
    let kept = &text[..cut.unwrap_or(text.len())];
    if cut.is_none() && !kept.contains(is_unsafe_to_show) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(kept.len() + 8);
    for c in kept.chars() {
        if is_unsafe_to_show(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    if cut.is_some() {
        safe.push_str("...");
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_text_is_borrowed() {
        assert!(matches!(from_bytes("20 °C".as_bytes()), Cow::Borrowed("20 °C")));
    }

    #[test]
    fn offending_bytes_become_latin1_and_the_rest_stays() {
        assert_eq!(from_bytes(b"20 \xb0C \xc3\xa9 \xe2\x82"), "20 °C é â\u{82}");
    }

    #[test]
    fn what_is_shown_is_one_line_without_escape_codes() {
        for (text, expected) in [
            ("20 °C", "20 °C"),
            ("a\nb\r\t\0", "a\\nb\\r\\t\\u{0}"),
            ("\u{1b}[31m\u{7f}\u{9b}", "\\u{1b}[31m\\u{7f}\\u{9b}"),
            ("\u{202e}\u{2028}\u{2066}\u{200f}\u{61c}", "\\u{202e}\\u{2028}\\u{2066}\\u{200f}\\u{61c}"),
        ] {
            assert_eq!(shown(text), expected);
            assert_eq!(shown(&shown(text)), expected, "twice");
        }
    }

    #[test]
    fn what_is_shown_is_cut() {
        let long = "é".repeat(MAX_SHOWN);
        assert_eq!(shown(&long), long);
        assert_eq!(shown(&format!("{long}\n")), format!("{long}..."));
    }
}
