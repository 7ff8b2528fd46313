//! [`Routes`]: requests that the C daemon could not route.
//!
//! A cjet routes few requests to one owner at a time. A request that finds no free route is refused
//! without having been executed. It waits here and is sent again until its time is over. Later requests
//! for the same path wait behind it.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use crate::json::Raw;
use crate::peer::request::SentRequest;
use crate::peer::response::{has_code, is_empty_object};
use crate::wire::error::INTERNAL_ERROR;

/// The largest message of a cjet as it is delivered, in bytes. Builds differ.
pub const MAX_MESSAGE: usize = 512;

/// The number of routes to one owner in a cjet as it is delivered: so many requests are sent again at
/// once.
const ROUTES: usize = 64;

/// How long a refused request waits at first, and at most.
const FIRST_DELAY: Duration = Duration::from_millis(10);
const LAST_DELAY: Duration = Duration::from_millis(320);

/// The daemon's text for a request that it could not route.
const NO_ROUTE: &str = "routing table full";

/// A request that waits.
#[derive(Debug)]
struct Waiting {
    /// The id, or `None` for a notification that must not overtake the requests before it.
    id: Option<u32>,
    request: SentRequest,
    /// The daemon's error object, or `None` if the request was not sent yet.
    error: Option<String>,
}

/// The requests that wait for a route, in the order of the program.
#[derive(Debug, Default)]
pub struct Routes {
    waiting: BTreeMap<u64, Waiting>,
    /// The number of waiting requests by path.
    paths: HashMap<Box<str>, usize>,
    /// The positions of requests that were sent again and are not answered yet.
    positions: HashMap<u32, u64>,
    last_position: u64,
    bytes: usize,
    delay: Option<Duration>,
    due: Option<Instant>,
}

impl Routes {
    /// Returns the bytes of the waiting requests.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns whether requests for a path have to wait behind others.
    pub fn holds(&self, path: &str) -> bool {
        !self.paths.is_empty() && self.paths.contains_key(path)
    }

    /// Adds a request at the position it had before, or at the end.
    pub fn add(&mut self, id: Option<u32>, request: SentRequest, error: Option<String>) {
        let known = id.and_then(|id| self.positions.remove(&id));
        let position = known.unwrap_or_else(|| {
            self.last_position += 1;
            self.last_position
        });
        *self.paths.entry(request.path().into()).or_default() += 1;
        self.bytes += request.text_length();
        self.waiting.insert(position, Waiting { id, request, error });
    }

    fn take(&mut self, position: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&position)?;
        self.bytes -= waiting.request.text_length();
        let path = waiting.request.path();
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

    /// Removes and returns the requests that are to be sent again now.
    pub fn take_due(&mut self, now: Instant) -> Vec<(Option<u32>, SentRequest)> {
        if self.due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        self.due = None;
        let delay = self.delay.map_or(FIRST_DELAY, |delay| (delay * 2).min(LAST_DELAY));
        self.delay = Some(delay);
        let positions: Vec<u64> = self.waiting.keys().take(ROUTES).copied().collect();
        let mut due = Vec::with_capacity(positions.len());
        for position in positions {
            if let Some(Waiting { id, request, .. }) = self.take(position) {
                self.positions.extend(id.map(|id| (id, position)));
                due.push((id, request));
            }
        }
        due
    }

    /// Removes a request whose time is over. Returns the daemon's error, if there was one.
    pub fn give_up(&mut self, id: u32) -> Option<String> {
        self.positions.remove(&id);
        let found = self.waiting.iter().find(|(_, waiting)| waiting.id == Some(id));
        let position = found.map(|(position, _)| *position)?;
        self.take(position)?.error
    }

    /// Notes that a request was answered with anything else than the lack of a route.
    pub fn answered(&mut self, id: u32) {
        if self.positions.remove(&id).is_some() {
            self.delay = None;
        }
    }
}

/// Returns whether a result is one that owners give who were not asked for the new value. The C daemon
/// drops `valueAsResult` on the way to them.
pub fn lacks_value(result: Raw) -> bool {
    result == Raw::TRUE || result.is_null() || is_empty_object(result)
}

/// Returns whether a request was refused because its owner has too many to answer.
pub fn lacks_route(error: Raw) -> bool {
    let is_it = |value: Raw| value.as_str().is_some_and(|text| text.contains(NO_ROUTE));
    let data = error.get("data").filter(|_| has_code(error, INTERNAL_ERROR));
    data.is_some_and(|data| is_it(data) || data.members().any(|(_, value)| is_it(value)))
}
