//! [`Expression`]: what a fetch asks for. Reading it from JSON is in `parse`.

use super::dependencies::Dep;
use super::lua_pattern::{Captures, Pattern};
use super::parse;
use super::path_rule::{How, PathRule, Quantity, Steps};
use super::sort::Sort;
use super::value_match::ValueTest;
use crate::json::Raw;

/// An expression with at most so many words and no pattern is tested without counting what that costs.
const CHEAP_WORDS: usize = 64;

/// What a fetch asks for: rules on path and value, an order, a limit.
///
/// Both generations of fetch expressions are understood, and their keys may be mixed; all parts
/// must hold. An expression without any rule matches everything.
#[derive(Debug, Clone, Default)]
pub struct Expression {
    pub(super) paths: Vec<PathRule>,
    pub(super) values: Vec<ValueTest>,
    pub(super) sort: Option<Sort>,
    pub(super) max: Option<usize>,
    pub(super) deps: Vec<Dep>,
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
        parse::expression(params, warnings)
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
    pub fn value_tests(&self) -> &[ValueTest] {
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
