//! [`Rules`]: the rules of a fetch as they are sent.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// The operand of a rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum RuleOperand {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A word.
    Word(String),
    /// A list of words.
    Words(Vec<String>),
}

/// The members of a rules object, and whether they say everything that the program asks for.
#[derive(Debug)]
pub struct Rules {
    /// The rules in the order they are sent.
    pub members: Vec<(&'static str, RuleOperand)>,
    /// Whether the daemon, asked for them, finds exactly what the program wants.
    pub exact: bool,
}

impl Rules {
    /// Returns whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

impl Serialize for Rules {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.members.len()))?;
        for (name, operand) in &self.members {
            map.serialize_entry(name, operand)?;
        }
        map.end()
    }
}
