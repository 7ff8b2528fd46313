//! Reads fetch expressions of both generations and of node-jet 3 from JSON. What the parts mean
//! is in the modules of the parts.
//!
//! Lua writes an empty list as `{}`, so `{}` and `[]` are the same wherever a list or an object is
//! expected. A rule with the value false is as good as absent, except `equals` and `equalsNot`.

mod sort;
mod value;

use super::dependencies::Dep;
use super::expression::Expression;
use super::lua_pattern::Pattern;
use super::path_rule::{How, PathRule, Quantity, TextRule};
use crate::json::{Kind, Raw};
use crate::util::nearest::nearest;

/// Keys of an expression that ask for something.
const KEYS: [&str; 15] = [
    "path",
    "value",
    "valueField",
    "sort",
    "match",
    "matches",
    "unmatch",
    "unmatches",
    "equalsNot",
    "caseInsensitive",
    "where",
    "max",
    "deps",
    "text",
    "id",
];

/// Further keys that come along in the params of a fetch and are no rules.
const PASSENGERS: [&str; 5] = ["id", "timeout", "valueAsResult", "asArray", "as_array"];

/// Path rules on one word.
const WORD_RULES: [(&str, How, Quantity); 8] = [
    ("equals", How::Equals, Quantity::One),
    ("equalsNot", How::Equals, Quantity::None),
    ("startsWith", How::StartsWith, Quantity::One),
    ("startsNotWith", How::StartsWith, Quantity::None),
    ("endsWith", How::EndsWith, Quantity::One),
    ("endsNotWith", How::EndsWith, Quantity::None),
    ("contains", How::Contains, Quantity::One),
    ("containsNot", How::Contains, Quantity::None),
];

/// Path rules on a list of words.
const LIST_RULES: [(&str, How, Quantity); 7] = [
    ("equalsOneOf", How::Equals, Quantity::One),
    ("equalsNotOneOf", How::Equals, Quantity::None),
    ("containsAllOf", How::Contains, Quantity::All),
    ("containsOneOf", How::Contains, Quantity::One),
    ("containsNoneOf", How::Contains, Quantity::None),
    ("startsWithOneOf", How::StartsWith, Quantity::One),
    ("endsWithOneOf", How::EndsWith, Quantity::One),
];

/// Most patterns and deps of an expression.
pub const MAX_PATTERNS: usize = 100;

/// Most strings of the path rules and value rules of an expression together.
pub const MAX_STRINGS: usize = 10_000;

/// Reads the params of a fetch, see [`Expression::parse`].
pub(super) fn expression(params: Raw<'_>, warnings: &mut Vec<String>) -> Result<Expression, String> {
    if !is_object(params) {
        return Err(mistyped("fetch expression", "an object", params));
    }
    let mut reader = Reader { expression: Expression::default(), warnings };
    let fold = params.get("caseInsensitive").is_some_and(Raw::is_truthy);
    let mut old_path_rules = false;
    for (key, value) in params.members() {
        let is_false = value.as_bool() == Some(false);
        match &*key {
            known if PASSENGERS.contains(&known) => (),
            known if is_false && KEYS.contains(&known) => (),
            "path" => reader.path(value)?,
            "value" | "valueField" | "where" => reader.value(&key, value)?,
            "sort" => reader.expression.sort = Some(sort::read(value, reader.warnings)?),
            "match" | "matches" | "unmatch" | "unmatches" | "equalsNot" | "text" => {
                old_path_rules = true;
                reader.old_path_rule(&key, value, fold)?;
            }
            "max" => reader.expression.max = Some(maximum(value)?),
            "deps" => reader.deps(value)?,
            "caseInsensitive" => (),
            unknown => reader.warnings.push(unknown_key("fetch expression", unknown, &KEYS)),
        }
    }
    if fold && !old_path_rules {
        reader.warnings.push("caseInsensitive has no effect here, it belongs into path".into());
    }
    check_size(&reader.expression)?;
    Ok(reader.expression)
}

/// Refuses an expression that has more parts than anybody needs, as each is tested for each element.
fn check_size(expression: &Expression) -> Result<(), String> {
    let sum = |count: fn(&PathRule) -> usize| expression.paths.iter().map(count).sum::<usize>();
    let patterns = sum(PathRule::patterns) + expression.deps.len();
    if patterns > MAX_PATTERNS {
        return Err(format!("{patterns} patterns and deps, at most {MAX_PATTERNS} are allowed"));
    }
    let strings = sum(PathRule::words) + expression.values.len();
    if strings > MAX_STRINGS {
        return Err(format!("{strings} strings and value rules, at most {MAX_STRINGS} are allowed"));
    }
    Ok(())
}

struct Reader<'w> {
    expression: Expression,
    warnings: &'w mut Vec<String>,
}

impl Reader<'_> {
    fn path(&mut self, rules: Raw<'_>) -> Result<(), String> {
        if !is_object(rules) {
            return Err(mistyped("path", "an object", rules));
        }
        let fold = rules.get("caseInsensitive").is_some_and(Raw::is_truthy);
        for (key, value) in rules.members() {
            if key == "caseInsensitive" {
                continue;
            }
            let Some(rule) = path_rule(&key, value, fold)? else {
                self.warnings.push(unknown_key("path", &key, &path_rule_names()));
                continue;
            };
            if value.as_bool() != Some(false) {
                self.expression.paths.push(PathRule::Text(rule));
            }
        }
        Ok(())
    }

    /// A path rule of 2013, or our own `text`.
    fn old_path_rule(&mut self, key: &str, value: Raw<'_>, fold: bool) -> Result<(), String> {
        let compile = |source: &str| match fold {
            true => Pattern::case_insensitive(source),
            false => Pattern::compile(source),
        };
        let rule = match key {
            "text" => {
                let text = string(key, value)?;
                let pattern = compile(&text).ok().filter(|pattern| !pattern.is_plain());
                let plain = TextRule::new("text", How::Contains, Quantity::One, vec![text], fold);
                PathRule::PlainOrPattern(plain, pattern)
            }
            "equalsNot" => {
                let words = strings(key, value)?;
                PathRule::Text(TextRule::new("equalsNot", How::Equals, Quantity::None, words, fold))
            }
            _ => {
                let sources = strings(key, value)?;
                let compiled = sources
                    .iter()
                    .map(|source| compile(source).map_err(|mistake| format!("{key}: '{source}': {mistake}")));
                let patterns = compiled.collect::<Result<Vec<_>, String>>()?;
                if key.starts_with('u') { PathRule::Unmatch(patterns) } else { PathRule::Match(patterns) }
            }
        };
        self.expression.paths.push(rule);
        Ok(())
    }

    fn value(&mut self, key: &str, value: Raw<'_>) -> Result<(), String> {
        match key {
            "value" => value::whole(value, &mut self.expression.values, self.warnings),
            "valueField" => value::fields(value, &mut self.expression.values, self.warnings),
            _ => {
                let test = value::wherever("where", value, self.warnings)?;
                self.expression.values.push(super::value_match::ValueTest::Where(test));
                Ok(())
            }
        }
    }

    fn deps(&mut self, list: Raw<'_>) -> Result<(), String> {
        if !is_list(list) {
            return Err(mistyped("deps", "a list", list));
        }
        for dep in list.elements() {
            let path = string("deps.path", dep.get("path").ok_or("deps: path is missing")?)?;
            let test = dep.get("where").ok_or("deps: where is missing")?;
            let test = value::wherever("deps.where", test, self.warnings)?;
            self.expression.deps.push(Dep { path, test });
        }
        Ok(())
    }
}

/// The rule of that name; `None` if there is none. With the value false it is built of nothing.
fn path_rule(name: &str, value: Raw<'_>, fold: bool) -> Result<Option<TextRule>, String> {
    let is_false = value.as_bool() == Some(false);
    let of_word = WORD_RULES.iter().find(|(known, ..)| *known == name);
    let of_list = LIST_RULES.iter().find(|(known, ..)| *known == name);
    let Some(&(known, how, quantity)) = of_word.or(of_list) else {
        return Ok(None);
    };
    let at = format!("path.{name}");
    let words = match (is_false, of_word) {
        (true, _) => Vec::new(),
        (_, Some(_)) => vec![string(&at, value)?],
        _ => strings(&at, value)?,
    };
    Ok(Some(TextRule::new(known, how, quantity, words, fold)))
}

fn path_rule_names() -> Vec<&'static str> {
    let mut names: Vec<_> = WORD_RULES.iter().chain(&LIST_RULES).map(|(name, ..)| *name).collect();
    names.push("caseInsensitive");
    names
}

fn maximum(value: Raw<'_>) -> Result<usize, String> {
    let number = value.as_f64().ok_or_else(|| mistyped("max", "a number", value))?;
    if number < 0.0 || number.fract() != 0.0 {
        return Err("max: expected a whole number from 0 on".into());
    }
    // The conversion saturates, and no daemon has that many elements.
    Ok(number as usize)
}

/// An object, or the empty array that stands for an empty one.
fn is_object(raw: Raw<'_>) -> bool {
    raw.kind() == Kind::Object || (raw.kind() == Kind::Array && raw.elements().next().is_none())
}

/// An array, or the empty object that stands for an empty one.
fn is_list(raw: Raw<'_>) -> bool {
    raw.kind() == Kind::Array || (raw.kind() == Kind::Object && raw.members().next().is_none())
}

fn string(at: &str, raw: Raw<'_>) -> Result<Box<str>, String> {
    raw.as_str().map(Into::into).ok_or_else(|| mistyped(at, "a string", raw))
}

fn strings(at: &str, raw: Raw<'_>) -> Result<Vec<Box<str>>, String> {
    if !is_list(raw) {
        return Err(mistyped(at, "a list of strings", raw));
    }
    raw.elements().map(|element| string(at, element)).collect()
}

fn mistyped(at: &str, expected: &str, raw: Raw<'_>) -> String {
    let got = match raw.kind() {
        Kind::Null => "null",
        Kind::Bool => "a boolean",
        Kind::Number => "a number",
        Kind::String => "a string",
        Kind::Array => "an array",
        Kind::Object => "an object",
    };
    format!("{at}: expected {expected}, got {got}")
}

fn unknown_key(at: &str, key: &str, known: &[&str]) -> String {
    let nearest = nearest(key, known).unwrap_or_default();
    format!("{at}: unknown '{key}' is ignored, did you mean '{nearest}'?")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails unless the table of fetch expressions in `docs/api.md` has an entry of that name.
    pub fn check_documented(entry: &str) {
        let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md"));
        let section =
            page.split("\n## Fetch expressions\n").nth(1).and_then(|rest| rest.split("\n## ").next());
        let section = section.expect("docs/api.md has a section on fetch expressions");
        assert!(section.contains(&format!("`{entry}`")), "docs/api.md does not describe {entry}");
    }

    #[test]
    fn the_documentation_describes_every_key_and_path_rule() {
        KEYS.iter().for_each(|key| check_documented(key));
        path_rule_names().iter().for_each(|name| check_documented(&format!("path.{name}")));
    }
}
