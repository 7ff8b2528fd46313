//! Users of a running daemon, over real sockets: logins do not delay other connections, wrong passwords are
//! throttled, and changed passwords are written to the users file.

#[allow(dead_code)] // Most of it serves the tests in `it`.
#[path = "it/support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jet::daemon::{Config, LogLine};
use jet::server::Registry;
use jet::users::{Auth, Cost, Hash, Password, User, Users, read, update};
use serde_json::{Value, json};
use support::frames::{frame, read_frame};
use support::server::{Daemon, Peer};
use support::temp_dir::TempDir;
use support::{msgpack, resident_kib};

/// A limit for waits, longer than any test takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns a hash of `secret` that takes almost no time to verify.
fn cheap() -> Hash {
    let cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
    Hash::with_cost(&Password::from("secret".to_owned()), cost).expect("a hash")
}

/// Returns a hash of `secret` at the default cost, for tests that depend on the time of a verification.
fn costly() -> Hash {
    Hash::of(&Password::from("secret".to_owned())).expect("a hash")
}

/// Starts a daemon whose users all have the password `secret`, hashed at the lowest cost.
fn daemon() -> Daemon {
    with_users(users(&cheap()))
}

fn with_users(users: Users) -> Daemon {
    with_accounts(Registry { users, file: None })
}

fn with_accounts(accounts: Registry) -> Daemon {
    Daemon::start(Config::default(), Some(accounts))
}

/// Returns an admin, a user of the group `a`, and a user whose password cannot be changed.
fn users(hash: &Hash) -> Users {
    let mut users = Users::default();
    let of_a = || vec!["a".to_owned()];
    let ann = Auth { fetch_groups: of_a(), set_groups: of_a(), ..Auth::default() };
    let admin = Auth { admin: true, ..Auth::default() };
    let guest = Auth { readonly: true, ..Auth::default() };
    for (name, auth) in [("ann", ann), ("root", admin), ("guest", guest)] {
        users.insert(name, User { hash: hash.clone(), auth }).expect("a name");
    }
    users
}

fn log_in(peer: &mut Peer, user: &str, password: &str) -> Value {
    peer.ask("authenticate", json!({"user": user, "password": password}))
}

fn write_users(file: &Path, wanted: Users) {
    let replace = |users: &mut Users| {
        *users = wanted;
        Ok(())
    };
    update(file, true, replace).expect("written");
}

fn request(id: i64, method: &str, params: Value) -> Value {
    json!({"id": id, "method": method, "params": params})
}

fn login(id: i64, password: &str) -> Value {
    request(id, "authenticate", json!({"user": "ann", "password": password}))
}

/// Adds a state that only the group `a` may fetch, and returns its owner.
fn hide_state(daemon: &Daemon) -> Peer {
    let mut owner = daemon.connect();
    let access = json!({"fetchGroups": ["a"]});
    let answer = owner.ask("add", json!({"path": "hidden", "value": 1, "access": access}));
    assert_eq!(answer["result"], true);
    owner
}

fn shown(answer: &Value) -> Option<usize> {
    answer["result"].as_array().map(Vec::len)
}

#[test]
fn answers_keep_their_order_while_a_login_is_under_way() {
    let daemon = daemon();
    let _owner = hide_state(&daemon);
    let mut peer = daemon.connect();
    // One write with many more messages than are held while the login is verified.
    let filler = "x".repeat(100);
    let get = |id| request(id, "get", json!({}));
    let mut bytes = Vec::new();
    let mut put = |message: Value| bytes.extend(frame(message.to_string().as_bytes()));
    put(get(1));
    put(json!([login(2, "wrong"), get(3), login(4, "secret"), get(5)]));
    (6..20_000).for_each(|id| put(request(id, "echo", json!(filler))));
    put(get(20_000));
    let writer = {
        let mut stream = peer.0.try_clone().expect("cloned");
        std::thread::spawn(move || std::io::Write::write_all(&mut stream, &bytes).expect("sent"))
    };
    let answers: Vec<_> = (1..=20_000).map(|_| peer.read()).collect();
    writer.join().expect("written");
    for (id, answer) in (1..).zip(&answers) {
        assert_eq!(answer["id"], id);
    }
    assert_eq!(answers[1]["error"]["data"], json!({"invalidPassword": true}));
    assert_eq!(answers[3]["result"], json!({"fetchGroups": ["a"], "setGroups": ["a"], "callGroups": []}));
    assert_eq!([0, 2, 4, 19_999].map(|place| shown(&answers[place])), [Some(0), Some(0), Some(1), Some(1)]);
}

#[test]
fn who_leaves_during_a_login_is_forgotten() {
    let daemon = with_users(users(&costly()));
    let owner = hide_state(&daemon);
    let mut witness = daemon.connect();
    assert_eq!(log_in(&mut witness, "ann", "secret")["result"]["fetchGroups"], json!(["a"]));
    for _ in 0..20 {
        let mut peer = daemon.connect();
        peer.send(&login(1, "secret"));
        peer.send(&request(2, "add", json!({"path": "late"})));
    }
    drop(owner);
    // The queued logins were dropped with their connections.
    let start = Instant::now();
    assert!(log_in(&mut witness, "ann", "secret")["result"].is_object());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    while shown(&witness.ask("get", json!({}))) != Some(0) {
        assert!(start.elapsed() < PATIENCE);
    }
}

#[test]
fn a_daemon_stops_in_the_middle_of_logins() {
    let daemon = with_users(users(&costly()));
    let mut peers: Vec<_> = (0..10).map(|_| daemon.connect()).collect();
    peers.iter_mut().for_each(|peer| peer.send(&login(1, "wrong")));
    // The daemon responds after it has read the logins, which take much longer.
    assert_eq!(daemon.connect().ask("echo", json!(1))["result"], 1);
    let start = Instant::now();
    drop(daemon);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_flood_of_wrong_passwords_slows_nobody_else() {
    let daemon = with_users(users(&costly()));
    let mut peer = daemon.connect();
    assert!(log_in(&mut peer, "ann", "secret")["result"].is_object());
    let (address, over) = (daemon.address(), Arc::new(AtomicBool::new(false)));
    let before = resident_kib(std::process::id());
    // Each thread sends a guess, disconnects and connects again; the first one waits for the response.
    let attackers: Vec<_> = (0..4)
        .map(|number: usize| {
            let over = over.clone();
            std::thread::spawn(move || {
                let mut tries = 0;
                while !over.load(Ordering::Relaxed) {
                    let mut guesser = Peer::connect(address);
                    let user = if number == 0 { "ann".to_owned() } else { format!("user {tries}") };
                    let params = json!({"user": user, "password": "wrong"});
                    guesser.send(&request(1, "authenticate", params));
                    if number == 0 {
                        guesser.read();
                    }
                    tries += 1;
                    std::thread::sleep(Duration::from_millis(1));
                }
                tries
            })
        })
        .collect();
    let start = Instant::now();
    let mut slowest = Duration::ZERO;
    while start.elapsed() < Duration::from_secs(3) {
        let sent = Instant::now();
        assert_eq!(peer.ask("echo", json!(1))["result"], 1);
        slowest = slowest.max(sent.elapsed());
    }
    over.store(true, Ordering::Relaxed);
    let tries: Vec<u64> = attackers.into_iter().map(|attacker| attacker.join().expect("joined")).collect();
    assert!(tries[1..].iter().sum::<u64>() > 300, "{tries:?}");
    assert!(tries[0] < 8, "the responses are not delayed: {tries:?}");
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    let grown = resident_kib(std::process::id()).saturating_sub(before);
    assert!(grown < 80 << 10, "{grown} KiB");
    // Neither the user nor the address is locked out.
    let (mut again, start) = (daemon.connect(), Instant::now());
    assert!(log_in(&mut again, "ann", "secret")["result"].is_object());
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn parallel_guesses_are_slow_in_sum_and_beyond_twenty_refused() {
    let daemon = daemon();
    let start = Instant::now();
    let mut guessers: Vec<_> = (0..60).map(|_| daemon.connect()).collect();
    guessers.iter_mut().for_each(|guesser| guesser.send(&login(1, "wrong")));
    let answers: Vec<Value> = guessers.iter_mut().map(Peer::read).collect();
    let (refused, verified): (Vec<&Value>, Vec<&Value>) =
        answers.iter().partition(|answer| answer["error"]["code"] == -32000);
    assert!(refused.len() >= 30, "{}", refused.len());
    for answer in refused {
        assert_eq!(answer["error"]["message"], "Too many logins");
        assert!(
            answer["error"]["data"]["retryAfter"].as_u64().is_some_and(|seconds| seconds >= 1),
            "{answer}"
        );
    }
    assert!(verified.len() >= 20, "{}", verified.len());
    let least = Duration::from_secs((verified.len() as u64 - 1) / 5);
    assert!(start.elapsed() >= least, "{} in {:?}", verified.len(), start.elapsed());
}

#[test]
fn passwords_are_changed_while_the_daemon_runs() {
    let daemon = daemon();
    let (mut ann, mut root) = (daemon.connect(), daemon.connect());
    assert!(log_in(&mut ann, "ann", "secret")["result"].is_object());
    assert!(log_in(&mut root, "root", "secret")["result"].is_object());
    let change = |user: &str, password: &str| json!({"user": user, "password": password});
    assert_eq!(ann.ask("passwd", change("ann", "mine"))["result"], true);
    assert_eq!(
        log_in(&mut daemon.connect(), "ann", "secret")["error"]["data"],
        json!({"invalidPassword": true})
    );
    assert!(log_in(&mut daemon.connect(), "ann", "mine")["result"].is_object());
    assert_eq!(root.ask("passwd", change("ann", "yours"))["result"], true);
    assert!(log_in(&mut daemon.connect(), "ann", "yours")["result"].is_object());
    // Read-only and unknown users are refused, and only admins change the passwords of other users.
    assert_eq!(root.ask("passwd", change("guest", "x"))["error"]["data"], json!({"noAccess": "guest"}));
    assert_eq!(root.ask("passwd", change("bob", "x"))["error"]["data"], json!({"invalidUser": true}));
    assert_eq!(ann.ask("passwd", change("root", "x"))["error"]["data"], json!({"noAccess": "root"}));
    let bob = json!({"user": "bob", "password": "x", "groups": ["g"]});
    assert_eq!(ann.ask("addUser", bob.clone())["error"]["data"], json!({"noAccess": "bob"}));
    assert_eq!(root.ask("addUser", bob.clone())["result"], true);
    assert_eq!(root.ask("addUser", bob)["error"]["data"], json!({"userExists": "bob"}));
    assert_eq!(log_in(&mut daemon.connect(), "bob", "x")["result"]["callGroups"], json!(["g"]));
}

#[test]
fn changes_are_kept_in_the_file() {
    let files = TempDir::new();
    let file = files.path("users.json");
    let hash = cheap();
    write_users(&file, users(&hash));
    let start = || {
        let users = read(&file).expect("read");
        with_accounts(Registry { users, file: Some(file.clone()) })
    };
    let daemon = start();
    let mut root = daemon.connect();
    assert!(log_in(&mut root, "root", "secret")["result"].is_object());
    // The file is edited while the daemon runs.
    let mut edited = users(&hash);
    edited.insert("new", User { hash: hash.clone(), auth: Auth::default() }).expect("a name");
    write_users(&file, edited);
    assert_eq!(root.ask("passwd", json!({"user": "ann", "password": "mine"}))["result"], true);
    assert!(log_in(&mut daemon.connect(), "new", "secret")["result"].is_object());
    drop(daemon);
    let daemon = start();
    assert!(log_in(&mut daemon.connect(), "ann", "mine")["result"].is_object());
    assert!(log_in(&mut daemon.connect(), "new", "secret")["result"].is_object());
    // A file that cannot be read is reported and changes nothing.
    let mut root = daemon.connect();
    assert!(log_in(&mut root, "root", "secret")["result"].is_object());
    std::fs::write(&file, "no JSON").expect("written");
    let error = &root.ask("passwd", json!({"user": "ann", "password": "other"}))["error"];
    assert_eq!(error["code"], -32603);
    assert!(error["data"].is_string(), "{error}");
    assert!(log_in(&mut daemon.connect(), "ann", "mine")["result"].is_object());
    assert_eq!(std::fs::read_to_string(&file).expect("there"), "no JSON");
}

#[test]
fn the_log_tells_who_was_refused_and_no_secret() {
    let daemon = daemon();
    let mut peer = daemon.connect();
    peer.ask("config", json!({"debug": true, "name": "me"}));
    log_in(&mut peer, "ann", "a wrong secret");
    log_in(&mut peer, "ann", "secret");
    peer.ask("passwd", json!({"user": "ann", "password": "another secret"}));
    let local = peer.0.local_addr().expect("an address").to_string();
    drop(daemon.handle);
    let lines: Vec<LogLine> = daemon.log.iter().collect();
    assert!(lines.iter().any(|line| line.text.contains("refused") && line.text.contains(&local)));
    for line in lines {
        assert!(!line.text.contains("secret"), "{line}");
    }
}

#[test]
fn a_login_goes_over_msgpack() {
    use std::io::Write;
    let daemon = daemon();
    let _owner = hide_state(&daemon);
    let mut peer = daemon.connect();
    // Messages held during the login are read in the encoding that was selected before it.
    peer.send(&request(1, "config", json!({"encoding": "msgpack"})));
    for message in [login(2, "secret"), request(3, "get", json!({}))] {
        peer.0.write_all(&frame(msgpack::packed(&message))).expect("sent");
    }
    assert_eq!(peer.read()["result"], true);
    let answers = [(); 2].map(|()| msgpack::unpacked(&read_frame(&mut peer.0)));
    assert_eq!(answers[0]["result"]["fetchGroups"], json!(["a"]));
    assert_eq!(shown(&answers[1]), Some(1));
}

#[cfg(feature = "websocket")]
#[test]
fn a_login_goes_over_a_websocket() {
    use jet::server::{Options, ServeOptions, bind, start};
    use support::net;
    let listener = bind(Some("127.0.0.1"), 0).expect("a free port");
    let listener =
        listener.speaking(ServeOptions { websocket: true, ..ServeOptions::default() }).expect("built in");
    let options = Options {
        config: Config::default(),
        listeners: vec![listener],
        log: Box::new(|_| {}),
        accounts: Some(Registry { users: users(&cheap()), file: None }),
    };
    let handle = start(options).expect("started");
    let url = format!("ws://{}", handle.addresses()[0]);
    let way = jet::net::Options::url(&url).expect("valid");
    let mut peer = net::dial(way).expect("connects");
    for message in [login(1, "wrong"), login(2, "secret"), request(3, "echo", json!(1))] {
        net::send(&mut peer, message.to_string().as_bytes());
    }
    let (answers, _) = net::receive(&mut peer, 3);
    let answers: Vec<Value> =
        answers.iter().map(|answer| serde_json::from_slice(answer).expect("JSON")).collect();
    assert_eq!(answers[0]["error"]["data"], json!({"invalidPassword": true}));
    assert_eq!(answers[1]["result"]["setGroups"], json!(["a"]));
    assert_eq!(answers[2]["result"], 1);
}
