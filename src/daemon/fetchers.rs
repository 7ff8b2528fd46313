//! [`Fetchers`]: the live queries on the bus.

use std::collections::BTreeSet;

use crate::json::Raw;
use crate::rules::{Expression, SortedView};

use super::client::ClientKey;
use super::elements::ElementKey;
use super::path_index::PathIndex;
use super::slab::{Key, Slab};

/// Names a fetcher for as long as it is there.
pub type FetcherKey = Key<Fetcher>;

/// One live query.
#[derive(Debug)]
pub struct Fetcher {
    /// Who fetches.
    pub client: ClientKey,
    /// The id it gave, as JSON text: the method of its notifications.
    pub id: Box<str>,
    /// What it wants to see.
    pub expression: Expression,
    /// The order, if it is sorted.
    pub view: Option<SortedView>,
    /// The elements whose path rules match.
    pub watched: BTreeSet<ElementKey>,
    /// For a fetch of at most so many elements: how many it has been told of.
    pub told: usize,
    /// The elements that match beyond those many.
    pub waiting: BTreeSet<ElementKey>,
}

impl Fetcher {
    /// A fetcher that has not been told of anything yet.
    /// With `sorts` it is told of changes in its window, if the expression has one.
    pub fn new(client: ClientKey, id: &str, expression: Expression, sorts: bool) -> Fetcher {
        Fetcher {
            client,
            id: id.into(),
            view: expression.sort().filter(|_| sorts).cloned().map(SortedView::new),
            expression,
            watched: BTreeSet::new(),
            told: 0,
            waiting: BTreeSet::new(),
        }
    }

    /// Whether its value rules hold.
    pub fn admits(&self, value: Option<Raw<'_>>) -> bool {
        !self.expression.needs_value() || self.expression.matches_value(value)
    }

    /// Whether it may not be told of one more element. The window of a sorted fetch is its limit.
    pub fn is_full(&self) -> bool {
        self.view.is_none() && self.expression.max().is_some_and(|max| self.told >= max)
    }
}

/// All fetchers, found by the paths they can match.
#[derive(Debug, Default)]
pub struct Fetchers {
    slab: Slab<Fetcher>,
    index: PathIndex<FetcherKey>,
}

impl Fetchers {
    /// Adds a fetcher.
    pub fn insert(&mut self, fetcher: Fetcher) -> FetcherKey {
        let key = self.slab.insert(fetcher);
        if let Some(fetcher) = self.slab.get(key) {
            self.index.insert(fetcher.expression.path_hint(), key);
        }
        key
    }

    /// Takes a fetcher out.
    pub fn remove(&mut self, key: FetcherKey) -> Option<Fetcher> {
        let fetcher = self.slab.remove(key)?;
        self.index.remove(fetcher.expression.path_hint(), key);
        Some(fetcher)
    }

    /// The fetcher of a key.
    pub fn get(&self, key: FetcherKey) -> Option<&Fetcher> {
        self.slab.get(key)
    }

    /// The fetcher of a key.
    pub fn get_mut(&mut self, key: FetcherKey) -> Option<&mut Fetcher> {
        self.slab.get_mut(key)
    }

    /// The fetchers whose path rules can match a path. Whether they do is for them to say.
    pub fn candidates(&self, path: &str) -> Vec<FetcherKey> {
        self.index.candidates(path).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
