//! Foreign peer kinds: each gets the messages that it expects, and other peers are not affected.

use crate::support::bench::{Bench, Peer};
use serde_json::{Value, json};

/// Connects a peer that sends the greeting of node-jet 3.
fn node_jet_3(bench: &mut Bench) -> Peer {
    let peer = bench.peer();
    bench.send(peer, json!({"id": "1", "method": "info", "params": {}}));
    assert_eq!(bench.read_one(peer)["id"], "1");
    peer
}

/// Connects a peer that sends the greeting of the C++ library, which gets no response.
fn cpp(bench: &mut Bench) -> Peer {
    let peer = bench.peer();
    bench.send(peer, json!({"jsonrpc": "2.0", "method": "config", "params": {"name": "c", "debug": false}}));
    assert_eq!(bench.read(peer), Vec::<Value>::new());
    peer
}

#[test]
fn node_jet_3_gets_events_in_capitals_and_never_sorted() {
    let mut bench = Bench::new();
    let (owner, classic) = (bench.peer(), bench.peer());
    let peer = node_jet_3(&mut bench);
    bench.fetch(classic, json!({}));
    bench.fetch(
        peer,
        json!({"path": {"startsWith": ""}, "sort": {"by": "path", "from": 1, "to": 5, "asArray": true}}),
    );
    bench.add(owner, "a", json!(1));
    bench.change(owner, "a", json!(2));
    bench.remove(owner, "a");
    assert_eq!(bench.seen(peer), ["Add a 1", "Change a 2", "Remove a 2"]);
    assert_eq!(bench.seen(classic), ["add a 1", "change a 2", "remove a 2"]);
}

#[test]
fn node_jet_3_owners_are_asked_by_service() {
    let mut bench = Bench::new();
    let owner = node_jet_3(&mut bench);
    let requester = bench.peer();
    bench.add(owner, "s", json!(1));
    bench.add_method(owner, "m");
    for (method, params) in [
        ("set", json!({"path": "s", "value": 5, "valueAsResult": true})),
        ("call", json!({"path": "m", "args": [1]})),
    ] {
        bench.send(requester, json!({"id": 7, "method": method, "params": params}));
        let request = bench.read_one(owner);
        assert_eq!((&request["method"], &request["params"]), (&json!(method), &params));
        bench.send(owner, json!({"id": request["id"], "result": {"x": 1}}));
        assert_eq!(bench.read_one(requester), json!({"id": 7, "result": {"x": 1}}));

        // Routed notifications have an id as well, and their response is dropped.
        bench.log();
        bench.send(requester, json!({"method": method, "params": params}));
        let request = bench.read_one(owner);
        assert!(request["id"].is_string());
        bench.send(owner, json!({"id": request["id"], "result": {}}));
        assert_eq!((bench.read(requester), bench.log()), (vec![], vec![]));
    }
}

#[test]
fn node_jet_3_asks_classic_owners_and_they_see_nothing_special() {
    let mut bench = Bench::new();
    let owner = bench.peer();
    let requester = node_jet_3(&mut bench);
    bench.add(owner, "s", json!(1));
    bench.send(requester, json!({"id": "2", "method": "set", "params": {"path": "s", "value": 2}}));
    let request = bench.read_one(owner);
    assert_eq!((&request["method"], &request["params"]), (&json!("s"), &json!({"value": 2})));
    bench.send(owner, json!({"id": request["id"], "result": true}));
    assert_eq!(bench.read_one(requester), json!({"id": "2", "result": true}));
}

#[test]
fn only_the_first_request_tells_the_dialect() {
    let mut bench = Bench::new();
    let (owner, peer) = (bench.peer(), bench.peer());
    bench.done(peer, "config", json!({}));
    bench.send(peer, json!({"id": "1", "method": "info"}));
    bench.read(peer);
    bench.fetch(peer, json!({}));
    bench.add(owner, "a", json!(1));
    assert_eq!(bench.seen(peer), ["add a 1"]);
}

#[test]
fn a_peer_may_say_which_dialect_it_wants() {
    let mut bench = Bench::new();
    let (owner, peer) = (bench.peer(), bench.peer());
    bench.done(peer, "config", json!({"dialect": "node-jet-3"}));
    bench.fetch(peer, json!({}));
    bench.done(peer, "config", json!({"dialect": "nobody's"}));
    bench.add(owner, "a", json!(1));
    assert_eq!(bench.seen(peer), ["Add a 1"]);
    bench.done(peer, "config", json!({"dialect": "classic"}));
    bench.change(owner, "a", json!(2));
    assert_eq!(bench.seen(peer), ["change a 2"]);
}

#[test]
fn cpp_gets_objects_from_set_and_what_was_said_from_call() {
    let mut bench = Bench::new();
    let owner = bench.peer();
    let requester = cpp(&mut bench);
    bench.add(owner, "s", json!(1));
    bench.add_method(owner, "m");
    for (method, path, result, expected) in [
        ("set", "s", json!(true), json!({})),
        ("set", "s", json!([1]), json!({})),
        ("set", "s", json!({"warning": {"code": 1}}), json!({"warning": {"code": 1}})),
        ("call", "m", json!(true), json!(true)),
    ] {
        bench.send(
            requester,
            json!({"jsonrpc": "2.0", "id": 3, "method": method, "params": {"path": path, "value": 1}}),
        );
        let request = bench.read_one(owner);
        bench.send(owner, json!({"id": request["id"], "result": result}));
        assert_eq!(bench.read_one(requester), json!({"id": 3, "result": expected}));
    }
    bench.send(requester, json!({"jsonrpc": "2.0", "id": 4, "method": "call", "params": {"path": "m"}}));
    bench.pass(5.1);
    assert_eq!(bench.read_one(requester)["error"]["code"], -32603);
}

#[test]
fn cpp_fetches_with_numbers_and_without_long_messages() {
    let mut bench = Bench::new();
    let owner = bench.peer();
    let (peer, classic) = (cpp(&mut bench), bench.peer());
    bench.fetch(classic, json!({}));
    bench.send(peer, json!({"jsonrpc": "2.0", "id": 1, "method": "fetch", "params": {"id": 1, "path": {"startsWith": ""}}}));
    assert_eq!(bench.read_one(peer), json!({"id": 1, "result": true}));
    bench.add(owner, "long", json!("x".repeat(256 * 1024)));
    bench.add(owner, "short", json!(1));
    let message = bench.read_one(peer);
    assert_eq!((&message["method"], &message["params"]["path"]), (&json!(1), &json!("short")));
    assert_eq!(bench.events(classic).len(), 2);
}

#[test]
fn cpp_gets_states_without_methods() {
    let mut bench = Bench::new();
    let owner = bench.peer();
    let (peer, classic) = (cpp(&mut bench), bench.peer());
    bench.add_method(owner, "m");
    bench.add(owner, "null", json!(null));
    bench.add(owner, "s", json!(1));
    for (peer, expected) in [(peer, json!(["null", "s"])), (classic, json!(["m", "null", "s"]))] {
        for expression in [json!({}), json!({"sort": {"byPath": true}})] {
            let answer = bench.ask(peer, "get", expression.clone());
            let items = answer["result"].as_array().expect("an array");
            let paths: Vec<&Value> = items.iter().map(|item| &item["path"]).collect();
            assert_eq!(json!(paths), expected, "{expression}");
        }
    }
}

#[test]
fn the_cpp_library_gets_the_initial_adds_before_the_response() {
    let mut bench = Bench::new();
    let owner = bench.peer();
    bench.add(owner, "a", json!(1));
    bench.add(owner, "b", json!(2));
    let peer = cpp(&mut bench);
    bench.feed(peer, r#"{"jsonrpc":"2.0","id":1,"method":"add","params":{"path":"own","value":3}}"#);
    assert_eq!(bench.read_one(peer)["id"], 1);
    bench.feed(
        peer,
        r#"{"jsonrpc":"2.0","id":2,"method":"fetch","params":{"id":"f","path":{"startsWith":""}}}"#,
    );
    let messages = bench.read(peer);
    let told: Vec<_> = messages.iter().map(|message| message["params"]["path"].clone()).collect();
    assert_eq!(told, [json!("a"), json!("b"), json!("own"), Value::Null]);
    assert_eq!(messages[3], json!({"id": 2, "result": true}));
    // Without matches only the response is sent. Later notifications are the usual ones.
    bench.feed(
        peer,
        r#"{"jsonrpc":"2.0","id":3,"method":"fetch","params":{"id":"g","path":{"equals":"none"}}}"#,
    );
    assert_eq!(bench.read_one(peer), json!({"id": 3, "result": true}));
    bench.change(owner, "a", json!(5));
    assert_eq!(bench.read_one(peer)["params"], json!({"path": "a", "event": "change", "value": 5}));
}
