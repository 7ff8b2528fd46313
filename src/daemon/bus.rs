//! [`Bus`]: the engine's front door. Connections come and go, frames come in, deadlines pass.

use std::time::Instant;

use crate::json::scan::DEFAULT_MAX_DEPTH;
use crate::json::{Kind, Raw, write};
use crate::wire::DEFAULT_MAX_MESSAGE;
use crate::wire::encoding::Encoding;
use crate::wire::error::INVALID_REQUEST;
use crate::wire::message::Message;

use super::access::Groups;
use super::client::Client;
use super::clients::{Clients, Outcome, into_text};
use super::dependencies::Dependents;
use super::elements::Elements;
use super::fetcher_sets::FetcherSets;
use super::fetchers::Fetchers;
use super::keys::ClientKey;
pub use super::log::{Level, LogLine, Traffic};
use super::login::Job;
use super::peer_kind::PeerKind;
pub use super::routing::DEFAULT_TIMEOUT;
pub use super::work::SLICE;
use super::work::{AT_ONCE, Work};
use crate::util::deadlines::Deadlines;

/// How many bytes may wait for one connection. A quarter of a gigabyte holds the initial adds of a
/// hundred thousand large states; a peer that is that far behind does not read.
pub const DEFAULT_MAX_UNSENT: usize = 256 << 20;

/// How many fetches one connection may have: ten times what the largest programs have, and as many notifications
/// as leave within a few milliseconds.
pub const DEFAULT_MAX_FETCHES: usize = 100_000;

/// How many of one connection's requests may wait for owners: ten times what the largest test
/// bench has open.
pub const DEFAULT_MAX_REQUESTS: usize = 1_000_000;

/// The limits of a bus, and whether it has users.
#[derive(Debug, Clone)]
pub struct Config {
    /// Largest message in bytes, both ways.
    pub max_message: usize,
    /// Deepest nesting of a value; a message may be
    /// [`REQUEST_LEVELS`](crate::wire::REQUEST_LEVELS) deeper.
    pub max_depth: usize,
    /// Most bytes that wait for one connection; a peer beyond that is given up.
    pub max_unsent: usize,
    /// Most fetches of one connection. Each pattern counts as 100 fetches, each value rule as 10.
    pub max_fetches: usize,
    /// Most requests of one connection that wait for their owners.
    pub max_requests: usize,
    /// Seconds an owner has to answer unless the request or the element says otherwise.
    pub timeout: f64,
    /// Whether there are users. Else `authenticate` is answered with `true` whatever it is given, and
    /// `access` protects nothing.
    pub authentication: bool,
    /// Whether each peer has one fetch of everything, as in node-jet's "simple" fetch mode.
    pub simple_fetch: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max_message: DEFAULT_MAX_MESSAGE,
            max_depth: DEFAULT_MAX_DEPTH,
            max_unsent: DEFAULT_MAX_UNSENT,
            max_fetches: DEFAULT_MAX_FETCHES,
            max_requests: DEFAULT_MAX_REQUESTS,
            timeout: DEFAULT_TIMEOUT,
            authentication: false,
            simple_fetch: false,
        }
    }
}

/// The bus: see the [module](super).
#[derive(Debug)]
pub struct Bus {
    pub(super) clients: Clients,
    pub(super) elements: Elements,
    pub(super) fetchers: Fetchers,
    pub(super) groups: Groups,
    pub(super) dependents: Dependents,
    pub(super) sets: FetcherSets,
    pub(super) work: Work,
    /// The units up to which changes are reported to sorted fetches at once.
    pub(super) windows_until: u64,
    /// Paths whose element is just going; what hangs on them is looked at when it is gone.
    pub(super) orphaned: Vec<String>,
    pub(super) deadlines: Deadlines<(ClientKey, u64)>,
    pub(super) open_routes: usize,
    pub(super) last_route: u64,
    pub(super) jobs: Vec<Job>,
    pub(super) last_job: u64,
    pub(super) comparisons: u64,
}

impl Bus {
    /// An empty bus.
    pub fn new(config: Config) -> Bus {
        Bus {
            clients: Clients::new(config),
            elements: Elements::default(),
            fetchers: Fetchers::default(),
            groups: Groups::default(),
            dependents: Dependents::default(),
            sets: FetcherSets::default(),
            work: Work::default(),
            windows_until: 0,
            orphaned: Vec::new(),
            deadlines: Deadlines::default(),
            open_routes: 0,
            last_route: 0,
            jobs: Vec::new(),
            last_job: 0,
            comparisons: 0,
        }
    }

    /// A new connection.
    pub fn connect(&mut self) -> ClientKey {
        self.clients.map.insert(Client::default())
    }

    /// Returns whether a connection has sent requests that others have not answered.
    pub fn is_owed(&self, key: ClientKey) -> bool {
        self.clients.get(key).is_some_and(|client| client.asked > 0)
    }

    /// Takes one received message, without its length prefix.
    pub fn receive(&mut self, key: ClientKey, bytes: &[u8], now: Instant) {
        self.clients.now = now;
        if self.clients.get(key).is_some_and(|client| client.is_busy) {
            return self.receive_while_busy(key, bytes, now);
        }
        if self.hold_frame(key, bytes) {
            return;
        }
        let Some(json) = self.text_of(key, bytes) else {
            return;
        };
        if self.clients.get(key).is_some_and(|client| client.debug) {
            self.clients.log_traffic(key, true, &json);
        }
        match Raw::parse(&json, self.max_depth()) {
            Ok(raw) if raw.kind() == Kind::Array && raw.elements().next().is_some() => {
                let until = self.work.spent() + AT_ONCE;
                if let Some(at) = self.receive_array(key, raw, 0, until, now) {
                    self.hold_rest(key, json.into(), at);
                }
            }
            Ok(raw) => self.receive_now(key, raw, now),
            Err(error) => self.refuse_garbage(key, &json, &error.to_string()),
        }
    }

    /// Takes a message of a connection for which a job is done. Responses are taken at once, as others wait for them,
    /// unless something is kept that comes before them for others as well: a message that may change an element.
    /// What else there is waits for the job.
    fn receive_while_busy(&mut self, key: ClientKey, bytes: &[u8], now: Instant) {
        let Ok((text, _)) = self.decoded(key, bytes) else {
            self.hold_frame(key, bytes);
            return;
        };
        let is_response = |raw: Raw| {
            Message::read(raw).is_some_and(|message| message.method.is_none() && message.id.is_some())
        };
        let are_responses = Raw::parse(&text, self.max_depth()).is_ok_and(|raw| match raw.kind() {
            Kind::Array => raw.elements().all(is_response),
            _ => is_response(raw),
        });
        let raw = Raw::trusted(&text);
        if !are_responses || self.holds_changes(key) {
            self.hold_frame(key, bytes);
            return;
        }
        if self.clients.get(key).is_some_and(|client| client.debug) {
            self.clients.log_traffic(key, true, &text);
        }
        match raw.kind() {
            Kind::Array => raw.elements().for_each(|message| self.receive_now(key, message, now)),
            _ => self.receive_now(key, raw, now),
        }
    }

    /// Takes the messages of an array from the one behind the byte `at` on. Returns where it stopped, if the others
    /// have to wait: for a job of the connection, or because so many units are spent.
    pub(super) fn receive_array(
        &mut self,
        key: ClientKey,
        array: Raw,
        at: usize,
        until: u64,
        now: Instant,
    ) -> Option<usize> {
        let mut messages = if at == 0 { array.elements() } else { array.elements_from(at) };
        loop {
            let at = messages.position();
            let message = messages.next()?;
            if self.is_waiting(key) || self.work.spent() >= until {
                return Some(at);
            }
            self.receive_now(key, message, now);
        }
    }

    fn receive_now(&mut self, key: ClientKey, raw: Raw, now: Instant) {
        self.work.spend(5 + raw.text().len() as u64 / 512);
        let Some(message) = Message::read(raw) else {
            return self.refuse_message(key, None, raw);
        };
        // Only what has an id is answered; `false` and null are no ids.
        let id = message.id.filter(|id| id.is_truthy());
        match message {
            Message { method: Some(method), params, .. } if !method.is_null() => {
                self.recognise(key, raw, method, id);
                let outcome = self.serve(key, id, method, params, now);
                self.clients.reply(key, id, &outcome);
                self.clients.get_mut(key).into_iter().for_each(Client::change_encoding);
            }
            Message { result: Some(_), .. } | Message { error: Some(_), .. } => {
                self.answered(key, raw, &message);
            }
            _ => {
                if let Some(id) = id {
                    self.answered_nothing(key, id);
                }
                self.refuse_message(key, id, raw);
            }
        }
    }

    /// Answers a request whose id is kept as JSON text.
    pub(super) fn answer(&mut self, key: ClientKey, id: Option<&str>, outcome: &Outcome) {
        self.clients.reply(key, id.map(Raw::trusted), outcome);
    }

    /// Looks at the messages of a peer up to its first request to learn its dialect.
    fn recognise(&mut self, key: ClientKey, raw: Raw, method: Raw, id: Option<Raw>) {
        let Some(client) = self.clients.get_mut(key).filter(|client| !client.is_known) else {
            return;
        };
        client.kind = PeerKind::recognised(raw, method, id).unwrap_or(client.kind);
        client.is_known = id.is_some();
    }

    /// Says that a message is neither request nor response.
    fn refuse_message(&mut self, key: ClientKey, id: Option<Raw>, raw: Raw) {
        self.clients.refuse(key, id.map(Raw::text), INVALID_REQUEST, Some(raw.text()));
    }

    /// Tells a connection that it broke the protocol, right before the server ends it.
    pub fn refuse_frame(&mut self, key: ClientKey, reason: &str) {
        let mut data = Vec::new();
        write::string(&mut data, reason);
        self.clients.refuse(key, None, INVALID_REQUEST, Some(&into_text(data)));
        let line = format!("closing {}: {reason}", self.clients.title(key));
        self.clients.log(Level::Crit, line);
    }

    /// When [`handle_deadline`](Self::handle_deadline) wants to be called.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next().into_iter().chain(self.clients.summaries.next()).min()
    }

    /// Does what is due.
    pub fn handle_deadline(&mut self, now: Instant) {
        self.clients.now = now;
        self.expire(now);
        self.summarise_due(now);
    }

    /// The connections that have something to send since this was last asked, each once.
    pub fn take_dirty(&mut self) -> Vec<ClientKey> {
        let dirty = std::mem::take(&mut self.clients.dirty);
        for key in &dirty {
            if let Some(client) = self.clients.get_mut(*key) {
                client.dirty = false;
            }
        }
        dirty
    }

    /// The connections that were given up and are to be ended.
    pub fn take_closing(&mut self) -> Vec<ClientKey> {
        std::mem::take(&mut self.clients.closing)
    }

    /// Returns the connections that may not be [full](Self::is_full) any more, since this was last asked.
    pub fn take_resumed(&mut self) -> Vec<ClientKey> {
        std::mem::take(&mut self.clients.resumed)
    }

    /// What has been logged since this was last asked.
    pub fn take_log(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.clients.log)
    }

    /// The bytes a connection has to send now: whole frames, from the first unsent byte on.
    pub fn unsent(&self, key: ClientKey) -> &[u8] {
        self.clients.get(key).map_or(&[], Client::unsent)
    }

    /// Notes that so many bytes of [`unsent`](Self::unsent) have left.
    pub fn advance(&mut self, key: ClientKey, count: usize) {
        if let Some(client) = self.clients.get_mut(key) {
            client.advance(count);
            self.unpark(key);
        }
    }

    /// What the first message of [`unsent`](Self::unsent) is written in.
    pub fn unsent_encoding(&self, key: ClientKey) -> Encoding {
        self.clients.get(key).map_or(Encoding::Json, Client::unsent_encoding)
    }

    /// Moves [`unsent`](Self::unsent) behind what is in `out`, which leaves at once then: all of it
    /// that is written in the same encoding.
    pub fn take_unsent(&mut self, key: ClientKey, out: &mut Vec<u8>) {
        if let Some(client) = self.clients.get_mut(key) {
            client.take_unsent(out);
            self.unpark(key);
        }
    }

    /// How the log calls a connection.
    pub fn title(&self, key: ClientKey) -> &str {
        self.clients.title(key)
    }

    /// How many elements, fetchers and requests without an answer there are.
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.elements.len(), self.fetchers.len(), self.open_routes)
    }

    /// How often a fetcher and an element have been compared so far. The time that a step takes
    /// grows with this and with what it sends, not with what there is on the bus.
    pub fn comparisons(&self) -> u64 {
        self.comparisons
    }

    /// The limits this bus keeps.
    pub fn config(&self) -> &Config {
        &self.clients.config
    }
}
