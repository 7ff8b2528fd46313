//! [`Tracked`]: the elements that a fetch has reported one by one, and those that wait because it reports
//! no more than `max`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::rules::transition;

use crate::peer::event::{Event, FetchEvent, Notification};

/// See the [module](self).
#[derive(Debug)]
pub struct Tracked {
    /// The elements that were reported and those that wait.
    elements: HashMap<Arc<str>, Element>,
    max: Option<usize>,
    reported: usize,
    /// The elements that wait, by number.
    waiting: BTreeMap<u64, Arc<str>>,
    count: u64,
    keeps_values: bool,
}

#[derive(Debug)]
struct Element {
    /// The last value, if values are kept and there is one.
    value: Option<Box<str>>,
    is_reported: bool,
    /// Elements wait in the order of their numbers.
    number: u64,
}

impl Tracked {
    /// Reports at most `max` elements. `keeps_values`: removals come without the last value.
    pub fn new(max: Option<usize>, keeps_values: bool) -> Tracked {
        Tracked {
            elements: HashMap::new(),
            max,
            reported: 0,
            waiting: BTreeMap::new(),
            count: 0,
            keeps_values: keeps_values || max.is_some(),
        }
    }

    /// Returns whether an element was reported or waits.
    pub fn has_reported(&self, path: &str) -> bool {
        self.elements.contains_key(path)
    }

    /// Takes what happened to an element, or that it is checked again, and whether it matches now.
    pub fn step<'a>(
        &mut self,
        mut notification: Notification<'a>,
        matches: bool,
        events: &mut Vec<Event<'a>>,
    ) {
        let known = self.elements.remove_entry(&*notification.path);
        let was_reported = known.as_ref().is_some_and(|(_, element)| element.is_reported);
        if let Some((_, element)) = &known {
            self.waiting.remove(&element.number);
            if notification.event == FetchEvent::Remove && notification.value.is_none() {
                notification.value = element.value.as_deref().map(|value| Cow::Owned(value.to_owned()));
            }
        }
        let has_room = was_reported || self.max.is_none_or(|max| self.reported < max);
        if matches {
            self.keep(known, &notification, has_room);
        }
        if matches && !has_room {
            return;
        }
        let Some(event) = transition(was_reported, notification.event, matches) else {
            return;
        };
        let fetcher = notification.fetcher;
        let is_reported = event != FetchEvent::Remove;
        self.reported = self.reported + usize::from(is_reported) - usize::from(was_reported);
        events.push(Event::Notification(Notification { event, ..notification }));
        if !is_reported {
            self.fill_vacancy(fetcher, events);
        }
    }

    /// Keeps an element that matches.
    fn keep(
        &mut self,
        known: Option<(Arc<str>, Element)>,
        notification: &Notification<'_>,
        is_reported: bool,
    ) {
        let value = notification.value.as_deref().filter(|_| self.keeps_values).map(Into::into);
        let (path, number) = match known {
            Some((path, element)) => (path, element.number),
            None => {
                self.count += 1;
                (Arc::from(&*notification.path), self.count)
            }
        };
        if !is_reported {
            self.waiting.insert(number, path.clone());
        }
        self.elements.insert(path, Element { value, is_reported, number });
    }

    /// Reports the next element that waits.
    fn fill_vacancy(&mut self, fetcher: u32, events: &mut Vec<Event<'_>>) {
        let Some((_, path)) = self.waiting.pop_first() else {
            return;
        };
        let Some(element) = self.elements.get_mut(&path) else {
            return;
        };
        element.is_reported = true;
        self.reported += 1;
        let value = element.value.as_deref().map(|value| Cow::Owned(value.to_owned()));
        let path = Cow::Owned(path.to_string());
        events.push(Event::Notification(Notification { fetcher, event: FetchEvent::Add, path, value }));
    }
}
