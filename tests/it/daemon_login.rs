//! Logins and the other services about users, in the engine: which messages are held, what is sent, and what is
//! never logged.

use crate::support::bench::{Bench, Peer, auth};
use jet::daemon::accounts::{Task, Verdict};
use jet::daemon::{Config, Level};
use jet::users::Auth;
use serde_json::{Value, json};

const ADMIN: fn() -> Auth = || Auth { admin: true, ..Auth::default() };

fn credentials(user: &str) -> Value {
    json!({"user": user, "password": "secret"})
}

/// Returns a bus with a state that only the group `a` may fetch, and its owner.
fn with_secret_state() -> (Bench, Peer) {
    let mut bench = Bench::with_users();
    let owner = bench.peer();
    let access = json!({"fetchGroups": ["a"]});
    bench.done(owner, "add", json!({"path": "hidden", "value": 1, "access": access}));
    (bench, owner)
}

fn sees(bench: &mut Bench, peer: Peer) -> bool {
    let answer = bench.ask(peer, "get", json!({}));
    !answer["result"].as_array().expect("an array").is_empty()
}

#[test]
fn info_says_whether_there_are_users() {
    for users in [false, true] {
        let mut bench = Bench::with(Config { authentication: users, ..Config::default() });
        let peer = bench.peer();
        let features = &bench.ask(peer, "info", json!({}))["result"]["features"];
        assert_eq!((&features["authentication"], &features["authenticate"]), (&json!(users), &json!(users)));
    }
}

#[test]
fn without_users_everybody_is_let_in_to_no_purpose() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    bench.done(peer, "authenticate", json!({"user": 1}));
    bench.fetch(peer, json!({}));
    bench.done(peer, "authenticate", json!(null));
    assert_eq!(bench.refused(peer, "passwd", credentials("ann")), (-32602, json!({"noAccess": "ann"})));
    assert_eq!(bench.refused(peer, "addUser", credentials("ann")), (-32602, json!({"noAccess": "ann"})));
}

#[test]
fn what_is_sent_behind_a_login_waits_for_it() {
    let (mut bench, _) = with_secret_state();
    let peer = bench.peer();
    // Single messages, an array with a login in the middle, and another login.
    let login = json!({"id": 2, "method": "authenticate", "params": credentials("ann")});
    let again = json!({"id": 5, "method": "authenticate", "params": credentials("bob")});
    let get = |id: i64| json!({"id": id, "method": "get"});
    bench.send(peer, json!([get(1), login, get(3), again.clone(), get(6)]));
    bench.send(peer, get(7));
    bench.feed(peer, "no JSON");
    bench.send(peer, json!([get(8), {"id": 9, "method": "fetch", "params": {"id": "f"}}]));
    let paths = |message: &Value| message["result"].as_array().map(Vec::len);
    let first = bench.read_one(peer);
    assert_eq!((&first["id"], paths(&first)), (&json!(1), Some(0)));
    let job = bench.job();
    assert!(matches!(&job.task, Task::Verify { user, .. } if user == "ann"));
    bench.pass(100.0);
    assert_eq!(bench.read(peer), Vec::<Value>::new());
    bench.conclude(job, Verdict::Verified(auth(&["a"], &[], &[])));
    let answers = bench.read(peer);
    assert_eq!(answers.iter().map(|answer| answer["id"].clone()).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(paths(&answers[1]), Some(1));
    let job = bench.job();
    assert!(matches!(&job.task, Task::Verify { user, .. } if user == "bob"));
    bench.conclude(job, Verdict::Verified(Auth::default()));
    let answers = bench.read(peer);
    let ids: Vec<_> = answers.iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, [json!(5), json!(6), json!(7), Value::Null, json!(8), json!(9)]);
    assert_eq!(answers[3]["error"]["code"], -32700);
    assert_eq!([paths(&answers[1]), paths(&answers[2]), paths(&answers[4])], [Some(0); 3]);
    assert!(bench.bus.take_jobs().is_empty());
}

#[test]
fn who_fetches_keeps_the_rights_until_the_fetch_ends() {
    let (mut bench, _) = with_secret_state();
    let peer = bench.peer();
    bench.fetch(peer, json!({}));
    let refused = (-32602, json!({"alreadyFetching": true}));
    assert_eq!(bench.refused(peer, "authenticate", credentials("ann")), refused);
    bench.done(peer, "unfetch", json!({"id": "f"}));
    bench.log_in(peer, "ann", auth(&["a"], &[], &[]));
    assert_eq!(bench.fetch(peer, json!({})).len(), 1);
    assert_eq!(bench.refused(peer, "authenticate", credentials("bob")), refused);
    assert!(sees(&mut bench, peer), "what is refused changes nothing");
}

#[test]
fn a_refused_login_leaves_no_rights() {
    let (mut bench, _) = with_secret_state();
    for (verdict, tag) in
        [(Verdict::InvalidUser, "invalidUser"), (Verdict::InvalidPassword, "invalidPassword")]
    {
        let peer = bench.peer();
        assert!(!sees(&mut bench, peer));
        bench.log_in(peer, "ann", auth(&["a"], &[], &[]));
        assert!(sees(&mut bench, peer));
        let job = bench.ask_to_log_in(peer, "bob");
        bench.conclude(job, verdict);
        let error = &bench.read_one(peer)["error"];
        assert_eq!((&error["code"], &error["data"]), (&json!(-32602), &json!({ tag: true })));
        assert!(!sees(&mut bench, peer), "{tag}");
        bench.leave(peer);
        // The next connection may get the slot of the last one, but not its login.
        let next = bench.peer();
        assert!(!sees(&mut bench, next));
    }
}

#[test]
fn another_login_replaces_the_rights() {
    let (mut bench, _) = with_secret_state();
    let peer = bench.peer();
    bench.log_in(peer, "ann", auth(&["a"], &[], &[]));
    bench.log_in(peer, "bob", auth(&["b"], &[], &[]));
    assert!(!sees(&mut bench, peer));
}

#[test]
fn an_answer_for_who_is_gone_is_dropped() {
    let (mut bench, _) = with_secret_state();
    let peer = bench.peer();
    let job = bench.ask_to_log_in(peer, "ann");
    bench.send(peer, json!({"method": "add", "params": {"path": "late"}}));
    bench.leave(peer);
    let next = bench.peer();
    bench.conclude(job, Verdict::Verified(auth(&["a"], &[], &[])));
    assert_eq!(bench.read(next), Vec::<Value>::new());
    assert!(!sees(&mut bench, next));
    assert_eq!(bench.bus.counts().0, 1);
}

#[test]
fn a_login_may_come_without_anybody_waiting() {
    let (mut bench, _) = with_secret_state();
    let peer = bench.peer();
    bench.send(peer, json!({"method": "authenticate", "params": credentials("ann")}));
    let job = bench.job();
    bench.conclude(job, Verdict::Verified(auth(&["a"], &[], &[])));
    assert!(sees(&mut bench, peer));
}

#[test]
fn what_waits_is_bounded() {
    let config = Config { authentication: true, max_message: 1000, ..Config::default() };
    let mut bench = Bench::with(config);
    let peer = bench.peer();
    let job = bench.ask_to_log_in(peer, "ann");
    let message = json!({"method": "no such service", "params": "x".repeat(900)});
    let length = message.to_string().len();
    let mut sent = 0;
    while !bench.bus.is_full(peer.0) {
        bench.send(peer, message.clone());
        sent += length;
    }
    // The overhead of each held message counts as well.
    assert!((60 * 1024..65 * 1024).contains(&sent), "{sent}");
    // The server may already have read this much.
    while sent + length <= 1 << 20 {
        bench.send(peer, message.clone());
        sent += length;
    }
    bench.conclude(job, Verdict::InvalidUser);
    bench.read_one(peer);
    assert!(!bench.bus.is_full(peer.0));
    assert!(bench.bus.take_closing().is_empty());
    bench.ask_to_log_in(peer, "ann");
    for _ in 0..(2 << 20) / length {
        bench.send(peer, message.clone());
    }
    assert_eq!(bench.bus.take_closing(), [peer.0]);
}

#[test]
fn params_of_a_login_are_not_repeated() {
    let mut bench = Bench::with_users();
    let peer = bench.peer();
    bench.log_in(peer, "root", ADMIN());
    for service in ["authenticate", "passwd", "addUser"] {
        for (params, data) in [
            (json!({"password": "secret"}), json!({"missingParam": "user"})),
            (json!({"user": "ann"}), json!({"missingParam": "password"})),
            (json!({"user": ["secret"], "password": "secret"}), json!({"wrongType": "user"})),
            (json!({"user": "ann", "password": 1234}), json!({"wrongType": "password"})),
            (json!(["ann", "secret"]), json!({"wrongType": "params"})),
            (json!("secret"), json!({"wrongType": "params"})),
            (json!(null), json!({"wrongType": "params"})),
        ] {
            assert_eq!(bench.refused(peer, service, params), (-32602, data), "{service}");
        }
    }
    assert_eq!(
        bench.refused(peer, "addUser", json!({"user": "ann", "password": "secret", "groups": "a"})),
        (-32602, json!({"wrongType": "groups"}))
    );
    assert!(bench.bus.take_jobs().is_empty());
}

#[test]
fn passwords_are_changed_by_their_users_and_by_admins() {
    let mut bench = Bench::with_users();
    let (nobody, ann, root) = (bench.peer(), bench.peer(), bench.peer());
    bench.log_in(ann, "ann", Auth::default());
    bench.log_in(root, "root", ADMIN());
    for (peer, user, may) in [
        (nobody, "ann", false),
        (ann, "bob", false),
        (ann, "ann", true),
        (root, "ann", true),
        (root, "x", true),
    ] {
        bench.send(peer, json!({"id": 1, "method": "passwd", "params": credentials(user)}));
        if may {
            let job = bench.job();
            assert!(matches!(&job.task, Task::SetPassword { user: of, .. } if of == user));
            bench.conclude(job, Verdict::Changed);
            assert_eq!(bench.read_one(peer), json!({"id": 1, "result": true}));
        } else {
            assert_eq!(bench.read_one(peer)["error"]["data"], json!({"noAccess": user}));
        }
    }
    // A failed change has no effect on rights.
    let (unwritable, reason) = (Verdict::Failed("disk full".to_owned()), json!("disk full"));
    let verdicts = [
        (Verdict::InvalidUser, json!({"invalidUser": true})),
        (Verdict::ReadOnly, json!({"noAccess": "ann"})),
        (unwritable, reason),
    ];
    for (verdict, data) in verdicts {
        bench.send(root, json!({"id": 1, "method": "passwd", "params": credentials("ann")}));
        let job = bench.job();
        bench.conclude(job, verdict);
        assert_eq!(bench.read_one(root)["error"]["data"], data);
    }
}

#[test]
fn users_are_added_by_admins() {
    let mut bench = Bench::with_users();
    let (ann, root) = (bench.peer(), bench.peer());
    bench.log_in(ann, "ann", auth(&["a"], &["a"], &["a"]));
    bench.log_in(root, "root", ADMIN());
    assert_eq!(bench.refused(ann, "addUser", credentials("bob")).1, json!({"noAccess": "bob"}));
    for (groups, expected) in [(json!(["a", "b"]), &["a", "b"][..]), (json!({}), &[]), (json!(null), &[])] {
        let params = json!({"user": "bob", "password": "secret", "groups": groups});
        bench.send(root, json!({"id": 1, "method": "addUser", "params": params}));
        let job = bench.job();
        let Task::AddUser { user, auth: added, .. } = &job.task else { panic!("{job:?}") };
        assert_eq!((user.as_str(), added), ("bob", &auth(expected, expected, expected)));
        bench.conclude(job, Verdict::UserExists);
        assert_eq!(bench.read_one(root)["error"]["data"], json!({"userExists": "bob"}));
    }
}

#[test]
fn secrets_are_in_no_log_and_no_debug_output() {
    let mut bench = Bench::with_users();
    let peer = bench.peer();
    bench.done(peer, "config", json!({"debug": true, "name": "ann"}));
    let job = bench.ask_to_log_in(peer, "ann");
    bench.send(peer, json!({"id": 2, "method": "passwd", "params": credentials("ann")}));
    for shown in [format!("{job:?}"), format!("{:?}", bench.bus)] {
        assert!(!shown.contains("secret"), "{shown}");
    }
    bench.conclude(job, Verdict::Verified(ADMIN()));
    let job = bench.job();
    bench.conclude(job, Verdict::Changed);
    for garbage in
        [r#"{"method":"authenticate","params":{"password":"secret"#, "{'user': 'ann', 'password': 'secret'}"]
    {
        bench.feed(peer, garbage);
    }
    for message in [
        json!({"id": 1, "method": "addUser", "params": "secret"}),
        json!({"method": "authenticate", "params": ["secret"]}),
        json!({"id": 1, "params": {"password": "secret"}}),
        json!([{"id": 1, "method": "passwd", "params": {"user": "secret", "password": 1}}]),
        json!({"id": 1, "method": "echo", "params": {"password": "secret"}}),
    ] {
        bench.send(peer, message);
    }
    let log = bench.log();
    assert!(log.iter().filter(|line| line.level == Level::Debug).count() > 4);
    for line in log {
        assert!(!line.text.contains("secret"), "{line}");
    }
}
