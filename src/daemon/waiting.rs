//! The messages that a connection sends while something is done for it that takes time: a login, or a job of
//! [`work`](super::work). They are kept, and taken in their order when that is done.

use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

use crate::json::Raw;

use super::bus::Bus;
use super::client::ClientKey;
use super::work::{Job, Progress};

/// Bytes of messages that wait for a job before their connection is read no more. What little a
/// peer pipelines goes on being read, as that tells when it is gone.
const HELD_ENOUGH: usize = 64 * 1024;

/// Bytes that may wait beside twice the longest message. Who drives the bus stops reading when
/// [enough](Bus::is_full) waits, so it is never more than that, one message, the rest of one array
/// and the rest of one read.
const HELD_BESIDE: usize = 1 << 20;

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
}

enum HeldMessage {
    /// A frame as it came.
    Frame(Box<[u8]>),
    /// JSON of a message out of an array.
    Element(Box<str>),
}

impl HeldMessage {
    fn len(&self) -> usize {
        match self {
            HeldMessage::Frame(bytes) => bytes.len(),
            HeldMessage::Element(json) => json.len(),
        }
    }
}

impl Held {
    fn push(&mut self, message: HeldMessage) {
        self.bytes += message.len();
        self.messages.push_back(message);
    }

    fn pop(&mut self) -> Option<HeldMessage> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len();
        Some(message)
    }

    /// Puts what was there behind what has come.
    fn append(&mut self, mut later: Held) {
        self.bytes += later.bytes;
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
                Some(HeldMessage::Element(json)) => self.receive_one(key, Raw::trusted(&json), now),
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

    /// As [`hold_frame`](Self::hold_frame) for a message out of an array.
    pub(super) fn hold_element(&mut self, key: ClientKey, message: Raw) -> bool {
        self.is_waiting(key) && self.hold(key, HeldMessage::Element(message.text().into()))
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
