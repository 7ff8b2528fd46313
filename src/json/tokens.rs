//! [`Tokens`]: a walk over checked JSON text, token by token.
//!
//! Everything that reads text which [`scan`](super::scan) has accepted goes through this walk: the conversion to Lua
//! values, the translation to msgpack, the redaction of the log, and [`Raw`](super::Raw), which looks up members and
//! elements. The walk itself checks nothing. On other text it does not panic; it finds too little, or too much.

use super::scan::skip_blanks;
use super::string::{Quoted, find_special};

/// One token. Commas, colons and white space are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// The text of a number.
    Number(&'a str),
    /// `true` or `false`
    Bool(bool),
    /// `null`
    Null,
}

/// An iterator over the tokens of checked JSON text. It ends with the text.
///
/// ```
/// use jet::json::{Token, Tokens};
///
/// let mut tokens = Tokens::new(r#"{"celsius": [20.5, null]}"#);
/// assert_eq!(tokens.next(), Some(Token::BeginObject));
/// let Some(Token::Key(key)) = tokens.next() else { panic!("a key follows the brace") };
/// assert_eq!(key.unescape(), "celsius");
/// // A value can be taken whole instead of token by token.
/// assert_eq!(tokens.value(), Some("[20.5, null]"));
/// assert_eq!(tokens.next(), Some(Token::EndObject));
/// assert_eq!(tokens.next(), None);
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
    pub(super) fn inside(text: &'a str, open: u8) -> Tokens<'a> {
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

    /// Moves past white space and commas, and returns the byte that begins the next token.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b',' | b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    #[inline]
    fn advance(&mut self, length: usize, token: Token<'a>) -> Option<Token<'a>> {
        self.at += length;
        Some(token)
    }

    /// Takes the string that begins here, and the colon behind a key.
    #[inline]
    fn string(&mut self) -> Option<Token<'a>> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let first = find_special(bytes, start);
        let has_escapes = bytes.get(first) != Some(&b'"');
        let end = if has_escapes { closing_quote(bytes, first) } else { first };
        let text = Quoted::new(self.text.get(start..end)?, has_escapes);
        // Most writers put no blank before the colon.
        let mut colon = end + 1;
        if matches!(bytes.get(colon), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            colon = skip_blanks(bytes, colon);
        }
        if bytes.get(colon) == Some(&b':') {
            self.at = colon + 1;
            Some(Token::Key(text))
        } else {
            self.at = end + 1;
            Some(Token::String(text))
        }
    }

    #[inline]
    fn number(&mut self) -> Option<Token<'a>> {
        let start = self.at;
        self.at = scalar_end(self.text.as_bytes(), start);
        self.text.get(start..self.at).map(Token::Number)
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    #[inline]
    fn next(&mut self) -> Option<Token<'a>> {
        match self.peek()? {
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            b'{' => self.advance(1, Token::BeginObject),
            b'}' => self.advance(1, Token::EndObject),
            b'[' => self.advance(1, Token::BeginArray),
            b']' => self.advance(1, Token::EndArray),
            b't' => self.advance(4, Token::Bool(true)),
            b'f' => self.advance(5, Token::Bool(false)),
            b'n' => self.advance(4, Token::Null),
            _ => None,
        }
    }
}

/// Returns the end of the value that starts at `at`.
fn value_end(text: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at = closing_quote(text, at + 1) + 1,
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

/// Returns the offset of the quote that closes the string around `at`.
fn closing_quote(text: &[u8], at: usize) -> usize {
    let mut at = find_special(text, at);
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
