//! What the escapes in a checked string stand for. Writing them is in [`write`](mod@super::write).

use std::borrow::Cow;

/// Resolves the escapes of the inside of a string.
pub(super) fn unescape(inner: &str) -> Cow<'_, str> {
    // Most strings have none, and are short.
    let Some(first) = inner.bytes().position(|byte| byte == b'\\') else {
        return Cow::Borrowed(inner);
    };
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    let mut next = Some(first);
    while let Some(at) = next {
        out.push_str(&rest[..at]);
        let (character, length) = unescape_one(&rest[at..]);
        out.push(character);
        rest = rest.get(at + length..).unwrap_or("");
        next = rest.find('\\');
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character of the escape at the start of `text`, and how many bytes it takes.
pub(crate) fn unescape_one(text: &str) -> (char, usize) {
    let character = match text.as_bytes().get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => return unescape_unicode(text),
        Some(other) if other.is_ascii() => char::from(*other),
        _ => return (char::REPLACEMENT_CHARACTER, 1),
    };
    (character, 2)
}

fn hex4(text: &str, at: usize) -> Option<u32> {
    u32::from_str_radix(text.get(at..at + 4)?, 16).ok()
}

fn unescape_unicode(text: &str) -> (char, usize) {
    let Some(unit) = hex4(text, 2) else {
        return (char::REPLACEMENT_CHARACTER, 2);
    };
    let low = match (unit, text.get(6..8)) {
        (0xd800..=0xdbff, Some("\\u")) => hex4(text, 8).filter(|low| (0xdc00..=0xdfff).contains(low)),
        _ => None,
    };
    match low {
        Some(low) => {
            let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
        }
        None => (char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
    }
}
