//! The rules of 2013 that look beyond one element: `deps`, which want other elements to have
//! certain values, and `max`, which lets others in when one leaves.

use std::collections::HashMap;

use crate::rules::{Event, Expression};

use super::access::Permission;
use super::bus::Bus;
use super::client::ClientKey;
use super::elements::ElementKey;
use super::fetchers::FetcherKey;

/// Which elements of which fetchers hang on a path.
pub(super) type Dependents = HashMap<String, Vec<(FetcherKey, ElementKey)>>;

/// The paths on which an element hangs by an expression.
fn dependency_paths(expression: &Expression, path: &str) -> Vec<String> {
    if expression.deps().is_empty() {
        return Vec::new();
    }
    let captures = expression.captures(path);
    expression.deps().iter().map(|dep| dep.path(captures.as_ref())).collect()
}

impl Bus {
    /// Whether everything an element hangs on is there for that client and has the value it has to have.
    pub(super) fn dependencies_hold(&self, expression: &Expression, path: &str, client: ClientKey) -> bool {
        let paths = dependency_paths(expression, path);
        expression.deps().iter().zip(paths).all(|(dep, path)| {
            let element = self.elements.find(&path).and_then(|key| self.elements.get(key));
            element.is_some_and(|element| {
                dep.matches_value(element.raw()) && self.may(client, element, Permission::Fetch)
            })
        })
    }

    /// Notes on which paths an element hangs for a fetcher.
    pub(super) fn register_dependencies(&mut self, fetcher_key: FetcherKey, key: ElementKey, path: &str) {
        let Some(fetcher) = self.fetchers.get(fetcher_key) else {
            return;
        };
        for path in dependency_paths(&fetcher.expression, path) {
            let dependents = self.dependents.entry(path).or_default();
            if !dependents.contains(&(fetcher_key, key)) {
                dependents.push((fetcher_key, key));
            }
        }
    }

    /// Takes back [`register_dependencies`](Self::register_dependencies).
    pub(super) fn forget_dependencies(&mut self, fetcher_key: FetcherKey, key: ElementKey) {
        let element = self.elements.get(key).map(|element| element.path.clone());
        let Some((fetcher, path)) = self.fetchers.get(fetcher_key).zip(element) else {
            return;
        };
        for path in dependency_paths(&fetcher.expression, &path) {
            if let Some(dependents) = self.dependents.get_mut(&path) {
                dependents.retain(|dependent| *dependent != (fetcher_key, key));
                if dependents.is_empty() {
                    self.dependents.remove(&path);
                }
            }
        }
    }

    /// An element has changed: looks again at what hangs on it.
    pub(super) fn publish_to_dependents(&mut self, path: &str, event: Event) {
        if event == Event::Remove {
            // While a removal is published the element is still to be found.
            self.orphaned.push(path.into());
            return;
        }
        self.look_at_dependents(path);
    }

    /// Looks again at what hangs on a path.
    pub(super) fn look_at_dependents(&mut self, path: &str) {
        let dependents = self.dependents.get(path).cloned().unwrap_or_default();
        for (fetcher, element) in dependents {
            self.look_again(fetcher, element);
        }
    }

    /// A limited fetch has room again: tells it of the next element that waits, but not of the
    /// one that just left.
    pub(super) fn fill_vacancy(&mut self, fetcher_key: FetcherKey, left: ElementKey) {
        let Some(fetcher) = self.fetchers.get_mut(fetcher_key) else {
            return;
        };
        fetcher.waiting.remove(&left);
        // What waits may hang on something that has changed meanwhile.
        while let Some(fetcher) = self.fetchers.get_mut(fetcher_key).filter(|fetcher| !fetcher.is_full()) {
            let Some(next) = fetcher.waiting.pop_first() else {
                return;
            };
            self.look_again(fetcher_key, next);
        }
    }
}
