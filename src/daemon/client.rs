//! [`Client`]: one connection to the bus, as the engine sees it.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use crate::wire::KEPT_BUFFER;
use crate::wire::encoding::Encoding;

use super::access::Rights;
use super::held_messages::{Held, Waiting};
use super::keys::{ClientKey, ElementKey, FetcherKey};
use super::peer_kind::PeerKind;
use super::quota::Quota;
use super::scan::Cost;
use super::work::Job;

/// A request that was forwarded to the owner of its path.
#[derive(Debug)]
pub struct Route {
    /// Who asked.
    pub requester: ClientKey,
    /// The id it wants back, as JSON text.
    pub id: Box<str>,
    /// Whether it is a set; else it is a call.
    pub is_set: bool,
    /// The path, for the log and for the error when its owner goes.
    pub path: Box<str>,
    /// The params as they came, for the error when time is up.
    pub params: Box<str>,
    /// When time is up.
    pub due: Instant,
}

/// How far a connection has left the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Leaving {
    /// It may send messages.
    #[default]
    Not,
    /// It sends nothing more, and a job takes off the bus what it had.
    Underway,
    /// It had nothing more when that was last looked at.
    Done,
}

/// One connection.
#[derive(Debug, Default)]
pub struct Client {
    /// The name it gave itself; the JSON text of one that is no string.
    pub name: Option<Box<str>>,
    /// How it wants to be spoken to.
    pub kind: PeerKind,
    /// Whether it has sent a request, by which the dialect is known.
    pub is_known: bool,
    /// What its messages are written in.
    pub encoding: Encoding,
    /// What they are written in when its present request has been answered.
    pub next_encoding: Encoding,
    /// How many of its unsent bytes were written before the encoding changed.
    pub(super) unsent_json: usize,
    /// What it may do, if it has logged in.
    pub rights: Option<Box<Rights>>,
    /// What it waits for, and what it has sent since.
    pub(super) waiting: Option<Waiting>,
    pub(super) held: Held,
    /// Whether a job or a message of its own has to be done before others are taken.
    pub(super) is_busy: bool,
    /// Jobs that go on when it has read what it was sent.
    pub(super) parked: Vec<Job>,
    /// Whether a job writes the window of one of its sorted fetches.
    pub(super) is_writing_window: bool,
    /// How far it has left.
    pub(super) leaving: Leaving,
    /// Whether the server has forgotten it.
    pub(super) is_gone: bool,
    /// Whether its messages are logged.
    pub debug: bool,
    /// Its fetchers by their id as JSON text in one spelling.
    pub fetchers: HashMap<Box<str>, FetcherKey>,
    /// The sum of the weights of its fetches.
    pub fetch_weight: usize,
    /// What matching its patterns with new paths has cost.
    pub(super) pattern_cost: Cost,
    /// What it has added, by age.
    pub elements: BTreeMap<u64, ElementKey>,
    /// What it has been asked and not answered, by the number in the routed id.
    pub routes: HashMap<u64, Route>,
    /// How many of its own requests others have not answered.
    pub asked: usize,
    /// How many lines it may log.
    pub(super) quota: Quota,
    /// Whether the log has been told that its bytes are no UTF-8.
    pub latin1_noted: bool,
    /// Frames that have not left, from `sent` on.
    pub(super) out: Vec<u8>,
    pub(super) sent: usize,
    /// Whether it is on the list of connections that have something to send.
    pub(super) dirty: bool,
    /// Whether it was given up and waits for the server to end it.
    pub(super) condemned: bool,
}

impl Client {
    /// What has to be sent, whole frames from the first unsent byte on.
    pub fn unsent(&self) -> &[u8] {
        self.out.get(self.sent..).unwrap_or_default()
    }

    /// Notes that so many bytes have left.
    pub fn advance(&mut self, count: usize) {
        self.sent += count;
        self.unsent_json = self.unsent_json.saturating_sub(count);
        if self.sent >= self.out.len() {
            self.out.clear();
            self.sent = 0;
            self.out.shrink_to(KEPT_BUFFER);
        } else if self.sent > self.out.len() / 2 {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Moves what has to be sent behind what is in `out`; into an empty one without a copy. Where
    /// the encoding has changed, only what was written before.
    pub fn take_unsent(&mut self, out: &mut Vec<u8>) {
        if self.unsent_json > 0 {
            let count = self.unsent_json.min(self.unsent().len());
            out.extend_from_slice(&self.unsent()[..count]);
            self.advance(count);
        } else if out.is_empty() && self.sent == 0 {
            std::mem::swap(out, &mut self.out);
        } else {
            out.extend_from_slice(self.unsent());
            self.advance(self.out.len());
        }
    }

    /// Writes in the encoding that was asked for from now on.
    pub(super) fn change_encoding(&mut self) {
        if self.encoding != self.next_encoding {
            self.encoding = self.next_encoding;
            self.unsent_json = self.unsent().len();
        }
    }

    /// What the first of the unsent messages is written in.
    pub(super) fn unsent_encoding(&self) -> Encoding {
        if self.unsent_json > 0 { Encoding::Json } else { self.encoding }
    }

    /// Drops what has to be sent.
    pub(super) fn drop_output(&mut self) {
        self.out = Vec::new();
        self.sent = 0;
        self.unsent_json = 0;
    }

    /// Takes out one of its fetchers, unless it has still to get the first look of one.
    pub(super) fn pop_fetcher(&mut self) -> Option<FetcherKey> {
        if self.is_busy {
            return None;
        }
        let id = self.fetchers.keys().next()?.clone();
        self.fetchers.remove(&id)
    }

    /// How the log calls it.
    pub fn title(&self) -> &str {
        self.name.as_deref().filter(|name| !name.trim().is_empty()).unwrap_or("unnamed peer")
    }
}
