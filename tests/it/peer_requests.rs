//! Routed requests for the elements of a peer: both forms of requests, arrays, invalid messages, responses.

use crate::support::peer::{ASK, OWN, Peer, json};
use jet::peer::Role;

/// Returns a peer with the state `s` (1), the method `m` (2) and the raw element `r` (3).
fn owner() -> Peer {
    owner_on(OWN)
}

fn owner_on(info: &str) -> Peer {
    let mut peer = Peer::new().greeted(info);
    peer.engine.own("s", 1, Role::State);
    peer.engine.own("m", 2, Role::Method);
    peer.engine.own("r", 3, Role::Raw);
    peer
}

#[test]
fn the_method_of_a_routed_request_is_the_path() {
    let events = owner().hear_all(&[
        r#"{"id":"x1","method":"s","params":{"value":[1, 2]}}"#,
        r#"{"id":7,"method":"s","params":{"value":null,"valueAsResult":true}}"#,
        r#"{"method":"s","params":{"value":false}}"#,
        r#"{"id":0,"method":"s","params":{}}"#,
        r#"{"id":"","method":"m","params":[1,null]}"#,
        r#"{"id":[1],"method":"m","params":{"a":1}}"#,
        r#"{"id":1.5,"method":"m"}"#,
        r#"{"id":null,"method":"m","params":{}}"#,
        r#"{"id":true,"method":"r","params":5}"#,
    ]);
    assert_eq!(
        events,
        [
            r#"set 1 "x1" [1, 2]"#,
            "set 1 7 null as result",
            "set 1 - false",
            "set 1 0 -",
            r#"call 2 "" [1,null]"#,
            r#"call 2 [1] {"a":1}"#,
            "call 2 1.5 -",
            "call 2 - {}",
            r#"raw 3 true {"id":true,"method":"r","params":5}"#,
        ]
    );
}

#[test]
fn or_the_method_is_the_service() {
    let events = owner().hear_all(&[
        r#"{"id":"1","method":"set","params":{"path":"s","value":5,"valueAsResult":true}}"#,
        r#"{"id":"2","method":"call","params":{"path":"m","args":[5]}}"#,
        r#"{"id":"3","method":"call","params":{"path":"m"}}"#,
        r#"{"method":"set","params":{"path":"s","value":6}}"#,
        r#"{"id":"4","method":"call","params":{"path":"r"}}"#,
    ]);
    assert_eq!(
        events,
        [
            r#"set 1 "1" 5 as result"#,
            r#"call 2 "2" [5]"#,
            r#"call 2 "3" -"#,
            "set 1 - 6",
            r#"raw 3 "4" {"id":"4","method":"call","params":{"path":"r"}}"#,
        ]
    );
}

#[test]
fn a_service_does_not_fit_every_element() {
    let mut peer = owner();
    let events = peer.hear_all(&[
        r#"{"id":1,"method":"call","params":{"path":"s","args":[]}}"#,
        r#"{"id":2,"method":"set","params":{"path":"m","value":1}}"#,
        r#"{"method":"set","params":{"path":"m","value":1}}"#,
    ]);
    assert!(events.is_empty());
    let refusal = |id, path| {
        let data = format!(r#"{{"wrongKind":"{path}"}}"#);
        format!(r#"{{"id":{id},"error":{{"code":-32602,"message":"Invalid params","data":{data}}}}}"#)
    };
    assert_eq!(peer.said(), [refusal(1, "s"), refusal(2, "m")]);
}

#[test]
fn elements_may_be_called_like_a_service() {
    const NODE_JET_3: &str = r#"{"features":{"authenticate":false,"asNotification":false}}"#;
    let mut peer = owner();
    peer.engine.own("set", 4, Role::State);
    peer.engine.own("call", 5, Role::Method);
    let classic = [
        r#"{"id":1,"method":"set","params":{"value":1}}"#,
        r#"{"id":2,"method":"call","params":{"path":"m"}}"#,
    ];
    assert_eq!(peer.hear_all(&classic), ["set 4 1 1", r#"call 5 2 {"path":"m"}"#]);
    let mut peer = owner_on(NODE_JET_3);
    peer.engine.own("set", 4, Role::State);
    let by_service = r#"{"id":"1","method":"set","params":{"path":"s","value":1}}"#;
    assert_eq!(peer.hear(by_service), [r#"set 1 "1" 1"#]);
    let own = r#"{"id":"2","method":"set","params":{"path":"set","value":1}}"#;
    assert_eq!(peer.hear(own), [r#"set 4 "2" 1"#]);
}

#[test]
fn params_that_are_no_container_are_refused_by_states_and_arguments_of_methods() {
    for params in ["5", "\"x\"", "true", "false"] {
        let mut peer = owner();
        assert!(peer.hear(&format!(r#"{{"id":9,"method":"s","params":{params}}}"#)).is_empty());
        assert!(peer.hear(&format!(r#"{{"method":"s","params":{params}}}"#)).is_empty());
        let data = format!(r#"{{"wrongType":"params","got":{params}}}"#);
        let error = format!(r#"{{"code":-32602,"message":"Invalid params","data":{data}}}"#);
        assert_eq!(peer.said(), [format!(r#"{{"id":9,"error":{error}}}"#)]);
        let call = format!(r#"{{"id":9,"method":"m","params":{params}}}"#);
        assert_eq!(peer.hear(&call), [format!("call 2 9 {params}")]);
    }
}

#[test]
fn what_this_peer_does_not_have_is_answered_and_told() {
    let mut peer = owner();
    peer.engine.disown("s");
    for method in [r#""s""#, r#""nothing""#, r#""set""#, "5", "null", r#"{"a":[]}"#] {
        let request = format!(r#"{{"id":"i","method":{method},"params":{{}}}}"#);
        assert_eq!(peer.hear(&request), [format!("unknown {request}")]);
        let error = format!(r#"{{"code":-32601,"message":"Method not found","data":{method}}}"#);
        assert_eq!(peer.said(), [format!(r#"{{"id":"i","error":{error}}}"#)]);
        let notification = format!(r#"{{"method":{method}}}"#);
        assert_eq!(peer.hear(&notification), [format!("unknown {notification}")]);
        assert!(peer.said().is_empty());
    }
}

#[test]
fn a_batch_is_handled_in_order() {
    let mut peer = owner();
    peer.engine.call("x", json("{}"), ASK).unwrap();
    let events = peer.hear(
        r#" [ {"id":1,"method":"s","params":{"value":1}} , 5, {"id":2,"result":"r"},
              {"id":3,"method":"m","params":{}} ] "#,
    );
    assert_eq!(events, ["set 1 1 1", "note unhandled message: 5", "2 ok \"r\"", "call 2 3 {}"]);
}

#[test]
fn answers_carry_the_id_exactly_as_it_came() {
    let mut peer = owner();
    for id in ["0", "1e0", "\"\\u0041\"", "[1, 2]", "false", "123456789012345678901234567890"] {
        peer.engine.answer(id, json("false")).unwrap();
        peer.engine.refuse(id, json(r#"{"code":1,"message":"m"}"#)).unwrap();
        assert_eq!(
            peer.said(),
            [
                format!(r#"{{"id":{id},"result":false}}"#),
                format!(r#"{{"id":{id},"error":{{"code":1,"message":"m"}}}}"#)
            ]
        );
    }
}

#[test]
fn paths_are_compared_after_their_escapes_are_resolved() {
    let mut peer = owner();
    peer.engine.own("é/\"\n", 9, Role::State);
    assert_eq!(peer.hear(r#"{"id":1,"method":"\u00e9\/\"\u000a","params":{"value":1}}"#), ["set 9 1 1"]);
}
