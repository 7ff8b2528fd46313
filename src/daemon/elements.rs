//! [`Elements`]: the states and methods on the bus.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use slotmap::SlotMap;

use crate::json::{Raw, write};
use crate::rules::PathHint;

use super::access::{Access, Permission, Rights};
use super::keys::{ClientKey, ElementKey, SetKey};

/// One state or method.
#[derive(Debug)]
pub struct Element {
    /// Its path.
    pub path: Arc<str>,
    /// Its path as JSON text.
    pub path_json: Arc<str>,
    /// Its value as JSON text; none for methods and cleared states.
    pub value: Option<Arc<str>>,
    /// Whether it is a state: it had a value once, or its owner said so.
    pub is_state: bool,
    /// Whether nobody may set or call it.
    pub fetch_only: bool,
    /// Who may do what with it; without, everybody may do everything.
    pub access: Option<Arc<Access>>,
    /// Seconds its owner has to answer, if it was added with a time-out.
    pub timeout: Option<f64>,
    /// Who added it.
    pub owner: ClientKey,
    /// When it was added, compared with others.
    pub serial: u64,
    /// The fetchers whose path rules match.
    pub set: SetKey,
}

impl Element {
    /// The value, to be looked into.
    pub fn raw(&self) -> Option<Raw<'_>> {
        self.value.as_deref().map(Raw::trusted)
    }

    /// Whether somebody with these rights may do that.
    pub fn allows(&self, rights: Option<&Rights>, what: Permission) -> bool {
        self.access.as_ref().is_none_or(|access| access.allows(rights, what))
    }

    /// Whether somebody with these rights can only fetch it.
    pub fn is_fetch_only(&self, rights: Option<&Rights>) -> bool {
        self.fetch_only || !self.allows(rights, self.use_permission())
    }

    /// What may be done with it beside fetching it.
    pub fn use_permission(&self) -> Permission {
        if self.is_state { Permission::Set } else { Permission::Call }
    }
}

/// What an element is made of.
#[derive(Debug)]
pub struct Description<'a> {
    /// The path.
    pub path: &'a str,
    /// The value; none for methods.
    pub value: Option<Raw<'a>>,
    /// See [`Element::is_state`].
    pub is_state: bool,
    /// See [`Element::fetch_only`].
    pub fetch_only: bool,
    /// See [`Element::access`].
    pub access: Option<Access>,
    /// See [`Element::timeout`].
    pub timeout: Option<f64>,
    /// See [`Element::set`].
    pub set: SetKey,
}

/// The elements in the order in which they were added. An element that was removed stays listed until there
/// are more of these than of others, so a removal costs nothing here.
#[derive(Debug, Default)]
struct Ages {
    listed: Vec<(u64, ElementKey)>,
    removed: usize,
    /// Counts the clean-ups, each of which changes positions.
    edition: u64,
}

/// Goes through the elements that a [`PathHint`] allows, oldest first. It may be kept while elements come and go:
/// those added after it was made are left out, those removed meanwhile as well.
#[derive(Debug)]
pub struct Cursor(Route);

#[derive(Debug)]
enum Route {
    Listed(std::vec::IntoIter<ElementKey>),
    All { next: u64, last: u64, position: usize, edition: u64 },
}

/// Up to so many elements with a prefix are listed before they are gone through. More are found by going
/// through all elements: both cost less than a look at each of them.
const LISTED_AT_MOST: usize = 1_000;

/// All elements, found by path and by the beginning of their path.
#[derive(Debug, Default)]
pub struct Elements {
    map: SlotMap<ElementKey, Element>,
    by_path: HashMap<Arc<str>, ElementKey>,
    in_order: BTreeMap<Arc<str>, ElementKey>,
    ages: Ages,
    serial: u64,
}

impl Elements {
    /// Adds an element. Returns its key and [serial](Element::serial), or `None` if the path is taken.
    pub fn insert(&mut self, description: Description<'_>, owner: ClientKey) -> Option<(ElementKey, u64)> {
        if self.by_path.contains_key(description.path) {
            return None;
        }
        let path: Arc<str> = description.path.into();
        let mut path_json = Vec::with_capacity(path.len() + 2);
        write::string(&mut path_json, &path);
        self.serial += 1;
        let key = self.map.insert(Element {
            path: path.clone(),
            path_json: String::from_utf8_lossy(&path_json).into(),
            value: description.value.map(|value| value.text().into()),
            is_state: description.is_state,
            fetch_only: description.fetch_only,
            access: description.access.map(Arc::new),
            timeout: description.timeout,
            owner,
            serial: self.serial,
            set: description.set,
        });
        self.ages.listed.push((self.serial, key));
        self.by_path.insert(path.clone(), key);
        self.in_order.insert(path, key);
        Some((key, self.serial))
    }

    /// Takes an element off the bus.
    pub fn remove(&mut self, key: ElementKey) -> Option<Element> {
        let element = self.map.remove(key)?;
        self.by_path.remove(&element.path);
        self.in_order.remove(&element.path);
        self.ages.removed += 1;
        if self.ages.removed > self.map.len() + SMALL {
            self.ages.listed.retain(|(_, key)| self.map.get(*key).is_some());
            self.ages.removed = 0;
            self.ages.edition += 1;
        }
        Some(element)
    }

    /// The element of a key.
    pub fn get(&self, key: ElementKey) -> Option<&Element> {
        self.map.get(key)
    }

    /// The element of a key.
    pub fn get_mut(&mut self, key: ElementKey) -> Option<&mut Element> {
        self.map.get_mut(key)
    }

    /// The element with that path.
    pub fn find(&self, path: &str) -> Option<ElementKey> {
        self.by_path.get(path).copied()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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

    /// The elements with a prefix, unless they are many.
    fn with_prefix(&self, prefix: &str) -> Option<Vec<ElementKey>> {
        let range = (Bound::Included(prefix), Bound::Unbounded);
        let from = self.in_order.range::<str, _>(range);
        let found = from.take_while(|(path, _)| path.starts_with(prefix)).map(|(_, key)| *key);
        let keys: Vec<_> = found.take(LISTED_AT_MOST + 1).collect();
        Some(keys).filter(|keys| keys.len() <= LISTED_AT_MOST)
    }
}

/// So many removed elements stay listed in any case.
const SMALL: usize = 64;
