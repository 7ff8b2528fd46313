//! Requests that wait for their response, by id, and when this peer stops waiting for a daemon
//! that might never answer.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant};

/// Ids stay below this: some daemons read them as 32-bit signed integers.
const ID_LIMIT: u32 = i32::MAX as u32;

/// What a request of the program asks for: what its response may look like depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// A service that is just done: `add`, `remove`, `config`.
    Done,
    /// `fetch`, done too, but there is no path its errors are about.
    Fetch,
    /// `set`, answered with `true`.
    Set,
    /// `set` answered with the new value.
    SetValue,
    /// `call`, answered with what the method returns.
    Value,
    /// Any other.
    Other,
}

/// What a response is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The question what the daemon is, asked once on connect.
    Info,
    /// The login, tried once on connect.
    Login,
    /// The name of this peer, told once on connect.
    Name,
    /// The encoding of this connection, and the name along with it.
    Encoding,
    /// A request of the program.
    Program(Service),
    /// A fetch of the program in that round; its notifications wait for this response.
    Fetch(u32, u32),
    /// The end of a fetch, and whether there was one to end.
    Unfetch(u32, bool),
    /// Asked behind a fetch of that round: when it is answered, all initial adds have come.
    Settled(u32, u32),
    /// The value of a state, asked for after the set of that id.
    ValueOf(u32),
    /// A set that is done and whose value is asked for.
    Done,
    /// The one fetch that all fetchers share, on daemons that have just one.
    Shared,
}

/// The open requests of one connection.
#[derive(Debug, Default)]
pub struct Requests {
    open: HashMap<u32, Purpose>,
    last: u32,
    /// The params of open requests, where the daemon's errors do not tell enough.
    params: HashMap<u32, Box<str>>,
    /// Requests with a time of their own that no clock has seen yet.
    fresh: Vec<(u32, Duration)>,
    due: BinaryHeap<Reverse<(Instant, u32)>>,
}

impl Requests {
    /// Notes a new request and gives its id: 1, 2, 3, … An id is not used again while its
    /// request is open.
    pub fn begin(&mut self, purpose: Purpose) -> u32 {
        loop {
            self.last = if self.last >= ID_LIMIT { 1 } else { self.last + 1 };
            if let Entry::Vacant(entry) = self.open.entry(self.last) {
                entry.insert(purpose);
                return self.last;
            }
        }
    }

    /// Ends a request; `None` if none of that id is open.
    pub fn end(&mut self, id: u32) -> Option<Purpose> {
        self.open.remove(&id)
    }

    /// Opens a request again, under the id it had.
    pub fn reopen(&mut self, id: u32, purpose: Purpose) {
        self.open.insert(id, purpose);
    }

    /// Whether a request for that is open.
    pub fn is_open_for(&self, purpose: Purpose) -> bool {
        self.open.values().any(|open| *open == purpose)
    }

    /// What an open request is for.
    pub fn purpose(&self, id: u32) -> Option<Purpose> {
        self.open.get(&id).copied()
    }

    /// Keeps the params of an open request.
    pub fn keep(&mut self, id: u32, params: &str) {
        self.params.insert(id, params.into());
    }

    /// Takes the params that were kept of a request.
    pub fn kept(&mut self, id: u32) -> Option<Box<str>> {
        self.params.remove(&id)
    }

    /// Wants the request to be [`overdue`](Self::overdue) when it is open after that time, which
    /// begins with the next call of [`next_due`](Self::next_due).
    pub fn limit(&mut self, id: u32, time: Duration) {
        self.fresh.push((id, time));
    }

    /// When a request may become overdue.
    pub fn next_due(&mut self, now: Instant) -> Option<Instant> {
        // A time beyond what the clock can say never comes.
        let fresh = self.fresh.drain(..).filter_map(|(id, time)| Some(Reverse((now.checked_add(time)?, id))));
        self.due.extend(fresh);
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// An open request whose time is over. Who ends it gets the next one by another call.
    pub fn overdue(&mut self, now: Instant) -> Option<u32> {
        while self.due.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Reverse((_, id)) = self.due.pop()?;
            if self.open.contains_key(&id) {
                return Some(id);
            }
        }
        None
    }

    /// How many requests are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether no request is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: Purpose = Purpose::Program(Service::Other);

    #[test]
    fn ids_count_up_and_skip_what_is_still_open() {
        let mut requests = Requests::default();
        assert_eq!((requests.begin(Purpose::Info), requests.begin(PROGRAM)), (1, 2));
        assert_eq!(requests.end(1), Some(Purpose::Info));
        assert_eq!(requests.end(1), None);
        requests.last = ID_LIMIT;
        assert_eq!((requests.begin(PROGRAM), requests.begin(PROGRAM)), (1, 3));
        assert_eq!(requests.len(), 3);
    }

    #[test]
    fn time_begins_when_a_clock_is_there_and_ends_only_open_requests() {
        let (mut requests, start) = (Requests::default(), Instant::now());
        let seconds = Duration::from_secs;
        for _ in 1..=3 {
            requests.begin(PROGRAM);
        }
        requests.limit(1, seconds(5));
        requests.limit(2, seconds(3));
        requests.limit(3, Duration::MAX);
        assert_eq!(requests.overdue(start + seconds(9)), None);
        assert_eq!(requests.next_due(start), Some(start + seconds(3)));
        requests.end(2);
        assert_eq!(requests.overdue(start + seconds(4)), None);
        assert_eq!(requests.next_due(start), Some(start + seconds(5)));
        assert_eq!(requests.overdue(start + seconds(5)), Some(1));
        assert_eq!(requests.next_due(start), None);
    }
}
