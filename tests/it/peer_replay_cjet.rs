//! The peer against the C daemon, message by message: initial adds come before the response, it
//! has six path rules and no other, its errors have keys and codes of their own.

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
        . fetch {"path":{"startsWith":"a"}}
        > {"id":2,"method":"fetch","params":{"id":"__f__0","path":{"startsWith":"a"}}}
        < {"method":"__f__0","params":{"path":"a/1","event":"add","value":[1,2],"fetchOnly":true}}
        < {"method":"__f__0","params":{"path":"a/m","event":"add"}}
        < {"id":2,"result":true}
        = r1 ok true
        = #0 add a/1 [1,2]
        = #0 add a/m -
        < {"method":"__f__0","params":{"path":"a/1","event":"change","value":3,"fetchOnly":true}}
        = #0 change a/1 3
        < {"method":"__f__0","params":{"path":"a/1","event":"remove","value":3,"fetchOnly":true}}
        = #0 remove a/1 3
        . unfetch 0
        > {"id":3,"method":"unfetch","params":{"id":"__f__0"}}
        < {"id":3,"result":true}
        = r2 ok true
        "#,
    );
}

#[test]
fn values() {
    replay(
        "values",
        r#"
        . fetch {"value":{"lessThan":10}}
        > {"id":2,"method":"fetch","params":{"id":"__f__0"}}
        < {"method":"__f__0","params":{"path":"low","event":"add","value":1}}
        < {"method":"__f__0","params":{"path":"high","event":"add","value":12}}
        < {"id":2,"result":true}
        = r1 ok true
        = #0 add low 1
        < {"method":"__f__0","params":{"path":"low","event":"change","value":2}}
        = #0 change low 2
        < {"method":"__f__0","params":{"path":"high","event":"change","value":9}}
        = #0 add high 9
        < {"method":"__f__0","params":{"path":"low","event":"change","value":11}}
        = #0 remove low 11
        < {"method":"__f__0","params":{"path":"low","event":"remove","value":11}}
        < {"method":"__f__0","params":{"path":"high","event":"remove","value":9}}
        = #0 remove high 9
        "#,
    );
}

#[test]
fn sorted() {
    replay(
        "sorted",
        r#"
        . fetch {"sort":{"byValue":"number","to":2}}
        > {"id":2,"method":"fetch","params":{"id":"__f__0"}}
        > {"id":3,"method":"info","params":{}}
        < {"method":"__f__0","params":{"path":"a","event":"add","value":5}}
        < {"method":"__f__0","params":{"path":"b","event":"add","value":1}}
        < {"method":"__f__0","params":{"path":"m","event":"add"}}
        < {"id":2,"result":true}
        = r1 ok true
        < {"id":3,"result":{"name":"cjet"}}
        = #0 sorted [{"path":"b","value":1,"index":1},{"path":"a","value":5,"index":2}] 2
        < {"method":"__f__0","params":{"path":"c","event":"add","value":0}}
        = #0 sorted [{"path":"c","value":0,"index":1},{"path":"b","value":1,"index":2}] 2
        < {"method":"__f__0","params":{"path":"c","event":"change","value":"gone"}}
        = #0 sorted [{"path":"b","value":1,"index":1},{"path":"a","value":5,"index":2}] 2
        < {"method":"__f__0","params":{"path":"a","event":"remove","value":5}}
        = #0 sorted [] 1
        "#,
    );
}

#[test]
fn rules_it_lacks() {
    replay(
        "rules no other daemon has",
        r#"
        . watch {"match":["^net%-(%d)"],"unmatch":["x$"]}
        > {"method":"fetch","params":{"id":"__f__0","path":{"startsWith":"net","contains":"net-"}}}
        < {"method":"__f__0","params":{"path":"net-1","event":"add","value":1}}
        = #0 add net-1 1
        < {"method":"__f__0","params":{"path":"net-2x","event":"add","value":1}}
        < {"method":"__f__0","params":{"path":"net-1","event":"change","value":2}}
        = #0 change net-1 2
        < {"method":"__f__0","params":{"path":"net-1","event":"remove","value":2}}
        = #0 remove net-1 2
        "#,
    );
    replay(
        "negated and caseless",
        r#"
        . watch {"path":{"containsNot":"B","contains":"a","caseInsensitive":true}}
        > {"method":"fetch","params":{"id":"__f__0","path":{"contains":"a","caseInsensitive":true}}}
        < {"method":"__f__0","params":{"path":"ab","event":"add","value":1}}
        < {"method":"__f__0","params":{"path":"xA","event":"add","value":1}}
        = #0 add xA 1
        "#,
    );
    replay(
        "at most one",
        r#"
        . watch {"max":1}
        > {"method":"fetch","params":{"id":"__f__0"}}
        < {"method":"__f__0","params":{"path":"a","event":"add","value":1}}
        = #0 add a 1
        < {"method":"__f__0","params":{"path":"b","event":"add","value":2}}
        < {"method":"__f__0","params":{"path":"a","event":"remove","value":1}}
        = #0 remove a 1
        = #0 add b 2
        "#,
    );
    replay(
        "depends",
        r#"
        . watch {"match":["^dev/(%d)$"],"deps":[{"path":"on/\\1","where":{"op":"equals","value":true}}]}
        > {"method":"fetch","params":{"id":"__f__0"}}
        < {"method":"__f__0","params":{"path":"dev/1","event":"add","value":"x"}}
        < {"method":"__f__0","params":{"path":"on/1","event":"add","value":true}}
        = #0 add dev/1 "x"
        < {"method":"__f__0","params":{"path":"on/1","event":"remove","value":true}}
        = #0 remove dev/1 "x"
        "#,
    );
}

#[test]
fn nonsense() {
    replay(
        "nonsense",
        r#"
        . fetch {"path":{"startsWith":5}}
        > {"id":2,"method":"info","params":{}}
        < {"id":2,"result":{"name":"cjet"}}
        = r1 error {"code":-32602,"message":"Invalid params","data":{"fetchParams":{"path":{"startsWith":5}},"reason":"path.startsWith: expected a string, got a number"}}
        "#,
    );
}

#[test]
fn requests() {
    replay(
        "requests",
        r#"
        . add s 1
        > {"id":2,"method":"add","params":{"path":"s","value":1}}
        < {"id":2,"result":true}
        = r1 ok true
        . set other 2
        > {"id":3,"method":"set","params":{"path":"other","value":2}}
        < {"id":3,"result":{}}
        = r2 ok true
        . call method [1]
        > {"id":4,"method":"call","params":{"path":"method","args":[1]}}
        < {"id":4,"result":{"a":[]}}
        = r3 ok {"a":[]}
        . remove s
        > {"id":5,"method":"remove","params":{"path":"s"}}
        < {"id":5,"result":true}
        = r4 ok true
        . config {"name":"n","debug":true}
        > {"id":6,"method":"config","params":{"name":"n"}}
        < {"id":6,"result":true}
        = r5 ok true
        "#,
    );
    replay(
        "refusals",
        r#"
        . add s 1
        > {"id":2,"method":"add","params":{"path":"s","value":1}}
        < {"id":2,"error":{"message":"Invalid params","code":-32602,"data":{"exists":"s"}}}
        = r1 error {"code":-32602,"message":"Invalid params","data":{"pathAlreadyExists":"s"}}
        . set nothing 1
        > {"id":3,"method":"set","params":{"path":"nothing","value":1}}
        < {"id":3,"error":{"message":"Invalid params","code":-32602,"data":{"not exists":"nothing"}}}
        = r2 error {"code":-32602,"message":"Invalid params","data":{"pathNotExists":"nothing"}}
        . unfetch 7
        > {"id":4,"method":"unfetch","params":{"id":"__f__7"}}
        < {"id":4,"error":{"message":"Invalid params","code":-32602,"data":{"reason":"fetch ID not found for unfetch"}}}
        = r3 ok true
        "#,
    );
    replay(
        "nobody answers",
        r#"
        . quickset slow 1
        > {"id":2,"method":"set","params":{"path":"slow","value":1,"timeout":0.5}}
        . wait 0.5
        < {"id":2,"error":{"message":"Internal error","code":-32603,"data":{"reason":"timeout for routed request"}}}
        = r1 error {"code":-32001,"message":"Response Timeout","data":{"path":"slow","value":1,"timeout":0.5}}
        . call slow []
        > {"id":3,"method":"call","params":{"path":"slow","args":[]}}
        . wait 5
        < {"id":3,"error":{"message":"Internal error","code":-32603,"data":{"reason":"timeout for routed request"}}}
        = r2 error {"code":-32001,"message":"Response Timeout","data":{"path":"slow","args":[]}}
        "#,
    );
}

#[test]
fn owner() {
    // A notification comes with an id too; its answer is dropped. C++ peers die of `true`.
    replay(
        "owner",
        r#"
        . state s 1
        . method m 2
        < {"id":"(null)_1_0x55","method":"s","params":{"value":5}}
        = set 1 "(null)_1_0x55" 5
        . answer "(null)_1_0x55" true
        > {"id":"(null)_1_0x55","result":{}}
        < {"id":"2_1_0x55","method":"m","params":[1]}
        = call 2 "2_1_0x55" [1]
        . answer "2_1_0x55" {"r":1}
        > {"id":"2_1_0x55","result":{"r":1}}
        . change s 5
        > {"method":"change","params":{"path":"s","value":5}}
        "#,
    );
}

#[test]
fn again() {
    // A fetch id that is in use is refused.
    replay(
        "again",
        r#"
        . fetch {}
        > {"id":2,"method":"fetch","params":{"id":"__f__0"}}
        < {"method":"__f__0","params":{"path":"a","event":"add","value":1}}
        < {"id":2,"result":true}
        = r1 ok true
        = #0 add a 1
        . refetch 0 {}
        > {"method":"unfetch","params":{"id":"__f__0"}}
        > {"id":3,"method":"fetch","params":{"id":"__f__0"}}
        < {"method":"__f__0","params":{"path":"a","event":"add","value":1}}
        < {"id":3,"result":true}
        = r2 ok true
        = #0 add a 1
        "#,
    );
}

#[test]
fn a_lost_answer_does_not_leave_a_request_open() {
    // Any peer that disconnects takes the answers of others with it.
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

/// Before the connection, with a user.
fn login(name: &str, script: &str) {
    play(Peer::with_user(), SCENARIOS, name, script);
}

#[test]
fn logging_in() {
    login(
        "login",
        r#"
        . add early 1
        . connect
        > {"id":2,"method":"info","params":{}}
        < {"id":2,"result":{"name":"cjet","version":"1.10.0","features":{"batches":true,"authentication":true,"fetch":"full"}}}
        > {"id":3,"method":"authenticate","params":{"user":"ann","password":"s\"cret"}}
        < {"id":3,"result":true}
        > {"id":1,"method":"add","params":{"path":"early","value":1}}
        = ready
        < {"id":1,"result":true}
        = r1 ok true
        "#,
    );
    login(
        "wrong password",
        r#"
        . add early 1
        . connect
        > {"id":2,"method":"info","params":{}}
        < {"id":2,"result":{"name":"cjet","version":"1.10.0","features":{"batches":true,"authentication":true,"fetch":"full"}}}
        > {"id":3,"method":"authenticate","params":{"user":"ann","password":"s\"cret"}}
        < {"id":3,"error":{"message":"Invalid params","code":-32602,"data":{"invalid credentials":"ann"}}}
        = login as 'ann' failed: wrong password {"code":-32602,"message":"Invalid params","data":{"invalidPassword":true}}
        "#,
    );
}
