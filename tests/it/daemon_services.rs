//! Responses of the bus: envelopes, the services on a peer's own elements and connection, and errors.

use crate::support::bench::Bench;
use jet::daemon::{Config, Level};
use serde_json::{Value, json};

#[test]
fn ids_come_back_exactly_as_they_came() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    for id in [r#""a\u0041""#, "0", "1.0", "12345678901234567890", "[]", r#"{"x":[1]}"#, "true", r#""""#] {
        bench.feed(peer, format!(r#"{{"id":{id},"method":"echo","params":[]}}"#));
        assert_eq!(bench.texts(peer), [format!(r#"{{"id":{id},"result":[]}}"#)]);
    }
}

#[test]
fn only_requests_with_an_id_are_answered() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    for message in [
        json!({"method": "echo", "params": 1}),
        json!({"method": "echo", "id": null}),
        json!({"method": "echo", "id": false}),
        json!({"method": "no such service"}),
        json!({"method": "remove", "params": {"path": "x"}}),
        json!({"id": "not requested", "result": true}),
        json!({"id": 5, "error": {}}),
        json!({"result": 1}),
    ] {
        bench.send(peer, message.clone());
        assert_eq!(bench.read(peer), Vec::<Value>::new(), "{message}");
    }
}

#[test]
fn what_is_no_message_is_an_invalid_request() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    for text in ["1", "\"x\"", "null", "true", "{}", "[]", "[[]]", r#"{"params":1}"#] {
        bench.feed(peer, text);
        let answer = bench.read_one(peer);
        assert_eq!(answer["error"]["code"], -32600, "{text}");
        assert!(answer.get("id").is_none(), "{text}");
    }
    bench.send(peer, json!({"id": 7}));
    let answer = bench.read_one(peer);
    assert_eq!((&answer["id"], &answer["error"]["data"]), (&json!(7), &json!({"id": 7})));
}

#[test]
fn garbage_is_a_parse_error_and_the_connection_goes_on() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    let deep = format!("{}{}", "[".repeat(1003), "]".repeat(1003));
    for text in ["{", "{}x", "nul", "1e400", "[1,]", "\u{feff}{}", "{'a':1}", &deep] {
        bench.feed(peer, text);
        let answer = bench.read_one(peer);
        assert_eq!(answer["error"]["code"], -32700, "{text}");
        assert!(answer.get("id").is_none());
        let shown = answer["error"]["data"].as_str().expect("the text");
        assert!(text.starts_with(shown) && !shown.is_empty(), "{text}");
    }
    bench.done(peer, "config", json!({}));
}

#[test]
fn batches_are_worked_through_whatever_is_in_them() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    bench.send(
        peer,
        json!([
            {"id": 1, "method": "add", "params": {"path": "a", "value": 1}},
            17,
            {"id": 2, "method": "nope"},
            [],
            {"id": 3, "method": "remove", "params": {"path": "a"}},
        ]),
    );
    let answers = bench.read(peer);
    let codes: Vec<_> =
        answers.iter().map(|answer| (answer["id"].clone(), answer["error"]["code"].clone())).collect();
    let null = Value::Null;
    assert_eq!(
        codes,
        [
            (json!(1), null.clone()),
            (null.clone(), json!(-32600)),
            (json!(2), json!(-32601)),
            (null.clone(), json!(-32600)),
            (json!(3), null),
        ]
    );
}

#[test]
fn an_unknown_service_is_named() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    assert_eq!(bench.refused(peer, "fly", json!({})), (-32601, json!("fly")));
    bench.send(peer, json!({"id": 1, "method": 5}));
    assert_eq!(
        bench.read_one(peer)["error"],
        json!({"code": -32601, "message": "Method not found", "data": 5})
    );
}

#[test]
fn elements_belong_to_who_added_them() {
    let mut bench = Bench::new();
    let (owner, other) = (bench.peer(), bench.peer());
    bench.done(owner, "add", json!({"path": "a", "value": 1}));
    let taken = (-32602, json!({"pathAlreadyExists": "a"}));
    assert_eq!(bench.refused(other, "add", json!({"path": "a"})), taken);
    assert_eq!(bench.refused(owner, "add", json!({"path": "a"})), taken);
    let foreign = (-32602, json!({"foreignPath": "a"}));
    assert_eq!(bench.refused(other, "change", json!({"path": "a", "value": 2})), foreign);
    assert_eq!(bench.refused(other, "remove", json!({"path": "a"})), foreign);
    bench.done(owner, "change", json!({"path": "a", "value": 2}));
    bench.done(owner, "remove", json!({"path": "a"}));
    let gone = (-32602, json!({"pathNotExists": "a"}));
    for service in ["change", "remove", "set", "call"] {
        assert_eq!(bench.refused(owner, service, json!({"path": "a", "value": 1})), gone, "{service}");
    }
    bench.done(other, "add", json!({"path": "a"}));
}

#[test]
fn faulty_params_are_named_and_shown() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    for service in ["add", "remove", "change", "set", "call"] {
        let params = json!({"value": 1});
        let data = json!({"missingParam": "path", "got": params});
        assert_eq!(bench.refused(peer, service, params), (-32602, data), "{service}");
        for path in [json!(5), json!(null), json!(["a"])] {
            let params = json!({"path": path});
            let data = json!({"wrongType": "path", "got": params});
            assert_eq!(bench.refused(peer, service, params), (-32602, data), "{service}");
        }
        for params in [json!(1), json!("a"), json!(["a"]), json!(null)] {
            assert_eq!(bench.refused(peer, service, params).0, -32602, "{service}");
        }
        bench.send(peer, json!({"id": 1, "method": service}));
        assert_eq!(bench.read_one(peer)["error"]["data"]["missingParam"], "path", "{service}");
    }
    for timeout in [json!("1"), json!(null), json!(true)] {
        let params = json!({"path": "t", "timeout": timeout});
        let data = json!({"wrongType": "timeout", "got": params});
        assert_eq!(bench.refused(peer, "add", params), (-32602, data));
    }
    bench.done(peer, "add", json!({"path": "t"}));
    assert_eq!(bench.refused(peer, "call", json!({"path": "t", "timeout": "1"})).1["wrongType"], "timeout");
}

#[test]
fn any_string_is_a_path() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    for path in ["", "1", "11", "__proto__", "a b", "é\u{0}\"\\", "__f__0", "add"] {
        bench.done(peer, "add", json!({"path": path, "value": path}));
        assert_eq!(bench.refused(peer, "add", json!({"path": path})).1, json!({"pathAlreadyExists": path}));
    }
    let found = bench.ask(peer, "get", json!({}));
    assert_eq!(found["result"].as_array().map(Vec::len), Some(8));
}

#[test]
fn info_says_what_peers_look_for() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    for params in ["", r#","params":null"#, r#","params":{}"#] {
        bench.feed(peer, format!(r#"{{"id":1,"method":"info"{params}}}"#));
        let info = bench.read_one(peer)["result"].clone();
        assert_eq!(info["name"], "lua-jet-rs");
        assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(info["protocolVersion"], "1.1.0");
        let features = json!({"batches": true, "authentication": false, "authenticate": false,
            "fetch": "full", "asNotification": true, "match": true});
        assert_eq!(info["features"], features);
    }
}

#[test]
fn config_takes_anything() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    for params in [json!({}), json!({"name": 5}), json!({"x": 1}), json!(null), json!({"encoding": "utf-8"})]
    {
        bench.done(peer, "config", params.clone());
        bench.done(peer, "configure", params);
    }
}

#[test]
fn config_acts_on_the_own_connection_only() {
    let mut bench = Bench::new();
    let (one, other) = (bench.peer(), bench.peer());
    bench.done(one, "config", json!({"name": "one"}));
    assert_eq!(bench.refused(other, "config", json!({"peer": "one", "debug": true})).0, -32602);
    bench.log();
    bench.done(one, "config", json!({}));
    assert_eq!(bench.log(), []);
}

#[test]
fn debug_logs_the_messages_of_a_peer_until_it_is_switched_off() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    bench.done(peer, "config", json!({"name": "me", "debug": true}));
    bench.log();
    // A `config` without the name and the flag leaves both as they were.
    bench.done(peer, "config", json!({"other": 1}));
    let lines = bench.log();
    assert!(lines.iter().all(|line| line.level == Level::Debug));
    let shown: Vec<_> = lines.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [r#"me -> {"id":99,"method":"config","params":{"other":1}}"#, r#"me <- {"id":99,"result":true}"#]
    );
    bench.done(peer, "config", json!({"debug": false}));
    bench.log();
    bench.done(peer, "config", json!({}));
    assert_eq!(bench.log(), []);
}

#[test]
fn echo_and_authenticate() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    for value in [json!(false), json!(null), json!([]), json!({"a": 1.5})] {
        assert_eq!(bench.ask(peer, "echo", value.clone())["result"], value);
    }
    bench.feed(peer, r#"{"id":1,"method":"echo"}"#);
    assert_eq!(bench.texts(peer), [r#"{"id":1,"result":true}"#]);
    bench.done(peer, "authenticate", json!({"user": "a", "password": "b"}));
}

#[test]
fn get_lists_what_matches_now() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    assert_eq!(bench.ask(peer, "get", json!({"path": {"contains": "a"}}))["result"], json!([]));
    bench.add(peer, "b", json!(2));
    bench.add(peer, "ab", json!([]));
    bench.send(peer, json!({"method": "add", "params": {"path": "a", "value": 1, "fetchOnly": true}}));
    bench.add_method(peer, "m");
    let all = json!([
        {"path": "b", "event": "add", "value": 2},
        {"path": "ab", "event": "add", "value": []},
        {"path": "a", "event": "add", "value": 1, "fetchOnly": true},
        {"path": "m", "event": "add"},
    ]);
    for params in [json!({}), json!(null), json!({"path": {"startsWith": ""}})] {
        assert_eq!(bench.ask(peer, "get", params)["result"], all);
    }
    let found = bench.ask(peer, "get", json!({"path": {"startsWith": "a"}, "value": {"isType": "number"}}));
    assert_eq!(found["result"], json!([{"path": "a", "event": "add", "value": 1, "fetchOnly": true}]));
    let sorted = bench.ask(peer, "get", json!({"path": {"startsWith": "a"}, "sort": {"byPath": true}}));
    let entry = json!({"path": "a", "value": 1, "fetchOnly": true, "index": 1});
    assert_eq!(sorted["result"][0], entry, "as node-jet 1 and 2 answer");
    let sorted = bench.ask(peer, "get", json!({"sort": {"byValue": "number", "descending": true}}));
    assert_eq!(
        sorted["result"],
        json!([{"path": "b", "value": 2, "index": 1}, {"path": "a", "value": 1, "fetchOnly": true, "index": 2}])
    );
    let (code, data) = bench.refused(peer, "get", json!({"path": {"equals": 5}}));
    assert_eq!((code, &data["fetchParams"]), (-32602, &json!({"path": {"equals": 5}})));
}

#[test]
fn values_travel_as_the_text_they_came_in() {
    let mut bench = Bench::new();
    let (owner, fetcher) = (bench.peer(), bench.peer());
    bench.fetch(fetcher, json!({}));
    for text in ["[]", "{}", "1.0", "9007199254740993", "0.10", "1e2", r#"{"a":1,"a":2}"#, r#""\u00e9\/""#] {
        bench.feed(owner, format!(r#"{{"method":"add","params":{{"path":"x","value": {text} }}}}"#));
        let value = format!(r#""value":{text}"#);
        assert!(bench.texts(fetcher)[0].contains(&value), "{text}");
        bench.remove(owner, "x");
        assert!(bench.texts(fetcher)[0].contains(&value), "{text}");
    }
}

#[test]
fn bytes_that_are_no_utf8_count_as_latin1_and_are_logged_once() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    for _ in 0..2 {
        bench.feed(peer, b"{\"id\":1,\"method\":\"echo\",\"params\":\"20 \xb0C \xc3\xa9\"}");
        assert_eq!(bench.read_one(peer)["result"], "20 °C é");
    }
    assert_eq!(bench.log().len(), 1);
}

#[test]
fn error_data_never_nests_deeper_than_readers_allow() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    // The value is at the limit in the request, and would be beyond it inside of an error.
    let deep = format!("{}{}", "[".repeat(998), "]".repeat(998));
    bench.feed(peer, format!(r#"{{"id":1,"method":"add","params":{{"value":{deep}}}}}"#));
    assert_eq!(bench.texts(peer), [r#"{"id":1,"error":{"code":-32602,"message":"Invalid params"}}"#]);
    bench.feed(peer, format!(r#"{{"id":1,"method":"echo","params":{deep}}}"#));
    assert_eq!(bench.texts(peer), [format!(r#"{{"id":1,"result":{deep}}}"#)]);
}

#[test]
fn an_answer_too_long_to_send_becomes_an_error() {
    let mut bench = Bench::with(Config { max_message: 200, ..Config::default() });
    let peer = bench.peer();
    let long = "x".repeat(90);
    for path in ["a", "b", "c"] {
        bench.add(peer, path, json!(long));
    }
    assert_eq!(bench.ask(peer, "get", json!({}))["error"]["code"], -32603);
    // An error is sent without its data if that does not fit.
    assert_eq!(
        bench.refused(peer, "add", json!({"path": 5, "value": "y".repeat(130)})),
        (-32602, Value::Null)
    );
    assert!(bench.log().iter().all(|line| line.level == Level::Crit));
}

#[test]
fn notifications_that_fail_are_logged() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    bench.remove(peer, "nowhere");
    let lines = bench.log();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].text.contains("pathNotExists") && lines[0].text.contains("nowhere"), "{}", lines[0]);
}
