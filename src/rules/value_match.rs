//! [`ValueMatch`]: rules together with the part of a value that they apply to: the whole value, a field, or the
//! `where` of 2013. The rules themselves are in `value_rule`.

use super::field_path::FieldPath;
use super::params::{is_list, is_object, mistyped, string, unknown_key};
use super::value_rule::{Operand, TypeName, ValueRule};
use crate::json::{Kind, Raw};
use crate::util::nearest::nearest;

const RULES: [&str; 7] = ["equals", "equalsNot", "lessThan", "greaterThan", "isType", "hasOneOf", "hasAllOf"];

/// The operators of `where`.
const WHERE_RULES: [&str; 4] = ["equals", "equalsNot", "lessThan", "greaterThan"];

/// A condition on the value of an element. An element must satisfy all conditions of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueMatch {
    /// `value = {rules}`, all of them on the whole value.
    Value(Vec<ValueRule>),
    /// `valueField = {field = {rules}}`. A missing, nil or false field never matches, not
    /// even without rules: it has always been part of the test that the field is true.
    Field(FieldPath, Vec<ValueRule>),
    /// `value = {field = {operator, value}}`, as node-jet 3 writes it. To the rule a missing
    /// field is like a method.
    Operator(FieldPath, ValueRule),
    /// `where = {op, value, prop}` of 2013.
    Where(Where),
}

impl ValueMatch {
    /// Returns whether a value matches. `None` is the value of a method.
    pub fn holds(&self, value: Option<Raw<'_>>) -> bool {
        match self {
            ValueMatch::Value(rules) => rules.iter().all(|rule| rule.holds(value)),
            ValueMatch::Field(field, rules) => {
                let found = value.and_then(|value| field.find(value));
                found.is_some_and(|found| found.as_bool() != Some(false))
                    && rules.iter().all(|rule| rule.holds(found))
            }
            ValueMatch::Operator(field, rule) => rule.holds(value.and_then(|value| field.find(value))),
            ValueMatch::Where(test) => test.holds(value),
        }
    }
}

/// The `where` of 2013: one entry or several that must all hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Where {
    /// The entries. Without entries nothing matches.
    pub entries: Vec<WhereEntry>,
    /// Whether it was written as one entry, not as a list. Such an entry on the whole value never matches
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
    /// Returns whether a value matches. `None` is the value of a method.
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

/// Reads `value = {rule = operand}`, or `value = {field = {operator, value}}` as node-jet 3 writes it.
///
/// # Errors
/// Fails with a message that names the wrong rule.
pub fn whole(rules: Raw<'_>, tests: &mut Vec<ValueMatch>, warnings: &mut Vec<String>) -> Result<(), String> {
    if !is_object(rules) {
        return Err(mistyped("value", "an object", rules));
    }
    let mut own = Vec::new();
    for (key, operand) in rules.members() {
        let at = format!("value.{key}");
        match operand.get("operator") {
            None => own.extend(rule(&at, &key, operand, warnings)?),
            Some(operator) => {
                let field = FieldPath::parse(&key).map_err(|mistake| format!("value: {mistake}"))?;
                let name = string(&format!("{at}.operator"), operator)?;
                let operand = operand.get("value").ok_or_else(|| format!("{at}: value is missing"))?;
                let found = rule(&at, &name, operand, warnings)?;
                tests.extend(found.map(|rule| ValueMatch::Operator(field, rule)));
            }
        }
    }
    if !own.is_empty() {
        tests.push(ValueMatch::Value(own));
    }
    Ok(())
}

/// Reads `valueField = {field = {rule = operand}}`.
///
/// # Errors
/// Fails with a message that names the wrong rule.
pub fn fields(
    fields: Raw<'_>,
    tests: &mut Vec<ValueMatch>,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    if !is_object(fields) {
        return Err(mistyped("valueField", "an object", fields));
    }
    for (key, rules) in fields.members() {
        let at = format!("valueField.{key}");
        if rules.as_bool() == Some(false) {
            continue;
        }
        if !is_object(rules) {
            return Err(mistyped(&at, "an object", rules));
        }
        let field = field("valueField", &key)?;
        let mut own = Vec::new();
        for (name, operand) in rules.members() {
            own.extend(rule(&format!("{at}.{name}"), &name, operand, warnings)?);
        }
        tests.push(ValueMatch::Field(field, own));
    }
    Ok(())
}

/// Reads a field path. The empty one, the whole value, is refused.
///
/// # Errors
/// Fails with a message that begins with `at`.
pub fn field(at: &str, text: &str) -> Result<FieldPath, String> {
    let field = FieldPath::parse(text).map_err(|mistake| format!("{at}: {mistake}"))?;
    if field.is_whole() {
        return Err(format!("{at}: '' is no field path"));
    }
    Ok(field)
}

/// Reads one rule. Returns `None` if it is unknown or switched off with false.
fn rule(
    at: &str,
    name: &str,
    operand: Raw<'_>,
    warnings: &mut Vec<String>,
) -> Result<Option<ValueRule>, String> {
    let is_false = operand.as_bool() == Some(false);
    Ok(Some(match name {
        "equals" => ValueRule::Equals(Operand::read(operand)),
        "equalsNot" => ValueRule::EqualsNot(Operand::read(operand)),
        known if is_false && RULES.contains(&known) => return Ok(None),
        "lessThan" => ValueRule::LessThan(Operand::read(operand)),
        "greaterThan" => ValueRule::GreaterThan(Operand::read(operand)),
        "isType" => ValueRule::IsType(type_name(at, operand, warnings)?),
        "hasOneOf" => ValueRule::HasOneOf(operands(at, operand)?),
        "hasAllOf" => ValueRule::HasAllOf(operands(at, operand)?),
        unknown => {
            warnings.push(unknown_key(at, unknown, &RULES));
            return Ok(None);
        }
    }))
}

/// Reads the name of a type. Warns if no value is of that type.
///
/// # Errors
/// Fails if it is not a string.
pub fn type_name(at: &str, raw: Raw<'_>, warnings: &mut Vec<String>) -> Result<TypeName, String> {
    let name = string(at, raw)?;
    let read = TypeName::read(&name);
    if read == TypeName::Unknown {
        warnings.push(format!("{at}: no value is of type '{name}'"));
    }
    Ok(read)
}

fn operands(at: &str, list: Raw<'_>) -> Result<Vec<Operand>, String> {
    if !is_list(list) {
        return Err(mistyped(at, "a list", list));
    }
    Ok(list.elements().map(Operand::read).collect())
}

/// Reads `where = {op, value, prop}` or a list of these.
///
/// # Errors
/// Fails with a message that names the wrong part.
pub fn wherever(at: &str, raw: Raw<'_>, warnings: &mut Vec<String>) -> Result<Where, String> {
    if is_list(raw) {
        let entries = raw.elements().map(|entry| where_entry(at, entry, warnings));
        return Ok(Where { entries: entries.collect::<Result<_, String>>()?, single: false });
    }
    Ok(Where { entries: vec![where_entry(at, raw, warnings)?], single: true })
}

fn where_entry(at: &str, raw: Raw<'_>, warnings: &mut Vec<String>) -> Result<WhereEntry, String> {
    if raw.kind() != Kind::Object {
        return Err(mistyped(at, "an object or a list of objects", raw));
    }
    for (key, _) in raw.members() {
        if !["op", "value", "prop"].contains(&&*key) {
            warnings.push(unknown_key(at, &key, &["op", "value", "prop"]));
        }
    }
    let name = string(&format!("{at}.op"), raw.get("op").ok_or_else(|| format!("{at}: op is missing"))?)?;
    let operand = Operand::read(raw.get("value").ok_or_else(|| format!("{at}: value is missing"))?);
    let rule = match &*name {
        "equals" => ValueRule::Equals(operand),
        "equalsNot" => ValueRule::EqualsNot(operand),
        "lessThan" => ValueRule::LessThan(operand),
        "greaterThan" => ValueRule::GreaterThan(operand),
        unknown => {
            let nearest = nearest(unknown, &WHERE_RULES).unwrap_or_default();
            warnings.push(format!("{at}.op: unknown '{unknown}' matches nothing, did you mean '{nearest}'?"));
            ValueRule::Never
        }
    };
    Ok(WhereEntry { rule, prop: prop(&format!("{at}.prop"), raw.get("prop"))? })
}

/// Reads `prop`: the name of a member of the value, or the number of an element. If it is missing or empty, it is
/// the value itself.
///
/// # Errors
/// Fails if it is an array or an object.
pub fn prop(at: &str, raw: Option<Raw<'_>>) -> Result<FieldPath, String> {
    match raw.map(|raw| (raw.kind(), raw)) {
        None | Some((Kind::Null | Kind::Bool, _)) => Ok(FieldPath::member("")),
        Some((Kind::Number, number)) => field(at, &format!("[{}]", number.text())),
        Some((_, raw)) => Ok(FieldPath::member(&string(at, raw)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::params::check_documented;

    #[test]
    fn the_documentation_describes_every_key() {
        RULES.iter().for_each(|rule| check_documented(&format!("value.{rule}")));
        WHERE_RULES.iter().for_each(|rule| check_documented(rule));
    }
}
