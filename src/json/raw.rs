//! [`Raw`]: one JSON value as a slice of the text it came in, read lazily.
//!
//! The text of a `Raw` has been checked by [`scan`](super::scan), so reading it only looks for
//! what is asked for and skips the rest. Nothing here panics on other text; it would only find
//! nothing, or too much.

use std::borrow::Cow;

use super::number::Number;
use super::scan::{self, skip_blanks, special};

/// The kind of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// a number
    Number,
    /// a string
    String,
    /// an array
    Array,
    /// an object
    Object,
}

/// One valid JSON value: its text without blanks around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    /// The value `null`.
    pub const NULL: Raw<'static> = Raw("null");
    /// The value `true`.
    pub const TRUE: Raw<'static> = Raw("true");

    /// Checks that the whole of `text` is one value.
    ///
    /// # Errors
    /// What [`scan::whole`] finds.
    pub fn parse(text: &'a str, max_depth: usize) -> scan::Result<Raw<'a>> {
        let (start, end) = scan::whole(text.as_bytes(), max_depth)?;
        Ok(Raw(text.get(start..end).unwrap_or("null")))
    }

    /// Takes text that is known to be one checked value, such as what [`Raw::text`] gave and was
    /// stored since.
    pub fn trusted(text: &'a str) -> Raw<'a> {
        Raw(if text.is_empty() { "null" } else { text })
    }

    /// The value as JSON text, without blanks around it.
    pub fn text(self) -> &'a str {
        self.0
    }

    /// The kind of the value.
    pub fn kind(self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    /// Whether the value is `null`.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// Whether Lua would take the value for true: everything but `false` and `null`.
    pub fn is_truthy(self) -> bool {
        !matches!(self.0, "false" | "null")
    }

    /// The value of `true` or `false`, `None` for other kinds.
    pub fn as_bool(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The exact value of a number, `None` for other kinds.
    pub fn as_number(self) -> Option<Number> {
        if self.kind() != Kind::Number {
            return None;
        }
        Number::parse(self.0)
    }

    /// The nearest double of a number, `None` for other kinds.
    pub fn as_f64(self) -> Option<f64> {
        if self.kind() != Kind::Number {
            return None;
        }
        self.0.parse().ok()
    }

    /// The contents of a string, `None` for other kinds. Half a surrogate pair reads as U+FFFD.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        if self.kind() != Kind::String {
            return None;
        }
        let inner = self.0.get(1..self.0.len().saturating_sub(1))?;
        Some(unescape(inner))
    }

    /// The member of an object with that key; the last one if there are several.
    pub fn get(self, key: &str) -> Option<Raw<'a>> {
        self.members().filter(|(name, _)| name == key).last().map(|(_, value)| value)
    }

    /// The element of an array at that position, counted from 0.
    pub fn index(self, position: usize) -> Option<Raw<'a>> {
        self.elements().nth(position)
    }

    /// The elements of an array; none for other kinds.
    pub fn elements(self) -> Elements<'a> {
        Elements(Walk::new(self, b'['))
    }

    /// The members of an object in the order of the text; none for other kinds.
    pub fn members(self) -> Members<'a> {
        Members(Walk::new(self, b'{'))
    }
}

/// Where a walk through a container stands: before an entry or at the closing bracket.
#[derive(Debug, Clone)]
struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    fn new(raw: Raw<'a>, open: u8) -> Self {
        let text = raw.0;
        let at = if text.as_bytes().first() == Some(&open) { 1 } else { text.len() };
        Walk { text, at }
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

    /// The value that starts here.
    fn value(&mut self) -> Option<Raw<'a>> {
        self.advance()?;
        let start = self.at;
        self.at = skip_value(self.text.as_bytes(), start);
        self.text.get(start..self.at).filter(|text| !text.is_empty()).map(Raw)
    }
}

/// End of the checked value that starts at `at`.
fn skip_value(text: &[u8], mut at: usize) -> usize {
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

/// Iterator over the elements of an array.
#[derive(Debug, Clone)]
pub struct Elements<'a>(Walk<'a>);

impl<'a> Iterator for Elements<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Raw<'a>> {
        self.0.value()
    }
}

/// Iterator over the members of an object: key and value.
#[derive(Debug, Clone)]
pub struct Members<'a>(Walk<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, Raw<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.0.value()?.as_str()?;
        Some((key, self.0.value()?))
    }
}

/// Resolves the escapes of the inside of a string.
fn unescape(inner: &str) -> Cow<'_, str> {
    let Some(first) = inner.find('\\') else {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Raw<'_> {
        Raw::parse(text, 100).expect("valid")
    }

    #[test]
    fn members_come_in_order_and_the_last_duplicate_wins() {
        let object = raw(r#" { "a" : [1, {"x":"}"}] , "b":null,"a": -2.5e3 } "#);
        let keys: Vec<_> = object.members().map(|(key, value)| (key.into_owned(), value.text())).collect();
        assert_eq!(keys[0], ("a".into(), r#"[1, {"x":"}"}]"#));
        assert_eq!(keys[1], ("b".into(), "null"));
        assert_eq!(object.get("a").unwrap().as_f64(), Some(-2500.0));
        assert!(object.get("c").is_none());
    }

    #[test]
    fn elements_are_cut_at_their_text() {
        let list = raw(r#"[ 1 ,"a,]", [ ] , {} ,true]"#);
        let texts: Vec<_> = list.elements().map(Raw::text).collect();
        assert_eq!(texts, ["1", r#""a,]""#, "[ ]", "{}", "true"]);
        assert_eq!(list.index(1).unwrap().as_str().unwrap(), "a,]");
        assert!(raw("{}").elements().next().is_none());
    }

    #[test]
    fn escapes_are_resolved() {
        let text = r#""\"\\\/\b\f\n\r\t\u0041\ud83d\ude00\ud83dx""#;
        assert_eq!(raw(text).as_str().unwrap(), "\"\\/\u{8}\u{c}\n\r\tA\u{1F600}\u{FFFD}x");
    }

    #[test]
    fn reading_unchecked_text_does_not_panic() {
        for text in ["{", "[\"", "{\"a", "\"\\", "[1,", "\"\\u00\"", "[[[", "\"", "{\"a\":}", "é", "{é:é}"]
        {
            let raw = Raw::trusted(text);
            let _ = (raw.as_str(), raw.as_number(), raw.get("a"), raw.index(3), raw.elements().count());
        }
    }
}
