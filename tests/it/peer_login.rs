//! The login after connecting: when it is sent, its contents and its outcome. `peer_replay_*` have the messages of
//! each daemon.

use std::time::Duration;

use crate::support::peer::{self, ASK, Peer, json};
use jet::peer::session::LOGIN_PATIENCE;
use jet::peer::{Authentication, Login, Options};
use jet::wire::encoding::Encoding;

const AUTHENTICATE: &str = r#"{"id":2,"method":"authenticate","params":{"user":"ann","password":"s\"cret"}}"#;
const OWN: &str = r#"{"features":{"match":true,"authenticate":true}}"#;
const NODE_JET: &str = r#"{"features":{"authentication":true}}"#;
const NODE_JET_3: &str = r#"{"features":{"asNotification":false,"authenticate":true}}"#;
const CJET: &str = r#"{"name":"cjet"}"#;

/// Returns a peer that logs in as ann and has sent `info`.
fn asked() -> Peer {
    let mut peer = Peer::with_user();
    peer.engine.connected(peer.now);
    assert_eq!(peer.said(), [r#"{"id":1,"method":"info","params":{}}"#]);
    peer
}

/// Returns a peer that has sent its login, after the result `info`.
fn logging_in(info: &str) -> Peer {
    let mut peer = asked();
    assert!(peer.hear(&format!(r#"{{"id":1,"result":{info}}}"#)).is_empty());
    assert_eq!(peer.said(), [AUTHENTICATE]);
    peer
}

fn state(peer: &Peer) -> Option<&Authentication> {
    peer.engine.authentication().expect("a user").1
}

#[test]
fn what_a_daemon_says_to_it_is_kept() {
    let groups = r#"{"fetchGroups":["a"]}"#;
    for (info, result, told) in [
        (OWN, groups, Some(groups)),
        (NODE_JET, groups, Some(groups)),
        (NODE_JET_3, "{}", None),
        (CJET, "true", None),
    ] {
        let mut peer = logging_in(info);
        assert_eq!(state(&peer), None);
        assert_eq!(peer.hear(&format!(r#"{{"id":2,"result":{result}}}"#)), ["ready"]);
        let groups = told.map(str::to_owned);
        assert_eq!(state(&peer), Some(&Authentication::Accepted { groups }));
    }
    assert_eq!(Peer::ready().engine.authentication(), None);
}

#[test]
fn a_user_without_groups_of_node_jet_is_a_warning() {
    let mut peer = logging_in(NODE_JET);
    let events = peer.hear(r#"{"id":2,"result":true}"#);
    assert!(events[0].starts_with("note the daemon gives 'ann' no groups"), "{events:?}");
    assert_eq!(events[1], "ready");
}

#[test]
fn daemons_that_have_no_users_are_told_no_password() {
    let old = r#"{"id":1,"error":{"code":-32601,"message":"Method not found","data":"info"}}"#;
    let own = format!(r#"{{"id":1,"result":{}}}"#, peer::OWN);
    let node_jet_3 = r#"{"id":1,"result":{"features":{"asNotification":false,"authenticate":false}}}"#;
    for (answer, name) in [(old, "lua-jet"), (&*own, "lua-jet-rs"), (node_jet_3, "node-jet 3")] {
        let mut peer = asked();
        let note = format!("note the daemon ({name}) has no users: not logged in as 'ann'");
        assert_eq!(peer.hear(answer), [note, "ready".into()]);
        assert!(peer.said().is_empty());
        assert_eq!(state(&peer), Some(&Authentication::NotOffered));
    }
}

#[test]
fn daemons_that_show_only_then_to_have_no_users_are_used_all_the_same() {
    for (info, answer) in [
        (OWN, r#"{"id":2,"result":true}"#),
        ("{}", r#"{"id":2,"result":true}"#),
        ("{}", r#"{"id":2,"error":{"code":-32601,"message":"Method not found"}}"#),
    ] {
        let mut peer = logging_in(info);
        let events = peer.hear(answer);
        assert!(events[0].contains("has no users"), "{events:?}");
        assert_eq!(events[1], "ready");
        assert_eq!(state(&peer), Some(&Authentication::NotOffered));
    }
}

/// Returns the event for a login that the daemon refuses with `error`.
fn refused(info: &str, error: &str) -> String {
    let mut peer = logging_in(info);
    peer.engine.add("early", None, ASK).unwrap();
    let events = peer.hear(&format!(r#"{{"id":2,"error":{error}}}"#));
    assert!(peer.engine.is_closed());
    assert!(peer.said().is_empty(), "the peer sends more");
    assert!(peer.hear(r#"{"id":2,"result":true}"#).is_empty());
    assert_eq!(events.len(), 1);
    events[0].clone()
}

#[test]
fn a_refusal_says_as_much_as_the_daemon_does() {
    let unknown = r#"{"code":-32602,"message":"Invalid params","data":{"invalidUser":true}}"#;
    for info in [OWN, NODE_JET] {
        assert_eq!(refused(info, unknown), format!("login as 'ann' failed: unknown user {unknown}"));
    }
    let node_jet_3 = r#"{"code":-32602,"message":"invalid credentials","data":{"name":"n","details":"ann"}}"#;
    let cjet = r#"{"code":-32602,"message":"x","data":{"invalid credentials":"ann"}}"#;
    let hint = "unknown user or wrong password, or the daemon has no users: \
                cjet refuses every login without a password file";
    for (info, original, why, reason) in [
        (CJET, cjet, hint, format!(",\"reason\":\"{hint}\"")),
        (NODE_JET_3, node_jet_3, "unknown user or wrong password", String::new()),
    ] {
        let expected = format!(
            "login as 'ann' failed: {why} {{\"code\":-32602,\"message\":\"Invalid params\",\
             \"data\":{{\"invalidPassword\":true,\"original\":{original}{reason}}}}}"
        );
        assert_eq!(refused(info, original), expected);
    }
}

#[test]
fn an_error_that_repeats_the_password_is_cut() {
    let said = format!(r#"{{"code":-32600,"message":"Invalid Request","data":{AUTHENTICATE}}}"#);
    for info in [OWN, NODE_JET, NODE_JET_3, CJET, "{}"] {
        let expected =
            "login as 'ann' failed: Invalid Request {\"code\":-32600,\"message\":\"Invalid Request\"}";
        assert_eq!(refused(info, &said), expected);
    }
    assert_eq!(
        refused("{}", r#""s\"cret""#),
        "login as 'ann' failed: Internal error {\"code\":-32603,\"message\":\"Internal error\"}"
    );
}

#[test]
fn a_password_is_in_no_debug_output_and_is_kept_no_longer_than_needed() {
    let mut peer = Peer::with_user();
    assert!(!format!("{:?}", peer.engine).contains("cret"));
    peer.engine.connected(peer.now);
    peer.hear(&format!(r#"{{"id":1,"result":{OWN}}}"#));
    assert_eq!(peer.said().len(), 2);
    assert!(format!("{:?}", peer.engine).contains("login: None"));
    let mut closed = Peer::with_user();
    closed.engine.closed();
    assert!(format!("{:?}", closed.engine).contains("login: None"));
}

#[test]
fn the_login_comes_before_the_name_and_the_encoding() {
    let login = Login { user: "ann".into(), password: "s\"cret".to_owned().into() };
    let (name, encoding) = (Some("\"me\"".into()), Encoding::Msgpack);
    let mut peer = Peer::with(Options { login: Some(login), name, encoding, ..Options::default() });
    peer.engine.connected(peer.now);
    peer.hear(&format!(r#"{{"id":1,"result":{OWN}}}"#));
    assert_eq!(peer.said()[1..], [AUTHENTICATE]);
    assert!(peer.hear(r#"{"id":2,"result":{}}"#).is_empty());
    assert_eq!(peer.said(), [r#"{"id":3,"method":"config","params":{"name":"me","encoding":"msgpack"}}"#]);
    assert_eq!(peer.hear(r#"{"id":3,"result":true}"#), ["ready"]);
    assert_eq!(peer.engine.encoding(), Encoding::Msgpack);
}

#[test]
fn a_daemon_that_does_not_say_what_it_is_is_asked_all_the_same() {
    let mut peer = asked();
    let events = peer.pass(Duration::from_secs(2));
    assert!(events[0].starts_with("note the daemon does not answer the greeting"), "{events:?}");
    assert_eq!((events.len(), peer.said()), (1, vec![AUTHENTICATE.to_owned()]));
    // A late result of `info` still has an effect.
    assert!(peer.hear(&format!(r#"{{"id":1,"result":{CJET}}}"#)).is_empty());
    assert_eq!(peer.hear(r#"{"id":2,"result":true}"#), ["ready"]);
    assert_eq!(peer.engine.daemon_kind().name(), "cjet");
    assert_eq!(state(&peer), Some(&Authentication::Accepted { groups: None }));
    // Without any response to `info`.
    let mut silent = asked();
    silent.pass(Duration::from_secs(2));
    assert_eq!(silent.hear(r#"{"id":2,"result":{}}"#), ["ready"]);
}

#[test]
fn a_daemon_has_time_for_a_login_but_not_for_ever() {
    let mut peer = logging_in(OWN);
    let due = peer.engine.next_timeout(peer.now).expect("a deadline") - peer.now;
    assert_eq!(due, Duration::from_secs(2) + LOGIN_PATIENCE);
    assert!(peer.pass(due - Duration::from_millis(1)).is_empty());
    let error = r#"{"code":-32001,"message":"Response Timeout"}"#;
    assert_eq!(peer.pass(Duration::from_millis(1)), [format!("login as 'ann' failed: no answer {error}")]);
    assert!(peer.engine.is_closed());
    assert_eq!(peer.engine.next_timeout(peer.now), None);
}

#[test]
fn a_login_that_does_not_fit_into_a_message_fails() {
    let login = Login { user: "ann".into(), password: "x".repeat(100).into() };
    let mut peer = Peer::with(Options { login: Some(login), max_message: 90, ..Options::default() });
    peer.engine.connected(peer.now);
    let events = peer.hear(&format!(r#"{{"id":1,"result":{OWN}}}"#));
    assert!(events[0].starts_with("login as 'ann' failed: it is longer than a message may be"), "{events:?}");
    assert!(peer.engine.is_closed());
}

#[test]
fn what_the_program_sends_meanwhile_goes_out_behind_the_login() {
    let mut peer = logging_in(OWN);
    peer.engine.set("a", Some(json("1")), ASK).unwrap();
    assert!(peer.said().is_empty());
    assert_eq!(peer.hear(r#"{"id":2,"result":{}}"#), ["ready"]);
    assert_eq!(peer.said(), [r#"{"id":3,"method":"set","params":{"path":"a","value":1}}"#]);
}
