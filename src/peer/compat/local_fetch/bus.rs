//! [`Bus`]: all elements on the bus, for fetches with `deps`. An element is reported only while the
//! elements that it depends on exist and have certain values.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::json::Raw;
use crate::rules::Expression;

use crate::peer::event::{FetchEvent, Notification};

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Bus {
    /// The value of each element as JSON text, or `None` for a method.
    values: HashMap<Arc<str>, Option<Box<str>>>,
    /// The elements that depend on a path.
    dependents: HashMap<String, BTreeSet<Arc<str>>>,
}

impl Bus {
    /// Notes what happened to an element. `path_matches`: it is one of those with dependencies.
    pub fn note(&mut self, expression: &Expression, notification: &Notification<'_>, path_matches: bool) {
        if notification.event == FetchEvent::Remove {
            self.values.remove(&*notification.path);
        } else {
            self.values.insert(Arc::from(&*notification.path), notification.value.as_deref().map(Into::into));
        }
        if !path_matches {
            return;
        }
        let path: Arc<str> = Arc::from(&*notification.path);
        for dependency in dependencies(expression, &path) {
            if notification.event != FetchEvent::Remove {
                self.dependents.entry(dependency).or_default().insert(path.clone());
            } else if let Some(dependents) = self.dependents.get_mut(&dependency) {
                dependents.remove(&path);
                if dependents.is_empty() {
                    self.dependents.remove(&dependency);
                }
            }
        }
    }

    /// Returns the elements that depend on this one.
    pub fn dependents(&self, path: &str) -> Vec<Arc<str>> {
        self.dependents.get(path).map(|found| found.iter().cloned().collect()).unwrap_or_default()
    }

    /// Returns the value of an element, or `None` if there is no such element.
    pub fn value(&self, path: &str) -> Option<Option<&str>> {
        self.values.get(path).map(Option::as_deref)
    }

    /// Returns whether everything that an element depends on exists and has the required value.
    pub fn satisfies(&self, expression: &Expression, path: &str) -> bool {
        expression.deps().iter().zip(dependencies(expression, path)).all(|(dep, path)| {
            self.value(&path).is_some_and(|value| dep.matches_value(value.map(Raw::trusted)))
        })
    }
}

/// Returns the paths that an element depends on.
fn dependencies(expression: &Expression, path: &str) -> Vec<String> {
    let captures = expression.captures(path);
    expression.deps().iter().map(|dep| dep.path(captures.as_ref())).collect()
}
