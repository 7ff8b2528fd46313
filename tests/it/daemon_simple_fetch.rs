//! The simple fetch mode: each peer has one fetch of everything it may see.

use crate::support::bench::Bench;
use jet::daemon::Config;
use serde_json::{Value, json};

fn bench() -> Bench {
    Bench::with(Config { simple_fetch: true, ..Config::default() })
}

fn news(event: &str, path: &str, value: i64) -> Value {
    json!({"method": "fetch_all", "params": {"path": path, "event": event, "value": value}})
}

#[test]
fn info_tells_the_mode() {
    let mut bench = bench();
    let peer = bench.peer();
    assert_eq!(bench.ask(peer, "info", json!({}))["result"]["features"]["fetch"], "simple");
}

#[test]
fn a_fetch_ignores_its_params_and_brings_everything() {
    for params in [json!({}), json!(null), json!({"id": "mine", "path": {"equals": "b"}, "sort": {}})] {
        let mut bench = bench();
        let (owner, peer) = (bench.peer(), bench.peer());
        bench.add(owner, "a", json!(1));
        bench.add_method(owner, "m");
        bench.send(peer, json!({"id": 9, "method": "fetch", "params": params}));
        let method = json!({"method": "fetch_all", "params": {"path": "m", "event": "add"}});
        let expected = [json!({"id": 9, "result": "fetch_all"}), news("add", "a", 1), method];
        assert_eq!(bench.read(peer), expected);
        bench.change(owner, "a", json!(2));
        bench.add(owner, "b", json!(3));
        bench.remove(owner, "a");
        assert_eq!(bench.read(peer), [news("change", "a", 2), news("add", "b", 3), news("remove", "a", 2)]);
    }
}

#[test]
fn a_peer_has_one_fetch_at_a_time() {
    let mut bench = bench();
    let (owner, peer) = (bench.peer(), bench.peer());
    bench.add(owner, "a", json!(1));
    assert_eq!(bench.refused(peer, "unfetch", json!({})), (-32602, json!("not fetching")));
    for _ in 0..2 {
        bench.send(peer, json!({"id": 1, "method": "fetch"}));
        assert_eq!(bench.read(peer).len(), 2);
        assert_eq!(bench.refused(peer, "fetch", json!({})), (-32602, json!("already fetching")));
        bench.done(peer, "unfetch", json!({"id": "whatever"}));
        bench.change(owner, "a", json!(2));
        assert_eq!(bench.read(peer), Vec::<Value>::new());
    }
    bench.send(peer, json!({"method": "fetch"}));
    assert_eq!(bench.read(peer), [news("add", "a", 2)], "a notification fetches, too");
}

#[test]
fn without_the_mode_nothing_changes() {
    let mut bench = Bench::new();
    let peer = bench.peer();
    assert_eq!(bench.ask(peer, "info", json!({}))["result"]["features"]["fetch"], "full");
    assert_eq!(bench.refused(peer, "fetch", json!({})).0, -32602);
}
