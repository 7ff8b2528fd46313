//! The messages that a connection sends while something is done for it that takes time: they are kept,
//! and taken in their order when that is done. What is done, and what it means, is in `login`.

use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

use crate::json::Raw;

use super::bus::Bus;
use super::client::ClientKey;

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
    /// Whether a connection waits for a job: what is received for it now is only kept.
    pub fn is_waiting(&self, key: ClientKey) -> bool {
        self.clients.get(key).is_some_and(|client| client.waiting.is_some())
    }

    /// Whether so much is kept for a connection that nothing more should be read from it while it waits.
    pub fn is_full(&self, key: ClientKey) -> bool {
        self.clients
            .get(key)
            .is_some_and(|client| client.waiting.is_some() && client.held.bytes >= HELD_ENOUGH)
    }

    /// Takes what a connection has sent while it waited, until it waits again.
    pub(super) fn catch_up(&mut self, key: ClientKey, now: Instant) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        let mut held = std::mem::take(&mut client.held);
        while !self.is_waiting(key) {
            match held.pop() {
                Some(HeldMessage::Frame(bytes)) => self.receive(key, &bytes, now),
                Some(HeldMessage::Element(json)) => self.receive_one(key, Raw::trusted(&json), now),
                None => return,
            }
        }
        // Behind the rest of an array that came with what it waits for now.
        if let Some(client) = self.clients.get_mut(key) {
            client.held.append(held);
        }
    }

    /// Keeps a frame if its connection waits; says whether it does.
    pub(super) fn hold_frame(&mut self, key: ClientKey, bytes: &[u8]) -> bool {
        self.hold(key, || HeldMessage::Frame(bytes.into()))
    }

    /// As [`hold_frame`](Self::hold_frame) for a message out of an array.
    pub(super) fn hold_element(&mut self, key: ClientKey, message: Raw) -> bool {
        self.hold(key, || HeldMessage::Element(message.text().into()))
    }

    fn hold(&mut self, key: ClientKey, message: impl FnOnce() -> HeldMessage) -> bool {
        let limit = self.config().max_message.saturating_mul(2).saturating_add(HELD_BESIDE);
        let Some(client) = self.clients.get_mut(key).filter(|client| client.waiting.is_some()) else {
            return false;
        };
        if !client.condemned {
            client.held.push(message());
            if client.held.bytes > limit {
                client.held = Held::default();
                self.clients.condemn(key, "it sends too much while a login is verified");
            }
        }
        true
    }
}
