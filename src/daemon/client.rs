//! [`Client`]: the record of one connection.

use crate::json::Raw;
use crate::rules::Steps;
use crate::wire::encoding::Encoding;

use super::access::Rights;
use super::held::Held;
use super::output::Output;
use super::pattern_cost::PatternCost;
use super::peer_kind::PeerKind;

/// How far the end of a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Leaving {
    /// It may send messages.
    #[default]
    Not,
    /// It sends no more messages, and a job removes what it had.
    Underway,
    /// It had nothing left when the job ended.
    Done,
}

/// Settings of a connection. What is `None` is left as it is.
#[derive(Debug, Default)]
pub struct Settings {
    /// The name for the log.
    pub name: Option<Box<str>>,
    /// The kind of the peer.
    pub kind: Option<PeerKind>,
    /// The encoding of messages after the response.
    pub encoding: Option<Encoding>,
    /// Whether messages are logged.
    pub debug: Option<bool>,
}

/// One connection.
#[derive(Debug, Default)]
pub struct Client {
    /// The name it set; the JSON text of one that is no string.
    name: Option<Box<str>>,
    kind: PeerKind,
    /// Whether its kind is known, as it has sent a request.
    is_known: bool,
    rights: Option<Box<Rights>>,
    output: Output,
    held: Held,
    is_busy: bool,
    is_writing_window: bool,
    leaving: Leaving,
    /// Whether the server has forgotten it.
    is_gone: bool,
    debug: bool,
    /// The steps of matching its patterns with new paths.
    pattern_cost: PatternCost,
    /// Whether it was logged that it sends invalid UTF-8.
    latin1_logged: bool,
    is_dirty: bool,
    is_closing: bool,
}

impl Client {
    /// Returns its name for the log.
    pub fn title(&self) -> &str {
        self.name.as_deref().filter(|name| !name.trim().is_empty()).unwrap_or("unnamed peer")
    }

    /// Returns `true` if it has set this name.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }

    /// Returns the kind of the peer.
    pub fn kind(&self) -> PeerKind {
        self.kind
    }

    /// Looks at a message of a peer whose kind is not known yet. With its first request it is.
    pub fn recognise(&mut self, message: Raw, method: Raw, id: Option<Raw>) {
        if !self.is_known {
            self.kind = PeerKind::recognised(message, method, id).unwrap_or(self.kind);
            self.is_known = id.is_some();
        }
    }

    /// Changes settings.
    pub fn configure(&mut self, settings: Settings) {
        if settings.name.is_some() {
            self.name = settings.name;
        }
        if let Some(kind) = settings.kind {
            self.kind = kind;
            self.is_known = true;
        }
        if let Some(encoding) = settings.encoding {
            self.output.set_next_encoding(encoding);
        }
        self.debug = settings.debug.unwrap_or(self.debug);
    }

    /// Returns `true` if its messages are logged.
    pub fn is_debugged(&self) -> bool {
        self.debug
    }

    /// Returns its rights if it has logged in.
    pub fn rights(&self) -> Option<&Rights> {
        self.rights.as_deref()
    }

    /// Sets or takes its rights.
    pub fn set_rights(&mut self, rights: Option<Box<Rights>>) {
        self.rights = rights;
    }

    /// Counts the steps of matching its patterns with a new path. Returns `true` if they are too many.
    pub fn charge(&mut self, steps: Steps) -> bool {
        self.pattern_cost.add(steps);
        self.pattern_cost.is_too_much()
    }

    /// Returns `true` the first time.
    pub fn note_latin1(&mut self) -> bool {
        !std::mem::replace(&mut self.latin1_logged, true)
    }

    /// Returns its unsent messages.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Returns its unsent messages, to append or remove some.
    pub fn output_mut(&mut self) -> &mut Output {
        &mut self.output
    }

    /// Marks it as having unsent messages. Returns `true` if it was not marked before.
    pub fn mark_dirty(&mut self) -> bool {
        !std::mem::replace(&mut self.is_dirty, true)
    }

    /// Takes the mark of [`mark_dirty`](Self::mark_dirty) away.
    pub fn unmark_dirty(&mut self) {
        self.is_dirty = false;
    }

    /// Returns its held messages.
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// Returns its held messages, to append or remove some.
    pub fn held_mut(&mut self) -> &mut Held {
        &mut self.held
    }

    /// Returns `true` if its messages are held because of a job.
    pub fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Sets whether its messages are held because of a job.
    pub fn set_busy(&mut self, is_busy: bool) {
        self.is_busy = is_busy;
    }

    /// Returns `true` if a job writes the window of one of its sorted fetches. One job at a time does, as windows are
    /// long.
    pub fn is_writing_window(&self) -> bool {
        self.is_writing_window
    }

    /// Sets whether a job writes the window of one of its sorted fetches.
    pub fn set_writing_window(&mut self, is_writing: bool) {
        self.is_writing_window = is_writing;
    }

    /// Returns `true` if nothing is sent to it any more.
    pub fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// Sends nothing more to it.
    pub fn close(&mut self) {
        self.is_closing = true;
    }

    /// Notes that the server has forgotten it: its messages are dropped.
    pub fn abandon(&mut self) {
        self.is_closing = true;
        self.is_gone = true;
        self.is_busy = false;
        self.held = Held::default();
        self.output.clear();
    }

    /// Returns `true` if the server has forgotten it.
    pub fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Returns how far its end has come.
    pub fn leaving(&self) -> Leaving {
        self.leaving
    }

    /// Sets how far its end has come.
    pub fn set_leaving(&mut self, leaving: Leaving) {
        self.leaving = leaving;
    }
}
