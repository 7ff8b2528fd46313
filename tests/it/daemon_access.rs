//! `access` on `add`: which users may fetch, set and call an element.

use crate::support::bench::{Bench, Peer, auth};
use serde_json::{Value, json};

#[test]
fn access_is_read_even_where_there_are_no_users() {
    let mut bench = Bench::new();
    let owner = bench.peer();
    let refused = [
        (json!("admins"), json!({"wrongType": "access"})),
        (json!(true), json!({"wrongType": "access"})),
        (json!(["admins"]), json!({"wrongType": "access"})),
        (json!({"fetchGroups": "admins"}), json!({"wrongType": "access.fetchGroups"})),
        (json!({"fetchGroups": {"1": "admins"}}), json!({"wrongType": "access.fetchGroups"})),
        (json!({"setGroups": ["admins", 1]}), json!({"wrongType": "access.setGroups"})),
        (json!({"callGroups": [null]}), json!({"wrongType": "access.callGroups"})),
        (json!({"read": ["admins"]}), json!({"wrongType": "access.read"})),
        (json!({"write": 1}), json!({"wrongType": "access.write"})),
        (json!({"fetchgroups": ["admins"]}), json!({"unknownMember": "access.fetchgroups"})),
    ];
    for (access, mut expected) in refused {
        let params = json!({"path": "a", "value": 1, "access": access});
        if expected.get("wrongType").is_some() {
            expected["got"] = params.clone();
        }
        assert_eq!(bench.refused(owner, "add", params), (-32602, expected));
    }
    let taken: [Value; 7] = [
        json!(null),
        json!({}),
        // An empty table of Lua is an object or an array.
        json!([]),
        json!({"fetchGroups": {}, "setGroups": []}),
        json!({"fetchGroups": null, "read": null}),
        json!({"read": "", "write": "admins"}),
        json!({"fetchGroups": ["a", "b", "a"], "setGroups": ["a"], "callGroups": ["c"], "read": "d"}),
    ];
    for access in taken {
        bench.done(owner, "add", json!({"path": "a", "value": 1, "access": access}));
        // Without users the access has no effect.
        let other = bench.peer();
        assert_eq!(bench.fetch(other, json!({})).len(), 1, "{access}");
        bench.done(owner, "remove", json!({"path": "a"}));
    }
}

/// A user, and what the groups of the elements in [`ACCESS`] allow.
struct User {
    name: &'static str,
    /// The groups for fetching, setting and calling; `None` without a login.
    groups: Option<[&'static [&'static str]; 3]>,
    /// The allowed actions for each entry of [`ACCESS`]: `f`etch, `s`et and `c`all.
    may: [&'static str; 9],
}

/// The values of `access` that elements are added with.
const ACCESS: [&str; 9] = [
    "null",
    "{}",
    r#"{"fetchGroups":["a"],"setGroups":["b"],"callGroups":["c"]}"#,
    r#"{"fetchGroups":["a","b"]}"#,
    r#"{"setGroups":["a"],"callGroups":["a"]}"#,
    r#"{"fetchGroups":[],"setGroups":[],"callGroups":[]}"#,
    r#"{"read":"a","write":"b"}"#,
    r#"{"read":"","write":"c"}"#,
    r#"{"fetchGroups":["nobody's"],"read":"a","write":"a"}"#,
];

const USERS: [User; 6] = [
    User { name: "nobody", groups: None, may: ["fsc", "", "", "", "", "", "", "", ""] },
    User {
        name: "in no group",
        groups: Some([&[], &[], &[]]),
        may: ["fsc", "fsc", "", "sc", "f", "", "", "f", ""],
    },
    User {
        name: "reader",
        groups: Some([&["a"], &[], &[]]),
        may: ["fsc", "fsc", "f", "fsc", "f", "", "f", "f", ""],
    },
    User {
        name: "writer",
        groups: Some([&["x"], &["a", "b"], &["y", "b"]]),
        may: ["fsc", "fsc", "s", "sc", "fs", "", "sc", "f", "s"],
    },
    User {
        name: "in all groups",
        groups: Some([&["a", "b", "c"], &["c", "b", "a"], &["b", "a", "c"]]),
        may: ["fsc", "fsc", "fsc", "fsc", "fsc", "", "fsc", "fsc", "sc"],
    },
    User {
        name: "by similar names",
        groups: Some([&["A", "a ", "nobody"], &["", "aa"], &["C"]]),
        may: ["fsc", "fsc", "", "sc", "f", "", "", "f", ""],
    },
];

/// A bus with one user, for elements with one value of `access`.
struct Case {
    bench: Bench,
    owner: Peer,
    user: Peer,
    access: Value,
    fetches: bool,
    sets: bool,
    calls: bool,
    name: String,
}

impl Case {
    fn new(user: &User, place: usize) -> Case {
        let mut bench = Bench::with_users();
        let (owner, peer) = (bench.peer(), bench.peer());
        if let Some([fetch, set, call]) = user.groups {
            let answer = bench.log_in(peer, user.name, auth(fetch, set, call));
            let groups = json!({"fetchGroups": fetch, "setGroups": set, "callGroups": call});
            assert_eq!(answer, json!({"id": "login", "result": groups}));
        }
        let may = user.may[place];
        Case {
            bench,
            owner,
            user: peer,
            access: serde_json::from_str(ACCESS[place]).expect("JSON"),
            fetches: may.contains('f'),
            sets: may.contains('s'),
            calls: may.contains('c'),
            name: format!("{} at {}", user.name, ACCESS[place]),
        }
    }

    /// Adds a state and a method with the access of this case, between two unrestricted states.
    fn add(&mut self) {
        self.bench.add(self.owner, "1 open", json!(1));
        let state = json!({"path": "2 state", "value": 2, "access": self.access});
        self.bench.done(self.owner, "add", state);
        self.bench.done(self.owner, "add", json!({"path": "2 method", "access": self.access}));
        self.bench.add(self.owner, "3 open", json!(3));
    }

    fn remove(&mut self) {
        for path in ["1 open", "2 state", "2 method", "3 open"] {
            self.bench.remove(self.owner, path);
        }
    }

    fn change(&mut self, value: i64) {
        for path in ["1 open", "2 state"] {
            self.bench.change(self.owner, path, json!(value));
        }
    }

    /// Returns the expected `fetchOnly` in adds of the state and of the method.
    fn marks(&self) -> [Value; 2] {
        [self.sets, self.calls].map(|may| if may { Value::Null } else { json!(true) })
    }

    /// Checks that the paths and marks in notifications or results are those that the user may see.
    fn assert_shown(&self, items: &[Value], how: &str) {
        let shown: Vec<_> = items.iter().map(|item| (&item["path"], &item["fetchOnly"])).collect();
        let (paths, marks) = (["1 open", "2 state", "2 method", "3 open"].map(Value::from), self.marks());
        let mut expected = vec![(&paths[0], &Value::Null), (&paths[3], &Value::Null)];
        if self.fetches {
            expected.splice(1..1, [(&paths[1], &marks[0]), (&paths[2], &marks[1])]);
        }
        assert_eq!(shown, expected, "{how}: {}", self.name);
    }

    /// Returns the initial notifications of a fetch, and ends the fetch.
    fn snapshot(&mut self, expression: Value) -> Vec<Value> {
        let params = self.bench.fetch(self.user, expression);
        self.bench.done(self.user, "unfetch", json!({"id": "f"}));
        params
    }
}

/// Runs a test for every user with every value of `access`.
fn for_all(test: impl Fn(&mut Case)) {
    for user in &USERS {
        (0..ACCESS.len()).for_each(|place| test(&mut Case::new(user, place)));
    }
}

fn params(messages: &[Value]) -> Vec<Value> {
    messages.iter().map(|message| message["params"].clone()).collect()
}

#[test]
fn a_fetch_shows_what_may_be_fetched() {
    for_all(|case| {
        // Existing elements, through each kind of index, then adds, changes and removes.
        case.add();
        for rule in [json!({}), json!({"containsOneOf": [" "]}), json!({"startsWith": ""})] {
            let shown = case.snapshot(json!({ "path": rule }));
            case.assert_shown(&shown, "there");
        }
        for rule in
            [json!({"equals": "2 state"}), json!({"equalsOneOf": ["2 state"]}), json!({"startsWith": "2 s"})]
        {
            assert_eq!(
                case.snapshot(json!({ "path": rule })).len(),
                usize::from(case.fetches),
                "{}",
                case.name
            );
        }
        case.remove();
        case.bench.fetch(case.user, json!({}));
        case.add();
        let events = case.bench.read(case.user);
        case.assert_shown(&params(&events), "added");
        case.change(7);
        case.remove();
        let hidden = ["change 2 state 7", "remove 2 state 7", "remove 2 method \"(none)\""];
        let expected: Vec<_> = [
            "change 1 open 7",
            "change 2 state 7",
            "remove 1 open 7",
            "remove 2 state 7",
            "remove 2 method \"(none)\"",
            "remove 3 open 3",
        ]
        .into_iter()
        .filter(|event| case.fetches || !hidden.contains(event))
        .collect();
        assert_eq!(case.bench.seen(case.user), expected, "{}", case.name);
    });
}

#[test]
fn get_answers_what_may_be_fetched() {
    for_all(|case| {
        case.add();
        let answer = case.bench.ask(case.user, "get", json!({}));
        case.assert_shown(answer["result"].as_array().expect("an array"), "get");
        let sorted = json!({"sort": {"byValue": "number", "from": 2, "to": 2}});
        let answer = case.bench.ask(case.user, "get", sorted);
        let second = if case.fetches { "2 state" } else { "3 open" };
        assert_eq!(answer["result"][0]["path"], second, "{}", case.name);
        let limited = case.bench.ask(case.user, "get", json!({"max": 3}));
        assert_eq!(limited["result"].as_array().map(Vec::len), Some(if case.fetches { 3 } else { 2 }));
    });
}

#[test]
fn rules_on_values_do_not_look_at_what_is_hidden() {
    for_all(|case| {
        case.add();
        let rule = json!({"value": {"lessThan": 3}});
        let shown = case.bench.fetch(case.user, rule);
        assert_eq!(shown.len(), 1 + usize::from(case.fetches), "{}", case.name);
        // The state stops matching, then matches again.
        for (value, event) in [(9, "remove"), (0, "add")] {
            case.bench.change(case.owner, "2 state", json!(value));
            let expected = if case.fetches { vec![format!("{event} 2 state {value}")] } else { vec![] };
            assert_eq!(case.bench.seen(case.user), expected, "{}", case.name);
        }
    });
}

#[test]
fn hidden_elements_take_no_place_in_a_sorted_fetch() {
    for_all(|case| {
        case.add();
        let window = json!({"sort": {"byValue": "number", "from": 2, "to": 3}});
        let shown = case.bench.fetch(case.user, window);
        let entry =
            |path: &str, value: i64, index: i64| json!({"path": path, "value": value, "index": index});
        let mut state = entry("2 state", 2, 2);
        if !case.sets {
            state["fetchOnly"] = json!(true);
        }
        let (first, n) = match case.fetches {
            true => (json!([state, entry("3 open", 3, 3)]), 2),
            false => (json!([entry("3 open", 3, 2)]), 1),
        };
        assert_eq!(shown, [json!({"changes": first, "n": n})], "{}", case.name);
        // The hidden state moves through the window.
        for value in [0, 9, 2] {
            case.bench.change(case.owner, "2 state", json!(value));
            assert_eq!(case.bench.read(case.user).is_empty(), !case.fetches, "{}", case.name);
        }
        case.bench.remove(case.owner, "2 state");
        assert_eq!(case.bench.read(case.user).is_empty(), !case.fetches, "{}", case.name);
    });
}

#[test]
fn hidden_elements_take_no_place_in_a_limited_fetch() {
    for_all(|case| {
        case.add();
        let shown = case.bench.fetch(case.user, json!({"max": 2}));
        let second = if case.fetches { "2 state" } else { "3 open" };
        assert_eq!(shown[1]["path"], second, "{}", case.name);
        // The next visible element takes the place of the removed one.
        case.bench.remove(case.owner, "1 open");
        let last = if case.fetches {
            vec!["remove 1 open 1", "add 2 method \"(none)\""]
        } else {
            vec!["remove 1 open 1"]
        };
        assert_eq!(case.bench.seen(case.user), last, "{}", case.name);
    });
}

#[test]
fn conditions_on_hidden_elements_do_not_hold() {
    for_all(|case| {
        case.add();
        let expression = json!({"match": ["1 open"], "deps": [{"path": "2 state", "where": {"op": "equals", "value": 2}}]});
        assert_eq!(
            case.bench.fetch(case.user, expression.clone()).len(),
            usize::from(case.fetches),
            "{}",
            case.name
        );
        let answer = case.bench.ask(case.user, "get", expression);
        assert_eq!(
            answer["result"].as_array().map(Vec::len),
            Some(usize::from(case.fetches)),
            "{}",
            case.name
        );
        for (value, event) in [(3, "remove"), (2, "add")] {
            case.bench.change(case.owner, "2 state", json!(value));
            let expected = if case.fetches { vec![format!("{event} 1 open 1")] } else { vec![] };
            assert_eq!(case.bench.seen(case.user), expected, "{}", case.name);
        }
    });
}

#[test]
fn set_and_call_reach_whom_they_may() {
    for_all(|case| {
        case.add();
        for (method, path, may) in [("set", "2 state", case.sets), ("call", "2 method", case.calls)] {
            let request = json!({"path": path, "value": 5});
            // As a notification and as a request.
            case.bench.send(case.user, json!({"method": method, "params": request}));
            case.bench.send(case.user, json!({"id": 1, "method": method, "params": request}));
            let asked = case.bench.read(case.owner);
            if may {
                assert_eq!(asked.len(), 2, "{}", case.name);
                case.bench.send(case.owner, json!({"id": asked[1]["id"], "result": true}));
                assert_eq!(case.bench.read_one(case.user), json!({"id": 1, "result": true}));
            } else {
                assert_eq!(asked, Vec::<Value>::new(), "{}", case.name);
                let error = &case.bench.read_one(case.user)["error"];
                assert_eq!((&error["code"], &error["data"]), (&json!(-32602), &json!({"noAccess": path})));
            }
        }
        // `wrongKind` is sent only to users that may do the other action; the rest get `noAccess`.
        for (method, path, may) in [("call", "2 state", case.sets), ("set", "2 method", case.calls)] {
            let (_, data) = case.bench.refused(case.user, method, json!({"path": path, "value": 5}));
            let reason = if may { "wrongKind" } else { "noAccess" };
            assert_eq!(data, json!({reason: path}), "{}", case.name);
        }
    });
}

#[test]
fn an_element_that_comes_again_has_its_new_access() {
    let mut bench = Bench::with_users();
    let (owner, peer) = (bench.peer(), bench.peer());
    bench.log_in(peer, "ann", auth(&["a"], &[], &[]));
    bench.fetch(peer, json!({}));
    for (group, event) in [("a", Some("add")), ("b", None), ("a", Some("add"))] {
        let access = json!({"fetchGroups": [group]});
        bench.done(owner, "add", json!({"path": "p", "value": 1, "access": access}));
        assert_eq!(
            bench.seen(peer),
            event.map(|event| format!("{event} p 1")).into_iter().collect::<Vec<_>>()
        );
        bench.done(owner, "remove", json!({"path": "p"}));
        bench.read(peer);
    }
}

#[test]
fn the_same_news_is_told_to_each_with_the_own_mark() {
    let mut bench = Bench::with_users();
    let owner = bench.peer();
    let mut peers = Vec::new();
    for set in [&["a"][..], &[], &["a"], &[]] {
        let peer = bench.peer();
        bench.log_in(peer, "ann", auth(&[], set, &[]));
        bench.fetch(peer, json!({}));
        peers.push((peer, set.is_empty()));
    }
    bench.done(owner, "add", json!({"path": "p", "value": 1, "access": {"setGroups": ["a"]}}));
    for (peer, is_marked) in peers {
        let mark = bench.read_one(peer)["params"].get("fetchOnly").cloned();
        assert_eq!(mark, is_marked.then_some(json!(true)));
    }
}

#[test]
fn sorted_fetches_carry_the_mark_in_each_entry() {
    let mut bench = Bench::with_users();
    let owner = bench.peer();
    for may_set in [true, false] {
        let user = bench.peer();
        bench.log_in(user, "ann", auth(&[], if may_set { &["a"] } else { &[] }, &[]));
        let path = format!("p {may_set}");
        bench.done(owner, "add", json!({"path": path, "value": 1, "access": {"setGroups": ["a"]}}));
        let expression = json!({"path": {"equals": path}, "sort": {"byPath": true}});
        let mut entry = json!({"path": path, "value": 1, "index": 1});
        if !may_set {
            entry["fetchOnly"] = json!(true);
        }
        assert_eq!(bench.fetch(user, expression.clone())[0]["changes"], json!([entry]));
        bench.change(owner, &path, json!(2));
        entry["value"] = json!(2);
        assert_eq!(bench.read_one(user)["params"]["changes"], json!([entry]));
        assert_eq!(bench.ask(user, "get", expression)["result"], json!([entry]));
    }
}

#[test]
fn owners_have_no_more_rights_than_others() {
    let mut bench = Bench::with_users();
    let owner = bench.peer();
    let params = json!({"path": "p", "value": 1, "access": {}});
    bench.done(owner, "add", params.clone());
    assert_eq!(bench.fetch(owner, json!({})).len(), 0);
    assert_eq!(bench.refused(owner, "set", json!({"path": "p", "value": 2})).1, json!({"noAccess": "p"}));
    // Owners may still change and remove the element, and a path in use is not hidden.
    bench.done(owner, "change", json!({"path": "p", "value": 2}));
    let other = bench.peer();
    assert_eq!(bench.refused(other, "add", params).1, json!({"pathAlreadyExists": "p"}));
    assert_eq!(bench.refused(other, "remove", json!({"path": "p"})).1, json!({"foreignPath": "p"}));
    bench.done(owner, "remove", json!({"path": "p"}));
}
