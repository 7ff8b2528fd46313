//! `access` on add, as each kind of daemon gets it: no daemon may allow more than the program asked for.

use std::time::Duration;

use crate::support::peer::{ASK, Peer, TELL, json};
use jet::peer::Role;

const OWN: &str = r#"{"features":{"match":true,"authenticate":true}}"#;
const OWN_WITHOUT_USERS: &str = r#"{"features":{"match":true,"authenticate":false}}"#;
const NODE_JET: &str = r#"{"features":{"authentication":true}}"#;
const NODE_JET_3: &str = r#"{"features":{"asNotification":false,"authenticate":true}}"#;
const NODE_JET_3_WITHOUT_USERS: &str = r#"{"features":{"asNotification":false,"authenticate":false}}"#;
const CJET: &str = r#"{"name":"cjet"}"#;
const UNKNOWN: &str = "{}";

const ALL: &str = r#"{"fetchGroups":["f","g"],"setGroups":["s"],"callGroups":["c"]}"#;

/// Returns what is sent after the path and the value of a state `p`, and the notes for the log.
fn added(info: &str, access: &str) -> (String, Vec<String>) {
    let mut peer = Peer::new().greeted(info);
    let value = Some(json("1"));
    peer.engine.add_with_access("p", value, Role::State, json(access), TELL).unwrap();
    let said = peer.said();
    let rest = said[0].strip_prefix(r#"{"method":"add","params":{"path":"p","value":1"#).expect("an add");
    (rest.strip_suffix("}}").expect("an end").to_owned(), peer.pass(Duration::ZERO))
}

#[test]
fn most_daemons_get_it_as_it_is() {
    for (info, notes) in [
        (OWN, &[][..]),
        (NODE_JET, &[]),
        (CJET, &[]),
        (OWN_WITHOUT_USERS, &["note the daemon has no users: access protects nothing"]),
        (UNKNOWN, &["note the daemon does not say what it is: access may protect nothing"]),
    ] {
        assert_eq!(
            added(info, ALL),
            (format!(r#","access":{ALL}"#), notes.iter().map(|&n| n.into()).collect())
        );
        assert_eq!(added(info, "{}").0, r#","access":{}"#);
    }
}

#[test]
fn the_c_daemon_closes_what_has_no_list() {
    for (access, is_told) in [
        (r#"{"fetchGroups":[],"setGroups":[]}"#, false),
        (r#"{"fetchGroups":["a"]}"#, true),
        (r#"{"setGroups":["a"]}"#, true),
        (r#"{"fetchGroups":["a"],"callGroups":["a"]}"#, true),
    ] {
        let (sent, notes) = added(CJET, access);
        assert_eq!(sent, format!(r#","access":{access}"#));
        assert_eq!(!notes.is_empty(), is_told, "{access}: {notes:?}");
    }
}

#[test]
fn node_jet_3_has_one_group_for_each_action() {
    const SHOWN: &str = "shows every element to every peer";
    const ONE: &str = "one group";
    for (access, sent, notes) in [
        (r#"{"fetchGroups":["f"],"setGroups":["s"]}"#, r#"{"read":"f","write":"s"}"#, &[SHOWN][..]),
        (r#"{"fetchGroups":["f"],"setGroups":["s","s"]}"#, r#"{"read":"f","write":"s"}"#, &[SHOWN]),
        ("{}", r#"{"read":"all","write":"all"}"#, &[SHOWN]),
        (r#"{"callGroups":["c"]}"#, r#"{"read":"all","write":"all"}"#, &[SHOWN]),
        (ALL, r#"{"read":"f","write":"s"}"#, &[SHOWN, ONE]),
        (r#"{"setGroups":["","s","t"]}"#, r#"{"read":"all","write":"s"}"#, &[SHOWN, ONE]),
        (r#"{"fetchGroups":[],"setGroups":[]}"#, r#"{"read":"admin","write":"(nobody)"}"#, &[SHOWN]),
        (r#"{"setGroups":[""]}"#, r#"{"read":"all","write":"(nobody)"}"#, &[SHOWN]),
    ] {
        let (rest, said) = added(NODE_JET_3, access);
        assert_eq!(rest, format!(r#","access":{sent}"#), "{access}");
        assert_eq!(said.len(), notes.len(), "{access}: {said:?}");
        assert!(said.iter().zip(notes).all(|(said, note)| said.contains(note)), "{access}: {said:?}");
    }
    // Without users a group in `read` would break every get of every peer.
    let (rest, said) = added(NODE_JET_3_WITHOUT_USERS, ALL);
    assert_eq!(rest, r#","access":{"write":"s"}"#);
    assert_eq!(said.len(), 2);
}

#[test]
fn a_method_of_node_jet_3_is_for_those_who_may_call() {
    let mut peer = Peer::new().greeted(NODE_JET_3);
    let access = r#"{"setGroups":["s"],"callGroups":["c"]}"#;
    peer.engine.add_with_access("m", None, Role::Method, json(access), TELL).unwrap();
    peer.engine.add_with_access("raw", None, Role::Raw, json(access), TELL).unwrap();
    peer.engine.add_with_access("empty", None, Role::State, json(access), TELL).unwrap();
    assert_eq!(
        peer.said(),
        [
            r#"{"method":"add","params":{"path":"m","access":{"read":"all","write":"c"}}}"#,
            r#"{"method":"add","params":{"path":"raw","access":{"read":"all","write":"c"}}}"#,
            r#"{"method":"add","params":{"path":"empty","kind":"state","access":{"read":"all","write":"s"}}}"#,
        ]
    );
}

#[test]
fn the_lua_daemon_is_not_told_and_the_log_is_once() {
    let mut peer = Peer::new();
    peer.engine.add_with_access("early", None, Role::Method, json(ALL), ASK).unwrap();
    peer.engine.connected(peer.now);
    peer.said();
    let error = r#"{"id":2,"error":{"code":-32601,"message":"Method not found","data":"info"}}"#;
    assert_eq!(peer.hear(error), ["ready"]);
    assert_eq!(peer.said(), [r#"{"id":1,"method":"add","params":{"path":"early"}}"#]);
    let note = "note the daemon has no users: access protects nothing";
    assert_eq!(peer.pass(Duration::ZERO), [note]);
    peer.engine.add_with_access("late", None, Role::Method, json(ALL), ASK).unwrap();
    assert!(peer.pass(Duration::ZERO).is_empty());
    assert_eq!(peer.hear(r#"{"id":1,"result":true}"#), ["1 ok true"]);
}

#[test]
fn an_early_add_waits_in_its_place_for_the_daemon() {
    let mut peer = Peer::new();
    peer.engine.add("before", None, TELL).unwrap();
    let quick = jet::peer::RequestOptions { timeout: Some(0.5), ..TELL };
    peer.engine.add_with_access("p", Some(json("1")), Role::State, json("{}"), quick).unwrap();
    peer.engine.remove("p", TELL).unwrap();
    let mut peer = peer.greeted(NODE_JET);
    assert_eq!(
        peer.said(),
        [
            r#"{"method":"add","params":{"path":"before"}}"#,
            r#"{"method":"add","params":{"path":"p","value":1,"access":{},"timeout":0.5}}"#,
            r#"{"method":"remove","params":{"path":"p"}}"#,
        ]
    );
}

#[test]
fn a_refusal_says_the_path_whatever_the_daemon_calls_it() {
    for (info, error) in [
        (CJET, r#"{"code":-32602,"message":"Invalid params","data":{"request not authorized":"p"}}"#),
        (NODE_JET_3, r#"{"code":-32602,"message":"Missing authorization","data":{"details":"p"}}"#),
        (NODE_JET_3, r#"{"code":-32600,"message":"Requested group does not exist","data":{"details":""}}"#),
    ] {
        let mut peer = Peer::new().greeted(info);
        peer.engine.set("p", Some(json("1")), ASK).unwrap();
        let data = format!(r#"{{"noAccess":"p","original":{error}}}"#);
        let expected = format!(r#"2 error {{"code":-32602,"message":"Invalid params","data":{data}}}"#);
        assert_eq!(peer.hear(&format!(r#"{{"id":2,"error":{error}}}"#)), [expected]);
    }
}
