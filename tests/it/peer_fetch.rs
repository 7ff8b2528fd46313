//! The fetchers of a peer on our own daemon, which does all the work.

use crate::support::peer::{ASK, OWN, Peer, TELL, json};
use jet::peer::Options;

fn news(id: &str, event: &str, path: &str, value: &str) -> String {
    format!(r#"{{"method":"{id}","params":{{"path":"{path}","event":"{event}","value":{value}}}}}"#)
}

#[test]
fn the_expression_goes_to_the_daemon_as_it_is() {
    let mut peer = Peer::ready();
    let expression =
        r#"{"path":{"startsWith":"a"},"id":"mine","timeout":7,"sort":{"byValue":"number"},"text":"x"}"#;
    peer.fetch(expression);
    let options = jet::peer::RequestOptions { timeout: Some(2.0), ..TELL };
    peer.engine.fetch(None, json(expression), options).unwrap();
    assert_eq!(
        peer.said(),
        [
            r#"{"id":2,"method":"fetch","params":{"id":"__f__0","path":{"startsWith":"a"},"timeout":7,"sort":{"byValue":"number"},"text":"x"}}"#,
            r#"{"method":"fetch","params":{"id":"__f__1","path":{"startsWith":"a"},"sort":{"byValue":"number"},"text":"x","timeout":2.0}}"#,
        ]
    );
}

#[test]
fn events_wait_for_the_response_if_the_program_does() {
    let mut peer = Peer::ready();
    let (number, id) = peer.fetch("{}");
    assert_eq!((number, id), (0, 2));
    let add = news("__f__0", "add", "a", "1");
    assert!(peer.hear(&add).is_empty());
    assert!(peer.hear(&news("__f__0", "change", "a", "[ ]")).is_empty());
    assert_eq!(peer.hear(r#"{"id":2,"result":true}"#), ["2 ok true", "#0 add a 1", "#0 change a [ ]"]);
    assert_eq!(peer.hear(&add), ["#0 add a 1"]);
}

#[test]
fn events_come_at_once_if_nobody_waits_for_the_response() {
    let mut peer = Peer::ready();
    peer.engine.fetch(None, json("{}"), TELL).unwrap();
    let events = peer.hear_all(&[
        &news("__f__0", "Add", "a", "1"),
        &news("__f__0", "CHANGE", "a", "null"),
        r#"{"method":"__f__0","params":{"event":"Remove","path":"a"}}"#,
    ]);
    assert_eq!(events, ["#0 add a 1", "#0 change a null", "#0 remove a -"]);
}

#[test]
fn sorted_news_are_passed_on() {
    let mut peer = Peer::ready();
    peer.engine.fetch(None, json(r#"{"sort":{}}"#), TELL).unwrap();
    let events = peer.hear_all(&[
        r#"{"method":"__f__0","params":{"n":1,"changes":[{"path":"a","value":1,"index":1}]}}"#,
        r#"{"method":"__f__0","params":{"changes":{},"n":0}}"#,
    ]);
    assert_eq!(events, [r#"#0 sorted [{"path":"a","value":1,"index":1}] 1"#, "#0 sorted [] 0"]);
}

#[test]
fn news_that_do_not_suit_the_fetch_are_reported() {
    let sorted = r#"{"method":"__f__0","params":{"n":1,"changes":[{"path":"a","value":1,"index":1}]}}"#;
    let single = news("__f__0", "add", "a", "1");
    // Daemons that cannot sort get an unsorted fetch.
    for (info, expression, message, kind) in [
        (OWN, "{}", sorted, "a sorted"),
        (OWN, r#"{"sort":false}"#, sorted, "a sorted"),
        (OWN, r#"{"sort":{}}"#, &single, "an unsorted"),
        (r#"{"name":"cjet"}"#, r#"{"sort":{}}"#, sorted, "a sorted"),
    ] {
        let mut peer = Peer::with(Options::default()).greeted(info);
        peer.engine.fetch(None, json(expression), TELL).unwrap();
        let note = format!("note {kind} notification does not suit the fetch __f__0 and is dropped: ");
        let events = peer.hear(message);
        assert!(events[0].starts_with(&note) && events.len() == 1, "{events:?}");
        assert_eq!(peer.engine.fetch(None, json("{}"), TELL), Ok((1, None)), "other fetches still work");
    }
}

#[test]
fn a_refused_fetch_is_over() {
    let mut peer = Peer::ready();
    let (_, id) = peer.fetch("{}");
    peer.hear(&news("__f__0", "add", "a", "1"));
    let error = r#"{"code":-32602,"message":"Invalid params","data":{"reason":"x"}}"#;
    assert_eq!(peer.hear(&format!(r#"{{"id":{id},"error":{error}}}"#)), [format!("{id} error {error}")]);
    assert!(peer.hear(&news("__f__0", "add", "a", "1")).is_empty());
}

#[test]
fn events_end_with_the_fetch_and_late_ones_are_nothing_unknown() {
    let mut peer = Peer::ready();
    peer.engine.fetch(None, json("{}"), TELL).unwrap();
    let id = peer.engine.unfetch(0, ASK).unwrap().unwrap();
    let late =
        [news("__f__0", "add", "a", "1"), r#"{"method":"__f__0","params":{"changes":[],"n":0}}"#.to_owned()];
    late.iter().for_each(|message| assert!(peer.hear(message).is_empty()));
    assert_eq!(peer.hear(&format!(r#"{{"id":{id},"result":true}}"#)), [format!("{id} ok true")]);
    late.iter().for_each(|message| assert!(peer.hear(message).is_empty()));
    let never_fetched = news("__f__1", "add", "a", "1");
    assert_eq!(peer.hear(&never_fetched), [format!("unknown {never_fetched}")]);
}

#[test]
fn without_a_response_the_end_is_at_once() {
    let mut peer = Peer::ready();
    peer.engine.fetch(None, json("{}"), TELL).unwrap();
    peer.engine.unfetch(0, TELL).unwrap();
    assert!(peer.hear(&news("__f__0", "add", "a", "1")).is_empty());
    assert_eq!(peer.said()[1], r#"{"method":"unfetch","params":{"id":"__f__0"}}"#);
}

#[test]
fn to_end_a_fetch_that_is_over_succeeds_whatever_the_daemon_says() {
    let mut peer = Peer::ready();
    peer.engine.fetch(None, json("{}"), TELL).unwrap();
    peer.engine.unfetch(0, TELL).unwrap();
    for answer in [r#""result":true"#, r#""error":{"code":-32603,"message":"Internal error"}"#] {
        let id = peer.engine.unfetch(0, ASK).unwrap().unwrap();
        assert_eq!(peer.hear(&format!(r#"{{"id":{id},{answer}}}"#)), [format!("{id} ok true")]);
    }
}

#[test]
fn a_fetch_made_again_keeps_its_id_and_outlives_its_earlier_end() {
    let mut peer = Peer::ready();
    let (number, _) = peer.fetch("{}");
    let ended = peer.engine.unfetch(number, ASK).unwrap().unwrap();
    let (same, again) = peer.engine.fetch(Some(number), json("{}"), ASK).unwrap();
    assert_eq!(same, number);
    let again = again.unwrap();
    let add = news("__f__0", "add", "a", "1");
    let events = peer.hear_all(&[
        r#"{"id":2,"result":true}"#,
        &format!(r#"{{"id":{ended},"result":true}}"#),
        &add,
        &format!(r#"{{"id":{again},"result":true}}"#),
        &add,
    ]);
    let (a, b) = (format!("{ended} ok true"), format!("{again} ok true"));
    assert_eq!(events, ["2 ok true", &a, &b, "#0 add a 1", "#0 add a 1"]);
}

#[test]
fn late_events_of_a_fetch_that_was_ended_are_not_those_of_the_next_one() {
    let mut peer = Peer::ready();
    let (number, first) = peer.fetch("{}");
    let ended = peer.engine.unfetch(number, ASK).unwrap().unwrap();
    let (_, again) = peer.engine.fetch(Some(number), json("{}"), ASK).unwrap();
    let again = again.unwrap();
    let events = peer.hear_all(&[
        &format!(r#"{{"id":{first},"result":true}}"#),
        &news("__f__0", "change", "a", "0"),
        &format!(r#"{{"id":{ended},"result":true}}"#),
        &format!(r#"{{"id":{again},"result":true}}"#),
        &news("__f__0", "add", "a", "1"),
    ]);
    let answers = [first, ended, again].map(|id| format!("{id} ok true"));
    assert_eq!(events, [&answers[..], &["#0 add a 1".to_owned()]].concat());
}

#[test]
fn a_new_number_never_is_that_of_another_fetcher() {
    let mut peer = Peer::ready();
    let numbers: Vec<_> = [None, Some(7), None, Some(0), None]
        .into_iter()
        .map(|number| peer.engine.fetch(number, json("{}"), TELL).unwrap().0)
        .collect();
    assert_eq!(numbers, [0, 7, 8, 0, 9]);
}

#[test]
fn an_element_may_be_called_like_a_fetch() {
    let mut peer = Peer::ready();
    peer.engine.own("__f__0", 5, jet::peer::Role::State);
    peer.engine.fetch(None, json("{}"), TELL).unwrap();
    let events = peer.hear_all(&[
        r#"{"id":"x","method":"__f__0","params":{"value":1}}"#,
        r#"{"method":"__f__0","params":{"value":{"path":"a","event":"add"}}}"#,
        &news("__f__0", "add", "a", "1"),
    ]);
    assert_eq!(events, ["set 5 \"x\" 1", r#"set 5 - {"path":"a","event":"add"}"#, "#0 add a 1"]);
}

#[test]
fn news_that_are_none_are_unknown_messages() {
    let mut peer = Peer::ready();
    peer.engine.fetch(None, json("{}"), TELL).unwrap();
    for params in ["null", "{}", "[]", r#"{"path":"a"}"#, r#"{"event":"add"}"#, r#"{"path":5,"event":"add"}"#]
    {
        let message = format!(r#"{{"method":"__f__0","params":{params}}}"#);
        assert_eq!(peer.hear(&message), [format!("unknown {message}")]);
    }
    let unknown_event = news("__f__0", "moved", "a", "1");
    assert_eq!(peer.hear(&unknown_event), [format!("unknown {unknown_event}")]);
}

#[test]
fn fetches_ended_before_the_connection_was_there_never_reach_the_daemon() {
    let mut peer = Peer::new();
    let (dropped, first) = peer.fetch("{}");
    peer.engine.unfetch(dropped, TELL).unwrap();
    let late = peer.engine.unfetch(dropped, ASK).unwrap().unwrap();
    let (kept, second) = peer.fetch("{}");
    let (_, third) = peer.engine.fetch(Some(kept), json("{}"), ASK).unwrap();
    peer.engine.connected(peer.now);
    peer.said();
    let events = peer.hear(&format!(r#"{{"id":{},"result":{OWN}}}"#, third.unwrap() + 1));
    assert_eq!(
        events,
        [
            "ready".to_owned(),
            format!("{first} ok true"),
            format!("{late} ok true"),
            format!("{second} ok true")
        ]
    );
    assert_eq!(peer.said(), [r#"{"id":4,"method":"fetch","params":{"id":"__f__1"}}"#]);
    assert_eq!(peer.engine.open_requests(), 1);
}

#[test]
fn a_fetch_too_long_to_be_sent_is_not_active() {
    let options = jet::peer::Options { max_message: 100, ..Default::default() };
    let expression = format!(r#"{{"path":{{"equals":"{}"}}}}"#, "a".repeat(100));
    let mut peer = Peer::with(options.clone()).greeted(OWN);
    assert!(peer.engine.fetch(None, json(&expression), ASK).is_err());
    assert_eq!(peer.engine.open_requests(), 0);
    assert!(peer.hear(&news("__f__0", "add", "a", "1")).is_empty());
    let mut early = Peer::with(options);
    early.fetch(&expression);
    early.engine.connected(early.now);
    let events = early.hear(&format!(r#"{{"id":2,"result":{OWN}}}"#));
    assert!(events[1].starts_with("1 error {\"code\":-32602"), "{events:?}");
}
