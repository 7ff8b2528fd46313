//! The rules of 2013 that look beyond one element: `deps`, which want other elements to have certain values, and
//! `max`, which lets others in when one leaves.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Bound;

use crate::rules::{Event, Expression, Steps};

use super::access::Permission;
use super::bus::Bus;
use super::keys::{ClientKey, ElementKey, FetcherKey};
use super::work::{AT_ONCE, Job, Progress, STEPS_PER_UNIT, Work};

/// An element that depends on a path, for a fetcher.
type Dependent = (FetcherKey, ElementKey);

/// Which elements of which fetchers depend on which paths.
#[derive(Debug, Default)]
pub(super) struct Dependents {
    by_path: HashMap<String, BTreeSet<Dependent>>,
    /// The paths whose dependents a job looks at, and whether it has to begin again.
    rechecks: HashMap<String, bool>,
}

/// Most dependents of a path that are looked at with the change itself.
const DEPENDENTS_AT_ONCE: usize = 256;

/// The job that looks at the dependents of a path.
#[derive(Debug)]
pub(super) struct Recheck {
    path: String,
    /// The one that was looked at last.
    last: Option<Dependent>,
}

/// The job that forgets what depended on paths for a fetcher.
#[derive(Debug)]
pub(super) struct Forget {
    fetcher: FetcherKey,
    paths: Vec<String>,
}

impl Forget {
    pub(super) fn new(fetcher: FetcherKey, paths: HashSet<String>) -> Forget {
        Forget { fetcher, paths: paths.into_iter().collect() }
    }
}

impl Dependents {
    fn insert(&mut self, path: String, dependent: Dependent) {
        self.by_path.entry(path).or_default().insert(dependent);
    }

    /// Removes a dependent. Returns whether it was the last one of its fetcher.
    fn remove(&mut self, path: &str, dependent: Dependent) -> bool {
        let Some(dependents) = self.by_path.get_mut(path) else {
            return true;
        };
        dependents.remove(&dependent);
        let next = dependents.range((dependent.0, ElementKey::lowest())..).next();
        let was_last = next.is_none_or(|(fetcher, _)| *fetcher != dependent.0);
        if dependents.is_empty() {
            self.by_path.remove(path);
        }
        was_last
    }

    /// Removes one dependent of a fetcher. Returns whether there was one.
    fn remove_one(&mut self, path: &str, fetcher: FetcherKey) -> bool {
        let Some(dependents) = self.by_path.get_mut(path) else {
            return false;
        };
        let next = dependents.range((fetcher, ElementKey::lowest())..).next().copied();
        let Some(dependent) = next.filter(|(dependent, _)| *dependent == fetcher) else {
            return false;
        };
        dependents.remove(&dependent);
        if dependents.is_empty() {
            self.by_path.remove(path);
        }
        true
    }

    fn next(&self, path: &str, last: Option<Dependent>) -> Option<Dependent> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_path.get(path)?.range((from, Bound::Unbounded)).next().copied()
    }
}

/// Returns the paths on which an element depends by an expression. The steps of matching its patterns are counted.
fn dependency_paths(expression: &Expression, path: &str, work: &Work) -> Vec<String> {
    if expression.deps().is_empty() {
        return Vec::new();
    }
    let mut steps = Steps::default();
    let captures = expression.captures_counting(path, &mut steps);
    work.spend(steps.taken / STEPS_PER_UNIT);
    expression.deps().iter().map(|dep| dep.path(captures.as_ref())).collect()
}

impl Bus {
    /// Returns whether everything an element depends on is there for that client and has the value it has to have.
    pub(super) fn dependencies_hold(&self, expression: &Expression, path: &str, client: ClientKey) -> bool {
        let paths = dependency_paths(expression, path, &self.work);
        expression.deps().iter().zip(paths).all(|(dep, path)| {
            let element = self.elements.find(&path).and_then(|key| self.elements.get(key));
            element.is_some_and(|element| {
                let bytes = element.value.as_ref().map_or(0, |value| value.len()) as u64;
                self.work.spend(2 + bytes / 256);
                !self.clients.is_leaving(element.owner)
                    && dep.matches_value(element.raw())
                    && self.may(client, element, Permission::Fetch)
            })
        })
    }

    /// Notes on which paths an element depends for a fetcher.
    pub(super) fn register_dependencies(&mut self, fetcher_key: FetcherKey, key: ElementKey, path: &str) {
        let Some(fetcher) = self.fetchers.get_mut(fetcher_key) else {
            return;
        };
        for path in dependency_paths(&fetcher.expression, path, &self.work) {
            fetcher.dependencies.insert(path.clone());
            self.dependents.insert(path, (fetcher_key, key));
        }
    }

    /// Takes back [`register_dependencies`](Self::register_dependencies) for all fetchers of an element.
    pub(super) fn forget_element(&mut self, key: ElementKey) {
        let Some(element) = self.elements.get_mut(key) else {
            return;
        };
        let fetchers = self.sets.members(&mut element.set);
        for fetcher_key in &*fetchers {
            if let Some(fetcher) = self.fetchers.get_mut(*fetcher_key) {
                for path in dependency_paths(&fetcher.expression, &element.path, &self.work) {
                    if self.dependents.remove(&path, (*fetcher_key, key)) {
                        fetcher.forget_dependency(&path);
                    }
                }
            }
        }
    }

    /// Takes back [`register_dependencies`](Self::register_dependencies) for all elements of a fetcher that has ended.
    pub(super) fn forget_dependents(&mut self, job: &mut Forget, until: u64) -> Progress {
        while self.work.spent() < until {
            self.work.spend(3);
            let Some(path) = job.paths.last() else {
                return Progress::Done;
            };
            if !self.dependents.remove_one(path, job.fetcher) {
                job.paths.pop();
            }
        }
        Progress::Unfinished
    }

    /// An element has changed: looks again at what depends on it.
    pub(super) fn publish_to_dependents(&mut self, path: &str, event: Event) {
        if self.dependents.by_path.is_empty() {
            return;
        }
        if event == Event::Remove {
            // While a removal is published the element is still to be found.
            self.orphaned.push(path.into());
            return;
        }
        self.look_at_dependents(path);
    }

    /// Looks again at what depends on a path: at once if that is little, else by a job.
    pub(super) fn look_at_dependents(&mut self, path: &str) {
        if let Some(again) = self.dependents.rechecks.get_mut(path) {
            *again = true;
            return;
        }
        let Some(dependents) = self.dependents.by_path.get(path) else {
            return;
        };
        if dependents.len() > DEPENDENTS_AT_ONCE {
            self.dependents.rechecks.insert(path.into(), false);
            return self.work.push(Job::Recheck(Recheck { path: path.into(), last: None }));
        }
        let until = self.work.spent() + AT_ONCE;
        for (fetcher, element) in dependents.clone() {
            if self.work.spent() >= until {
                self.dependents.rechecks.insert(path.into(), false);
                return self.work.push(Job::Recheck(Recheck { path: path.into(), last: None }));
            }
            self.look_again(fetcher, element);
        }
    }

    pub(super) fn recheck(&mut self, job: &mut Recheck, until: u64) -> Progress {
        while self.work.spent() < until {
            self.work.spend(1);
            if let Some((fetcher, element)) = self.dependents.next(&job.path, job.last) {
                job.last = Some((fetcher, element));
                self.look_again(fetcher, element);
                continue;
            }
            match self.dependents.rechecks.insert(job.path.clone(), false) {
                Some(true) => job.last = None,
                _ => {
                    self.dependents.rechecks.remove(&job.path);
                    return Progress::Done;
                }
            }
        }
        Progress::Unfinished
    }

    /// A limited fetch has room again: reports the next element that waits, but not the one that just left.
    pub(super) fn fill_vacancy(&mut self, fetcher_key: FetcherKey, left: ElementKey) {
        let Some(fetcher) = self.fetchers.get_mut(fetcher_key) else {
            return;
        };
        fetcher.waiting.remove(&left);
        self.fill(fetcher_key, self.work.spent() + AT_ONCE);
    }

    /// Reports elements that wait until a limited fetch is full again. What is left when so many units are spent
    /// is left to a job.
    fn fill(&mut self, fetcher_key: FetcherKey, until: u64) {
        // What waits may depend on something that has changed meanwhile.
        while let Some(fetcher) = self.fetchers.get_mut(fetcher_key).filter(|fetcher| !fetcher.is_full()) {
            if self.work.spent() >= until {
                return self.work.push(Job::Fill(fetcher_key));
            }
            let Some(next) = fetcher.waiting.pop_first() else {
                return;
            };
            self.look_again(fetcher_key, next);
        }
    }

    /// Goes on with [`fill`](Self::fill).
    pub(super) fn fill_on(&mut self, fetcher: FetcherKey, until: u64) -> Progress {
        self.fill(fetcher, until);
        Progress::Done
    }
}
