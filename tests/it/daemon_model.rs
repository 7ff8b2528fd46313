//! Random operations of several peers, in slices and with partial reads, compared with a simple model of the bus: at
//! the end each fetcher knows exactly the matches, and each request has one response, in order.

use std::collections::{BTreeMap, VecDeque};

use crate::support::bench::{Bench, Peer};
use crate::support::frames::next_message;
use crate::support::random::Random;
use crate::support::runs;
use serde_json::{Value, json};

/// The kinds of fetches.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    All,
    /// Paths with a prefix.
    Prefix,
    /// Paths that match one of two patterns.
    Pattern,
    /// Values below 50.
    Small,
    /// At most three of the values below 50.
    Few,
    /// All numbers, sorted, in a large window.
    Sorted,
    /// The values below 50, sorted by path, ranks 3 to 10.
    Window,
    /// Paths with the prefix `a` while the state `switch` is 1.
    Switched,
    /// At most two of the paths of `Switched`.
    FewSwitched,
}

const KINDS: [Kind; 9] = [
    Kind::All,
    Kind::Prefix,
    Kind::Pattern,
    Kind::Small,
    Kind::Few,
    Kind::Sorted,
    Kind::Window,
    Kind::Switched,
    Kind::FewSwitched,
];

impl Kind {
    fn params(self, id: &str) -> Value {
        let small = json!({"lessThan": 50});
        let switch = json!([{"path": "switch", "where": {"op": "equals", "value": 1}}]);
        let mut params = match self {
            Kind::All => json!({}),
            Kind::Prefix => json!({"path": {"startsWith": "a"}}),
            Kind::Pattern => json!({"match": ["^%a+1%d*$", "2$"]}),
            Kind::Small => json!({"value": small}),
            Kind::Few => json!({"value": small, "max": 3}),
            Kind::Sorted => json!({"sort": {"byValue": "number", "to": 100_000}}),
            Kind::Window => json!({"value": small, "sort": {"byPath": true, "from": 3, "to": 10}}),
            Kind::Switched => json!({"match": ["^a"], "deps": switch}),
            Kind::FewSwitched => json!({"match": ["^a"], "deps": switch, "max": 2}),
        };
        params["id"] = json!(id);
        params
    }

    /// Returns the states that match, each path once, in the order of the sort if there is one.
    fn matching(self, states: &BTreeMap<String, (usize, u64)>) -> Vec<(String, u64)> {
        let is_on = states.get("switch").is_some_and(|(_, value)| *value == 1);
        let matches = |path: &str, value: u64| match self {
            Kind::All | Kind::Sorted => true,
            Kind::Prefix => path.starts_with('a'),
            Kind::Pattern => {
                let digits = path.trim_start_matches(|character: char| character.is_ascii_alphabetic());
                digits.starts_with('1') || path.ends_with('2')
            }
            Kind::Small | Kind::Few | Kind::Window => value < 50,
            Kind::Switched | Kind::FewSwitched => path.starts_with('a') && is_on,
        };
        let all = states.iter().map(|(path, (_, value))| (path.clone(), *value));
        let mut found: Vec<_> = all.filter(|(path, value)| matches(path, *value)).collect();
        match self {
            Kind::Sorted => found.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0))),
            Kind::Window => found = found.into_iter().skip(2).take(8).collect(),
            _ => {}
        }
        found
    }

    fn max(self) -> Option<usize> {
        match self {
            Kind::Few => Some(3),
            Kind::FewSwitched => Some(2),
            _ => None,
        }
    }

    /// Returns the first rank of the window, counted from 0, or `None` if the fetch is not sorted.
    fn first_rank(self) -> Option<usize> {
        match self {
            Kind::Sorted => Some(0),
            Kind::Window => Some(2),
            _ => None,
        }
    }
}

/// The elements that a fetcher knows from its notifications.
#[derive(Debug)]
enum Known {
    Each(BTreeMap<String, u64>),
    Ranks(Vec<(String, u64)>),
}

/// A fetch as its peer sees it, from the response to `fetch` to the response to `unfetch`.
#[derive(Debug)]
struct Fetch {
    kind: Kind,
    known: Known,
}

impl Fetch {
    fn new(kind: Kind) -> Fetch {
        let known = match kind.first_rank() {
            Some(_) => Known::Ranks(Vec::new()),
            None => Known::Each(BTreeMap::new()),
        };
        Fetch { kind, known }
    }

    /// Applies a notification as a peer does. Fails if the event does not fit the known elements.
    fn apply(&mut self, params: &Value) {
        match &mut self.known {
            Known::Each(known) => {
                let path = params["path"].as_str().expect("a path").to_owned();
                let value = params["value"].as_u64().expect("a number");
                let is_new = match params["event"].as_str() {
                    Some("add") => known.insert(path, value).is_none(),
                    Some("change") => known.insert(path, value).is_none(),
                    Some("remove") => known.remove(&path).is_none(),
                    _ => panic!("no event in {params}"),
                };
                assert_eq!(is_new, params["event"] == "add", "{:?} gets {params}", self.kind);
                assert!(self.kind.max().is_none_or(|max| known.len() <= max), "more than the limit");
            }
            Known::Ranks(ranks) => {
                let first = self.kind.first_rank().unwrap_or_default();
                ranks.resize(params["n"].as_u64().expect("n") as usize, (String::new(), 0));
                for change in params["changes"].as_array().expect("changes") {
                    let rank = change["index"].as_u64().expect("a rank") as usize - 1 - first;
                    if let Some(entry) = ranks.get_mut(rank) {
                        let path = change["path"].as_str().expect("a path");
                        *entry = (path.to_owned(), change["value"].as_u64().expect("a number"));
                    }
                }
            }
        }
    }

    /// Compares the known elements with the model, when all work is done.
    fn check(&self, states: &BTreeMap<String, (usize, u64)>) {
        let matching = self.kind.matching(states);
        match (&self.known, self.kind.max()) {
            (Known::Each(known), Some(max)) => {
                assert_eq!(known.len(), max.min(matching.len()), "{:?}: {known:?}", self.kind);
                for (path, value) in known {
                    assert!(matching.contains(&(path.clone(), *value)), "{:?}: {path}", self.kind);
                }
            }
            (Known::Each(known), None) => {
                let known: Vec<_> = known.iter().map(|(path, value)| (path.clone(), *value)).collect();
                assert_eq!(known, matching, "{:?}", self.kind);
            }
            (Known::Ranks(ranks), _) => assert_eq!(*ranks, matching, "{:?}", self.kind),
        }
    }
}

/// The response that a request has to get.
#[derive(Debug)]
enum Expected {
    /// `true` or an error; the known elements stay the same.
    Any,
    Fetch(String, Kind),
    Unfetch(String),
    Get(Kind),
    Echo(u64),
}

/// A peer with its open requests and its fetches.
struct Member {
    peer: Peer,
    /// The requests without a response, oldest first.
    asked: VecDeque<(u64, Expected)>,
    fetches: BTreeMap<String, Fetch>,
    /// The bytes of an incomplete frame.
    read: Vec<u8>,
}

struct Run {
    random: Random,
    bench: Bench,
    members: Vec<Member>,
    /// The owner and the value of each path.
    states: BTreeMap<String, (usize, u64)>,
    last_id: u64,
    /// Makes paths long, so that fewer notifications fit into the unsent bytes of a peer.
    padding: String,
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut bench = Bench::new();
        let members = (0..4).map(|_| Member::new(bench.peer())).collect();
        let padding = "x".repeat(if seed.is_multiple_of(2) { 0 } else { 500 });
        Run { random: Random::new(seed), bench, members, states: BTreeMap::new(), last_id: 0, padding }
    }

    /// Records a request with its expected response, and returns the message.
    fn request(&mut self, member: usize, method: &str, params: Value, expected: Expected) -> Value {
        self.last_id += 1;
        self.members[member].asked.push_back((self.last_id, expected));
        json!({"id": self.last_id, "method": method, "params": params})
    }

    fn feed(&mut self, member: usize, message: &Value) {
        let text = message.to_string();
        self.bench.bus.receive(self.members[member].peer.0, text.as_bytes(), self.bench.now);
    }

    /// Returns a random path; many of them are in use.
    fn path(&mut self) -> String {
        match self.random.below(12) {
            0 => "switch".to_owned(),
            number => {
                let start = ["a", "b", "ab"][number % 3];
                format!("{start}{}{}", self.padding, self.random.below(400))
            }
        }
    }

    /// Returns a random add, change or remove. The model changes at once, so the messages of `member` must not be
    /// held.
    fn touch(&mut self, member: usize) -> Value {
        let path = self.path();
        let value = self.random.below(if path == "switch" { 2 } else { 100 }) as u64;
        let owner = self.states.get(&path).map(|(owner, _)| *owner);
        let params = json!({"path": path, "value": value});
        match (owner, self.random.below(3)) {
            (Some(owner), 0) if owner == member => {
                self.states.remove(&path);
                self.request(member, "remove", json!({"path": path}), Expected::Any)
            }
            (Some(owner), _) => {
                if owner == member {
                    self.states.insert(path, (owner, value));
                }
                self.request(member, "change", params, Expected::Any)
            }
            (None, _) => {
                self.states.insert(path, (member, value));
                self.request(member, "add", params, Expected::Any)
            }
        }
    }

    /// Returns a random fetch, unfetch, get or echo.
    fn ask(&mut self, member: usize) -> Value {
        let id = format!("f{}", self.random.below(12));
        let kind = KINDS[self.random.below(KINDS.len())];
        match self.random.below(8) {
            0..3 => self.request(member, "fetch", kind.params(&id), Expected::Fetch(id, kind)),
            3 => self.request(member, "unfetch", json!({"id": id}), Expected::Unfetch(id)),
            4 => self.request(member, "get", kind.params(&id), Expected::Get(kind)),
            _ => {
                let number = self.random.number() >> 16;
                self.request(member, "echo", json!(number), Expected::Echo(number))
            }
        }
    }

    fn step(&mut self) {
        let member = self.random.below(self.members.len());
        match self.random.below(40) {
            0..16 if !self.bench.bus.is_waiting(self.members[member].peer.0) => {
                let message = self.touch(member);
                self.feed(member, &message);
            }
            0..24 => {
                let message = self.ask(member);
                self.feed(member, &message);
            }
            24 => {
                let batch = (0..4).map(|_| self.ask(member)).collect();
                self.feed(member, &Value::Array(batch));
            }
            25 => {
                // Many states at once, so that a job over them takes several slices.
                let burst = self.random.below(4) * 300;
                for _ in 0..burst {
                    if !self.bench.bus.is_waiting(self.members[member].peer.0) {
                        let message = self.touch(member);
                        self.feed(member, &message);
                    }
                }
            }
            26 if self.random.below(6) == 0 => self.leave(member),
            26..32 => self.read_some(member),
            _ => self.bench.bus.work(self.bench.now),
        }
    }

    /// Disconnects a member and connects another one in its place.
    fn leave(&mut self, member: usize) {
        let key = self.members[member].peer.0;
        if self.random.below(2) == 0 {
            // Its input ends first.
            self.bench.bus.end_input(key);
            self.bench.bus.work(self.bench.now);
        }
        self.bench.bus.disconnect(key);
        self.states.retain(|_, (owner, _)| *owner != member);
        self.members[member] = Member::new(self.bench.peer());
    }

    /// Reads a part of the unsent bytes of a member.
    fn read_some(&mut self, member: usize) {
        let key = self.members[member].peer.0;
        let ready = self.bench.bus.unsent(key).len();
        let count = match self.random.below(3) {
            0 => ready,
            _ => self.random.below(ready + 1),
        };
        self.members[member].read.extend_from_slice(&self.bench.bus.unsent(key)[..count]);
        self.bench.bus.advance(key, count);
        self.members[member].take_messages();
    }

    /// Works and reads until nothing is left to do, then compares with the model.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 10_000, "the work never ends");
            self.bench.settle();
            let is_quiet = self.members.iter().all(|member| self.bench.bus.unsent(member.peer.0).is_empty());
            if is_quiet && !self.bench.bus.has_work() {
                break;
            }
            (0..self.members.len()).for_each(|member| self.read_some(member));
        }
        let mut fetches = 0;
        for member in &self.members {
            assert!(member.asked.is_empty(), "no response: {:?}", member.asked);
            assert!(
                !self.bench.bus.is_waiting(member.peer.0),
                "the messages of a connection are held for ever"
            );
            assert!(member.read.is_empty());
            member.fetches.values().for_each(|fetch| fetch.check(&self.states));
            fetches += member.fetches.len();
        }
        assert_eq!(self.bench.bus.counts(), (self.states.len(), fetches, 0));
        assert!(self.bench.bus.take_closing().is_empty(), "a connection was closed");
    }

    /// Disconnects all members and checks that nothing is left.
    fn end(mut self) {
        (0..self.members.len()).for_each(|member| self.leave(member));
        self.bench.settle();
        assert_eq!(self.bench.bus.counts(), (0, 0, 0));
    }
}

impl Member {
    fn new(peer: Peer) -> Member {
        Member { peer, asked: VecDeque::new(), fetches: BTreeMap::new(), read: Vec::new() }
    }

    fn take_messages(&mut self) {
        let bytes = std::mem::take(&mut self.read);
        let mut rest = &bytes[..];
        while let Some(message) = next_message(&mut rest) {
            self.take(&serde_json::from_slice(message).expect("JSON"));
        }
        self.read = rest.to_vec();
    }

    fn take(&mut self, message: &Value) {
        if let Some(id) = message["method"].as_str() {
            let fetch = self.fetches.get_mut(id).unwrap_or_else(|| panic!("no such fetch: {message}"));
            return fetch.apply(&message["params"]);
        }
        let (id, expected) = self.asked.pop_front().expect("a response without a request");
        assert_eq!(message["id"], id, "a response out of order");
        let is_done = message["result"] == true;
        match expected {
            Expected::Any => {}
            Expected::Fetch(id, kind) => {
                assert!(is_done, "{message}");
                self.fetches.insert(id, Fetch::new(kind));
            }
            Expected::Unfetch(id) => assert_eq!(self.fetches.remove(&id).is_some(), is_done, "{message}"),
            Expected::Get(kind) => check_get(kind, &message["result"]),
            Expected::Echo(number) => assert_eq!(message["result"], number),
        }
    }
}

/// Checks the form of the result of a `get`. Its elements are collected while states change, so they are not compared.
fn check_get(kind: Kind, result: &Value) {
    let items = result.as_array().expect("a list");
    let mut paths: Vec<_> = items.iter().map(|item| item["path"].as_str().expect("a path")).collect();
    let count = paths.len();
    assert!(kind.max().is_none_or(|max| count <= max));
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), count, "a path is twice in the result of get");
}

fn play(seed: u64, rounds: usize) {
    let mut run = Run::new(seed);
    for _ in 0..rounds {
        let steps = 50 + run.random.below(400);
        (0..steps).for_each(|_| run.step());
        run.settle();
    }
    run.end();
}

#[test]
fn all_know_in_the_end_what_there_is() {
    // MODEL_SEED repeats a failure.
    let first = std::env::var("MODEL_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    for seed in first..first + runs(4) {
        let played = std::panic::catch_unwind(|| play(seed, 5));
        assert!(played.is_ok(), "with the seed {seed}");
    }
}
