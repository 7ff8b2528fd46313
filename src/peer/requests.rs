//! Requests that wait for their response, by id.

use std::collections::HashMap;

/// Ids stay below this: some daemons read them as 32-bit signed integers.
const ID_LIMIT: u32 = i32::MAX as u32;

/// What a response is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The question what the daemon is, asked once on connect.
    Info,
    /// The name of this peer, told once on connect.
    Name,
    /// A request of the program.
    Program,
    /// A fetch of the program; its notifications wait for this response.
    Fetch(u32),
    /// The end of a fetch, in the round it was in then; notifications come until this response.
    Unfetch(u32, u32),
    /// Asked behind a fetch of that round: when it is answered, all initial adds have come.
    Settled(u32, u32),
}

/// The open requests of one connection.
#[derive(Debug, Default)]
pub struct Requests {
    open: HashMap<u32, Purpose>,
    last: u32,
}

impl Requests {
    /// Notes a new request and gives its id: 1, 2, 3, … An id is not used again while its
    /// request is open.
    pub fn begin(&mut self, purpose: Purpose) -> u32 {
        loop {
            self.last = if self.last >= ID_LIMIT { 1 } else { self.last + 1 };
            if let std::collections::hash_map::Entry::Vacant(entry) = self.open.entry(self.last) {
                entry.insert(purpose);
                return self.last;
            }
        }
    }

    /// Ends a request; `None` if none of that id is open.
    pub fn end(&mut self, id: u32) -> Option<Purpose> {
        self.open.remove(&id)
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

    #[test]
    fn ids_count_up_and_skip_what_is_still_open() {
        let mut requests = Requests::default();
        assert_eq!((requests.begin(Purpose::Info), requests.begin(Purpose::Program)), (1, 2));
        assert_eq!(requests.end(1), Some(Purpose::Info));
        assert_eq!(requests.end(1), None);
        requests.last = ID_LIMIT;
        assert_eq!((requests.begin(Purpose::Program), requests.begin(Purpose::Program)), (1, 3));
        assert_eq!(requests.len(), 3);
    }
}
