//! From received bytes to text: bytes that are no UTF-8 are taken as Latin-1.
//!
//! Devices in the field put single Latin-1 bytes (a degree sign, mostly) into their strings.
//! Losing the whole message for one such byte would lose a device.

use std::borrow::Cow;

/// `bytes` as text. Borrowed if they are UTF-8; else each offending byte became the character
/// of that number (Latin-1), and what is valid stays as it is.
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

/// Appends `bytes` to `text`; each byte that is not part of valid UTF-8 as the Latin-1 character.
pub fn push_latin1(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|&byte| char::from(byte)));
    }
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
}
