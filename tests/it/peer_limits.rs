//! The limits of the peer engine, each tested one below, at and one above the limit.

use crate::support::peer::{ASK, OWN, Peer, TELL, json};
use jet::peer::{Failure, Options};

#[test]
fn nesting_is_accepted_up_to_the_limit() {
    let mut peer = Peer::with(Options { max_depth: 10, ..Options::default() }).greeted(OWN);
    // Messages may have eight more levels than values.
    for (depth, accepted) in [(16, true), (17, true), (18, false)] {
        let (_, id) = (0, peer.engine.call("m", json("{}"), ASK).unwrap().unwrap());
        let value = "[".repeat(depth) + &"]".repeat(depth);
        let events = peer.hear(&format!(r#"{{"id":{id},"result":{value}}}"#));
        assert_eq!(events[0] == format!("{id} ok {value}"), accepted, "{depth} {events:?}");
    }
}

#[test]
fn messages_may_be_as_long_as_the_limit() {
    let frame = r#"{"id":2,"method":"call","params":{"path":"m","args":["1234"]}}"#;
    for (limit, fits) in [(frame.len() - 1, false), (frame.len(), true), (frame.len() + 1, true)] {
        let mut peer = Peer::with(Options { max_message: limit, ..Options::default() }).greeted(OWN);
        let sent = peer.engine.call("m", json(r#"["1234"]"#), ASK);
        if fits {
            assert_eq!((sent, peer.said()), (Ok(Some(2)), vec![frame.to_owned()]));
        } else {
            assert!(matches!(sent, Err(Failure::TooLong(error)) if error.length == frame.len()));
            assert!(peer.said().is_empty());
        }
        assert_eq!(peer.engine.open_requests(), usize::from(fits));
    }
}

#[test]
fn requests_may_be_open_up_to_the_limit() {
    let mut peer = Peer::with(Options { max_requests: 3, ..Options::default() }).greeted(OWN);
    for _ in 0..3 {
        peer.engine.call("m", json("{}"), ASK).unwrap();
    }
    assert_eq!(peer.engine.call("m", json("{}"), ASK), Err(Failure::Requests(3)));
    assert_eq!(peer.engine.fetch(None, json("{}"), ASK), Err(Failure::Requests(3)));
    assert_eq!(peer.engine.unfetch(0, ASK), Err(Failure::Requests(3)));
    assert_eq!(peer.engine.request("config", json("{}"), ASK), Err(Failure::Requests(3)));
    assert_eq!(peer.engine.call("m", json("{}"), TELL), Ok(None));
    peer.hear(r#"{"id":3,"result":1}"#);
    assert_eq!(peer.engine.call("m", json("{}"), ASK), Ok(Some(5)));
}

#[test]
fn bytes_may_wait_up_to_the_limit() {
    let frame = r#"{"method":"remove","params":{"path":"a"}}"#.len() + 4;
    for (limit, accepted) in [(frame - 1, 1), (frame, 2), (frame + 1, 2), (2 * frame, 3)] {
        for connected in [false, true] {
            let mut peer = Peer::with(Options { max_unsent: limit, ..Options::default() });
            if connected {
                peer = peer.greeted(OWN);
            }
            for _ in 0..accepted {
                assert_eq!(peer.engine.remove("a", TELL), Ok(None));
            }
            assert_eq!(peer.engine.remove("a", TELL), Err(Failure::Unsent(limit)));
            assert_eq!(peer.engine.request("config", json("{}"), TELL), Err(Failure::Unsent(limit)));
        }
    }
    // At the limit one more message may be queued.
    let mut peer = Peer::with(Options { max_unsent: 100, ..Options::default() }).greeted(OWN);
    peer.engine.set_backlog(101);
    assert_eq!(peer.engine.remove("a", TELL), Err(Failure::Unsent(100)));
    peer.engine.set_backlog(100);
    assert_eq!(peer.engine.remove("a", TELL), Ok(None));
}

#[test]
fn answers_may_wait_up_to_the_limit_and_then_end_the_connection() {
    let unknown = r#"{"id":7,"method":"?"}"#;
    let mut peer = Peer::ready();
    peer.hear(unknown);
    let answer = peer.engine.output().len();
    for (limit, kept) in [(answer - 1, 1), (answer, 2), (answer + 1, 2), (2 * answer, 3)] {
        let mut peer = Peer::with(Options { max_unsent: limit, ..Options::default() }).greeted(OWN);
        for _ in 0..kept {
            peer.hear(unknown);
        }
        assert_eq!((peer.engine.output().len(), peer.engine.fault()), (kept * answer, None));
        peer.hear(unknown);
        assert_eq!(peer.engine.output().len(), kept * answer);
        let reason =
            format!("the daemon does not read: more than {limit} bytes wait to be sent (max_unsent)");
        assert_eq!(peer.engine.fault(), Some(reason));
    }
    let mut peer = Peer::with(Options { max_unsent: 100, ..Options::default() }).greeted(OWN);
    peer.engine.set_backlog(101);
    assert_eq!(peer.engine.answer("7", json("true")), Err(Failure::Unsent(100)));
    assert_eq!(peer.engine.refuse("7", json("{}")), Err(Failure::Unsent(100)));
}
