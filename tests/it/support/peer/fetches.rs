//! Random fetches and random changes of elements, the same for the same seed.

use std::collections::BTreeMap;

use super::foreign::Step;
use crate::support::random::Random;

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

fn path_rules(random: &mut Random) -> String {
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
    for _ in 0..random.below(3) {
        if random.below(3) > 0 {
            rules.insert(random.pick(&single), format!("\"{}\"", random.pick(&WORDS)));
        } else {
            let words: Vec<_> =
                (0..random.below(3)).map(|_| format!("\"{}\"", random.pick(&WORDS))).collect();
            rules.insert(random.pick(&lists), format!("[{}]", words.join(",")));
        }
    }
    if random.below(4) == 0 {
        rules.insert("caseInsensitive", "true".to_owned());
    }
    let rules: Vec<_> = rules.iter().map(|(name, words)| format!("\"{name}\":{words}")).collect();
    format!("\"path\":{{{}}}", rules.join(","))
}

fn value_rules(random: &mut Random) -> String {
    let mut rule = || match random.below(7) {
        0 => format!("\"equals\":{}", random.pick(&VALUES)),
        1 => format!("\"equalsNot\":{}", random.pick(&VALUES)),
        2 => format!("\"lessThan\":{}", random.pick(&VALUES)),
        3 => format!("\"greaterThan\":{}", random.pick(&VALUES)),
        4 | 5 => format!(
            "\"isType\":\"{}\"",
            random.pick(&["number", "string", "boolean", "object", "nil", "userdata"])
        ),
        _ => format!("\"hasOneOf\":[{}]", random.pick(&VALUES)),
    };
    let rule = rule();
    match random.below(4) {
        0 => format!("\"valueField\":{{\"f\":{{{rule}}}}}"),
        1 => format!("\"where\":{{\"op\":\"equals\",\"value\":{},\"prop\":\"f\"}}", random.pick(&VALUES)),
        _ => format!("\"value\":{{{rule}}}"),
    }
}

fn sort(random: &mut Random) -> String {
    let by = random.pick(&[
        r#""byPath":true"#,
        r#""byValue":"number""#,
        r#""byValue":"string""#,
        r#""byValue":true"#,
        r#""byValue":true,"prop":"f""#,
        r#""byValueField":{"f":"number"}"#,
    ]);
    let from = 1 + random.below(3);
    format!(
        r#""sort":{{{by},"descending":{},"from":{from},"to":{}}}"#,
        random.pick(&["true", "false"]),
        from + random.below(4)
    )
}

/// Returns a random expression.
pub fn expression(random: &mut Random) -> String {
    let mut parts = Vec::new();
    if random.below(3) > 0 {
        parts.push(path_rules(random));
    }
    if random.below(2) == 0 {
        parts.push(value_rules(random));
    }
    if random.below(3) == 0 {
        let pattern = random.pick(&["^a", "b$", "a.b", "net%-%d", "^ab$", "[ab]", "a*", "^x%.y", ".", "né"]);
        let key = random.pick(&["match", "match", "unmatch"]);
        parts.push(format!("\"{key}\":[\"{pattern}\"]"));
    }
    if random.below(6) == 0 {
        parts.push(format!("\"text\":\"{}\"", random.pick(&["a", "net-", ".*", "^a", "b$", "x.y"])));
    }
    if random.below(8) == 0 {
        let rule = format!(r#"{{"op":"equalsNot","value":{}}}"#, random.pick(&VALUES));
        parts.push(format!(r#""deps":[{{"path":"{}","where":{rule}}}]"#, random.pick(&["a", "b", "a/%1"])));
    }
    match random.below(9) {
        0..=2 => parts.push(sort(random)),
        3 => parts.push(format!("\"max\":{}", random.below(4))),
        _ => {}
    }
    format!("{{{}}}", parts.join(","))
}

/// Returns random steps that are valid in their order. Each change is to another value.
pub fn steps(random: &mut Random, count: usize, methods: bool) -> Vec<Step> {
    let mut there: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    let mut steps = Vec::new();
    while steps.len() < count {
        let path = random.pick(&PATHS);
        let value = Some(random.pick(&VALUES));
        let owned = |value: Option<&str>| value.map(str::to_owned);
        match there.get(path).copied() {
            None => {
                let value = value.filter(|_| !methods || random.below(6) > 0);
                there.insert(path, value);
                steps.push(Step::Add(path.to_owned(), owned(value)));
            }
            Some(_) if random.below(3) == 0 => {
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
