//! The fetch that each kind of daemon gets: the narrowest one it supports that contains all matches of the program's
//! expression.

use crate::support::peer::{Peer, TELL, json};

const NODE_JET: &str = r#"{"features":{"authentication":true}}"#;
const NODE_JET_3: &str = r#"{"features":{"asNotification":false}}"#;
const CJET: &str = r#"{"name":"cjet"}"#;
const UNKNOWN: &str = "{}";
const NO_INFO: &str = r#"{"id":1,"error":{"code":-32601,"message":"Method not found"}}"#;

/// Returns the params that a daemon gets for an expression, without the id.
fn asked(info: Option<&str>, expression: &str) -> String {
    let mut peer = Peer::new();
    match info {
        Some(info) => peer = peer.greeted(info),
        None => {
            peer.engine.connected(peer.now);
            peer.hear(NO_INFO);
            peer.said();
        }
    }
    peer.fetch(expression);
    let message = peer.said().remove(0);
    let params = json(&message).get("params").expect("params");
    let members = params.members().filter(|(key, _)| key != "id");
    let members: Vec<_> = members.map(|(key, value)| format!("\"{key}\":{}", value.text())).collect();
    format!("{{{}}}", members.join(","))
}

/// Checks the path rules that the Lua daemon, node-jet 1/2, node-jet 3 and the C daemon get.
fn compare(expression: &str, [lua, node_jet, node_jet_3, cjet]: [&str; 4]) {
    let all = r#"{"path":{"startsWith":""}}"#;
    let path = |text: &str| match text {
        "" => "{}".to_owned(),
        _ => format!("{{\"path\":{{{text}}}}}"),
    };
    assert_eq!(asked(None, expression), path(lua), "Lua: {expression}");
    assert_eq!(asked(Some(NODE_JET), expression), path(node_jet), "node-jet: {expression}");
    let expected = if node_jet_3.is_empty() { all.to_owned() } else { path(node_jet_3) };
    assert_eq!(asked(Some(NODE_JET_3), expression), expected, "node-jet 3: {expression}");
    assert_eq!(asked(Some(CJET), expression), path(cjet), "cjet: {expression}");
}

#[test]
fn everything_is_asked_for_as_the_daemon_likes_it() {
    for all in [
        "{}",
        r#"{"path":{}}"#,
        r#"{"path":{"startsWith":"","contains":""}}"#,
        r#"{"path":{"containsAllOf":[]}}"#,
    ] {
        compare(all, ["", "", "", ""]);
        assert_eq!(asked(Some(UNKNOWN), all), r#"{"path":{"startsWith":""}}"#);
    }
}

#[test]
fn positive_rules_go_to_everybody() {
    for rule in [
        r#""equals":"a""#,
        r#""startsWith":"a""#,
        r#""endsWith":"a""#,
        r#""contains":"a""#,
        r#""containsAllOf":["a","b"]"#,
    ] {
        let folded = format!(r#"{rule},"caseInsensitive":true"#);
        compare(&format!(r#"{{"path":{{{rule}}}}}"#), [&folded, rule, rule, rule]);
        assert_eq!(
            asked(Some(UNKNOWN), &format!(r#"{{"path":{{{rule}}}}}"#)),
            format!(r#"{{"path":{{{rule}}}}}"#)
        );
    }
}

#[test]
fn lists_and_negations_go_where_they_are_known() {
    compare(
        r#"{"path":{"equalsOneOf":["net/a","net/b"]}}"#,
        [
            r#""equalsOneOf":["net/a","net/b"],"caseInsensitive":true"#,
            r#""equalsOneOf":["net/a","net/b"]"#,
            r#""equalsOneOf":["net/a","net/b"]"#,
            r#""startsWith":"net/""#,
        ],
    );
    compare(
        r#"{"path":{"startsWithOneOf":["ab","cd"]}}"#,
        [
            r#""containsOneOf":["ab","cd"],"caseInsensitive":true"#,
            r#""containsOneOf":["ab","cd"]"#,
            r#""containsOneOf":["ab","cd"]"#,
            "",
        ],
    );
    let not = r#""equalsNot":"a""#;
    compare(r#"{"path":{"equalsNot":"a"}}"#, [not, not, "", not]);
    let not = r#""containsNot":"a","startsNotWith":"b","equalsNotOneOf":["d","e"]"#;
    compare(&format!(r#"{{"path":{{{not}}}}}"#), [not, not, "", ""]);
    compare(r#"{"path":{"endsNotWith":"a"}}"#, ["", "", "", ""]);
    compare(r#"{"path":{"containsNoneOf":["a","b"]}}"#, ["", "", "", ""]);
    compare(
        r#"{"path":{"startsWith":"a","containsNot":"b"}}"#,
        [
            r#""startsWith":"a","caseInsensitive":true"#,
            r#""startsWith":"a","containsNot":"b""#,
            r#""startsWith":"a""#,
            r#""startsWith":"a""#,
        ],
    );
}

#[test]
fn case_is_ignored_only_where_that_finds_enough() {
    let rule = r#""startsWith":"ab","caseInsensitive":true"#;
    compare(&format!(r#"{{"path":{{{rule}}}}}"#), [rule, rule, "", rule]);
    // The lower case of É differs between daemons.
    let rule = r#""startsWith":"É","caseInsensitive":true"#;
    compare(&format!(r#"{{"path":{{{rule}}}}}"#), [rule, "", "", rule]);
}

#[test]
fn patterns_become_the_text_they_cannot_do_without() {
    compare(
        r#"{"match":["^net/%d+$"]}"#,
        [
            r#""startsWith":"net/","caseInsensitive":true"#,
            r#""startsWith":"net/""#,
            r#""startsWith":"net/""#,
            r#""startsWith":"net/""#,
        ],
    );
    compare(
        r#"{"match":["^name$"]}"#,
        [
            r#""equals":"name","caseInsensitive":true"#,
            r#""equals":"name""#,
            r#""equals":"name""#,
            r#""equals":"name""#,
        ],
    );
    compare(
        r#"{"match":["a.b","cd"]}"#,
        [
            r#""containsOneOf":["b","cd"],"caseInsensitive":true"#,
            r#""containsOneOf":["b","cd"]"#,
            r#""containsOneOf":["b","cd"]"#,
            "",
        ],
    );
    for nothing in
        [r#"{"match":[".*"]}"#, r#"{"match":["a",".*"]}"#, r#"{"unmatch":["a"]}"#, r#"{"text":".*"}"#]
    {
        compare(nothing, ["", "", "", ""]);
    }
    let text = r#""contains":"plain text""#;
    compare(r#"{"text":"plain text"}"#, [&format!(r#"{text},"caseInsensitive":true"#), text, text, text]);
    let pieces = r#""containsAllOf":["ne","settings"]"#;
    compare(
        r#"{"text":"net-settings"}"#,
        [&format!(r#"{pieces},"caseInsensitive":true"#), pieces, pieces, pieces],
    );
}

#[test]
fn the_small_daemon_gets_no_more_than_it_can_take() {
    let words: Vec<String> = (0..13).map(|n| format!("\"w{n}\"")).collect();
    let rule = |count: usize| format!(r#"{{"path":{{"containsAllOf":[{}]}}}}"#, words[..count].join(","));
    assert_eq!(asked(Some(CJET), &rule(12)), rule(12));
    assert_eq!(asked(Some(CJET), &rule(13)), "{}");
    let long = |length: usize| format!(r#"{{"path":{{"equals":"{}"}}}}"#, "x".repeat(length));
    assert_eq!(asked(Some(CJET), &long(377)), long(377));
    assert_eq!(asked(Some(CJET), &long(378)), long(378));
    assert_eq!(asked(Some(CJET), &long(379)), "{}");
    assert_eq!(asked(Some(CJET), r#"{"path":{"contains":"a\u0000b"}}"#), "{}");
}

#[test]
fn value_rules_go_where_they_find_enough() {
    let value = |info, rules: &str| asked(info, &format!(r#"{{"path":{{"equals":"a"}},"value":{rules}}}"#));
    let with = |path: &str, rules: &str| match rules {
        "" => format!(r#"{{"path":{{{path}}}}}"#),
        _ => format!(r#"{{"path":{{{path}}},"value":{rules}}}"#),
    };
    let lua_path = r#""equals":"a","caseInsensitive":true"#;
    for (rules, lua, node_jet) in [
        (r#"{"equals":5}"#, "", r#"{"equals":5}"#),
        (r#"{"equals":"x"}"#, r#"{"equals":"x"}"#, r#"{"equals":"x"}"#),
        (r#"{"equalsNot":true}"#, r#"{"equalsNot":true}"#, r#"{"equalsNot":true}"#),
        (r#"{"equals":null}"#, "", ""),
        (
            r#"{"lessThan":5,"greaterThan":1.5}"#,
            r#"{"lessThan":5,"greaterThan":1.5}"#,
            r#"{"lessThan":5,"greaterThan":1.5}"#,
        ),
        (r#"{"lessThan":9007199254740993}"#, "", ""),
        (r#"{"lessThan":"é"}"#, "", ""),
        (r#"{"lessThan":"e"}"#, r#"{"lessThan":"e"}"#, r#"{"lessThan":"e"}"#),
        (r#"{"isType":"object"}"#, r#"{"isType":"object"}"#, r#"{"isType":"object"}"#),
        (r#"{"isType":"nil"}"#, "", r#"{"isType":"undefined"}"#),
        (r#"{"isType":"userdata"}"#, "", r#"{"isType":"object"}"#),
        (r#"{"hasOneOf":[1]}"#, "", ""),
        (r#"{"":{"operator":"lessThan","value":3}}"#, r#"{"lessThan":3}"#, r#"{"lessThan":3}"#),
        (r#"{"x.y":{"operator":"lessThan","value":3}}"#, "", ""),
    ] {
        assert_eq!(value(None, rules), with(lua_path, lua), "Lua: {rules}");
        assert_eq!(value(Some(NODE_JET), rules), with(r#""equals":"a""#, node_jet), "node-jet: {rules}");
        for other in [NODE_JET_3, CJET, UNKNOWN] {
            assert_eq!(value(Some(other), rules), with(r#""equals":"a""#, ""), "{other}: {rules}");
        }
    }
    // The Lua daemon loses elements with value rules alone.
    assert_eq!(asked(None, r#"{"value":{"equals":"x"}}"#), "{}");
    assert_eq!(asked(Some(NODE_JET), r#"{"value":{"equals":"x"}}"#), r#"{"value":{"equals":"x"}}"#);
    assert_eq!(asked(Some(NODE_JET), r#"{"valueField":{"a":{"equals":"x"}}}"#), "{}");
}

#[test]
fn a_time_of_a_fetch_stays_here() {
    let mut peer = Peer::new().greeted(CJET);
    let options = jet::peer::RequestOptions { timeout: Some(3.0), ..TELL };
    peer.engine.fetch(None, json(r#"{"timeout":4}"#), options).unwrap();
    peer.engine.unfetch(0, options).unwrap();
    let (fetch, end) = (
        r#"{"method":"fetch","params":{"id":"__f__0"}}"#,
        r#"{"method":"unfetch","params":{"id":"__f__0"}}"#,
    );
    assert_eq!(peer.said(), [fetch, end]);
}
