//! [`LocalFetch`]: a fetch whose rules and order this peer applies itself, for daemons that cannot.
//!
//! It takes the notifications of a wider fetch and returns those that our own daemon would send. What it
//! remembers for that depends on the expression: nothing for path rules alone, the matching elements for
//! value rules, `max` and sorts, and everything on the bus for `deps`.

mod bus;
mod sorted;
mod tracked;

use std::borrow::Cow;

use crate::peer::event::{Event, FetchEvent, Notification};
use crate::rules::Expression;

use bus::Bus;
use sorted::Sorted;
use tracked::Tracked;

/// See the [module](self).
#[derive(Debug)]
pub struct LocalFetch {
    expression: Expression,
    reported: Reported,
    /// The elements that others depend on, for `deps`.
    bus: Option<Bus>,
}

/// What was reported to the program.
#[derive(Debug)]
enum Reported {
    /// Every notification: only the path decides.
    All,
    /// Single events of these elements.
    Tracked(Tracked),
    /// A window of these elements.
    Sorted(Sorted),
}

impl LocalFetch {
    /// Creates a fetch of that expression. `keeps_values`: the daemon does not send the last value of a
    /// removed element.
    pub fn new(expression: Expression, keeps_values: bool) -> LocalFetch {
        let bus = (!expression.deps().is_empty()).then(Bus::default);
        let reported = if let Some(sort) = expression.sort() {
            // The window of a sorted fetch is its limit.
            Reported::Sorted(Sorted::new(sort.clone()))
        } else if keeps_values || expression.max().is_some() || expression.needs_value() || bus.is_some() {
            Reported::Tracked(Tracked::new(expression.max(), keeps_values))
        } else {
            Reported::All
        };
        LocalFetch { expression, reported, bus }
    }

    /// Returns whether nothing is reported until all initial notifications have come.
    pub fn waits(&self) -> bool {
        matches!(self.reported, Reported::Sorted(_))
    }

    /// Reports a sorted fetch: all initial notifications have come.
    pub fn settle(&mut self, fetcher: u32, events: &mut Vec<Event<'_>>) {
        if let Reported::Sorted(sorted) = &mut self.reported {
            events.extend(sorted.settle(fetcher));
        }
    }

    /// Takes a notification of the daemon's wider fetch, and appends the events that follow from it.
    pub fn apply<'a>(&mut self, notification: Notification<'a>, events: &mut Vec<Event<'a>>) {
        let path_matches = self.expression.matches_path(&notification.path);
        let mut dependents = Vec::new();
        if let Some(bus) = &mut self.bus {
            bus.note(&self.expression, &notification, path_matches);
            dependents = bus.dependents(&notification.path);
        }
        let fetcher = notification.fetcher;
        if path_matches {
            let matches = notification.event != FetchEvent::Remove && self.matches(&notification);
            self.report(notification, matches, events);
        }
        for path in dependents {
            self.check_again(fetcher, &path, events);
        }
    }

    /// Returns whether an element whose path matches also satisfies the other rules.
    fn matches(&self, notification: &Notification) -> bool {
        let value_fits =
            !self.expression.needs_value() || self.expression.matches_value(notification.raw_value());
        value_fits && self.bus.as_ref().is_none_or(|bus| bus.satisfies(&self.expression, &notification.path))
    }

    fn report<'a>(&mut self, notification: Notification<'a>, matches: bool, events: &mut Vec<Event<'a>>) {
        match &mut self.reported {
            Reported::All => events.push(Event::Notification(notification)),
            Reported::Tracked(tracked) => tracked.step(notification, matches, events),
            Reported::Sorted(sorted) => events.extend(sorted.step(&notification, matches)),
        }
    }

    /// Checks an element again, because one that it depends on has changed.
    fn check_again(&mut self, fetcher: u32, path: &str, events: &mut Vec<Event<'_>>) {
        let Some(value) = self.bus.as_ref().and_then(|bus| bus.value(path)) else {
            return;
        };
        let value = value.map(|value| Cow::Owned(value.to_owned()));
        let notification =
            Notification { fetcher, event: FetchEvent::Change, path: Cow::Owned(path.to_owned()), value };
        let matches = self.matches(&notification);
        let is_reported = match &self.reported {
            Reported::Tracked(tracked) => tracked.has_reported(path),
            Reported::Sorted(sorted) => sorted.has_reported(path),
            Reported::All => matches,
        };
        if matches != is_reported {
            self.report(notification, matches, events);
        }
    }
}
