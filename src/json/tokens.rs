//! [`Tokens`]: a walk over checked JSON text, token by token.
//!
//! Everything that reads text which [`scan`](super::scan) has accepted goes through this walk: the conversion to Lua
//! values, the translation to msgpack, the redaction of the log, and [`Raw`](super::Raw), which looks up members and
//! elements. The walk itself checks nothing. On other text it does not panic; it finds too little, or too much.

use super::scan::skip_blanks;
use super::string::{Quoted, find_special, unescape};

/// One token. Separators and white space are none.
#[derive(Debug, Clone, Copy)]
pub enum Token<'a> {
    /// `{`
    BeginObject,
    /// `}`
    EndObject,
    /// `[`
    BeginArray,
    /// `]`
    EndArray,
    /// The key of a member. Its value follows.
    Key(Quoted<'a>),
    /// A string that is a value.
    String(Quoted<'a>),
    /// A number.
    Number(Numeral<'a>),
    /// `true` or `false`
    Bool(bool),
    /// `null`
    Null,
}

/// Digits that fit a `u64` and an `i64` whatever they are.
const SAFE_DIGITS: usize = 18;

/// A number as it stands in checked text.
#[derive(Debug, Clone, Copy)]
pub struct Numeral<'a> {
    text: &'a str,
    start: usize,
    end: usize,
    short: Option<u64>,
}

impl<'a> Numeral<'a> {
    /// Returns the text of the number.
    pub fn text(self) -> &'a str {
        self.text.get(self.start..self.end).unwrap_or_default()
    }

    /// Returns whether the number begins with a minus sign, as also `-0` does.
    #[inline]
    pub fn is_negative(self) -> bool {
        self.text.as_bytes().get(self.start) == Some(&b'-')
    }

    /// Returns the number without its sign, if it has at most 18 digits and neither fraction nor exponent.
    #[inline]
    pub fn short_magnitude(self) -> Option<u64> {
        self.short
    }
}

/// An iterator over the tokens of checked JSON text. It ends with the text.
///
/// ```
/// use jet::json::{Token, Tokens};
///
/// let mut tokens = Tokens::new(r#"{"celsius": [20.5, null], "ok": true}"#);
/// assert!(matches!(tokens.next(), Some(Token::BeginObject)));
/// assert!(matches!(tokens.next(), Some(Token::Key(key)) if key.unescape() == "celsius"));
/// // A value can be taken whole instead of token by token.
/// assert_eq!(tokens.value(), Some("[20.5, null]"));
/// assert!(matches!(tokens.next(), Some(Token::Key(key)) if key.unescape() == "ok"));
/// assert!(matches!(tokens.next(), Some(Token::Bool(true))));
/// assert!(matches!(tokens.next(), Some(Token::EndObject)));
/// assert!(tokens.next().is_none());
/// ```
#[derive(Debug, Clone)]
pub struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    /// Begins at the start of `text`.
    #[inline]
    pub fn new(text: &'a str) -> Tokens<'a> {
        Tokens { text, at: 0 }
    }

    /// Begins at that byte of `text`, which is where a token or a value ends.
    #[inline]
    pub fn starting_at(text: &'a str, at: usize) -> Tokens<'a> {
        Tokens { text, at }
    }

    /// Begins behind the bracket `open` at the start of `text`, or at the end if the text begins otherwise.
    #[inline]
    pub(crate) fn inside(text: &'a str, open: u8) -> Tokens<'a> {
        let at = if text.as_bytes().first() == Some(&open) { 1 } else { text.len() };
        Tokens { text, at }
    }

    /// Returns the offset of the byte behind the last token or value.
    #[inline]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Takes the next value whole and returns its text. Returns `None`, and stays, at a closing bracket and at the end.
    pub fn value(&mut self) -> Option<&'a str> {
        match self.peek()? {
            b']' | b'}' => None,
            _ => {
                let start = self.at;
                self.at = value_end(self.text.as_bytes(), start);
                self.text.get(start..self.at).filter(|text| !text.is_empty())
            }
        }
    }

    /// Moves past white space and separators, and returns the byte that begins the next token.
    ///
    /// This and the methods below are the iterator's parts, for a reader that knows what has to follow.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b',' | b':' | b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// Takes the token that begins here and is that many bytes long: a bracket or a word.
    #[inline]
    pub fn step_over(&mut self, length: usize) {
        self.at += length;
    }

    /// Takes the string that begins here.
    #[inline]
    pub fn string(&mut self) -> Quoted<'a> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let escape = find_special(bytes, start);
        let end = closing_quote(bytes, escape);
        self.at = end + 1;
        Quoted::new(self.text, start..end, escape)
    }

    /// Takes the string that begins here, and returns its bytes. If it has escapes, they are resolved in `scratch`.
    #[inline]
    pub fn string_bytes<'s>(&mut self, scratch: &'s mut String) -> &'s [u8]
    where
        'a: 's,
    {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let end = find_special(bytes, start);
        if bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return bytes.get(start..end).unwrap_or_default();
        }
        scratch.clear();
        self.at = unescape(self.text, start, end, scratch) + 1;
        scratch.as_bytes()
    }

    /// Takes the number that begins here.
    // Inlined, a reader that needs only the magnitude pays for nothing else.
    #[inline(always)]
    pub fn number(&mut self) -> Numeral<'a> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let first = start + usize::from(bytes.get(start) == Some(&b'-'));
        let (mut end, mut magnitude) = (first, 0u64);
        while let Some(digit) = bytes.get(end).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)
        {
            magnitude = magnitude.wrapping_mul(10).wrapping_add(u64::from(digit));
            end += 1;
        }
        let mut short = (end - first <= SAFE_DIGITS).then_some(magnitude);
        if matches!(bytes.get(end), Some(b'.' | b'e' | b'E')) {
            short = None;
            while matches!(bytes.get(end), Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
                end += 1;
            }
        }
        self.at = end;
        Numeral { text: self.text, start, end, short }
    }

    /// Returns whether a colon follows, as it does after a key.
    fn is_at_colon(&self) -> bool {
        let bytes = self.text.as_bytes();
        bytes.get(skip_blanks(bytes, self.at)) == Some(&b':')
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let (length, token) = match self.peek()? {
            b'"' => {
                let text = self.string();
                return Some(if self.is_at_colon() { Token::Key(text) } else { Token::String(text) });
            }
            b'-' | b'0'..=b'9' => return Some(Token::Number(self.number())),
            b'{' => (1, Token::BeginObject),
            b'}' => (1, Token::EndObject),
            b'[' => (1, Token::BeginArray),
            b']' => (1, Token::EndArray),
            b't' => (4, Token::Bool(true)),
            b'f' => (5, Token::Bool(false)),
            b'n' => (4, Token::Null),
            _ => return None,
        };
        self.step_over(length);
        Some(token)
    }
}

/// Returns the end of the value that starts at `at`.
fn value_end(text: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at = closing_quote(text, find_special(text, at + 1)) + 1,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            _ if depth == 0 => return scalar_end(text, at),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

/// Returns the offset of the quote that closes a string. `at` is the offset of its first special byte.
#[inline]
fn closing_quote(text: &[u8], at: usize) -> usize {
    if text.get(at) == Some(&b'"') { at } else { quote_behind_escapes(text, at) }
}

/// Returns the offset of the quote that closes a string with escapes.
#[cold]
fn quote_behind_escapes(text: &[u8], mut at: usize) -> usize {
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at = find_special(text, at + 2),
            _ => at = find_special(text, at + 1),
        }
    }
    text.len()
}

/// Returns the end of the number or word around `at`.
#[inline]
fn scalar_end(text: &[u8], mut at: usize) -> usize {
    while !matches!(text.get(at), None | Some(b',' | b']' | b'}' | b':' | b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}
