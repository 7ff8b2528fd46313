//! Value rules as a daemon can express them.

use crate::json::write;
use crate::rules::{Expression, Operand, TypeName, ValueRule, ValueTest};

use super::{Ability, Part, Values};

/// Integers up to this are the same number in JavaScript and in old Lua.
const EXACT_INTEGER: f64 = 9_007_199_254_740_992.0; // 2^53

/// Puts value rules as the daemon understands them. `beside_paths`: it also gets path rules.
pub(super) fn plan(ability: &Ability, expression: &Expression, beside_paths: bool) -> Part {
    let mut part = Part { members: Vec::new(), exact: !expression.needs_value() };
    let usable = match ability.values {
        Values::Unusable => false,
        Values::BesidePaths => beside_paths,
        Values::Javascript => true,
    };
    if !usable || part.exact {
        return part;
    }
    let mut asked = Asked { ability, part: &mut part, names: Vec::new() };
    asked.part.exact = true;
    for test in expression.value_tests() {
        match test {
            ValueTest::Value(rules) => rules.iter().for_each(|rule| asked.rule(rule)),
            ValueTest::Operator(field, rule) if field.is_whole() => asked.rule(rule),
            // Fields are found in different ways, and one daemon runs their names as code.
            ValueTest::Operator(..) | ValueTest::Field(..) | ValueTest::Where(_) => asked.part.exact = false,
        }
    }
    match expression.sort().and_then(|sort| sort.filter()) {
        Some((field, name)) if field.is_whole() => asked.rule(&ValueRule::IsType(name)),
        Some(_) => asked.part.exact = false,
        None => {}
    }
    part
}

struct Asked<'a> {
    ability: &'a Ability,
    part: &'a mut Part,
    names: Vec<&'static str>,
}

impl Asked<'_> {
    /// Adds a rule if the daemon, asked for it, finds at least what the rule stands for.
    fn rule(&mut self, rule: &ValueRule) {
        let found = match self.ability.values {
            Values::Javascript => javascript(rule),
            _ => lua(rule),
        };
        let Some((name, operand, exact)) = found.filter(|(name, ..)| !self.names.contains(name)) else {
            self.part.exact = false;
            return;
        };
        self.names.push(name);
        self.part.members.push(format!("\"{name}\":{operand}"));
        self.part.exact &= exact;
    }
}

/// The rule for a daemon that compares as JavaScript does: less and greater between types too,
/// and the types have other names.
fn javascript(rule: &ValueRule) -> Option<(&'static str, String, bool)> {
    Some(match rule {
        ValueRule::Equals(operand) => ("equals", simple(operand)?, !is_rounded(operand)),
        ValueRule::EqualsNot(operand) if !is_rounded(operand) => ("equalsNot", simple(operand)?, true),
        ValueRule::LessThan(operand) => ("lessThan", ordered(operand)?, false),
        ValueRule::GreaterThan(operand) => ("greaterThan", ordered(operand)?, false),
        ValueRule::IsType(name) => {
            let (name, exact) = match name {
                TypeName::Number => ("number", true),
                TypeName::String => ("string", true),
                TypeName::Boolean => ("boolean", true),
                TypeName::Nil => ("undefined", true),
                // Null is an object there.
                TypeName::Table | TypeName::Null => ("object", false),
                TypeName::Unknown => return None,
            };
            ("isType", format!("\"{name}\""), exact)
        }
        _ => return None,
    })
}

/// The rule for the Lua daemon. Its numbers are cut on the way, so all is looked at again here.
fn lua(rule: &ValueRule) -> Option<(&'static str, String, bool)> {
    let (name, operand) = match rule {
        ValueRule::LessThan(operand) => ("lessThan", ordered(operand)?),
        ValueRule::GreaterThan(operand) => ("greaterThan", ordered(operand)?),
        ValueRule::IsType(TypeName::Number) => ("isType", "\"number\"".to_owned()),
        ValueRule::IsType(TypeName::String) => ("isType", "\"string\"".to_owned()),
        ValueRule::IsType(TypeName::Boolean) => ("isType", "\"boolean\"".to_owned()),
        ValueRule::IsType(TypeName::Table) => ("isType", "\"object\"".to_owned()),
        ValueRule::Equals(operand @ (Operand::Bool(_) | Operand::String(_))) => ("equals", simple(operand)?),
        ValueRule::EqualsNot(operand @ (Operand::Bool(_) | Operand::String(_))) => {
            ("equalsNot", simple(operand)?)
        }
        _ => return None,
    };
    Some((name, operand, false))
}

/// An operand that is the same to every daemon, as JSON text.
fn simple(operand: &Operand) -> Option<String> {
    let mut out = Vec::new();
    match operand {
        Operand::Bool(value) => return Some(value.to_string()),
        Operand::Number(number) => write::whole_or_float(&mut out, number.as_f64()),
        Operand::String(text) => write::string(&mut out, text),
        // Null may be taken for no value at all, and tables equal nothing.
        Operand::Null | Operand::Table => return None,
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

/// An operand that has the same order to every daemon, as JSON text. JavaScript orders strings by
/// their UTF-16 units, which is no other order if one of the two is ASCII.
fn ordered(operand: &Operand) -> Option<String> {
    let same = match operand {
        Operand::Number(_) => !is_rounded(operand),
        Operand::String(text) => text.is_ascii(),
        _ => false,
    };
    same.then(|| simple(operand)).flatten()
}

/// Whether a number may become another one as a double.
fn is_rounded(operand: &Operand) -> bool {
    matches!(operand, Operand::Number(number) if number.as_f64().abs() >= EXACT_INTEGER)
}
