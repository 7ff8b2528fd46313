//! Rules on values: comparisons, types, members. `value_match` chooses the part of a value that a rule applies to, and
//! reads the rules from an expression.

use std::cmp::Ordering;

use crate::json::{Kind, Number, Raw};

/// The operand that a value is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// a number
    Number(Number),
    /// a string
    String(Box<str>),
    /// An array or object. It equals nothing, not even itself, as two tables in Lua.
    Table,
}

impl Operand {
    /// Reads an operand.
    pub fn read(raw: Raw<'_>) -> Operand {
        match raw.kind() {
            Kind::Null => Operand::Null,
            Kind::Bool => Operand::Bool(raw.as_bool() == Some(true)),
            Kind::Number => raw.as_number().map_or(Operand::Null, Operand::Number),
            Kind::String => Operand::String(raw.as_str().unwrap_or_default().into()),
            Kind::Array | Kind::Object => Operand::Table,
        }
    }

    /// Returns whether `value` equals this. Nothing is converted: `"5"` is not 5.
    pub fn equals(&self, value: Raw<'_>) -> bool {
        match self {
            Operand::Null => value.is_null(),
            Operand::Bool(wanted) => value.as_bool() == Some(*wanted),
            Operand::Number(wanted) => value.as_number().as_ref() == Some(wanted),
            Operand::String(wanted) => value.as_str().is_some_and(|text| *text == **wanted),
            Operand::Table => false,
        }
    }

    /// Compares `value` with this: numbers with numbers, and strings with strings by their bytes.
    fn compare(&self, value: Raw<'_>) -> Option<Ordering> {
        match self {
            Operand::Number(wanted) => value.as_number().map(|number| number.cmp(wanted)),
            Operand::String(wanted) => value.as_str().map(|text| (*text).cmp(&**wanted)),
            _ => None,
        }
    }
}

/// The types of `isType`, under their names in Lua.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeName {
    /// `number`
    Number,
    /// `string`
    String,
    /// `boolean`
    Boolean,
    /// `object` or `table`: arrays too
    Table,
    /// `nil`: methods, which have no value
    Nil,
    /// `userdata`: null
    Null,
    /// any other name; no value is of that type
    Unknown,
}

impl TypeName {
    /// Returns the type of that name.
    pub fn read(name: &str) -> TypeName {
        match name {
            "number" => TypeName::Number,
            "string" => TypeName::String,
            "boolean" => TypeName::Boolean,
            "object" | "table" => TypeName::Table,
            "nil" => TypeName::Nil,
            "userdata" => TypeName::Null,
            _ => TypeName::Unknown,
        }
    }

    /// Returns whether a value is of the type. `None` is the value of a method.
    pub fn holds(self, value: Option<Raw<'_>>) -> bool {
        let kind = value.map(Raw::kind);
        match self {
            TypeName::Number => kind == Some(Kind::Number),
            TypeName::String => kind == Some(Kind::String),
            TypeName::Boolean => kind == Some(Kind::Bool),
            TypeName::Table => matches!(kind, Some(Kind::Array | Kind::Object)),
            TypeName::Nil => kind.is_none(),
            TypeName::Null => kind == Some(Kind::Null),
            TypeName::Unknown => false,
        }
    }
}

/// One rule on a value or a field of it.
///
/// ```
/// use jet::json::Raw;
/// use jet::rules::{Operand, ValueRule};
///
/// let rule = ValueRule::LessThan(Operand::read(Raw::trusted("10")));
/// assert!(rule.holds(Some(Raw::trusted("9.5"))));
/// assert!(!rule.holds(Some(Raw::trusted("\"9\""))), "a string");
/// assert!(!rule.holds(None), "a method");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueRule {
    /// `equals`
    Equals(Operand),
    /// `equalsNot`; methods, which have no value, satisfy it too
    EqualsNot(Operand),
    /// `lessThan`
    LessThan(Operand),
    /// `greaterThan`
    GreaterThan(Operand),
    /// `isType`
    IsType(TypeName),
    /// `hasOneOf`: the value is an array with at least one of these elements
    HasOneOf(Vec<Operand>),
    /// `hasAllOf`: the value is an array with all of these elements; never true for none
    HasAllOf(Vec<Operand>),
    /// a rule that nothing satisfies, such as an unknown `op` of 2013's `where`
    Never,
}

impl ValueRule {
    /// Returns whether a value satisfies the rule. `None` is the value of a method.
    pub fn holds(&self, value: Option<Raw<'_>>) -> bool {
        match self {
            ValueRule::Equals(operand) => value.is_some_and(|value| operand.equals(value)),
            ValueRule::EqualsNot(operand) => !value.is_some_and(|value| operand.equals(value)),
            ValueRule::LessThan(operand) => compares(operand, value, Ordering::Less),
            ValueRule::GreaterThan(operand) => compares(operand, value, Ordering::Greater),
            ValueRule::IsType(name) => name.holds(value),
            ValueRule::HasOneOf(operands) => {
                value.is_some_and(|value| value.elements().any(|item| one_equals(operands, item)))
            }
            ValueRule::HasAllOf(operands) => value.is_some_and(|value| {
                let has = |operand: &Operand| value.elements().any(|item| operand.equals(item));
                !operands.is_empty() && operands.iter().all(has)
            }),
            ValueRule::Never => false,
        }
    }
}

fn compares(operand: &Operand, value: Option<Raw<'_>>, wanted: Ordering) -> bool {
    value.and_then(|value| operand.compare(value)) == Some(wanted)
}

fn one_equals(operands: &[Operand], item: Raw<'_>) -> bool {
    operands.iter().any(|operand| operand.equals(item))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Raw<'_> {
        Raw::parse(text, 10).expect("valid")
    }

    fn operand(text: &str) -> Operand {
        Operand::read(raw(text))
    }

    fn operands(text: &str) -> Vec<Operand> {
        raw(text).elements().map(Operand::read).collect()
    }

    #[test]
    fn equality_converts_nothing() {
        let primitives = ["null", "true", "false", "5", "\"5\"", "\"\"", "0"];
        for a in primitives {
            for b in primitives {
                let equal = ValueRule::Equals(operand(a)).holds(Some(raw(b)));
                assert_eq!(equal, a == b, "{a} {b}");
                assert_eq!(ValueRule::EqualsNot(operand(a)).holds(Some(raw(b))), !equal);
            }
        }
        assert!(ValueRule::Equals(operand("5")).holds(Some(raw("5.0"))));
        assert!(!ValueRule::Equals(operand("9007199254740993")).holds(Some(raw("9007199254740992"))));
        assert!(ValueRule::Equals(operand(r#""\u0041""#)).holds(Some(raw("\"A\""))));
    }

    #[test]
    fn tables_equal_nothing_and_methods_differ_from_all() {
        for table in ["{}", "[]", "[1]"] {
            assert!(!ValueRule::Equals(operand(table)).holds(Some(raw(table))));
            assert!(ValueRule::EqualsNot(operand(table)).holds(Some(raw(table))));
        }
        for any in ["null", "1", "{}"] {
            assert!(!ValueRule::Equals(operand(any)).holds(None));
            assert!(ValueRule::EqualsNot(operand(any)).holds(None));
        }
    }

    #[test]
    fn order_is_within_a_type_only() {
        let less = |operand_text, value| ValueRule::LessThan(operand(operand_text)).holds(Some(raw(value)));
        assert!(less("6", "5") && !less("6", "6") && !less("6", "7"));
        assert!(less("\"b\"", "\"a\"") && !less("\"a\"", "\"b\"") && less("\"é\"", "\"z\""));
        for (operand_text, value) in
            [("6", "\"5\""), ("6", "null"), ("6", "true"), ("true", "false"), ("[]", "1")]
        {
            assert!(!less(operand_text, value), "{operand_text} {value}");
            assert!(!ValueRule::GreaterThan(operand(operand_text)).holds(Some(raw(value))));
        }
        assert!(!ValueRule::LessThan(operand("1")).holds(None));
    }

    #[test]
    fn types_have_their_lua_names() {
        let values = ["1", "\"\"", "true", "{}", "[]", "null"];
        for (name, matching) in [
            ("number", "1"),
            ("string", "\"\""),
            ("boolean", "true"),
            ("object", "{}[]"),
            ("table", "{}[]"),
            ("userdata", "null"),
            ("null", ""),
            ("array", ""),
            ("nil", ""),
        ] {
            let rule = ValueRule::IsType(TypeName::read(name));
            let found: String = values.iter().filter(|text| rule.holds(Some(raw(text)))).copied().collect();
            assert_eq!(found, matching, "{name}");
            assert_eq!(rule.holds(None), name == "nil");
        }
    }

    #[test]
    fn duplicates_do_not_stand_in_for_missing_elements() {
        let all = |wanted, value| ValueRule::HasAllOf(operands(wanted)).holds(Some(raw(value)));
        assert!(all("[1,2]", "[2,3,1]") && all("[1,1]", "[1]") && all("[null,\"a\"]", "[\"a\",null]"));
        assert!(!all("[1,2]", "[1,1]") && !all("[]", "[1]") && !all("[1]", "1") && !all("[1]", "{\"1\":1}"));
        let one = |wanted, value| ValueRule::HasOneOf(operands(wanted)).holds(Some(raw(value)));
        assert!(one("[1,2]", "[3,2]") && !one("[1,2]", "[3]") && !one("[]", "[1]") && !one("[[]]", "[[]]"));
    }
}
