//! The limits of the bus: what happens to a connection that exceeds one, without an effect on others.

use crate::support::bench::Bench;
use jet::daemon::{Config, Level};
use serde_json::{Value, json};

#[test]
fn a_peer_that_does_not_read_is_given_up_and_the_others_are_not() {
    let mut bench = Bench::with(Config { max_unsent: 10_000, ..Config::default() });
    let (owner, slow, quick) = (bench.peer(), bench.peer(), bench.peer());
    bench.fetch(slow, json!({}));
    bench.fetch(quick, json!({}));
    bench.add(owner, "a", json!("x".repeat(1000)));
    bench.read(quick);
    let mut steps = 0;
    while bench.bus.take_closing().is_empty() {
        bench.change(owner, "a", json!("x".repeat(1000)));
        assert_eq!(bench.read(quick).len(), 1);
        steps += 1;
        assert!(steps < 20, "the connection is never closed");
    }
    assert!(steps > 7, "the connection is closed below the limit");
    assert!(bench.log().iter().any(|line| line.level == Level::Crit));
    let before = bench.bus.unsent(slow.0).len();
    bench.change(owner, "a", json!(1));
    assert_eq!(bench.bus.unsent(slow.0).len(), before, "more is queued for a closing connection");
    bench.leave(slow);
    bench.change(owner, "a", json!(2));
    assert_eq!(bench.seen(quick), ["change a 1", "change a 2"]);
}

#[test]
fn nesting_is_accepted_up_to_its_limit() {
    let mut bench = Bench::with(Config { max_depth: 10, ..Config::default() });
    let peer = bench.peer();
    // The limit is for values, which are two levels down in a message. Here `params` is one level down.
    for (depth, code) in [(10, Value::Null), (11, Value::Null), (12, json!(-32700))] {
        let params = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        bench.feed(peer, format!(r#"{{"id":1,"method":"echo","params":{params}}}"#));
        assert_eq!(bench.read_one(peer)["error"]["code"], code, "{depth}");
    }
}

#[test]
fn a_value_of_the_largest_message_is_not_told_where_it_does_not_fit() {
    let mut bench = Bench::with(Config { max_message: 300, ..Config::default() });
    let (owner, fetcher) = (bench.peer(), bench.peer());
    bench.send(fetcher, json!({"method": "fetch", "params": {"id": "i".repeat(150)}}));
    bench.add(owner, "long", json!("x".repeat(150)));
    bench.add(owner, "short", json!(1));
    let message = bench.read_one(fetcher);
    assert_eq!(message["params"]["path"], "short");
    assert!(bench.log().iter().any(|line| line.text.contains("exceeds the limit")));
}

#[test]
fn a_sorted_window_too_long_for_one_message_comes_in_several() {
    let mut bench = Bench::with(Config { max_message: 600, ..Config::default() });
    let (owner, fetcher) = (bench.peer(), bench.peer());
    for number in 0..20 {
        bench.add(owner, &format!("p{number:02}"), json!("x".repeat(50)));
    }
    let messages = bench.fetch(fetcher, json!({"sort": {"from": 3, "to": 20}}));
    assert!(messages.len() > 1);
    let mut indices = Vec::new();
    for message in &messages {
        assert_eq!(message["n"], 18);
        indices
            .extend(message["changes"].as_array().unwrap().iter().map(|row| row["index"].as_u64().unwrap()));
    }
    assert_eq!(indices, (3..=20).collect::<Vec<_>>());
}

#[test]
fn garbage_of_all_kinds_harms_nobody() {
    let mut bench = Bench::new();
    let (peer, witness) = (bench.peer(), bench.peer());
    let seeds = [
        r#"{"id":1,"method":"add","params":{"path":"a","value":[1,{"b":null}]}}"#,
        r#"[{"id":2,"method":"fetch","params":{"id":"f","path":{"startsWith":"a"},"sort":{"from":2}}}]"#,
        r#"{"id":"r1","result":{"x":"\u00e9\n"}}"#,
        r#"{"id":3,"method":"set","params":{"path":"a","value":1e5,"timeout":0.5}}"#,
    ];
    let mut random = 1u64;
    for round in 0..4000 {
        let mut bytes = seeds[round % seeds.len()].as_bytes().to_vec();
        for _ in 0..=round % 3 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let at = (random >> 33) as usize % bytes.len();
            bytes[at] = (random >> 25) as u8;
        }
        bench.feed(peer, &bytes);
        for cut in 0..bytes.len().min(8) {
            bench.feed(peer, &bytes[..cut * bytes.len() / 8]);
        }
    }
    bench.read(peer);
    bench.pass(10.0);
    bench.leave(peer);
    assert_eq!(bench.bus.counts(), (0, 0, 0));
    bench.done(witness, "add", json!({"path": "a"}));
}
