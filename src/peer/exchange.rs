//! [`Exchange`]: requests to the daemon, and what their responses and notifications mean.
//!
//! It brings together the components that a request passes: the open requests, the fetchers, the
//! output, and, on daemons of other kinds than our own, `Compat`. How far the connection has come is
//! for the engine, which says with each request whether it can be sent now.

use std::borrow::Cow;
use std::time::Instant;

use serde::Serialize;

use crate::json::Raw;
use crate::wire::error::{RESPONSE_TIMEOUT, Tag};

use super::compat::daemon_kind::{DaemonKind, NO_USERS};
use super::compat::{Compat, Meaning};
use super::event::{Event, Notes};
use super::fetchers::{Fetchers, Fetching, probe};
use super::options::Options;
use super::outbound::{Deferred, Failure, Outbound};
use super::request::{Members, PathRequest, Request, RequestOptions, ResultKind};
use super::requests::{Purpose, Requests};
use super::response;

/// The id of a sent request, or `None` for a notification.
pub type Sent = Result<Option<u32>, Failure>;

/// See the [module](self).
#[derive(Debug)]
pub struct Exchange {
    outbound: Outbound,
    requests: Requests,
    fetchers: Fetchers,
    /// What daemons of other kinds need. Until the daemon is known, it counts as one of them.
    compat: Option<Box<Compat>>,
    /// Whether the daemon has no users.
    lacks_users: bool,
    notes: Notes,
}

impl Exchange {
    /// Creates an exchange with a daemon that is not known yet.
    pub fn new(options: &Options) -> Exchange {
        let mut exchange = Exchange {
            outbound: Outbound::new(options),
            requests: Requests::new(options.max_requests),
            fetchers: Fetchers::new(options.instance),
            compat: None,
            lacks_users: false,
            notes: Notes::default(),
        };
        exchange.set_daemon(DaemonKind::Unknown, None);
        exchange
    }

    /// Sets what is known of the daemon: its kind and its response to `info`. Nothing has been sent to it
    /// but the greeting.
    pub fn set_daemon(&mut self, kind: DaemonKind, info: Option<Raw>) {
        self.compat = Compat::new(kind, info, self.fetchers.shared_id());
        self.lacks_users = kind.lacks_users(info);
    }

    /// Drops everything that belongs to the connection, except the open requests, which the caller ends.
    pub fn clear(&mut self) {
        self.outbound.clear();
        self.fetchers.clear();
        if let Some(compat) = &mut self.compat {
            compat.clear();
        }
    }

    /// Returns the output.
    pub fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    /// Returns the output, to change it.
    pub fn outbound_mut(&mut self) -> &mut Outbound {
        &mut self.outbound
    }

    /// Returns what daemons of other kinds need, or `None` on our own.
    pub fn compat(&self) -> Option<&Compat> {
        self.compat.as_deref()
    }

    /// Returns the same, to change it.
    pub fn compat_mut(&mut self) -> Option<&mut Compat> {
        self.compat.as_deref_mut()
    }

    /// Returns the number of open requests.
    pub fn open_requests(&self) -> usize {
        self.requests.open_count()
    }

    /// Returns the kind of the daemon.
    pub fn daemon_kind(&self) -> DaemonKind {
        self.compat.as_ref().map_or(DaemonKind::Own, |compat| compat.kind())
    }

    /// Reports the notes that came up while requests were written.
    pub fn report_notes(&mut self, events: &mut Vec<Event<'_>>) {
        self.notes.report(events);
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) has something to do. The time limit of a
    /// request begins with the first call after it was sent.
    pub fn next_timeout(&mut self, now: Instant) -> Option<Instant> {
        let retry = self.compat.as_mut().and_then(|compat| compat.next_retry(now));
        self.requests.next_due(now).into_iter().chain(retry).min()
    }

    /// Ends the requests whose time is over, and sends refused ones again.
    pub fn handle_timeout(&mut self, now: Instant, events: &mut Vec<Event<'_>>) {
        self.end_overdue(now, events);
        self.retry(now, events);
    }

    fn end_overdue(&mut self, now: Instant, events: &mut Vec<Event<'_>>) {
        while let Some(id) = self.requests.overdue(now) {
            let outcome = match self.requests.end(id) {
                Some(Purpose::Settled(key)) => {
                    self.fetching().settled(key, events);
                    continue;
                }
                purpose => match (purpose, &mut self.compat) {
                    // The state was set, only its new value did not come.
                    (Some(Purpose::ValuePending), Some(compat)) => Ok(compat.new_value(id, None).into()),
                    (_, Some(compat)) => Err(compat.timeout(id).into()),
                    (_, None) => Err(response::plain(RESPONSE_TIMEOUT).into()),
                },
            };
            events.push(Event::Response { id, outcome });
        }
    }

    fn retry(&mut self, now: Instant, events: &mut Vec<Event<'_>>) {
        let Some(compat) = &mut self.compat else { return };
        for (id, sent) in compat.take_retries(now) {
            if let Err(failure) = self.outbound.request(id, sent.request(), sent.options()) {
                events.push(self.failed(id, &failure));
            }
        }
    }

    /// Opens a request of the program and sends it, or defers it while the connection is not ready.
    ///
    /// # Errors
    /// [`Failure`]; the request is closed then.
    pub fn submit(
        &mut self,
        purpose: Purpose,
        request: Request,
        options: RequestOptions,
        is_ready: bool,
    ) -> Sent {
        self.check_limits(options.respond)?;
        let id = options.respond.then(|| self.requests.begin(purpose));
        let sent = match is_ready {
            true => self.send(id, request, options),
            false => self.outbound.defer(id, request, options),
        };
        sent.inspect_err(|_| self.requests.cancel(id)).map(|()| id)
    }

    /// Starts a fetch, or the one of that number again.
    ///
    /// # Errors
    /// [`Failure`]; the fetch is not active then.
    pub fn fetch(
        &mut self,
        number: Option<u32>,
        expression: Raw,
        options: RequestOptions,
        is_ready: bool,
    ) -> Result<(u32, Option<u32>), Failure> {
        self.check_limits(options.respond)?;
        let key = self.fetchers.start(number, expression, options.respond);
        if let Some(compat) = &mut self.compat {
            compat.end_fetch(key.fetcher);
        }
        let request = Request::Fetch(key, expression.text().len());
        let id = self.submit(Purpose::Fetch(key), request, options, is_ready)?;
        Ok((key.fetcher, id))
    }

    /// Ends a fetch.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn unfetch(&mut self, fetcher: u32, options: RequestOptions, is_ready: bool) -> Sent {
        self.check_limits(options.respond)?;
        let ended = self.fetchers.end(fetcher);
        if let Some(compat) = &mut self.compat {
            compat.end_fetch(fetcher);
        }
        let was_sent = is_ready || ended == Some(true);
        if was_sent && options.respond && !self.compat().is_some_and(Compat::shares_fetch) {
            self.fetchers.end_sent(fetcher);
        }
        let purpose = Purpose::Unfetch { fetcher, was_active: ended.is_some() };
        self.submit(purpose, Request::Unfetch { fetcher, was_sent }, options, is_ready)
    }

    /// Sends a request that changes nothing. Its response follows all initial notifications of the
    /// fetches that were sent before.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn settle(&mut self, is_ready: bool) -> Sent {
        let options = RequestOptions { respond: true, ..RequestOptions::default() };
        let (service, params) = probe(self.compat());
        let request = Request::Other(service.into(), params.into());
        self.submit(Purpose::Program(ResultKind::Done), request, options, is_ready)
    }

    fn check_limits(&self, respond: bool) -> Result<(), Failure> {
        self.outbound.check_room()?;
        if let Some(compat) = &self.compat {
            self.outbound.check_bytes(compat.waiting_bytes())?;
        }
        match respond {
            true => self.requests.check_room(),
            false => Ok(()),
        }
    }

    /// Sends a request of the program as the daemon takes it.
    fn send(&mut self, id: Option<u32>, request: Request, options: RequestOptions) -> Result<(), Failure> {
        match request {
            Request::Path(request) => self.send_path(id, request, options),
            Request::Fetch(key, _) => {
                self.fetching().send(key, id, options).inspect_err(|_| self.fetchers.fail(key))
            }
            Request::Unfetch { fetcher, .. } => self.fetching().send_end(fetcher, id, options),
            Request::Config(params) => self.send_config(Raw::trusted(&params), id, options),
            Request::Other(service, params) => {
                let params = Members::all(Raw::trusted(&params), options);
                self.outbound.message(id, &service, &params)
            }
        }
    }

    fn send_path(
        &mut self,
        id: Option<u32>,
        request: PathRequest,
        options: RequestOptions,
    ) -> Result<(), Failure> {
        let Some(compat) = &mut self.compat else {
            if request.access.is_some() && self.lacks_users {
                self.notes.add(NO_USERS);
            }
            return self.outbound.request(id, &request, options);
        };
        let (request, options) = compat.adapt(request, options, &mut self.notes);
        let limit = match compat.must_wait(&request) {
            true => compat.wait_behind(id, request, options),
            false => {
                self.outbound.request(id, &request, options)?;
                compat.watch(id, request, options)
            }
        };
        if let (Some(id), Some(limit)) = (id, limit) {
            self.requests.limit(id, limit);
        }
        Ok(())
    }

    fn send_config(&mut self, params: Raw, id: Option<u32>, options: RequestOptions) -> Result<(), Failure> {
        let kind = self.daemon_kind();
        let takes_all = kind.takes_all_config();
        let service = kind.config_service(params.get("name").is_some());
        let options = if takes_all { options } else { RequestOptions::default() };
        // The peer itself changes the encoding, together with the daemon.
        let keeps = |key: &str| if takes_all { key != "encoding" } else { key == "name" };
        self.outbound.message(id, service, &Members::filtered(params, keeps, options))
    }

    /// Returns the components that a fetch passes.
    pub fn fetching(&mut self) -> Fetching<'_> {
        Fetching {
            fetchers: &mut self.fetchers,
            requests: &mut self.requests,
            outbound: &mut self.outbound,
            compat: self.compat.as_deref_mut(),
        }
    }

    /// Sends a request of the peer itself.
    ///
    /// # Errors
    /// [`Failure`]; the request is closed then.
    pub fn request(
        &mut self,
        purpose: Purpose,
        service: &str,
        params: &impl Serialize,
    ) -> Result<(), Failure> {
        let id = self.requests.begin(purpose);
        let sent = self.outbound.message(Some(id), service, params);
        sent.inspect_err(|_| self.requests.cancel(Some(id)))
    }

    /// Sends what was deferred, in the order of the program.
    pub fn send_deferred(&mut self, events: &mut Vec<Event<'_>>) {
        for deferred in self.outbound.take_deferred() {
            let (id, sent) = match deferred {
                Deferred::Response { id, outcome } => (None, self.outbound.deferred_response(&id, &outcome)),
                Deferred::Request { id, request, options } => match self.is_superseded(&request) {
                    false => (id, self.send(id, request, options)),
                    true => {
                        events.extend(id.and_then(|id| self.done(id)));
                        continue;
                    }
                },
            };
            if let Err(failure) = sent {
                events.push(self.failed(id, &failure));
            }
        }
    }

    /// Returns whether the daemon never hears of a request: a fetch that was ended or started again
    /// before it was sent, or the end of such a fetch.
    fn is_superseded(&self, request: &Request) -> bool {
        match request {
            Request::Fetch(key, _) => !self.fetchers.is_active(*key),
            Request::Unfetch { was_sent, .. } => !was_sent,
            _ => false,
        }
    }

    /// Ends a request that succeeded without the daemon.
    fn done(&mut self, id: u32) -> Option<Event<'static>> {
        self.requests.end(id)?;
        Some(Event::Response { id, outcome: Ok(Cow::Borrowed("true")) })
    }

    /// Ends a request that could not be sent after all.
    fn failed(&mut self, id: Option<u32>, failure: &Failure) -> Event<'static> {
        let Some(id) = id else {
            return Event::Note(failure.to_string());
        };
        self.requests.end(id);
        Event::Response { id, outcome: Err(Cow::Owned(response::not_sent(&failure.to_string()))) }
    }

    /// Handles a response. Returns what it is for if that is for the session: an response to the greeting.
    pub fn receive_response<'a>(
        &mut self,
        id: Raw<'a>,
        outcome: Result<Raw<'a>, Raw<'a>>,
        events: &mut Vec<Event<'a>>,
    ) -> Option<Purpose> {
        let number = id.as_str().unwrap_or(Cow::Borrowed(id.text())).parse::<u32>().ok();
        let Some((number, purpose)) = number.and_then(|n| Some((n, self.requests.end(n)?))) else {
            events.push(Event::Note(format!("response to no open request: id {}", id.text())));
            return None;
        };
        match purpose {
            Purpose::Info | Purpose::Login | Purpose::Config(_) => return Some(purpose),
            Purpose::Program(expected) => self.program_answered(number, expected, outcome, events),
            Purpose::Fetch(key) => self.fetching().answered(number, key, outcome, events),
            Purpose::Settled(key) => self.fetching().settled(key, events),
            Purpose::Unfetch { fetcher, was_active } => {
                self.fetchers.end_answered(fetcher);
                let outcome = self.fetching().end_outcome(was_active, outcome);
                events.push(Event::Response { id: number, outcome });
            }
            Purpose::ValueOf(set) => self.value_answered(set, outcome, events),
            // A second response: the new value is still to come.
            Purpose::ValuePending => self.requests.reopen(number, purpose),
            Purpose::SharedFetch => {
                if let (Some(compat), Err(error)) = (&mut self.compat, outcome) {
                    compat.shared_fetch_refused(error);
                }
            }
        }
        None
    }

    fn program_answered<'a>(
        &mut self,
        id: u32,
        expected: ResultKind,
        outcome: Result<Raw<'a>, Raw<'a>>,
        events: &mut Vec<Event<'a>>,
    ) {
        let outcome = match &mut self.compat {
            None => response::outcome(expected, outcome),
            Some(compat) => match compat.interpret(id, expected, outcome) {
                Meaning::Outcome(outcome) => outcome,
                Meaning::Retry => return self.requests.reopen(id, Purpose::Program(expected)),
                Meaning::ReadValue(path) => {
                    let params = Tag("path", Tag("equals", &*path));
                    if self.request(Purpose::ValueOf(id), "get", &params).is_ok() {
                        return self.requests.reopen(id, Purpose::ValuePending);
                    }
                    response::outcome(expected, outcome)
                }
            },
        };
        events.push(Event::Response { id, outcome });
    }

    /// Handles the response to the `get` for the new value of a state.
    fn value_answered<'a>(
        &mut self,
        set: u32,
        outcome: Result<Raw<'a>, Raw<'a>>,
        events: &mut Vec<Event<'a>>,
    ) {
        if let (Some(_), Some(compat)) = (self.requests.end(set), &mut self.compat) {
            let outcome = Ok(Cow::Borrowed(compat.new_value(set, outcome.ok())));
            events.push(Event::Response { id: set, outcome });
        }
    }
}
