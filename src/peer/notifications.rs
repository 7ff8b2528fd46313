//! What a fetch brings: its answer, the notifications before and after it, and the moment when
//! all that was there at the beginning has come.

use std::borrow::Cow;

use crate::json::Raw;

use super::engine::Engine;
use super::event::{Event, Happening};
use super::incoming::shortened;
use super::requests::Service;
use crate::peer::compat::errors;
use crate::peer::compat::local_fetch::News;

/// The members of a notification, found in one pass.
#[derive(Default)]
struct Members<'a> {
    path: Option<Raw<'a>>,
    event: Option<Raw<'a>>,
    value: Option<Raw<'a>>,
    changes: Option<Raw<'a>>,
    n: Option<Raw<'a>>,
}

impl<'a> Members<'a> {
    fn read(params: Raw<'a>) -> Members<'a> {
        let mut news = Members::default();
        for (key, value) in params.members() {
            match &*key {
                "path" => news.path = Some(value),
                "event" => news.event = Some(value),
                "value" => news.value = Some(value),
                "changes" => news.changes = Some(value),
                "n" => news.n = Some(value),
                _ => {}
            }
        }
        news
    }

    /// What happened; in any case of letters: one line of daemons sends `Add`.
    fn happening(&self) -> Option<Happening> {
        let name = self.event?.as_str()?;
        let all = [Happening::Add, Happening::Change, Happening::Remove];
        all.into_iter().find(|happening| name.eq_ignore_ascii_case(happening.name()))
    }
}

impl Engine {
    /// Takes the notification of a fetch; false if it is none.
    pub(super) fn notification<'a>(
        &mut self,
        name: &str,
        params: Raw<'a>,
        events: &mut Vec<Event<'a>>,
    ) -> bool {
        if self.shared.is_some() {
            let news = Members::read(params);
            let path = news.path.and_then(Raw::as_str);
            return self.shared_notification(name, news.happening(), path, news.value, events);
        }
        let Some(number) = self.fetchers.number_of(name) else {
            return false;
        };
        let news = Members::read(params);
        if self.fetchers.is_late(number) {
            // An element may have the same name; a request for it has other members.
            return news.changes.is_some() || (news.happening().is_some() && news.path.is_some());
        }
        let Some(fetcher) = self.fetchers.get(number) else {
            return false;
        };
        // What this peer sorts itself comes unsorted.
        if news.changes.is_some() != (fetcher.sorted && fetcher.local.is_none()) {
            let kind = if news.changes.is_some() { "a sorted" } else { "an unsorted" };
            events.push(dropped(kind, name, params));
            return true;
        }
        let start = events.len();
        match (news.changes, news.happening(), news.path.and_then(Raw::as_str)) {
            (Some(changes), ..) => events.push(sorted_event(number, changes, news.n)),
            (None, Some(happening), Some(path)) => {
                let value = news.value.map(|value| Cow::Borrowed(value.text()));
                let news = News { fetcher: number, happening, path, value };
                match &mut fetcher.local {
                    Some(local) => local.apply(news, events),
                    None => events.push(news.into()),
                }
            }
            _ => return false,
        }
        if let Some(held) = &mut fetcher.held {
            held.extend(events.drain(start..).map(Event::into_owned));
        }
        true
    }

    /// The daemon has answered a fetch: what came before may be told now.
    pub(super) fn fetch_answered<'a>(
        &mut self,
        id: u32,
        (number, round): (u32, u32),
        outcome: Result<Raw<'a>, Raw<'a>>,
        events: &mut Vec<Event<'a>>,
    ) {
        let refused = self.fetchers.in_round(number, round).and_then(|fetcher| fetcher.refused.take());
        if self.fetchers.in_round(number, round).is_some() {
            self.fetchers.begun(number);
        }
        let outcome = match refused {
            Some(error) => Err(Cow::Owned(error)),
            None if self.shared.is_some() => self.may_join(),
            None => self.normalised(id, Service::Fetch, outcome),
        };
        let accepted = outcome.is_ok();
        events.push(Event::Response { id, outcome });
        if !accepted {
            self.fetchers.end(number, round);
        } else if !self.joined(number, round, events) {
            let held = self.fetchers.in_round(number, round).and_then(|fetcher| fetcher.held.take());
            events.extend(held.unwrap_or_default());
        }
    }

    /// The end of a fetch has been answered. Some daemons refuse to end what is over, others do not: for the
    /// program it is a success.
    pub(super) fn unfetch_answered<'a>(
        &mut self,
        number: u32,
        was_active: bool,
        outcome: Result<Raw<'a>, Raw<'a>>,
    ) -> Result<Cow<'a, str>, Cow<'a, str>> {
        self.fetchers.ended(number);
        match outcome {
            Err(error) if was_active && self.shared.is_none() => {
                Err(errors::unfetch_error(self.dialect, error))
            }
            _ => Ok(Cow::Borrowed("true")),
        }
    }

    /// All initial adds of a fetch with rules of its own have come.
    pub(super) fn fetch_settled(&mut self, number: u32, round: u32, events: &mut Vec<Event<'_>>) {
        let refused = self.fetchers.in_round(number, round).and_then(|fetcher| fetcher.refused.take());
        let refused = refused.or_else(|| self.may_join().err().map(Cow::into_owned));
        if let Some(error) = refused {
            events.push(Event::Note(format!("a fetch failed: {error}")));
            return self.fetchers.end(number, round);
        }
        if self.joined(number, round, events) {
            return;
        }
        let Some(fetcher) = self.fetchers.in_round(number, round) else {
            return;
        };
        let start = events.len();
        if let Some(local) = &mut fetcher.local {
            local.settle(number, events);
        }
        if let Some(held) = &mut fetcher.held {
            held.extend(events.drain(start..).map(Event::into_owned));
        }
    }
}

/// Reports a notification of a kind that the fetch did not ask for.
fn dropped(kind: &str, name: &str, params: Raw) -> Event<'static> {
    let params = shortened(params.text());
    Event::Note(format!("{kind} notification does not suit the fetch {name} and is dropped: {params}"))
}

fn sorted_event<'a>(fetcher: u32, changes: Raw<'a>, n: Option<Raw<'a>>) -> Event<'a> {
    // The Lua daemon writes an empty list as an empty object.
    let empty = changes.elements().next().is_none();
    Event::Sorted {
        fetcher,
        changes: Cow::Borrowed(if empty { "[]" } else { changes.text() }),
        n: n.and_then(Raw::as_f64).map_or(0, |n| n as u64),
    }
}
