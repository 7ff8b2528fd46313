//! [`FieldPath`]: the path to a field of a value, such as `a.b[1]`.

use std::borrow::Cow;

use crate::json::{Kind, Raw};

/// The path to a field of a value, for rules and sorts.
///
/// The text is what Lua programs write behind a table: names joined by dots, `[1]` for an array
/// element counted from 1, `["any key"]` or `['any key']`. Names may contain every character but `.`
/// and `[`, so `a-b` works although Lua would subtract. The empty text stands for the value itself.
///
/// ```
/// use jet::json::Raw;
/// use jet::rules::FieldPath;
///
/// let value = Raw::parse(r#"{"gears": [{"ratio": 3.5}, {"ratio": 2.0}]}"#, 10)?;
/// let path = FieldPath::parse("gears[2].ratio")?;
/// assert_eq!(path.find(value).map(Raw::text), Some("2.0"));
/// assert_eq!(FieldPath::parse("gears[3]")?.find(value), None);
/// assert!(FieldPath::parse("gears[").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPath {
    text: Box<str>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(Box<str>),
    /// The position in an array, counted from 0, and the text of the number as a key of an object.
    Index(Option<usize>, Box<str>),
}

impl FieldPath {
    /// Reads the text of a field path.
    ///
    /// # Errors
    /// Fails if a name is empty or a bracket is not closed.
    pub fn parse(text: &str) -> Result<FieldPath, String> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (step, after) = match rest.strip_prefix('[') {
                Some(inside) => bracket(inside),
                None => name(rest, steps.is_empty()),
            }
            .ok_or_else(|| format!("'{text}' is no field path"))?;
            steps.push(step);
            rest = after;
        }
        Ok(FieldPath { text: text.into(), steps })
    }

    /// Returns the path to one member of an object, whatever characters its key has. The empty key is the value itself.
    pub fn member(key: &str) -> FieldPath {
        let steps = if key.is_empty() { Vec::new() } else { vec![Step::Key(key.into())] };
        FieldPath { text: key.into(), steps }
    }

    /// Returns the text that the path was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns whether the path is the value itself.
    pub fn is_whole(&self) -> bool {
        self.steps.is_empty()
    }

    /// Returns the field of `value`, or `None` if there is no such field.
    pub fn find<'v>(&self, value: Raw<'v>) -> Option<Raw<'v>> {
        self.steps.iter().try_fold(value, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(position, _) if value.kind() == Kind::Array => value.index((*position)?),
            Step::Index(_, key) => value.get(key),
        })
    }
}

/// Reads a name, and the dot that precedes all but the first, and returns it with the rest of the text.
fn name(rest: &str, first: bool) -> Option<(Step, &str)> {
    let rest = if first { rest } else { rest.strip_prefix('.')? };
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    // A name may also follow the dot behind a bracket. `a.` ends with an empty name.
    (!name.is_empty() && after != ".").then(|| (Step::Key(name.into()), after))
}

/// Reads a number or a key in quotes, and the closing bracket, and returns it with the rest of the text.
fn bracket(inside: &str) -> Option<(Step, &str)> {
    let inside = inside.trim_start();
    if let Some(quote) = inside.chars().next().filter(|quote| matches!(quote, '"' | '\'')) {
        let (key, after) = quoted(inside.get(1..)?, quote)?;
        return Some((Step::Key(key.into()), after.trim_start().strip_prefix(']')?));
    }
    let (number, after) = inside.split_once(']')?;
    let number = number.trim();
    let value: i64 = number.parse().ok()?;
    let position = value.checked_sub(1).and_then(|position| usize::try_from(position).ok());
    Some((Step::Index(position, value.to_string().into()), after))
}

/// Reads the text up to the closing quote. A backslash escapes the next character.
fn quoted(text: &str, quote: char) -> Option<(Cow<'_, str>, &str)> {
    let mut key = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => key.push(characters.next()?.1),
            _ if character == quote => return Some((key.into(), text.get(at + 1..)?)),
            _ => key.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &str, value: &str) -> Option<String> {
        let value = Raw::parse(value, 10).expect("valid");
        FieldPath::parse(path).expect("a path").find(value).map(|found| found.text().to_owned())
    }

    #[test]
    fn fields_are_found_where_lua_would_find_them() {
        let value = r#"{"a":{"b":[10,{"c":7}]},"a-b":1,"x.y":2,"1":"one","é":3,"it's":4}"#;
        for (path, found) in [
            ("a.b[1]", "10"),
            ("a.b[2].c", "7"),
            ("a['b'][2][\"c\"]", "7"),
            ("a-b", "1"),
            ("['a-b']", "1"),
            ("['x.y']", "2"),
            (r"['it\'s']", "4"),
            ("é", "3"),
            ("[1]", "\"one\""),
            ("[ 1 ]", "\"one\""),
        ] {
            assert_eq!(find(path, value).as_deref(), Some(found), "{path}");
        }
        for absent in ["b", "a.b[0]", "a.b[3]", "a.b[-1]", "a.b.c", "x.y", "a.b[1].c"] {
            assert_eq!(find(absent, value), None, "{absent}");
        }
        assert_eq!(find("", "[1]").as_deref(), Some("[1]"));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [".", ".a", "a.", "a..b", "a[", "a[]", "a[x]", "a['b", "a['b'", "a[1]b", "[1.5]", "a.[1]"]
        {
            assert!(FieldPath::parse(text).is_err(), "{text}");
        }
    }
}
