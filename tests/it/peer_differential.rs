//! Random elements and random fetches: a peer on each foreign daemon gives the program exactly the events that a peer
//! on our own daemon gives.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::peer::buses::{ForeignBus, OwnBus};
use crate::support::peer::fetches::{expression, steps};
use crate::support::peer::foreign::{FAMILIES, Family};
use crate::support::peer::{ASK, TELL, in_order, json};
use crate::support::random::Random;
use crate::support::runs;

/// The window after the events of a sorted fetch. When a dependency changes, elements may enter and leave in any
/// order.
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

/// The elements that a fetch with `max` has added. Daemons may choose different elements, but the number is the same,
/// and changes are sent for these elements alone.
#[derive(Debug, Default)]
struct Told(BTreeSet<String>);

impl Told {
    fn apply(&mut self, events: &[String]) -> usize {
        for event in events.iter().filter_map(|event| event.strip_prefix("#0 ")) {
            let mut words = event.split(' ');
            let (what, path) = (words.next().expect("an event"), words.next().expect("a path").to_owned());
            match what {
                "add" => assert!(self.0.insert(path), "{event}: added already"),
                "change" => assert!(self.0.contains(&path), "{event}: never added"),
                _ => assert!(self.0.remove(&path), "{event}: never added"),
            }
        }
        self.0.len()
    }
}

fn compare(seed: u64, family: Family) {
    let mut random = Random::new(seed);
    let expression = expression(&mut random);
    let methods = !matches!(family, Family::NodeJet3 | Family::NodeJet3Simple);
    let steps = steps(&mut random, 40, methods);
    let (mut own, mut foreign) = (OwnBus::new(), ForeignBus::new(family));
    let options = if random.below(2) == 0 { ASK } else { TELL };
    let begin = random.below(15);
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
    for seed in 0..runs(700) {
        for family in FAMILIES {
            compare(seed, family);
        }
    }
}

#[test]
fn the_models_of_daemons_do_differ() {
    // Otherwise the test above would not test anything.
    let heard = |family| {
        let mut foreign = ForeignBus::new(family);
        foreign.peer.engine.fetch(None, json(r#"{"path":{"contains":"a"}}"#), TELL).expect("sent");
        foreign.peer.said().remove(0)
    };
    assert_ne!(heard(Family::Lua), heard(Family::NodeJet));
    assert_ne!(heard(Family::Cjet), heard(Family::NodeJet3));
}
