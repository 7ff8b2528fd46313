//! [`Fetchers`]: the fetches of a peer. [`Fetching`]: the course of a fetch, from its request over its
//! notifications to its end.
//!
//! A fetch id on the wire is `__f__<number>`. Daemons that keep the fetches of all peers in one table
//! get the mark of this peer in between. Paths of elements live in another table, so an element may be
//! called `__f__0`.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Serialize;
use std::collections::hash_map::Entry;

use crate::json::Raw;

use super::compat::{Compat, FetchPlan};
use super::event::{Event, Notification, NotificationParams, Outcome, shortened};
use super::outbound::{Failure, Outbound};
use super::request::{FetchKey, Members, RequestOptions, ResultKind};
use super::requests::{Purpose, Requests};
use super::response;

const PREFIX: &str = "__f__";

/// What a message without an id means for the fetchers.
#[derive(Debug)]
enum Received<'a> {
    /// It is not the notification of a fetch.
    Other,
    /// A notification of a fetch that has ended, which nothing follows from.
    Late,
    /// A notification that does not suit its fetch. The text is for the log.
    Unsuitable(String),
    /// A notification of an active fetch that the daemon sorts.
    Sorted {
        /// The number of the fetcher.
        fetcher: u32,
        /// The notification.
        event: Event<'a>,
        /// Whether the events of this fetch are held back.
        is_held: bool,
    },
    /// A notification of any other active fetch.
    Unsorted {
        /// The notification.
        notification: Notification<'a>,
        /// Whether the events of this fetch are held back.
        is_held: bool,
    },
}

#[derive(Debug)]
struct Fetcher {
    expression: Box<str>,
    round: u32,
    /// Events from before the response to the fetch, or `None` once that has come.
    held: Option<Vec<Event<'static>>>,
    /// Whether the daemon sends sorted notifications.
    is_sorted: bool,
    /// Whether this round or an earlier one was sent.
    was_sent: bool,
}

/// The fetchers of one peer by number.
#[derive(Debug)]
pub struct Fetchers {
    active: HashMap<u32, Fetcher>,
    /// The number of unanswered ends of fetches, by fetcher. Until the response, notifications belong
    /// to the fetch that was ended.
    ending: HashMap<u32, u32>,
    next: u32,
    rounds: u32,
    /// The beginning of the fetch ids on daemons that share one table among all peers.
    mark: String,
}

impl Fetchers {
    /// Creates an empty table. `instance` makes the fetch ids of this peer differ from those of
    /// others.
    pub fn new(instance: u64) -> Fetchers {
        let mark = format!("{PREFIX}{instance:x}_");
        Fetchers { active: HashMap::new(), ending: HashMap::new(), next: 0, rounds: 0, mark }
    }

    /// Forgets all fetchers.
    pub fn clear(&mut self) {
        self.active.clear();
        self.ending.clear();
    }

    /// Starts a fetch, or the one of that number again. `expression` is a JSON object. With
    /// `holds_events`, events are held back until the response.
    pub fn start(&mut self, number: Option<u32>, expression: Raw, holds_events: bool) -> FetchKey {
        let number = number.unwrap_or(self.next);
        self.next = self.next.max(number.saturating_add(1));
        self.rounds = self.rounds.wrapping_add(1);
        let fetcher = Fetcher {
            expression: expression.text().into(),
            round: self.rounds,
            held: holds_events.then(Vec::new),
            is_sorted: expression.get("sort").is_some_and(|sort| sort.as_bool() != Some(false)),
            was_sent: self.active.get(&number).is_some_and(|earlier| earlier.was_sent),
        };
        self.active.insert(number, fetcher);
        FetchKey { fetcher: number, round: self.rounds }
    }

    /// Ends a fetch. Returns whether it was sent, or `None` if it was not active.
    pub fn end(&mut self, number: u32) -> Option<bool> {
        Some(self.active.remove(&number)?.was_sent)
    }

    /// Ends a fetch unless it was started again since.
    pub fn fail(&mut self, key: FetchKey) {
        if self.is_active(key) {
            self.active.remove(&key.fetcher);
        }
    }

    /// Returns whether a fetch is active and was not started again since.
    pub fn is_active(&self, key: FetchKey) -> bool {
        self.active.get(&key.fetcher).is_some_and(|fetcher| fetcher.round == key.round)
    }

    /// Notes that a fetch is sent now. Returns whether it was sent before, or `None` if it is not
    /// active.
    pub fn mark_sent(&mut self, key: FetchKey) -> Option<bool> {
        let fetcher = self.active.get_mut(&key.fetcher).filter(|fetcher| fetcher.round == key.round)?;
        Some(std::mem::replace(&mut fetcher.was_sent, true))
    }

    /// Returns the expression of a fetch as JSON text.
    pub fn expression(&self, key: FetchKey) -> &str {
        self.active.get(&key.fetcher).map_or("{}", |fetcher| &fetcher.expression)
    }

    /// Notes that this peer sorts a fetch itself: its notifications come unsorted.
    pub fn sort_here(&mut self, key: FetchKey) {
        if let Some(fetcher) = self.active.get_mut(&key.fetcher) {
            fetcher.is_sorted = false;
        }
    }

    /// Returns the id of a fetch on the wire.
    pub fn wire_id(&self, number: u32, is_marked: bool) -> String {
        match is_marked {
            true => format!("{}{number}", self.mark),
            false => format!("{PREFIX}{number}"),
        }
    }

    /// Returns an id for a fetch that stands for all others.
    pub fn shared_id(&self) -> String {
        format!("{}all", self.mark)
    }

    fn number_of(&self, wire_id: &str) -> Option<u32> {
        let rest = wire_id.strip_prefix(self.mark.as_str()).or_else(|| wire_id.strip_prefix(PREFIX));
        rest?.parse().ok()
    }

    /// Notes that the end of a fetch was sent and will be answered.
    pub fn end_sent(&mut self, number: u32) {
        *self.ending.entry(number).or_default() += 1;
    }

    /// Notes that the end of a fetch was answered.
    pub fn end_answered(&mut self, number: u32) {
        if let Entry::Occupied(mut open) = self.ending.entry(number) {
            *open.get_mut() -= 1;
            if *open.get() == 0 {
                open.remove();
            }
        }
    }

    /// Notes that the start of a fetch was answered, and with it everything before.
    pub fn start_answered(&mut self, number: u32) {
        self.ending.remove(&number);
    }

    /// Reads a message that may be the notification of a fetch.
    fn receive<'a>(&self, name: &str, params: Raw<'a>) -> Received<'a> {
        let Some(number) = self.number_of(name) else {
            return Received::Other;
        };
        let read = NotificationParams::read(params);
        let Some(fetcher) = self.active.get(&number).filter(|_| !self.ending.contains_key(&number)) else {
            // An element may have the same name; a request for it has other members.
            let was_fetch = number < self.next || self.ending.contains_key(&number);
            return if was_fetch && read.is_complete() { Received::Late } else { Received::Other };
        };
        if read.is_sorted() != fetcher.is_sorted {
            let kind = if read.is_sorted() { "a sorted" } else { "an unsorted" };
            let params = shortened(params.text());
            return Received::Unsuitable(format!(
                "{kind} notification does not suit the fetch {name} and is dropped: {params}"
            ));
        }
        let is_held = fetcher.held.is_some();
        if let Some(event) = read.sorted(number) {
            return Received::Sorted { fetcher: number, event, is_held };
        }
        match read.unsorted(number) {
            Some(notification) => Received::Unsorted { notification, is_held },
            None => Received::Other,
        }
    }

    /// Holds back the events of a fetch whose response has not come: those from position `start`.
    pub fn hold(&mut self, number: u32, events: &mut Vec<Event<'_>>, start: usize) {
        let held = self.active.get_mut(&number).and_then(|fetcher| fetcher.held.as_mut());
        if let Some(held) = held {
            held.extend(events.drain(start..).map(Event::into_owned));
        }
    }

    /// Returns the events that were held back. No more are held back for this fetch.
    pub fn release(&mut self, number: u32) -> Vec<Event<'static>> {
        let fetcher = self.active.get_mut(&number);
        fetcher.and_then(|fetcher| fetcher.held.take()).unwrap_or_default()
    }
}

/// Params with the id of a fetch in front.
#[derive(Serialize)]
struct WithId<'a, P> {
    id: &'a str,
    #[serde(flatten)]
    params: P,
}

/// The components that a fetch passes, borrowed from the [`Exchange`](super::exchange::Exchange).
#[derive(Debug)]
pub struct Fetching<'e> {
    /// The fetches of this peer.
    pub fetchers: &'e mut Fetchers,
    /// The open requests.
    pub requests: &'e mut Requests,
    /// The output.
    pub outbound: &'e mut Outbound,
    /// What daemons of other kinds than our own need.
    pub compat: Option<&'e mut Compat>,
}

/// Returns a request that every daemon answers somehow and that changes nothing: service and params.
pub fn probe(compat: Option<&Compat>) -> (&'static str, &'static str) {
    match compat {
        Some(compat) if !compat.answers_info() => ("unfetch", r#"{"id":"__settled__"}"#),
        _ => ("info", "{}"),
    }
}

impl Fetching<'_> {
    /// Sends a fetch, now that the daemon is known.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn send(&mut self, key: FetchKey, id: Option<u32>, options: RequestOptions) -> Result<(), Failure> {
        let Some(was_sent) = self.fetchers.mark_sent(key) else {
            return Ok(());
        };
        if was_sent && self.compat.as_deref().is_some_and(Compat::ends_before_restart) {
            self.send_end(key.fetcher, None, RequestOptions::default())?;
        }
        let Some(compat) = self.compat.as_deref_mut() else {
            return self.write(key, id, options);
        };
        let expression = Raw::trusted(self.fetchers.expression(key));
        match compat.plan(key.fetcher, expression) {
            FetchPlan::Send { params, is_local, settling_time } => {
                let options = compat.fetch_options(options);
                if is_local {
                    self.fetchers.sort_here(key);
                }
                match params {
                    Some(params) => {
                        let params = WithId { id: &self.wire_id(key.fetcher), params };
                        self.outbound.message(id, "fetch", &params)?;
                    }
                    None => self.write(key, id, options)?,
                }
                if let Some(time) = settling_time {
                    let id = self.requests.begin(Purpose::Settled(key));
                    self.requests.limit(id, time);
                    self.send_probe(id)?;
                }
                Ok(())
            }
            FetchPlan::Probe { shared_fetch } => {
                if let Some((wire_id, params)) = shared_fetch {
                    let id = self.requests.begin(Purpose::SharedFetch);
                    self.outbound.message(Some(id), "fetch", &WithId { id: &wire_id, params })?;
                }
                let id = id.unwrap_or_else(|| self.requests.begin(Purpose::Settled(key)));
                self.send_probe(id)
            }
        }
    }

    /// Writes a fetch with the expression of the program.
    fn write(&mut self, key: FetchKey, id: Option<u32>, options: RequestOptions) -> Result<(), Failure> {
        let wire_id = self.wire_id(key.fetcher);
        let expression = Raw::trusted(self.fetchers.expression(key));
        self.outbound.message(id, "fetch", &Members::of_fetch(&wire_id, expression, options))
    }

    /// Sends the end of a fetch.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn send_end(
        &mut self,
        fetcher: u32,
        id: Option<u32>,
        options: RequestOptions,
    ) -> Result<(), Failure> {
        if self.shares_fetch() {
            return id.map_or(Ok(()), |id| self.send_probe(id));
        }
        let options = self.compat.as_deref().map_or(options, |compat| compat.fetch_options(options));
        let wire_id = self.wire_id(fetcher);
        let params = Members::of_fetch(&wire_id, Raw::trusted("{}"), options);
        self.outbound.message(id, "unfetch", &params)
    }

    fn wire_id(&self, fetcher: u32) -> String {
        let is_marked = self.compat.as_deref().is_some_and(|compat| compat.marks_fetch_ids());
        self.fetchers.wire_id(fetcher, is_marked)
    }

    /// Handles the notification of a fetch. Returns whether the message was one.
    pub fn receive<'a>(&mut self, name: &str, params: Raw<'a>, events: &mut Vec<Event<'a>>) -> bool {
        if let Some(compat) = self.compat.as_deref_mut()
            && compat.shares_fetch()
        {
            return compat.receive_shared(name, params, events);
        }
        let start = events.len();
        let (fetcher, is_held) = match self.fetchers.receive(name, params) {
            Received::Other => return false,
            Received::Late => return true,
            Received::Unsuitable(note) => {
                events.push(Event::Note(note));
                return true;
            }
            Received::Sorted { fetcher, event, is_held } => {
                events.push(event);
                (fetcher, is_held)
            }
            Received::Unsorted { notification, is_held } => {
                let fetcher = notification.fetcher;
                match self.compat.as_deref_mut() {
                    Some(compat) => compat.filter(notification, events),
                    None => events.push(Event::Notification(notification)),
                }
                (fetcher, is_held)
            }
        };
        if is_held {
            self.fetchers.hold(fetcher, events, start);
        }
        true
    }

    /// Handles the response to a fetch, and releases the events that came before it.
    pub fn answered<'a>(
        &mut self,
        id: u32,
        key: FetchKey,
        outcome: Result<Raw<'a>, Raw<'a>>,
        events: &mut Vec<Event<'a>>,
    ) {
        let is_active = self.fetchers.is_active(key);
        if is_active {
            self.fetchers.start_answered(key.fetcher);
        }
        let outcome = match self.compat.as_deref_mut() {
            Some(compat) => compat.fetch_outcome(is_active.then_some(key.fetcher), outcome),
            None => response::outcome(ResultKind::Done, outcome),
        };
        let is_accepted = outcome.is_ok();
        events.push(Event::Response { id, outcome });
        if !is_accepted {
            self.fetchers.fail(key);
        } else if is_active {
            let held = self.fetchers.release(key.fetcher);
            match self.compat.as_deref_mut() {
                Some(compat) if compat.shares_fetch() => compat.join(key.fetcher, events),
                _ => events.extend(held),
            }
        }
    }

    /// Handles the response to a request that was sent after a fetch: all initial notifications have come.
    pub fn settled(&mut self, key: FetchKey, events: &mut Vec<Event<'_>>) {
        let (Some(compat), true) = (self.compat.as_deref_mut(), self.fetchers.is_active(key)) else {
            return;
        };
        if let Some(error) = compat.refusal(key.fetcher) {
            events.push(Event::Note(format!("a fetch failed: {error}")));
            return self.fetchers.fail(key);
        }
        if compat.shares_fetch() {
            self.fetchers.release(key.fetcher);
            return compat.join(key.fetcher, events);
        }
        let start = events.len();
        compat.settle(key.fetcher, events);
        self.fetchers.hold(key.fetcher, events, start);
    }

    /// Returns the outcome of the end of a fetch. Some daemons refuse to end a fetch that is over; for
    /// the program that is a success.
    pub fn end_outcome<'a>(&self, was_active: bool, outcome: Result<Raw<'a>, Raw<'a>>) -> Outcome<'a> {
        match (outcome, self.compat.as_deref()) {
            (Err(error), None) if was_active => Err(response::as_object(error)),
            (Err(error), Some(compat)) if was_active && !compat.shares_fetch() => {
                Err(compat.unfetch_error(error))
            }
            _ => Ok(Cow::Borrowed("true")),
        }
    }

    fn shares_fetch(&self) -> bool {
        self.compat.as_deref().is_some_and(Compat::shares_fetch)
    }

    fn send_probe(&mut self, id: u32) -> Result<(), Failure> {
        let (service, params) = probe(self.compat.as_deref());
        self.outbound.message(Some(id), service, &Raw::trusted(params))
    }
}
