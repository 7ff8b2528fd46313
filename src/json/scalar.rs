//! Checks strings, numbers and words, and finds where they end.
//!
//! The text is UTF-8 already (a `&str`), so strings are only searched for their closing quote,
//! escapes and control bytes.

use super::scan::{Reason, Result, fail};

/// Digits up to which a number without an exponent is surely inside the range of a double.
const SAFE_DIGITS: usize = 300;

/// Finds the end of the string, number or word that starts at `at`.
pub(super) fn scalar_end(text: &[u8], at: usize) -> Result<usize> {
    match text.get(at) {
        Some(b'"') => string_end(text, at),
        Some(b'-' | b'0'..=b'9') => number_end(text, at),
        Some(b't') => word_end(text, at, b"true"),
        Some(b'f') => word_end(text, at, b"false"),
        Some(b'n') => word_end(text, at, b"null"),
        Some(_) => fail(Reason::UnexpectedCharacter, at),
        None => fail(Reason::UnexpectedEnd, at),
    }
}

fn word_end(text: &[u8], at: usize, word: &[u8]) -> Result<usize> {
    if text[at..].starts_with(word) {
        return Ok(at + word.len());
    }
    fail(Reason::UnexpectedCharacter, at)
}

/// Offset of the first `"`, `\` or control byte at or after `at`; the end of the text if none.
pub(crate) fn special(text: &[u8], mut at: usize) -> usize {
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

/// From the opening quote at `at` to behind the closing one.
pub(super) fn string_end(text: &[u8], at: usize) -> Result<usize> {
    let mut at = at + 1;
    loop {
        at = special(text, at);
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = escape_end(text, at)?,
            Some(_) => return fail(Reason::BadString, at),
            None => return fail(Reason::UnexpectedEnd, at),
        }
    }
}

fn escape_end(text: &[u8], at: usize) -> Result<usize> {
    match text.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match text.get(at + 2..at + 6) {
            Some(hex) if hex.iter().all(u8::is_ascii_hexdigit) => Ok(at + 6),
            Some(_) => fail(Reason::BadString, at),
            None => fail(Reason::UnexpectedEnd, text.len()),
        },
        Some(_) => fail(Reason::BadString, at),
        None => fail(Reason::UnexpectedEnd, text.len()),
    }
}

fn digits_end(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b'0'..=b'9')) {
        at += 1;
    }
    at
}

fn number_end(text: &[u8], start: usize) -> Result<usize> {
    let first = start + usize::from(text[start] == b'-');
    let mut at = digits_end(text, first);
    if at == first || (text[first] == b'0' && at > first + 1) {
        return fail(Reason::BadNumber, start);
    }
    let mut doubtful = at - first > SAFE_DIGITS;
    if text.get(at) == Some(&b'.') {
        let end = digits_end(text, at + 1);
        if end == at + 1 {
            return fail(Reason::BadNumber, start);
        }
        at = end;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let signed = matches!(text.get(at + 1), Some(b'+' | b'-'));
        let digits = at + 1 + usize::from(signed);
        let end = digits_end(text, digits);
        if end == digits {
            return fail(Reason::BadNumber, start);
        }
        doubtful = true;
        at = end;
    }
    if doubtful && !fits_double(&text[start..at]) {
        return fail(Reason::NumberOutOfRange, start);
    }
    Ok(at)
}

fn fits_double(number: &[u8]) -> bool {
    let value = std::str::from_utf8(number).ok().and_then(|s| s.parse::<f64>().ok());
    value.is_some_and(f64::is_finite)
}
