//! A peer on the Lua daemon, message by message: it has no `info`, sends arrays, loses elements that its index misses
//! or that do not match a value rule at first, and treats `false` as no result.

use crate::support::peer::replay::play;
use crate::support::peer::scenarios::SCENARIOS;
use crate::support::peer::{Peer, json};

fn replay(name: &str, script: &str) {
    let mut peer = Peer::new();
    peer.engine.connected(peer.now);
    peer.said();
    let no_info = r#"{"id":1,"error":{"code":-32601,"message":"Method not found","data":"info"}}"#;
    assert_eq!(peer.hear(no_info), ["ready"]);
    play(peer, SCENARIOS, name, script);
}

#[test]
fn paths() {
    // With `caseInsensitive` the daemon compares all elements and does not use its index.
    replay(
        "paths",
        r#"
        .
        > {"id":2,"method":"fetch","params":{"id":"__f__0","path":{"startsWith":"a","caseInsensitive":true}}}
        < [{"id":2,"result":true},{"method":"__f__0","params":{"path":"A","event":"add","value":0}},{"method":"__f__0","params":{"path":"a/1","event":"add","value":[1,2]}},{"method":"__f__0","params":{"path":"a/m","event":"add"}}]
        =
        =
        =
        < {"method":"__f__0","params":{"path":"a/1","event":"change","value":3}}
        =
        < [{"method":"__f__0","params":{"path":"a/1","event":"remove","value":3}},{"method":"__f__0","params":{"path":"A","event":"remove","value":0}}]
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
    // With a value rule alone the daemon would lose `high`.
    replay(
        "values",
        r#"
        .
        > {"id":2,"method":"fetch","params":{"id":"__f__0"}}
        < [{"id":2,"result":true},{"method":"__f__0","params":{"path":"low","event":"add","value":1}},{"method":"__f__0","params":{"path":"high","event":"add","value":12}},{"method":"__f__0","params":{"path":"text","event":"add","value":"1"}}]
        =
        =
        < {"method":"__f__0","params":{"path":"low","event":"change","value":2}}
        =
        < {"method":"__f__0","params":{"path":"high","event":"change","value":9}}
        =
        < {"method":"__f__0","params":{"path":"low","event":"change","value":11}}
        =
        < [{"method":"__f__0","params":{"path":"low","event":"remove","value":11}},{"method":"__f__0","params":{"path":"high","event":"remove","value":9}}]
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
        < [{"id":2,"result":true},{"method":"__f__0","params":{"path":"a","event":"add","value":5}},{"method":"__f__0","params":{"path":"b","event":"add","value":1}},{"method":"__f__0","params":{"path":"t","event":"add","value":"x"}}]
        =
        < {"id":3,"error":{"code":-32601,"message":"Method not found","data":"info"}}
        =
        < {"method":"__f__0","params":{"path":"c","event":"add","value":0}}
        =
        < {"method":"__f__0","params":{"path":"c","event":"change","value":"gone"}}
        =
        < [{"method":"__f__0","params":{"path":"t","event":"remove","value":"x"}},{"method":"__f__0","params":{"path":"a","event":"remove","value":5}}]
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
        > {"method":"fetch","params":{"id":"__f__0","path":{"startsWith":"net","contains":"net-","caseInsensitive":true}}}
        < [{"method":"__f__0","params":{"path":"net-1","event":"add","value":1}},{"method":"__f__0","params":{"path":"net-2x","event":"add","value":1}},{"method":"__f__0","params":{"path":"NET-1","event":"add","value":1}}]
        =
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
        > {"method":"fetch","params":{"id":"__f__0","path":{"containsNot":"b","contains":"a","caseInsensitive":true}}}
        < {"method":"__f__0","params":{"path":"xA","event":"add","value":1}}
        =
        "#,
    );
    replay(
        "at most one",
        r#"
        .
        > {"method":"fetch","params":{"id":"__f__0"}}
        < [{"method":"__f__0","params":{"path":"a","event":"add","value":1}},{"method":"__f__0","params":{"path":"b","event":"add","value":2}}]
        =
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
        < [{"method":"__f__0","params":{"path":"dev/1","event":"add","value":"x"}},{"method":"__f__0","params":{"path":"on/2","event":"add","value":true}}]
        < {"method":"__f__0","params":{"path":"on/1","event":"add","value":true}}
        =
        < {"method":"__f__0","params":{"path":"on/1","event":"change","value":false}}
        =
        "#,
    );
}

#[test]
fn nonsense() {
    // The daemon would respond twice, or with a bare string.
    replay(
        "nonsense",
        r#"
        .
        > {"id":2,"method":"info","params":{}}
        < {"id":2,"error":{"code":-32601,"message":"Method not found","data":"info"}}
        =
        "#,
    );
}

#[test]
fn requests() {
    // A daemon of 2013 responds with `{}` instead of `true`.
    replay(
        "requests",
        r#"
        .
        > {"id":2,"method":"add","params":{"path":"s","value":1}}
        < {"id":2,"result":{}}
        =
        .
        > {"id":3,"method":"set","params":{"path":"other","value":2}}
        < {"id":3,"result":true}
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
        > {"id":6,"method":"config","params":{"name":"n","debug":true}}
        < {"id":6,"result":true}
        =
        "#,
    );
    replay(
        "refusals",
        r#"
        .
        > {"id":2,"method":"add","params":{"path":"s","value":1}}
        < {"id":2,"error":{"code":-32602,"message":"Invalid params","data":{"pathAlreadyExists":"s"}}}
        =
        .
        > {"id":3,"method":"set","params":{"path":"nothing","value":1}}
        < {"id":3,"error":{"code":-32602,"message":"Invalid params","data":{"notExists":"nothing"}}}
        =
        .
        > {"id":4,"method":"unfetch","params":{"id":"__f__7"}}
        < {"id":4,"error":{"code":-32603,"message":"Internal error","data":"daemon.lua:1: attempt to index a nil value"}}
        =
        "#,
    );
    replay(
        "no response",
        r#"
        .
        > {"id":2,"method":"set","params":{"path":"slow","value":1,"timeout":0.5}}
        .
        < {"id":2,"error":{"code":-32001,"message":"Response Timeout","data":{"path":"slow","value":1,"timeout":0.5}}}
        =
        .
        > {"id":3,"method":"call","params":{"path":"slow","args":[]}}
        .
        < {"id":3,"error":{"code":-32001,"message":"Response Timeout","data":{"path":"slow","args":[]}}}
        =
        "#,
    );
}

#[test]
fn owner() {
    replay(
        "owner",
        r#"
        .
        .
        < {"id":"1table: 0x551","method":"s","params":{"value":5}}
        = set 1 "1table: 0x551" 5
        . answer "1table: 0x551" true
        > {"id":"1table: 0x551","result":true}
        < {"id":"2table: 0x552","method":"m","params":[1]}
        = call 2 "2table: 0x552" [1]
        . answer "2table: 0x552" {"r":1}
        > {"id":"2table: 0x552","result":{"r":1}}
        .
        > {"method":"change","params":{"path":"s","value":5}}
        "#,
    );
}

#[test]
fn again() {
    // Two fetches with one id would both be active, and one of them could not be ended.
    replay(
        "again",
        r#"
        .
        > {"id":2,"method":"fetch","params":{"id":"__f__0"}}
        < [{"id":2,"result":true},{"method":"__f__0","params":{"path":"a","event":"add","value":1}}]
        =
        =
        .
        > {"method":"unfetch","params":{"id":"__f__0"}}
        > {"id":3,"method":"fetch","params":{"id":"__f__0"}}
        < [{"id":3,"result":true},{"method":"__f__0","params":{"path":"a","event":"add","value":1}}]
        =
        =
        "#,
    );
}

#[test]
fn false_is_no_result_to_it() {
    let mut peer = Peer::new();
    peer.engine.connected(peer.now);
    peer.hear(r#"{"id":1,"error":{"code":-32601,"message":"Method not found","data":"info"}}"#);
    peer.said();
    for (result, sent) in [("false", "{}"), ("null", "null"), ("true", "true"), ("[false]", "[false]")] {
        peer.engine.answer("7", json(result)).unwrap();
        assert_eq!(peer.said(), [format!(r#"{{"id":7,"result":{sent}}}"#)]);
    }
}

#[test]
fn a_second_answer_with_a_bare_error_is_only_noted() {
    let mut peer = Peer::new();
    peer.engine.connected(peer.now);
    peer.hear(r#"{"id":1,"error":{"code":-32601,"message":"Method not found","data":"info"}}"#);
    let (_, id) = peer.fetch(r#"{"path":{"equals":"a"}}"#);
    let events =
        peer.hear(&format!(r#"[{{"id":{id},"result":true}},{{"id":{id},"error":"index.lua:3: nil"}}]"#));
    assert_eq!(events, [format!("{id} ok true"), format!("note response to no open request: id {id}")]);
}

#[test]
fn logging_in() {
    // The daemon has no users, and gets no password.
    play(
        Peer::with_user(),
        SCENARIOS,
        "daemon without users",
        r#"
        .
        .
        > {"id":2,"method":"info","params":{}}
        < {"id":2,"error":{"message":"Method not found","code":-32601,"data":"info"}}
        > {"id":1,"method":"add","params":{"path":"early","value":1}}
        =
        =
        < {"id":1,"result":true}
        =
        "#,
    );
}
