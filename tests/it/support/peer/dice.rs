//! Random fetches and random lives of elements, the same for the same seed.

use std::collections::BTreeMap;

use super::foreign::Step;

/// A small generator, so that a failure can be made again from its seed.
pub struct Dice(u64);

impl Dice {
    /// Another row of numbers for every seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below that.
    pub fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % count as u64) as usize
    }

    /// One of them.
    pub fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

const PATHS: [&str; 12] = ["a", "ab", "aab", "AB", "Ab", "a/b", "a/b/c", "b", "net-1", "né", "NÉ", "x.y"];

const VALUES: [&str; 16] = [
    "1",
    "2",
    "3.5",
    "-1",
    "\"a\"",
    "\"b\"",
    "\"5\"",
    "\"\"",
    "true",
    "false",
    "null",
    "[]",
    "{\"f\":1}",
    "{\"f\":\"a\"}",
    "{\"f\":{\"g\":2}}",
    "[1,\"a\"]",
];

const WORDS: [&str; 10] = ["", "a", "b", "ab", "A", "B", "/", "né", "net", "x.y"];

fn path_rules(dice: &mut Dice) -> String {
    let single = [
        "equals",
        "equalsNot",
        "contains",
        "containsNot",
        "startsWith",
        "startsNotWith",
        "endsWith",
        "endsNotWith",
    ];
    let lists = [
        "equalsOneOf",
        "equalsNotOneOf",
        "containsAllOf",
        "containsOneOf",
        "containsNoneOf",
        "startsWithOneOf",
        "endsWithOneOf",
    ];
    let mut rules = BTreeMap::new();
    for _ in 0..dice.below(3) {
        if dice.below(3) > 0 {
            rules.insert(dice.pick(&single), format!("\"{}\"", dice.pick(&WORDS)));
        } else {
            let words: Vec<_> = (0..dice.below(3)).map(|_| format!("\"{}\"", dice.pick(&WORDS))).collect();
            rules.insert(dice.pick(&lists), format!("[{}]", words.join(",")));
        }
    }
    if dice.below(4) == 0 {
        rules.insert("caseInsensitive", "true".to_owned());
    }
    let rules: Vec<_> = rules.iter().map(|(name, words)| format!("\"{name}\":{words}")).collect();
    format!("\"path\":{{{}}}", rules.join(","))
}

fn value_rules(dice: &mut Dice) -> String {
    let mut rule = || match dice.below(7) {
        0 => format!("\"equals\":{}", dice.pick(&VALUES)),
        1 => format!("\"equalsNot\":{}", dice.pick(&VALUES)),
        2 => format!("\"lessThan\":{}", dice.pick(&VALUES)),
        3 => format!("\"greaterThan\":{}", dice.pick(&VALUES)),
        4 | 5 => format!(
            "\"isType\":\"{}\"",
            dice.pick(&["number", "string", "boolean", "object", "nil", "userdata"])
        ),
        _ => format!("\"hasOneOf\":[{}]", dice.pick(&VALUES)),
    };
    let rule = rule();
    match dice.below(4) {
        0 => format!("\"valueField\":{{\"f\":{{{rule}}}}}"),
        1 => format!("\"where\":{{\"op\":\"equals\",\"value\":{},\"prop\":\"f\"}}", dice.pick(&VALUES)),
        _ => format!("\"value\":{{{rule}}}"),
    }
}

fn sort(dice: &mut Dice) -> String {
    let by = dice.pick(&[
        r#""byPath":true"#,
        r#""byValue":"number""#,
        r#""byValue":"string""#,
        r#""byValue":true"#,
        r#""byValue":true,"prop":"f""#,
        r#""byValueField":{"f":"number"}"#,
    ]);
    let from = 1 + dice.below(3);
    format!(
        r#""sort":{{{by},"descending":{},"from":{from},"to":{}}}"#,
        dice.pick(&["true", "false"]),
        from + dice.below(4)
    )
}

/// Any fetch.
pub fn expression(dice: &mut Dice) -> String {
    let mut parts = Vec::new();
    if dice.below(3) > 0 {
        parts.push(path_rules(dice));
    }
    if dice.below(2) == 0 {
        parts.push(value_rules(dice));
    }
    if dice.below(3) == 0 {
        let pattern = dice.pick(&["^a", "b$", "a.b", "net%-%d", "^ab$", "[ab]", "a*", "^x%.y", ".", "né"]);
        let key = dice.pick(&["match", "match", "unmatch"]);
        parts.push(format!("\"{key}\":[\"{pattern}\"]"));
    }
    if dice.below(6) == 0 {
        parts.push(format!("\"text\":\"{}\"", dice.pick(&["a", "net-", ".*", "^a", "b$", "x.y"])));
    }
    if dice.below(8) == 0 {
        let rule = format!(r#"{{"op":"equalsNot","value":{}}}"#, dice.pick(&VALUES));
        parts.push(format!(r#""deps":[{{"path":"{}","where":{rule}}}]"#, dice.pick(&["a", "b", "a/%1"])));
    }
    match dice.below(9) {
        0..=2 => parts.push(sort(dice)),
        3 => parts.push(format!("\"max\":{}", dice.below(4))),
        _ => {}
    }
    format!("{{{}}}", parts.join(","))
}

/// Steps that are possible one after the other, each change to another value.
pub fn steps(dice: &mut Dice, count: usize, methods: bool) -> Vec<Step> {
    let mut there: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    let mut steps = Vec::new();
    while steps.len() < count {
        let path = dice.pick(&PATHS);
        let value = Some(dice.pick(&VALUES));
        let owned = |value: Option<&str>| value.map(str::to_owned);
        match there.get(path).copied() {
            None => {
                let value = value.filter(|_| !methods || dice.below(6) > 0);
                there.insert(path, value);
                steps.push(Step::Add(path.to_owned(), owned(value)));
            }
            Some(_) if dice.below(3) == 0 => {
                there.remove(path);
                steps.push(Step::Remove(path.to_owned()));
            }
            Some(Some(old)) if Some(old) != value => {
                there.insert(path, value);
                steps.push(Step::Change(path.to_owned(), owned(value)));
            }
            Some(_) => {}
        }
    }
    steps
}
