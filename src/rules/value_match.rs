//! Rules together with the place in a value they look at: the whole value, a field, or the
//! `where` of 2013. The rules themselves are in `value_rule`.

use super::field_path::FieldPath;
use super::value_rule::ValueRule;
use crate::json::{Kind, Raw};

/// What an expression asks of a value. All parts of an expression must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueTest {
    /// `value = {rules}`, all of them on the whole value.
    Value(Vec<ValueRule>),
    /// `valueField = {field = {rules}}`. A missing, nil or false field satisfies nothing, not
    /// even no rules, as the field's truth was part of the test from the beginning.
    Field(FieldPath, Vec<ValueRule>),
    /// `value = {field = {operator, value}}`, as node-jet 3 writes it. The rule sees a missing
    /// field the way it sees a method.
    Operator(FieldPath, ValueRule),
    /// `where = {op, value, prop}` of 2013.
    Where(Where),
}

impl ValueTest {
    /// Whether a value passes; `None` is the value of a method.
    pub fn holds(&self, value: Option<Raw<'_>>) -> bool {
        match self {
            ValueTest::Value(rules) => rules.iter().all(|rule| rule.holds(value)),
            ValueTest::Field(field, rules) => {
                let found = value.and_then(|value| field.find(value));
                found.is_some_and(|found| found.as_bool() != Some(false))
                    && rules.iter().all(|rule| rule.holds(found))
            }
            ValueTest::Operator(field, rule) => rule.holds(value.and_then(|value| field.find(value))),
            ValueTest::Where(test) => test.holds(value),
        }
    }
}

/// The `where` of 2013: one entry or several that must all hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Where {
    /// The entries. None at all hold for nothing.
    pub entries: Vec<WhereEntry>,
    /// Written as one entry, not as a list. Such an entry on the whole value never holds for
    /// arrays and objects.
    pub single: bool,
}

/// One entry of a [`Where`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhereEntry {
    /// `op` and `value`.
    pub rule: ValueRule,
    /// `prop`: one member of the value, or the whole value.
    pub prop: FieldPath,
}

impl Where {
    /// Whether a value passes; `None` is the value of a method.
    pub fn holds(&self, value: Option<Raw<'_>>) -> bool {
        !self.entries.is_empty() && self.entries.iter().all(|entry| entry.holds(value, self.single))
    }
}

impl WhereEntry {
    fn holds(&self, value: Option<Raw<'_>>, single: bool) -> bool {
        let is_table = matches!(value.map(Raw::kind), Some(Kind::Array | Kind::Object));
        if self.prop.is_whole() {
            return !(single && is_table) && self.rule.holds(value);
        }
        is_table && self.rule.holds(value.and_then(|value| self.prop.find(value)))
    }
}
