//! [`plan`]: path rules as a daemon can express them.

use crate::rules::{How, PathRule, Pattern, Quantity, TextRule};

use super::ability::{Ability, Fold};
use super::literal;
use super::rules::{RuleOperand, Rules};

/// A rule on plain text that follows from a rule of the program.
#[derive(Debug, Clone)]
struct PlainRule {
    how: How,
    quantity: Quantity,
    words: Vec<String>,
    fold: bool,
}

impl PlainRule {
    fn new(how: How, words: Vec<String>, fold: bool) -> PlainRule {
        let quantity = if words.len() > 1 && how == How::Contains { Quantity::All } else { Quantity::One };
        PlainRule { how, quantity, words, fold }
    }

    fn is_negative(&self) -> bool {
        self.quantity == Quantity::None
    }

    /// Returns whether every path satisfies it.
    fn is_trivial(&self) -> bool {
        let empty = |word: &String| word.is_empty() && self.how != How::Equals;
        match self.quantity {
            Quantity::One => self.words.iter().any(empty),
            Quantity::All => self.words.iter().all(empty),
            Quantity::None => self.words.is_empty(),
        }
    }

    /// Returns the name of the rule on the wire.
    fn name(&self) -> Option<&'static str> {
        use {How::*, Quantity as Q};
        let single = self.words.len() == 1;
        Some(match (self.how, self.quantity, single) {
            (Contains, Q::All, _) => "containsAllOf",
            (Equals, Q::One | Q::All, true) => "equals",
            (StartsWith, Q::One | Q::All, true) => "startsWith",
            (EndsWith, Q::One | Q::All, true) => "endsWith",
            (Contains, Q::One, true) => "contains",
            (Equals, Q::None, true) => "equalsNot",
            (StartsWith, Q::None, true) => "startsNotWith",
            (EndsWith, Q::None, true) => "endsNotWith",
            (Contains, Q::None, true) => "containsNot",
            (Equals, Q::One, false) => "equalsOneOf",
            (Equals, Q::None, false) => "equalsNotOneOf",
            (Contains, Q::One, false) => "containsOneOf",
            _ => return None,
        })
    }

    /// Returns a rule that matches at least the same paths and may be easier to express.
    fn weaker(&self) -> Option<PlainRule> {
        if self.quantity != Quantity::One || self.words.len() < 2 {
            return None;
        }
        let prefix = common_prefix(&self.words);
        if matches!(self.how, How::Equals | How::StartsWith) && !prefix.is_empty() {
            return Some(PlainRule::new(How::StartsWith, vec![prefix], self.fold));
        }
        let anywhere = PlainRule { how: How::Contains, ..self.clone() };
        (self.how != How::Contains).then_some(anywhere)
    }
}

fn common_prefix(words: &[String]) -> String {
    let first = words.first().map_or("", String::as_str);
    let common = |word: &String| first.chars().zip(word.chars()).take_while(|(a, b)| a == b).count();
    let length = words.iter().map(common).min().unwrap_or(0);
    first.chars().take(length).collect()
}

/// Returns the rules on plain text that follow from a rule, and whether they say the same.
fn plain_rules(rule: &PathRule) -> (Vec<PlainRule>, bool) {
    match rule {
        PathRule::Text(rule) => (vec![from_text(rule)], true),
        PathRule::Match(patterns) => from_patterns(patterns),
        PathRule::Unmatch(_) => (Vec::new(), false),
        PathRule::PlainOrPattern(plain, None) => (vec![from_text(plain)], true),
        PathRule::PlainOrPattern(plain, Some(pattern)) => {
            let pieces = literal::required(pattern.source(), true);
            let exact = pieces == [pattern.source()];
            (contains_all(pieces, plain.ignores_case()), exact)
        }
    }
}

fn from_text(rule: &TextRule) -> PlainRule {
    PlainRule {
        how: rule.how(),
        quantity: rule.quantity(),
        words: rule.words().iter().map(|word| word.to_string()).collect(),
        fold: rule.ignores_case(),
    }
}

fn from_patterns(patterns: &[Pattern]) -> (Vec<PlainRule>, bool) {
    let [pattern] = patterns else {
        // If one of them matches, the path contains the longest piece of that one.
        let longest = patterns
            .iter()
            .map(|pattern| literal::required(pattern.source(), false).into_iter().max_by_key(String::len));
        let words: Option<Vec<_>> = longest.collect();
        let words = words.filter(|words| !words.is_empty());
        let fold = patterns.iter().any(Pattern::ignores_case);
        let rule = |words| PlainRule { how: How::Contains, quantity: Quantity::One, words, fold };
        return (words.map(rule).into_iter().collect(), false);
    };
    match pattern.literal_start() {
        Some((text, true)) => (vec![PlainRule::new(How::Equals, vec![text.to_owned()], false)], true),
        start => {
            let start = start.map(|(text, _)| text).filter(|text| !text.is_empty());
            let mut pieces = literal::required(pattern.source(), false);
            pieces.retain(|piece| !start.is_some_and(|start| start.contains(piece.as_str())));
            let inside = contains_all(pieces, pattern.ignores_case());
            let start = start.map(|text| PlainRule::new(How::StartsWith, vec![text.to_owned()], false));
            (start.into_iter().chain(inside).collect(), false)
        }
    }
}

fn contains_all(pieces: Vec<String>, fold: bool) -> Vec<PlainRule> {
    if pieces.is_empty() {
        return Vec::new();
    }
    vec![PlainRule::new(How::Contains, pieces, fold)]
}

/// Returns path rules as the daemon understands them.
pub fn plan(ability: &Ability, rules: &[PathRule]) -> Rules {
    let mut exact = true;
    let mut all = Vec::new();
    for (plain, complete) in rules.iter().map(plain_rules) {
        exact &= complete;
        all.extend(plain.into_iter().filter(|rule| !rule.is_trivial()));
    }
    let folding = folding(ability, &all);
    let usable = |rule: &PlainRule| is_usable(ability, rule, folding);
    let mut asked: Vec<(&'static str, PlainRule)> = Vec::new();
    let mut words = 0;
    for rule in all {
        let stronger =
            usable(&rule).then(|| expressible(ability, &rule)).flatten().map(|name| (name, rule.clone()));
        let same_case = rule.fold == folding && !(folding && ability.fold == Fold::Unicode);
        let complete = stronger.as_ref().is_some_and(|(name, _)| same_case && !ability.loose.contains(name));
        let weaker =
            || rule.weaker().filter(usable).and_then(|weak| Some((expressible(ability, &weak)?, weak)));
        let found = stronger.or_else(weaker).filter(|(name, found)| {
            words + found.words.len() <= ability.max_words && asked.iter().all(|(taken, _)| taken != name)
        });
        exact &= complete && found.is_some();
        if let Some((name, rule)) = found {
            words += rule.words.len();
            asked.push((name, rule));
        }
    }
    // The Lua daemon of 2013, which answers as its successor, ignores these rules.
    exact &= ability.fold != Fold::AsciiOrIndex || asked.is_empty();
    let mut members: Vec<_> = asked.into_iter().map(|(name, rule)| (name, operand(name, rule))).collect();
    if folding && !members.is_empty() {
        members.push(("caseInsensitive", RuleOperand::Bool(true)));
    }
    Rules { members, exact }
}

/// Returns whether the daemon is asked to ignore case. That is one option for all rules.
fn folding(ability: &Ability, plain: &[PlainRule]) -> bool {
    match ability.fold {
        Fold::Unusable => false,
        Fold::Ascii | Fold::Unicode => plain.iter().any(|rule| rule.fold),
        Fold::AsciiOrIndex => plain.iter().any(|rule| rule.fold || !rule.is_negative()),
    }
}

/// Returns whether the rule, as the daemon applies it, matches at least what it should.
fn is_usable(ability: &Ability, rule: &PlainRule, folding: bool) -> bool {
    let plain_words =
        rule.words.iter().all(|word| !word.contains('\0') && (rule.how == How::Equals || !word.is_empty()));
    let case_is_right = match (rule.fold, folding) {
        (false, false) => true,
        (true, false) => false,
        // Without regard to case a rule matches more, a negative rule less.
        (false, true) => !rule.is_negative() && is_simple(ability, rule),
        (true, true) => (!rule.is_negative() || ability.fold != Fold::Unicode) && is_simple(ability, rule),
    };
    plain_words && !rule.words.is_empty() && case_is_right
}

/// Returns whether all daemons agree on the lower case of the words.
fn is_simple(ability: &Ability, rule: &PlainRule) -> bool {
    ability.fold != Fold::Unicode || rule.words.iter().all(|word| word.is_ascii())
}

fn expressible(ability: &Ability, rule: &PlainRule) -> Option<&'static str> {
    rule.name().filter(|name| ability.words.contains(name) || ability.lists.contains(name))
}

fn operand(name: &str, rule: PlainRule) -> RuleOperand {
    let mut words = rule.words;
    match words.pop() {
        Some(word) if !name.ends_with("Of") => RuleOperand::Word(word),
        last => {
            words.extend(last);
            RuleOperand::Words(words)
        }
    }
}
