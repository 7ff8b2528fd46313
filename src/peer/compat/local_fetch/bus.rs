//! All elements on the bus, for fetches with `deps`: an element is told only while other
//! elements are there and have certain values.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::json::Raw;
use crate::rules::Expression;

use super::News;

#[derive(Debug, Default)]
pub(super) struct Bus {
    /// Each element with its value as JSON text; none for methods.
    values: HashMap<Arc<str>, Option<Box<str>>>,
    /// Which elements hang on a path.
    dependents: HashMap<String, BTreeSet<Arc<str>>>,
}

impl Bus {
    /// Notes what happened to an element. `wanted`: its path matches, so it has dependencies.
    pub(super) fn note(&mut self, expression: &Expression, news: &News<'_>, wanted: bool) {
        if news.is_removal() {
            self.values.remove(&*news.path);
        } else {
            self.values.insert(Arc::from(&*news.path), news.value.as_deref().map(Into::into));
        }
        if !wanted {
            return;
        }
        let path: Arc<str> = Arc::from(&*news.path);
        for dependency in dependencies(expression, &path) {
            if !news.is_removal() {
                self.dependents.entry(dependency).or_default().insert(path.clone());
            } else if let Some(dependents) = self.dependents.get_mut(&dependency) {
                dependents.remove(&path);
                if dependents.is_empty() {
                    self.dependents.remove(&dependency);
                }
            }
        }
    }

    /// The elements that hang on this one.
    pub(super) fn dependents(&self, path: &str) -> Vec<Arc<str>> {
        self.dependents.get(path).map(|found| found.iter().cloned().collect()).unwrap_or_default()
    }

    /// The value of an element; the outer none if it is not there.
    pub(super) fn value(&self, path: &str) -> Option<Option<&str>> {
        self.values.get(path).map(Option::as_deref)
    }

    /// Whether everything an element hangs on is there and has the value it has to have.
    pub(super) fn lets_in(&self, expression: &Expression, path: &str) -> bool {
        expression.deps().iter().zip(dependencies(expression, path)).all(|(dep, path)| {
            self.value(&path).is_some_and(|value| dep.matches_value(value.map(Raw::trusted)))
        })
    }
}

/// The paths an element hangs on.
fn dependencies(expression: &Expression, path: &str) -> Vec<String> {
    let captures = expression.captures(path);
    expression.deps().iter().map(|dep| dep.path(captures.as_ref())).collect()
}
