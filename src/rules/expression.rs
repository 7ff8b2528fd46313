//! [`Expression`]: the params of a fetch, read and tested.

use super::dependencies::{self, Dep};
use super::lua_pattern::{Captures, Pattern};
use super::params::{is_object, mistyped, unknown_key};
use super::path_rule::{self, How, PathRule, Quantity, Steps};
use super::sort::{self, Sort};
use super::value_match::{self, ValueMatch};
use crate::json::Raw;

/// The keys of an expression that are rules, an order or a limit.
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

/// Further keys in the params of a fetch, which are no part of the expression.
const PASSENGERS: [&str; 5] = ["id", "timeout", "valueAsResult", "asArray", "as_array"];

/// The maximum number of patterns and dependencies of an expression.
pub const MAX_PATTERNS: usize = 100;

/// The maximum number of strings in path rules and of value rules, together.
pub const MAX_STRINGS: usize = 10_000;

/// An expression with at most this many words and no pattern is tested without counting its cost.
const CHEAP_WORDS: usize = 64;

/// The params of a fetch: rules on path and value, an order, a limit.
///
/// The keys of both generations of fetch expressions are understood and may be mixed. An element must satisfy all
/// rules. An expression without rules matches everything.
///
/// ```
/// use jet::json::Raw;
/// use jet::rules::Expression;
///
/// let params = Raw::parse(r#"{"match": ["^motor%d$"], "startWith": "m"}"#, 10)?;
/// let mut warnings = Vec::new();
/// let expression = Expression::parse(params, &mut warnings)?;
/// assert!(expression.matches_path("motor1") && !expression.matches_path("motor12"));
/// assert_eq!(warnings.len(), 1, "startWith is unknown, and ignored");
///
/// let params = Raw::parse(r#"{"path": {"equals": 1}}"#, 10)?;
/// let error = Expression::parse(params, &mut warnings).expect_err("no string");
/// assert_eq!(error, "path.equals: expected a string, got a number");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Expression {
    paths: Vec<PathRule>,
    values: Vec<ValueMatch>,
    sort: Option<Sort>,
    max: Option<usize>,
    deps: Vec<Dep>,
}

/// The paths that an expression can match at all, for an index over expressions or elements. A path that fits the
/// hint need not match: [`Expression::matches_path`] decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathHint<'a> {
    /// Only this path.
    Exact(&'a str),
    /// Only these paths, sorted and without duplicates. There may be none.
    ExactOneOf(&'a [Box<str>]),
    /// Only paths that start with this.
    Prefix(&'a str),
    /// Any path.
    Any,
}

impl Expression {
    /// Reads the params of a fetch. Unknown keys and rules are ignored. A text for the log about each of them, and
    /// about what was probably not intended, is appended to `warnings`.
    ///
    /// # Errors
    /// Fails with the reason why the expression is refused, which names the rule: `path.startsWith: expected a
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

    /// Refuses an expression that has more parts than any program needs, as each part is tested for each element.
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

    /// Returns whether a path satisfies all path rules.
    pub fn matches_path(&self, path: &str) -> bool {
        self.paths.iter().all(|rule| rule.holds(path))
    }

    /// As [`matches_path`](Self::matches_path), but also counts the steps it takes. The result is meaningless if there
    /// are [too many](Steps::are_too_many).
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

    /// Returns the paths that can match at all. This is [`PathHint::Any`] if case does not count.
    pub fn path_hint(&self) -> PathHint<'_> {
        self.paths.iter().map(hint).fold(PathHint::Any, narrower)
    }

    /// Returns whether matching depends on the value, because of a rule or of the type that a sort requires.
    pub fn needs_value(&self) -> bool {
        !self.values.is_empty() || self.sort.as_ref().is_some_and(Sort::has_filter)
    }

    /// Returns whether a value satisfies all value rules and has the type that the sort requires. `None` is the
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

    /// Returns the order and window of a sorted fetch, or `None` for a fetch of single events.
    pub fn sort(&self) -> Option<&Sort> {
        self.sort.as_ref()
    }

    /// Returns the maximum number of elements to report, if there is a limit.
    pub fn max(&self) -> Option<usize> {
        self.max
    }

    /// Returns the conditions on other elements under which an element is reported.
    pub fn deps(&self) -> &[Dep] {
        &self.deps
    }

    /// Returns the path rules, for a peer that translates them for another daemon.
    pub fn path_rules(&self) -> &[PathRule] {
        &self.paths
    }

    /// Returns the value rules, for a peer that translates them for another daemon. The type that a
    /// sort requires is not among them.
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
    // One path is narrower than a few, these than a long prefix, and that than everything.
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
