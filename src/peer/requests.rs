//! [`Requests`]: the requests that wait for a response, by id, and when to stop waiting.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};

use crate::util::deadlines::Deadlines;
use crate::wire::encoding::Encoding;

use super::outbound::Failure;
use super::request::{FetchKey, ResultKind};

/// Ids stay below this limit: some daemons read them as 32-bit signed integers.
const ID_LIMIT: u32 = i32::MAX as u32;

/// What a response is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `info`, sent once on connect.
    Info,
    /// The login, sent once on connect.
    Login,
    /// The name of this peer and, with msgpack, the encoding of the connection.
    Config(Encoding),
    /// A request of the program.
    Program(ResultKind),
    /// The start of a fetch. Notifications are held back until it is answered.
    Fetch(FetchKey),
    /// The end of a fetch.
    Unfetch {
        /// The number of the fetcher.
        fetcher: u32,
        /// Whether the fetch was active.
        was_active: bool,
    },
    /// A request sent after a fetch: its response follows all initial notifications.
    Settled(FetchKey),
    /// A `get` for the new value of the state that the request of this id has set.
    ValueOf(u32),
    /// A set that is done and whose new value was asked for.
    ValuePending,
    /// The fetch that all fetchers share on some daemons.
    SharedFetch,
}

/// The open requests of one connection.
#[derive(Debug)]
pub struct Requests {
    open: HashMap<u32, Purpose>,
    last: u32,
    max_open: usize,
    /// Requests with a time limit that no clock has seen yet.
    unscheduled: Vec<(u32, Duration)>,
    due: Deadlines<u32>,
}

impl Requests {
    /// Creates a table for at most `max_open` requests of the program.
    pub fn new(max_open: usize) -> Requests {
        Requests {
            open: HashMap::new(),
            last: 0,
            max_open,
            unscheduled: Vec::new(),
            due: Deadlines::default(),
        }
    }

    /// Opens a request and returns its id: 1, 2, 3, … Ids of open requests are skipped.
    pub fn begin(&mut self, purpose: Purpose) -> u32 {
        loop {
            self.last = if self.last >= ID_LIMIT { 1 } else { self.last + 1 };
            if let Entry::Vacant(entry) = self.open.entry(self.last) {
                entry.insert(purpose);
                return self.last;
            }
        }
    }

    /// Closes a request. Returns `None` if no request of that id is open.
    pub fn end(&mut self, id: u32) -> Option<Purpose> {
        self.open.remove(&id)
    }

    /// Closes a request that could not be sent.
    pub fn cancel(&mut self, id: Option<u32>) {
        if let Some(id) = id {
            self.open.remove(&id);
        }
    }

    /// Opens a request again, under the id it had.
    pub fn reopen(&mut self, id: u32, purpose: Purpose) {
        self.open.insert(id, purpose);
    }

    /// Limits the time of an open request. The time begins with the next call of
    /// [`next_due`](Self::next_due).
    pub fn limit(&mut self, id: u32, time: Duration) {
        self.unscheduled.push((id, time));
    }

    /// Returns when a request may become overdue.
    pub fn next_due(&mut self, now: Instant) -> Option<Instant> {
        for (id, time) in self.unscheduled.drain(..) {
            // A time beyond the end of the clock never comes.
            if let Some(at) = now.checked_add(time) {
                let open = &self.open;
                self.due.set(at, id, open.len(), |id| open.contains_key(id));
            }
        }
        self.due.next()
    }

    /// Returns an open request whose time is over. The caller closes it.
    pub fn overdue(&mut self, now: Instant) -> Option<u32> {
        while let Some(id) = self.due.pop_due(now) {
            if self.open.contains_key(&id) {
                return Some(id);
            }
        }
        None
    }

    /// Returns the number of open requests.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// Fails if the program may not open one more request.
    pub fn check_room(&self) -> Result<(), Failure> {
        match self.open.len() < self.max_open {
            true => Ok(()),
            false => Err(Failure::Requests(self.max_open)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: Purpose = Purpose::Program(ResultKind::Any);

    #[test]
    fn ids_count_up_and_skip_what_is_still_open() {
        let mut requests = Requests::new(9);
        assert_eq!((requests.begin(Purpose::Info), requests.begin(PROGRAM)), (1, 2));
        assert_eq!(requests.end(1), Some(Purpose::Info));
        assert_eq!(requests.end(1), None);
        requests.last = ID_LIMIT;
        assert_eq!((requests.begin(PROGRAM), requests.begin(PROGRAM)), (1, 3));
        assert_eq!(requests.open_count(), 3);
    }

    #[test]
    fn time_begins_when_a_clock_is_there_and_ends_only_open_requests() {
        let (mut requests, start) = (Requests::new(9), Instant::now());
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
