//! What this peer does because the C daemon drops `valueAsResult` and has few routes.
//!
//! - A set that wants the new value is answered without it; the peer asks for it with `get`.
//! - A request that finds no free route to its owner is refused without having been executed. It waits
//!   and is sent again, until its time is over. Later requests for the same path wait behind it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use crate::json::{Kind, Raw};
use crate::wire::error::INTERNAL_ERROR;

use crate::peer::compat::daemon_kind::Dialect;
use crate::peer::compat::errors;
use crate::peer::engine::Engine;
use crate::peer::event::Event;
use crate::peer::messages::write_members;
use crate::peer::outgoing::RequestOptions;
use crate::peer::requests::{Purpose, Service};

/// The largest message of a cjet as it is delivered, in bytes. Builds differ.
pub const CJET_MAX_MESSAGE: usize = 512;

/// How many requests wait for one owner in a cjet as it is delivered: so many are sent again at once.
const ROUTES: usize = 64;

/// How long a refused request waits at first, and at most.
const FIRST_DELAY: Duration = Duration::from_millis(10);
const LAST_DELAY: Duration = Duration::from_millis(320);

/// The words of the daemon for a request that it could not route.
const NO_ROUTE: &str = "routing table full";

/// A request that is to be sent again.
#[derive(Debug)]
struct Waiting {
    /// None for a notification that must not overtake the requests before it.
    id: Option<u32>,
    method: &'static str,
    params: Box<str>,
    /// What the daemon said, as an error object; empty if it was not asked yet.
    error: Box<str>,
}

/// The requests that wait for a route, in the order the program made them.
#[derive(Debug, Default)]
pub struct Routes {
    waiting: BTreeMap<u64, Waiting>,
    /// How many requests of each path wait.
    paths: HashMap<Box<str>, usize>,
    /// The places of requests that were sent again and are not answered yet.
    places: HashMap<u32, u64>,
    last_place: u64,
    bytes: usize,
    delay: Option<Duration>,
    due: Option<Instant>,
}

/// The path of a request as JSON text.
fn path_of(params: &str) -> &str {
    Raw::trusted(params).get("path").map_or("", Raw::text)
}

impl Routes {
    /// Bytes of the requests that wait.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Returns whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Returns whether requests for a path, given as JSON text, have to wait for others.
    fn holds(&self, path: &str) -> bool {
        self.paths.contains_key(path)
    }

    /// Adds a request at the place it had before, or at the end.
    fn add(&mut self, waiting: Waiting) {
        let known = waiting.id.and_then(|id| self.places.remove(&id));
        let place = known.unwrap_or_else(|| {
            self.last_place += 1;
            self.last_place
        });
        *self.paths.entry(path_of(&waiting.params).into()).or_default() += 1;
        self.bytes += waiting.params.len();
        self.waiting.insert(place, waiting);
    }

    fn take(&mut self, place: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&place)?;
        self.bytes -= waiting.params.len();
        let path = path_of(&waiting.params);
        if let Some(count) = self.paths.get_mut(path) {
            *count -= 1;
            if *count == 0 {
                self.paths.remove(path);
            }
        }
        Some(waiting)
    }

    /// Returns when requests are to be sent again. The delay begins with the first call.
    pub fn next_due(&mut self, now: Instant) -> Option<Instant> {
        if self.waiting.is_empty() {
            self.due = None;
            return None;
        }
        let delay = self.delay.unwrap_or(FIRST_DELAY);
        Some(*self.due.get_or_insert(now + delay))
    }

    /// Gives a request up and returns what the daemon said of it.
    pub fn give_up(&mut self, id: u32) -> Option<Box<str>> {
        self.places.remove(&id);
        let place =
            self.waiting.iter().find(|(_, waiting)| waiting.id == Some(id)).map(|(place, _)| *place)?;
        self.take(place).map(|waiting| waiting.error)
    }

    fn answered(&mut self, id: u32) {
        if self.places.remove(&id).is_some() {
            self.delay = None;
        }
    }
}

impl Engine {
    /// The daemon has answered a request of the program.
    pub fn program_answered<'a>(
        &mut self,
        id: u32,
        service: Service,
        outcome: Result<Raw<'a>, Raw<'a>>,
        events: &mut Vec<Event<'a>>,
    ) {
        let goes_on = self.dialect == Dialect::Cjet
            && match outcome {
                Ok(result) => service == Service::SetValue && says_nothing(result) && self.ask_for_value(id),
                Err(error) => lacks_route(error) && self.wait_for_route(id, service, error),
            };
        if !goes_on {
            self.routes.answered(id);
            let outcome = self.normalised(id, service, outcome);
            events.push(Event::Response { id, outcome });
        }
    }

    /// Asks for the value of a state that was set. Returns false if that cannot be sent.
    fn ask_for_value(&mut self, id: u32) -> bool {
        let Some(params) = self.requests.kept(id) else {
            return false;
        };
        self.routes.answered(id);
        let get = self.requests.begin(Purpose::ValueOf(id));
        let written = self.write(Some(get), "get", RequestOptions::default(), |out| {
            out.extend_from_slice(b"\"path\":{\"equals\":");
            out.extend_from_slice(path_of(&params).as_bytes());
            out.push(b'}');
        });
        if written.is_ok() {
            self.requests.reopen(id, Purpose::Done);
            self.requests.keep(id, &params);
        }
        written.is_ok()
    }

    /// The value of a state that was set has come, or the daemon does not tell it: `true` then.
    pub fn value_answered<'a>(&mut self, set: u32, outcome: Result<Raw<'a>, Raw<'a>>) -> Option<Event<'a>> {
        self.requests.end(set)?;
        let params = self.requests.kept(set).unwrap_or_default();
        let path = Raw::trusted(&params).get("path").and_then(Raw::as_str);
        let mut items = outcome.ok().into_iter().flat_map(Raw::elements);
        let item = items.find(|item| path.is_some() && item.get("path").and_then(Raw::as_str) == path);
        let value = item.and_then(|item| item.get("value")).map_or("true", Raw::text);
        Some(Event::Response { id: set, outcome: Ok(Cow::Borrowed(value)) })
    }

    /// Keeps a request that was refused, to send it again. Returns false if its params are not known.
    fn wait_for_route(&mut self, id: u32, service: Service, error: Raw) -> bool {
        let Some(params) = self.requests.kept(id) else {
            return false;
        };
        self.requests.reopen(id, Purpose::Program(service));
        let error = errors::error(self.dialect, error, Some(&params)).into();
        let method = if service == Service::Value { "call" } else { "set" };
        self.routes.add(Waiting { id: Some(id), method, params, error });
        true
    }

    /// Returns whether requests with the same path wait. `params` is a whole object.
    pub fn is_held(&self, params: &str) -> bool {
        self.routes.holds(path_of(params))
    }

    /// Has a request wait behind the others of its path.
    pub fn wait_behind(&mut self, id: Option<u32>, method: &'static str, params: &str) {
        if let Some(id) = id {
            self.watch_over(id, params);
        }
        self.routes.add(Waiting { id, method, params: params.into(), error: "".into() });
    }

    /// Sends requests again that found no route.
    pub fn retry_routes(&mut self, now: Instant, events: &mut Vec<Event<'_>>) {
        if self.routes.due.is_none_or(|due| due > now) {
            return;
        }
        self.routes.due = None;
        let delay = self.routes.delay.map_or(FIRST_DELAY, |delay| (delay * 2).min(LAST_DELAY));
        self.routes.delay = Some(delay);
        let places: Vec<u64> = self.routes.waiting.keys().take(ROUTES).copied().collect();
        for place in places {
            let Some(Waiting { id, method, params, .. }) = self.routes.take(place) else {
                continue;
            };
            if let Some(id) = id {
                self.requests.keep(id, &params);
                self.routes.places.insert(id, place);
            }
            let options = RequestOptions::default();
            let members = Raw::trusted(&params).members();
            if let Err(failure) = self.write(id, method, options, |out| write_members(out, members, options))
            {
                events.push(self.failed(id, &failure));
            }
        }
    }

    /// Returns what to say beside the end of a connection after a message of that length.
    pub fn probable_limit(&self, length: usize) -> Option<String> {
        let is_known = self.options.daemon_message.is_some();
        let hint = "cjet takes messages of up to 512 bytes unless it was built with another limit; \
                    see daemon_limits = { message = 512 } of peer.new";
        (self.dialect == Dialect::Cjet && !is_known && length > CJET_MAX_MESSAGE).then(|| hint.to_owned())
    }
}

/// Returns whether a result is one of those that owners give who were not asked for the value.
fn says_nothing(result: Raw) -> bool {
    let is_empty = || result.kind() == Kind::Object && result.members().next().is_none();
    result == Raw::TRUE || result.is_null() || is_empty()
}

/// Returns whether a request was refused because its owner has too many to answer.
fn lacks_route(error: Raw) -> bool {
    let is_it = |value: Raw| value.as_str().is_some_and(|text| text.contains(NO_ROUTE));
    let data = error.get("data").filter(|_| errors::has_code(error, INTERNAL_ERROR));
    data.is_some_and(|data| is_it(data) || data.members().any(|(_, value)| is_it(value)))
}
