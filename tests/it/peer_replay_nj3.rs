//! A peer on node-jet 3, message by message: event names in capitals, removes without a value, adds before the
//! response, fetch ids that all peers share, no negative rules, no usable value rules, no timeouts, `configure`, and
//! routed requests whose method is the service.

use crate::support::peer::replay::play;
use crate::support::peer::scenarios::SCENARIOS;
use crate::support::peer::{ASK, Peer, json};

fn connected() -> Peer {
    Peer::new().greeted(
        r#"{"name":"node-jet","version":"2.2.0","protocolVersion":"1.1.0","features":{"batches":false,"fetch":"full","asNotification":false,"authenticate":false}}"#,
    )
}

fn replay(name: &str, script: &str) {
    play(connected(), SCENARIOS, name, script);
}

#[test]
fn paths() {
    // The daemon sends no notifications about methods. Here one is sent, as a later version does.
    replay(
        "paths",
        r#"
        .
        > {"id":2,"method":"fetch","params":{"id":"__f__0_0","path":{"startsWith":"a"}}}
        < {"method":"__f__0_0","params":{"path":"a/1","event":"Add","value":[1,2]}}
        < {"method":"__f__0_0","params":{"path":"a/m","event":"Add"}}
        < {"id":2,"result":{}}
        =
        =
        =
        < {"method":"__f__0_0","params":{"path":"a/1","event":"Change","value":3}}
        =
        < {"method":"__f__0_0","params":{"path":"a/1","event":"Remove"}}
        =
        .
        > {"id":3,"method":"unfetch","params":{"id":"__f__0_0"}}
        < {"id":3,"result":{}}
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
        > {"id":2,"method":"fetch","params":{"id":"__f__0_0","path":{"startsWith":""}}}
        < {"method":"__f__0_0","params":{"path":"low","event":"Add","value":1}}
        < {"method":"__f__0_0","params":{"path":"high","event":"Add","value":12}}
        < {"id":2,"result":{}}
        =
        =
        < {"method":"__f__0_0","params":{"path":"low","event":"Change","value":2}}
        =
        < {"method":"__f__0_0","params":{"path":"high","event":"Change","value":9}}
        =
        < {"method":"__f__0_0","params":{"path":"low","event":"Change","value":11}}
        =
        < {"method":"__f__0_0","params":{"path":"low","event":"Remove"}}
        < {"method":"__f__0_0","params":{"path":"high","event":"Remove"}}
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
        > {"id":2,"method":"fetch","params":{"id":"__f__0_0","path":{"startsWith":""}}}
        > {"id":3,"method":"info","params":{}}
        < {"method":"__f__0_0","params":{"path":"a","event":"Add","value":5}}
        < {"method":"__f__0_0","params":{"path":"b","event":"Add","value":1}}
        < {"id":2,"result":{}}
        =
        < {"id":3,"result":{"name":"node-jet"}}
        =
        < {"method":"__f__0_0","params":{"path":"c","event":"Add","value":0}}
        =
        < {"method":"__f__0_0","params":{"path":"c","event":"Change","value":"gone"}}
        =
        < {"method":"__f__0_0","params":{"path":"a","event":"Remove"}}
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
        > {"method":"fetch","params":{"id":"__f__0_0","path":{"startsWith":"net","contains":"net-"}}}
        < {"method":"__f__0_0","params":{"path":"net-1","event":"Add","value":1}}
        =
        < {"method":"__f__0_0","params":{"path":"net-2x","event":"Add","value":1}}
        < {"result":{}}
        < {"method":"__f__0_0","params":{"path":"net-1","event":"Change","value":2}}
        =
        < {"method":"__f__0_0","params":{"path":"net-1","event":"Remove"}}
        =
        "#,
    );
    // The daemon lowers the case of the rule but not of the path.
    replay(
        "negated and caseless",
        r#"
        .
        > {"method":"fetch","params":{"id":"__f__0_0","path":{"startsWith":""}}}
        < {"method":"__f__0_0","params":{"path":"ab","event":"Add","value":1}}
        < {"method":"__f__0_0","params":{"path":"xA","event":"Add","value":1}}
        =
        "#,
    );
    replay(
        "at most one",
        r#"
        .
        > {"method":"fetch","params":{"id":"__f__0_0","path":{"startsWith":""}}}
        < {"method":"__f__0_0","params":{"path":"a","event":"Add","value":1}}
        =
        < {"method":"__f__0_0","params":{"path":"b","event":"Add","value":2}}
        < {"method":"__f__0_0","params":{"path":"a","event":"Remove"}}
        =
        =
        "#,
    );
    replay(
        "depends",
        r#"
        .
        > {"method":"fetch","params":{"id":"__f__0_0","path":{"startsWith":""}}}
        < {"method":"__f__0_0","params":{"path":"dev/1","event":"Add","value":"x"}}
        < {"method":"__f__0_0","params":{"path":"on/1","event":"Add","value":true}}
        =
        < {"method":"__f__0_0","params":{"path":"on/1","event":"Remove"}}
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
    replay(
        "requests",
        r#"
        .
        > {"id":2,"method":"add","params":{"path":"s","value":1}}
        < {"id":2,"result":{}}
        =
        .
        > {"id":3,"method":"set","params":{"path":"other","value":2}}
        < {"id":3,"result":{}}
        =
        .
        > {"id":4,"method":"call","params":{"path":"method","args":[1]}}
        < {"id":"4","result":{"a":[]}}
        =
        .
        > {"id":5,"method":"remove","params":{"path":"s"}}
        < {"id":5,"result":{}}
        =
        .
        > {"id":6,"method":"configure","params":{"name":"n"}}
        < {"id":6,"result":{}}
        =
        "#,
    );
    replay(
        "refusals",
        r#"
        .
        > {"id":2,"method":"add","params":{"path":"s","value":1}}
        < {"id":2,"error":{"code":-32602,"message":"A State/Method with the same path has already been added","data":{"name":"jet.Occupied","url":"u","details":"s"},"name":"jet.Occupied"}}
        =
        .
        > {"id":3,"method":"set","params":{"path":"nothing","value":1}}
        < {"id":3,"error":{"code":-32602,"message":"No State/Method matching the specified path","data":{"name":"jet.NotFound","url":"u","details":"nothing"},"name":"jet.NotFound"}}
        =
        .
        > {"id":4,"method":"unfetch","params":{"id":"__f__0_7"}}
        < {"id":4,"error":{"code":-32602,"message":"No State/Method matching the specified path","data":{"name":"jet.NotFound","url":"u","details":"No Subscription"},"name":"jet.NotFound"}}
        =
        "#,
    );
    // The daemon has no timeouts.
    replay(
        "no response",
        r#"
        .
        > {"id":2,"method":"set","params":{"path":"slow","value":1,"timeout":0.5}}
        .
        =
        .
        > {"id":3,"method":"call","params":{"path":"slow","args":[]}}
        .
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
        < {"id":"1","method":"set","params":{"path":"s","value":5}}
        = set 1 "1" 5
        . answer "1" true
        > {"id":"1","result":true}
        < {"id":"2","method":"call","params":{"path":"m","args":[1]}}
        = call 2 "2" [1]
        . answer "2" {"r":1}
        > {"id":"2","result":{"r":1}}
        .
        > {"method":"change","params":{"path":"s","value":5}}
        "#,
    );
}

#[test]
fn again() {
    replay(
        "again",
        r#"
        .
        > {"id":2,"method":"fetch","params":{"id":"__f__0_0","path":{"startsWith":""}}}
        < {"method":"__f__0_0","params":{"path":"a","event":"Add","value":1}}
        < {"id":2,"result":{}}
        =
        =
        .
        > {"method":"unfetch","params":{"id":"__f__0_0"}}
        > {"id":3,"method":"fetch","params":{"id":"__f__0_0","path":{"startsWith":""}}}
        < {"result":{}}
        < {"method":"__f__0_0","params":{"path":"a","event":"Add","value":1}}
        < {"id":3,"result":{}}
        =
        =
        "#,
    );
}

#[test]
fn fetch_ids_of_two_peers_differ() {
    let options = jet::peer::Options { instance: 0xabc, ..Default::default() };
    let info = r#"{"features":{"asNotification":false}}"#;
    let mut peer = Peer::with(options).greeted(info);
    peer.fetch("{}");
    let expected = r#"{"id":2,"method":"fetch","params":{"id":"__f__abc_0","path":{"startsWith":""}}}"#;
    assert_eq!(peer.said(), [expected]);
}

#[test]
fn config_without_a_name_is_answered_all_the_same() {
    let mut peer = connected();
    peer.engine.request("config", json(r#"{"debug":true}"#), ASK).unwrap();
    assert_eq!(peer.said(), [r#"{"id":2,"method":"info","params":{}}"#]);
    assert_eq!(peer.hear(r#"{"id":2,"result":{"name":"node-jet"}}"#), ["2 ok true"]);
}

#[test]
fn the_time_of_early_requests_begins_with_the_connection() {
    let mut peer = Peer::new();
    let options = jet::peer::RequestOptions { timeout: Some(1.0), ..ASK };
    peer.engine.call("slow", json("[]"), options).unwrap();
    peer.engine.connected(peer.now);
    peer.pass(std::time::Duration::from_secs(1));
    peer.hear(r#"{"id":2,"result":{"features":{"asNotification":false}}}"#);
    let due = peer.engine.next_timeout(peer.now).unwrap();
    assert_eq!(due, peer.now + std::time::Duration::from_secs(1));
    let error =
        r#"{"code":-32001,"message":"Response Timeout","data":{"path":"slow","args":[],"timeout":1.0}}"#;
    assert_eq!(peer.pass(std::time::Duration::from_secs(1)), [format!("1 error {error}")]);
    assert_eq!(peer.hear(r#"{"id":1,"result":1}"#), ["note response to no open request: id 1"]);
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
        < {"id":2,"result":{"name":"node-jet","features":{"batches":false,"fetch":"full","asNotification":false,"authenticate":true}}}
        > {"id":3,"method":"authenticate","params":{"user":"ann","password":"s\"cret"}}
        < {"id":3,"result":{}}
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
        < {"id":2,"result":{"name":"node-jet","features":{"batches":false,"fetch":"full","asNotification":false,"authenticate":true}}}
        > {"id":3,"method":"authenticate","params":{"user":"ann","password":"s\"cret"}}
        < {"id":3,"error":{"code":-32602,"name":"jet.invalid params","message":"invalid credentials","data":{"name":"jet.invalid params","url":"u","details":"ann"}}}
        =
        "#,
    );
}
