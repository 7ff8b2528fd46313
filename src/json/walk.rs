//! Going through the entries of a checked container, and from the start of checked text to its end.
//!
//! What an entry means is for [`Raw`](super::Raw); whether text is JSON at all is for [`scan`](super::scan).

use super::scalar::special;
use super::scan::skip_blanks;

/// Where a walk through a container stands: before an entry or at the closing bracket.
#[derive(Debug, Clone)]
pub(super) struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    /// Before the first entry of a container with that opening bracket; at the end of anything else.
    pub fn new(text: &'a str, open: u8) -> Self {
        let at = if text.as_bytes().first() == Some(&open) { 1 } else { text.len() };
        Walk { text, at }
    }

    /// Behind an entry that ends at that byte.
    pub fn at(text: &'a str, at: usize) -> Self {
        Walk { text, at }
    }

    /// Where the entry ends that was returned last.
    pub fn position(&self) -> usize {
        self.at
    }

    /// To the next byte of interest, past blanks and one separator.
    fn advance(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        let mut at = skip_blanks(bytes, self.at);
        if matches!(bytes.get(at), Some(b',' | b':')) {
            at = skip_blanks(bytes, at + 1);
        }
        self.at = at;
        bytes.get(at).copied().filter(|byte| !matches!(byte, b']' | b'}'))
    }

    /// The text of the next key or value.
    pub fn value(&mut self) -> Option<&'a str> {
        self.advance()?;
        let start = self.at;
        self.at = skip_value(self.text.as_bytes(), start);
        self.text.get(start..self.at).filter(|text| !text.is_empty())
    }
}

/// End of the checked value that starts at `at`.
pub(crate) fn skip_value(text: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at = skip_string(text, at),
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            _ if depth == 0 => return scalar_stop(text, at),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

/// From the opening quote at `at` to behind the closing one.
pub(crate) fn skip_string(text: &[u8], at: usize) -> usize {
    let mut at = special(text, at + 1);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at = special(text, at + 2),
            _ => at = special(text, at + 1),
        }
    }
    text.len()
}

/// From inside of a number or word to behind it.
pub(crate) fn scalar_stop(text: &[u8], mut at: usize) -> usize {
    while !matches!(text.get(at), None | Some(b',' | b']' | b'}' | b':' | b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}
