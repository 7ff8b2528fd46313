//! [`Fetchers`]: the active fetches, found by path and by client, and what each has been notified of.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;

use slotmap::{SecondaryMap, SlotMap};

use crate::json::Raw;
use crate::rules::{Event, Expression, SortedView, transition};

use super::keys::{ClientKey, ElementKey, FetcherKey};
use super::notification::Notification;
use super::path_index::PathIndex;

/// One active fetch.
#[derive(Debug)]
pub struct Fetcher {
    client: ClientKey,
    /// JSON text.
    id: Box<str>,
    expression: Expression,
    /// Its weight in the limit of the client. It is 0 until the fetch is accepted.
    weight: usize,
    reported: Reported,
    /// The matches beyond the maximum number of a limited fetch.
    waiting: BTreeSet<ElementKey>,
}

/// The elements that a fetcher has been notified of.
#[derive(Debug)]
enum Reported {
    /// All that have this fetcher: only the path decides.
    AllWatched,
    /// Those that match beyond their path.
    Each(HashSet<ElementKey>),
    /// Those in its sorted view that are in the window.
    Sorted(Box<Sorted>),
}

/// The state of a sorted fetch.
#[derive(Debug)]
struct Sorted {
    view: SortedView,
    /// The changed ranks that have not been sent, counted from 0. A job sends them.
    unsent: Option<Range<usize>>,
    /// Whether a job sends changed ranks, now or when the initial adds are sent.
    is_deferred: bool,
}

impl Sorted {
    /// Adds changed ranks to those that a job sends.
    fn defer(&mut self, ranks: Range<usize>) {
        self.unsent = Some(match self.unsent.take() {
            Some(before) => before.start.min(ranks.start)..before.end.max(ranks.end),
            None => ranks,
        });
    }
}

/// How an element has changed for a fetcher.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// The element.
    pub element: ElementKey,
    /// Whether the fetcher had been notified of it.
    pub was_known: bool,
    /// What happened to the element.
    pub event: Event,
    /// Whether the element matches now.
    pub matches: bool,
}

/// What follows from a [`Step`].
#[derive(Debug)]
pub enum Report {
    /// No notification.
    Nothing,
    /// The notification of an event.
    Event(Event),
    /// The notification of changed ranks, counted from 0.
    Ranks(Range<usize>),
}

impl Fetcher {
    /// Creates a fetcher that has not been notified of any element. With `sorts` it is notified of changes in its
    /// window, if the expression has one.
    pub fn new(client: ClientKey, id: &str, expression: Expression, sorts: bool) -> Fetcher {
        let sort = expression.sort().filter(|_| sorts);
        let selects = expression.needs_value() || !expression.deps().is_empty() || expression.max().is_some();
        let reported = match sort {
            Some(sort) => {
                let view = SortedView::new(sort.clone());
                Reported::Sorted(Box::new(Sorted { view, unsent: None, is_deferred: true }))
            }
            None if selects => Reported::Each(HashSet::new()),
            None => Reported::AllWatched,
        };
        Fetcher { client, id: id.into(), expression, weight: 0, reported, waiting: BTreeSet::new() }
    }

    /// Returns the connection that fetches.
    pub fn client(&self) -> ClientKey {
        self.client
    }

    /// Returns the id of the fetch as JSON text. It is the method of its notifications.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the expression of the fetch.
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    /// Returns `true` if its value rules hold.
    pub fn admits(&self, value: Option<Raw<'_>>) -> bool {
        !self.expression.needs_value() || self.expression.matches_value(value)
    }

    /// Returns `true` if it is notified of single events and their number is at its maximum.
    pub fn is_full(&self) -> bool {
        match &self.reported {
            Reported::Each(reported) => self.expression.max().is_some_and(|max| reported.len() >= max),
            _ => false,
        }
    }

    /// Returns `true` if the fetch is limited and not by a window.
    pub fn is_limited(&self) -> bool {
        !self.is_sorted() && self.expression.max().is_some()
    }

    /// Returns `true` if it is notified of changes in a window.
    pub fn is_sorted(&self) -> bool {
        matches!(self.reported, Reported::Sorted(_))
    }

    /// Returns `true` if it has been notified of an element. An element that was just added counts as reported if only
    /// its path decides.
    pub fn knows(&self, key: ElementKey, path: &str) -> bool {
        match &self.reported {
            Reported::AllWatched => true,
            Reported::Each(reported) => reported.contains(&key),
            Reported::Sorted(sorted) => sorted.view.contains(path),
        }
    }

    /// Applies a change of an element. Returns the notification that follows.
    pub fn apply(&mut self, step: Step, notification: &Notification) -> Report {
        let key = step.element;
        let is_full = self.is_full();
        if let Reported::Sorted(sorted) = &mut self.reported {
            let changes = match step.matches {
                true => sorted.view.set(notification.path(), notification.value().cloned()),
                false => sorted.view.remove(notification.path()),
            };
            return match changes.map(|changes| changes.ranks()) {
                Some(ranks) if sorted.is_deferred => {
                    sorted.defer(ranks);
                    Report::Nothing
                }
                Some(ranks) => Report::Ranks(ranks),
                None => Report::Nothing,
            };
        }
        if !step.was_known && step.matches && is_full {
            self.waiting.insert(key);
            return Report::Nothing;
        }
        let Some(event) = transition(step.was_known, step.event, step.matches) else {
            self.waiting.remove(&key);
            return Report::Nothing;
        };
        if let Reported::Each(reported) = &mut self.reported {
            match event {
                Event::Add => reported.insert(key),
                Event::Change => true,
                Event::Remove => reported.remove(&key),
            };
        }
        Report::Event(event)
    }

    /// Leaves changed ranks to a job, which is necessary until all of them are sent.
    pub fn defer(&mut self, ranks: Range<usize>) {
        if let Reported::Sorted(sorted) = &mut self.reported {
            sorted.defer(ranks);
            sorted.is_deferred = true;
        }
    }

    /// Leaves all ranks of the window to a job. Returns `false` if the fetch is not sorted.
    pub fn defer_all(&mut self) -> bool {
        let Reported::Sorted(sorted) = &mut self.reported else {
            return false;
        };
        sorted.unsent = Some(sorted.view.snapshot().ranks());
        true
    }

    /// Removes and returns the ranks that are left to a job. If there are none, changes are notified at once again.
    pub fn take_deferred(&mut self) -> Option<Range<usize>> {
        let Reported::Sorted(sorted) = &mut self.reported else {
            return None;
        };
        let ranks = sorted.unsent.take();
        sorted.is_deferred = ranks.is_some();
        ranks
    }

    /// Returns the view of a sorted fetch.
    pub fn view(&self) -> Option<&SortedView> {
        match &self.reported {
            Reported::Sorted(sorted) => Some(&sorted.view),
            _ => None,
        }
    }

    /// Removes and returns the next element that waits, if the fetch is not full.
    pub fn next_waiting(&mut self) -> Option<ElementKey> {
        if self.is_full() { None } else { self.waiting.pop_first() }
    }

    /// Removes an element from those that wait.
    pub fn stop_waiting(&mut self, key: ElementKey) {
        self.waiting.remove(&key);
    }

    /// Returns the number of its entries in the index and in its lists, which is what it costs to drop it.
    pub fn size(&self) -> u64 {
        let elements = match &self.reported {
            Reported::AllWatched => 0,
            Reported::Each(reported) => reported.len() + self.waiting.len(),
            Reported::Sorted(sorted) => 2 * sorted.view.len(),
        };
        1 + (4 * self.expression.words() + elements) as u64
    }
}

/// The fetches of one client.
#[derive(Debug, Default)]
struct Fetches {
    /// The fetchers by the text of their ids in one spelling.
    by_id: HashMap<Box<str>, FetcherKey>,
    weight: usize,
}

/// All fetchers.
#[derive(Debug, Default)]
pub struct Fetchers {
    map: SlotMap<FetcherKey, Fetcher>,
    index: PathIndex<FetcherKey>,
    by_client: SecondaryMap<ClientKey, Fetches>,
}

impl Fetchers {
    /// Adds a fetcher. [`accept`](Self::accept) makes it a fetch of its client.
    pub fn insert(&mut self, fetcher: Fetcher) -> FetcherKey {
        self.map.insert(fetcher)
    }

    /// Accepts a fetcher under an id: from now on elements that are added find it. Returns the fetcher that had the id.
    pub fn accept(&mut self, key: FetcherKey, id: &str) -> Option<FetcherKey> {
        let fetcher = self.map.get_mut(key)?;
        fetcher.weight = fetcher.expression.weight();
        self.index.insert(fetcher.expression.path_hint(), key);
        let fetches = self.by_client.entry(fetcher.client)?.or_default();
        fetches.weight += fetcher.weight;
        fetches.by_id.insert(id.into(), key)
    }

    /// Removes a fetcher.
    pub fn remove(&mut self, key: FetcherKey) -> Option<Fetcher> {
        let fetcher = self.map.remove(key)?;
        self.index.remove(fetcher.expression.path_hint(), key);
        if let Some(fetches) = self.by_client.get_mut(fetcher.client) {
            fetches.weight -= fetcher.weight;
        }
        Some(fetcher)
    }

    /// Returns a fetcher.
    pub fn get(&self, key: FetcherKey) -> Option<&Fetcher> {
        self.map.get(key)
    }

    /// Returns a fetcher.
    pub fn get_mut(&mut self, key: FetcherKey) -> Option<&mut Fetcher> {
        self.map.get_mut(key)
    }

    /// Returns the fetchers whose expressions may match a path. Their rules have to be tested.
    pub fn candidates(&self, path: &str) -> Vec<FetcherKey> {
        self.index.candidates(path).collect()
    }

    /// Returns the sum of the weights of the fetches of a client.
    pub fn weight_of(&self, client: ClientKey) -> usize {
        self.by_client.get(client).map_or(0, |fetches| fetches.weight)
    }

    /// Returns `true` if a client has fetches.
    pub fn has_any(&self, client: ClientKey) -> bool {
        self.by_client.get(client).is_some_and(|fetches| !fetches.by_id.is_empty())
    }

    /// Returns `true` if a client has a fetch with that id.
    pub fn has(&self, client: ClientKey, id: &str) -> bool {
        self.by_client.get(client).is_some_and(|fetches| fetches.by_id.contains_key(id))
    }

    /// Takes a fetch from its client, to be [removed](Self::remove).
    pub fn take(&mut self, client: ClientKey, id: &str) -> Option<FetcherKey> {
        self.by_client.get_mut(client)?.by_id.remove(id)
    }

    /// Takes any fetch from a client, to be [removed](Self::remove).
    pub fn take_any(&mut self, client: ClientKey) -> Option<FetcherKey> {
        let fetches = self.by_client.get_mut(client)?;
        let id = fetches.by_id.keys().next()?.clone();
        fetches.by_id.remove(&id)
    }

    /// Forgets a client that has no fetches.
    pub fn forget_client(&mut self, client: ClientKey) {
        self.by_client.remove(client);
    }

    /// Returns the number of fetchers.
    pub fn count(&self) -> usize {
        self.map.len()
    }
}
