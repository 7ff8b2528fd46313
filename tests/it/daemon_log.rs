//! The log of a bus under attack: text from peers can neither forge lines nor fill the log.

use crate::support::bench::{Bench, Peer};
use serde_json::json;

fn texts(bench: &mut Bench) -> Vec<String> {
    bench.log().iter().map(ToString::to_string).collect()
}

fn named(bench: &mut Bench, name: &str) -> Peer {
    let peer = bench.peer();
    bench.done(peer, "config", json!({"name": name}));
    peer
}

/// Sends a response to a request that does not exist.
fn bogus(bench: &mut Bench, peer: Peer, id: &str) {
    bench.send(peer, json!({"id": id, "result": true}));
}

#[test]
fn foreign_text_is_escaped_and_cut() {
    let mut bench = Bench::new();
    let evil = "x\nforged\r\t\u{1b}[31m\u{7f}\u{9b}\u{202e}\u{2028}";
    let peer = named(&mut bench, evil);
    bogus(&mut bench, peer, evil);
    bogus(&mut bench, peer, &"9".repeat(9_000_000));
    bench.feed(peer, b"{\n\x1b\"garbage");
    bench.send(peer, json!({"method": "add", "params": {"path": [evil]}}));
    bench.send(peer, json!({"method": "nothing", "params": {}}));
    bench.send(peer, json!({"id": 1, "method": "fetch", "params": {"id": "f", "path": {evil: 1}}}));
    bench.bus.refuse_frame(peer.0, evil);
    let lines = texts(&mut bench);
    assert!(lines.len() >= 5, "{lines:?}");
    for line in &lines {
        let is_bad = |c: char| c.is_control() || matches!(c, '\u{202e}' | '\u{2028}');
        assert!(!line.contains(is_bad), "{line:?}");
        assert!(line.chars().count() < 700, "{line}");
        assert!(line.contains(r"x\nforged\r\t\u{1b}[31m"), "{line}");
    }
}

#[test]
fn a_long_name_is_cut() {
    let mut bench = Bench::new();
    let peer = named(&mut bench, &"n".repeat(1_000_000));
    bogus(&mut bench, peer, "a");
    assert!(texts(&mut bench)[0].starts_with(&format!("{}... answers", "n".repeat(200))));
}

#[test]
fn an_empty_name_is_none() {
    let mut bench = Bench::new();
    for name in ["", " "] {
        let peer = named(&mut bench, name);
        bench.send(peer, json!({"method": "remove", "params": {"path": "a"}}));
        let lines = texts(&mut bench);
        assert!(lines[0].starts_with("a notification of unnamed peer failed: "), "{lines:?}");
    }
}

#[test]
fn a_connection_has_ten_lines_a_second_and_then_a_summary() {
    let mut bench = Bench::new();
    let (noisy, other) = (named(&mut bench, "noisy"), named(&mut bench, "other"));
    for n in 0..50_000 {
        bogus(&mut bench, noisy, &n.to_string());
    }
    bogus(&mut bench, other, "a");
    let lines = texts(&mut bench);
    assert_eq!(lines.len(), 11, "{lines:?}");
    assert!(lines[10].starts_with("other "));
    assert!(bench.bus.next_deadline().is_some());
    bench.pass(0.9);
    assert_eq!(texts(&mut bench), Vec::<String>::new());
    bench.pass(0.1);
    assert_eq!(texts(&mut bench), ["49990 more lines about noisy"]);
    assert_eq!(bench.bus.next_deadline(), None);
    // In the next second the connection ends before its summary is due.
    (0..12).for_each(|_| bogus(&mut bench, noisy, "b"));
    assert_eq!(texts(&mut bench).len(), 10);
    bench.leave(noisy);
    assert_eq!(texts(&mut bench), ["2 more lines about noisy"]);
    bench.pass(2.0);
    assert_eq!(texts(&mut bench), Vec::<String>::new());
}

#[test]
fn connections_that_are_not_on_the_bus_share_their_lines() {
    let mut bench = Bench::new();
    for n in 0..100 {
        bench.bus.note(None, format!("10.0.0.{n} is refused"), bench.now);
    }
    assert_eq!(texts(&mut bench).len(), 10);
    bench.pass(1.0);
    assert_eq!(texts(&mut bench), ["90 more lines about connections that are not on the bus"]);
}

#[test]
fn that_a_connection_is_closed_is_always_logged() {
    let mut bench = Bench::new();
    let peer = named(&mut bench, "noisy");
    (0..20).for_each(|_| bogus(&mut bench, peer, "a"));
    bench.bus.refuse_frame(peer.0, "too long");
    let lines = texts(&mut bench);
    assert_eq!((lines.len(), lines[10].as_str()), (11, "closing noisy: too long"));
}

#[test]
fn messages_of_debugged_peers_stay_whole_json_on_one_line() {
    let mut bench = Bench::new();
    let peer = named(&mut bench, "a\nb");
    bench.done(peer, "config", json!({"debug": true}));
    bench.log();
    let text = "\u{7f}\u{9b}\u{202e}".to_owned() + &"x".repeat(100_000);
    for _ in 0..20 {
        bench.feed(peer, format!("{{\"method\":\"none\",\n\"params\":{{\"password\":1,\"t\":\"{text}\"}}}}"));
    }
    let lines = bench.log();
    let traffic: Vec<_> = lines.iter().filter(|line| line.traffic.is_some()).collect();
    assert_eq!(traffic.len(), 20);
    for line in traffic {
        assert_eq!(line.traffic.as_ref().map(|traffic| traffic.peer.as_str()), Some("a\\nb"));
        assert!(!line.text.contains(|c: char| c.is_control() || c == '\u{202e}'));
        let value: serde_json::Value = serde_json::from_str(&line.text).expect("JSON");
        assert_eq!(value["params"], json!({"password": "(hidden)", "t": text}));
    }
}
