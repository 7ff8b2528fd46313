//! Whatever the daemon: random elements and random fetches, and the program hears from a peer on
//! each foreign daemon exactly what it hears from a peer on our own.

mod peer_support;

use std::collections::{BTreeMap, BTreeSet};

use jet::daemon::{Bus, ClientKey, Config};
use peer_support::foreign::{Family, Foreign, Step, FAMILIES};
use peer_support::{json, Peer, ASK, TELL};

/// A small generator, so that a failure can be made again from its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % count as u64) as usize
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
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

fn expression(dice: &mut Dice) -> String {
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
fn steps(dice: &mut Dice, count: usize, methods: bool) -> Vec<Step> {
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

/// A peer on our own daemon.
struct OwnBus {
    bus: Bus,
    owner: ClientKey,
    client: ClientKey,
    peer: Peer,
}

impl OwnBus {
    fn new() -> OwnBus {
        let mut bus = Bus::new(Config::default());
        let (owner, client) = (bus.connect(), bus.connect());
        let mut own = OwnBus { bus, owner, client, peer: Peer::new() };
        own.peer.engine.connected(own.peer.now);
        assert_eq!(own.exchange(), ["ready"]);
        own
    }

    /// Carries messages until there are none; what the program hears.
    fn exchange(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            for message in self.peer.said() {
                self.bus.receive(self.client, message.as_bytes(), self.peer.now);
            }
            let mut out = Vec::new();
            self.bus.take_unsent(self.client, &mut out);
            if out.is_empty() {
                return heard;
            }
            for message in peer_support::messages(&out) {
                heard.extend(self.peer.hear(&message));
            }
        }
    }

    fn step(&mut self, step: &Step) -> Vec<String> {
        let (method, path, value) = match step {
            Step::Add(path, value) => ("add", path, value.as_deref()),
            Step::Change(path, value) => ("change", path, value.as_deref()),
            Step::Remove(path) => ("remove", path, None),
        };
        let value = value.map(|value| format!(r#","value":{value}"#)).unwrap_or_default();
        let message = format!(r#"{{"method":"{method}","params":{{"path":"{path}"{value}}}}}"#);
        self.bus.receive(self.owner, message.as_bytes(), self.peer.now);
        self.exchange()
    }
}

/// A peer on a foreign daemon.
struct ForeignBus {
    daemon: Foreign,
    peer: Peer,
}

impl ForeignBus {
    fn new(family: Family) -> ForeignBus {
        let mut bus = ForeignBus { daemon: Foreign::new(family), peer: Peer::new() };
        bus.peer.engine.connected(bus.peer.now);
        assert_eq!(bus.exchange(Vec::new()), ["ready"]);
        bus
    }

    fn exchange(&mut self, mut incoming: Vec<String>) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            for message in self.peer.said() {
                incoming.extend(self.daemon.hear(&message));
            }
            if incoming.is_empty() {
                return heard;
            }
            for message in std::mem::take(&mut incoming) {
                heard.extend(self.peer.hear(&message));
            }
        }
    }

    fn step(&mut self, step: &Step) -> Vec<String> {
        let messages = self.daemon.step(step);
        self.exchange(messages)
    }
}

/// Events of one step in an order that does not depend on the daemon. Requests have other ids.
fn in_order(mut events: Vec<String>) -> Vec<String> {
    events.iter_mut().for_each(|event| {
        if let Some((_, rest)) = event.split_once(" ok ") {
            *event = format!("ok {rest}");
        }
    });
    events.sort();
    events
}

/// The window after the events of a sorted fetch. When a dependency changes, the order in which
/// elements come and go is free.
#[derive(Debug, Default, PartialEq)]
struct Window(BTreeMap<usize, String>);

impl Window {
    fn apply(&mut self, from: usize, events: &[String]) {
        for event in events.iter().filter_map(|event| event.strip_prefix("#0 sorted ")) {
            let (changes, n) = event.rsplit_once(' ').expect("changes and n");
            for change in json(changes).elements() {
                let index =
                    change.get("index").and_then(|index| index.text().parse().ok()).expect("an index");
                self.0.insert(index, change.text().to_owned());
            }
            let end = from + n.parse::<usize>().expect("a number");
            self.0.retain(|index, _| *index < end);
        }
    }
}

/// The elements a limited fetch has told. Which ones they are is free, how many is not, and
/// changes are told of these alone.
#[derive(Debug, Default)]
struct Told(BTreeSet<String>);

impl Told {
    fn apply(&mut self, events: &[String]) -> usize {
        for event in events.iter().filter_map(|event| event.strip_prefix("#0 ")) {
            let mut words = event.split(' ');
            let (what, path) = (words.next().expect("an event"), words.next().expect("a path").to_owned());
            match what {
                "add" => assert!(self.0.insert(path), "{event}: told already"),
                "change" => assert!(self.0.contains(&path), "{event}: never told"),
                _ => assert!(self.0.remove(&path), "{event}: never told"),
            }
        }
        self.0.len()
    }
}

fn compare(seed: u64, family: Family) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let expression = expression(&mut dice);
    let methods = !matches!(family, Family::NodeJet3 | Family::NodeJet3Simple);
    let steps = steps(&mut dice, 40, methods);
    let (mut own, mut foreign) = (OwnBus::new(), ForeignBus::new(family));
    let options = if dice.below(2) == 0 { ASK } else { TELL };
    let begin = dice.below(15);
    let is_free = ["sort", "deps"].iter().all(|key| json(&expression).get(key).is_some());
    let from =
        json(&expression).get("sort").and_then(|sort| sort.get("from")?.as_f64()).unwrap_or(1.0) as usize;
    let is_limited = json(&expression).get("max").is_some();
    let mut told = (Told::default(), Told::default());
    let mut windows = (Window::default(), Window::default());
    for (at, step) in steps.iter().enumerate() {
        if at == begin {
            own.peer.engine.fetch(None, json(&expression), options).expect("sent");
            foreign.peer.engine.fetch(None, json(&expression), options).expect("sent");
            let (expected, heard) = (own.exchange(), foreign.exchange(Vec::new()));
            windows.0.apply(from, &expected);
            windows.1.apply(from, &heard);
            if is_limited {
                told.0.apply(&expected);
                told.1.apply(&heard);
            }
            let (expected, heard) = (in_order(expected), in_order(heard));
            assert_eq!(heard, expected, "seed {seed}, {family:?}: the beginning of {expression} at {at}");
        }
        let (expected, heard) = (own.step(step), foreign.step(step));
        if is_limited {
            let counts = (told.0.apply(&expected), told.1.apply(&heard));
            assert_eq!(counts.1, counts.0, "seed {seed}, {family:?}: {expression} at {at}, {step:?}");
            continue;
        }
        windows.0.apply(from, &expected);
        windows.1.apply(from, &heard);
        assert_eq!(windows.1, windows.0, "seed {seed}, {family:?}: {expression} at {at}, {step:?}");
        if is_free {
            continue;
        }
        let (expected, heard) = (in_order(expected), in_order(heard));
        assert_eq!(heard, expected, "seed {seed}, {family:?}: {expression} at {at}, {step:?}");
    }
}

#[test]
fn every_daemon_looks_the_same() {
    for seed in 0..700 {
        for family in FAMILIES {
            compare(seed, family);
        }
    }
}

#[test]
fn the_models_of_daemons_do_differ() {
    // Else the test above would show nothing.
    let heard = |family| {
        let mut foreign = ForeignBus::new(family);
        foreign.peer.engine.fetch(None, json(r#"{"path":{"contains":"a"}}"#), TELL).expect("sent");
        foreign.peer.said().remove(0)
    };
    assert_ne!(heard(Family::Lua), heard(Family::NodeJet));
    assert_ne!(heard(Family::Cjet), heard(Family::NodeJet3));
}
