//! [`Dependencies`]: which elements depend on the values at other paths, by the `deps` of expressions.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use slotmap::SecondaryMap;

use crate::rules::{Expression, Steps};

use super::keys::{ElementKey, FetcherKey};
use super::work::{Progress, STEPS_PER_UNIT, Units};

/// An element that depends on a path for a fetcher.
pub type Dependent = (FetcherKey, ElementKey);

/// Maximum number of dependents of a path that are checked with the change of its element.
const DEPENDENTS_AT_ONCE: usize = 256;

/// Number of entries up to which a table keeps its memory.
const SMALL: usize = 64;

/// The elements that depend on paths.
#[derive(Debug, Default)]
pub struct Dependencies {
    by_path: HashMap<Arc<str>, BTreeSet<Dependent>>,
    /// The paths with dependents of each fetcher.
    by_fetcher: SecondaryMap<FetcherKey, HashSet<Arc<str>>>,
    /// The paths whose dependents a job checks, and whether it has to start again.
    rechecks: HashMap<Arc<str>, bool>,
    /// The paths of elements that are being removed.
    removed: Vec<Arc<str>>,
}

/// A check of all dependents of a path by a job.
#[derive(Debug)]
pub struct Recheck {
    path: Arc<str>,
    /// The dependent that was checked last.
    last: Option<Dependent>,
}

/// The removal of all dependents of a fetcher that has ended.
#[derive(Debug)]
pub struct Forget {
    fetcher: FetcherKey,
    paths: Vec<Arc<str>>,
}

/// How the dependents of a path are checked.
#[derive(Debug)]
pub enum Check {
    /// At once.
    Now(Vec<Dependent>),
    /// By a job.
    Later(Recheck),
}

/// Returns the paths on which an element depends by an expression. The steps of matching its patterns are counted.
pub fn dependency_paths(expression: &Expression, path: &str, units: &Units) -> Vec<String> {
    if expression.deps().is_empty() {
        return Vec::new();
    }
    let mut steps = Steps::default();
    let captures = expression.captures_counting(path, &mut steps);
    units.spend(steps.taken / STEPS_PER_UNIT);
    expression.deps().iter().map(|dep| dep.path(captures.as_ref())).collect()
}

impl Dependencies {
    /// Adds a dependent of a path.
    pub fn insert(&mut self, path: String, dependent: Dependent) {
        let path: Arc<str> = match self.by_path.get_key_value(&*path) {
            Some((path, _)) => path.clone(),
            None => path.into(),
        };
        self.by_path.entry(path.clone()).or_default().insert(dependent);
        if let Some(paths) = self.by_fetcher.entry(dependent.0) {
            paths.or_default().insert(path);
        }
    }

    /// Removes a dependent of a path.
    pub fn remove(&mut self, path: &str, dependent: Dependent) {
        let Some(dependents) = self.by_path.get_mut(path) else {
            return;
        };
        dependents.remove(&dependent);
        let was_last = next_of(dependents, dependent.0).is_none();
        if dependents.is_empty() {
            self.by_path.remove(path);
        }
        if let Some(paths) = self.by_fetcher.get_mut(dependent.0).filter(|_| was_last) {
            paths.remove(path);
            let few = 2 * paths.len() + SMALL;
            if paths.capacity() > 4 * few {
                paths.shrink_to(few);
            }
        }
    }

    /// Returns the number of paths with dependents of a fetcher.
    pub fn paths_of(&self, fetcher: FetcherKey) -> usize {
        self.by_fetcher.get(fetcher).map_or(0, HashSet::len)
    }

    /// Starts to remove the dependents of a fetcher that has ended. Returns `None` if there are none.
    pub fn begin_forgetting(&mut self, fetcher: FetcherKey) -> Option<Forget> {
        let paths = self.by_fetcher.remove(fetcher)?;
        Some(Forget { fetcher, paths: paths.into_iter().collect() })
    }

    /// Removes dependents of a fetcher that has ended, until that many units are spent.
    pub fn forget(&mut self, job: &mut Forget, units: &Units, until: u64) -> Progress {
        while units.spent() < until {
            units.spend(3);
            let Some(path) = job.paths.last() else {
                return Progress::Done;
            };
            let Some(dependents) = self.by_path.get_mut(path) else {
                job.paths.pop();
                continue;
            };
            let Some(dependent) = next_of(dependents, job.fetcher) else {
                job.paths.pop();
                continue;
            };
            dependents.remove(&dependent);
            if dependents.is_empty() {
                self.by_path.remove(path);
            }
        }
        Progress::Unfinished
    }

    /// Notes that the element with a path is removed. While its removal is reported, the element is still found.
    pub fn note_removed(&mut self, path: &Arc<str>) {
        if !self.by_path.is_empty() {
            self.removed.push(path.clone());
        }
    }

    /// Removes and returns the paths of elements that have been removed.
    pub fn take_removed(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.removed)
    }

    /// Returns how the dependents of a path are checked, or `None` if there are none or a job checks them already.
    pub fn check(&mut self, path: &str) -> Option<Check> {
        if self.by_path.is_empty() {
            return None;
        }
        if let Some(again) = self.rechecks.get_mut(path) {
            *again = true;
            return None;
        }
        let dependents = self.by_path.get(path)?;
        if dependents.len() <= DEPENDENTS_AT_ONCE {
            return Some(Check::Now(dependents.iter().copied().collect()));
        }
        Some(Check::Later(self.begin_recheck(path)))
    }

    /// Starts to check the dependents of a path by a job.
    pub fn begin_recheck(&mut self, path: &str) -> Recheck {
        let path: Arc<str> = path.into();
        self.rechecks.insert(path.clone(), false);
        Recheck { path, last: None }
    }

    /// Returns the next dependent that a job has to check, or `None` if all have been checked since the last change.
    pub fn next(&mut self, job: &mut Recheck) -> Option<Dependent> {
        loop {
            let from = job.last.map_or(Bound::Unbounded, Bound::Excluded);
            let dependents = self.by_path.get(&job.path);
            let next = dependents.and_then(|all| all.range((from, Bound::Unbounded)).next().copied());
            if next.is_some() {
                job.last = next;
                return next;
            }
            match self.rechecks.get_mut(&job.path) {
                Some(again @ true) => {
                    *again = false;
                    job.last = None;
                }
                _ => {
                    self.rechecks.remove(&job.path);
                    return None;
                }
            }
        }
    }
}

/// Returns a dependent of a fetcher.
fn next_of(dependents: &BTreeSet<Dependent>, fetcher: FetcherKey) -> Option<Dependent> {
    let next = dependents.range((fetcher, ElementKey::lowest())..).next().copied();
    next.filter(|(dependent, _)| *dependent == fetcher)
}

#[cfg(test)]
mod tests {
    use slotmap::SlotMap;

    use super::*;

    #[test]
    fn nothing_is_left_of_dependents_that_come_and_go() {
        let fetcher = SlotMap::with_key().insert(());
        let mut elements = SlotMap::with_key();
        let mut dependencies = Dependencies::default();
        let keys: Vec<ElementKey> = (0..10_000).map(|_| elements.insert(())).collect();
        for (number, key) in keys.iter().enumerate() {
            dependencies.insert(format!("on/{number}"), (fetcher, *key));
            dependencies.insert("switch".to_owned(), (fetcher, *key));
        }
        assert_eq!(dependencies.paths_of(fetcher), 10_001);
        for (number, key) in keys.iter().enumerate() {
            dependencies.remove(&format!("on/{number}"), (fetcher, *key));
            dependencies.remove("switch", (fetcher, *key));
        }
        assert!(dependencies.by_path.is_empty() && dependencies.paths_of(fetcher) == 0);
        assert!(dependencies.by_fetcher[fetcher].capacity() <= 8 * SMALL);
    }
}
