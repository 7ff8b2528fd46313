//! What a peer does because of daemons that others wrote: [`Compat`].
//!
//! A peer on our own daemon has no `Compat`, unless that daemon offers no more than a simple fetch. The
//! interface is small: what to send instead of a request, and what a response or notification means.
//!
//! - [`daemon_kind`]: which daemon it is, and what it can and cannot do
//! - [`fetch_plan`]: what the daemon is asked for instead of a fetch
//! - [`local_fetch`]: fetch rules and sorting on this side of the wire
//! - [`simple_fetch`]: the one fetch of daemons that have no more for each peer
//! - [`errors`]: the errors of all daemons as one
//! - [`access`]: access rights as each daemon understands them
//! - [`cjet`]: requests that the C daemon could not route

mod access;
mod cjet;
pub mod daemon_kind;
mod errors;
mod fetch_plan;
mod local_fetch;
mod simple_fetch;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::json::Raw;

use super::event::{Event, Notes, Notification, NotificationParams, Outcome};
use super::request::{PathRequest, RequestOptions, ResultKind, SentRequest, Service};
use super::response;

pub use fetch_plan::Params as FetchParams;

use cjet::Routes;
use daemon_kind::DaemonKind;
use local_fetch::LocalFetch;
use simple_fetch::SimpleFetch;

/// Time for the response that shows that all initial notifications of a fetch have come. All known
/// daemons answer at once. If one does not, the program sees what has come until then.
const SETTLING_PATIENCE: Duration = Duration::from_secs(2);

/// What the response to a request of the program means.
#[derive(Debug)]
pub enum Meaning<'a> {
    /// This is the outcome for the program.
    Outcome(Outcome<'a>),
    /// The request is sent again later.
    Retry,
    /// The state of this path was set, but its new value has to be asked for.
    ReadValue(String),
}

/// What to send instead of a fetch.
#[derive(Debug)]
pub enum FetchPlan {
    /// A fetch.
    Send {
        /// The params, or `None` for those of the program.
        params: Option<FetchParams>,
        /// Whether this peer does a part of it: its notifications come unsorted.
        is_local: bool,
        /// How long to wait for the response to a request behind it, if one has to show that all
        /// initial notifications have come.
        settling_time: Option<Duration>,
    },
    /// A request that changes nothing, whose response stands for that to the fetch.
    Probe {
        /// The shared fetch that has to be sent before, if it was not sent yet: its id and params.
        shared_fetch: Option<(String, FetchParams)>,
    },
}

/// The state that a foreign daemon needs on the side of the peer.
#[derive(Debug)]
pub struct Compat {
    kind: DaemonKind,
    lacks_users: bool,
    answers_info: bool,
    /// Open sets and calls, on daemons whose errors do not say what was asked.
    sent: HashMap<u32, SentRequest>,
    routes: Routes,
    /// The rules of fetches that this peer applies itself, by fetcher.
    local: HashMap<u32, LocalFetch>,
    /// The error objects of fetches that this peer refuses, by fetcher.
    refused: HashMap<u32, String>,
    simple: Option<SimpleFetch>,
    /// Ids, as JSON text, of routed sets that are answered with an object instead of `true`.
    fragile_sets: HashSet<Box<str>>,
}

impl Compat {
    /// Creates what a daemon of that kind needs, or `None` if it needs nothing. `info` is its response to
    /// `info`, `shared_id` the id for a fetch that stands for all others.
    pub fn new(kind: DaemonKind, info: Option<Raw>, shared_id: String) -> Option<Box<Compat>> {
        let fetch = info.and_then(|info| info.get("features")?.get("fetch")?.as_str());
        let is_simple = fetch.as_deref() == Some("simple");
        (kind != DaemonKind::Own || is_simple).then(|| {
            Box::new(Compat {
                kind,
                lacks_users: kind.lacks_users(info),
                answers_info: kind != DaemonKind::Unknown || info.is_some(),
                sent: HashMap::new(),
                routes: Routes::default(),
                local: HashMap::new(),
                refused: HashMap::new(),
                simple: is_simple.then(|| SimpleFetch::new(shared_id)),
                fragile_sets: HashSet::new(),
            })
        })
    }

    /// Forgets everything about the connection but the kind of the daemon.
    pub fn clear(&mut self) {
        self.sent.clear();
        self.routes = Routes::default();
        self.local.clear();
        self.refused.clear();
        self.simple = None;
        self.fragile_sets.clear();
    }

    /// Returns the kind of the daemon.
    pub fn kind(&self) -> DaemonKind {
        self.kind
    }

    /// Returns what this peer does because the daemon cannot, as words for people.
    pub fn stand_ins(&self) -> Vec<&'static str> {
        let shared = self.simple.as_ref().map(|_| "separate fetches");
        self.kind.stand_ins().iter().copied().chain(shared).collect()
    }

    /// Returns whether the daemon has `info`, or answers it with an error at least.
    pub fn answers_info(&self) -> bool {
        self.answers_info
    }

    /// Returns a hint for people about the end of a connection after a message of that length.
    pub fn probable_limit(&self, length: usize) -> Option<String> {
        let hint = "cjet takes messages of up to 512 bytes unless it was built with another limit; \
                    see daemon_limits = { message = 512 } of peer.new";
        (self.kind == DaemonKind::Cjet && length > cjet::MAX_MESSAGE).then(|| hint.to_owned())
    }

    // Requests.

    /// Returns a request and its options as the daemon takes them.
    pub fn adapt<'a>(
        &self,
        mut request: PathRequest<'a>,
        options: RequestOptions,
        notes: &mut Notes,
    ) -> (PathRequest<'a>, RequestOptions) {
        if let Some(access) = request.access.take() {
            let is_method = request.value.is_none() && !request.is_empty_state;
            request.access = access::adapt(self.kind, self.lacks_users, access, is_method, notes);
        }
        if request.service == Service::Change && self.kind.lacks_cleared_values() {
            request.value = request.value.or(Some(Cow::Borrowed("null")));
        }
        (request, self.kind.request_options(options))
    }

    /// Returns whether a request has to wait behind others for the same path.
    pub fn must_wait(&self, request: &PathRequest) -> bool {
        request.service.is_routed() && self.routes.holds(&request.path)
    }

    /// Has a request wait behind others for the same path. Returns its time limit.
    pub fn wait_behind(
        &mut self,
        id: Option<u32>,
        request: PathRequest,
        options: RequestOptions,
    ) -> Option<Duration> {
        let request = SentRequest::new(request.into_owned(), options);
        self.routes.add(id, request.clone(), None);
        Some(self.keep(id?, request))
    }

    /// Notes that a request was sent. Returns its time limit, if the daemon may leave it unanswered.
    pub fn watch(
        &mut self,
        id: Option<u32>,
        request: PathRequest,
        options: RequestOptions,
    ) -> Option<Duration> {
        let id = id.filter(|_| request.service.is_routed() && self.kind.hides_timeouts())?;
        Some(self.keep(id, SentRequest::new(request.into_owned(), options)))
    }

    fn keep(&mut self, id: u32, request: SentRequest) -> Duration {
        let limit = request.time_limit().saturating_add(self.kind.grace());
        self.sent.insert(id, request);
        limit
    }

    /// Returns the bytes of requests that wait for a route.
    pub fn waiting_bytes(&self) -> usize {
        self.routes.bytes()
    }

    /// Returns when [`take_retries`](Self::take_retries) has requests. The delay begins with the first
    /// call.
    pub fn next_retry(&mut self, now: Instant) -> Option<Instant> {
        self.routes.next_due(now)
    }

    /// Removes and returns the requests that are to be sent again now.
    pub fn take_retries(&mut self, now: Instant) -> Vec<(Option<u32>, SentRequest)> {
        let due = self.routes.take_due(now);
        let kept = due.iter().filter_map(|(id, request)| Some(((*id)?, request.clone())));
        self.sent.extend(kept);
        due
    }

    /// Returns what the response to a request of the program means.
    pub fn interpret<'a>(
        &mut self,
        id: u32,
        expected: ResultKind,
        outcome: Result<Raw<'a>, Raw<'a>>,
    ) -> Meaning<'a> {
        match outcome {
            Ok(result)
                if self.kind == DaemonKind::Cjet
                    && expected == ResultKind::NewValue
                    && cjet::lacks_value(result) =>
            {
                if let Some(request) = self.sent.get(&id) {
                    self.routes.answered(id);
                    return Meaning::ReadValue(request.path().to_owned());
                }
            }
            Err(error) if self.kind == DaemonKind::Cjet && cjet::lacks_route(error) => {
                if let Some(request) = self.sent.remove(&id) {
                    let error = errors::translate(self.kind, error, Some(&request)).into_owned();
                    self.routes.add(Some(id), request, Some(error));
                    return Meaning::Retry;
                }
            }
            _ => {}
        }
        self.routes.answered(id);
        let request = self.sent.remove(&id);
        Meaning::Outcome(match outcome {
            Ok(result) => Ok(response::result(expected, result)),
            Err(error) => Err(errors::translate(self.kind, error, request.as_ref())),
        })
    }

    /// Returns the value of the state that the request `id` has set, from the result of a `get`, or
    /// `true` if it is not known.
    pub fn new_value<'a>(&mut self, id: u32, result: Option<Raw<'a>>) -> &'a str {
        let Some(request) = self.sent.remove(&id) else {
            return "true";
        };
        let is_it =
            |item: &Raw| item.get("path").and_then(Raw::as_str).is_some_and(|path| path == request.path());
        let item = result.into_iter().flat_map(Raw::elements).find(is_it);
        item.and_then(|item| item.get("value")).map_or("true", Raw::text)
    }

    /// Returns the error of a request whose time is over.
    pub fn timeout(&mut self, id: u32) -> String {
        let request = self.sent.remove(&id);
        self.routes.give_up(id).unwrap_or_else(|| errors::timeout(request.as_ref()))
    }

    /// Returns an error in the terms of our own daemon.
    pub fn error<'a>(&self, error: Raw<'a>) -> Cow<'a, str> {
        errors::translate(self.kind, error, None)
    }

    // Fetches.

    /// Returns what to send instead of a fetch.
    pub fn plan(&mut self, fetcher: u32, expression: Raw) -> FetchPlan {
        let plan = match fetch_plan::make(self.kind, self.simple.is_some(), expression) {
            Ok(plan) => plan,
            Err(reason) => {
                // The program gets it in its turn, as our own daemon would answer.
                self.refused.insert(fetcher, errors::bad_expression(expression, &reason));
                return FetchPlan::Probe { shared_fetch: None };
            }
        };
        let is_local = plan.local.is_some();
        let is_sorted = plan.local.as_ref().is_some_and(LocalFetch::waits);
        self.local.extend(plan.local.map(|local| (fetcher, local)));
        match &mut self.simple {
            Some(simple) => {
                FetchPlan::Probe { shared_fetch: simple.send().map(|id| (id, FetchParams::everything(true))) }
            }
            None => FetchPlan::Send {
                params: plan.params,
                is_local,
                settling_time: is_sorted.then_some(SETTLING_PATIENCE),
            },
        }
    }

    /// Ends a fetch, or makes room for its next start.
    pub fn end_fetch(&mut self, fetcher: u32) {
        self.local.remove(&fetcher);
        self.refused.remove(&fetcher);
        if let Some(simple) = &mut self.simple {
            simple.leave(fetcher);
        }
    }

    /// Returns the options of a fetch or of its end as the daemon takes them.
    pub fn fetch_options(&self, options: RequestOptions) -> RequestOptions {
        self.kind.fetch_options(options)
    }

    /// Returns whether fetch ids carry the mark of this peer.
    pub fn marks_fetch_ids(&self) -> bool {
        self.kind.shares_fetch_ids()
    }

    /// Returns whether all fetchers share one fetch.
    pub fn shares_fetch(&self) -> bool {
        self.simple.is_some()
    }

    /// Returns whether a fetch has to be ended before it is sent again.
    pub fn ends_before_restart(&self) -> bool {
        self.simple.is_none() && self.kind.doubles_fetch_ids()
    }

    /// Returns the outcome of a fetch from the response to it or to what stands for it. `fetcher` is
    /// `None` if the fetch is not active any more.
    pub fn fetch_outcome<'a>(
        &mut self,
        fetcher: Option<u32>,
        outcome: Result<Raw<'a>, Raw<'a>>,
    ) -> Outcome<'a> {
        if let Some(error) = fetcher.and_then(|fetcher| self.refused.remove(&fetcher)) {
            return Err(Cow::Owned(error));
        }
        match &self.simple {
            Some(simple) => {
                simple.refusal().map_or(Ok(Cow::Borrowed("true")), |error| Err(Cow::Owned(error)))
            }
            None => response::outcome(ResultKind::Done, outcome),
        }
    }

    /// Returns the error object with which this peer or the daemon refuses a fetch.
    pub fn refusal(&mut self, fetcher: u32) -> Option<String> {
        self.refused.remove(&fetcher).or_else(|| self.simple.as_ref()?.refusal())
    }

    /// Returns the error of the end of a fetch that the daemon refused.
    pub fn unfetch_error<'a>(&self, error: Raw<'a>) -> Cow<'a, str> {
        errors::of_unfetch(self.kind, error)
    }

    /// Appends the events that follow from a notification, by the rules that this peer applies itself.
    pub fn filter<'a>(&mut self, notification: Notification<'a>, events: &mut Vec<Event<'a>>) {
        match self.local.get_mut(&notification.fetcher) {
            Some(local) => local.apply(notification, events),
            None => events.push(Event::Notification(notification)),
        }
    }

    /// Appends the events of a sorted fetch whose initial notifications have all come.
    pub fn settle(&mut self, fetcher: u32, events: &mut Vec<Event<'_>>) {
        if let Some(local) = self.local.get_mut(&fetcher) {
            local.settle(fetcher, events);
        }
    }

    /// Has a fetcher share the simple fetch: it gets the elements that are there, and then every
    /// notification.
    pub fn join(&mut self, fetcher: u32, events: &mut Vec<Event<'_>>) {
        if let Some(simple) = &mut self.simple {
            simple.join(fetcher, self.local.get_mut(&fetcher), events);
        }
    }

    /// Notes that the daemon refused the shared fetch.
    pub fn shared_fetch_refused(&mut self, error: Raw) {
        let error = self.error(error).into_owned();
        if let Some(simple) = &mut self.simple {
            simple.refuse(error);
        }
    }

    /// Handles a notification of the shared fetch. Returns whether the message was one.
    pub fn receive_shared<'a>(&mut self, name: &str, params: Raw<'a>, events: &mut Vec<Event<'a>>) -> bool {
        let Some(simple) = self.simple.as_mut().filter(|simple| simple.is_notified_by(name)) else {
            return false;
        };
        let Some(mut notification) = NotificationParams::read(params).unsorted(0) else {
            return false;
        };
        simple.note(&mut notification);
        for (&fetcher, local) in self.local.iter_mut().filter(|(fetcher, _)| simple.has_joined(**fetcher)) {
            local.apply(Notification { fetcher, ..notification.clone() }, events);
        }
        true
    }

    // Requests for elements of this peer.

    /// Returns whether requests may have the service as the method and the path in the params, even if
    /// there is an element of the service's name.
    pub fn routes_by_service(&self) -> bool {
        self.kind == DaemonKind::NodeJet3
    }

    /// Notes a routed set whose result does not have to be the new value. The id is JSON text.
    pub fn set_routed(&mut self, id: &str) {
        if self.kind.has_fragile_peers() {
            self.fragile_sets.insert(id.into());
        }
    }

    /// Returns the result of a routed request as the daemon and its peers take it.
    pub fn adapt_result<'a>(&mut self, id: &str, result: Raw<'a>) -> Raw<'a> {
        let is_fragile = self.fragile_sets.remove(id);
        match is_fragile && result == Raw::TRUE {
            true => Raw::trusted("{}"),
            false => self.kind.result(result),
        }
    }

    /// Notes that a routed request was answered with an error.
    pub fn forget_routed(&mut self, id: &str) {
        self.fragile_sets.remove(id);
    }
}
