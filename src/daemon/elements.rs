//! [`Elements`]: the states and methods on the bus, and the fetchers of each.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use slotmap::{SecondaryMap, SlotMap};

use crate::json::{Raw, to_text};
use crate::rules::PathHint;

use super::access::{Access, Permission, Rights};
use super::fetcher_sets::FetcherSets;
use super::keys::{ClientKey, ElementKey, FetcherKey, SetKey};

/// A state or method.
#[derive(Debug)]
pub struct Element {
    /// The path.
    pub path: Arc<str>,
    /// The path as JSON text.
    pub path_json: Arc<str>,
    /// The value as JSON text. Methods and states that were cleared have none.
    pub value: Option<Arc<str>>,
    /// Whether it is a state: it has had a value, or its owner declared it as one.
    pub is_state: bool,
    /// Whether it cannot be set or called.
    pub fetch_only: bool,
    /// The groups that may use it. Without, every connection may.
    pub access: Option<Box<Access>>,
    /// Seconds that its owner has to answer, if it was added with a timeout.
    pub timeout: Option<f64>,
    /// The connection that added it.
    pub owner: ClientKey,
    /// Its number in the order in which elements were added.
    serial: u64,
    /// The fetchers whose path rules match.
    set: SetKey,
}

impl Element {
    /// Returns the value.
    pub fn raw(&self) -> Option<Raw<'_>> {
        self.value.as_deref().map(Raw::trusted)
    }

    /// Returns `true` if a connection with these rights may do that.
    pub fn allows(&self, rights: Option<&Rights>, what: Permission) -> bool {
        self.access.as_ref().is_none_or(|access| access.allows(rights, what))
    }

    /// Returns `true` if a connection with these rights can only fetch it.
    pub fn is_fetch_only(&self, rights: Option<&Rights>) -> bool {
        self.fetch_only || !self.allows(rights, self.use_permission())
    }

    /// Returns the permission that a set or call of it needs.
    pub fn use_permission(&self) -> Permission {
        if self.is_state { Permission::Set } else { Permission::Call }
    }
}

/// A new element.
#[derive(Debug)]
pub struct Description<'a> {
    /// The path.
    pub path: &'a str,
    /// The value. Methods have none.
    pub value: Option<Raw<'a>>,
    /// See [`Element::is_state`].
    pub is_state: bool,
    /// See [`Element::fetch_only`].
    pub fetch_only: bool,
    /// See [`Element::access`].
    pub access: Option<Access>,
    /// See [`Element::timeout`].
    pub timeout: Option<f64>,
}

/// The elements in the order in which they were added. A removed element stays listed until more are removed than not,
/// so a removal takes constant time here.
#[derive(Debug, Default)]
struct Ages {
    listed: Vec<(u64, ElementKey)>,
    removed: usize,
    /// The number of clean-ups. Each one changes positions.
    edition: u64,
}

/// Iterates over the elements that match a [`PathHint`], oldest first. It stays valid while elements are added and
/// removed. Elements that are added later are left out.
#[derive(Debug)]
pub struct Cursor(Route);

#[derive(Debug)]
enum Route {
    Listed(std::vec::IntoIter<ElementKey>),
    All { next: u64, last: u64, position: usize, edition: u64 },
}

/// Maximum number of elements with a prefix that a cursor lists. More are found by iterating over all elements. Both
/// cost less than the work on each element.
const LISTED_AT_MOST: usize = 1_000;

/// Number of removed elements that stay listed in any case.
const SMALL: usize = 64;

/// All elements, found by path and by prefix.
#[derive(Debug, Default)]
pub struct Elements {
    map: SlotMap<ElementKey, Element>,
    by_path: HashMap<Arc<str>, ElementKey>,
    in_order: BTreeMap<Arc<str>, ElementKey>,
    by_owner: SecondaryMap<ClientKey, BTreeMap<u64, ElementKey>>,
    ages: Ages,
    serial: u64,
    sets: FetcherSets,
}

impl Elements {
    /// Adds an element with its fetchers, whose keys are in ascending order. Returns `None` if the path is taken.
    pub fn insert(
        &mut self,
        description: Description<'_>,
        owner: ClientKey,
        fetchers: &[FetcherKey],
    ) -> Option<ElementKey> {
        if self.by_path.contains_key(description.path) {
            return None;
        }
        let path: Arc<str> = description.path.into();
        self.serial += 1;
        let key = self.map.insert(Element {
            path: path.clone(),
            path_json: to_text(&&*path).into(),
            value: description.value.map(|value| value.text().into()),
            is_state: description.is_state,
            fetch_only: description.fetch_only,
            access: description.access.map(Box::new),
            timeout: description.timeout,
            owner,
            serial: self.serial,
            set: self.sets.acquire(fetchers),
        });
        self.ages.listed.push((self.serial, key));
        self.by_path.insert(path.clone(), key);
        self.in_order.insert(path, key);
        if let Some(owned) = self.by_owner.entry(owner) {
            owned.or_default().insert(self.serial, key);
        }
        Some(key)
    }

    /// Removes an element.
    pub fn remove(&mut self, key: ElementKey) {
        let Some(element) = self.map.remove(key) else {
            return;
        };
        self.by_path.remove(&element.path);
        self.in_order.remove(&element.path);
        self.sets.release(element.set);
        if let Some(owned) = self.by_owner.get_mut(element.owner) {
            owned.remove(&element.serial);
            if owned.is_empty() {
                self.by_owner.remove(element.owner);
            }
        }
        self.ages.removed += 1;
        if self.ages.removed > self.map.len() + SMALL {
            self.ages.listed.retain(|(_, key)| self.map.contains_key(*key));
            self.ages.removed = 0;
            self.ages.edition += 1;
        }
    }

    /// Sets or clears the value of an element.
    pub fn set_value(&mut self, key: ElementKey, value: Option<Raw>) {
        if let Some(element) = self.map.get_mut(key) {
            element.is_state |= value.is_some();
            element.value = value.map(|value| value.text().into());
        }
    }

    /// Returns an element.
    pub fn get(&self, key: ElementKey) -> Option<&Element> {
        self.map.get(key)
    }

    /// Returns the element with that path.
    pub fn find(&self, path: &str) -> Option<ElementKey> {
        self.by_path.get(path).copied()
    }

    /// Returns the element with that path.
    pub fn at(&self, path: &str) -> Option<&Element> {
        self.get(self.find(path)?)
    }

    /// Returns the oldest element of an owner.
    pub fn oldest_of(&self, owner: ClientKey) -> Option<ElementKey> {
        self.by_owner.get(owner)?.first_key_value().map(|(_, key)| *key)
    }

    /// Returns the number of elements.
    pub fn count(&self) -> usize {
        self.map.len()
    }

    /// Returns the fetchers of an element, in ascending order. Some may have ended.
    pub fn fetchers_of(&mut self, key: ElementKey) -> Arc<[FetcherKey]> {
        let Some(element) = self.map.get_mut(key) else {
            return Arc::default();
        };
        self.sets.members(&mut element.set)
    }

    /// Adds a fetcher to an element. Returns how many keys were copied.
    pub fn add_fetcher(&mut self, key: ElementKey, fetcher: FetcherKey) -> usize {
        let element = self.map.get_mut(key);
        element.map_or(0, |element| self.sets.join(&mut element.set, fetcher))
    }

    /// Notes that a fetcher has ended. Returns `true` if its key should be removed with a
    /// [`sweep`](Self::sweep).
    pub fn note_ended(&mut self) -> bool {
        self.sets.note_ended()
    }

    /// Removes fetchers that have ended from one more set. Returns the number of its members, or `None` if the sweep is
    /// finished.
    pub fn sweep(&mut self, is_live: impl Fn(FetcherKey) -> bool) -> Option<usize> {
        self.sets.sweep(is_live)
    }

    /// Returns a cursor over the elements whose path fits the hint.
    pub fn cursor(&self, hint: PathHint<'_>) -> Cursor {
        let listed = match hint {
            PathHint::Exact(path) => Some(self.find(path).into_iter().collect()),
            PathHint::ExactOneOf(paths) => Some(paths.iter().filter_map(|path| self.find(path)).collect()),
            PathHint::Prefix(prefix) => self.with_prefix(prefix),
            PathHint::Any => None,
        };
        let Some(mut keys) = listed else {
            let edition = self.ages.edition;
            return Cursor(Route::All { next: 0, last: self.serial, position: 0, edition });
        };
        keys.sort_by_cached_key(|key: &ElementKey| self.get(*key).map_or(0, |element| element.serial));
        Cursor(Route::Listed(keys.into_iter()))
    }

    /// Returns the next element of a cursor.
    pub fn advance(&self, cursor: &mut Cursor) -> Option<ElementKey> {
        match &mut cursor.0 {
            Route::Listed(keys) => keys.find(|key| self.get(*key).is_some()),
            Route::All { next, last, position, edition } => {
                if *edition != self.ages.edition {
                    *edition = self.ages.edition;
                    *position = self.ages.listed.partition_point(|(serial, _)| serial < next);
                }
                while let Some((serial, key)) =
                    self.ages.listed.get(*position).filter(|entry| entry.0 <= *last)
                {
                    *position += 1;
                    *next = serial + 1;
                    if self.get(*key).is_some() {
                        return Some(*key);
                    }
                }
                None
            }
        }
    }

    /// Returns the elements with a prefix, unless they are many.
    fn with_prefix(&self, prefix: &str) -> Option<Vec<ElementKey>> {
        let range = (Bound::Included(prefix), Bound::Unbounded);
        let from = self.in_order.range::<str, _>(range);
        let found = from.take_while(|(path, _)| path.starts_with(prefix)).map(|(_, key)| *key);
        let keys: Vec<_> = found.take(LISTED_AT_MOST + 1).collect();
        Some(keys).filter(|keys| keys.len() <= LISTED_AT_MOST)
    }
}
