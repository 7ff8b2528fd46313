//! What a fetch brings: its answer, the notifications before and after it, and the moment when
//! all that was there at the beginning has come.

use std::borrow::Cow;

use crate::json::Raw;

use super::dialect::Dialect;
use super::engine::Engine;
use super::event::{Event, Happening};
use super::normalise;
use super::outgoing::RequestOptions;
use super::requests::Purpose;

/// The members of a notification, found in one pass.
#[derive(Default)]
struct News<'a> {
    path: Option<Raw<'a>>,
    event: Option<Raw<'a>>,
    value: Option<Raw<'a>>,
    changes: Option<Raw<'a>>,
    n: Option<Raw<'a>>,
}

impl<'a> News<'a> {
    fn read(params: Raw<'a>) -> News<'a> {
        let mut news = News::default();
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

    fn happening(&self) -> Option<Happening> {
        Happening::parse(&self.event?.as_str()?)
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
        let Some(number) = self.fetchers.number_of(name) else {
            return false;
        };
        let Some(fetcher) = self.fetchers.get(number) else {
            return false;
        };
        let news = News::read(params);
        let start = events.len();
        match (news.changes, news.happening(), news.path.and_then(Raw::as_str)) {
            (Some(changes), ..) => events.push(sorted_event(number, changes, news.n)),
            (None, Some(happening), Some(path)) => match &mut fetcher.local {
                Some(local) => local.apply(number, happening, path, news.value, events),
                None => events.push(Event::Notification {
                    fetcher: number,
                    happening,
                    path,
                    value: news.value.map(|value| Cow::Borrowed(value.text())),
                }),
            },
            _ => return false,
        }
        if let Some(held) = &mut fetcher.held {
            held.extend(events.drain(start..).map(Event::into_owned));
        }
        true
    }

    /// The daemon has answered a fetch: what came before may be told now.
    pub(super) fn fetch_answered(
        &mut self,
        number: u32,
        round: u32,
        accepted: bool,
        events: &mut Vec<Event<'_>>,
    ) {
        if !accepted {
            return self.fetchers.end(number, round);
        }
        let held = self.fetchers.in_round(number, round).and_then(|fetcher| fetcher.held.take());
        events.extend(held.unwrap_or_default());
    }

    /// The end of a fetch has been answered.
    pub(super) fn unfetch_answered<'a>(
        &mut self,
        number: u32,
        round: Option<u32>,
        outcome: Result<Raw<'a>, Raw<'a>>,
    ) -> Result<Cow<'a, str>, Cow<'a, str>> {
        match round {
            Some(round) => self.fetchers.end(number, round),
            // Some daemons do not mind, some do: this peer always says so.
            None => return Err(Cow::Borrowed(normalise::NOT_FETCHING)),
        }
        match outcome {
            Ok(_) => Ok(Cow::Borrowed("true")),
            Err(error) => Err(normalise::error(self.dialect, error, None)),
        }
    }

    /// Asks something behind a fetch: when that is answered, all initial adds have come. A
    /// daemon that did not answer `info` is asked what every daemon answers somehow.
    pub(super) fn ask_whether_settled(&mut self, number: u32, round: u32) {
        let id = self.requests.begin(Purpose::Settled(number, round));
        let unknown = self.dialect == Dialect::Unknown;
        let service = if unknown { "unfetch" } else { "info" };
        // Too short to meet a limit.
        let _ = self.write(Some(id), service, RequestOptions::default(), |out| {
            if unknown {
                out.extend_from_slice(b"\"id\":\"__settled__\",");
            }
        });
    }

    /// All initial adds of a fetch with rules of its own have come.
    pub(super) fn fetch_settled(&mut self, number: u32, round: u32, events: &mut Vec<Event<'_>>) {
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

fn sorted_event<'a>(fetcher: u32, changes: Raw<'a>, n: Option<Raw<'a>>) -> Event<'a> {
    // The Lua daemon writes an empty list as an empty object.
    let empty = changes.elements().next().is_none();
    Event::Sorted {
        fetcher,
        changes: Cow::Borrowed(if empty { "[]" } else { changes.text() }),
        n: n.and_then(Raw::as_f64).map_or(0, |n| n as u64),
    }
}
