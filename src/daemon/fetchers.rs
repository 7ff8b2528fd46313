//! [`Fetchers`]: the live queries on the bus.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use slotmap::SlotMap;

use crate::json::Raw;
use crate::rules::{Expression, SortedView};

use super::keys::{ClientKey, ElementKey, FetcherKey};
use super::path_index::PathIndex;

/// A set of paths keeps its memory up to about this many entries.
const SMALL: usize = 64;

/// One live query.
#[derive(Debug)]
pub struct Fetcher {
    /// The connection that fetches.
    pub client: ClientKey,
    /// The id it gave, as JSON text: the method of its notifications.
    pub id: Box<str>,
    /// What it wants to see.
    pub expression: Expression,
    /// What it counts towards the limit of its connection; nothing until it is accepted.
    pub weight: usize,
    /// What has been reported to it.
    pub reported: Reported,
    /// For a fetch of at most so many elements: those that match beyond those many.
    pub waiting: BTreeSet<ElementKey>,
    /// The paths that elements depend on by its `deps`.
    pub dependencies: HashSet<String>,
}

/// Which elements a fetcher knows of.
#[derive(Debug)]
pub enum Reported {
    /// All whose [set](super::elements::Element::set) it is in: nothing but the path decides.
    AllWatched,
    /// Those that match beyond their path.
    Each(HashSet<ElementKey>),
    /// Those in its sorted view, as far as they are in the window.
    Sorted(Box<Sorted>),
}

/// The state of a sorted fetch.
#[derive(Debug)]
pub struct Sorted {
    /// The elements in their order.
    pub view: SortedView,
    /// The ranks, counted from 0, that have changed and not been sent. They are sent by a job.
    pub unsent: Option<Range<usize>>,
    /// Whether a job sends them, or will when the first look is over.
    pub is_deferred: bool,
}

impl Fetcher {
    /// Returns a fetcher to which nothing has been reported.
    /// With `sorts` changes in its window are reported, if the expression has one.
    pub fn new(client: ClientKey, id: &str, expression: Expression, sorts: bool) -> Fetcher {
        let reported = match expression.sort().filter(|_| sorts) {
            Some(sort) => {
                let view = SortedView::new(sort.clone());
                Reported::Sorted(Box::new(Sorted { view, unsent: None, is_deferred: true }))
            }
            None if expression.needs_value()
                || !expression.deps().is_empty()
                || expression.max().is_some() =>
            {
                Reported::Each(HashSet::new())
            }
            None => Reported::AllWatched,
        };
        Fetcher {
            client,
            id: id.into(),
            expression,
            weight: 0,
            reported,
            waiting: BTreeSet::new(),
            dependencies: HashSet::new(),
        }
    }

    /// Returns whether its value rules hold.
    pub fn admits(&self, value: Option<Raw<'_>>) -> bool {
        !self.expression.needs_value() || self.expression.matches_value(value)
    }

    /// Returns whether one more element may not be reported to it. The window of a sorted fetch is its limit.
    pub fn is_full(&self) -> bool {
        match &self.reported {
            Reported::Each(reported) => self.expression.max().is_some_and(|max| reported.len() >= max),
            _ => false,
        }
    }

    /// Returns whether it knows of an element that it watches, unless that has just been added.
    pub fn knows(&self, key: ElementKey, path: &str) -> bool {
        match &self.reported {
            Reported::AllWatched => true,
            Reported::Each(reported) => reported.contains(&key),
            Reported::Sorted(sorted) => sorted.view.contains(path),
        }
    }

    /// Removes a path on which no element depends any more. Most of the memory is returned when few paths are left.
    pub fn forget_dependency(&mut self, path: &str) {
        self.dependencies.remove(path);
        let few = 2 * self.dependencies.len() + SMALL;
        if self.dependencies.capacity() > 4 * few {
            self.dependencies.shrink_to(few);
        }
    }

    /// Returns how many entries there are of it, in the index and of elements: what it costs to make and to drop it.
    pub fn size(&self) -> u64 {
        let elements = match &self.reported {
            Reported::AllWatched => 0,
            Reported::Each(reported) => reported.len() + self.waiting.len(),
            Reported::Sorted(sorted) => 2 * sorted.view.len(),
        };
        1 + (4 * self.expression.words() + elements + self.dependencies.len()) as u64
    }
}

impl Sorted {
    /// Notes that ranks have changed.
    pub fn note(&mut self, ranks: Range<usize>) {
        self.unsent = Some(match self.unsent.take() {
            Some(before) => before.start.min(ranks.start)..before.end.max(ranks.end),
            None => ranks,
        });
    }
}

/// All fetchers, found by the paths they can match.
#[derive(Debug, Default)]
pub struct Fetchers {
    map: SlotMap<FetcherKey, Fetcher>,
    index: PathIndex<FetcherKey>,
}

impl Fetchers {
    /// Adds a fetcher, which [`candidates`](Self::candidates) does not find yet.
    pub fn insert(&mut self, fetcher: Fetcher) -> FetcherKey {
        self.map.insert(fetcher)
    }

    /// Has a fetcher be found for elements that are added from now on.
    pub fn activate(&mut self, key: FetcherKey) {
        if let Some(fetcher) = self.map.get(key) {
            self.index.insert(fetcher.expression.path_hint(), key);
        }
    }

    /// Takes a fetcher out.
    pub fn remove(&mut self, key: FetcherKey) -> Option<Fetcher> {
        let fetcher = self.map.remove(key)?;
        self.index.remove(fetcher.expression.path_hint(), key);
        Some(fetcher)
    }

    /// The fetcher of a key.
    pub fn get(&self, key: FetcherKey) -> Option<&Fetcher> {
        self.map.get(key)
    }

    /// The fetcher of a key.
    pub fn get_mut(&mut self, key: FetcherKey) -> Option<&mut Fetcher> {
        self.map.get_mut(key)
    }

    /// The fetchers whose path rules can match a path. Whether they do is for them to say.
    pub fn candidates(&self, path: &str) -> Vec<FetcherKey> {
        self.index.candidates(path).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
