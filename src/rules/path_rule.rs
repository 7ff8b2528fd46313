//! Rules on paths: plain text in its variants, and Lua patterns. and how they are read
//! from an expression.

use super::lua_pattern::Pattern;
use super::params::{is_object, mistyped, string, strings, unknown_key};
use crate::json::Raw;

/// The path rules on one word.
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

/// The path rules on a list of words.
const LIST_RULES: [(&str, How, Quantity); 7] = [
    ("equalsOneOf", How::Equals, Quantity::One),
    ("equalsNotOneOf", How::Equals, Quantity::None),
    ("containsAllOf", How::Contains, Quantity::All),
    ("containsOneOf", How::Contains, Quantity::One),
    ("containsNoneOf", How::Contains, Quantity::None),
    ("startsWithOneOf", How::StartsWith, Quantity::One),
    ("endsWithOneOf", How::EndsWith, Quantity::One),
];

/// To search a path without regard to case, a path longer than this is copied in lower case. For a shorter path the
/// search in place is faster, but its time grows with the product of both lengths.
const FOLD_IN_PLACE: usize = 512;

/// The maximum number of steps for one path, which take about three milliseconds.
const MAX_STEPS: u64 = 1_000_000;

/// The steps that matching a path takes. One step takes a few nanoseconds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// The number of steps so far.
    pub taken: u64,
}

impl Steps {
    /// Returns whether there were so many that matching was abandoned.
    pub fn are_too_many(&self) -> bool {
        self.taken > MAX_STEPS
    }
}

/// One rule on a path. All rules of an expression must hold.
#[derive(Debug, Clone)]
pub enum PathRule {
    /// Plain text.
    Text(TextRule),
    /// `match` or `matches` of 2013: one of the patterns matches anywhere in the path.
    Match(Vec<Pattern>),
    /// `unmatch` or `unmatches` of 2013: none of the patterns matches.
    Unmatch(Vec<Pattern>),
    /// `text`, the string form of a fetch: the path contains it, or it matches as a pattern.
    /// There is no pattern if the text is not one, or if it would match only itself.
    PlainOrPattern(TextRule, Option<Pattern>),
}

impl PathRule {
    /// Returns whether a path satisfies the rule.
    pub fn holds(&self, path: &str) -> bool {
        self.holds_counting(path, &mut Steps::default())
    }

    /// As [`holds`](Self::holds), but also counts the steps it takes. The result is meaningless if there are
    /// [too many](Steps::are_too_many).
    pub fn holds_counting(&self, path: &str, steps: &mut Steps) -> bool {
        let matches_one = |patterns: &[Pattern], steps: &mut Steps| {
            patterns
                .iter()
                .any(|pattern| steps.are_too_many() || pattern.is_match_counting(path, &mut steps.taken))
        };
        match self {
            PathRule::Text(rule) => {
                steps.taken += rule.steps(path);
                rule.holds(path)
            }
            PathRule::Match(patterns) => matches_one(patterns, steps),
            PathRule::Unmatch(patterns) => !matches_one(patterns, steps),
            PathRule::PlainOrPattern(plain, pattern) => {
                steps.taken += plain.steps(path);
                plain.holds(path) || matches_one(pattern.as_slice(), steps)
            }
        }
    }

    /// Returns how many patterns the rule has.
    pub fn patterns(&self) -> usize {
        match self {
            PathRule::Text(_) => 0,
            PathRule::Match(patterns) | PathRule::Unmatch(patterns) => patterns.len(),
            PathRule::PlainOrPattern(_, pattern) => usize::from(pattern.is_some()),
        }
    }

    /// Returns how many words of plain text the rule has.
    pub fn words(&self) -> usize {
        match self {
            PathRule::Text(rule) | PathRule::PlainOrPattern(rule, _) => rule.words.len(),
            PathRule::Match(_) | PathRule::Unmatch(_) => 0,
        }
    }
}

/// Where a [`TextRule`] looks for a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// the whole path
    Equals,
    /// its beginning
    StartsWith,
    /// its end
    EndsWith,
    /// anywhere in it
    Contains,
}

/// How many words of a [`TextRule`] a path must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// at least one; never true without words
    One,
    /// every one; always true without words
    All,
    /// not a single one; always true without words
    None,
}

/// A plain text rule, such as `startsWith` or `containsNoneOf`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextRule {
    name: &'static str,
    how: How,
    quantity: Quantity,
    words: Vec<Box<str>>,
    fold: bool,
}

impl TextRule {
    /// Creates a rule of that name and meaning. With `fold` ASCII case does not count.
    pub fn new(
        name: &'static str,
        how: How,
        quantity: Quantity,
        mut words: Vec<Box<str>>,
        fold: bool,
    ) -> TextRule {
        if fold {
            words.iter_mut().for_each(|word| word.make_ascii_lowercase());
        }
        if how == How::Equals {
            words.sort_unstable();
            words.dedup();
        }
        TextRule { name, how, quantity, words, fold }
    }

    /// Returns the name of the rule in an expression.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns where the rule looks for the words.
    pub fn how(&self) -> How {
        self.how
    }

    /// Returns how many of the words a path must have.
    pub fn quantity(&self) -> Quantity {
        self.quantity
    }

    /// Returns the words, in lower case if case does not count, and sorted if they must equal the path.
    pub fn words(&self) -> &[Box<str>] {
        &self.words
    }

    /// Returns whether ASCII case does not count.
    pub fn ignores_case(&self) -> bool {
        self.fold
    }

    /// Returns whether a path satisfies the rule.
    pub fn holds(&self, path: &str) -> bool {
        match self.quantity {
            Quantity::One => self.any(path),
            Quantity::None => !self.any(path),
            Quantity::All => self.words.iter().all(|word| self.finds(path, word)),
        }
    }

    /// Returns an upper bound of the steps that [`holds`](Self::holds) takes, in the unit of a pattern's steps.
    fn steps(&self, path: &str) -> u64 {
        let (words, bytes) = (self.words.len() as u64, path.len() as u64);
        match self.how {
            How::Equals if self.quantity != Quantity::All => 8,
            How::Equals | How::StartsWith | How::EndsWith => 2 * words,
            How::Contains if self.fold => words * (4 + 2 * bytes),
            How::Contains => words * (8 + bytes / 8),
        }
    }

    fn any(&self, path: &str) -> bool {
        if self.how == How::Equals {
            return self.is_listed(path);
        }
        self.words.iter().any(|word| self.finds(path, word))
    }

    /// Returns whether the path is among the sorted words.
    fn is_listed(&self, path: &str) -> bool {
        let lower = |byte: u8| if self.fold { byte.to_ascii_lowercase() } else { byte };
        self.words.binary_search_by(|word| word.bytes().cmp(path.bytes().map(lower))).is_ok()
    }

    fn finds(&self, path: &str, word: &str) -> bool {
        match self.how {
            How::Equals => self.same(path.as_bytes(), word),
            How::StartsWith => path.as_bytes().get(..word.len()).is_some_and(|start| self.same(start, word)),
            How::EndsWith => {
                let start = path.len().checked_sub(word.len());
                start.and_then(|start| path.as_bytes().get(start..)).is_some_and(|end| self.same(end, word))
            }
            How::Contains => self.contains(path, word),
        }
    }

    fn same(&self, part: &[u8], word: &str) -> bool {
        if self.fold { part.eq_ignore_ascii_case(word.as_bytes()) } else { part == word.as_bytes() }
    }

    fn contains(&self, path: &str, word: &str) -> bool {
        if !self.fold {
            return path.contains(word);
        }
        if path.len() > FOLD_IN_PLACE {
            return path.to_ascii_lowercase().contains(word);
        }
        word.is_empty() || path.as_bytes().windows(word.len()).any(|part| self.same(part, word))
    }
}

/// Reads `path = {rule = word}` and appends the rules to `paths`.
///
/// # Errors
/// Fails with a message that names the wrong rule.
pub fn read_path(
    rules: Raw<'_>,
    paths: &mut Vec<PathRule>,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    if !is_object(rules) {
        return Err(mistyped("path", "an object", rules));
    }
    let fold = rules.get("caseInsensitive").is_some_and(Raw::is_truthy);
    for (key, value) in rules.members() {
        if key == "caseInsensitive" {
            continue;
        }
        let Some(rule) = path_rule(&key, value, fold)? else {
            warnings.push(unknown_key("path", &key, &path_rule_names()));
            continue;
        };
        if value.as_bool() != Some(false) {
            paths.push(PathRule::Text(rule));
        }
    }
    Ok(())
}

/// Reads a path rule of the expressions of 2013, or our own `text`. With `fold` ASCII case does not count.
///
/// # Errors
/// Fails with a message that names the rule, or the mistake in a pattern.
pub fn read_old_path_rule(key: &str, value: Raw<'_>, fold: bool) -> Result<PathRule, String> {
    let compile = |source: &str| match fold {
        true => Pattern::case_insensitive(source),
        false => Pattern::compile(source),
    };
    Ok(match key {
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
    })
}

/// Returns the rule of that name, or `None` if there is none. If its value is false, it has no words.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::params::check_documented;

    #[test]
    fn the_documentation_describes_every_path_rule() {
        path_rule_names().iter().for_each(|name| check_documented(&format!("path.{name}")));
    }
}
