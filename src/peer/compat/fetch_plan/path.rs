//! Path rules as a daemon can express them.

use crate::json::write;
use crate::rules::{How, PathRule, Pattern, Quantity, TextRule};

use super::{Ability, Fold, Part, literal};

/// A rule on plain text that follows from one of the program's.
#[derive(Debug, Clone)]
struct Wish {
    how: How,
    quantity: Quantity,
    words: Vec<String>,
    fold: bool,
}

impl Wish {
    fn new(how: How, words: Vec<String>, fold: bool) -> Wish {
        let quantity = if words.len() > 1 && how == How::Contains { Quantity::All } else { Quantity::One };
        Wish { how, quantity, words, fold }
    }

    fn is_negative(&self) -> bool {
        self.quantity == Quantity::None
    }

    /// Whether every path satisfies it.
    fn is_empty_talk(&self) -> bool {
        let empty = |word: &String| word.is_empty() && self.how != How::Equals;
        match self.quantity {
            Quantity::One => self.words.iter().any(empty),
            Quantity::All => self.words.iter().all(empty),
            Quantity::None => self.words.is_empty(),
        }
    }

    /// The name of the rule that says this.
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

    /// A rule that holds wherever this one does and may be easier to express.
    fn weaker(&self) -> Option<Wish> {
        if self.quantity != Quantity::One || self.words.len() < 2 {
            return None;
        }
        let prefix = common_prefix(&self.words);
        if matches!(self.how, How::Equals | How::StartsWith) && !prefix.is_empty() {
            return Some(Wish::new(How::StartsWith, vec![prefix], self.fold));
        }
        let anywhere = Wish { how: How::Contains, ..self.clone() };
        (self.how != How::Contains).then_some(anywhere)
    }
}

fn common_prefix(words: &[String]) -> String {
    let first = words.first().map_or("", String::as_str);
    let common = |word: &String| first.chars().zip(word.chars()).take_while(|(a, b)| a == b).count();
    let length = words.iter().map(common).min().unwrap_or(0);
    first.chars().take(length).collect()
}

/// What follows from a rule for plain text, and whether that is all of it.
fn wishes(rule: &PathRule) -> (Vec<Wish>, bool) {
    match rule {
        PathRule::Text(rule) => (vec![text_wish(rule)], true),
        PathRule::Match(patterns) => pattern_wishes(patterns),
        PathRule::Unmatch(_) => (Vec::new(), false),
        PathRule::PlainOrPattern(plain, None) => (vec![text_wish(plain)], true),
        PathRule::PlainOrPattern(plain, Some(pattern)) => {
            let pieces = literal::required(pattern.source(), true);
            let exact = pieces == [pattern.source()];
            (contains_all(pieces, plain.ignores_case()), exact)
        }
    }
}

fn text_wish(rule: &TextRule) -> Wish {
    Wish {
        how: rule.how(),
        quantity: rule.quantity(),
        words: rule.words().iter().map(|word| word.to_string()).collect(),
        fold: rule.ignores_case(),
    }
}

fn pattern_wishes(patterns: &[Pattern]) -> (Vec<Wish>, bool) {
    let [pattern] = patterns else {
        // One of them matches, so one of their longest pieces is there.
        let longest = patterns
            .iter()
            .map(|pattern| literal::required(pattern.source(), false).into_iter().max_by_key(String::len));
        let words: Option<Vec<_>> = longest.collect();
        let words = words.filter(|words| !words.is_empty());
        let fold = patterns.iter().any(Pattern::ignores_case);
        let wish = |words| Wish { how: How::Contains, quantity: Quantity::One, words, fold };
        return (words.map(wish).into_iter().collect(), false);
    };
    match pattern.literal_start() {
        Some((text, true)) => (vec![Wish::new(How::Equals, vec![text.to_owned()], false)], true),
        start => {
            let start = start.map(|(text, _)| text).filter(|text| !text.is_empty());
            let mut pieces = literal::required(pattern.source(), false);
            pieces.retain(|piece| !start.is_some_and(|start| start.contains(piece.as_str())));
            let inside = contains_all(pieces, pattern.ignores_case());
            let start = start.map(|text| Wish::new(How::StartsWith, vec![text.to_owned()], false));
            (start.into_iter().chain(inside).collect(), false)
        }
    }
}

fn contains_all(pieces: Vec<String>, fold: bool) -> Vec<Wish> {
    if pieces.is_empty() {
        return Vec::new();
    }
    vec![Wish::new(How::Contains, pieces, fold)]
}

/// Puts path rules as the daemon understands them.
pub(super) fn plan(ability: &Ability, rules: &[PathRule]) -> Part {
    let mut exact = true;
    let mut all = Vec::new();
    for (wishes, complete) in rules.iter().map(wishes) {
        exact &= complete;
        all.extend(wishes.into_iter().filter(|wish| !wish.is_empty_talk()));
    }
    let folding = folding(ability, &all);
    let usable = |wish: &Wish| is_usable(ability, wish, folding);
    let mut asked: Vec<(&str, Wish)> = Vec::new();
    let mut words = 0;
    for wish in all {
        let stronger =
            usable(&wish).then(|| expressible(ability, &wish)).flatten().map(|name| (name, wish.clone()));
        let same_case = wish.fold == folding && !(folding && ability.fold == Fold::Unicode);
        let complete = stronger.as_ref().is_some_and(|(name, _)| same_case && !ability.loose.contains(name));
        let weaker =
            || wish.weaker().filter(usable).and_then(|weak| Some((expressible(ability, &weak)?, weak)));
        let found = stronger.or_else(weaker).filter(|(name, found)| {
            words + found.words.len() <= ability.max_words && asked.iter().all(|(taken, _)| taken != name)
        });
        exact &= complete && found.is_some();
        if let Some((name, wish)) = found {
            words += wish.words.len();
            asked.push((name, wish));
        }
    }
    // A daemon of 2013, which cannot be told from its successor, ignores these rules.
    exact &= ability.fold != Fold::AsciiOrIndex || asked.is_empty();
    let mut members: Vec<String> = asked.iter().map(|(name, wish)| member(name, wish)).collect();
    if folding && !members.is_empty() {
        members.push("\"caseInsensitive\":true".to_owned());
    }
    Part { members, exact }
}

/// Whether the daemon is asked without regard to case. That is one switch for all rules.
fn folding(ability: &Ability, wishes: &[Wish]) -> bool {
    match ability.fold {
        Fold::Unusable => false,
        Fold::Ascii | Fold::Unicode => wishes.iter().any(|wish| wish.fold),
        Fold::AsciiOrIndex => wishes.iter().any(|wish| wish.fold || !wish.is_negative()),
    }
}

/// Whether the daemon, asked for this, finds at least what it stands for.
fn is_usable(ability: &Ability, wish: &Wish, folding: bool) -> bool {
    let plain_words =
        wish.words.iter().all(|word| !word.contains('\0') && (wish.how == How::Equals || !word.is_empty()));
    let case_is_right = match (wish.fold, folding) {
        (false, false) => true,
        (true, false) => false,
        // Without regard to case more is found, or less if the rule is negative.
        (false, true) => !wish.is_negative() && is_simple(ability, wish),
        (true, true) => (!wish.is_negative() || ability.fold != Fold::Unicode) && is_simple(ability, wish),
    };
    plain_words && !wish.words.is_empty() && case_is_right
}

/// Whether lower case is the same to everybody.
fn is_simple(ability: &Ability, wish: &Wish) -> bool {
    ability.fold != Fold::Unicode || wish.words.iter().all(|word| word.is_ascii())
}

fn expressible(ability: &Ability, wish: &Wish) -> Option<&'static str> {
    wish.name().filter(|name| ability.words.contains(name) || ability.lists.contains(name))
}

fn member(name: &str, wish: &Wish) -> String {
    let mut out = Vec::new();
    write::string(&mut out, name);
    out.push(b':');
    let is_list = name.ends_with("Of");
    out.extend_from_slice(if is_list { b"[" } else { b"" });
    for (position, word) in wish.words.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write::string(&mut out, word);
    }
    out.extend_from_slice(if is_list { b"]" } else { b"" });
    String::from_utf8_lossy(&out).into_owned()
}
