//! Which elements a fetch has told the program of, one by one, and which wait because it wants
//! no more than `max`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::rules::transition;

use super::{Event, Happening, News};

#[derive(Debug)]
pub(super) struct Tracked {
    /// The elements that were told and those that wait.
    elements: HashMap<Arc<str>, Element>,
    max: Option<usize>,
    told: usize,
    waiting: BTreeMap<u64, Arc<str>>,
    count: u64,
    keeps_values: bool,
}

#[derive(Debug)]
struct Element {
    /// The last value, if it is kept and there is one.
    value: Option<Box<str>>,
    told: bool,
    /// Elements wait in the order of their numbers.
    number: u64,
}

impl Tracked {
    /// Tells of at most `max` elements. `forgetful`: removals come without the last value.
    pub(super) fn new(max: Option<usize>, forgetful: bool) -> Tracked {
        Tracked {
            elements: HashMap::new(),
            max,
            told: 0,
            waiting: BTreeMap::new(),
            count: 0,
            keeps_values: forgetful || max.is_some(),
        }
    }

    /// Whether an element was told or waits to be.
    pub(super) fn tells(&self, path: &str) -> bool {
        self.elements.contains_key(path)
    }

    /// An element came, changed, went, or matches or does not for another reason.
    pub(super) fn step<'a>(&mut self, mut news: News<'a>, matches: bool, events: &mut Vec<Event<'a>>) {
        let known = self.elements.remove_entry(&*news.path);
        let was_told = known.as_ref().is_some_and(|(_, element)| element.told);
        if let Some((_, element)) = &known {
            self.waiting.remove(&element.number);
            if news.is_removal() && news.value.is_none() {
                news.value = element.value.as_deref().map(|value| Cow::Owned(value.to_owned()));
            }
        }
        let has_room = was_told || self.max.is_none_or(|max| self.told < max);
        if matches {
            self.keep(known, &news, has_room);
        }
        if matches && !has_room {
            return;
        }
        let Some(told) = transition(was_told, news.happening, matches) else {
            return;
        };
        let fetcher = news.fetcher;
        let is_told = told != Happening::Remove;
        self.told = self.told + usize::from(is_told) - usize::from(was_told);
        events.push(News { happening: told, ..news }.into());
        if !is_told {
            self.fill_vacancy(fetcher, events);
        }
    }

    /// Remembers an element that matches.
    fn keep(&mut self, known: Option<(Arc<str>, Element)>, news: &News<'_>, told: bool) {
        let value = news.value.as_deref().filter(|_| self.keeps_values).map(Into::into);
        let (path, number) = match known {
            Some((path, element)) => (path, element.number),
            None => {
                self.count += 1;
                (Arc::from(&*news.path), self.count)
            }
        };
        if !told {
            self.waiting.insert(number, path.clone());
        }
        self.elements.insert(path, Element { value, told, number });
    }

    /// Tells of the next element that waits.
    fn fill_vacancy(&mut self, fetcher: u32, events: &mut Vec<Event<'_>>) {
        let Some((_, path)) = self.waiting.pop_first() else {
            return;
        };
        let Some(element) = self.elements.get_mut(&path) else {
            return;
        };
        element.told = true;
        self.told += 1;
        let value = element.value.as_deref().map(|value| Cow::Owned(value.to_owned()));
        let path = Cow::Owned(path.to_string());
        events.push(News { fetcher, happening: Happening::Add, path, value }.into());
    }
}
