//! [`SimpleFetch`]: the one fetch of daemons with the feature `fetch = "simple"`.
//!
//! On these daemons each peer has one fetch of everything, and some cannot make it a second time. All
//! fetchers of this peer share it, and it is never ended.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::peer::event::{Event, FetchEvent, Notification};

use super::local_fetch::LocalFetch;

/// The fetch id in the notifications of some daemons, whatever the id of the fetch was.
const FETCH_ALL: &str = "fetch_all";

/// The shared fetch and its elements.
#[derive(Debug)]
pub struct SimpleFetch {
    wire_id: String,
    was_sent: bool,
    /// The error object with which the daemon refused it.
    refused: Option<String>,
    elements: HashMap<Box<str>, Element>,
    /// The number of elements that ever were added.
    count: u64,
    /// The fetchers that get its notifications.
    joined: HashSet<u32>,
}

#[derive(Debug)]
struct Element {
    value: Option<Box<str>>,
    /// Elements are reported in the order of their numbers.
    number: u64,
}

impl SimpleFetch {
    /// Creates a fetch of that id that was not sent yet.
    pub fn new(wire_id: String) -> SimpleFetch {
        SimpleFetch {
            wire_id,
            was_sent: false,
            refused: None,
            elements: HashMap::new(),
            count: 0,
            joined: HashSet::new(),
        }
    }

    /// Returns the id of the fetch if it has to be sent now: once.
    pub fn send(&mut self) -> Option<String> {
        let is_first = !std::mem::replace(&mut self.was_sent, true);
        is_first.then(|| self.wire_id.clone())
    }

    /// Notes that the daemon refused it with that error object.
    pub fn refuse(&mut self, error: String) {
        self.refused = Some(error);
    }

    /// Returns the error object with which the daemon refused it.
    pub fn refusal(&self) -> Option<String> {
        self.refused.clone()
    }

    /// Returns whether a notification with that method is one of this fetch.
    pub fn is_notified_by(&self, method: &str) -> bool {
        method == FETCH_ALL || method == self.wire_id
    }

    /// Notes what happened to an element. A removal gets the last value if it has none.
    pub fn note(&mut self, notification: &mut Notification<'_>) {
        let Notification { event, path, value, .. } = notification;
        if *event == FetchEvent::Remove {
            let last = self.elements.remove(&**path).and_then(|element| element.value);
            *value = value.take().or(last.map(|value| Cow::Owned(value.into())));
            return;
        }
        let value = value.as_deref().map(Into::into);
        match self.elements.get_mut(&**path) {
            Some(element) => element.value = value,
            None => {
                self.count += 1;
                self.elements.insert((&**path).into(), Element { value, number: self.count });
            }
        }
    }

    /// Returns whether a fetcher gets notifications.
    pub fn has_joined(&self, fetcher: u32) -> bool {
        self.joined.contains(&fetcher)
    }

    /// Has a fetcher get notifications from now on, and reports the elements that are there.
    pub fn join(&mut self, fetcher: u32, local: Option<&mut LocalFetch>, events: &mut Vec<Event<'_>>) {
        self.joined.insert(fetcher);
        let Some(local) = local else { return };
        let mut all: Vec<_> = self.elements.iter().collect();
        all.sort_unstable_by_key(|(_, element)| element.number);
        for (path, element) in all {
            let path = Cow::Owned(path.to_string());
            let value = element.value.as_deref().map(|value| Cow::Owned(value.to_owned()));
            local.apply(Notification { fetcher, event: FetchEvent::Add, path, value }, events);
        }
        local.settle(fetcher, events);
    }

    /// Has a fetcher get no more notifications.
    pub fn leave(&mut self, fetcher: u32) {
        self.joined.remove(&fetcher);
    }
}
