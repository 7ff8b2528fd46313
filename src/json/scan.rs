//! Checks JSON text in one pass: its grammar, its nesting depth, and that its numbers fit a double.
//!
//! A check finds the end of a value and keeps nothing of it. Checked text is read with [`Raw`](super::Raw) and
//! [`Tokens`](super::Tokens).
//!
//! ```
//! use jet::json::scan::{self, Reason};
//!
//! assert_eq!(scan::whole(b" [1, 2] ", 10), Ok((1, 7)));
//! let error = scan::whole(b"[1, 2", 10).expect_err("no bracket");
//! assert_eq!((error.reason, error.at), (Reason::UnexpectedEnd, 5));
//! ```

use std::fmt;

use super::string::find_special;

/// The depth to which arrays and objects may nest in a message. Programs for the earlier module could send
/// a thousand levels. More would only serve to exhaust the stack of a recursive reader.
pub const DEFAULT_MAX_DEPTH: usize = 1000;

/// A number without an exponent and with at most this many digits fits a double.
const SAFE_DIGITS: usize = 300;

/// Why a text is not acceptable JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub reason: Reason,
    /// The offset in bytes at which it was found.
    pub at: usize,
}

/// The ways in which a text can fail to be acceptable JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The text ends inside a value.
    UnexpectedEnd,
    /// A character stands where the grammar does not allow it.
    UnexpectedCharacter,
    /// A string holds an unescaped control character or a broken escape.
    BadString,
    /// A number is malformed.
    BadNumber,
    /// A number is outside the range of a double, so most peers could not read it.
    NumberOutOfRange,
    /// Arrays and objects nest deeper than allowed.
    TooDeep,
    /// Something follows the value.
    TrailingCharacters,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason {
            Reason::UnexpectedEnd => "unexpected end",
            Reason::UnexpectedCharacter => "unexpected character",
            Reason::BadString => "control character or broken escape in a string",
            Reason::BadNumber => "malformed number",
            Reason::NumberOutOfRange => "number outside the range of a double",
            Reason::TooDeep => "nested too deep",
            Reason::TrailingCharacters => "something follows the value",
        };
        write!(f, "{reason} at byte {}", self.at + 1)
    }
}

impl std::error::Error for Error {}

/// The result of a check.
pub type Result<T> = std::result::Result<T, Error>;

fn fail<T>(reason: Reason, at: usize) -> Result<T> {
    Err(Error { reason, at })
}

/// Returns the offset of the first byte at or after `at` that is not JSON white space.
pub fn skip_blanks(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// Checks that `text` is exactly one JSON value, maybe with white space around it. Returns where the value starts and
/// ends. `max_depth` counts nested arrays and objects, the outermost being 1.
///
/// # Errors
/// Fails for each [`Reason`].
pub fn whole(text: &[u8], max_depth: usize) -> Result<(usize, usize)> {
    let start = skip_blanks(text, 0);
    let end = value_end(text, start, max_depth)?;
    let rest = skip_blanks(text, end);
    if rest != text.len() {
        return fail(Reason::TrailingCharacters, rest);
    }
    Ok((start, end))
}

/// Checks the value that starts at `at`, and returns where it ends. There must be no white space at `at`. `max_depth`
/// counts nested arrays and objects.
///
/// The check keeps one bit for each open level instead of recursing, so depth costs no stack.
///
/// # Errors
/// Fails for each [`Reason`] but [`TrailingCharacters`](Reason::TrailingCharacters).
pub fn value_end(text: &[u8], at: usize, max_depth: usize) -> Result<usize> {
    let mut open = Levels::new(max_depth);
    let mut at = at;
    loop {
        at = match open.enter(text, at)? {
            Step::Into(next) => next,
            Step::Scalar(next) => match open.leave(text, next)? {
                Leave::Next(next) => next,
                Leave::End(end) => return Ok(end),
            },
        };
    }
}

enum Step {
    Into(usize),
    Scalar(usize),
}

enum Leave {
    Next(usize),
    End(usize),
}

/// The containers that are open, as bits: 1 for an object, 0 for an array.
struct Levels {
    shallow: u64,
    deep: Vec<bool>,
    depth: usize,
    max: usize,
}

impl Levels {
    fn new(max: usize) -> Self {
        Levels { shallow: 0, deep: Vec::new(), depth: 0, max }
    }

    fn push(&mut self, object: bool, at: usize) -> Result<()> {
        if self.depth >= self.max {
            return fail(Reason::TooDeep, at);
        }
        if self.depth < 64 {
            let bit = 1 << self.depth;
            self.shallow = if object { self.shallow | bit } else { self.shallow & !bit };
        } else {
            self.deep.push(object);
        }
        self.depth += 1;
        Ok(())
    }

    fn pop(&mut self) {
        self.depth -= 1;
        if self.depth >= 64 {
            self.deep.pop();
        }
    }

    fn in_object(&self) -> bool {
        match self.depth {
            1..=64 => self.shallow & (1 << (self.depth - 1)) != 0,
            _ => self.deep.last().copied().unwrap_or(false),
        }
    }

    /// Takes one scalar or an empty container, or steps into a container.
    fn enter(&mut self, text: &[u8], at: usize) -> Result<Step> {
        match text.get(at) {
            Some(b'{') => {
                self.push(true, at)?;
                let next = skip_blanks(text, at + 1);
                if text.get(next) == Some(&b'}') {
                    self.pop();
                    return Ok(Step::Scalar(next + 1));
                }
                Ok(Step::Into(key_end(text, next)?))
            }
            Some(b'[') => {
                self.push(false, at)?;
                let next = skip_blanks(text, at + 1);
                if text.get(next) == Some(&b']') {
                    self.pop();
                    return Ok(Step::Scalar(next + 1));
                }
                Ok(Step::Into(next))
            }
            _ => scalar_end(text, at).map(Step::Scalar),
        }
    }

    /// Moves from the end of a value to its next sibling, or out of the containers that it is the last value of.
    fn leave(&mut self, text: &[u8], mut at: usize) -> Result<Leave> {
        loop {
            if self.depth == 0 {
                return Ok(Leave::End(at));
            }
            at = skip_blanks(text, at);
            let object = self.in_object();
            match text.get(at) {
                Some(b',') => {
                    let next = skip_blanks(text, at + 1);
                    return Ok(Leave::Next(if object { key_end(text, next)? } else { next }));
                }
                Some(b'}') if object => self.pop(),
                Some(b']') if !object => self.pop(),
                Some(_) => return fail(Reason::UnexpectedCharacter, at),
                None => return fail(Reason::UnexpectedEnd, at),
            }
            at += 1;
        }
    }
}

/// Returns where the value of a member starts whose key starts at `at`.
fn key_end(text: &[u8], at: usize) -> Result<usize> {
    if text.get(at) != Some(&b'"') {
        let reason = if at < text.len() { Reason::UnexpectedCharacter } else { Reason::UnexpectedEnd };
        return fail(reason, at);
    }
    let colon = skip_blanks(text, string_end(text, at)?);
    match text.get(colon) {
        Some(b':') => Ok(skip_blanks(text, colon + 1)),
        Some(_) => fail(Reason::UnexpectedCharacter, colon),
        None => fail(Reason::UnexpectedEnd, colon),
    }
}

/// Returns the end of the string, number or word that starts at `at`.
fn scalar_end(text: &[u8], at: usize) -> Result<usize> {
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

/// Returns the offset behind the closing quote of the string that starts at `at`.
fn string_end(text: &[u8], at: usize) -> Result<usize> {
    let mut at = at + 1;
    loop {
        at = find_special(text, at);
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
