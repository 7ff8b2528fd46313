//! The window of a sorted fetch: what it holds and what is told of it.

use std::borrow::Cow;
use std::sync::Arc;

use crate::rules::{Changes, Sort, SortedView};
use crate::wire::changes::push_entry;

use super::{Event, News};

#[derive(Debug)]
pub(super) struct Sorted {
    view: SortedView,
    /// Whether the window was told as a whole; what changes is told only then.
    settled: bool,
}

impl Sorted {
    pub(super) fn new(sort: Sort) -> Sorted {
        Sorted { view: SortedView::new(sort), settled: false }
    }

    /// Tells the whole window, once.
    pub(super) fn settle(&mut self, fetcher: u32) -> Option<Event<'static>> {
        let first = !std::mem::replace(&mut self.settled, true);
        first.then(|| event(fetcher, &self.view.snapshot()))
    }

    /// Whether an element is in the window or beyond it.
    pub(super) fn tells(&self, path: &str) -> bool {
        self.view.contains(path)
    }

    /// An element came, changed or went.
    pub(super) fn step(&mut self, news: &News<'_>, matches: bool) -> Option<Event<'static>> {
        let changes = if matches {
            self.view.set(&Arc::from(&*news.path), news.value.as_deref().map(Arc::from))
        } else {
            self.view.remove(&news.path)
        };
        changes.filter(|_| self.settled).map(|changes| event(news.fetcher, &changes))
    }
}

fn event(fetcher: u32, changes: &Changes<'_>) -> Event<'static> {
    let mut json = vec![b'['];
    for entry in changes.iter() {
        if json.len() > 1 {
            json.push(b',');
        }
        push_entry(&mut json, entry.path, entry.value.map(|value| &**value), entry.index, false);
    }
    json.push(b']');
    let text = String::from_utf8_lossy(&json).into_owned();
    Event::Sorted { fetcher, changes: Cow::Owned(text), n: changes.n() as u64 }
}
