//! A peer on daemons with `fetch = "simple"`: each peer has one fetch of everything, and on node-jet 1 and 2 it cannot
//! be started a second time.

use crate::support::peer::replay::play;
use crate::support::peer::scenarios::SCENARIOS;
use crate::support::peer::{ASK, Peer, TELL, json};

const NODE_JET: &str =
    r#"{"name":"node-jet","features":{"batches":true,"authentication":true,"fetch":"simple"}}"#;
const NODE_JET_3: &str =
    r#"{"name":"node-jet","features":{"asNotification":false,"authenticate":false,"fetch":"simple"}}"#;

fn replay(name: &str, script: &str) {
    play(Peer::new().greeted(NODE_JET), SCENARIOS, name, script);
}

#[test]
fn paths() {
    // One fetch serves all, and is never ended because it could not be started again.
    replay(
        "paths",
        r#"
        .
        > {"id":3,"method":"fetch","params":{"id":"__f__0_all","path":{"startsWith":""}}}
        > {"id":2,"method":"info","params":{}}
        < {"id":3,"result":"fetch_all"}
        < {"method":"fetch_all","params":{"path":"a/1","event":"add","value":[1,2]}}
        < {"method":"fetch_all","params":{"path":"other","event":"add","value":1}}
        < {"method":"fetch_all","params":{"path":"a/m","event":"add"}}
        < {"id":2,"result":{"name":"node-jet"}}
        =
        =
        =
        < {"method":"fetch_all","params":{"path":"a/1","event":"change","value":3}}
        =
        < {"method":"fetch_all","params":{"path":"a/1","event":"remove","value":3}}
        =
        .
        > {"id":4,"method":"info","params":{}}
        < {"id":4,"result":{"name":"node-jet"}}
        =
        "#,
    );
}

#[test]
fn again() {
    replay(
        "again",
        r#"
        .
        > {"id":3,"method":"fetch","params":{"id":"__f__0_all","path":{"startsWith":""}}}
        > {"id":2,"method":"info","params":{}}
        < {"id":3,"result":"fetch_all"}
        < {"method":"fetch_all","params":{"path":"a","event":"add","value":1}}
        < {"id":2,"result":{"name":"node-jet"}}
        =
        =
        .
        > {"id":4,"method":"info","params":{}}
        < {"id":4,"result":{"name":"node-jet"}}
        =
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
        > {"id":3,"method":"fetch","params":{"id":"__f__0_all","path":{"startsWith":""}}}
        > {"id":2,"method":"info","params":{}}
        < {"id":3,"result":"fetch_all"}
        < {"method":"fetch_all","params":{"path":"a","event":"add","value":5}}
        < {"method":"fetch_all","params":{"path":"b","event":"add","value":1}}
        < {"id":2,"result":{"name":"node-jet"}}
        =
        =
        < {"method":"fetch_all","params":{"path":"c","event":"add","value":0}}
        =
        < {"method":"fetch_all","params":{"path":"c","event":"change","value":"gone"}}
        =
        < {"method":"fetch_all","params":{"path":"a","event":"remove","value":5}}
        =
        "#,
    );
}

#[test]
fn fetchers_share_what_has_come_already() {
    let mut peer = Peer::new().greeted(NODE_JET_3);
    let (first, r1) = peer.fetch(r#"{"path":{"equals":"a"}}"#);
    let said = peer.said();
    assert_eq!(said.len(), 2);
    assert_eq!(said[0], r#"{"id":3,"method":"fetch","params":{"id":"__f__0_all","path":{"startsWith":""}}}"#);
    // node-jet 3 sends notifications with the id of the fetch, and before its response.
    let news = |event: &str, path: &str, value: &str| {
        format!(r#"{{"method":"__f__0_all","params":{{"path":"{path}","event":"{event}"{value}}}}}"#)
    };
    assert!(peer.hear(&news("Add", "b", r#","value":2"#)).is_empty());
    assert!(peer.hear(&news("Add", "a", r#","value":1"#)).is_empty());
    assert!(peer.hear(r#"{"id":3,"result":{}}"#).is_empty());
    let events = peer.hear(&format!(r#"{{"id":{r1},"result":{{}}}}"#));
    assert_eq!(events, [format!("{r1} ok true"), format!("#{first} add a 1")]);

    let (all, _) = peer.engine.fetch(None, json("{}"), TELL).unwrap();
    assert_eq!(peer.said(), [r#"{"id":4,"method":"info","params":{}}"#]);
    let events = peer.hear(r#"{"id":4,"result":{}}"#);
    assert_eq!(events, [format!("#{all} add b 2"), format!("#{all} add a 1")]);

    let mut events = peer.hear(&news("Remove", "a", ""));
    events.sort();
    assert_eq!(events, [format!("#{first} remove a 1"), format!("#{all} remove a 1")]);
    peer.engine.unfetch(first, ASK).unwrap();
    peer.engine.unfetch(all, TELL).unwrap();
    assert_eq!(peer.said(), [r#"{"id":5,"method":"info","params":{}}"#]);
    assert_eq!(peer.hear(r#"{"id":5,"result":{}}"#), ["5 ok true"]);
    assert!(peer.hear(&news("Change", "b", r#","value":3"#)).is_empty());
}

#[test]
fn a_refused_shared_fetch_fails_every_fetch() {
    let mut peer = Peer::new().greeted(NODE_JET);
    let (_, r1) = peer.fetch("{}");
    peer.engine.fetch(None, json("{}"), TELL).unwrap();
    let error = r#"{"message":"Invalid params","code":-32602,"data":"already fetching"}"#;
    assert!(peer.hear(&format!(r#"{{"id":3,"error":{error}}}"#)).is_empty());
    assert_eq!(peer.hear(&format!(r#"{{"id":{r1},"result":{{}}}}"#)), [format!("{r1} error {error}")]);
    assert_eq!(peer.hear(r#"{"id":4,"result":{}}"#), [format!("note a fetch failed: {error}")]);
}
