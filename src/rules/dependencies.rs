//! [`Dep`]: a condition on another element, from the expressions of 2013.

use super::lua_pattern::{Capture, Captures};
use super::params::{is_list, mistyped, string};
use super::value_match::{Where, wherever};
use crate::json::Raw;

/// A dependency of a fetch: an element is reported only while the element at the dependency's
/// path exists and its value satisfies `where`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dep {
    path: Box<str>,
    test: Where,
}

impl Dep {
    /// Returns the path as written, in which `\1` to `\9` stand for captures.
    pub fn template(&self) -> &str {
        &self.path
    }

    /// Returns the condition on the value of the other element.
    pub fn test(&self) -> &Where {
        &self.test
    }

    /// Returns the path of the other element: `\1` to `\9` are replaced with the captures of
    /// the element's own path, and with nothing if there is no such capture.
    pub fn path(&self, captures: Option<&Captures<'_>>) -> String {
        let mut path = String::with_capacity(self.path.len() + 16);
        let mut characters = self.path.chars().peekable();
        while let Some(character) = characters.next() {
            let digit = characters.peek().and_then(|next| next.to_digit(10)).filter(|digit| *digit > 0);
            match digit {
                Some(number) if character == '\\' => {
                    characters.next();
                    append(&mut path, captures.and_then(|captures| captures.get(number as usize)));
                }
                _ => path.push(character),
            }
        }
        path
    }

    /// Returns whether the value of the other element satisfies `where`. `None` is the value of a method.
    pub fn matches_value(&self, value: Option<Raw<'_>>) -> bool {
        self.test.holds(value)
    }
}

fn append(path: &mut String, capture: Option<Capture<'_>>) {
    match capture {
        Some(Capture::Bytes(bytes)) => path.push_str(&String::from_utf8_lossy(bytes)),
        Some(Capture::Position(position)) => path.push_str(&position.to_string()),
        None => (),
    }
}

/// Reads `deps = {{path, where}, ...}`.
///
/// # Errors
/// Fails with a message that names the wrong part.
pub fn read_deps(list: Raw<'_>, warnings: &mut Vec<String>) -> Result<Vec<Dep>, String> {
    let mut deps = Vec::new();
    if !is_list(list) {
        return Err(mistyped("deps", "a list", list));
    }
    for dep in list.elements() {
        let path = string("deps.path", dep.get("path").ok_or("deps: path is missing")?)?;
        let test = dep.get("where").ok_or("deps: where is missing")?;
        let test = wherever("deps.where", test, warnings)?;
        deps.push(Dep { path, test });
    }
    Ok(deps)
}
