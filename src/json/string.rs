//! The inside of a JSON string: where it ends, and what its escapes stand for.
//!
//! The text is UTF-8 already, so a string is only searched for its closing quote, for escapes and for control bytes.

use std::borrow::Cow;
use std::ops::Range;

/// Returns the offset of the first `"`, `\` or control byte at or after `at`, or the length of the text if there is
/// none.
#[inline]
pub fn find_special(text: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // Eight bytes at a time: a byte is special if it is zero after XOR with `"` or `\`, or
    // below 0x20. Borrows can only mark bytes *above* a true hit, so the lowest mark is exact.
    while let Some(chunk) = text.get(at..at + 8) {
        let word = u64::from_le_bytes(chunk.try_into().expect("the slice has eight bytes"));
        let quote = word ^ (ONES * u64::from(b'"'));
        let slash = word ^ (ONES * u64::from(b'\\'));
        let hits = (quote.wrapping_sub(ONES) & !quote)
            | (slash.wrapping_sub(ONES) & !slash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        let hits = hits & HIGHS;
        if hits != 0 {
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while at < text.len() && !matches!(text[at], b'"' | b'\\' | 0..=0x1f) {
        at += 1;
    }
    at
}

/// Appends the contents of a string to `out`, with its escapes resolved, and returns the offset of the closing quote.
/// The contents begin at `start`, and the first escape at `at`.
pub fn unescape(text: &str, mut start: usize, mut at: usize, out: &mut String) -> usize {
    loop {
        out.push_str(text.get(start..at).unwrap_or_default());
        if text.as_bytes().get(at) != Some(&b'\\') {
            return at;
        }
        let (character, length) = resolve_escape(text.get(at..).unwrap_or_default());
        out.push(character);
        start = at + length;
        at = find_special(text.as_bytes(), start);
    }
}

/// The contents of a string as they stand in checked text: without the quotes, with the escapes.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a> {
    text: &'a str,
    start: usize,
    /// The offset of the first escape, or the end if there is none.
    escape: usize,
    end: usize,
}

impl<'a> Quoted<'a> {
    /// Takes what stands between two quotes of `text`. `escape` is the offset of the first escape, or the end.
    pub(crate) fn new(text: &'a str, Range { start, end }: Range<usize>, escape: usize) -> Quoted<'a> {
        Quoted { text, start, escape, end }
    }

    /// Returns the contents as they stand in the text, with the escapes.
    #[inline]
    pub fn as_written(self) -> &'a str {
        self.text.get(self.start..self.end).unwrap_or_default()
    }

    /// Returns the contents with their escapes resolved. An unpaired surrogate becomes U+FFFD.
    #[inline]
    pub fn unescape(self) -> Cow<'a, str> {
        match self.escape == self.end {
            true => Cow::Borrowed(self.as_written()),
            false => Cow::Owned(self.resolved()),
        }
    }

    fn resolved(self) -> String {
        let mut out = String::with_capacity(self.end - self.start);
        unescape(self.text, self.start, self.escape, &mut out);
        out
    }
}

/// Returns the character of the escape at the start of `text`, and the number of bytes it takes.
fn resolve_escape(text: &str) -> (char, usize) {
    let character = match text.as_bytes().get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => return resolve_unicode(text),
        Some(other) if other.is_ascii() => char::from(*other),
        _ => return (char::REPLACEMENT_CHARACTER, 1),
    };
    (character, 2)
}

fn resolve_unicode(text: &str) -> (char, usize) {
    let hex4 = |at: usize| u32::from_str_radix(text.get(at..at + 4)?, 16).ok();
    let Some(unit) = hex4(2) else {
        return (char::REPLACEMENT_CHARACTER, 2);
    };
    let low = match (unit, text.get(6..8)) {
        (0xd800..=0xdbff, Some("\\u")) => hex4(8).filter(|low| (0xdc00..=0xdfff).contains(low)),
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
