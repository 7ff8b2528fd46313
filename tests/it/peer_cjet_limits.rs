//! How the peer stands in for `valueAsResult` and works within the limits of the C daemon.

use std::time::Duration;

use crate::support::peer::{ASK, OWN, Peer, TELL, json};
use jet::peer::{Failure, Options, RequestOptions};

const CJET: &str = r#"{"name":"cjet"}"#;
const FULL: &str = r#"{"code":-32603,"message":"Internal error","data":{"reason":"routing table full"}}"#;
const WANTS_VALUE: RequestOptions = RequestOptions { value_as_result: true, ..ASK };

fn cjet() -> Peer {
    Peer::new().greeted(CJET)
}

/// Returns a peer that has set `s` to 5 with `valueAsResult`, and the events of the response `result`.
fn set(info: &str, result: &str) -> (Peer, Vec<String>) {
    let mut peer = Peer::new().greeted(info);
    peer.engine.set("s", Some(json("5")), WANTS_VALUE).unwrap();
    peer.said();
    let now = peer.now;
    peer.engine.next_timeout(now);
    let events = peer.hear(&format!(r#"{{"id":2,"result":{result}}}"#));
    (peer, events)
}

#[test]
fn the_value_that_cjet_does_not_pass_on_is_asked_for() {
    for result in ["{}", "true", "null"] {
        let (mut peer, events) = set(CJET, result);
        assert!(events.is_empty());
        assert_eq!(peer.said(), [r#"{"id":3,"method":"get","params":{"path":{"equals":"s"}}}"#]);
        let events = peer.hear(r#"{"id":3,"result":[{"path":"other","value":1},{"path":"s","value":4}]}"#);
        assert_eq!((events, peer.engine.open_requests()), (vec!["2 ok 4".to_owned()], 0));
        assert_eq!(peer.engine.call("m", json("{}"), ASK), Ok(Some(4)));
    }
}

#[test]
fn without_a_value_the_set_is_just_done() {
    for answer in [r#""result":[]"#, r#""error":{"code":-32602,"message":"x"}"#] {
        let (mut peer, _) = set(CJET, "{}");
        assert_eq!(peer.hear(&format!(r#"{{"id":3,{answer}}}"#)), ["2 ok true"]);
    }
    let (mut peer, _) = set(CJET, "{}");
    assert_eq!(peer.pass(Duration::from_secs(7)), ["2 ok true"]);
    assert!(peer.hear(r#"{"id":3,"result":[{"path":"s","value":4}]}"#).is_empty());
}

#[test]
fn what_an_owner_says_itself_stays() {
    let (mut peer, events) = set(CJET, r#"{"warning":1}"#);
    assert_eq!((events, peer.said()), (vec![r#"2 ok {"warning":1}"#.to_owned()], vec![]));
    let (mut peer, events) = set(OWN, "{}");
    assert_eq!((events, peer.said()), (vec!["2 ok {}".to_owned()], vec![]));
}

fn refuse(peer: &mut Peer, id: u32) -> Vec<String> {
    peer.hear(&format!(r#"{{"id":{id},"error":{FULL}}}"#))
}

/// Starts the delay of deferred requests and lets it pass.
fn wait(peer: &mut Peer, time: Duration) -> Vec<String> {
    let now = peer.now;
    peer.engine.next_timeout(now);
    peer.pass(time)
}

#[test]
fn a_request_without_a_route_is_sent_again() {
    let mut peer = cjet();
    let options = RequestOptions { timeout: Some(2.0), ..WANTS_VALUE };
    peer.engine.set("s", Some(json("5")), options).unwrap();
    let said = peer.said();
    for _ in 0..3 {
        assert!(refuse(&mut peer, 2).is_empty());
        assert!(peer.said().is_empty());
        assert!(wait(&mut peer, Duration::from_millis(320)).is_empty());
        assert_eq!(peer.said(), said);
    }
    assert_eq!(peer.hear(r#"{"id":2,"result":7}"#), ["2 ok 7"]);
    assert_eq!(peer.engine.open_requests(), 0);
}

#[test]
fn requests_for_the_same_path_wait_behind_it_and_others_do_not() {
    let mut peer = cjet();
    for value in ["1", "2"] {
        peer.engine.set("s", Some(json(value)), ASK).unwrap();
    }
    peer.said();
    refuse(&mut peer, 2);
    refuse(&mut peer, 3);
    peer.engine.set("s", Some(json("3")), ASK).unwrap();
    peer.engine.set("s", Some(json("4")), TELL).unwrap();
    peer.engine.call("m", json("[]"), ASK).unwrap();
    assert_eq!(peer.said(), [r#"{"id":5,"method":"call","params":{"path":"m","args":[]}}"#]);
    wait(&mut peer, Duration::from_millis(10));
    let set = |id: u32, value: u32| {
        format!(r#"{{"id":{id},"method":"set","params":{{"path":"s","value":{value}}}}}"#)
    };
    let told = r#"{"method":"set","params":{"path":"s","value":4}}"#.to_owned();
    assert_eq!(peer.said(), [set(2, 1), set(3, 2), set(4, 3), told]);
    // Refused again in another order, they keep their order.
    refuse(&mut peer, 4);
    refuse(&mut peer, 3);
    assert_eq!(peer.hear(r#"{"id":2,"result":true}"#), ["2 ok true"]);
    wait(&mut peer, Duration::from_millis(320));
    assert_eq!(peer.said(), [set(3, 2), set(4, 3)]);
}

#[test]
fn no_more_are_sent_again_at_once_than_an_owner_has_routes() {
    let mut peer = cjet();
    for _ in 0..100 {
        peer.engine.call("m", json("{}"), ASK).unwrap();
    }
    peer.said();
    (2..102).for_each(|id| assert!(refuse(&mut peer, id).is_empty()));
    wait(&mut peer, Duration::from_millis(10));
    assert_eq!(peer.said().len(), 64);
    wait(&mut peer, Duration::from_millis(20));
    assert_eq!(peer.said().len(), 36);
}

#[test]
fn at_the_end_of_its_time_the_daemons_error_is_reported() {
    let mut peer = cjet();
    peer.engine.call("m", json("{}"), ASK).unwrap();
    peer.said();
    let now = peer.now;
    peer.engine.next_timeout(now);
    refuse(&mut peer, 2);
    assert_eq!(peer.pass(Duration::from_secs(6)), [format!("2 error {FULL}")]);
    assert!(wait(&mut peer, Duration::from_secs(1)).is_empty());
    assert_eq!((peer.said(), peer.engine.open_requests()), (vec![], 0));
}

#[test]
fn requests_from_before_the_daemon_was_known_are_adapted_to_it() {
    let mut peer = Peer::new();
    peer.engine.change("s", None).unwrap();
    let at_once = RequestOptions { timeout: Some(0.0), ..ASK };
    peer.engine.set("t", Some(json("1")), at_once).unwrap();
    peer.engine.connected(peer.now);
    peer.hear(&format!(r#"{{"id":2,"result":{CJET}}}"#));
    let change = r#"{"method":"change","params":{"path":"s","value":null}}"#;
    let set = r#"{"id":1,"method":"set","params":{"path":"t","value":1,"timeout":0.001}}"#;
    assert_eq!(peer.said()[1..], [change, set]);
}

#[test]
fn only_cjet_is_asked_again() {
    let mut peer = Peer::ready();
    peer.engine.call("m", json("{}"), ASK).unwrap();
    assert_eq!(refuse(&mut peer, 2), [format!("2 error {FULL}")]);
}

#[test]
fn messages_may_be_as_long_as_the_daemon_takes() {
    let frame = r#"{"id":2,"method":"call","params":{"path":"m","args":["1234"]}}"#;
    for (limit, fits) in [(frame.len() - 1, false), (frame.len(), true), (frame.len() + 1, true)] {
        let mut peer =
            Peer::with(Options { daemon_message: Some(limit), ..Options::default() }).greeted(CJET);
        let sent = peer.engine.call("m", json(r#"["1234"]"#), ASK);
        assert_eq!(sent.is_ok(), fits);
        if let Err(failure) = sent {
            assert!(matches!(failure, Failure::TooLongForDaemon(_)));
            let text =
                format!("message of 62 bytes exceeds the daemon's limit of {limit} (daemon_limits.message)");
            assert_eq!(failure.to_string(), text);
            assert_eq!(peer.engine.add("m".repeat(100).as_str(), None, ASK), Err(failure_of(144, limit)));
        }
        assert_eq!(peer.engine.open_requests(), usize::from(fits));
        let long = format!("\"{}\"", "x".repeat(100));
        assert_eq!(peer.engine.answer("7", json(&long)), Err(failure_of(120, limit)));
        assert_eq!(peer.engine.probable_limit(1000), None);
    }
    assert_eq!(cjet().engine.probable_limit(512), None);
    assert!(cjet().engine.probable_limit(513).is_some_and(|text| text.contains("512 bytes")));
    assert_eq!(Peer::ready().engine.probable_limit(513), None);
}

fn failure_of(length: usize, limit: usize) -> Failure {
    Failure::TooLongForDaemon(jet::wire::frame::TooLong { length, limit })
}
