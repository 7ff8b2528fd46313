//! [`Raw`]: one JSON value as a slice of the text in which it arrived, read lazily.
//!
//! The text of a `Raw` has been checked by [`scan`](super::scan), so a look-up skips what it is not looking for.
//! On unchecked text nothing here panics; a look-up finds nothing, or too much.

use std::borrow::Cow;

use super::number::Number;
use super::scan;
use super::tokens::Tokens;

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

/// One valid JSON value: its text, without white space around it.
///
/// A `Raw` is as cheap to copy as a `&str`, and serialises with serde_json as the text that it is.
///
/// ```
/// use jet::json::{Kind, Raw};
///
/// let value = Raw::parse(r#" {"unit": "\u00b0C", "range": [-40, 125]} "#, 10)?;
/// assert_eq!(value.kind(), Kind::Object);
/// assert_eq!(value.get("unit").and_then(Raw::as_str).as_deref(), Some("°C"));
/// let range: Vec<_> = value.get("range").expect("a range").elements().filter_map(Raw::as_f64).collect();
/// assert_eq!(range, [-40.0, 125.0]);
/// # Ok::<(), jet::json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    /// The value `null`.
    pub const NULL: Raw<'static> = Raw("null");
    /// The value `true`.
    pub const TRUE: Raw<'static> = Raw("true");

    /// Checks that the whole of `text` is one value, with at most `max_depth` nested arrays and objects.
    ///
    /// # Errors
    /// As [`scan::whole`] does.
    pub fn parse(text: &'a str, max_depth: usize) -> scan::Result<Raw<'a>> {
        let (start, end) = scan::whole(text.as_bytes(), max_depth)?;
        Ok(Raw(text.get(start..end).unwrap_or("null")))
    }

    /// Takes text that is known to be one checked value, for example text from [`Raw::text`] that was stored. The empty
    /// text is `null`.
    pub fn trusted(text: &'a str) -> Raw<'a> {
        Raw(if text.is_empty() { "null" } else { text })
    }

    /// Returns the value as JSON text, without white space around it.
    pub fn text(self) -> &'a str {
        self.0
    }

    /// Returns the kind of the value.
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

    /// Returns whether the value is `null`.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// Returns whether the value is true in Lua: everything but `false` and `null` is.
    pub fn is_truthy(self) -> bool {
        !matches!(self.0, "false" | "null")
    }

    /// Returns the value of `true` or `false`, or `None` for other kinds.
    pub fn as_bool(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// Returns the exact value of a number, or `None` for other kinds.
    pub fn as_number(self) -> Option<Number> {
        if self.kind() != Kind::Number {
            return None;
        }
        Number::parse(self.0)
    }

    /// Returns the nearest double of a number, or `None` for other kinds.
    pub fn as_f64(self) -> Option<f64> {
        if self.kind() != Kind::Number {
            return None;
        }
        self.0.parse().ok()
    }

    /// Returns the contents of a string, or `None` for other kinds. An unpaired surrogate becomes U+FFFD.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        (self.kind() == Kind::String).then(|| Tokens::new(self.0).string().unescape())
    }

    /// Returns the member of an object with that key, and the last one if there are several.
    pub fn get(self, key: &str) -> Option<Raw<'a>> {
        self.members().filter(|(name, _)| name == key).last().map(|(_, value)| value)
    }

    /// Returns the element of an array at that position, counted from 0.
    pub fn index(self, position: usize) -> Option<Raw<'a>> {
        self.elements().nth(position)
    }

    /// Returns the elements of an array. Other kinds have none.
    pub fn elements(self) -> Elements<'a> {
        Elements(Tokens::inside(self.0, b'['))
    }

    /// Returns the elements of an array that follow the byte `at`, at which an element ends.
    pub fn elements_from(self, at: usize) -> Elements<'a> {
        Elements(Tokens::starting_at(self.0, at))
    }

    /// Returns the members of an object in the order of the text. Other kinds have none.
    pub fn members(self) -> Members<'a> {
        Members(Tokens::inside(self.0, b'{'))
    }
}

/// An iterator over the elements of an array.
#[derive(Debug, Clone)]
pub struct Elements<'a>(Tokens<'a>);

impl Elements<'_> {
    /// Returns the offset in the array's text at which the last returned element ends.
    pub fn position(&self) -> usize {
        self.0.offset()
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Raw<'a>> {
        self.0.value().map(Raw)
    }
}

/// An iterator over the members of an object: keys and values.
#[derive(Debug, Clone)]
pub struct Members<'a>(Tokens<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, Raw<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.peek() != Some(b'"') {
            return None;
        }
        Some((self.0.string().unescape(), Raw(self.0.value()?)))
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
