//! [`Expression`]: what a fetch asks for.

use super::dependencies::{self, Dep};
use super::lua_pattern::{Captures, Pattern};
use super::params::{is_object, mistyped, unknown_key};
use super::path_rule::{self, How, PathRule, Quantity, Steps};
use super::sort::{self, Sort};
use super::value_match::{self, ValueMatch};
use crate::json::Raw;

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

/// Most patterns and deps of an expression.
pub const MAX_PATTERNS: usize = 100;

/// Most strings of the path rules and value rules of an expression together.
pub const MAX_STRINGS: usize = 10_000;

/// An expression with at most so many words and no pattern is tested without counting what that costs.
const CHEAP_WORDS: usize = 64;

/// What a fetch asks for: rules on path and value, an order, a limit.
///
/// Both generations of fetch expressions are understood, and their keys may be mixed; all parts
/// must hold. An expression without any rule matches everything.
#[derive(Debug, Clone, Default)]
pub struct Expression {
    paths: Vec<PathRule>,
    values: Vec<ValueMatch>,
    sort: Option<Sort>,
    max: Option<usize>,
    deps: Vec<Dep>,
}

/// Which paths an expression can match at all, for an index over expressions or elements. The
/// hint is no proof: [`Expression::matches_path`] decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathHint<'a> {
    /// Only this path.
    Exact(&'a str),
    /// Only these paths: sorted, each once, maybe none.
    ExactOneOf(&'a [Box<str>]),
    /// Only paths that start with this.
    Prefix(&'a str),
    /// Any path.
    Any,
}

impl Expression {
    /// Reads the params of a fetch. Keys and rules that no generation knows are ignored; a text
    /// for the log about each of them, and about what cannot have been meant, is appended to
    /// `warnings`.
    ///
    /// # Errors
    /// The reason the expression is refused, naming the rule: `path.startsWith: expected a
    /// string, got a number`.
    pub fn parse(params: Raw<'_>, warnings: &mut Vec<String>) -> Result<Expression, String> {
        if !is_object(params) {
            return Err(mistyped("fetch expression", "an object", params));
        }
        let mut expression = Expression::default();
        let fold = params.get("caseInsensitive").is_some_and(Raw::is_truthy);
        let mut old_path_rules = false;
        for (key, value) in params.members() {
            let is_false = value.as_bool() == Some(false);
            match &*key {
                known if PASSENGERS.contains(&known) => (),
                known if is_false && KEYS.contains(&known) => (),
                "path" => path_rule::read_path(value, &mut expression.paths, warnings)?,
                "value" => value_match::whole(value, &mut expression.values, warnings)?,
                "valueField" => value_match::fields(value, &mut expression.values, warnings)?,
                "where" => {
                    let test = value_match::wherever("where", value, warnings)?;
                    expression.values.push(ValueMatch::Where(test));
                }
                "sort" => expression.sort = Some(sort::read_sort(value, warnings)?),
                "match" | "matches" | "unmatch" | "unmatches" | "equalsNot" | "text" => {
                    old_path_rules = true;
                    expression.paths.push(path_rule::read_old_path_rule(&key, value, fold)?);
                }
                "max" => expression.max = Some(maximum(value)?),
                "deps" => expression.deps = dependencies::read_deps(value, warnings)?,
                "caseInsensitive" => (),
                unknown => warnings.push(unknown_key("fetch expression", unknown, &KEYS)),
            }
        }
        if fold && !old_path_rules {
            warnings.push("caseInsensitive has no effect here, it belongs into path".into());
        }
        expression.check_size()?;
        Ok(expression)
    }

    /// Refuses an expression that has more parts than anybody needs, as each is tested for each element.
    fn check_size(&self) -> Result<(), String> {
        let sum = |count: fn(&PathRule) -> usize| self.paths.iter().map(count).sum::<usize>();
        let patterns = sum(PathRule::patterns) + self.deps.len();
        if patterns > MAX_PATTERNS {
            return Err(format!("{patterns} patterns and deps, at most {MAX_PATTERNS} are allowed"));
        }
        let strings = sum(PathRule::words) + self.values.len();
        if strings > MAX_STRINGS {
            return Err(format!("{strings} strings and value rules, at most {MAX_STRINGS} are allowed"));
        }
        Ok(())
    }

    /// Whether a path satisfies all path rules.
    pub fn matches_path(&self, path: &str) -> bool {
        self.paths.iter().all(|rule| rule.holds(path))
    }

    /// As [`matches_path`](Self::matches_path), and counts the steps it takes. What it returns means nothing when
    /// these are [too many](Steps::are_too_many).
    pub fn matches_path_counting(&self, path: &str, steps: &mut Steps) -> bool {
        self.paths.iter().all(|rule| rule.holds_counting(path, steps))
    }

    /// Returns whether testing a path can take long: the expression has patterns, or many words that are not
    /// looked up but searched for.
    pub fn is_costly(&self) -> bool {
        self.paths.iter().any(|rule| rule.patterns() > 0 || rule.words() > CHEAP_WORDS)
    }

    /// Returns what testing the value rules on a value costs, in units of about a tenth of a microsecond.
    pub fn value_cost(&self, value: Option<&str>) -> u64 {
        match self.values.len() as u64 {
            0 => 0,
            rules => rules * (1 + value.map_or(0, str::len) as u64 / 256),
        }
    }

    /// Returns what the expression costs for each element that comes or changes, compared with one without rules.
    pub fn weight(&self) -> usize {
        let patterns: usize = self.paths.iter().map(PathRule::patterns).sum();
        1 + 100 * (patterns + self.deps.len()) + 10 * self.values.len() + self.words() / 10
    }

    /// Returns how many words of plain text the path rules have.
    pub fn words(&self) -> usize {
        self.paths.iter().map(PathRule::words).sum()
    }

    /// Which paths can match at all. Always [`PathHint::Any`] where case does not count.
    pub fn path_hint(&self) -> PathHint<'_> {
        self.paths.iter().map(hint).fold(PathHint::Any, narrower)
    }

    /// Whether matching depends on the value, by a rule or by the type a sort demands.
    pub fn needs_value(&self) -> bool {
        !self.values.is_empty() || self.sort.as_ref().is_some_and(Sort::has_filter)
    }

    /// Whether a value satisfies all value rules and the type the sort demands; `None` is the
    /// value of a method.
    pub fn matches_value(&self, value: Option<Raw<'_>>) -> bool {
        self.values.iter().all(|test| test.holds(value))
            && self.sort.as_ref().is_none_or(|sort| sort.admits(value))
    }

    /// Returns the captures of the first pattern of `match` that matches the path. They fill the paths of [`Dep`]s.
    pub fn captures<'p>(&self, path: &'p str) -> Option<Captures<'p>> {
        self.captures_counting(path, &mut Steps::default())
    }

    /// Does the same as [`captures`](Self::captures), and counts the steps it takes. The result is meaningless if
    /// these are [too many](Steps::are_too_many).
    pub fn captures_counting<'p>(&self, path: &'p str, steps: &mut Steps) -> Option<Captures<'p>> {
        let mut first_of = |patterns: &[Pattern]| {
            patterns.iter().find_map(|pattern| match steps.are_too_many() {
                true => None,
                false => pattern.find_counting(path, &mut steps.taken),
            })
        };
        self.paths.iter().find_map(|rule| match rule {
            PathRule::Match(patterns) => first_of(patterns),
            PathRule::PlainOrPattern(_, pattern) => first_of(pattern.as_slice()),
            _ => None,
        })
    }

    /// The order and window of a sorted fetch; `None` for a fetch of single events.
    pub fn sort(&self) -> Option<&Sort> {
        self.sort.as_ref()
    }

    /// The most elements to report, if limited.
    pub fn max(&self) -> Option<usize> {
        self.max
    }

    /// Other elements whose values must satisfy something for an element to be reported.
    pub fn deps(&self) -> &[Dep] {
        &self.deps
    }

    /// The path rules, for those who have to express them in another dialect.
    pub fn path_rules(&self) -> &[PathRule] {
        &self.paths
    }

    /// The value rules, for those who have to express them in another dialect. The type that a
    /// sort demands is not among them.
    pub fn value_tests(&self) -> &[ValueMatch] {
        &self.values
    }
}

fn hint(rule: &PathRule) -> PathHint<'_> {
    match rule {
        PathRule::Text(rule) if rule.ignores_case() || rule.quantity() == Quantity::None => PathHint::Any,
        PathRule::Text(rule) => match (rule.how(), rule.words()) {
            (How::Equals, [word]) => PathHint::Exact(word),
            (How::Equals, words) if rule.quantity() == Quantity::One => PathHint::ExactOneOf(words),
            (How::StartsWith, [word]) if !word.is_empty() => PathHint::Prefix(word),
            _ => PathHint::Any,
        },
        PathRule::Match(patterns) => match patterns.as_slice() {
            [pattern] => match pattern.literal_start() {
                Some((text, true)) => PathHint::Exact(text),
                Some((text, false)) => PathHint::Prefix(text),
                None => PathHint::Any,
            },
            _ => PathHint::Any,
        },
        PathRule::Unmatch(_) | PathRule::PlainOrPattern(..) => PathHint::Any,
    }
}

fn narrower<'a>(a: PathHint<'a>, b: PathHint<'a>) -> PathHint<'a> {
    // Exact before one of few, before a long prefix, before everything.
    let width = |hint: &PathHint<'_>| match hint {
        PathHint::Exact(_) => (0, 0),
        PathHint::ExactOneOf(words) => (1, words.len()),
        PathHint::Prefix(text) => (2, usize::MAX - text.len()),
        PathHint::Any => (3, 0),
    };
    if width(&b) < width(&a) { b } else { a }
}

fn maximum(value: Raw<'_>) -> Result<usize, String> {
    let number = value.as_f64().ok_or_else(|| mistyped("max", "a number", value))?;
    if number < 0.0 || number.fract() != 0.0 {
        return Err("max: expected a whole number from 0 on".into());
    }
    // The conversion saturates, and no daemon has that many elements.
    Ok(number as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::params::check_documented;

    #[test]
    fn the_documentation_describes_every_key() {
        KEYS.iter().for_each(|key| check_documented(key));
    }
}
