//! Rules on paths: plain text in its variants, and Lua patterns. and how they are read
//! from an expression.

use super::lua_pattern::Pattern;
use super::params::{is_object, mistyped, string, strings, unknown_key};
use crate::json::Raw;

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

/// Paths longer than this are lowered into a buffer to search them without regard to case; the
/// search in place is quicker, but its time grows with the product of both lengths.
const FOLD_IN_PLACE: usize = 512;

/// Most steps that are taken for one path, about as many as three milliseconds have.
const MAX_STEPS: u64 = 1_000_000;

/// The steps that matching a path takes; a step takes a few nanoseconds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// How many were taken.
    pub taken: u64,
}

impl Steps {
    /// Returns whether so many were taken that matching was given up.
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
    /// There is no pattern where the text is none or would match nothing but itself.
    PlainOrPattern(TextRule, Option<Pattern>),
}

impl PathRule {
    /// Whether a path satisfies the rule.
    pub fn holds(&self, path: &str) -> bool {
        self.holds_counting(path, &mut Steps::default())
    }

    /// As [`holds`](Self::holds), and counts the steps it takes. What it returns means nothing when these are
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

/// Where a word of a [`TextRule`] is looked for.
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

/// How many words of a [`TextRule`] must be found.
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
    /// A rule of that name and meaning. With `fold` ASCII case does not count.
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

    /// The rule's name in an expression.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where the words are looked for.
    pub fn how(&self) -> How {
        self.how
    }

    /// How many of the words must be found.
    pub fn quantity(&self) -> Quantity {
        self.quantity
    }

    /// The words; in lower case if case does not count, sorted if they must equal the path.
    pub fn words(&self) -> &[Box<str>] {
        &self.words
    }

    /// Whether ASCII case does not count.
    pub fn ignores_case(&self) -> bool {
        self.fold
    }

    /// Whether a path satisfies the rule.
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

    /// Finds the path among the sorted words.
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

/// Reads `path = {rule = word}` and appends its rules to `paths`.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::params::check_documented;

    #[test]
    fn the_documentation_describes_every_path_rule() {
        path_rule_names().iter().for_each(|name| check_documented(&format!("path.{name}")));
    }
}
