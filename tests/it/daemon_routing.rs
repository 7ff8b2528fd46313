//! Set and call: the routed request that the owner gets, the response that the requester gets, deadlines, and what
//! happens when either disconnects.

use crate::support::bench::{Bench, Peer};
use jet::daemon::Config;
use serde_json::{Value, json};

/// Returns a bus, an owner with a state `s` and a method `m`, and a requester.
fn bench() -> (Bench, Peer, Peer) {
    let mut bench = Bench::new();
    let (owner, requester) = (bench.peer(), bench.peer());
    bench.add(owner, "s", json!(1));
    bench.add_method(owner, "m");
    (bench, owner, requester)
}

/// Sends a request and returns the id of the routed request.
fn routed(bench: &mut Bench, owner: Peer, requester: Peer, id: Value, method: &str, params: Value) -> Value {
    bench.send(requester, json!({"id": id, "method": method, "params": params}));
    bench.read_one(owner)["id"].clone()
}

#[test]
fn the_owner_gets_the_path_as_method_and_value_or_args_as_params() {
    let (mut bench, owner, requester) = bench();
    for (method, params, forwarded) in [
        ("set", json!({"path": "s", "value": null}), json!({"value": null})),
        ("set", json!({"path": "s", "value": false, "timeout": 1}), json!({"value": false})),
        (
            "set",
            json!({"path": "s", "value": [], "valueAsResult": true}),
            json!({"value": [], "valueAsResult": true}),
        ),
        ("set", json!({"path": "s"}), json!({})),
        ("call", json!({"path": "m", "args": [1, null]}), json!([1, null])),
        ("call", json!({"path": "m", "args": {"a": 1}, "timeout": 1}), json!({"a": 1})),
        ("call", json!({"path": "m", "args": 0}), json!(0)),
        ("call", json!({"path": "m", "args": null}), json!(null)),
        ("call", json!({"path": "m"}), json!({})),
        // With both members the owner gets the value.
        ("call", json!({"path": "m", "args": [1], "value": 2}), json!({"value": 2})),
    ] {
        bench.send(requester, json!({"id": 1, "method": method, "params": params}));
        let request = bench.read_one(owner);
        assert_eq!(request["method"], params["path"]);
        assert_eq!(request["params"], forwarded, "{method} {params}");
        assert!(request["id"].as_str().is_some_and(|id| !id.is_empty() && id.len() < 20));
        bench.send(requester, json!({"method": method, "params": params}));
        let notification = json!({"method": params["path"], "params": forwarded});
        assert_eq!(bench.read_one(owner), notification, "a routed notification has an id");
    }
}

#[test]
fn answers_come_back_whole_under_the_id_of_the_requester() {
    let (mut bench, owner, requester) = bench();
    for answer in [
        json!({"result": true}),
        json!({"result": false}),
        json!({"result": null}),
        json!({"result": []}),
        json!({"error": {"code": 5, "message": "m", "data": [1], "more": 1}}),
        json!({"result": {"warning": {"code": 1}}, "extra": 7}),
        json!({"result": 1, "error": {"code": 1, "message": ""}}),
    ] {
        for id in [json!("x"), json!(0), json!([1]), json!({"a": null})] {
            let route =
                routed(&mut bench, owner, requester, id.clone(), "set", json!({"path": "s", "value": 1}));
            let mut response = answer.clone();
            response["id"] = route;
            bench.send(owner, response);
            let mut expected = answer.clone();
            expected["id"] = id;
            assert_eq!(bench.read_one(requester), expected);
        }
    }
}

#[test]
fn errors_are_always_objects_and_never_beside_a_result_for_nothing() {
    let (mut bench, owner, requester) = bench();
    for (error, forwarded) in [
        (json!("oops"), json!({"code": -32603, "message": "Internal error", "data": "oops"})),
        (json!(["a"]), json!({"code": -32603, "message": "Internal error", "data": ["a"]})),
        (json!({"no": "code"}), json!({"no": "code"})),
    ] {
        let id = routed(&mut bench, owner, requester, json!(1), "call", json!({"path": "m"}));
        bench.send(owner, json!({"id": id, "error": error}));
        assert_eq!(bench.read_one(requester), json!({"id": 1, "error": forwarded}));
    }
    let id = routed(&mut bench, owner, requester, json!(1), "call", json!({"path": "m"}));
    bench.send(owner, json!({"id": id, "error": null, "result": 5}));
    assert_eq!(bench.read_one(requester), json!({"id": 1, "result": 5}));
}

#[test]
fn only_the_owner_can_answer_and_only_once() {
    let (mut bench, owner, requester) = bench();
    let stranger = bench.peer();
    let id = routed(&mut bench, owner, requester, json!(1), "call", json!({"path": "m"}));
    bench.send(stranger, json!({"id": id, "result": "forged"}));
    bench.send(requester, json!({"id": id, "result": "forged"}));
    assert_eq!(bench.read(requester), Vec::<Value>::new());
    bench.send(owner, json!({"id": id, "result": "real"}));
    bench.send(owner, json!({"id": id, "result": "again"}));
    assert_eq!(bench.read_one(requester), json!({"id": 1, "result": "real"}));
    for peer in [owner, stranger] {
        assert_eq!(bench.read(peer), Vec::<Value>::new(), "a response gets a response");
    }
}

#[test]
fn one_id_may_be_used_for_several_open_requests() {
    let (mut bench, owner, requester) = bench();
    let first = routed(&mut bench, owner, requester, json!(1), "call", json!({"path": "m"}));
    let second = routed(&mut bench, owner, requester, json!(1), "call", json!({"path": "m"}));
    assert_ne!(first, second);
    bench.send(owner, json!([{"id": second, "result": 2}, {"id": first, "result": 1}]));
    let results: Vec<_> = bench.read(requester).iter().map(|answer| answer["result"].clone()).collect();
    assert_eq!(results, [json!(2), json!(1)]);
}

#[test]
fn states_are_set_and_methods_are_called() {
    let (mut bench, owner, requester) = bench();
    assert_eq!(bench.refused(requester, "call", json!({"path": "s"})), (-32602, json!({"wrongKind": "s"})));
    assert_eq!(
        bench.refused(requester, "set", json!({"path": "m", "value": 1})),
        (-32602, json!({"wrongKind": "m"}))
    );
    // A state without a value is still a state.
    bench.send(owner, json!({"method": "change", "params": {"path": "s"}}));
    routed(&mut bench, owner, requester, json!(1), "set", json!({"path": "s", "value": 1}));
}

#[test]
fn what_can_only_be_fetched_is_not_set() {
    let (mut bench, owner, requester) = bench();
    bench.done(owner, "add", json!({"path": "r", "value": 1, "fetchOnly": true}));
    let refused = bench.refused(requester, "set", json!({"path": "r", "value": 2}));
    assert_eq!(refused, (-32602, json!({"fetchOnly": "r"})));
    assert_eq!(bench.read(owner), Vec::<Value>::new());
    bench.done(owner, "change", json!({"path": "r", "value": 3}));
}

#[test]
fn time_is_up_after_the_time_of_the_request_the_element_or_five_seconds() {
    for (element, request, seconds) in [
        (None, None, 5.0),
        (Some(2.0), None, 2.0),
        (Some(2.0), Some(0.5), 0.5),
        (Some(0.5), Some(30.0), 30.0),
        (None, Some(0.25), 0.25),
        (None, Some(1e300), 365.0 * 86400.0),
    ] {
        let mut bench = Bench::new();
        let (owner, requester) = (bench.peer(), bench.peer());
        let mut description = json!({"path": "s", "value": 1});
        if let Some(timeout) = element {
            description["timeout"] = json!(timeout);
        }
        bench.done(owner, "add", description);
        let mut params = json!({"path": "s", "value": 2});
        if let Some(timeout) = request {
            params["timeout"] = json!(timeout);
        }
        let id = routed(&mut bench, owner, requester, json!("q"), "set", params.clone());
        bench.pass(seconds - 0.01);
        assert_eq!(bench.read(requester), Vec::<Value>::new(), "{element:?} {request:?}");
        assert_eq!(bench.bus.next_deadline().map(|due| (due - bench.now).as_millis()), Some(10));
        bench.pass(0.011);
        let error = json!({"code": -32001, "message": "Response Timeout", "data": params});
        assert_eq!(bench.read_one(requester), json!({"id": "q", "error": error}));
        // This response is too late.
        bench.send(owner, json!({"id": id, "result": true}));
        assert_eq!(bench.read(requester), Vec::<Value>::new());
        assert_eq!((bench.bus.counts(), bench.bus.next_deadline()), ((1, 0, 0), None));
    }
}

#[test]
fn no_time_at_all_is_up_at_once() {
    let (mut bench, owner, requester) = bench();
    for timeout in [0.0, -1.0, -1e300] {
        routed(&mut bench, owner, requester, json!(1), "call", json!({"path": "m", "timeout": timeout}));
        bench.pass(0.0);
        assert_eq!(bench.read_one(requester)["error"]["code"], -32001);
    }
}

#[test]
fn who_asks_an_owner_that_leaves_is_told_at_once() {
    let (mut bench, owner, requester) = bench();
    let third = bench.peer();
    routed(&mut bench, owner, requester, json!(1), "call", json!({"path": "m"}));
    routed(&mut bench, owner, third, json!(2), "set", json!({"path": "s", "value": 1}));
    bench.send(requester, json!({"method": "call", "params": {"path": "m"}}));
    bench.leave(owner);
    let gone = |path| json!({"code": -32000, "message": "Connection closed", "data": {"ownerGone": path}});
    assert_eq!(bench.read_one(requester), json!({"id": 1, "error": gone("m")}));
    assert_eq!(bench.read_one(third), json!({"id": 2, "error": gone("s")}));
    bench.pass(10.0);
    assert_eq!(bench.read(requester), Vec::<Value>::new());
    assert_eq!(bench.bus.counts(), (0, 0, 0));
}

#[test]
fn an_answer_to_somebody_who_left_costs_the_rest_of_the_frame_nothing() {
    let (mut bench, owner, requester) = bench();
    let watcher = bench.peer();
    bench.fetch(watcher, json!({}));
    let id = routed(&mut bench, owner, requester, json!(1), "set", json!({"path": "s", "value": 2}));
    bench.leave(requester);
    // The next peer must not get messages for the key of the last one.
    let next = bench.peer();
    bench.send(
        owner,
        json!([
            {"id": id, "result": true},
            {"method": "change", "params": {"path": "s", "value": 2}},
        ]),
    );
    assert_eq!(bench.seen(watcher), ["change s 2"]);
    assert_eq!(bench.read(next), Vec::<Value>::new());
    bench.pass(10.0);
    assert_eq!(bench.bus.counts().2, 0);
}

#[test]
fn a_removed_path_does_not_lose_its_open_requests() {
    let (mut bench, owner, requester) = bench();
    let id = routed(&mut bench, owner, requester, json!(1), "call", json!({"path": "m"}));
    bench.remove(owner, "m");
    bench.send(owner, json!({"id": id, "result": 7}));
    assert_eq!(bench.read_one(requester), json!({"id": 1, "result": 7}));
}

#[test]
fn an_owner_may_ask_itself() {
    let (mut bench, owner, _) = bench();
    bench.send(owner, json!({"id": 1, "method": "call", "params": {"path": "m", "args": [5]}}));
    let request = bench.read_one(owner);
    bench.send(owner, json!({"id": request["id"], "result": 5}));
    assert_eq!(bench.read_one(owner), json!({"id": 1, "result": 5}));
    bench.send(owner, json!({"id": 1, "method": "call", "params": {"path": "m"}}));
    bench.leave(owner);
    assert_eq!(bench.bus.counts(), (0, 0, 0));
}

#[test]
fn an_answer_with_neither_result_nor_error_is_refused_and_ends_the_wait() {
    let (mut bench, owner, requester) = bench();
    let id = routed(&mut bench, owner, requester, json!(1), "call", json!({"path": "m"}));
    bench.send(owner, json!({"id": id}));
    assert_eq!(bench.read_one(owner)["error"]["code"], -32600);
    assert_eq!(bench.read_one(requester)["error"]["code"], -32603);
}

#[test]
fn open_requests_are_limited_for_each_requester() {
    let config = Config { max_requests: 2, ..Config::default() };
    let mut bench = Bench::with(config);
    let (owner, greedy, other) = (bench.peer(), bench.peer(), bench.peer());
    bench.add_method(owner, "m");
    let first = routed(&mut bench, owner, greedy, json!(1), "call", json!({"path": "m"}));
    routed(&mut bench, owner, greedy, json!(2), "call", json!({"path": "m"}));
    assert_eq!(bench.refused(greedy, "call", json!({"path": "m"})).0, -32603);
    routed(&mut bench, owner, other, json!(1), "call", json!({"path": "m"}));
    bench.send(owner, json!({"id": first, "result": 1}));
    bench.read(greedy);
    routed(&mut bench, owner, greedy, json!(3), "call", json!({"path": "m"}));
}

#[test]
fn a_request_too_long_for_its_owner_is_refused_at_once() {
    let mut bench = Bench::with(Config { max_message: 200, ..Config::default() });
    let (owner, requester) = (bench.peer(), bench.peer());
    let path = "p".repeat(90);
    bench.done(owner, "add", json!({"path": path}));
    // The routed request fits; the response with the longer id of the requester does not.
    bench.send(
        requester,
        json!({"id": 1, "method": "call", "params": {"path": path, "args": "a".repeat(40)}}),
    );
    let id = bench.read_one(owner)["id"].clone();
    let long_id = "i".repeat(60);
    bench.send(requester, json!({"id": long_id, "method": "call", "params": {"path": path}}));
    let second = bench.read_one(owner)["id"].clone();
    bench.send(owner, json!({"id": second, "result": "r".repeat(140)}));
    assert_eq!(bench.read_one(requester)["error"]["code"], -32603);
    bench.send(owner, json!({"id": id, "result": 1}));
    assert_eq!(bench.read_one(requester)["result"], 1);
    assert_eq!(bench.bus.counts().2, 0);
}
