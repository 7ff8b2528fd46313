//! The notifications of a sorted fetch: which ranks of its window have other elements or values.
//!
//! A few ranks are reported with the change itself. Many ranks are left to a job, which writes the message in
//! slices; what changes meanwhile is reported by the message after it.

use std::ops::Range;

use crate::json::write;
use crate::rules::SortedView;
use crate::wire::changes::push_entry;

use super::access::Rights;
use super::bus::Bus;
use super::client::ClientKey;
use super::elements::Elements;
use super::fetchers::{FetcherKey, Reported};
use super::notification::notification;
use super::work::{Progress, Work};

/// Most ranks that are reported with the change that moved them.
pub(super) const RANKS_AT_ONCE: usize = 256;

/// Room for the envelope and for `n` behind the entries.
const ENVELOPE: usize = 256;

/// The job that reports the changed ranks of a sorted fetch.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) client: ClientKey,
    fetcher: FetcherKey,
    message: Option<WindowMessage>,
}

impl Window {
    pub(super) fn new(client: ClientKey, fetcher: FetcherKey) -> Window {
        Window { client, fetcher, message: None }
    }
}

/// A message that is being written.
#[derive(Debug)]
pub(super) struct WindowMessage {
    /// The ranks to come, counted from 0.
    ranks: Range<usize>,
    json: Vec<u8>,
    count: usize,
}

impl WindowMessage {
    pub(super) fn new(ranks: Range<usize>) -> WindowMessage {
        WindowMessage { ranks, json: Vec::from(&b"{\"changes\":["[..]), count: 0 }
    }
}

impl Bus {
    /// Reports the ranks that have changed until none has.
    pub(super) fn send_window(&mut self, job: &mut Window, until: u64) -> Progress {
        loop {
            if !self.has_room(job.client) {
                return Progress::Blocked;
            }
            if job.message.is_none() {
                if self.clients.get(job.client).is_some_and(|client| client.is_writing_window) {
                    return Progress::Unfinished;
                }
                let Some(ranks) = self.unsent_ranks(job.fetcher) else {
                    return Progress::Done;
                };
                job.message = Some(WindowMessage::new(ranks));
                self.set_writing_window(job.client, true);
            }
            if let Some(message) = &mut job.message
                && !self.write_window(job.fetcher, message, until)
            {
                return Progress::Unfinished;
            }
            job.message = None;
            self.set_writing_window(job.client, false);
        }
    }

    /// Takes the ranks of a fetcher that have changed. Where none has, later changes are reported at once again.
    fn unsent_ranks(&mut self, key: FetcherKey) -> Option<Range<usize>> {
        let Reported::Sorted(sorted) = &mut self.fetchers.get_mut(key)?.reported else {
            return None;
        };
        let ranks = sorted.unsent.take();
        sorted.is_deferred = ranks.is_some();
        ranks
    }

    /// Notes whether a job is writing a window for a connection: one at a time does, as windows are long.
    fn set_writing_window(&mut self, client: ClientKey, is_writing: bool) {
        if let Some(client) = self.clients.get_mut(client) {
            client.is_writing_window = is_writing;
        }
    }

    /// Writes a message and sends it, in parts where it would be too long. Returns whether that is done before
    /// so many units are spent.
    pub(super) fn write_window(&mut self, key: FetcherKey, message: &mut WindowMessage, until: u64) -> bool {
        loop {
            let Some(fetcher) = self.fetchers.get(key) else {
                return true;
            };
            let Reported::Sorted(sorted) = &fetcher.reported else {
                return true;
            };
            let limit = self.clients.room(fetcher.client).saturating_sub(ENVELOPE);
            let is_fetch_only = fetch_only_marker(&self.elements, self.clients.rights(fetcher.client));
            let written = write_entries(&sorted.view, limit, is_fetch_only, message, &mut self.work, until);
            let Some(is_full) = written else {
                return false;
            };
            let rest = if is_full { message.ranks.clone() } else { 0..0 };
            let mut json = std::mem::replace(message, WindowMessage::new(rest)).json;
            json.extend_from_slice(b"],\"n\":");
            write::integer(&mut json, sorted.view.n() as i64);
            json.push(b'}');
            self.clients.send(fetcher.client, |out| notification(out, &fetcher.id, &json));
            if !is_full {
                return true;
            }
        }
    }
}

/// Appends entries to a message. Returns whether it is full, or `None` when the units are spent before.
fn write_entries(
    view: &SortedView,
    limit: usize,
    is_fetch_only: impl Fn(&str) -> bool,
    message: &mut WindowMessage,
    work: &mut Work,
    until: u64,
) -> Option<bool> {
    for entry in view.window(message.ranks.clone()).iter() {
        if work.spent() >= until {
            return None;
        }
        let more = entry.path.len() * 6 + entry.value.map_or(0, |value| value.len()) + 64;
        if message.count > 0 && message.json.len() + more > limit {
            return Some(true);
        }
        if message.count > 0 {
            message.json.push(b',');
        }
        let value = entry.value.map(|value| &**value);
        push_entry(&mut message.json, entry.path, value, entry.index, is_fetch_only(entry.path));
        message.count += 1;
        message.ranks.start = entry.index;
        work.spend(2 + more as u64 / 512);
    }
    Some(false)
}

/// Returns a function that tells which elements a client with these rights can only fetch.
pub(super) fn fetch_only_marker<'b>(
    elements: &'b Elements,
    rights: Option<&'b Rights>,
) -> impl Fn(&str) -> bool + 'b {
    move |path| {
        elements
            .find(path)
            .and_then(|key| elements.get(key))
            .is_some_and(|element| element.is_fetch_only(rights))
    }
}
