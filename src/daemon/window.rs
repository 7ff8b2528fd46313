//! The notifications of a sorted fetch: which ranks of its window have other elements or values.
//!
//! A few ranks are reported with the change itself. Many ranks are left to a job, which writes the message in
//! slices; what changes meanwhile is reported by the message after it.

use std::ops::Range;

use crate::rules::SortedView;
use crate::wire::changes::push_entry;

use super::access::Rights;
use super::bus::Bus;
use super::elements::Elements;
use super::fetchers::Reported;
use super::item_list::ItemList;
use super::keys::{ClientKey, FetcherKey};
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
    items: ItemList,
}

impl WindowMessage {
    pub(super) fn new(ranks: Range<usize>, packs: bool) -> WindowMessage {
        WindowMessage { ranks, items: ItemList::new(packs) }
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
                job.message = Some(WindowMessage::new(ranks, self.clients.packs(job.client)));
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
            let limits = Limits { bytes: limit, until };
            let WindowMessage { ranks, items } = message;
            let walked = write_entries(&sorted.view, ranks, is_fetch_only, items, limits, &self.work);
            if walked == Walked::UntilLate {
                return false;
            }
            let rest = if walked == Walked::UntilFull { ranks.clone() } else { 0..0 };
            let packs = items.is_packed();
            let WindowMessage { items, .. } = std::mem::replace(message, WindowMessage::new(rest, packs));
            self.clients.notify_changes(fetcher.client, &fetcher.id, &items, sorted.view.n());
            if walked == Walked::All {
                return true;
            }
        }
    }
}

/// Where [`write_entries`] stops before the end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The length of the items as JSON. The first one may be longer.
    pub(super) bytes: usize,
    /// The units spent.
    pub(super) until: u64,
}

/// How far [`write_entries`] has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walked {
    All,
    UntilFull,
    UntilLate,
}

/// Appends the entries of a view to a message, and removes their ranks from `ranks`.
pub(super) fn write_entries(
    view: &SortedView,
    ranks: &mut Range<usize>,
    is_fetch_only: impl Fn(&str) -> bool,
    items: &mut ItemList,
    limits: Limits,
    work: &Work,
) -> Walked {
    for entry in view.window(ranks.clone()).iter() {
        if work.spent() >= limits.until {
            return Walked::UntilLate;
        }
        let more = entry.path.len() * 6 + entry.value.map_or(0, |value| value.len()) + 64;
        if !items.is_empty() && items.json_len() + more > limits.bytes {
            return Walked::UntilFull;
        }
        let value = entry.value.map(|value| &**value);
        let fetch_only = is_fetch_only(entry.path);
        work.spend(items.push(|json| push_entry(json, entry.path, value, entry.index, fetch_only)));
        ranks.start = entry.index;
    }
    Walked::All
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
