//! A bus without sockets: a test passes messages of several peers to it, reads its frames, and moves the clock.

use std::time::{Duration, Instant};

use jet::daemon::ClientKey;
use jet::daemon::accounts::{Job, Verdict};
use jet::daemon::{Bus, Config, LogLine};
use jet::users::Auth;
use serde_json::{Value, json};

use super::frames;

/// A bus, its clock and its log.
pub struct Bench {
    pub bus: Bus,
    pub now: Instant,
}

/// One of the peers of a bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub ClientKey);

impl Bench {
    pub fn new() -> Bench {
        Bench::with(Config::default())
    }

    pub fn with(config: Config) -> Bench {
        Bench { bus: Bus::new(config), now: Instant::now() }
    }

    pub fn peer(&mut self) -> Peer {
        Peer(self.bus.connect())
    }

    /// Passes the bytes of one message to the bus, and runs the jobs that follow.
    pub fn feed(&mut self, peer: Peer, bytes: impl AsRef<[u8]>) {
        self.bus.receive(peer.0, bytes.as_ref(), self.now);
        self.settle();
    }

    /// Runs all jobs that can run before more bytes are read.
    pub fn settle(&mut self) {
        while self.bus.has_work() {
            self.bus.work(self.now);
        }
    }

    /// Passes a message to the bus.
    pub fn send(&mut self, peer: Peer, message: Value) {
        self.feed(peer, message.to_string());
    }

    /// Takes the unsent messages of a peer as text.
    pub fn texts(&mut self, peer: Peer) -> Vec<String> {
        let mut bytes = Vec::new();
        while !self.bus.unsent(peer.0).is_empty() {
            bytes.extend_from_slice(self.bus.unsent(peer.0));
            self.bus.advance(peer.0, self.bus.unsent(peer.0).len());
            self.settle();
        }
        let text = |message: &[u8]| String::from_utf8(message.to_vec()).expect("UTF-8");
        frames::messages(&bytes).into_iter().map(text).collect()
    }

    /// Takes the unsent messages of a peer.
    pub fn read(&mut self, peer: Peer) -> Vec<Value> {
        let texts = self.texts(peer);
        texts.iter().map(|text| serde_json::from_str(text).expect(text)).collect()
    }

    /// Takes the unsent message of a peer. Fails unless there is exactly one.
    pub fn read_one(&mut self, peer: Peer) -> Value {
        let mut messages = self.read(peer);
        assert_eq!(messages.len(), 1, "{messages:?}");
        messages.remove(0)
    }

    /// Sends a request and returns the response. Fails if there are other messages.
    pub fn ask(&mut self, peer: Peer, method: &str, params: Value) -> Value {
        self.send(peer, json!({"id": 99, "method": method, "params": params}));
        let answer = self.read_one(peer);
        assert_eq!(answer["id"], 99, "{answer}");
        answer
    }

    /// Sends a request, whose result has to be `true`.
    pub fn done(&mut self, peer: Peer, method: &str, params: Value) {
        assert_eq!(self.ask(peer, method, params), json!({"id": 99, "result": true}), "{method}");
    }

    /// Sends a request that has to fail, and returns the code and the data of the error.
    pub fn refused(&mut self, peer: Peer, method: &str, params: Value) -> (i64, Value) {
        let answer = self.ask(peer, method, params);
        let error = &answer["error"];
        assert!(error["message"].is_string(), "{answer}");
        assert!(answer.get("result").is_none());
        (error["code"].as_i64().expect("a code"), error["data"].clone())
    }

    /// Adds a state with a notification, which gets no response.
    pub fn add(&mut self, peer: Peer, path: &str, value: Value) {
        self.send(peer, json!({"method": "add", "params": {"path": path, "value": value}}));
    }

    /// Adds a method.
    pub fn add_method(&mut self, peer: Peer, path: &str) {
        self.send(peer, json!({"method": "add", "params": {"path": path}}));
    }

    pub fn change(&mut self, peer: Peer, path: &str, value: Value) {
        self.send(peer, json!({"method": "change", "params": {"path": path, "value": value}}));
    }

    pub fn remove(&mut self, peer: Peer, path: &str) {
        self.send(peer, json!({"method": "remove", "params": {"path": path}}));
    }

    /// Starts a fetch with the id `f`, and returns the params of its initial notifications.
    pub fn fetch(&mut self, peer: Peer, expression: Value) -> Vec<Value> {
        let mut params = expression;
        params["id"] = json!("f");
        self.send(peer, json!({"id": 1, "method": "fetch", "params": params}));
        let mut messages = self.read(peer);
        assert_eq!(messages.remove(0), json!({"id": 1, "result": true}));
        messages.iter().map(params_of).collect()
    }

    /// Takes the unsent notifications of the fetch `f`: event, path and value.
    pub fn events(&mut self, peer: Peer) -> Vec<(String, String, Value)> {
        self.read(peer).iter().map(params_of).map(|params| event_of(&params)).collect()
    }

    /// Returns [`events`](Self::events), each as `event path value`.
    pub fn seen(&mut self, peer: Peer) -> Vec<String> {
        let events = self.events(peer);
        events.into_iter().map(|(event, path, value)| format!("{event} {path} {value}")).collect()
    }

    /// Moves the clock and handles the deadlines that have passed.
    pub fn pass(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
        self.bus.handle_deadline(self.now);
    }

    pub fn leave(&mut self, peer: Peer) {
        self.bus.disconnect(peer.0);
        self.settle();
    }

    pub fn log(&mut self) -> Vec<LogLine> {
        self.bus.take_log()
    }
}

fn params_of(message: &Value) -> Value {
    assert_eq!(message["method"], "f", "{message}");
    assert!(message.get("id").is_none());
    message["params"].clone()
}

pub fn event_of(params: &Value) -> (String, String, Value) {
    let text = |key: &str| params[key].as_str().expect(key).to_owned();
    (text("event"), text("path"), params.get("value").cloned().unwrap_or(json!("(none)")))
}

/// Returns the paths of notifications, in order.
pub fn paths(params: &[Value]) -> Vec<&str> {
    params.iter().map(|params| params["path"].as_str().expect("a path")).collect()
}

/// Returns the groups of a user for fetching, setting and calling.
pub fn auth(fetch: &[&str], set: &[&str], call: &[&str]) -> Auth {
    let names = |groups: &[&str]| groups.iter().map(|&group| group.to_owned()).collect();
    Auth { fetch_groups: names(fetch), set_groups: names(set), call_groups: names(call), ..Auth::default() }
}

impl Bench {
    /// Returns a bus with users. Tests pass the groups of a user to [`log_in`](Self::log_in).
    pub fn with_users() -> Bench {
        Bench::with(Config { authentication: true, ..Config::default() })
    }

    /// Sends a login, which gets its response in [`conclude`](Self::conclude), and returns its job.
    pub fn ask_to_log_in(&mut self, peer: Peer, user: &str) -> Job {
        let params = json!({"user": user, "password": "secret"});
        self.send(peer, json!({"id": "login", "method": "authenticate", "params": params}));
        assert_eq!(self.read(peer), Vec::<Value>::new());
        self.job()
    }

    /// Takes the job of the bus. Fails unless there is exactly one.
    pub fn job(&mut self) -> Job {
        let mut jobs = self.bus.take_jobs();
        assert_eq!(jobs.len(), 1, "{jobs:?}");
        jobs.remove(0)
    }

    /// Passes the verdict of a job to the bus.
    pub fn conclude(&mut self, job: Job, verdict: Verdict) {
        self.bus.conclude(job.ticket, verdict, self.now);
    }

    /// Logs a user in and returns the response.
    pub fn log_in(&mut self, peer: Peer, user: &str, auth: Auth) -> Value {
        let job = self.ask_to_log_in(peer, user);
        self.conclude(job, Verdict::Verified(auth));
        self.read_one(peer)
    }
}
