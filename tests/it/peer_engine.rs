//! The peer engine through its public interface: the greeting, deferred requests, requests and their responses, the
//! end. `peer_limits` tests its limits.

use std::time::Duration;

use crate::support::peer::{ASK, OWN, Peer, TELL, json};
use jet::peer::Role;
use jet::peer::{DaemonKind, Failure, Options, RequestOptions};

const INFO: &str = r#"{"id":1,"method":"info","params":{}}"#;

#[test]
fn the_first_words_are_info_and_the_answer_makes_the_peer_ready() {
    let mut peer = Peer::new();
    assert!(peer.said().is_empty());
    peer.engine.connected(peer.now);
    assert_eq!(peer.said(), [INFO]);
    assert!(!peer.engine.is_ready());
    assert_eq!(peer.hear(&format!(r#"{{"id":1,"result":{OWN}}}"#)), ["ready"]);
    assert!(peer.engine.is_ready() && peer.said().is_empty());
    assert_eq!((peer.engine.daemon_kind(), peer.engine.info()), (DaemonKind::Own, Some(OWN)));
    assert_eq!(peer.engine.open_requests(), 0);
}

#[test]
fn a_daemon_without_info_is_the_lua_daemon() {
    let mut peer = Peer::new();
    peer.engine.connected(peer.now);
    let answer = r#"{"id":1,"error":{"code":-32601,"message":"Method not found","data":"info"}}"#;
    assert_eq!(peer.hear(answer), ["ready"]);
    assert_eq!((peer.engine.daemon_kind(), peer.engine.info()), (DaemonKind::Lua, None));
}

#[test]
fn the_name_follows_what_the_program_has_sent_and_ready_its_answer() {
    let mut peer = Peer::with(Options { name: Some(r#""bench 1""#.into()), ..Options::default() });
    peer.engine.add("early", Some(json("1")), ASK).unwrap();
    peer.engine.connected(peer.now);
    assert!(peer.hear(&format!(r#"{{"id":2,"result":{OWN}}}"#)).is_empty());
    assert_eq!(
        peer.said(),
        [
            r#"{"id":2,"method":"info","params":{}}"#,
            r#"{"id":1,"method":"add","params":{"path":"early","value":1}}"#,
            r#"{"id":3,"method":"config","params":{"name":"bench 1"}}"#
        ]
    );
    assert_eq!(peer.hear(r#"{"id":1,"result":true}"#), ["1 ok true"]);
    // A request of a success callback is not deferred.
    peer.engine.remove("early", TELL).unwrap();
    assert_eq!(peer.said(), [r#"{"method":"remove","params":{"path":"early"}}"#]);
    assert_eq!(peer.hear(r#"{"id":3,"result":true}"#), ["ready"]);
    assert_eq!(peer.engine.next_timeout(peer.now), None);
}

#[test]
fn a_name_without_an_answer_is_waited_for_no_longer_than_two_seconds() {
    let mut peer = Peer::with(Options { name: Some("5".into()), ..Options::default() });
    peer.engine.connected(peer.now);
    let deadline = peer.now + Duration::from_secs(2);
    assert!(peer.hear(&format!(r#"{{"id":1,"result":{OWN}}}"#)).is_empty());
    assert_eq!(peer.engine.next_timeout(peer.now), Some(deadline));
    assert!(peer.pass(Duration::from_millis(1999)).is_empty());
    let events = peer.pass(Duration::from_millis(1));
    assert_eq!(events, ["note the daemon does not answer the greeting, going on without", "ready"]);
    assert_eq!(peer.engine.next_timeout(peer.now), None);
    assert!(peer.hear(r#"{"id":2,"result":true}"#).is_empty());
}

#[test]
fn a_refused_name_is_only_noted() {
    for refusal in [r#"{"code":-32602,"message":"Invalid params"}"#, "\"no\""] {
        let mut peer = Peer::with(Options { name: Some("5".into()), ..Options::default() });
        peer.engine.connected(peer.now);
        peer.hear(&format!(r#"{{"id":1,"result":{OWN}}}"#));
        let events = peer.hear(&format!(r#"{{"id":2,"error":{refusal}}}"#));
        let note = format!("note the daemon did not take the name of this peer: {refusal}");
        assert_eq!(events, [note.as_str(), "ready"]);
    }
}

#[test]
fn a_name_too_long_to_be_sent_does_not_keep_the_peer_from_its_work() {
    let name = format!("\"{}\"", "n".repeat(200));
    let mut peer = Peer::with(Options { name: Some(name), max_message: 150, ..Options::default() });
    peer.engine.connected(peer.now);
    assert_eq!(peer.hear(&format!(r#"{{"id":1,"result":{OWN}}}"#)), ["ready"]);
}

#[test]
fn a_silent_daemon_is_waited_for_no_longer_than_two_seconds() {
    let mut peer = Peer::new();
    peer.engine.remove("early", TELL).unwrap();
    assert_eq!(peer.engine.next_timeout(peer.now), None);
    peer.engine.connected(peer.now);
    let deadline = peer.now + Duration::from_secs(2);
    assert_eq!(peer.engine.next_timeout(peer.now), Some(deadline));
    assert!(peer.pass(Duration::from_millis(1999)).is_empty());
    let events = peer.pass(Duration::from_millis(1));
    assert_eq!(events, ["note the daemon does not answer the greeting, going on without", "ready"]);
    assert_eq!(peer.said(), [INFO, r#"{"method":"remove","params":{"path":"early"}}"#]);
    assert_eq!(peer.engine.next_timeout(peer.now), None);
    assert!(peer.pass(Duration::from_secs(60)).is_empty());
}

#[test]
fn a_late_answer_to_info_changes_nothing_but_what_is_known() {
    let mut peer = Peer::with(Options { name: Some("\"late\"".into()), ..Options::default() });
    peer.engine.connected(peer.now);
    peer.pass(Duration::from_secs(2));
    peer.said();
    assert!(peer.hear(&format!(r#"{{"id":1,"result":{OWN}}}"#)).is_empty());
    assert_eq!(peer.said(), [r#"{"id":2,"method":"config","params":{"name":"late"}}"#]);
    assert!(peer.hear(r#"{"id":2,"result":true}"#).is_empty());
    assert_eq!((peer.engine.daemon_kind(), peer.engine.info()), (DaemonKind::Unknown, Some(OWN)));
}

#[test]
fn early_messages_leave_in_the_order_of_the_program() {
    let mut peer = Peer::new();
    peer.engine.add("a", Some(json("1")), TELL).unwrap();
    peer.engine.fetch(None, json("{}"), TELL).unwrap();
    peer.engine.change("a", Some(json("2"))).unwrap();
    peer.engine.request("config", json(r#"{"debug":true}"#), ASK).unwrap();
    peer.engine.fetch(None, json(r#"{"path":{"equals":"a"}}"#), ASK).unwrap();
    peer.engine.unfetch(0, ASK).unwrap();
    peer.engine.remove("a", TELL).unwrap();
    peer.engine.connected(peer.now);
    assert_eq!(peer.said(), [r#"{"id":4,"method":"info","params":{}}"#]);
    // The fetch that has ended is never sent.
    let events = peer.hear(&format!(r#"{{"id":4,"result":{OWN}}}"#));
    assert_eq!(events, ["ready", "3 ok true"]);
    assert_eq!(
        peer.said(),
        [
            r#"{"method":"add","params":{"path":"a","value":1}}"#,
            r#"{"method":"change","params":{"path":"a","value":2}}"#,
            r#"{"id":1,"method":"config","params":{"debug":true}}"#,
            r#"{"id":2,"method":"fetch","params":{"id":"__f__1","path":{"equals":"a"}}}"#,
            r#"{"method":"remove","params":{"path":"a"}}"#,
        ]
    );
}

#[test]
fn the_params_of_every_request_are_as_the_bus_knows_them() {
    let mut peer = Peer::ready();
    let options = RequestOptions { respond: true, timeout: Some(2.5), value_as_result: true };
    peer.engine.add("a", None, TELL).unwrap();
    peer.engine.change("a", None).unwrap();
    peer.engine.set("\"é\n", Some(json("false")), options).unwrap();
    peer.engine.set("b", None, ASK).unwrap();
    peer.engine.call("m", json("[1,null]"), TELL).unwrap();
    peer.engine.request("echo", json(r#"{"timeout":"mine","x":[]}"#), ASK).unwrap();
    peer.engine.request("echo", json(r#"{"timeout":"mine","x":[]}"#), options).unwrap();
    assert_eq!(
        peer.said(),
        [
            r#"{"method":"add","params":{"path":"a"}}"#,
            r#"{"method":"change","params":{"path":"a"}}"#,
            r#"{"id":2,"method":"set","params":{"path":"\"é\n","value":false,"timeout":2.5,"valueAsResult":true}}"#,
            r#"{"id":3,"method":"set","params":{"path":"b"}}"#,
            r#"{"method":"call","params":{"path":"m","args":[1,null]}}"#,
            r#"{"id":4,"method":"echo","params":{"timeout":"mine","x":[]}}"#,
            r#"{"id":5,"method":"echo","params":{"x":[],"timeout":2.5,"valueAsResult":true}}"#,
        ]
    );
}

#[test]
fn responses_find_their_requests_whatever_the_kind_of_id() {
    let mut peer = Peer::ready();
    for _ in 0..4 {
        peer.engine.call("m", json("{}"), ASK).unwrap();
    }
    let events = peer.hear_all(&[
        r#"[{"id":3,"result":null},{"id":"2","result":[1.0, 2]}]"#,
        r#"{"jsonrpc":"2.0","result":false,"id":4}"#,
        r#"{"id":5,"result":7,"error":{"code":1,"message":"x"}}"#,
    ]);
    assert_eq!(events, ["3 ok null", "2 ok [1.0, 2]", "4 ok false", "5 ok 7"]);
    assert_eq!(peer.engine.open_requests(), 0);
}

#[test]
fn a_response_counts_once() {
    let mut peer = Peer::ready();
    peer.engine.remove("a", ASK).unwrap();
    let answer = r#"{"id":2,"result":true}"#;
    let events = peer.hear_all(&[answer, answer, r#"{"id":"x","result":1}"#, r#"{"id":1.5,"result":1}"#]);
    assert_eq!(
        events,
        [
            "2 ok true",
            "note response to no open request: id 2",
            "note response to no open request: id \"x\"",
            "note response to no open request: id 1.5",
        ]
    );
}

#[test]
fn what_is_just_done_is_answered_with_true() {
    let mut peer = Peer::ready();
    peer.engine.add("a", None, ASK).unwrap();
    peer.engine.remove("a", ASK).unwrap();
    peer.engine.request("config", json("{}"), ASK).unwrap();
    peer.engine.set("a", None, ASK).unwrap();
    peer.engine.set("a", None, RequestOptions { value_as_result: true, ..ASK }).unwrap();
    peer.engine.call("a", json("[]"), ASK).unwrap();
    let events: Vec<_> =
        (2..8).flat_map(|id| peer.hear(&format!(r#"{{"id":{id},"result":{{}}}}"#))).collect();
    assert_eq!(events, ["2 ok true", "3 ok true", "4 ok true", "5 ok true", "6 ok {}", "7 ok {}"]);
    peer.engine.set("a", None, ASK).unwrap();
    assert_eq!(peer.hear(r#"{"id":8,"result":{"warning":{"code":1}}}"#), [r#"8 ok {"warning":{"code":1}}"#]);
}

#[test]
fn errors_are_objects_with_code_and_message() {
    for (sent, heard) in [
        (r#"{"code":5,"message":"m","x":[]}"#, r#"{"code":5,"message":"m","x":[]}"#),
        ("\"broken\"", r#"{"code":-32603,"message":"Internal error","data":"broken"}"#),
        ("{}", r#"{"code":-32603,"message":"Internal error","data":{}}"#),
        (r#"{"message":"m"}"#, r#"{"code":-32603,"message":"Internal error","data":{"message":"m"}}"#),
        ("[1]", r#"{"code":-32603,"message":"Internal error","data":[1]}"#),
        ("null", r#"{"code":-32603,"message":"Internal error"}"#),
    ] {
        let mut peer = Peer::ready();
        peer.engine.call("m", json("{}"), ASK).unwrap();
        assert_eq!(peer.hear(&format!(r#"{{"id":2,"error":{sent}}}"#)), [format!("2 error {heard}")]);
    }
}

#[test]
fn garbage_is_noted_and_the_rest_of_a_batch_is_handled() {
    let mut peer = Peer::ready();
    peer.engine.remove("a", ASK).unwrap();
    for garbage in ["", "{", "nonsense", "{\"id\":2,\"result\":true", "\u{feff}{}", "{} {}"] {
        let events = peer.hear(garbage);
        assert!(events.len() == 1 && events[0].starts_with("note decoding message failed"), "{events:?}");
    }
    for garbage in
        ["5", "null", "\"x\"", "true", "{}", "[[]]", "[5]", r#"{"id":2}"#, r#"{"error":{"code":-32700}}"#]
    {
        let events = peer.hear(garbage);
        assert!(events.len() == 1 && events[0].starts_with("note unhandled message"), "{garbage} {events:?}");
    }
    // Some daemons respond to notifications.
    assert!(peer.hear_all(&["[]", r#"{"result":{}}"#]).is_empty());
    let events = peer.hear(r#"[1,{},[],{"id":2,"result":true},null]"#);
    assert_eq!(events.iter().filter(|event| event.starts_with("note")).count(), 4);
    assert!(events.contains(&"2 ok true".to_owned()));
    assert!(peer.said().iter().all(|message| message.contains("\"remove\"")));
}

#[test]
fn a_closed_peer_does_nothing_any_more() {
    let mut peer = Peer::ready();
    peer.engine.own("s", 1, Role::State);
    peer.engine.remove("a", ASK).unwrap();
    peer.engine.closed();
    assert!(peer.engine.is_closed() && !peer.engine.has_output());
    assert_eq!(peer.engine.remove("a", ASK), Err(Failure::Closed));
    assert_eq!(peer.engine.fetch(None, json("{}"), ASK), Err(Failure::Closed));
    assert_eq!(peer.engine.unfetch(0, TELL), Err(Failure::Closed));
    assert_eq!(peer.engine.answer("1", json("1")), Err(Failure::Closed));
    assert!(peer.hear_all(&[r#"{"id":2,"result":true}"#, r#"{"id":1,"method":"s","params":{}}"#]).is_empty());
    peer.engine.connected(peer.now);
    assert!(peer.pass(Duration::from_secs(9)).is_empty() && peer.said().is_empty());
    assert_eq!(peer.engine.next_timeout(peer.now), None);
}
