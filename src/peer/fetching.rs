//! The fetchers of a peer: from the program's expression to events, and back to nothing.
//!
//! A fetch id on the wire is `__f__<number>`; on daemons that keep the fetches of all peers in
//! one table the peer's own mark is in between. Paths of elements live in another table, so an
//! element may be called `__f__0`.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::json::{write, Raw};
use crate::protocol::framing;

use super::dialect::Dialect;
use super::engine::{Engine, Phase};
use super::event::{Event, Happening};
use super::local_fetch::LocalFetch;
use super::outgoing::{member, overridden, write_request, Failure, RequestOptions, Sent};
use super::plan;
use super::requests::Purpose;

const PREFIX: &str = "__f__";

/// A fetch that the daemon knows of, or will.
#[derive(Debug)]
struct Fetcher {
    expression: Box<str>,
    /// Counts how often the fetch was sent, so that the end of an earlier round is told apart.
    round: u32,
    /// What came before the response to the fetch; none once that has come.
    held: Option<Vec<Event<'static>>>,
    /// Rules that this daemon lacks.
    local: Option<LocalFetch>,
}

/// A fetch that waits for the daemon to be known.
#[derive(Debug, Clone, Copy)]
pub(super) struct EarlyFetch {
    /// Before which byte of the other early messages it belongs.
    pub position: usize,
    pub number: u32,
    pub id: Option<u32>,
    pub options: RequestOptions,
}

/// The fetchers of one peer by number.
#[derive(Debug)]
pub(super) struct Fetchers {
    active: HashMap<u32, Fetcher>,
    next: u32,
    rounds: u32,
    mark: String,
    early: Vec<EarlyFetch>,
}

impl Fetchers {
    pub(super) fn new(instance: u64) -> Fetchers {
        let mark = format!("{PREFIX}{instance:x}_");
        Fetchers { active: HashMap::new(), next: 0, rounds: 0, mark, early: Vec::new() }
    }

    pub(super) fn clear(&mut self) {
        self.active.clear();
        self.early.clear();
    }

    pub(super) fn take_early(&mut self) -> Vec<EarlyFetch> {
        std::mem::take(&mut self.early)
    }

    /// Forgets a fetcher unless it was sent again since.
    pub(super) fn end(&mut self, number: u32, round: u32) {
        if self.active.get(&number).is_some_and(|fetcher| fetcher.round == round) {
            self.active.remove(&number);
        }
    }

    fn wire_id(&self, number: u32, dialect: Dialect) -> String {
        match dialect {
            Dialect::NodeJet3 => format!("{}{number}", self.mark),
            _ => format!("{PREFIX}{number}"),
        }
    }

    fn number_of(&self, wire_id: &str) -> Option<u32> {
        let rest = wire_id.strip_prefix(self.mark.as_str()).or_else(|| wire_id.strip_prefix(PREFIX));
        rest?.parse().ok()
    }
}

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
    /// Starts a fetch, or an earlier one (`number`) again. `expression` is a JSON object.
    /// Returns the number that its events carry, and the id of the request.
    ///
    /// # Errors
    /// [`Failure`]; the fetch is not active then.
    pub fn fetch(
        &mut self,
        number: Option<u32>,
        expression: Raw,
        options: RequestOptions,
    ) -> Result<(u32, Option<u32>), Failure> {
        self.check_limits(options.respond)?;
        let number = number.unwrap_or_else(|| {
            self.fetchers.next += 1;
            self.fetchers.next - 1
        });
        self.fetchers.rounds = self.fetchers.rounds.wrapping_add(1);
        let fetcher = Fetcher {
            expression: expression.text().into(),
            round: self.fetchers.rounds,
            held: options.respond.then(Vec::new),
            local: None,
        };
        let again = self.fetchers.active.insert(number, fetcher).is_some();
        let id = options.respond.then(|| self.requests.begin(Purpose::Fetch(number)));
        if self.phase != Phase::Ready {
            let position = self.early.len();
            self.fetchers.early.retain(|early| early.number != number || early.id.is_some());
            self.fetchers.early.push(EarlyFetch { position, number, id, options });
            return Ok((number, id));
        }
        if again {
            self.end_on_wire(number)?;
        }
        if let Err(error) = self.write_fetch(number, id, options) {
            self.fetchers.active.remove(&number);
            id.map(|id| self.requests.end(id));
            return Err(error);
        }
        Ok((number, id))
    }

    /// Ends a fetch. With a response wanted, its events come until then; without, they end now.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn unfetch(&mut self, number: u32, options: RequestOptions) -> Sent {
        let wire_id = self.fetchers.wire_id(number, self.dialect);
        let round = match self.fetchers.active.get(&number) {
            Some(fetcher) => fetcher.round,
            None => 0,
        };
        let sent = self.send(Purpose::Unfetch(number, round), "unfetch", options, |out| {
            out.extend_from_slice(b"\"id\":");
            write::string(out, &wire_id);
            out.push(b',');
        })?;
        if sent.is_none() {
            self.fetchers.active.remove(&number);
        }
        Ok(sent)
    }

    /// Some daemons refuse or double a fetch id that is in use.
    fn end_on_wire(&mut self, number: u32) -> Result<(), Failure> {
        if self.dialect == Dialect::Own || self.dialect == Dialect::NodeJet {
            return Ok(());
        }
        let wire_id = self.fetchers.wire_id(number, self.dialect);
        self.send(Purpose::Program, "unfetch", RequestOptions::default(), |out| {
            out.extend_from_slice(b"\"id\":");
            write::string(out, &wire_id);
        })?;
        Ok(())
    }

    /// Writes the request of a fetcher, now that the daemon is known.
    pub(super) fn write_fetch(
        &mut self,
        number: u32,
        id: Option<u32>,
        options: RequestOptions,
    ) -> Result<(), Failure> {
        let wire_id = self.fetchers.wire_id(number, self.dialect);
        let Some(fetcher) = self.fetchers.active.get_mut(&number) else {
            return Ok(());
        };
        let expression = Raw::trusted(&fetcher.expression);
        let plan = plan::make(self.dialect, expression).map_err(Failure::Expression)?;
        let mark = framing::begin(&mut self.out);
        write_request(&mut self.out, id, "fetch", options, |out| {
            out.extend_from_slice(b"\"id\":");
            write::string(out, &wire_id);
            out.push(b',');
            for (key, value) in Raw::trusted(&plan.wire).members() {
                if key != "id" && !overridden(&key, options) {
                    member(out, &key, value.text());
                }
            }
        });
        framing::end(&mut self.out, mark, self.options.max_message).map_err(Failure::TooLong)?;
        let settles = plan.local.is_some();
        let round = fetcher.round;
        fetcher.local = plan.local;
        if settles {
            // The answer to any later request tells that all initial adds have come.
            let options = RequestOptions { respond: true, ..RequestOptions::default() };
            self.send(Purpose::Settled(number, round), "info", options, |_| {})?;
        }
        Ok(())
    }

    /// What the program hears of a fetch that could not be sent after all.
    pub(super) fn failed_fetch(&mut self, number: u32, id: Option<u32>, error: &Failure) -> Event<'static> {
        self.fetchers.active.remove(&number);
        let Some(id) = id else {
            return Event::Note(error.to_string());
        };
        self.requests.end(id);
        let mut object = Vec::from(&br#"{"code":-32602,"message":"Invalid params","data":{"reason":"#[..]);
        write::string(&mut object, &error.to_string());
        object.extend_from_slice(b"}}");
        let object = String::from_utf8_lossy(&object).into_owned();
        Event::Response { id, outcome: Err(Cow::Owned(object)) }
    }

    /// The daemon has answered a fetch: what came before may be told now.
    pub(super) fn fetch_answered(&mut self, number: u32, accepted: bool, events: &mut Vec<Event<'_>>) {
        if !accepted {
            self.fetchers.active.remove(&number);
            return;
        }
        let held = self.fetchers.active.get_mut(&number).and_then(|fetcher| fetcher.held.take());
        events.extend(held.unwrap_or_default());
    }

    /// All initial adds of a fetch with rules of its own have come.
    pub(super) fn fetch_settled(&mut self, number: u32, round: u32, events: &mut Vec<Event<'_>>) {
        let fetcher = self.fetchers.active.get_mut(&number).filter(|fetcher| fetcher.round == round);
        if let Some(local) = fetcher.and_then(|fetcher| fetcher.local.as_mut()) {
            local.settle(number, events);
        }
    }

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
        let Some(fetcher) = self.fetchers.active.get_mut(&number) else {
            return false;
        };
        let news = News::read(params);
        let start = events.len();
        match (news.changes, news.happening(), news.path.and_then(Raw::as_str)) {
            (Some(changes), ..) => events.push(sorted_event(number, changes, news.n)),
            (None, Some(happening), Some(path)) => match &mut fetcher.local {
                Some(local) => local.apply(number, happening, &path, news.value, events),
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
