//! Work that grows with the number of elements is done in slices, whose cost is counted in units: other connections
//! are served between them.

use crate::support::bench::{Bench, Peer, paths};
use crate::support::frames;
use jet::daemon::{Config, SLICE};
use serde_json::{Value, json};

/// The units that a message or a slice may cost beyond its limit, for its last step.
const LAST_STEP: u64 = 5_000;

/// Adds `count` states, whose paths are `prefix` and a number.
fn add_states(bench: &mut Bench, owner: Peer, prefix: &str, count: usize) {
    for number in 0..count {
        bench.add(owner, &format!("{prefix}{number}"), json!(number));
    }
}

/// Passes a message to the bus without running its jobs, and checks that it costs no more than a slice.
fn feed(bench: &mut Bench, peer: Peer, message: Value) {
    let before = bench.bus.spent();
    bench.bus.receive(peer.0, message.to_string().as_bytes(), bench.now);
    assert!(bench.bus.spent() - before <= SLICE + LAST_STEP, "a message costs more than a slice");
}

/// Runs one slice, and checks that another connection gets a response before the next.
fn slice(bench: &mut Bench, other: Peer) {
    let before = bench.bus.spent();
    bench.bus.work(bench.now);
    let spent = bench.bus.spent() - before;
    assert!(spent <= SLICE + LAST_STEP, "a slice of {spent} units");
    bench.bus.receive(other.0, br#"{"id":"now","method":"info"}"#, bench.now);
    let answer = take(bench, other);
    assert_eq!(answer.last().expect("a response to info")["id"], "now");
}

/// Takes the unsent messages of a peer without running jobs.
fn take(bench: &mut Bench, peer: Peer) -> Vec<Value> {
    let bytes = bench.bus.unsent(peer.0).to_vec();
    bench.bus.advance(peer.0, bytes.len());
    let json = |message| serde_json::from_slice(message).expect("JSON");
    frames::messages(&bytes).into_iter().map(json).collect()
}

/// Runs slices until all jobs are done. Returns the messages for `reader` and the number of slices.
fn work_on(bench: &mut Bench, reader: Peer, other: Peer) -> (Vec<Value>, usize) {
    let mut messages = take(bench, reader);
    let mut slices = 0;
    while bench.bus.has_work() {
        slice(bench, other);
        messages.extend(take(bench, reader));
        slices += 1;
        assert!(slices < 100_000, "the work never ends");
    }
    (messages, slices)
}

/// Returns a pattern whose cost grows with the length of paths that consist of `a`.
fn hard_pattern(end: &str) -> String {
    "a*".repeat(150) + end
}

#[test]
fn hard_patterns_are_refused_after_a_bounded_time_and_hold_nobody_up() {
    let mut bench = Bench::new();
    let (owner, attacker, other) = (bench.peer(), bench.peer(), bench.peer());
    add_states(&mut bench, owner, &"a".repeat(190), 3_000);
    for method in ["fetch", "get"] {
        let params = json!({"id": "f", "match": [hard_pattern("z")]});
        feed(&mut bench, attacker, json!({"id": 1, "method": method, "params": params}));
        feed(&mut bench, attacker, json!({"id": 2, "method": "echo", "params": "after"}));
        let (messages, slices) = work_on(&mut bench, attacker, other);
        assert!((2..1_000).contains(&slices), "{slices} slices");
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert_eq!(messages[0]["error"]["code"], -32602);
        assert!(messages[0]["error"]["data"]["patternCost"].is_u64(), "{messages:?}");
        assert_eq!(messages[1], json!({"id": 2, "result": "after"}));
    }
    assert_eq!(bench.bus.counts().1, 0, "a refused fetch is left behind");
    bench.add(owner, "new", json!(1));
    assert_eq!(take(&mut bench, attacker), Vec::<Value>::new());
    // A usual pattern is accepted and finds its match.
    let easy = json!({"id": "f", "match": ["^a+1$"]});
    feed(&mut bench, attacker, json!({"id": 3, "method": "fetch", "params": easy}));
    let (messages, _) = work_on(&mut bench, attacker, other);
    assert_eq!(messages[0], json!({"id": 3, "result": true}));
    assert_eq!(messages[1]["params"]["path"], format!("{}1", "a".repeat(190)));
    assert_eq!(messages.len(), 2);
}

#[test]
fn who_fetches_hard_patterns_before_there_are_paths_is_given_up() {
    let mut bench = Bench::new();
    let (owner, attacker) = (bench.peer(), bench.peer());
    let patterns: Vec<_> = (0..20).map(|number| hard_pattern(&format!("z{number}"))).collect();
    bench.done(attacker, "fetch", json!({"id": "f", "match": patterns}));
    let mut added = 0;
    while bench.bus.take_closing().is_empty() {
        bench.add(owner, &format!("{}{added}", "a".repeat(190)), json!(1));
        added += 1;
        assert!(added < 100, "the connection is never closed");
    }
    assert!(bench.log().iter().any(|line| line.text.contains("patterns")));
    bench.leave(attacker);
    assert_eq!(bench.bus.counts(), (added, 0, 0));
}

#[test]
fn an_expression_has_at_most_so_many_patterns_and_strings() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    let many = |count: usize| (0..count).map(|number| format!("p{number}")).collect::<Vec<_>>();
    for (key, limit) in [("match", 100), ("unmatch", 100)] {
        bench.done(peer, "fetch", json!({"id": "f", key: many(limit)}));
        let (code, data) = bench.refused(peer, "fetch", json!({"id": "f", key: many(limit + 1)}));
        assert_eq!(
            (code, data["reason"].as_str().is_some_and(|reason| reason.contains("at most 100"))),
            (-32602, true)
        );
    }
    bench.done(peer, "fetch", json!({"id": "f", "path": {"equalsOneOf": many(10_000)}}));
    let (code, _) = bench.refused(peer, "fetch", json!({"id": "f", "path": {"equalsOneOf": many(10_001)}}));
    assert_eq!(code, -32602);
}

#[test]
fn a_connection_has_at_most_so_many_fetches() {
    let mut bench = Bench::with(Config { max_fetches: 3, ..Config::default() });
    let peer = bench.peer();
    for id in 1..=3 {
        bench.done(peer, "fetch", json!({"id": id}));
    }
    let (code, data) = bench.refused(peer, "fetch", json!({"id": 4}));
    assert_eq!(code, -32602);
    assert!(data["tooManyFetches"].is_string(), "{data}");
    bench.done(peer, "unfetch", json!({"id": 1}));
    bench.done(peer, "fetch", json!({"id": 4}));
}

#[test]
fn the_first_look_of_a_fetch_waits_for_who_reads_and_what_follows_waits_for_it() {
    let mut bench = Bench::new();
    let (owner, fetcher, other) = (bench.peer(), bench.peer(), bench.peer());
    add_states(&mut bench, owner, "state/", 50_000);
    feed(&mut bench, fetcher, json!({"id": 1, "method": "fetch", "params": {"id": "f"}}));
    feed(&mut bench, fetcher, json!({"id": 2, "method": "echo", "params": "after"}));
    let mut rounds = 0;
    while bench.bus.has_work() {
        slice(&mut bench, other);
        rounds += 1;
        assert!(rounds < 1_000);
    }
    // Nothing is read, so no more is queued than the backlog of a connection may hold.
    let ready = bench.bus.unsent(fetcher.0).len();
    assert!((200_000..600_000).contains(&ready), "{ready} bytes are unsent");
    // Each state that is not sent yet is sent once, with its newest value. Changes of those already sent follow.
    bench.change(owner, "state/0", json!("early"));
    bench.change(owner, "state/49999", json!("late"));
    bench.remove(owner, "state/49998");
    bench.add(owner, "new", json!(1));
    let (messages, slices) = work_on(&mut bench, fetcher, other);
    assert!(slices > 10);
    assert_eq!(messages[0], json!({"id": 1, "result": true}));
    assert_eq!(messages.last(), Some(&json!({"id": 2, "result": "after"})));
    let told: Vec<_> =
        messages.iter().filter(|message| message["method"] == "f").map(|m| m["params"].clone()).collect();
    assert_eq!(told.len(), 50_000 - 1 + 2, "each state once, one change, one new state");
    assert_eq!(told.iter().filter(|params| params["path"] == "state/0").count(), 2);
    let late: Vec<_> = told.iter().filter(|params| params["path"] == "state/49999").collect();
    assert_eq!(late, [&json!({"path": "state/49999", "event": "add", "value": "late"})]);
    assert!(!told.iter().any(|params| params["path"] == "state/49998"));
    bench.change(owner, "state/49999", json!("live"));
    assert_eq!(bench.seen(fetcher), [r#"change state/49999 "live""#]);
}

#[test]
fn a_first_look_never_fills_up_what_may_be_unsent() {
    let mut bench = Bench::with(Config { max_unsent: 10_000, ..Config::default() });
    let (owner, fetcher, other) = (bench.peer(), bench.peer(), bench.peer());
    add_states(&mut bench, owner, "state/", 1_000);
    for params in [json!({"id": "f"}), json!({"id": "g", "sort": {"byPath": true, "to": 50}})] {
        feed(&mut bench, fetcher, json!({"id": 1, "method": "fetch", "params": params}));
        let (messages, _) = work_on(&mut bench, fetcher, other);
        assert!(bench.bus.take_closing().is_empty(), "the connection is closed while it reads");
        assert!(messages.len() > 1);
    }
}

#[test]
fn an_owner_answers_others_while_its_own_fetch_is_looked_at() {
    let mut bench = Bench::new();
    let (owner, other) = (bench.peer(), bench.peer());
    add_states(&mut bench, owner, "state/", 20_000);
    feed(&mut bench, owner, json!({"id": 1, "method": "fetch", "params": {"id": "f"}}));
    feed(&mut bench, other, json!({"id": 7, "method": "set", "params": {"path": "state/1", "value": 5}}));
    let mut messages = Vec::new();
    while !messages.iter().any(|message: &Value| message["method"] == "state/1") {
        messages.extend(take(&mut bench, owner));
        bench.bus.work(bench.now);
    }
    let id = &messages.iter().find(|message| message["method"] == "state/1").unwrap()["id"];
    feed(&mut bench, owner, json!({"id": id, "result": true}));
    assert_eq!(take(&mut bench, other), [json!({"id": 7, "result": true})]);
}

#[test]
fn fifty_fetches_of_everything_take_no_more_memory_than_what_lies_ready() {
    let mut bench = Bench::new();
    let (owner, other) = (bench.peer(), bench.peer());
    add_states(&mut bench, owner, "state/", 20_000);
    let fetchers: Vec<_> = (0..50).map(|_| bench.peer()).collect();
    for fetcher in &fetchers {
        feed(&mut bench, *fetcher, json!({"id": 1, "method": "fetch", "params": {"id": "f"}}));
    }
    // All fetchers get their first bytes in the first turns.
    for _ in 0..20 {
        slice(&mut bench, other);
    }
    for fetcher in &fetchers {
        assert!(!bench.bus.unsent(fetcher.0).is_empty());
    }
    while bench.bus.has_work() {
        slice(&mut bench, other);
    }
    let ready: usize = fetchers.iter().map(|fetcher| bench.bus.unsent(fetcher.0).len()).sum();
    assert!(ready < 50 * 512 * 1024, "{ready} bytes are unsent");
    let mut told = vec![0; fetchers.len()];
    while fetchers.iter().any(|fetcher| !bench.bus.unsent(fetcher.0).is_empty()) {
        for (number, fetcher) in fetchers.iter().enumerate() {
            told[number] += take(&mut bench, *fetcher).len();
        }
        slice(&mut bench, other);
    }
    assert_eq!(told, vec![20_000 + 1; fetchers.len()]);
}

#[test]
fn who_leaves_with_many_fetches_or_states_holds_nobody_up() {
    let mut bench = Bench::new();
    let (owner, leaver, other) = (bench.peer(), bench.peer(), bench.peer());
    add_states(&mut bench, owner, "state/", 5_000);
    for number in 0..500 {
        bench.send(leaver, json!({"method": "fetch", "params": {"id": number, "path": {"contains": "/"}}}));
        bench.texts(leaver);
    }
    let before = bench.bus.spent();
    bench.bus.disconnect(leaver.0);
    let (_, slices) = work_on(&mut bench, leaver, other);
    assert!(slices <= 3, "{slices} slices");
    assert!(bench.bus.spent() - before < 30_000, "{} units", bench.bus.spent() - before);
    assert_eq!(bench.bus.counts(), (5_000, 0, 0));

    add_states(&mut bench, owner, "more/", 50_000);
    bench.fetch(other, json!({"path": {"equals": "more/49999"}}));
    let before = bench.bus.spent();
    bench.bus.disconnect(owner.0);
    assert!(bench.bus.spent() - before <= SLICE);
    // Its elements count as removed, and another peer may add their paths.
    let (code, data) = bench_refused(&mut bench, other, json!({"path": "more/49990", "value": 1}));
    assert_eq!((code, &data), (-32000, &json!({"ownerGone": "more/49990"})));
    let heir = bench.peer();
    feed(
        &mut bench,
        heir,
        json!({"id": 5, "method": "add", "params": {"path": "more/49999", "value": "new"}}),
    );
    assert_eq!(take(&mut bench, heir), [json!({"id": 5, "result": true})]);
    let seen: Vec<_> = take(&mut bench, other).into_iter().map(|m| m["params"]["event"].clone()).collect();
    assert_eq!(seen, ["remove", "add"]);
    feed(
        &mut bench,
        heir,
        json!({"id": 6, "method": "get", "params": {"path": {"startsWith": "more/4999"}}}),
    );
    let got = take(&mut bench, heir);
    assert_eq!(paths(got[0]["result"].as_array().expect("a list")), ["more/49999"]);
    let (_, slices) = work_on(&mut bench, owner, other);
    assert!(slices > 5);
    assert_eq!(bench.bus.counts().0, 1);
}

/// Sends a set and returns the code and the data of its error, without running jobs.
fn bench_refused(bench: &mut Bench, peer: Peer, params: Value) -> (i64, Value) {
    feed(bench, peer, json!({"id": 9, "method": "set", "params": params}));
    let answer = take(bench, peer).remove(0);
    (answer["error"]["code"].as_i64().expect("a code"), answer["error"]["data"].clone())
}

#[test]
fn a_get_of_everything_is_collected_in_slices() {
    let mut bench = Bench::new();
    let (owner, reader, other) = (bench.peer(), bench.peer(), bench.peer());
    add_states(&mut bench, owner, "state/", 50_000);
    for sort in [json!(null), json!({"byPath": true, "to": 50_000})] {
        let params = if sort.is_null() { json!({}) } else { json!({"sort": sort}) };
        feed(&mut bench, reader, json!({"id": 1, "method": "get", "params": params}));
        feed(&mut bench, reader, json!({"id": 2, "method": "echo", "params": "after"}));
        let (messages, slices) = work_on(&mut bench, reader, other);
        assert!(slices > 5, "{slices} slices");
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0]["result"].as_array().map(Vec::len), Some(50_000));
        assert_eq!(messages[1]["result"], "after");
    }
}

#[test]
fn a_large_sorted_window_is_sent_in_slices_and_ends_right() {
    let mut bench = Bench::new();
    let (owner, fetcher, other) = (bench.peer(), bench.peer(), bench.peer());
    add_states(&mut bench, owner, "state/", 20_000);
    let params = json!({"id": "f", "sort": {"byValue": "number", "to": 20_000}});
    feed(&mut bench, fetcher, json!({"id": 1, "method": "fetch", "params": params}));
    let (messages, slices) = work_on(&mut bench, fetcher, other);
    assert!(slices > 5, "{slices} slices");
    assert_eq!(messages[0], json!({"id": 1, "result": true}));
    let mut window = vec![Value::Null; 20_000];
    apply(&mut window, &messages[1..]);
    assert_eq!(window[19_999], "state/19999");
    // Each change moves all other entries.
    for number in 0..5 {
        feed(
            &mut bench,
            owner,
            json!({"method": "change", "params": {"path": format!("state/{number}"), "value": 100_000 + number}}),
        );
    }
    feed(&mut bench, owner, json!({"method": "remove", "params": {"path": "state/5"}}));
    let (messages, _) = work_on(&mut bench, fetcher, other);
    apply(&mut window, &messages);
    assert_eq!(window.len(), 19_999);
    assert_eq!((&window[0], &window[19_998]), (&json!("state/6"), &json!("state/4")));
    // A small change is sent at once.
    feed(&mut bench, owner, json!({"method": "change", "params": {"path": "state/4", "value": 100_005}}));
    assert_eq!(take(&mut bench, fetcher).len(), 1);
}

/// Applies notifications to a window as a peer does.
fn apply(window: &mut Vec<Value>, messages: &[Value]) {
    for message in messages {
        let params = &message["params"];
        window.resize(params["n"].as_u64().expect("n") as usize, Value::Null);
        for change in params["changes"].as_array().expect("changes") {
            let index = change["index"].as_u64().expect("index") as usize;
            if index <= window.len() {
                window[index - 1] = change["path"].clone();
            }
        }
    }
}

#[test]
fn elements_that_depend_on_one_path_are_looked_at_in_slices() {
    let mut bench = Bench::new();
    let (owner, fetcher, other) = (bench.peer(), bench.peer(), bench.peer());
    bench.add(owner, "switch", json!(false));
    add_states(&mut bench, owner, "state/", 20_000);
    let deps = json!({"id": "f", "match": ["^state/"], "deps": [{"path": "switch", "where": {"op": "equals", "value": true}}]});
    feed(&mut bench, fetcher, json!({"id": 1, "method": "fetch", "params": deps}));
    assert_eq!(work_on(&mut bench, fetcher, other).0.len(), 1);
    for value in [true, false, true] {
        feed(&mut bench, owner, json!({"method": "change", "params": {"path": "switch", "value": value}}));
    }
    let (messages, slices) = work_on(&mut bench, fetcher, other);
    assert!(slices > 3, "{slices} slices");
    let known = |event: &str| messages.iter().filter(|message| message["params"]["event"] == event).count();
    assert_eq!(known("add") - known("remove"), 20_000);
}

#[test]
fn an_array_of_messages_is_taken_in_slices_and_in_order() {
    let mut bench = Bench::new();
    let (owner, other) = (bench.peer(), bench.peer());
    add_states(&mut bench, owner, "state/", 1_000);
    let changes = (0..20_000).map(|n| json!({"method": "change", "params": {"path": "state/1", "value": n}}));
    let get = json!({"id": 1, "method": "get", "params": {"path": {"equals": "state/1"}}});
    let messages: Vec<_> = changes.chain([get]).collect();
    feed(&mut bench, owner, json!(messages));
    feed(&mut bench, owner, json!({"id": 2, "method": "echo", "params": "after"}));
    let (messages, slices) = work_on(&mut bench, owner, other);
    assert!(slices > 3, "{slices} slices");
    assert_eq!(messages[0]["result"][0]["value"], 19_999);
    assert_eq!(messages[1]["result"], "after");
    assert_eq!(messages.len(), 2);
}

#[test]
fn what_follows_a_job_in_an_array_waits_for_it() {
    let mut bench = Bench::new();
    let (owner, other) = (bench.peer(), bench.peer());
    add_states(&mut bench, owner, "state/", 20_000);
    let ask = |id: u64, method: &str| json!({"id": id, "method": method, "params": {}});
    feed(&mut bench, owner, json!([ask(1, "get"), ask(2, "echo"), ask(3, "get"), ask(4, "echo")]));
    feed(&mut bench, owner, ask(5, "echo"));
    let (messages, _) = work_on(&mut bench, owner, other);
    assert_eq!(
        messages.iter().map(|message| message["id"].as_u64()).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5].map(Some)
    );
}

/// Returns an owner that waits for its own `get`, a requester, and the id of the set routed to the owner.
fn busy_owner(bench: &mut Bench) -> (Peer, Peer, Value) {
    let (owner, requester) = (bench.peer(), bench.peer());
    add_states(bench, owner, "state/", 20_000);
    feed(bench, requester, json!({"id": 7, "method": "set", "params": {"path": "state/1", "value": 5}}));
    let id = take(bench, owner).remove(0)["id"].clone();
    feed(bench, owner, json!({"id": 1, "method": "get"}));
    (owner, requester, id)
}

#[test]
fn a_response_in_an_array_is_taken_while_its_owner_is_busy() {
    let mut bench = Bench::new();
    let (owner, requester, id) = busy_owner(&mut bench);
    feed(&mut bench, owner, json!([{"id": id, "result": true}]));
    assert_eq!(take(&mut bench, requester), [json!({"id": 7, "result": true})]);
}

#[test]
fn a_response_does_not_overtake_the_change_before_it() {
    let mut bench = Bench::new();
    let (owner, requester, id) = busy_owner(&mut bench);
    bench.bus.receive(owner.0, br#"{"method":"change","params":{"path":"state/1","value":5}}"#, bench.now);
    feed(&mut bench, owner, json!({"id": id, "result": true}));
    assert_eq!(take(&mut bench, requester), Vec::<Value>::new());
    let other = bench.peer();
    let (messages, _) = work_on(&mut bench, requester, other);
    assert_eq!(messages, [json!({"id": 7, "result": true})]);
    let got = bench.ask(requester, "get", json!({"path": {"equals": "state/1"}}));
    assert_eq!(got["result"][0]["value"], 5);
}

#[test]
fn who_half_closes_has_changed_what_it_sent_last() {
    let mut bench = Bench::new();
    let (owner, fetcher, other) = (bench.peer(), bench.peer(), bench.peer());
    add_states(&mut bench, owner, "state/", 20_000);
    bench.fetch(fetcher, json!({"path": {"equals": "state/1"}}));
    feed(&mut bench, owner, json!({"id": 1, "method": "get"}));
    feed(&mut bench, owner, json!({"method": "change", "params": {"path": "state/1", "value": "last"}}));
    while bench.bus.is_waiting(owner.0) {
        bench.bus.end_input(owner.0);
        slice(&mut bench, other);
    }
    bench.bus.end_input(owner.0);
    bench.settle();
    assert_eq!(bench.seen(fetcher), [r#"change state/1 "last""#, r#"remove state/1 "last""#]);
    assert_eq!(take(&mut bench, owner)[0]["id"], 1);
}

#[test]
fn captures_for_dependencies_are_counted() {
    let mut bench = Bench::new();
    let (owner, fetcher) = (bench.peer(), bench.peer());
    let long = "a".repeat(100);
    bench.add(owner, "switch", json!(1));
    bench.add(owner, &long, json!(1));
    // The first pattern fails after thousands of steps, the second one matches.
    let patterns = ["a*".repeat(20) + "z", "^a".to_owned()];
    let change = |bench: &mut Bench| {
        let before = bench.bus.spent();
        bench.change(owner, &long, json!(2));
        assert_eq!(bench.events(fetcher).len(), 1);
        bench.bus.spent() - before
    };
    bench.fetch(fetcher, json!({"match": patterns}));
    let without = change(&mut bench);
    let deps = json!([{"path": "switch", "where": {"op": "equals", "value": 1}}]);
    bench.fetch(fetcher, json!({"match": patterns, "deps": deps}));
    let with = change(&mut bench);
    assert!(with > without + 50, "{with} units with captures, {without} without");
}

#[test]
fn a_fetch_forgets_the_dependencies_of_elements_that_are_gone() {
    let mut bench = Bench::new();
    let (owner, fetcher) = (bench.peer(), bench.peer());
    let deps = json!([{"path": "\\1/on", "where": {"op": "equals", "value": 1}}]);
    bench.fetch(fetcher, json!({"match": ["^(.*)/value$"], "deps": deps, "max": 10}));
    for number in 0..10_000 {
        bench.add(owner, &format!("{number}/value"), json!(1));
        bench.remove(owner, &format!("{number}/value"));
    }
    let before = bench.bus.spent();
    bench.done(fetcher, "unfetch", json!({"id": "f"}));
    let spent = bench.bus.spent() - before;
    assert!(spent < 100, "{spent} units for a fetch without elements");
}
