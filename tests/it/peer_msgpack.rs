//! The peer engine and msgpack: how it selects the encoding with each kind of daemon, and that it sends only msgpack
//! from then on. rmpv reads and writes the messages.

use crate::support::msgpack;
use crate::support::msgpack::packed;
use crate::support::peer::{ASK, OWN, Peer, TELL, json as raw, shown};
use jet::peer::{Failure, Options};
use jet::wire::encoding::Encoding;
use serde_json::{Value, json};

const INFO: &str = r#"{"id":1,"method":"info","params":{}}"#;
const SWITCH: &str = r#"{"id":2,"method":"config","params":{"encoding":"msgpack"}}"#;

fn options() -> Options {
    Options { encoding: Encoding::Msgpack, ..Options::default() }
}

/// Takes the unsent messages, which have to be msgpack.
fn said(peer: &mut Peer) -> Vec<Value> {
    msgpack::messages(&std::mem::take(peer.engine.output()))
}

/// Receives the bytes of one message and returns the events.
fn hear(peer: &mut Peer, bytes: &[u8]) -> Vec<String> {
    let text = peer.engine.text_of(bytes).expect("acceptable");
    let mut events = Vec::new();
    peer.engine.receive(&text.json, &mut events);
    events.iter().map(shown).collect()
}

/// Returns a peer that uses msgpack with our own daemon. The request ids 1 and 2 are used.
fn switched(options: Options) -> Peer {
    let mut peer = Peer::with(options);
    peer.engine.connected(peer.now);
    assert_eq!(peer.said(), [INFO]);
    assert_eq!(peer.hear(&format!(r#"{{"id":1,"result":{OWN}}}"#)), [] as [&str; 0]);
    assert_eq!(peer.said(), [SWITCH]);
    assert_eq!(peer.engine.encoding(), Encoding::Json);
    assert_eq!(peer.hear(r#"{"id":2,"result":true}"#), ["ready"]);
    assert_eq!(peer.engine.encoding(), Encoding::Msgpack);
    peer
}

#[test]
fn all_is_msgpack_after_the_daemon_agreed() {
    let mut peer = switched(options());
    peer.engine.set("a", Some(raw(r#"{"x":[1,-2.5,"ü",null]}"#)), ASK).unwrap();
    peer.engine.answer("\"r1\"", raw("true")).unwrap();
    let params = json!({"path": "a", "value": {"x": [1, -2.5, "ü", null]}});
    assert_eq!(
        said(&mut peer),
        [json!({"id": 3, "method": "set", "params": params}), json!({"id": "r1", "result": true})]
    );
    assert_eq!(hear(&mut peer, &packed(&json!({"id": 3, "result": [1, 0.5]}))), ["3 ok [1,0.5]"]);
    let batch = json!([{"method": "x", "params": 7}, {"id": 9}]);
    assert_eq!(hear(&mut peer, &packed(&batch)).len(), 2);
}

#[test]
fn what_was_sent_before_leaves_first_and_what_follows_waits_for_the_daemon_to_agree() {
    let mut peer = Peer::with(Options { name: Some("\"early\"".into()), ..options() });
    peer.engine.add("a", Some(raw("1")), ASK).unwrap();
    let (fetcher, _) = peer.fetch(r#"{"path":{"equals":"a"}}"#);
    peer.engine.request("config", raw(r#"{"debug":true,"encoding":"msgpack"}"#), TELL).unwrap();
    peer.engine.change("a", Some(raw("2"))).unwrap();
    peer.engine.connected(peer.now);
    peer.said();
    peer.hear(&format!(r#"{{"id":3,"result":{OWN}}}"#));
    let config = r#"{"id":4,"method":"config","params":{"name":"early","encoding":"msgpack"}}"#;
    let early: Vec<Value> = peer.said().iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let methods: Vec<_> = early.iter().map(|message| message["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["add", "fetch", "config", "change", "config"]);
    // The program's own `config` cannot change the encoding behind the peer's back.
    assert_eq!(early[2]["params"], json!({"debug": true}));
    assert_eq!(early[4], serde_json::from_str::<Value>(config).unwrap());
    assert_eq!(peer.hear(r#"{"id":1,"result":true}"#), ["1 ok true"]);
    // Requests and responses are deferred until the daemon has accepted the encoding.
    peer.engine.set("b", Some(raw("3")), TELL).unwrap();
    peer.engine.answer("\"r1\"", raw("[4]")).unwrap();
    peer.engine.unfetch(fetcher, ASK).unwrap();
    peer.engine.fetch(Some(fetcher), raw("{}"), ASK).unwrap();
    peer.engine.change("a", Some(raw("5"))).unwrap();
    // The peer waits for the response without a deadline, because the daemon could not read what follows.
    assert_eq!(peer.engine.next_timeout(peer.now), None);
    assert_eq!(peer.pass(std::time::Duration::from_secs(60)), [] as [&str; 0]);
    assert_eq!(peer.said(), [] as [&str; 0]);
    assert_eq!(peer.hear(r#"{"id":4,"result":true}"#), ["ready"]);
    let messages = said(&mut peer);
    let methods: Vec<_> =
        messages.iter().map(|message| message["method"].as_str().unwrap_or_default()).collect();
    assert_eq!(methods, ["set", "", "unfetch", "fetch", "change"]);
    assert_eq!(messages[1], json!({"id": "r1", "result": [4]}));
    assert_eq!(fetcher, 0);
}

#[test]
fn the_two_encodings_may_come_in_one_piece() {
    let mut peer = Peer::with(options());
    peer.engine.connected(peer.now);
    peer.hear(&format!(r#"{{"id":1,"result":{OWN}}}"#));
    peer.said();
    let answers = [Vec::from(*br#"{"id":2,"result":true}"#), packed(&json!({"method": "late"}))];
    // Both are converted to text before the first one is processed.
    let texts: Vec<_> = answers.iter().map(|bytes| peer.engine.text_of(bytes).unwrap()).collect();
    let mut events = Vec::new();
    texts.iter().for_each(|text| peer.engine.receive(&text.json, &mut events));
    let events: Vec<_> = events.iter().map(shown).collect();
    assert_eq!(events, ["ready", r#"unknown {"method":"late"}"#]);
}

#[test]
fn the_old_daemon_is_asked_as_well() {
    let mut peer = Peer::with(options());
    peer.engine.connected(peer.now);
    peer.said();
    peer.hear(r#"{"id":1,"error":{"code":-32601,"message":"Method not found","data":"info"}}"#);
    assert_eq!(peer.said(), [SWITCH]);
    assert_eq!(peer.hear(r#"{"id":2,"result":true}"#), ["ready"]);
    peer.fetch(r#"{"path":{"equals":"a"}}"#);
    let request = said(&mut peer).remove(0);
    assert_eq!(request["method"], "fetch");
    // Responses may come in arrays, and an empty table of Lua is an empty array.
    let id = &request["id"];
    let empty =
        json!({"method": request["params"]["id"], "params": {"path": "a", "event": "add", "value": []}});
    let events = hear(&mut peer, &packed(&json!([{"id": id, "result": true}, empty])));
    assert_eq!(events, ["3 ok true", "#0 add a []"]);
}

#[test]
fn a_refusal_is_noted_and_the_name_told_again() {
    let error = r#"{"code":-32602,"message":"Invalid params","data":{"encodingNotSupported":"msgpack"}}"#;
    for name in [None, Some("\"bench\"".to_owned())] {
        let mut peer = Peer::with(Options { name: name.clone(), ..options() });
        peer.engine.connected(peer.now);
        // The Lua daemon has no `info`, and refuses msgpack if its module for it is missing.
        peer.hear(r#"{"id":1,"error":{"code":-32601,"message":"Method not found","data":"info"}}"#);
        peer.said();
        let mut events = peer.hear(&format!(r#"{{"id":2,"error":{error}}}"#));
        let note = format!("note no msgpack, the connection stays with JSON: the daemon refuses it: {error}");
        assert_eq!(events.remove(0), note);
        if name.is_some() {
            assert_eq!(peer.said(), [r#"{"id":3,"method":"config","params":{"name":"bench"}}"#]);
            events = peer.hear(r#"{"id":3,"result":true}"#);
        }
        assert_eq!(events, ["ready"]);
        peer.engine.set("a", None, TELL).unwrap();
        assert_eq!(peer.said(), [r#"{"method":"set","params":{"path":"a"}}"#]);
        assert_eq!(peer.engine.encoding(), Encoding::Json);
    }
}

#[test]
fn daemons_that_do_not_know_it_are_not_asked() {
    for (info, family) in [
        (r#"{"name":"cjet","features":{"batches":true,"authentication":true,"fetch":"full"}}"#, "cjet"),
        (r#"{"name":"node-jet","features":{"authentication":true,"fetch":"full"}}"#, "node-jet 1/2"),
        (r#"{"name":"node-jet","features":{"asNotification":true}}"#, "node-jet 3"),
        (r#"{"name":"?"}"#, "unknown"),
    ] {
        let mut peer = Peer::with(options());
        peer.engine.connected(peer.now);
        let events = peer.hear(&format!(r#"{{"id":1,"result":{info}}}"#));
        let note = format!(
            "note no msgpack, the connection stays with JSON: the daemon ({family}) does not know it"
        );
        assert_eq!(events, [note.as_str(), "ready"]);
        assert_eq!(peer.said(), [INFO]);
        peer.engine.set("a", None, TELL).unwrap();
        assert_eq!(peer.said(), [r#"{"method":"set","params":{"path":"a"}}"#]);
    }
}

#[test]
fn a_daemon_that_says_what_it_is_too_late_is_not_asked() {
    let mut peer = Peer::with(options());
    peer.engine.connected(peer.now);
    peer.said();
    peer.pass(jet::peer::session::INFO_PATIENCE);
    peer.engine.set("a", None, TELL).unwrap();
    assert_eq!(peer.hear(&format!(r#"{{"id":1,"result":{OWN}}}"#)), [] as [&str; 0]);
    assert_eq!(peer.said(), [r#"{"method":"set","params":{"path":"a"}}"#]);
}

#[test]
fn without_being_asked_for_nothing_is_msgpack() {
    let mut peer = Peer::ready();
    let bytes = packed(&json!({"method": "x"}));
    let text = peer.engine.text_of(&bytes).expect("text of some kind");
    assert!(text.repaired);
    let mut events = Vec::new();
    peer.engine.receive(&text.json, &mut events);
    assert!(shown(&events[0]).starts_with("note decoding message failed"), "{events:?}");
    peer.engine.request("config", raw(r#"{"encoding":"msgpack"}"#), TELL).unwrap();
    assert_eq!(peer.said(), [r#"{"method":"config","params":{}}"#]);
}

#[test]
fn both_forms_of_a_message_keep_the_limit() {
    let mut peer = switched(Options { max_message: 1000, ..options() });
    // The value takes 800 bytes of JSON and 1800 of msgpack.
    let value = format!("[{}]", vec!["0.1"; 200].join(","));
    let sent = peer.engine.set("a", Some(raw(&value)), ASK);
    assert!(matches!(sent, Err(Failure::TooLong(_))), "{sent:?}");
    assert_eq!(peer.engine.open_requests(), 0);
    assert_eq!(said(&mut peer), [] as [Value; 0]);
    // The result takes 300 bytes of msgpack and 1500 of JSON.
    let bytes = packed(&json!({"id": 1, "result": vec![Value::Null; 300]}));
    let error = peer.engine.text_of(&bytes).expect_err("too long");
    assert!(error.to_string().starts_with("too long as JSON"));
}

#[test]
fn what_waited_and_is_too_long_as_msgpack_is_refused() {
    let mut peer = Peer::with(Options { max_message: 1000, ..options() });
    let value = format!("[{}]", vec!["0.1"; 200].join(","));
    peer.engine.connected(peer.now);
    peer.hear(&format!(r#"{{"id":1,"result":{OWN}}}"#));
    peer.said();
    peer.engine.set("long", Some(raw(&value)), ASK).unwrap();
    peer.engine.set("short", Some(raw("1")), ASK).unwrap();
    let events = peer.hear(r#"{"id":2,"result":true}"#);
    assert_eq!(events[0], "ready");
    assert!(events[1].starts_with("3 error ") && events[1].contains("exceeds the limit"), "{events:?}");
    let messages = said(&mut peer);
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["params"]["path"], "short");
}

#[test]
fn strings_that_are_no_utf8_are_told_as_such() {
    let peer = switched(options());
    let text = peer.engine.text_of(b"\x81\xa6method\xa2\xb0C").expect("acceptable");
    assert_eq!((&*text.json, text.repaired), (r#"{"method":"°C"}"#, true));
    assert!(peer.engine.text_of(b"\x81\xa1").is_err());
}
