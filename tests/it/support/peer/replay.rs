//! Replays of recorded connections: a program, a peer engine and a scripted daemon, line by line.
//!
//! A script holds the messages of one connection, after the greeting unless it is about that, and marks where the
//! program acts and gets events:
//!
//! - `> {…}` the peer sends this message
//! - `< {…}` the daemon sends this message
//! - `.` the program takes the action in the next line of its scenario: `. fetch {…}`, `. set path value`, …
//! - `=` the program gets the event in the next line of its scenario
//!
//! After each `.` and `<` the peer sends and the program gets exactly what follows, in this order. A `.` or `=` has
//! a text of its own only where it contains an id that the daemon chose.
//!
//! Requests are called r1, r2, … in the order in which the program makes them, because their ids differ where the
//! peer sends requests of its own. The daemon's own error (`data.original`) is removed from events; `peer_errors`
//! tests it.

use std::collections::HashMap;
use std::time::Duration;

use jet::json::Raw;
use jet::peer::RequestOptions;
use jet::peer::Role;

use super::{ASK, Peer, TELL, json};

/// The actions and events of a program, the same on every daemon.
pub struct Scenario {
    pub name: &'static str,
    pub lines: &'static str,
}

/// Plays a script with the scenario called `name`. Compares the messages of the peer with the script, and the events
/// of the program with the scenario.
pub fn play(peer: Peer, scenarios: &[Scenario], name: &str, script: &str) {
    let scenario = scenarios.iter().find(|scenario| scenario.name == name).expect("a scenario");
    let mut acts = scenario.lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut replay = Replay { peer, labels: HashMap::new(), said: Vec::new(), heard: Vec::new() };
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if !line.starts_with(['.', '=']) {
            replay.line(line);
            continue;
        }
        let act = acts.next().unwrap_or_else(|| panic!("the scenario '{name}' ends before {line}"));
        if line.len() == 1 {
            assert!(act.starts_with(line), "the scenario '{name}' has {act} instead of a {line}");
            replay.line(act);
        } else {
            assert_eq!(without_routed_id(line), without_routed_id(act), "the scenario is '{name}'");
            replay.line(line);
        }
    }
    assert_eq!(acts.next(), None, "the scenario '{name}' has more lines");
    replay.nothing_left("the end");
}

struct Replay {
    peer: Peer,
    labels: HashMap<u32, String>,
    said: Vec<String>,
    heard: Vec<String>,
}

impl Replay {
    fn line(&mut self, line: &str) {
        let (mark, rest) = line.split_once(' ').expect("a mark and a text");
        match mark {
            ">" => {
                assert!(!self.said.is_empty(), "the peer does not send {rest}");
                assert_eq!(self.said.remove(0), rest, "sent");
            }
            "=" => {
                assert!(!self.heard.is_empty(), "the program does not get {rest}");
                assert_eq!(self.heard.remove(0), rest, "event");
            }
            _ => {
                self.nothing_left(line);
                self.act(mark, rest);
                self.said = self.peer.said();
            }
        }
    }

    fn nothing_left(&self, line: &str) {
        assert!(self.said.is_empty(), "before {line}: the peer sends {:?}", self.said);
        assert!(self.heard.is_empty(), "before {line}: the program gets {:?}", self.heard);
    }

    fn act(&mut self, mark: &str, rest: &str) {
        let events = match mark {
            "<" => self.peer.hear(rest),
            "." => match rest.split_once(' ').unwrap_or((rest, "")) {
                ("wait", seconds) => {
                    let now = self.peer.now;
                    self.peer.engine.next_timeout(now);
                    self.peer.pass(Duration::from_secs_f64(seconds.parse().expect("seconds")))
                }
                ("connect", _) => {
                    self.peer.engine.connected(self.peer.now);
                    Vec::new()
                }
                (what, arguments) => {
                    self.program(what, arguments);
                    Vec::new()
                }
            },
            _ => panic!("{mark}: no such mark"),
        };
        self.heard = events.iter().map(|event| self.labelled(event)).collect();
    }

    fn program(&mut self, what: &str, arguments: &str) {
        let engine = &mut self.peer.engine;
        let (first, second) = arguments.split_once(' ').unwrap_or((arguments, ""));
        let value = Raw::parse(second, 1000).ok();
        let quick = RequestOptions { timeout: Some(0.5), ..ASK };
        let id = match what {
            "fetch" => engine.fetch(None, json(arguments), ASK).expect("sent").1,
            "watch" => engine.fetch(None, json(arguments), TELL).expect("sent").1,
            "refetch" => engine.fetch(first.parse().ok(), json(second), ASK).expect("sent").1,
            "unfetch" => engine.unfetch(first.parse().expect("a number"), ASK).expect("sent"),
            "set" => engine.set(first, value, ASK).expect("sent"),
            "quickset" => engine.set(first, value, quick).expect("sent"),
            "call" => engine.call(first, json(second), ASK).expect("sent"),
            "add" => engine.add(first, value, ASK).expect("sent"),
            "remove" => engine.remove(first, ASK).expect("sent"),
            "config" => engine.request("config", json(arguments), ASK).expect("sent"),
            "change" => {
                engine.change(first, value).expect("sent");
                None
            }
            "answer" => {
                let (id, result) = arguments.rsplit_once(' ').expect("an id and a result");
                engine.answer(id, json(result)).expect("sent");
                None
            }
            "state" | "method" => {
                let role = if what == "state" { Role::State } else { Role::Method };
                engine.own(first, second.parse().expect("a number"), role);
                None
            }
            _ => panic!("{what}: no such call"),
        };
        if let Some(id) = id {
            self.labels.insert(id, format!("r{}", self.labels.len() + 1));
        }
    }

    /// Returns an event with the names of requests instead of their ids, and without the daemon's own error.
    fn labelled(&self, event: &str) -> String {
        if let Some((reason, error)) = event.strip_prefix("login ").and_then(|rest| rest.split_once(" {")) {
            // The part of the reason that comes from the daemon's own error is removed as well.
            let hint = ", or the daemon has no users: cjet refuses every login without a password file";
            let reason = reason.replace("unknown user or ", "").replace(hint, "");
            let hint = format!(",\"reason\":\"unknown user or wrong password{hint}\"");
            return format!("login {reason} {}", without_original(&format!("{{{error}").replace(&hint, "")));
        }
        let (head, rest) = event.split_once(' ').unwrap_or((event, ""));
        let Some(label) = head.parse().ok().and_then(|id: u32| self.labels.get(&id)) else {
            return event.to_owned();
        };
        match rest.strip_prefix("error ") {
            Some(error) => format!("{label} error {}", without_original(error)),
            None => format!("{label} {rest}"),
        }
    }
}

/// Replaces the id of a routed request, which differs between daemons.
fn without_routed_id(line: &str) -> String {
    let mut parts = line.split('"');
    let is_routed = [". answer", "= set", "= call"].iter().any(|start| line.starts_with(start));
    match (parts.next(), parts.next(), is_routed) {
        (Some(before), Some(_), true) => format!("{before}*{}", parts.collect::<Vec<_>>().join("\"")),
        _ => line.to_owned(),
    }
}

/// Returns an error without the daemon's own error, its members in the usual order.
fn without_original(error: &str) -> String {
    let error = Raw::trusted(error);
    let text = |key: &str| error.get(key).map_or("", Raw::text);
    let data = match error.get("data").and_then(|data| data.get("original")) {
        Some(original) => {
            let member = format!(r#""original":{}"#, original.text());
            text("data").replace(&format!(",{member}"), "").replace(&member, "")
        }
        None => text("data").to_owned(),
    };
    format!(r#"{{"code":{},"message":{},"data":{data}}}"#, text("code"), text("message"))
}
