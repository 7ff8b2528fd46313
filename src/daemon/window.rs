//! The notifications of a sorted fetch: the ranks of its window that have other elements or values.
//!
//! A few ranks are sent with the change itself. Many ranks are left to a job, which writes the message in slices.
//! Changes meanwhile are sent in the next message.

use std::ops::Range;

use crate::rules::SortedView;
use crate::wire::message::write_change;

use super::access::Rights;
use super::client::Client;
use super::clients::Clients;
use super::elements::Elements;
use super::fetchers::Fetchers;
use super::item_list::ItemList;
use super::keys::{ClientKey, FetcherKey};
use super::work::{Progress, Units};

/// Bytes reserved for what is around the entries in a message.
const ENVELOPE: usize = 256;

/// The job that sends the changed ranks of a sorted fetch.
#[derive(Debug)]
pub struct Window {
    client: ClientKey,
    fetcher: FetcherKey,
    message: Option<WindowMessage>,
}

/// A message that is being written.
#[derive(Debug)]
struct WindowMessage {
    /// The ranks that are not written, counted from 0.
    ranks: Range<usize>,
    items: ItemList,
}

/// The components that windows are written from and to.
#[derive(Debug)]
pub struct WindowWriter<'a> {
    /// The connections.
    pub clients: &'a mut Clients,
    /// The elements.
    pub elements: &'a Elements,
    /// The fetchers.
    pub fetchers: &'a mut Fetchers,
    /// The counter of work.
    pub units: &'a Units,
}

impl Window {
    /// Creates a job that sends the deferred ranks of a fetcher.
    pub fn new(client: ClientKey, fetcher: FetcherKey) -> Window {
        Window { client, fetcher, message: None }
    }

    /// Returns the connection that the window is sent to.
    pub fn client(&self) -> ClientKey {
        self.client
    }
}

impl WindowWriter<'_> {
    /// Sends changed ranks until there are none.
    pub fn run(&mut self, job: &mut Window, until: u64) -> Progress {
        loop {
            if !self.clients.has_room(job.client) {
                return Progress::Blocked;
            }
            if job.message.is_none() {
                if self.clients.get(job.client).is_some_and(Client::is_writing_window) {
                    return Progress::Unfinished;
                }
                let fetcher = self.fetchers.get_mut(job.fetcher);
                let Some(ranks) = fetcher.and_then(|fetcher| fetcher.take_deferred()) else {
                    return Progress::Done;
                };
                job.message = Some(self.begin(job.client, ranks));
                self.set_writing(job.client, true);
            }
            if let Some(message) = &mut job.message
                && !self.write(job.fetcher, message, until)
            {
                return Progress::Unfinished;
            }
            job.message = None;
            self.set_writing(job.client, false);
        }
    }

    /// Sends a few changed ranks at once.
    pub fn send(&mut self, client: ClientKey, fetcher: FetcherKey, ranks: Range<usize>) {
        let mut message = self.begin(client, ranks);
        self.write(fetcher, &mut message, u64::MAX);
    }

    fn set_writing(&mut self, client: ClientKey, is_writing: bool) {
        if let Some(client) = self.clients.get_mut(client) {
            client.set_writing_window(is_writing);
        }
    }

    fn begin(&self, client: ClientKey, ranks: Range<usize>) -> WindowMessage {
        WindowMessage { ranks, items: ItemList::new(self.clients.packs(client)) }
    }

    /// Writes a message and sends it, in parts if it would be too long. Returns `false` if the units are spent before.
    fn write(&mut self, key: FetcherKey, message: &mut WindowMessage, until: u64) -> bool {
        loop {
            let Some(fetcher) = self.fetchers.get(key) else {
                return true;
            };
            let Some(view) = fetcher.view() else {
                return true;
            };
            let client = fetcher.client();
            let bytes = self.clients.room(client).saturating_sub(ENVELOPE);
            let is_fetch_only = fetch_only_marker(self.elements, self.clients.rights(client));
            let WindowMessage { ranks, items } = message;
            let limits = Limits { bytes, until };
            let walked = write_entries(view, ranks, is_fetch_only, items, limits, self.units);
            if walked == Walked::UntilLate {
                return false;
            }
            let rest = if walked == Walked::UntilFull { ranks.clone() } else { 0..0 };
            let WindowMessage { items, .. } = std::mem::replace(message, self.begin(client, rest));
            self.clients.notify_changes(client, fetcher.id(), &items, view.n());
            if walked == Walked::All {
                return true;
            }
        }
    }
}

/// Where [`write_entries`] stops before the last rank.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The maximum length of the items as JSON. The first one may be longer.
    pub bytes: usize,
    /// The units that may be spent.
    pub until: u64,
}

/// How far [`write_entries`] has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walked {
    /// All ranks are written.
    All,
    /// The list is full.
    UntilFull,
    /// The units are spent.
    UntilLate,
}

/// Appends the entries of a view to a list, and removes their ranks from `ranks`. Both the notifications of a sorted
/// fetch and the response to a sorted `get` are written so.
pub fn write_entries(
    view: &SortedView,
    ranks: &mut Range<usize>,
    is_fetch_only: impl Fn(&str) -> bool,
    items: &mut ItemList,
    limits: Limits,
    units: &Units,
) -> Walked {
    for entry in view.window(ranks.clone()).iter() {
        if units.spent() >= limits.until {
            return Walked::UntilLate;
        }
        let more = entry.path.len() * 6 + entry.value.map_or(0, |value| value.len()) + 64;
        if !items.is_empty() && items.json_len() + more > limits.bytes {
            return Walked::UntilFull;
        }
        let value = entry.value.map(|value| &**value);
        let fetch_only = is_fetch_only(entry.path);
        units.spend(items.push(|json| write_change(json, entry.path, value, entry.index, fetch_only)));
        ranks.start = entry.index;
    }
    Walked::All
}

/// Returns a function that recognises the elements that a connection with these rights can only fetch.
pub fn fetch_only_marker<'b>(
    elements: &'b Elements,
    rights: Option<&'b Rights>,
) -> impl Fn(&str) -> bool + 'b {
    move |path| elements.at(path).is_some_and(|element| element.is_fetch_only(rights))
}
