//! A program gets the same error from every daemon: the code and the keys of `data` that our own daemon sends, with
//! the foreign daemon's error in `data.original`.

use crate::support::peer::{ASK, OWN, Peer, json};

const NODE_JET: &str = r#"{"features":{"authentication":true}}"#;
const NODE_JET_3: &str = r#"{"features":{"asNotification":false}}"#;
const CJET: &str = r#"{"name":"cjet"}"#;

/// Returns the error that the program gets if the daemon sends `error` for a set of the path `p`.
fn heard(info: &str, error: &str) -> String {
    let mut peer = Peer::new().greeted(info);
    peer.engine.set("p", Some(json("1")), ASK).unwrap();
    let events = peer.hear(&format!(r#"{{"id":2,"error":{error}}}"#));
    events[0].strip_prefix("2 error ").expect("an error").to_owned()
}

#[test]
fn the_c_daemon_has_other_keys() {
    for (data, known) in [
        (r#"{"exists":"p"}"#, r#""pathAlreadyExists":"p""#),
        (r#"{"not exists":"p"}"#, r#""pathNotExists":"p""#),
        (r#"{"not owner of state":"p"}"#, r#""foreignPath":"p""#),
        (r#"{"set/call on element not possible":"p"}"#, r#""wrongKind":"p""#),
        (r#"{"request not authorized":"p"}"#, r#""noAccess":"p""#),
        (r#"{"invalid credentials":"me"}"#, r#""invalidPassword":true"#),
        (r#"{"fetched before authenticate":"me"}"#, r#""alreadyFetching":true"#),
    ] {
        let error = format!(r#"{{"message":"Invalid params","code":-32602,"data":{data}}}"#);
        let expected =
            format!(r#"{{"code":-32602,"message":"Invalid params","data":{{{known},"original":{error}}}}}"#);
        assert_eq!(heard(CJET, &error), expected);
    }
}

#[test]
fn the_c_daemon_hides_what_happened_to_a_request() {
    let error = |reason: &str| {
        format!(r#"{{"code":-32603,"message":"Internal error","data":{{"reason":"{reason}"}}}}"#)
    };
    let timeout = error("timeout for routed request");
    let data = format!(r#"{{"path":"p","value":1,"original":{timeout}}}"#);
    let expected = format!(r#"{{"code":-32001,"message":"Response Timeout","data":{data}}}"#);
    assert_eq!(heard(CJET, &timeout), expected);
    let gone = error("peer shuts down");
    let data = format!(r#"{{"ownerGone":"p","original":{gone}}}"#);
    assert_eq!(
        heard(CJET, &gone),
        format!(r#"{{"code":-32000,"message":"Connection closed","data":{data}}}"#)
    );
    let other = error("element table full");
    assert_eq!(heard(CJET, &other), other);
}

#[test]
fn node_jet_3_has_names_for_errors() {
    let error = |name: &str, message: &str| {
        let data = format!(r#"{{"name":"{name}","url":"u","details":"p"}}"#);
        format!(r#"{{"code":-32602,"message":"{message}","data":{data},"name":"{name}"}}"#)
    };
    for (error, known) in [
        (error("jet.NotFound", "x"), r#""pathNotExists":"p""#),
        (error("jet.Occupied", "x"), r#""pathAlreadyExists":"p""#),
        (error("jet.invalid params", "Missing authorization"), r#""noAccess":"p""#),
        (error("jet.invalid params", "invalid credentials"), r#""invalidPassword":true"#),
    ] {
        let expected =
            format!(r#"{{"code":-32602,"message":"Invalid params","data":{{{known},"original":{error}}}}}"#);
        assert_eq!(heard(NODE_JET_3, &error), expected);
    }
    let other = error("jet.InvalidArgument", "refused");
    assert_eq!(heard(NODE_JET_3, &other), other);
    assert_eq!(heard(NODE_JET_3, "{}"), r#"{"code":-32603,"message":"Internal error","data":{}}"#);
}

#[test]
fn what_owners_say_stays_as_it_is() {
    for info in [OWN, NODE_JET, NODE_JET_3, CJET, "{}"] {
        for error in [
            r#"{"code":7,"message":"mine","data":{"exists":"p"}}"#,
            r#"{"code":-32602,"message":"mine","data":{"exists":"p","more":1}}"#,
            r#"{"code":-32603,"message":"Internal error","data":"handler.lua:3: oops"}"#,
            r#"{"code":-32602,"message":"Invalid params","data":{"pathNotExists":"p"}}"#,
            r#"{"code":"E_MINE","message":{"a":1},"extra":[]}"#,
        ] {
            assert_eq!(heard(info, error), error);
        }
    }
}

#[test]
fn the_end_of_a_fetch_that_is_refused_is_one_error() {
    let mut peer = Peer::new().greeted(NODE_JET_3);
    let (number, _) = peer.fetch("{}");
    peer.engine.unfetch(number, ASK).unwrap();
    let error = r#"{"code":-32602,"message":"x","data":{"name":"jet.NotFound","details":"none"}}"#;
    let expected =
        format!(r#"3 error {{"code":-32603,"message":"Internal error","data":{{"original":{error}}}}}"#);
    assert_eq!(peer.hear(&format!(r#"{{"id":3,"error":{error}}}"#)), [expected]);
}

#[test]
fn a_peer_says_what_it_does_in_the_daemons_stead() {
    assert!(Peer::ready().engine.stand_ins().is_empty());
    assert!(Peer::new().engine.stand_ins().is_empty());
    assert_eq!(Peer::new().greeted(NODE_JET).engine.stand_ins(), ["rules of 2013", "value rules", "sort"]);
    assert!(Peer::new().greeted(NODE_JET_3).engine.stand_ins().contains(&"time-outs"));
    let simple = r#"{"features":{"authentication":true,"fetch":"simple"}}"#;
    assert_eq!(Peer::new().greeted(simple).engine.stand_ins().last(), Some(&"separate fetches"));
}
