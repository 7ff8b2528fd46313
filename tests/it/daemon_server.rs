//! The daemon over real sockets: frames in several pieces, invalid frames, slow peers, peers that disconnect, start
//! and stop.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::support::frames::frame;
use crate::support::server::{Daemon, Peer};
use jet::daemon::Config;
use jet::server::{Options, bind, start};
use serde_json::{Value, json};

/// A limit for waits, longer than any test takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn daemon() -> Daemon {
    Daemon::start(Config::default(), None)
}

#[test]
fn a_stream_may_be_cut_at_every_byte() {
    let daemon = daemon();
    let mut stream = frame(json!({"id": 1, "method": "echo", "params": "é"}).to_string());
    stream.extend_from_slice(&[0, 0, 0, 0]);
    stream.extend(frame(json!([{"id": 2, "method": "echo", "params": 2}]).to_string()));
    let mut witness = daemon.connect();
    for cut in 0..=stream.len() {
        let mut peer = daemon.connect();
        peer.0.write_all(&stream[..cut]).expect("sent");
        peer.0.flush().expect("sent");
        // The daemon responds after it has read what was sent before.
        witness.ask("echo", json!(0));
        peer.0.write_all(&stream[cut..]).expect("sent");
        assert_eq!(peer.read(), json!({"id": 1, "result": "é"}), "cut at {cut}");
        assert_eq!(peer.read(), json!({"id": 2, "result": 2}), "cut at {cut}");
    }
}

#[test]
fn a_frame_beyond_the_limit_is_refused_on_its_header() {
    let daemon = daemon();
    let mut witness = daemon.connect();
    witness.ask("fetch", json!({"id": "f"}));
    for length in [10_000_001u32, u32::MAX] {
        let mut peer = daemon.connect();
        assert_eq!(peer.ask("add", json!({"path": "a", "value": 1}))["result"], true);
        peer.0.write_all(&length.to_be_bytes()).expect("sent");
        let error = peer.read();
        assert_eq!(error["error"]["code"], -32600, "{error}");
        assert!(peer.is_ended());
        assert_eq!(witness.read()["params"]["event"], "add");
        assert_eq!(witness.read()["params"]["event"], "remove");
        let line = daemon.log.recv_timeout(PATIENCE).expect("a line of the log");
        assert!(line.text.contains(&length.to_string()), "{line}");
    }
}

#[test]
fn the_largest_frame_is_taken() {
    let daemon = daemon();
    let mut peer = daemon.connect();
    let empty = json!({"id": 1, "method": "echo", "params": ""}).to_string().len();
    let text = "x".repeat(10_000_000 - empty);
    assert_eq!(peer.ask("echo", json!(text))["result"].as_str().map(str::len), Some(text.len()));
}

#[test]
fn all_answers_of_a_turn_leave_together() {
    let daemon = daemon();
    let mut peer = daemon.connect();
    // With more than 32 requests the first responses are sent before the rest is processed.
    let requests: Vec<u8> =
        (0..32).flat_map(|id| frame(json!({"id": id, "method": "echo"}).to_string())).collect();
    peer.0.write_all(&requests).expect("sent");
    let expected: usize = (0..32).map(|id| frame(json!({"id": id, "result": true}).to_string()).len()).sum();
    let mut buffer = vec![0; 65536];
    let first = peer.0.read(&mut buffer).expect("answers");
    assert_eq!(first, expected, "the responses were written in several pieces");
}

#[test]
fn who_vanishes_is_cleaned_up_after_however_it_goes() {
    let daemon = daemon();
    let mut witness = daemon.connect();
    witness.ask("fetch", json!({"id": "f"}));
    for way in ["close", "half-close", "reset"] {
        let mut peer = daemon.connect();
        assert_eq!(peer.ask("add", json!({"path": way, "value": 1}))["result"], true);
        assert_eq!(witness.read()["params"]["event"], "add");
        match way {
            "half-close" => peer.0.shutdown(Shutdown::Write).expect("shut down"),
            // Closing with unread input resets the connection.
            "reset" => peer.send(&json!({"id": 2, "method": "info"})),
            _ => {}
        }
        if way == "reset" {
            peer.0.peek(&mut [0; 1]).expect("the response has arrived, unread");
        }
        if way == "half-close" {
            assert!(peer.is_ended());
        }
        drop(peer);
        let last = witness.read();
        assert_eq!((&last["params"]["event"], &last["params"]["path"]), (&json!("remove"), &json!(way)));
    }
}

#[test]
fn a_slow_reader_is_ended_and_nobody_waits_for_it() {
    let daemon = Daemon::start(Config { max_unsent: 1 << 20, ..Config::default() }, None);
    let (mut owner, mut slow, mut quick) = (daemon.connect(), daemon.connect(), daemon.connect());
    slow.ask("fetch", json!({"id": "f"}));
    assert_eq!(owner.ask("add", json!({"path": "a", "value": 0}))["result"], true);
    slow.send(&json!({"id": 1, "method": "add", "params": {"path": "slow", "value": 1}}));
    let value = "x".repeat(100_000);
    let begun = Instant::now();
    // The changes exceed what the kernel's buffers and the limit hold; each response shows that the daemon works.
    for _ in 0..400 {
        let params = json!({"path": "a", "value": value});
        assert_eq!(owner.ask("change", params)["result"], true);
    }
    assert!(begun.elapsed() < PATIENCE);
    let line = daemon.log.recv_timeout(PATIENCE).expect("a line of the log");
    assert!(line.text.contains("does not read"), "{line}");
    let until = Instant::now() + PATIENCE;
    while quick.ask("get", json!({"path": {"equals": "slow"}}))["result"] != json!([]) {
        assert!(Instant::now() < until, "the elements of the slow peer are not removed");
    }
}

#[test]
fn a_slow_reader_within_the_limit_gets_everything() {
    let daemon = daemon();
    let (mut owner, mut slow) = (daemon.connect(), daemon.connect());
    slow.ask("fetch", json!({"id": "f"}));
    let value = "x".repeat(100_000);
    owner.ask("add", json!({"path": "a", "value": 0}));
    for number in 0..200 {
        owner.ask("change", json!({"path": "a", "value": [number, value]}));
    }
    assert_eq!(slow.read()["params"]["event"], "add");
    for number in 0..200 {
        assert_eq!(slow.read()["params"]["value"][0], number);
    }
}

#[test]
fn stopping_ends_all_connections_and_frees_the_port() {
    let mut daemon = daemon();
    let address = daemon.address();
    let mut peers: Vec<Peer> = (0..20).map(|_| daemon.connect()).collect();
    for peer in &mut peers {
        assert_eq!(peer.ask("echo", json!(1))["result"], 1);
    }
    daemon.handle.stop();
    daemon.handle.stop();
    for peer in &mut peers {
        assert!(peer.is_ended());
    }
    assert!(TcpStream::connect(address).is_err());
    let listener = bind(Some("127.0.0.1"), address.port()).expect("the port is free");
    let again = Options {
        config: Config::default(),
        listeners: vec![listener],
        log: Box::new(|_| {}),
        accounts: None,
    };
    let again = Daemon { handle: start(again).expect("started"), log: mpsc::channel().1 };
    assert_eq!(again.connect().ask("get", json!({}))["result"], json!([]), "a new daemon has elements");
}

#[test]
fn a_stop_cuts_no_message_in_two() {
    let mut daemon = daemon();
    let mut peer = daemon.connect();
    for id in 0..100 {
        peer.send(&json!({"id": id, "method": "echo"}));
    }
    assert_eq!(peer.read()["id"], 0);
    daemon.handle.stop();
    let mut answered = 1;
    while matches!(peer.0.peek(&mut [0; 1]), Ok(1)) {
        assert_eq!(peer.read()["id"], answered);
        answered += 1;
    }
    assert!(peer.is_ended());
}

#[test]
fn a_port_in_use_is_refused() {
    let daemon = daemon();
    let error = bind(Some("127.0.0.1"), daemon.address().port()).expect_err("in use");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains("address already in use"), "{error}");
}

#[test]
fn time_is_up_by_the_real_clock() {
    let daemon = daemon();
    let (mut owner, mut requester) = (daemon.connect(), daemon.connect());
    owner.ask("add", json!({"path": "m"}));
    let begun = Instant::now();
    let answer = requester.ask("call", json!({"path": "m", "timeout": 0.1}));
    assert_eq!(answer["error"]["code"], -32001);
    assert!(begun.elapsed() >= Duration::from_millis(100));
}

#[test]
fn a_connection_costs_no_thread_and_many_are_served() {
    let daemon = daemon();
    let mut peers: Vec<Peer> = (0..200).map(|_| daemon.connect()).collect();
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.send(&json!({"method": "fetch", "params": {"id": number, "path": {"equals": "x"}}}));
        peer.send(&json!({"id": 1, "method": "echo"}));
        assert_eq!(peer.read()["result"], true);
    }
    peers[0].send(&json!({"method": "add", "params": {"path": "x", "value": 1}}));
    for (number, peer) in peers.iter_mut().enumerate() {
        assert_eq!(peer.read()["method"], number);
    }
}

#[test]
fn who_half_closes_gets_all_answers_and_its_elements_go_at_once() {
    let daemon = daemon();
    let (mut owner, mut witness, mut peer) = (daemon.connect(), daemon.connect(), daemon.connect());
    assert_eq!(owner.ask("add", json!({"path": "m"}))["result"], true);
    assert_eq!(owner.ask("add", json!({"path": "large", "value": "x".repeat(5_000_000)}))["result"], true);
    assert_eq!(witness.ask("fetch", json!({"id": "w", "path": {"equals": "own"}}))["result"], true);
    let requests = [
        json!({"id": 1, "method": "add", "params": {"path": "own", "value": 1}}),
        json!({"id": 2, "method": "call", "params": {"path": "m", "args": [1]}}),
        json!({"id": 3, "method": "get", "params": {"path": {"equals": "large"}}}),
        json!({"id": 4, "method": "fetch", "params": {"id": "f", "path": {"equals": "large"}}}),
        json!({"id": 5, "method": "echo", "params": "last"}),
    ];
    requests.into_iter().for_each(|request| peer.send(&request));
    peer.0.shutdown(Shutdown::Write).expect("shut down");
    let routed = owner.read();
    assert_eq!((&routed["method"], &routed["params"]), (&json!("m"), &json!([1])));
    // The remove is sent before the last response.
    assert_eq!(witness.read()["params"]["event"], "add");
    assert_eq!(witness.read()["params"]["event"], "remove");
    owner.send(&json!({"id": routed["id"], "result": "called"}));
    let messages = peer.rest();
    let ids: Vec<&Value> = messages.iter().filter_map(|message| message.get("id")).collect();
    for id in 1..=5 {
        assert!(ids.contains(&&json!(id)), "no response to {id}");
    }
    let called = messages.iter().find(|message| message["id"] == 2).expect("answered");
    assert_eq!(called["result"], "called");
    let added = messages.iter().find(|message| message["method"] == "f").expect("the initial add");
    assert_eq!(added["params"]["value"].as_str().map(str::len), Some(5_000_000));
}

#[test]
fn who_half_closes_waits_no_longer_than_its_requests() {
    let daemon = daemon();
    let (mut owner, mut peer) = (daemon.connect(), daemon.connect());
    assert_eq!(owner.ask("add", json!({"path": "m"}))["result"], true);
    peer.send(&json!({"id": 1, "method": "call", "params": {"path": "m", "timeout": 0.1}}));
    peer.0.shutdown(Shutdown::Write).expect("shut down");
    let messages = peer.rest();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["error"]["code"], -32001);
}

#[test]
fn the_reason_arrives_also_at_who_goes_on_sending() {
    let daemon = Daemon::start(Config { max_message: 1000, ..Config::default() }, None);
    let mut peer = daemon.connect();
    let length = 8_000_000;
    peer.0.write_all(&(length as u32).to_be_bytes()).expect("sent");
    // This exceeds what the kernel's buffers hold: the daemon has to read it before it closes.
    peer.0.write_all(&vec![b' '; length]).expect("the daemon reads it");
    let messages = peer.rest();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["error"]["data"], "message of 8000000 bytes exceeds the limit of 1000");
}
