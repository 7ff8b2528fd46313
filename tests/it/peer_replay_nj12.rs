//! A peer on node-jet 1 and 2, message by message: its rules and events are ours, but it compares as JavaScript does,
//! and lacks patterns, lists in value rules and most of `config`.

use crate::support::peer::replay::play;
use crate::support::peer::scenarios::SCENARIOS;
use crate::support::peer::{ASK, Peer};

fn connected() -> Peer {
    Peer::new().greeted(
        r#"{"name":"node-jet","version":"2.2.0","protocolVersion":"1.1.0","features":{"batches":true,"authentication":true,"fetch":"full"}}"#,
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
        < {"id":2,"result":true}
        =
        < {"method":"__f__0","params":{"path":"a/1","event":"add","value":[1,2]}}
        =
        < {"method":"__f__0","params":{"path":"a/m","event":"add"}}
        =
        < {"method":"__f__0","params":{"path":"a/1","event":"change","value":3}}
        =
        < {"method":"__f__0","params":{"path":"a/1","event":"remove","value":3}}
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
    // For the daemon, the string "1" is less than 10.
    replay(
        "values",
        r#"
        .
        > {"id":2,"method":"fetch","params":{"id":"__f__0","value":{"lessThan":10}}}
        < {"id":2,"result":true}
        =
        < {"method":"__f__0","params":{"path":"low","event":"add","value":1}}
        =
        < {"method":"__f__0","params":{"path":"text","event":"add","value":"1"}}
        < {"method":"__f__0","params":{"path":"nothing","event":"add","value":null}}
        < {"method":"__f__0","params":{"path":"low","event":"change","value":2}}
        =
        < {"method":"__f__0","params":{"path":"high","event":"add","value":9}}
        =
        < {"method":"__f__0","params":{"path":"low","event":"remove","value":11}}
        =
        < {"method":"__f__0","params":{"path":"text","event":"remove","value":"x"}}
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
        > {"id":2,"method":"fetch","params":{"id":"__f__0","value":{"isType":"number"}}}
        > {"id":3,"method":"info","params":{}}
        < {"id":2,"result":true}
        =
        < {"method":"__f__0","params":{"path":"a","event":"add","value":5}}
        < {"method":"__f__0","params":{"path":"b","event":"add","value":1}}
        < {"id":3,"result":{"name":"node-jet"}}
        =
        < {"method":"__f__0","params":{"path":"c","event":"add","value":0}}
        =
        < {"method":"__f__0","params":{"path":"c","event":"remove","value":"gone"}}
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
    // The daemon lowers the case of all letters, not only ASCII, so its negative rule may exclude too much.
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
        < {"method":"__f__0","params":{"path":"on/1","event":"add","value":true}}
        < {"method":"__f__0","params":{"path":"dev/1","event":"add","value":"x"}}
        =
        < {"method":"__f__0","params":{"path":"on/1","event":"change","value":false}}
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
        < {"id":2,"result":{"name":"node-jet"}}
        =
        "#,
    );
}

#[test]
fn requests() {
    // The daemon uses only the name in `config`.
    replay(
        "requests",
        r#"
        .
        > {"id":2,"method":"add","params":{"path":"s","value":1}}
        < {"id":2,"result":true}
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
        < {"id":2,"error":{"message":"Invalid params","code":-32602,"data":{"pathAlreadyExists":"s"}}}
        =
        .
        > {"id":3,"method":"set","params":{"path":"nothing","value":1}}
        < {"id":3,"error":{"message":"Invalid params","code":-32602,"data":{"pathNotExists":"nothing"}}}
        =
        .
        > {"id":4,"method":"unfetch","params":{"id":"__f__7"}}
        < {"id":4,"result":true}
        =
        "#,
    );
    replay(
        "no response",
        r#"
        .
        > {"id":2,"method":"set","params":{"path":"slow","value":1,"timeout":0.5}}
        .
        < {"id":2,"error":{"message":"Response Timeout","code":-32001,"data":{"path":"slow","value":1,"timeout":0.5}}}
        =
        .
        > {"id":3,"method":"call","params":{"path":"slow","args":[]}}
        .
        < {"id":3,"error":{"message":"Response Timeout","code":-32001,"data":{"path":"slow","args":[]}}}
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
        < {"id":"0127.0.0.1:530","method":"s","params":{"value":5}}
        = set 1 "0127.0.0.1:530" 5
        . answer "0127.0.0.1:530" true
        > {"id":"0127.0.0.1:530","result":true}
        < {"id":"1127.0.0.1:530","method":"m","params":[1]}
        = call 2 "1127.0.0.1:530" [1]
        . answer "1127.0.0.1:530" {"r":1}
        > {"id":"1127.0.0.1:530","result":{"r":1}}
        .
        > {"method":"change","params":{"path":"s","value":5}}
        "#,
    );
}

#[test]
fn again() {
    // The daemon replaces a fetch that has the same id.
    replay(
        "again",
        r#"
        .
        > {"id":2,"method":"fetch","params":{"id":"__f__0"}}
        < {"id":2,"result":true}
        =
        < {"method":"__f__0","params":{"path":"a","event":"add","value":1}}
        =
        .
        > {"id":3,"method":"fetch","params":{"id":"__f__0"}}
        < {"id":3,"result":true}
        =
        < {"method":"__f__0","params":{"path":"a","event":"add","value":1}}
        =
        "#,
    );
}

#[test]
fn a_time_of_zero_is_the_shortest_it_knows() {
    let mut peer = connected();
    let options = jet::peer::RequestOptions { timeout: Some(0.0), ..ASK };
    peer.engine.set("s", None, options).unwrap();
    assert_eq!(peer.said(), [r#"{"id":2,"method":"set","params":{"path":"s","timeout":0.001}}"#]);
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
        < {"id":2,"result":{"name":"node-jet","protocolVersion":"1.1.0","features":{"batches":true,"authentication":true,"fetch":"full"}}}
        > {"id":3,"method":"authenticate","params":{"user":"ann","password":"s\"cret"}}
        < {"id":3,"result":{"fetchGroups":["a"],"setGroups":[],"callGroups":[]}}
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
        < {"id":2,"result":{"name":"node-jet","protocolVersion":"1.1.0","features":{"batches":true,"authentication":true,"fetch":"full"}}}
        > {"id":3,"method":"authenticate","params":{"user":"ann","password":"s\"cret"}}
        < {"id":3,"error":{"message":"Invalid params","code":-32602,"data":{"invalidPassword":true}}}
        =
        "#,
    );
}
