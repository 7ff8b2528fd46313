//! The messages that a connection sends while something is done for it that takes time: a login, or a job of
//! [`work`](super::work). They are kept, and taken in their order when that is done.

use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

use crate::json::{Kind, Raw};

use super::bus::Bus;
use super::keys::ClientKey;
use super::work::{Job, Progress};

/// Bytes of messages that wait for a job before their connection is read no more. What little a
/// peer pipelines goes on being read, as that tells when it is gone.
const HELD_ENOUGH: usize = 64 * 1024;

/// Bytes that may wait beside twice the longest message. Who drives the bus stops reading when
/// [enough](Bus::is_full) waits, so it is never more than that, one message, the rest of one array
/// and the rest of one read.
const HELD_BESIDE: usize = 2 << 20;

/// What a connection waits for.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Which [`Job`](super::login::Job) that is.
    pub(super) number: u64,
    pub(super) user: String,
    pub(super) is_login: bool,
    /// The id of its request, if it wants an answer.
    pub(super) id: Option<Box<str>>,
}

/// The messages of a connection that wait until a job is done.
#[derive(Default)]
pub(super) struct Held {
    messages: VecDeque<HeldMessage>,
    bytes: usize,
    /// Whether one of them may be an add, change or remove.
    may_change: bool,
}

enum HeldMessage {
    /// A frame as it came.
    Frame(Box<[u8]>),
    /// JSON of an array, and the byte behind which the messages have not been taken.
    Rest(Box<str>, usize),
}

impl HeldMessage {
    fn len(&self) -> usize {
        match self {
            HeldMessage::Frame(bytes) => bytes.len(),
            HeldMessage::Rest(json, at) => json.len() - at,
        }
    }
}

impl HeldMessage {
    /// Returns whether it may be an add, change or remove. Only services that are known to be none are told apart,
    /// by the text of the message.
    fn may_change(&self) -> bool {
        let HeldMessage::Frame(bytes) = self else {
            return true;
        };
        let text = std::str::from_utf8(bytes).ok().map(Raw::trusted);
        let method = text.filter(|raw| raw.kind() == Kind::Object).and_then(|raw| raw.get("method"));
        !method.and_then(Raw::as_str).is_some_and(|method| HARMLESS.contains(&&*method))
    }
}

/// Services that change no element.
const HARMLESS: [&str; 8] =
    ["info", "echo", "get", "fetch", "unfetch", "config", "configure", "authenticate"];

/// Bytes that a kept message takes beside its text.
const HELD_OVERHEAD: usize = 64;

impl Held {
    fn push(&mut self, message: HeldMessage) {
        self.may_change |= message.may_change();
        self.bytes += message.len() + HELD_OVERHEAD;
        self.messages.push_back(message);
    }

    fn pop(&mut self) -> Option<HeldMessage> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len() + HELD_OVERHEAD;
        self.may_change &= !self.messages.is_empty();
        Some(message)
    }

    /// Puts what was there behind what has come.
    fn append(&mut self, mut later: Held) {
        self.bytes += later.bytes;
        self.may_change |= later.may_change;
        if self.messages.is_empty() {
            self.messages = later.messages;
        } else {
            self.messages.append(&mut later.messages);
        }
    }
}

/// There may be passwords in what waits.
impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("messages", &self.messages.len()).field("bytes", &self.bytes).finish()
    }
}

impl Bus {
    /// Returns whether a connection waits for a login or another change of users.
    pub fn is_logging_in(&self, key: ClientKey) -> bool {
        self.clients.get(key).is_some_and(|client| client.waiting.is_some())
    }

    /// Returns whether the messages of a connection are only kept for now.
    pub fn is_waiting(&self, key: ClientKey) -> bool {
        self.clients.get(key).is_some_and(|client| client.is_busy || client.waiting.is_some())
    }

    /// Returns whether so much is kept for a connection that nothing more should be read from it for now.
    pub fn is_full(&self, key: ClientKey) -> bool {
        self.is_waiting(key) && self.clients.get(key).is_some_and(|client| client.held.bytes >= HELD_ENOUGH)
    }

    /// Keeps the messages of a connection from now on, until [`end_hold`](Self::end_hold).
    pub(super) fn hold_messages(&mut self, key: ClientKey) {
        if let Some(client) = self.clients.get_mut(key) {
            client.is_busy = true;
        }
    }

    /// Has the kept messages of a connection taken, in slices.
    pub(super) fn end_hold(&mut self, key: ClientKey) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        client.is_busy = !client.held.messages.is_empty();
        match client.is_busy {
            true => self.work.push(Job::Held(key)),
            false => self.clients.resumed.push(key),
        }
    }

    /// Takes what a connection has sent while it waited, until it waits again or so many units are spent.
    pub(super) fn catch_up(&mut self, key: ClientKey, until: u64, now: Instant) -> Progress {
        let progress = self.take_held(key, until, now);
        if self.clients.get(key).is_some_and(|client| client.held.bytes < HELD_ENOUGH) {
            self.clients.resumed.push(key);
        }
        progress
    }

    fn take_held(&mut self, key: ClientKey, until: u64, now: Instant) -> Progress {
        loop {
            let is_over = self.work.spent() >= until;
            let Some(client) = self.clients.get_mut(key).filter(|client| client.waiting.is_none()) else {
                return Progress::Done;
            };
            let mut rest = std::mem::take(&mut client.held);
            let next = if is_over { None } else { rest.pop() };
            client.is_busy = is_over && !rest.messages.is_empty();
            match next {
                Some(HeldMessage::Frame(bytes)) => self.receive(key, &bytes, now),
                Some(HeldMessage::Rest(json, at)) => {
                    if let Some(at) = self.receive_array(key, Raw::trusted(&json), at, until, now) {
                        self.push_rest(key, json, at);
                    }
                }
                None => {}
            }
            // What the message made wait, such as the rest of an array, comes before the others.
            let Some(client) = self.clients.get_mut(key) else {
                return Progress::Done;
            };
            let has_job = client.is_busy && !is_over;
            client.held.append(rest);
            if has_job || client.held.messages.is_empty() {
                return Progress::Done;
            }
            if is_over {
                return Progress::Unfinished;
            }
            self.work.spend(5);
        }
    }

    /// Keeps a frame if its connection waits. Returns whether it does.
    pub(super) fn hold_frame(&mut self, key: ClientKey, bytes: &[u8]) -> bool {
        self.is_waiting(key) && self.hold(key, HeldMessage::Frame(bytes.into()))
    }

    /// Keeps the rest of an array, and has it taken in slices if the connection waits for nothing else.
    pub(super) fn hold_rest(&mut self, key: ClientKey, json: Box<str>, at: usize) {
        let is_waiting = self.is_waiting(key);
        self.push_rest(key, json, at);
        if !is_waiting {
            self.end_hold(key);
        }
    }

    fn push_rest(&mut self, key: ClientKey, json: Box<str>, at: usize) {
        self.hold(key, HeldMessage::Rest(json, at));
    }

    /// Returns whether a message is kept that may change an element.
    pub(super) fn holds_changes(&self, key: ClientKey) -> bool {
        self.clients.get(key).is_some_and(|client| client.held.may_change)
    }

    fn hold(&mut self, key: ClientKey, message: HeldMessage) -> bool {
        let limit = self.config().max_message.saturating_mul(2).saturating_add(HELD_BESIDE);
        if let Some(client) = self.clients.get_mut(key).filter(|client| !client.condemned) {
            client.held.push(message);
            if client.held.bytes > limit {
                client.held = Held::default();
                self.clients.condemn(key, "it sends too much while a request of its own is worked on");
            }
        }
        true
    }
}
