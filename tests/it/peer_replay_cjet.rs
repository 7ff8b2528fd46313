//! A peer on the C daemon, message by message: initial adds come before the response, it has only six path rules, and
//! its errors have other keys and codes.

use crate::support::peer::replay::play;
use crate::support::peer::scenarios::SCENARIOS;
use crate::support::peer::{ASK, Peer, json};

fn connected() -> Peer {
    Peer::new().greeted(
        r#"{"name":"cjet","version":"1.10.0","protocolVersion":"1.0.0","features":{"batches":true,"authentication":true,"fetch":"full"}}"#,
    )
}

fn replay(name: &str, script: &str) {
    play(connected(), SCENARIOS, name, script);
}

#[test]
fn paths() {
    replay(
        "paths",
        r#"
        .
        > {"id":2,"method":"fetch","params":{"id":"__f__0","path":{"startsWith":"a"}}}
        < {"method":"__f__0","params":{"path":"a/1","event":"add","value":[1,2],"fetchOnly":true}}
        < {"method":"__f__0","params":{"path":"a/m","event":"add"}}
        < {"id":2,"result":true}
        =
        =
        =
        < {"method":"__f__0","params":{"path":"a/1","event":"change","value":3,"fetchOnly":true}}
        =
        < {"method":"__f__0","params":{"path":"a/1","event":"remove","value":3,"fetchOnly":true}}
        =
        .
        > {"id":3,"method":"unfetch","params":{"id":"__f__0"}}
        < {"id":3,"result":true}
        =
        "#,
    );
}

#[test]
fn values() {
    replay(
        "values",
        r#"
        .
        > {"id":2,"method":"fetch","params":{"id":"__f__0"}}
        < {"method":"__f__0","params":{"path":"low","event":"add","value":1}}
        < {"method":"__f__0","params":{"path":"high","event":"add","value":12}}
        < {"id":2,"result":true}
        =
        =
        < {"method":"__f__0","params":{"path":"low","event":"change","value":2}}
        =
        < {"method":"__f__0","params":{"path":"high","event":"change","value":9}}
        =
        < {"method":"__f__0","params":{"path":"low","event":"change","value":11}}
        =
        < {"method":"__f__0","params":{"path":"low","event":"remove","value":11}}
        < {"method":"__f__0","params":{"path":"high","event":"remove","value":9}}
        =
        "#,
    );
}

#[test]
fn sorted() {
    replay(
        "sorted",
        r#"
        .
        > {"id":2,"method":"fetch","params":{"id":"__f__0"}}
        > {"id":3,"method":"info","params":{}}
        < {"method":"__f__0","params":{"path":"a","event":"add","value":5}}
        < {"method":"__f__0","params":{"path":"b","event":"add","value":1}}
        < {"method":"__f__0","params":{"path":"m","event":"add"}}
        < {"id":2,"result":true}
        =
        < {"id":3,"result":{"name":"cjet"}}
        =
        < {"method":"__f__0","params":{"path":"c","event":"add","value":0}}
        =
        < {"method":"__f__0","params":{"path":"c","event":"change","value":"gone"}}
        =
        < {"method":"__f__0","params":{"path":"a","event":"remove","value":5}}
        =
        "#,
    );
}

#[test]
fn rules_it_lacks() {
    replay(
        "rules no other daemon has",
        r#"
        .
        > {"method":"fetch","params":{"id":"__f__0","path":{"startsWith":"net","contains":"net-"}}}
        < {"method":"__f__0","params":{"path":"net-1","event":"add","value":1}}
        =
        < {"method":"__f__0","params":{"path":"net-2x","event":"add","value":1}}
        < {"method":"__f__0","params":{"path":"net-1","event":"change","value":2}}
        =
        < {"method":"__f__0","params":{"path":"net-1","event":"remove","value":2}}
        =
        "#,
    );
    replay(
        "negated and caseless",
        r#"
        .
        > {"method":"fetch","params":{"id":"__f__0","path":{"contains":"a","caseInsensitive":true}}}
        < {"method":"__f__0","params":{"path":"ab","event":"add","value":1}}
        < {"method":"__f__0","params":{"path":"xA","event":"add","value":1}}
        =
        "#,
    );
    replay(
        "at most one",
        r#"
        .
        > {"method":"fetch","params":{"id":"__f__0"}}
        < {"method":"__f__0","params":{"path":"a","event":"add","value":1}}
        =
        < {"method":"__f__0","params":{"path":"b","event":"add","value":2}}
        < {"method":"__f__0","params":{"path":"a","event":"remove","value":1}}
        =
        =
        "#,
    );
    replay(
        "depends",
        r#"
        .
        > {"method":"fetch","params":{"id":"__f__0"}}
        < {"method":"__f__0","params":{"path":"dev/1","event":"add","value":"x"}}
        < {"method":"__f__0","params":{"path":"on/1","event":"add","value":true}}
        =
        < {"method":"__f__0","params":{"path":"on/1","event":"remove","value":true}}
        =
        "#,
    );
}

#[test]
fn nonsense() {
    replay(
        "nonsense",
        r#"
        .
        > {"id":2,"method":"info","params":{}}
        < {"id":2,"result":{"name":"cjet"}}
        =
        "#,
    );
}

#[test]
fn requests() {
    replay(
        "requests",
        r#"
        .
        > {"id":2,"method":"add","params":{"path":"s","value":1}}
        < {"id":2,"result":true}
        =
        .
        > {"id":3,"method":"set","params":{"path":"other","value":2}}
        < {"id":3,"result":{}}
        =
        .
        > {"id":4,"method":"call","params":{"path":"method","args":[1]}}
        < {"id":4,"result":{"a":[]}}
        =
        .
        > {"id":5,"method":"remove","params":{"path":"s"}}
        < {"id":5,"result":true}
        =
        .
        > {"id":6,"method":"config","params":{"name":"n"}}
        < {"id":6,"result":true}
        =
        "#,
    );
    replay(
        "refusals",
        r#"
        .
        > {"id":2,"method":"add","params":{"path":"s","value":1}}
        < {"id":2,"error":{"message":"Invalid params","code":-32602,"data":{"exists":"s"}}}
        =
        .
        > {"id":3,"method":"set","params":{"path":"nothing","value":1}}
        < {"id":3,"error":{"message":"Invalid params","code":-32602,"data":{"not exists":"nothing"}}}
        =
        .
        > {"id":4,"method":"unfetch","params":{"id":"__f__7"}}
        < {"id":4,"error":{"message":"Invalid params","code":-32602,"data":{"reason":"fetch ID not found for unfetch"}}}
        =
        "#,
    );
    replay(
        "no response",
        r#"
        .
        > {"id":2,"method":"set","params":{"path":"slow","value":1,"timeout":0.5}}
        .
        < {"id":2,"error":{"message":"Internal error","code":-32603,"data":{"reason":"timeout for routed request"}}}
        =
        .
        > {"id":3,"method":"call","params":{"path":"slow","args":[]}}
        .
        < {"id":3,"error":{"message":"Internal error","code":-32603,"data":{"reason":"timeout for routed request"}}}
        =
        "#,
    );
}

#[test]
fn owner() {
    // Routed notifications have an id as well, and their response is dropped. The result `true` crashes C++ peers.
    replay(
        "owner",
        r#"
        .
        .
        < {"id":"(null)_1_0x55","method":"s","params":{"value":5}}
        = set 1 "(null)_1_0x55" 5
        . answer "(null)_1_0x55" true
        > {"id":"(null)_1_0x55","result":{}}
        < {"id":"2_1_0x55","method":"m","params":[1]}
        = call 2 "2_1_0x55" [1]
        . answer "2_1_0x55" {"r":1}
        > {"id":"2_1_0x55","result":{"r":1}}
        .
        > {"method":"change","params":{"path":"s","value":5}}
        "#,
    );
}

#[test]
fn again() {
    // The daemon refuses a fetch id that is in use.
    replay(
        "again",
        r#"
        .
        > {"id":2,"method":"fetch","params":{"id":"__f__0"}}
        < {"method":"__f__0","params":{"path":"a","event":"add","value":1}}
        < {"id":2,"result":true}
        =
        =
        .
        > {"method":"unfetch","params":{"id":"__f__0"}}
        > {"id":3,"method":"fetch","params":{"id":"__f__0"}}
        < {"method":"__f__0","params":{"path":"a","event":"add","value":1}}
        < {"id":3,"result":true}
        =
        =
        "#,
    );
}

#[test]
fn a_lost_answer_does_not_leave_a_request_open() {
    // When any peer disconnects, the daemon may drop responses for other peers.
    let mut peer = connected();
    peer.engine.set("s", None, ASK).unwrap();
    peer.engine.next_timeout(peer.now);
    assert!(peer.pass(std::time::Duration::from_millis(5999)).is_empty());
    let error = r#"{"code":-32001,"message":"Response Timeout","data":{"path":"s"}}"#;
    assert_eq!(peer.pass(std::time::Duration::from_millis(1)), [format!("2 error {error}")]);
}

#[test]
fn a_state_is_cleared_with_null() {
    let mut peer = connected();
    peer.engine.change("s", None).unwrap();
    assert_eq!(peer.said(), [r#"{"method":"change","params":{"path":"s","value":null}}"#]);
}

#[test]
fn only_sets_are_answered_with_an_object() {
    let mut peer = connected();
    peer.engine.own("s", 1, jet::peer::Role::State);
    peer.engine.own("m", 2, jet::peer::Role::Method);
    peer.hear(r#"{"id":"1","method":"m","params":[]}"#);
    peer.hear(r#"{"id":"2","method":"s","params":{"value":1}}"#);
    for (id, result, sent) in [("\"1\"", "true", "true"), ("\"2\"", "5", "5"), ("\"2\"", "true", "true")] {
        peer.engine.answer(id, json(result)).unwrap();
        assert_eq!(peer.said(), [format!(r#"{{"id":{id},"result":{sent}}}"#)]);
    }
}

/// Plays a script from before the connection, with a user.
fn login(name: &str, script: &str) {
    play(Peer::with_user(), SCENARIOS, name, script);
}

#[test]
fn logging_in() {
    login(
        "login",
        r#"
        .
        .
        > {"id":2,"method":"info","params":{}}
        < {"id":2,"result":{"name":"cjet","version":"1.10.0","features":{"batches":true,"authentication":true,"fetch":"full"}}}
        > {"id":3,"method":"authenticate","params":{"user":"ann","password":"s\"cret"}}
        < {"id":3,"result":true}
        > {"id":1,"method":"add","params":{"path":"early","value":1}}
        =
        < {"id":1,"result":true}
        =
        "#,
    );
    login(
        "wrong password",
        r#"
        .
        .
        > {"id":2,"method":"info","params":{}}
        < {"id":2,"result":{"name":"cjet","version":"1.10.0","features":{"batches":true,"authentication":true,"fetch":"full"}}}
        > {"id":3,"method":"authenticate","params":{"user":"ann","password":"s\"cret"}}
        < {"id":3,"error":{"message":"Invalid params","code":-32602,"data":{"invalid credentials":"ann"}}}
        =
        "#,
    );
}
