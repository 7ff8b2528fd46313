//! Fetches: which notifications each fetcher gets, in which order, until when, and at what cost.

use crate::support::bench::{Bench, event_of, paths};
use serde_json::{Value, json};

#[test]
fn the_response_comes_first_then_all_that_matches_in_the_order_it_was_added() {
    let mut bench = Bench::new();
    let (owner, fetcher) = (bench.peer(), bench.peer());
    for path in ["z", "a", "m", "10", "9"] {
        bench.add(owner, path, json!(path));
    }
    bench.remove(owner, "a");
    bench.add_method(owner, "call");
    bench.add(owner, "a", json!(null));
    let found = bench.fetch(fetcher, json!({}));
    assert_eq!(paths(&found), ["z", "m", "10", "9", "call", "a"]);
    assert_eq!(found[0], json!({"path": "z", "event": "add", "value": "z"}));
    assert_eq!(found[4], json!({"path": "call", "event": "add"}));
    assert_eq!(found[5], json!({"path": "a", "event": "add", "value": null}));
}

#[test]
fn each_message_is_a_frame_of_its_own() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    bench.add(peer, "a", json!(1));
    bench.send(
        peer,
        json!([
            {"id": 1, "method": "fetch", "params": {"id": "f"}},
            {"id": 2, "method": "echo"},
        ]),
    );
    for text in bench.texts(peer) {
        assert!(text.starts_with('{'), "{text}");
    }
}

#[test]
fn elements_are_followed_from_add_to_remove() {
    let mut bench = Bench::new();
    let (owner, fetcher) = (bench.peer(), bench.peer());
    bench.fetch(fetcher, json!({}));
    bench.add(owner, "a", json!(1));
    bench.change(owner, "a", json!(1));
    bench.change(owner, "a", json!({"x": [null]}));
    bench.send(owner, json!({"method": "change", "params": {"path": "a"}}));
    bench.change(owner, "a", json!(false));
    bench.remove(owner, "a");
    assert_eq!(
        bench.seen(fetcher),
        [
            "add a 1",
            "change a 1",
            r#"change a {"x":[null]}"#,
            r#"change a "(none)""#,
            "change a false",
            "remove a false"
        ]
    );
}

#[test]
fn who_acts_hears_of_it_before_the_answer() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    bench.fetch(peer, json!({}));
    for (method, params) in [
        ("add", json!({"path": "a", "value": 1})),
        ("change", json!({"path": "a", "value": 2})),
        ("remove", json!({"path": "a"})),
    ] {
        bench.send(peer, json!({"id": 5, "method": method, "params": params}));
        let messages = bench.read(peer);
        assert_eq!((&messages[0]["method"], &messages[0]["params"]["event"]), (&json!("f"), &json!(method)));
        assert_eq!(messages[1], json!({"id": 5, "result": true}));
    }
}

#[test]
fn what_can_only_be_fetched_is_marked_when_it_is_added() {
    let mut bench = Bench::new();
    let (owner, early, late) = (bench.peer(), bench.peer(), bench.peer());
    bench.fetch(early, json!({}));
    bench.done(owner, "add", json!({"path": "r", "value": 1, "fetchOnly": true}));
    bench.change(owner, "r", json!(2));
    let messages = bench.read(early);
    assert_eq!(messages[0]["params"], json!({"path": "r", "event": "add", "value": 1, "fetchOnly": true}));
    assert_eq!(messages[1]["params"], json!({"path": "r", "event": "change", "value": 2}));
    assert_eq!(bench.fetch(late, json!({}))[0]["fetchOnly"], true);
}

#[test]
fn a_peer_that_leaves_takes_its_elements_and_fetchers_along() {
    let mut bench = Bench::new();
    let (owner, fetcher) = (bench.peer(), bench.peer());
    bench.fetch(owner, json!({}));
    bench.fetch(fetcher, json!({"path": {"startsWith": ""}}));
    for path in ["1", "11", "b", "a"] {
        bench.add(owner, path, json!(path));
    }
    bench.remove(owner, "b");
    bench.add(fetcher, "mine", json!(0));
    bench.read(fetcher);
    bench.leave(owner);
    assert_eq!(bench.seen(fetcher), [r#"remove 1 "1""#, r#"remove 11 "11""#, r#"remove a "a""#]);
    assert_eq!(bench.bus.counts(), (1, 1, 0));
    bench.leave(owner);
    let next = bench.peer();
    bench.done(next, "add", json!({"path": "1"}));
    assert_eq!(bench.seen(fetcher), [r#"add 1 "(none)""#]);
}

#[test]
fn fetch_ids_are_of_any_kind_and_echoed_as_they_came() {
    let mut bench = Bench::new();
    let (owner, fetcher) = (bench.peer(), bench.peer());
    bench.add(owner, "a", json!(1));
    for id in ["1", "12345678901234567890", "1.50", r#""x""#, r#""""#, "[1]", r#"{"a":true}"#, "false"] {
        bench.feed(fetcher, format!(r#"{{"method":"fetch","params":{{"id":{id}}}}}"#));
        let text = bench.texts(fetcher).remove(0);
        assert!(text.starts_with(&format!(r#"{{"method":{id},"params""#)), "{text}");
        bench.feed(fetcher, format!(r#"{{"id":1,"method":"unfetch","params":{{"id":{id}}}}}"#));
        assert_eq!(bench.read_one(fetcher)["result"], true, "{id}");
    }
    assert_eq!(bench.bus.counts().1, 0);
    for params in [json!({}), json!({"id": null})] {
        assert_eq!(bench.refused(fetcher, "fetch", params).1["missingParam"], "id");
    }
}

#[test]
fn a_fetch_id_used_again_replaces_the_fetch_of_the_same_peer_only() {
    let mut bench = Bench::new();
    let (owner, one, other) = (bench.peer(), bench.peer(), bench.peer());
    bench.fetch(one, json!({"path": {"startsWith": "a"}}));
    bench.fetch(other, json!({}));
    bench.fetch(one, json!({"path": {"startsWith": "b"}}));
    // The same id with an escape sequence.
    bench.feed(one, r#"{"method":"fetch","params":{"id":"\u0066","path":{"startsWith":"b"}}}"#);
    bench.add(owner, "a", json!(1));
    bench.add(owner, "b", json!(1));
    assert_eq!(bench.seen(one), ["add b 1"]);
    assert_eq!(bench.seen(other), ["add a 1", "add b 1"]);
    bench.done(one, "unfetch", json!({"id": "f"}));
    bench.change(owner, "b", json!(2));
    assert_eq!(bench.read(one), Vec::<Value>::new());
    assert_eq!(bench.refused(one, "unfetch", json!({"id": "f"})).0, -32603);
    assert_eq!(bench.seen(other), ["change b 2"]);
}

#[test]
fn a_refused_fetch_leaves_nothing_behind_and_nothing_broken() {
    let mut bench = Bench::new();
    let (owner, fetcher) = (bench.peer(), bench.peer());
    bench.fetch(fetcher, json!({}));
    let params = json!({"id": "f", "path": {"equals": []}});
    let (code, data) = bench.refused(fetcher, "fetch", params.clone());
    assert_eq!((code, &data["fetchParams"]), (-32602, &params));
    assert!(data["reason"].as_str().is_some_and(|reason| reason.contains("path.equals")));
    assert_eq!(bench.refused(fetcher, "fetch", json!({"id": "g", "sort": 5})).0, -32602);
    bench.add(owner, "a", json!(1));
    assert_eq!(bench.seen(fetcher), ["add a 1"], "the first fetch is still active");
    assert_eq!(bench.bus.counts().1, 1);
}

#[test]
fn unknown_keys_are_named_in_the_log() {
    let mut bench = Bench::new();
    let fetcher = bench.peer();
    bench.fetch(fetcher, json!({"path": {"startWith": "a"}}));
    let lines = bench.log();
    assert!(lines.iter().any(|line| line.text.contains("startWith") && line.text.contains("'startsWith'")));
}

#[test]
fn elements_enter_and_leave_by_their_value_even_without_a_path_rule() {
    let mut bench = Bench::new();
    let (owner, fetcher) = (bench.peer(), bench.peer());
    bench.add(owner, "a", json!(1));
    bench.add(owner, "b", json!(10));
    let found = bench.fetch(fetcher, json!({"value": {"greaterThan": 5}}));
    assert_eq!(paths(&found), ["b"]);
    bench.change(owner, "a", json!(2));
    bench.change(owner, "a", json!(6));
    bench.change(owner, "a", json!(7));
    bench.change(owner, "a", json!("text"));
    bench.add(owner, "c", json!(0));
    bench.change(owner, "c", json!(9));
    bench.remove(owner, "a");
    bench.remove(owner, "c");
    assert_eq!(bench.seen(fetcher), ["add a 6", "change a 7", r#"remove a "text""#, "add c 9", "remove c 9"]);
}

#[test]
fn initial_results_are_complete_for_every_rule() {
    let paths_there =
        ["s1", "a1", "a11", "a1b", "xaaab", "foo/1", "foo/2", "x/c", "x/c/d", "abcxabc", "1", "11"];
    for (rule, expected) in [
        (json!({"contains": "aab"}), vec!["xaaab"]),
        (json!({"contains": "s", "startsWith": "s1"}), vec!["s1"]),
        (json!({"endsWith": "1"}), vec!["s1", "a1", "a11", "foo/1", "1", "11"]),
        (json!({"contains": "", "endsWith": ""}), paths_there.to_vec()),
        (json!({"equals": "foo/3"}), vec![]),
        (json!({"equals": "1"}), vec!["1"]),
        (json!({"startsWith": "x/c"}), vec!["x/c", "x/c/d"]),
        (json!({"equalsOneOf": ["11", "nope", "s1"]}), vec!["s1", "11"]),
        (json!({"startsWith": "A", "caseInsensitive": true}), vec!["a1", "a11", "a1b", "abcxabc"]),
        (json!({"equalsNot": "1", "startsWith": "1"}), vec!["11"]),
    ] {
        let mut bench = Bench::new();
        let (owner, early, late) = (bench.peer(), bench.peer(), bench.peer());
        bench.fetch(early, json!({"path": rule}));
        for path in paths_there {
            bench.add(owner, path, json!(0));
        }
        let found = bench.fetch(late, json!({"path": rule}));
        assert_eq!(paths(&found), expected, "{rule}");
        let live: Vec<_> = bench.events(early).into_iter().map(|(_, path, _)| path).collect();
        assert_eq!(live, expected, "{rule}");
    }
}

#[test]
fn a_sorted_fetch_begins_with_its_window_even_if_it_is_empty() {
    let mut bench = Bench::new();
    let (owner, fetcher) = (bench.peer(), bench.peer());
    let sort = json!({"sort": {"byValue": "number", "from": 1, "to": 2}});
    assert_eq!(bench.fetch(fetcher, sort.clone()), [json!({"changes": [], "n": 0})]);
    for (path, value) in [("c", 3), ("a", 1), ("b", 2)] {
        bench.add(owner, path, json!(value));
    }
    let row = |path: &str, value: i32, index: i32| json!({"path": path, "value": value, "index": index});
    let steps: Vec<_> = bench.read(fetcher).iter().map(|message| message["params"].clone()).collect();
    assert_eq!(
        steps,
        [
            json!({"changes": [row("c", 3, 1)], "n": 1}),
            json!({"changes": [row("a", 1, 1), row("c", 3, 2)], "n": 2}),
            json!({"changes": [row("b", 2, 2)], "n": 2}),
        ]
    );
    let late = bench.peer();
    assert_eq!(bench.fetch(late, sort), [json!({"changes": [row("a", 1, 1), row("b", 2, 2)], "n": 2})]);
    // Changes outside of the window are not sent. A value of a type that the sort excludes is removed.
    bench.change(owner, "c", json!(30));
    assert_eq!(bench.read(late), Vec::<Value>::new());
    bench.change(owner, "a", json!("text"));
    assert_eq!(bench.read_one(late)["params"], json!({"changes": [row("b", 2, 1), row("c", 30, 2)], "n": 2}));
    bench.leave(owner);
    let last = bench.read(late).pop().expect("a notification");
    assert_eq!(last["params"], json!({"changes": [], "n": 0}));
}

/// Applies the notifications of a sorted fetch as a program does, and compares the window with a model.
#[test]
fn sorted_windows_follow_random_steps() {
    let mut random = 7u64;
    let mut next = move |below: u64| {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (random >> 33) % below
    };
    for (from, to) in [(1, 3), (2, 4), (3, 3), (5, 10)] {
        let mut bench = Bench::new();
        let (owner, fetcher) = (bench.peer(), bench.peer());
        let mut truth: std::collections::BTreeMap<String, u64> = Default::default();
        let mut window: Vec<Value> = Vec::new();
        bench.fetch(fetcher, json!({"sort": {"byValue": "number", "from": from, "to": to}}));
        for _ in 0..300 {
            let path = format!("p{}", next(9));
            let value = next(4);
            match (truth.contains_key(&path), next(3)) {
                (true, 0) => {
                    truth.remove(&path);
                    bench.remove(owner, &path);
                }
                (known, _) => {
                    truth.insert(path.clone(), value);
                    let method = if known { "change" } else { "add" };
                    bench.send(owner, json!({"method": method, "params": {"path": path, "value": value}}));
                }
            }
            for message in bench.read(fetcher) {
                let n = message["params"]["n"].as_u64().expect("n") as usize;
                window.resize(n, Value::Null);
                for row in message["params"]["changes"].as_array().expect("an array") {
                    let index = row["index"].as_u64().expect("an index") as usize;
                    window[index - from] = json!([row["path"], row["value"]]);
                }
            }
            let mut expected: Vec<_> = truth.iter().map(|(path, value)| (*value, path.clone())).collect();
            expected.sort();
            let expected: Vec<_> = expected
                .into_iter()
                .skip(from - 1)
                .take(to + 1 - from)
                .map(|(value, path)| json!([path, value]))
                .collect();
            assert_eq!(window, expected, "{from}..{to}");
        }
    }
}

#[test]
fn expressions_of_the_first_generation() {
    let mut bench = Bench::new();
    let (owner, fetcher) = (bench.peer(), bench.peer());
    for (path, value) in [("net/ip", json!(1)), ("net/mask", json!(2)), ("disk", json!({"size": 5}))] {
        bench.add(owner, path, value);
    }
    assert_eq!(
        paths(&bench.fetch(fetcher, json!({"match": ["^net/", "sk$"]}))),
        ["net/ip", "net/mask", "disk"]
    );
    assert_eq!(paths(&bench.fetch(fetcher, json!({"unmatch": ["mask"]}))), ["net/ip", "disk"]);
    assert_eq!(paths(&bench.fetch(fetcher, json!({"text": "net/."}))), ["net/ip", "net/mask"]);
    let place = json!({"where": {"prop": "size", "op": "greaterThan", "value": 4}});
    assert_eq!(paths(&bench.fetch(fetcher, place)), ["disk"]);
}

#[test]
fn a_limited_fetch_lets_others_in_when_one_leaves() {
    let mut bench = Bench::new();
    let (owner, fetcher) = (bench.peer(), bench.peer());
    for path in ["a", "b", "c", "d"] {
        bench.add(owner, path, json!(1));
    }
    let found = bench.fetch(fetcher, json!({"max": 2, "where": {"op": "equals", "value": 1}}));
    assert_eq!(paths(&found), ["a", "b"]);
    bench.change(owner, "c", json!(2));
    bench.remove(owner, "a");
    assert_eq!(bench.seen(fetcher), ["remove a 1", "add d 1"]);
    bench.change(owner, "c", json!(1));
    assert_eq!(bench.read(fetcher), Vec::<Value>::new());
    bench.change(owner, "b", json!(5));
    assert_eq!(bench.seen(fetcher), ["remove b 5", "add c 1"]);
}

#[test]
fn elements_hang_on_others_by_deps() {
    let mut bench = Bench::new();
    let (owner, fetcher) = (bench.peer(), bench.peer());
    bench.add(owner, "a/value", json!(1));
    let deps = json!({"match": ["^(.*)/value$"], "deps": [{"path": "\\1/on", "where": {"op": "equals", "value": true}}]});
    assert_eq!(bench.fetch(fetcher, deps), Vec::<Value>::new());
    bench.add(owner, "a/on", json!(false));
    bench.change(owner, "a/value", json!(2));
    assert_eq!(bench.read(fetcher), Vec::<Value>::new());
    bench.change(owner, "a/on", json!(true));
    bench.change(owner, "a/value", json!(3));
    bench.remove(owner, "a/on");
    bench.change(owner, "a/value", json!(4));
    bench.add(owner, "a/on", json!(true));
    bench.remove(owner, "a/value");
    assert_eq!(
        bench.seen(fetcher),
        ["add a/value 2", "change a/value 3", "remove a/value 3", "add a/value 4", "remove a/value 4"]
    );
    bench.leave(fetcher);
    bench.leave(owner);
    assert_eq!(bench.bus.counts(), (0, 0, 0));
}

#[test]
fn one_among_many_costs_what_matches_it() {
    let mut bench = Bench::new();
    let (owner, fetcher) = (bench.peer(), bench.peer());
    for number in 0..20_000 {
        bench.add(owner, &format!("group{}/state{number}", number % 200), json!(number));
    }
    for number in 0..1000 {
        let id = format!("exact{number}");
        let path = format!("group{}/state{number}", number % 200);
        let before = bench.bus.comparisons();
        bench.send(fetcher, json!({"method": "fetch", "params": {"id": id, "path": {"equals": path}}}));
        // One comparison for the fetch and one for the notification.
        assert!(bench.bus.comparisons() - before <= 2, "a fetch of an exact path compares all states");
    }
    let before = bench.bus.comparisons();
    bench.send(
        fetcher,
        json!({"method": "fetch", "params": {"id": "prefix", "path": {"startsWith": "group7/"}}}),
    );
    assert!(bench.bus.comparisons() - before <= 200, "a fetch of a prefix compares all states");
    assert_eq!(bench.read(fetcher).len(), 1000 + 100);

    let before = bench.bus.comparisons();
    bench.change(owner, "group7/state7", json!("new"));
    bench.change(owner, "group8/state5008", json!("new"));
    bench.remove(owner, "group7/state207");
    bench.add(owner, "group7/state207", json!(1));
    bench.add(owner, "elsewhere", json!(1));
    assert_eq!(bench.read(fetcher).len(), 2 + 2 + 2);
    assert!(bench.bus.comparisons() - before <= 12, "a change is compared with fetchers that cannot match");
}

#[test]
fn one_change_reaches_each_of_many_fetchers_once() {
    let mut bench = Bench::new();
    let owner = bench.peer();
    let fetchers: Vec<_> = (0..50).map(|_| bench.peer()).collect();
    for fetcher in &fetchers {
        bench.fetch(*fetcher, json!({"path": {"contains": "x"}}));
    }
    bench.add(owner, "x", json!([1, 2, 3]));
    for fetcher in fetchers {
        let message = bench.read_one(fetcher);
        assert_eq!(event_of(&message["params"]), ("add".into(), "x".into(), json!([1, 2, 3])));
    }
}
