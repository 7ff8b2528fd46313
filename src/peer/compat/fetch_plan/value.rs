//! [`plan`]: value rules as a daemon can express them.

use crate::rules::{Expression, Operand, TypeName, ValueMatch, ValueRule};

use super::ability::{Ability, Values};
use super::rules::{RuleOperand, Rules};

/// Integers up to this are the same number in JavaScript and in old Lua.
const EXACT_INTEGER: f64 = 9_007_199_254_740_992.0; // 2^53

/// Returns value rules as the daemon understands them. `beside_paths`: it also gets path rules.
pub fn plan(ability: &Ability, expression: &Expression, beside_paths: bool) -> Rules {
    let usable = match ability.values {
        Values::Unusable => false,
        Values::BesidePaths => beside_paths,
        Values::Javascript => true,
    };
    if !usable || !expression.needs_value() {
        return Rules { members: Vec::new(), exact: !expression.needs_value() };
    }
    let mut rules = Rules { members: Vec::new(), exact: true };
    let mut add = |rule: &ValueRule| add(&mut rules, ability, rule);
    let mut exact = true;
    for test in expression.value_tests() {
        match test {
            ValueMatch::Value(all) => all.iter().for_each(&mut add),
            ValueMatch::Operator(field, rule) if field.is_whole() => add(rule),
            // Daemons find fields in different ways, and one runs their names as code.
            ValueMatch::Operator(..) | ValueMatch::Field(..) | ValueMatch::Where(_) => exact = false,
        }
    }
    match expression.sort().and_then(|sort| sort.filter()) {
        Some((field, name)) if field.is_whole() => add(&ValueRule::IsType(name)),
        Some(_) => exact = false,
        None => {}
    }
    Rules { exact: exact && rules.exact, ..rules }
}

/// Adds a rule if it matches, as the daemon applies it, at least what it should.
fn add(rules: &mut Rules, ability: &Ability, rule: &ValueRule) {
    let found = match ability.values {
        Values::Javascript => javascript(rule),
        _ => lua(rule),
    };
    match found.filter(|(name, ..)| rules.members.iter().all(|(taken, _)| taken != name)) {
        Some((name, operand, exact)) => {
            rules.members.push((name, operand));
            rules.exact &= exact;
        }
        None => rules.exact = false,
    }
}

/// Returns the rule for a daemon that compares as JavaScript does: it also orders values of different
/// types, and the types have other names.
fn javascript(rule: &ValueRule) -> Option<(&'static str, RuleOperand, bool)> {
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
                // In JavaScript, null is an object.
                TypeName::Table | TypeName::Null => ("object", false),
                TypeName::Unknown => return None,
            };
            ("isType", RuleOperand::Word(name.to_owned()), exact)
        }
        _ => return None,
    })
}

/// Returns the rule for the Lua daemon. It sends numbers with fewer digits, so this peer checks all
/// results.
fn lua(rule: &ValueRule) -> Option<(&'static str, RuleOperand, bool)> {
    let (name, operand) = match rule {
        ValueRule::LessThan(operand) => ("lessThan", ordered(operand)?),
        ValueRule::GreaterThan(operand) => ("greaterThan", ordered(operand)?),
        ValueRule::IsType(TypeName::Number) => ("isType", RuleOperand::Word("number".to_owned())),
        ValueRule::IsType(TypeName::String) => ("isType", RuleOperand::Word("string".to_owned())),
        ValueRule::IsType(TypeName::Boolean) => ("isType", RuleOperand::Word("boolean".to_owned())),
        ValueRule::IsType(TypeName::Table) => ("isType", RuleOperand::Word("object".to_owned())),
        ValueRule::Equals(operand @ (Operand::Bool(_) | Operand::String(_))) => ("equals", simple(operand)?),
        ValueRule::EqualsNot(operand @ (Operand::Bool(_) | Operand::String(_))) => {
            ("equalsNot", simple(operand)?)
        }
        _ => return None,
    };
    Some((name, operand, false))
}

/// Returns an operand that is the same to every daemon.
fn simple(operand: &Operand) -> Option<RuleOperand> {
    Some(match operand {
        Operand::Bool(value) => RuleOperand::Bool(*value),
        Operand::Number(number) => in_javascript(number.as_f64()),
        Operand::String(text) => RuleOperand::Word(text.to_string()),
        // Null may be taken for no value at all, and tables equal nothing.
        Operand::Null | Operand::Table => return None,
    })
}

/// Returns a number of a language that does not tell 5 from 5.0.
fn in_javascript(value: f64) -> RuleOperand {
    match value as i64 {
        whole if whole as f64 == value && value.abs() < EXACT_INTEGER => RuleOperand::Integer(whole),
        _ => RuleOperand::Float(value),
    }
}

/// Returns an operand that has the same order to every daemon. JavaScript orders strings by
/// their UTF-16 units, which is no other order if one of the two is ASCII.
fn ordered(operand: &Operand) -> Option<RuleOperand> {
    let same = match operand {
        Operand::Number(_) => !is_rounded(operand),
        Operand::String(text) => text.is_ascii(),
        _ => false,
    };
    same.then(|| simple(operand)).flatten()
}

/// Returns whether a number may change when it becomes a double.
fn is_rounded(operand: &Operand) -> bool {
    matches!(operand, Operand::Number(number) if number.as_f64().abs() >= EXACT_INTEGER)
}
