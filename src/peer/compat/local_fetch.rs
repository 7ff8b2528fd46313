//! A fetch whose rules and order this peer applies itself, for daemons that cannot.
//!
//! In come the events of a wider fetch, out come the events our own daemon would send. How much
//! has to be remembered for that depends on the expression: nothing for path rules alone, the
//! elements that match for value rules, `max` and sorts, everything on the bus for `deps`.

mod bus;
mod sorted;
mod tracked;

use std::borrow::Cow;

use crate::json::Raw;
use crate::rules::Expression;

use crate::peer::event::{Event, Happening};

use bus::Bus;
use sorted::Sorted;
use tracked::Tracked;

/// The state of such a fetch.
#[derive(Debug)]
pub struct LocalFetch {
    expression: Expression,
    told: Told,
    /// What elements hang on.
    bus: Option<Bus>,
}

/// What the program has been told.
#[derive(Debug)]
enum Told {
    /// All that came; the daemon sees to it that it fits.
    Plain,
    /// Single events of these elements.
    Tracked(Tracked),
    /// A window of these elements.
    Sorted(Sorted),
}

/// What happened to one element, for one fetcher.
#[derive(Debug, Clone)]
pub struct News<'a> {
    pub fetcher: u32,
    pub happening: Happening,
    pub path: Cow<'a, str>,
    pub value: Option<Cow<'a, str>>,
}

impl<'a> News<'a> {
    fn raw(&self) -> Option<Raw<'_>> {
        self.value.as_deref().map(Raw::trusted)
    }

    fn is_removal(&self) -> bool {
        self.happening == Happening::Remove
    }
}

impl<'a> From<News<'a>> for Event<'a> {
    fn from(News { fetcher, happening, path, value }: News<'a>) -> Event<'a> {
        Event::Notification { fetcher, happening, path, value }
    }
}

impl LocalFetch {
    /// A fetch of that expression. `forgetful`: the daemon does not tell the last value of what
    /// is removed.
    pub fn new(expression: Expression, forgetful: bool) -> LocalFetch {
        let bus = (!expression.deps().is_empty()).then(Bus::default);
        let told = if let Some(sort) = expression.sort() {
            // The window of a sorted fetch is its limit.
            Told::Sorted(Sorted::new(sort.clone()))
        } else if forgetful || expression.max().is_some() || expression.needs_value() || bus.is_some() {
            Told::Tracked(Tracked::new(expression.max(), forgetful))
        } else {
            Told::Plain
        };
        LocalFetch { expression, told, bus }
    }

    /// Whether nothing is told until all initial adds have come.
    pub fn waits(&self) -> bool {
        matches!(self.told, Told::Sorted(_))
    }

    /// All initial adds have come.
    pub fn settle(&mut self, fetcher: u32, events: &mut Vec<Event<'_>>) {
        if let Told::Sorted(sorted) = &mut self.told {
            events.extend(sorted.settle(fetcher));
        }
    }

    /// Takes an event of the daemon's wider fetch.
    pub fn apply<'a>(&mut self, news: News<'a>, events: &mut Vec<Event<'a>>) {
        let wanted = self.expression.matches_path(&news.path);
        let mut dependents = Vec::new();
        if let Some(bus) = &mut self.bus {
            bus.note(&self.expression, &news, wanted);
            dependents = bus.dependents(&news.path);
        }
        let fetcher = news.fetcher;
        if wanted {
            let matches = !news.is_removal() && self.matches(&news);
            self.tell(news, matches, events);
        }
        for path in dependents {
            self.look_again(fetcher, &path, events);
        }
    }

    /// Whether an element matches beyond its path.
    fn matches(&self, news: &News) -> bool {
        let value_fits = !self.expression.needs_value() || self.expression.matches_value(news.raw());
        value_fits && self.bus.as_ref().is_none_or(|bus| bus.lets_in(&self.expression, &news.path))
    }

    fn tell<'a>(&mut self, news: News<'a>, matches: bool, events: &mut Vec<Event<'a>>) {
        match &mut self.told {
            Told::Plain => events.push(news.into()),
            Told::Tracked(tracked) => tracked.step(news, matches, events),
            Told::Sorted(sorted) => events.extend(sorted.step(&news, matches)),
        }
    }

    /// Looks again at an element, because something else has changed.
    fn look_again(&mut self, fetcher: u32, path: &str, events: &mut Vec<Event<'_>>) {
        let Some(value) = self.bus.as_ref().and_then(|bus| bus.value(path)) else {
            return;
        };
        let value = value.map(|value| Cow::Owned(value.to_owned()));
        let news = News { fetcher, happening: Happening::Change, path: Cow::Owned(path.to_owned()), value };
        let matches = self.matches(&news);
        let is_told = match &self.told {
            Told::Tracked(tracked) => tracked.tells(path),
            Told::Sorted(sorted) => sorted.tells(path),
            Told::Plain => matches,
        };
        if matches != is_told {
            self.tell(news, matches, events);
        }
    }
}
