//! [`Sorted`]: the window of a sorted fetch, and the events that report its changes.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;

use crate::json::{Raw, to_text};
use crate::peer::event::{Event, Notification};
use crate::rules::{Changes, Sort, SortedView};

/// See the [module](self).
#[derive(Debug)]
pub struct Sorted {
    view: SortedView,
    /// Whether the whole window was reported. Its changes are reported only after that.
    settled: bool,
}

impl Sorted {
    /// Creates an empty window.
    pub fn new(sort: Sort) -> Sorted {
        Sorted { view: SortedView::new(sort), settled: false }
    }

    /// Returns the event that reports the whole window: once.
    pub fn settle(&mut self, fetcher: u32) -> Option<Event<'static>> {
        let first = !std::mem::replace(&mut self.settled, true);
        first.then(|| event(fetcher, &self.view.snapshot()))
    }

    /// Returns whether an element is in the window or beyond it.
    pub fn has_reported(&self, path: &str) -> bool {
        self.view.contains(path)
    }

    /// Takes what happened to an element, and whether it matches now.
    pub fn step(&mut self, notification: &Notification<'_>, matches: bool) -> Option<Event<'static>> {
        let changes = if matches {
            self.view.set(&Arc::from(&*notification.path), notification.value.as_deref().map(Arc::from))
        } else {
            self.view.remove(&notification.path)
        };
        changes.filter(|_| self.settled).map(|changes| event(notification.fetcher, &changes))
    }
}

/// One entry of `changes`.
#[derive(Serialize)]
struct Change<'a> {
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Raw<'a>>,
    index: usize,
}

fn event(fetcher: u32, changes: &Changes<'_>) -> Event<'static> {
    let list: Vec<_> = changes
        .iter()
        .map(|entry| Change {
            path: entry.path,
            value: entry.value.map(|text| Raw::trusted(text)),
            index: entry.index,
        })
        .collect();
    Event::Sorted { fetcher, changes: Cow::Owned(to_text(&list)), n: changes.n() as u64 }
}
