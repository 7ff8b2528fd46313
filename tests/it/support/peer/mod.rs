//! A peer engine without a socket: a test passes messages to it and gets its messages and events as text. The clock
//! stands still unless the test moves it.

pub mod buses;
pub mod fetches;
pub mod foreign;
pub mod foreign_rules;
pub mod replay;
pub mod scenarios;

use std::time::{Duration, Instant};

use jet::json::Raw;
use jet::peer::{Engine, Event, Login, Notification, Options, RequestOptions};

use super::frames;

/// The answer of our own daemon to `info`.
pub const OWN: &str = r#"{"name":"lua-jet-rs","features":{"authenticate":false,"match":true}}"#;

/// The options of a request with a response.
pub const ASK: RequestOptions = RequestOptions { respond: true, timeout: None, value_as_result: false };

/// The options of a request without a response.
pub const TELL: RequestOptions = RequestOptions { respond: false, timeout: None, value_as_result: false };

/// Parses JSON text.
pub fn json(text: &str) -> Raw<'_> {
    Raw::parse(text, 1000).expect("the test's JSON is valid")
}

/// A peer and its clock.
pub struct Peer {
    pub engine: Engine,
    pub now: Instant,
}

impl Peer {
    /// Returns a peer that is not connected.
    pub fn new() -> Peer {
        Peer::with(Options::default())
    }

    /// Returns a peer with options that is not connected.
    pub fn with(options: Options) -> Peer {
        Peer { engine: Engine::new(options), now: Instant::now() }
    }

    /// Returns a peer that is not connected and will log in as ann.
    pub fn with_user() -> Peer {
        let login = Login { user: "ann".into(), password: "s\"cret".to_owned().into() };
        Peer::with(Options { login: Some(login), ..Options::default() })
    }

    /// Returns a peer on our own daemon after the greeting. The request id 1 is used.
    pub fn ready() -> Peer {
        Peer::with(Options::default()).greeted(OWN)
    }

    /// Connects the peer and completes the greeting with the result `info`.
    pub fn greeted(mut self, info: &str) -> Peer {
        self.engine.connected(self.now);
        assert_eq!(self.said(), [r#"{"id":1,"method":"info","params":{}}"#]);
        let events = self.hear(&format!(r#"{{"id":1,"result":{info}}}"#));
        assert_eq!(events, ["ready"]);
        self
    }

    /// Receives one message and returns the events.
    pub fn hear(&mut self, message: &str) -> Vec<String> {
        let mut events = Vec::new();
        self.engine.receive(message, &mut events);
        events.iter().map(shown).collect()
    }

    /// Receives several messages and returns the events.
    pub fn hear_all(&mut self, messages: &[&str]) -> Vec<String> {
        messages.iter().flat_map(|message| self.hear(message)).collect()
    }

    /// Takes the messages that were sent since the last call.
    pub fn said(&mut self) -> Vec<String> {
        messages(&std::mem::take(self.engine.output()))
    }

    /// Moves the clock, handles timeouts and returns the events.
    pub fn pass(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        let mut events = Vec::new();
        self.engine.handle_timeout(self.now, &mut events);
        events.iter().map(shown).collect()
    }

    /// Starts a fetch with a response. Returns the number of the fetcher and the request id.
    pub fn fetch(&mut self, expression: &str) -> (u32, u32) {
        let (number, id) = self.engine.fetch(None, json(expression), ASK).expect("sent");
        (number, id.expect("a response is wanted"))
    }
}

/// Returns the messages in a sequence of frames as text.
pub fn messages(bytes: &[u8]) -> Vec<String> {
    let text = |message: &[u8]| String::from_utf8(message.to_vec()).expect("UTF-8");
    frames::messages(bytes).into_iter().map(text).collect()
}

/// Returns the events of one step in an order that does not depend on the daemon, without request ids.
pub fn in_order(mut events: Vec<String>) -> Vec<String> {
    events.iter_mut().for_each(|event| {
        if let Some((_, rest)) = event.split_once(" ok ") {
            *event = format!("ok {rest}");
        }
    });
    events.sort();
    events
}

/// Returns an event as text.
pub fn shown(event: &Event<'_>) -> String {
    let raw = |raw: Option<Raw<'_>>| raw.map_or_else(|| "-".to_owned(), |raw| raw.text().to_owned());
    match event {
        Event::Ready => "ready".into(),
        Event::Response { id, outcome: Ok(result) } => format!("{id} ok {result}"),
        Event::Response { id, outcome: Err(error) } => format!("{id} error {error}"),
        Event::Notification(Notification { fetcher, event, path, value }) => {
            format!("#{fetcher} {} {path} {}", event.name(), value.as_deref().unwrap_or("-"))
        }
        Event::Sorted { fetcher, changes, n } => format!("#{fetcher} sorted {changes} {n}"),
        Event::Set { element, id, value, value_as_result } => {
            let flag = if *value_as_result { " as result" } else { "" };
            format!("set {element} {} {}{flag}", raw(*id), raw(*value))
        }
        Event::Call { element, id, args } => format!("call {element} {} {}", raw(*id), raw(*args)),
        Event::Raw { element, id, message } => format!("raw {element} {} {}", raw(*id), message.text()),
        Event::Unknown { message } => format!("unknown {}", message.text()),
        Event::LoginFailed { reason, error } => format!("{reason} {error}"),
        Event::Note(text) => format!("note {text}"),
    }
}
