//! [`Held`]: the messages that a connection sends while a job or a login of it is not finished. They are processed in
//! their order afterwards.

use std::collections::VecDeque;
use std::fmt;

use crate::json::{Kind, Raw};

/// Held bytes of a connection from which on the server stops reading it. It reads on until then, as reading is what
/// detects the end of a connection.
const HELD_ENOUGH: usize = 64 * 1024;

/// Bytes counted for a held message in addition to its text.
const HELD_OVERHEAD: usize = 64;

/// Services that change no element.
const HARMLESS: [&str; 8] =
    ["info", "echo", "get", "fetch", "unfetch", "config", "configure", "authenticate"];

/// The held messages of one connection.
#[derive(Default)]
pub struct Held {
    messages: VecDeque<HeldMessage>,
    bytes: usize,
    /// Whether one of them may be an add, change or remove.
    may_change: bool,
}

/// One held message, or several.
pub enum HeldMessage {
    /// A frame as it was received.
    Frame(Box<[u8]>),
    /// The JSON text of an array. The messages up to that byte have been processed.
    Rest(Box<str>, usize),
}

impl HeldMessage {
    fn len(&self) -> usize {
        match self {
            HeldMessage::Frame(bytes) => bytes.len(),
            HeldMessage::Rest(json, at) => json.len() - at,
        }
    }

    /// Returns `true` unless the message is known to be a request for a harmless service.
    fn may_change(&self) -> bool {
        let HeldMessage::Frame(bytes) = self else {
            return true;
        };
        let text = std::str::from_utf8(bytes).ok().map(Raw::trusted);
        let method = text.filter(|raw| raw.kind() == Kind::Object).and_then(|raw| raw.get("method"));
        !method.and_then(Raw::as_str).is_some_and(|method| HARMLESS.contains(&&*method))
    }
}

impl Held {
    /// Appends a message.
    pub fn push(&mut self, message: HeldMessage) {
        self.may_change |= message.may_change();
        self.bytes += message.len() + HELD_OVERHEAD;
        self.messages.push_back(message);
    }

    /// Removes and returns the first message.
    pub fn pop(&mut self) -> Option<HeldMessage> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len() + HELD_OVERHEAD;
        self.may_change &= !self.messages.is_empty();
        Some(message)
    }

    /// Appends the messages of `later`.
    pub fn append(&mut self, mut later: Held) {
        self.bytes += later.bytes;
        self.may_change |= later.may_change;
        if self.messages.is_empty() {
            self.messages = later.messages;
        } else {
            self.messages.append(&mut later.messages);
        }
    }

    /// Returns `true` if no message is held.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Returns the number of held bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns `true` if so much is held that the connection should not be read.
    pub fn is_full(&self) -> bool {
        self.bytes >= HELD_ENOUGH
    }

    /// Returns `true` if a held message may change an element.
    pub fn may_change(&self) -> bool {
        self.may_change
    }
}

/// Shows no message, as there may be passwords in them.
impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("messages", &self.messages.len()).field("bytes", &self.bytes).finish()
    }
}
