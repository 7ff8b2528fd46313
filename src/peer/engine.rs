//! [`Engine`]: the state of one peer, its phases, limits and output.
//!
//! What is sent is in `outgoing`, what is received in `incoming`, the first words of a
//! connection in `greeting`, fetchers in `fetching`.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use crate::json::scan::DEFAULT_MAX_DEPTH;
use crate::wire::DEFAULT_MAX_MESSAGE;
use crate::wire::encoding::Encoding;

use super::early::Early;
use super::encoding::Encoder;
use super::fetching::Fetchers;
use super::login::{Authentication, Login};
use super::requests::Requests;
use crate::peer::compat::cjet::Routes;
use crate::peer::compat::daemon_kind::Dialect;
use crate::peer::compat::simple_fetch::Shared;

/// How many bytes may wait to be sent. A quarter of a gigabyte holds the adds of a hundred
/// thousand large states; a program that is that far ahead of its daemon has lost it.
pub const DEFAULT_MAX_UNSENT: usize = 256 << 20;

/// How many requests may wait for their response: ten times what the largest test bench has
/// open, so that only a program in a loop meets it.
pub const DEFAULT_MAX_REQUESTS: usize = 1_000_000;

/// What a peer is made with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The name the daemon shows for this peer, as JSON text; none if the program gave none.
    pub name: Option<String>,
    /// Who logs in, if anybody does.
    pub login: Option<Login>,
    /// What messages are to be written in, if the daemon knows it.
    pub encoding: Encoding,
    /// Makes the fetch ids of this peer differ from those of others, for daemons that keep all
    /// of them in one table.
    pub instance: u64,
    /// Largest message in bytes, both ways.
    pub max_message: usize,
    /// Largest message in bytes that the daemon takes, if it is known to be smaller.
    pub daemon_message: Option<usize>,
    /// Deepest nesting of a value; a received message may be [`ENVELOPE_LEVELS`] deeper.
    ///
    /// [`ENVELOPE_LEVELS`]: crate::wire::ENVELOPE_LEVELS
    pub max_depth: usize,
    /// Most bytes that wait to be sent.
    pub max_unsent: usize,
    /// Most requests that wait for a response.
    pub max_requests: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            name: None,
            login: None,
            encoding: Encoding::Json,
            instance: 0,
            max_message: DEFAULT_MAX_MESSAGE,
            daemon_message: None,
            max_depth: DEFAULT_MAX_DEPTH,
            max_unsent: DEFAULT_MAX_UNSENT,
            max_requests: DEFAULT_MAX_REQUESTS,
        }
    }
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not connected yet; the program's messages are kept.
    Dialling,
    /// Connected, the daemon has not said yet what it is. Goes on without at the instant.
    Greeting(Instant),
    /// The daemon has been asked to log somebody in. The connection ends without its answer at the instant.
    LoggingIn(Instant),
    /// The daemon has been asked to change the encoding. Nothing can be sent before it answers: all messages,
    /// also answers to requests, are kept.
    Switching,
    /// The program's messages go straight to the output.
    Ready,
    /// No connection any more.
    Closed,
}

/// What kind of element a path of this peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A state: requests set it.
    State,
    /// A method: requests call it.
    Method,
    /// Whatever the program makes of it: requests come as the messages they are.
    Raw,
}

/// One peer: see the [module](super).
#[derive(Debug)]
pub struct Engine {
    pub(super) options: Options,
    pub(super) phase: Phase,
    pub(super) dialect: Dialect,
    /// What the daemon answered to `info`, as JSON text.
    pub(super) info: Option<String>,
    /// Who the program wants to be.
    pub(super) user: Option<String>,
    /// What became of the login.
    pub(super) authentication: Option<Authentication>,
    pub(super) encoder: Encoder,
    pub(super) requests: Requests,
    pub(super) elements: HashMap<Box<str>, (u32, Role)>,
    pub(super) fetchers: Fetchers,
    pub(super) routes: Routes,
    /// Ids, as JSON text, of sets that are answered with an object if `true` is all there is to
    /// say; see [`Dialect::has_fragile_peers`].
    pub(super) fragile_sets: HashSet<Box<str>>,
    /// When the daemon's answer to the name of this peer is not waited for any more.
    pub(super) introducing: Option<Instant>,
    /// Whether the program knows that the peer is ready.
    pub(super) announced: bool,
    /// Frames that leave with the next write.
    pub(super) out: Vec<u8>,
    /// The one fetch for all, if this daemon has no more than one.
    pub(super) shared: Option<Shared>,
    /// What the program sent before the daemon was known.
    pub(super) early: Early,
    /// What the log is told once, all of it and what is still to be told.
    pub(super) said: Vec<&'static str>,
    pub(super) unsaid: Vec<&'static str>,
    /// Bytes that were taken out of `out` and have not left.
    pub(super) backlog: usize,
    /// Set when an answer did not fit into `max_unsent`.
    pub(super) overflowed: bool,
}

impl Engine {
    /// A peer that is not connected yet. The program may use it already.
    pub fn new(options: Options) -> Engine {
        Engine {
            fetchers: Fetchers::new(options.instance),
            user: options.login.as_ref().map(|login| login.user.clone()),
            authentication: None,
            options,
            phase: Phase::Dialling,
            dialect: Dialect::Unknown,
            info: None,
            encoder: Encoder::default(),
            requests: Requests::default(),
            elements: HashMap::new(),
            fragile_sets: HashSet::new(),
            introducing: None,
            announced: false,
            out: Vec::new(),
            shared: None,
            early: Early::default(),
            said: Vec::new(),
            unsaid: Vec::new(),
            backlog: 0,
            overflowed: false,
            routes: Routes::default(),
        }
    }

    /// The bytes to send now, frames with their length in front. Who sends them takes them out.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Whether there is something to send now.
    pub fn has_output(&self) -> bool {
        !self.out.is_empty()
    }

    /// Tells how many bytes who sends has taken out of the output and not got rid of; they count
    /// for `max_unsent`.
    pub fn set_backlog(&mut self, bytes: usize) {
        self.backlog = bytes;
    }

    /// Returns whether more bytes wait to be sent than `max_unsent` allows. Nothing is queued until some have left.
    pub fn is_full(&self) -> bool {
        self.out.len() + self.early.len() + self.backlog > self.options.max_unsent
    }

    /// Marks the connection as failed because the daemon does not read what this peer has to send.
    pub fn overflow(&mut self) {
        self.overflowed = true;
    }

    /// Returns why the connection has to be closed, or `None` while it can be used.
    pub fn fault(&self) -> Option<String> {
        let limit = self.options.max_unsent;
        let reason =
            || format!("the daemon does not read: more than {limit} bytes wait to be sent (max_unsent)");
        (self.overflowed && !self.is_closed()).then(reason)
    }

    /// The connection is gone, or the program does not want it any more. Every call fails from
    /// now on; who keeps the callbacks of open requests ends them.
    pub fn closed(&mut self) {
        self.phase = Phase::Closed;
        self.options.login = None;
        self.early = Early::default();
        self.out = Vec::new();
        self.fetchers.clear();
        self.routes = Routes::default();
        self.shared = None;
    }

    /// Whether the daemon is known and the program's messages leave at once.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Whether messages are written as this daemon takes them, if not sent yet.
    pub(super) fn knows_daemon(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Switching)
    }

    /// Whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Which daemon this is; [`Dialect::Unknown`] until it has answered.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// What this peer does in the daemon's stead, as words for people; nothing on our own
    /// daemon, and nothing before the daemon is known.
    pub fn stand_ins(&self) -> Vec<&'static str> {
        let words = if self.is_ready() { self.dialect.stand_ins() } else { &[] };
        let shared = self.shared.as_ref().map(|_| "separate fetches");
        words.iter().copied().chain(shared).collect()
    }

    /// What the daemon answered to `info`, as JSON text.
    pub fn info(&self) -> Option<&str> {
        self.info.as_deref()
    }

    /// From now on requests for `path` come as events that carry `element`.
    pub fn own(&mut self, path: &str, element: u32, role: Role) {
        self.elements.insert(path.into(), (element, role));
    }

    /// Requests for `path` are unknown from now on.
    pub fn disown(&mut self, path: &str) {
        self.elements.remove(path);
    }

    /// How many requests wait for their response.
    pub fn open_requests(&self) -> usize {
        self.requests.len()
    }
}
