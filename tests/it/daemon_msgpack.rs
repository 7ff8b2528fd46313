//! The bus with peers that use msgpack: when the encoding changes, and messages between peers of both encodings.
//! These tests read and write msgpack with rmpv.

use crate::support::bench::{Bench, Peer};
use crate::support::msgpack;
use crate::support::msgpack::{messages, packed};
use jet::daemon::{Config, SLICE};
use jet::wire::encoding::Encoding;
use rmpv::Value as Packed;
use serde_json::{Value, json};

/// Returns the unsent messages of a peer that uses msgpack.
fn read(bench: &mut Bench, peer: Peer) -> Vec<Value> {
    let mut frames = Vec::new();
    bench.bus.take_unsent(peer.0, &mut frames);
    messages(&frames)
}

fn switched(bench: &mut Bench) -> Peer {
    let peer = bench.peer();
    bench.done(peer, "config", json!({"name": "packer", "encoding": "msgpack"}));
    peer
}

fn send(bench: &mut Bench, peer: Peer, message: Value) {
    bench.feed(peer, packed(&message));
}

#[test]
fn what_follows_config_in_the_same_batch_is_answered_in_msgpack() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    let echo = |id: u32| json!({"id": id, "method": "echo", "params": [id]});
    let config = json!({"id": 2, "method": "config", "params": {"encoding": "msgpack"}});
    bench.send(peer, json!([echo(1), config, echo(3)]));
    assert_eq!(bench.bus.unsent_encoding(peer.0), Encoding::Json);
    let mut out = Vec::new();
    bench.bus.take_unsent(peer.0, &mut out);
    let json_part = String::from_utf8(out).expect("only JSON so far");
    assert!(
        json_part.ends_with(r#"{"id":2,"result":true}"#) && json_part.contains(r#"{"id":1,"result":[1]}"#)
    );
    assert_eq!(bench.bus.unsent_encoding(peer.0), Encoding::Msgpack);
    assert_eq!(read(&mut bench, peer), [json!({"id": 3, "result": [3]})]);
    send(&mut bench, peer, echo(4));
    assert_eq!(read(&mut bench, peer), [json!({"id": 4, "result": [4]})]);
}

#[test]
fn bytes_that_leave_one_by_one_keep_their_encoding() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    let config = json!({"id": 1, "method": "config", "params": {"encoding": "msgpack"}});
    bench.send(peer, json!([config, {"id": 2, "method": "echo", "params": "x"}]));
    let first = 4 + br#"{"id":1,"result":true}"#.len();
    let all = bench.bus.unsent(peer.0).len();
    for sent in 0..all {
        let expected = if sent < first { Encoding::Json } else { Encoding::Msgpack };
        assert_eq!(bench.bus.unsent_encoding(peer.0), expected, "after {sent} bytes");
        bench.bus.advance(peer.0, 1);
    }
}

#[test]
fn a_notification_changes_the_encoding_and_other_names_do_not() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    bench.send(peer, json!({"method": "config", "params": {"encoding": "msgpack"}}));
    send(&mut bench, peer, json!({"id": 1, "method": "echo", "params": 5}));
    assert_eq!(read(&mut bench, peer), [json!({"id": 1, "result": 5})]);
    // The encoding cannot be changed back: `json` is ignored like other unknown names.
    for encoding in [json!("json"), json!("msgpack"), json!(null), json!(7)] {
        send(&mut bench, peer, json!({"id": 2, "method": "config", "params": {"encoding": encoding}}));
        assert_eq!(read(&mut bench, peer), [json!({"id": 2, "result": true})]);
    }
    let other = bench.peer();
    for encoding in ["json", "MSGPACK", "cbor", ""] {
        bench.done(other, "config", json!({"encoding": encoding}));
    }
    assert_eq!(bench.refused(other, "config", json!({"peer": "packer", "encoding": "msgpack"})).0, -32602);
    bench.done(other, "echo", json!(true));
}

#[test]
fn json_that_was_sent_before_the_answer_was_read_is_taken() {
    let mut bench = Bench::new();
    let peer = switched(&mut bench);
    bench.send(peer, json!({"id": 1, "method": "echo", "params": 1}));
    bench.send(peer, json!([{"id": 2, "method": "echo", "params": 2}]));
    assert_eq!(read(&mut bench, peer), [json!({"id": 1, "result": 1}), json!({"id": 2, "result": 2})]);
}

#[test]
fn peers_of_both_encodings_meet() {
    let mut bench = Bench::new();
    let (owner, other) = (switched(&mut bench), bench.peer());
    let value = json!({"list": [1, -2, 0.5, "ü", null, true, [], {}], "big": u64::MAX});
    send(&mut bench, owner, json!({"id": 1, "method": "add", "params": {"path": "a", "value": value}}));
    send(
        &mut bench,
        owner,
        json!([{"id": 2, "method": "add", "params": {"path": "m"}},
        {"id": 3, "method": "fetch", "params": {"id": "f", "path": {"equals": "b"}}}]),
    );
    let done = |id: u32| json!({"id": id, "result": true});
    assert_eq!(read(&mut bench, owner), [done(1), done(2), done(3)]);

    let told = bench.fetch(other, json!({"path": {"startsWith": "a"}}));
    assert_eq!(told, [json!({"path": "a", "event": "add", "value": value})]);
    bench.add(other, "b", json!(2.5));
    let add = json!({"method": "f", "params": {"path": "b", "event": "add", "value": 2.5}});
    assert_eq!(read(&mut bench, owner), [add]);

    bench.send(other, json!({"id": 7, "method": "set", "params": {"path": "a", "value": [1]}}));
    let routed = read(&mut bench, owner).remove(0);
    assert_eq!((&routed["method"], &routed["params"]), (&json!("a"), &json!({"value": [1]})));
    send(
        &mut bench,
        owner,
        json!([{"id": routed["id"], "result": {"no": "wonder"}},
        {"method": "change", "params": {"path": "a", "value": [1]}}]),
    );
    let heard = bench.read(other);
    assert_eq!(heard[0], json!({"id": 7, "result": {"no": "wonder"}}));
    assert_eq!(heard[1]["params"], json!({"path": "a", "event": "change", "value": [1]}));

    bench.send(other, json!({"id": "x", "method": "call", "params": {"path": "m", "args": [1, "a"]}}));
    let routed = read(&mut bench, owner).remove(0);
    assert_eq!(routed["params"], json!([1, "a"]));
    let error = json!({"code": -32000, "message": "no"});
    send(&mut bench, owner, json!({"id": routed["id"], "error": error}));
    assert_eq!(bench.read_one(other), json!({"id": "x", "error": error}));

    send(&mut bench, owner, json!({"id": 9, "method": "set", "params": {"path": "none", "value": 1}}));
    assert_eq!(read(&mut bench, owner)[0]["error"]["data"], json!({"pathNotExists": "none"}));
}

#[test]
fn what_is_no_msgpack_is_refused_with_the_reason() {
    let mut bench = Bench::new();
    let peer = switched(&mut bench);
    let cases: [(&[u8], &str); 4] = [
        (b"\x81\xa1", "unexpected end at byte 1 of msgpack"),
        (b"\x91\xc1", "a type that JSON does not have at byte 2 of msgpack"),
        (b"\x91\xca\x7f\xc0\0\0", "NaN or an infinity at byte 2 of msgpack"),
        (b"\xdd\xff\xff\xff\xff", "unexpected end at byte 1 of msgpack"),
    ];
    for (bytes, reason) in cases {
        bench.feed(peer, bytes);
        let error = json!({"code": -32700, "message": "Parse error", "data": reason});
        assert_eq!(read(&mut bench, peer), [json!({ "error": error })]);
        assert!(bench.log().iter().any(|line| line.text.contains(reason)));
    }
    for scalar in [&b"\x05"[..], b"\xc0", b"\xa1x"] {
        bench.feed(peer, scalar);
        assert_eq!(read(&mut bench, peer)[0]["error"]["code"], -32700, "{scalar:x?}");
    }
    bench.feed(peer, b"\x90");
    assert_eq!(read(&mut bench, peer)[0]["error"]["code"], -32600);
    // Without `config`, msgpack is not accepted.
    let other = bench.peer();
    bench.feed(other, packed(&json!({"id": 1, "method": "info"})));
    assert_eq!(bench.read_one(other)["error"]["code"], -32700);
}

#[test]
fn invalid_utf8_is_latin1_and_said_once() {
    let mut bench = Bench::new();
    let peer = switched(&mut bench);
    bench.log();
    let path = Packed::Map(vec![
        ("path".into(), Packed::Binary(b"20 \xb0C".to_vec())),
        ("value".into(), Packed::Binary(b"\xe9".to_vec())),
    ]);
    let message = Packed::Map(vec![("method".into(), "add".into()), ("params".into(), path)]);
    let bytes = msgpack::write(&message);
    bench.feed(peer, &bytes);
    bench.feed(peer, &bytes);
    let other = bench.peer();
    assert_eq!(bench.fetch(other, json!({})), [json!({"path": "20 °C", "event": "add", "value": "é"})]);
    assert_eq!(bench.log().iter().filter(|line| line.text.contains("Latin-1")).count(), 1);
}

#[test]
fn both_forms_of_a_message_keep_the_limit() {
    let mut bench = Bench::with(Config { max_message: 1000, ..Config::default() });
    let (peer, other) = (switched(&mut bench), bench.peer());
    bench.fetch(other, json!({}));
    // The message is short as msgpack and long as JSON.
    let value: Vec<Option<bool>> = vec![None; 300];
    send(&mut bench, peer, json!({"id": 1, "method": "add", "params": {"path": "a", "value": value}}));
    let reason = "too long as JSON";
    let answer = read(&mut bench, peer).remove(0);
    assert!(answer["error"]["data"].as_str().expect("a reason").contains(reason), "{answer}");
    // The element is short enough as JSON, but its notification is too long as msgpack.
    send(&mut bench, peer, json!({"method": "fetch", "params": {"id": "f"}}));
    bench.add(other, "b", json!(vec![0.1; 200]));
    assert_eq!(bench.read(other).len(), 1);
    assert_eq!(read(&mut bench, peer), [] as [Value; 0]);
    assert!(bench.log().iter().any(|line| line.text.contains("a message for packer is left out")));
    send(&mut bench, peer, json!({"id": 2, "method": "get", "params": {}}));
    assert_eq!(read(&mut bench, peer)[0]["error"]["data"], "the message would be too long");
}

#[test]
fn a_long_window_is_split_so_that_all_of_it_arrives() {
    let mut bench = Bench::with(Config { max_message: 2000, ..Config::default() });
    let (peer, other) = (switched(&mut bench), bench.peer());
    for n in 0..40 {
        bench.add(other, &format!("p{n:02}"), json!(vec![0.1; 20]));
    }
    let params = json!({"id": "f", "sort": {"from": 1, "to": 40}});
    send(&mut bench, peer, json!({"method": "fetch", "params": params}));
    let messages = read(&mut bench, peer);
    let changes =
        messages.iter().flat_map(|message| message["params"]["changes"].as_array().expect("a list"));
    assert_eq!(changes.count(), 40);
    assert!(messages.len() > 1);
}

#[test]
fn depth_is_that_of_json() {
    let mut bench = Bench::with(Config { max_depth: 10, ..Config::default() });
    let peer = switched(&mut bench);
    let nested = |levels: usize| (1..levels).fold(json!([]), |value, _| json!([value]));
    let add =
        |path: &str, levels| json!({"method": "add", "params": {"path": path, "value": nested(levels)}});
    send(&mut bench, peer, add("a", 10));
    send(&mut bench, peer, add("b", 11));
    let answer = read(&mut bench, peer).remove(0);
    assert!(answer["error"]["data"].as_str().expect("a reason").starts_with("nested too deep"), "{answer}");
    assert_eq!(bench.bus.counts().0, 1);
}

#[test]
fn the_traffic_of_a_debugged_peer_is_logged_as_json() {
    let mut bench = Bench::new();
    let peer = switched(&mut bench);
    send(&mut bench, peer, json!({"method": "config", "params": {"debug": true}}));
    bench.log();
    send(&mut bench, peer, json!({"id": 1, "method": "echo", "params": "x"}));
    let lines: Vec<String> = bench.log().into_iter().map(|line| line.text).collect();
    let request: Value = serde_json::from_str(&lines[0]).expect("JSON");
    assert_eq!(request, json!({"id": 1, "method": "echo", "params": "x"}));
    assert_eq!(lines[1], r#"{"id":1,"result":"x"}"#);
}

#[test]
fn long_lists_are_translated_in_slices() {
    let mut bench = Bench::new();
    let (owner, reader, packer) = (bench.peer(), bench.peer(), switched(&mut bench));
    for number in 0..20_000 {
        bench.add(owner, &format!("state/{number}"), json!([number, {"unit": "°C"}]));
    }
    let sort = json!({"byPath": true, "to": 20_000});
    for (method, params) in
        [("get", json!({})), ("get", json!({"sort": sort})), ("fetch", json!({"id": "f", "sort": sort}))]
    {
        let request = json!({"id": 1, "method": method, "params": params});
        let before = bench.bus.spent();
        bench.send(reader, request.clone());
        let texts = bench.texts(reader);
        let as_json: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        let json_units = bench.bus.spent() - before;

        let before = bench.bus.spent();
        bench.bus.receive(packer.0, &packed(&request), bench.now);
        let mut got = read(&mut bench, packer);
        while bench.bus.has_work() {
            let before = bench.bus.spent();
            bench.bus.work(bench.now);
            assert!(bench.bus.spent() - before <= SLICE + 5_000);
            got.extend(read(&mut bench, packer));
        }
        let packed_units = bench.bus.spent() - before;
        let bytes: usize = texts.iter().map(String::len).sum();
        assert!(packed_units > json_units + bytes as u64 / 50, "{packed_units} after {json_units}");
        let list = |messages: &[Value]| -> Vec<Value> {
            let lists = messages.iter().map(|message| match method {
                "get" => message["result"].clone(),
                _ => message["params"]["changes"].clone(),
            });
            lists.flat_map(|list| list.as_array().cloned().unwrap_or_default()).collect()
        };
        assert_eq!(list(&got).len(), 20_000);
        assert_eq!(list(&got), list(&as_json), "{method}");
        assert_eq!(got.last().unwrap()["params"]["n"], as_json.last().unwrap()["params"]["n"]);
    }
}

#[test]
fn an_empty_list_is_one_in_msgpack() {
    let mut bench = Bench::new();
    let peer = switched(&mut bench);
    send(&mut bench, peer, json!({"id": "a", "method": "get"}));
    assert_eq!(read(&mut bench, peer), [json!({"id": "a", "result": []})]);
    send(
        &mut bench,
        peer,
        json!({"id": 2, "method": "fetch", "params": {"id": "f", "sort": {"byPath": true}}}),
    );
    let told = json!({"method": "f", "params": {"changes": [], "n": 0}});
    assert_eq!(read(&mut bench, peer), [json!({"id": 2, "result": true}), told]);
}
