//! Work in slices: [`Units`] measure it, and [`Work`] queues the jobs that are not finished.
//!
//! Requests whose time grows with the number of elements are jobs. A job starts with its request, which may spend
//! [`AT_ONCE`] units. The rest of the job waits in a queue, from which the bus takes turns of [`TURN`] units. A slice
//! is many turns: afterwards the server reads and writes other connections. A job whose connection has to read first
//! is parked.

use std::cell::Cell;
use std::collections::VecDeque;

use slotmap::SecondaryMap;

use super::keys::ClientKey;

/// Units of one slice, which is about two milliseconds.
pub const SLICE: u64 = 20_000;

/// Units of one turn of a job.
pub const TURN: u64 = 4_000;

/// Units that a request may spend before the rest of it is queued.
pub const AT_ONCE: u64 = 2_000;

/// Steps of pattern matching that count as one unit.
pub const STEPS_PER_UNIT: u64 = 40;

/// A counter of work. One unit is roughly a tenth of a microsecond, such as looking at one element.
#[derive(Debug, Default)]
pub struct Units(Cell<u64>);

impl Units {
    /// Counts units.
    pub fn spend(&self, units: u64) {
        self.0.set(self.0.get() + units);
    }

    /// Returns the units spent so far.
    pub fn spent(&self) -> u64 {
        self.0.get()
    }
}

/// The state of a job after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The job is finished.
    Done,
    /// The units of its turn are spent.
    Unfinished,
    /// The job continues when its connection has read.
    Blocked,
}

/// The unfinished jobs.
#[derive(Debug)]
pub struct Work<J> {
    queue: VecDeque<J>,
    parked: SecondaryMap<ClientKey, Vec<J>>,
}

impl<J> Default for Work<J> {
    fn default() -> Self {
        Work { queue: VecDeque::new(), parked: SecondaryMap::new() }
    }
}

impl<J> Work<J> {
    /// Queues a job.
    pub fn push(&mut self, job: J) {
        self.queue.push_back(job);
    }

    /// Removes and returns the first job in the queue.
    pub fn pop(&mut self) -> Option<J> {
        self.queue.pop_front()
    }

    /// Returns `true` if no job is in the queue.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Parks a job until its connection has read.
    pub fn park(&mut self, client: ClientKey, job: J) {
        if let Some(jobs) = self.parked.entry(client) {
            jobs.or_default().push(job);
        }
    }

    /// Returns `true` if jobs of a connection are parked.
    pub fn has_parked(&self, client: ClientKey) -> bool {
        self.parked.contains_key(client)
    }

    /// Queues the parked jobs of a connection.
    pub fn unpark(&mut self, client: ClientKey) {
        self.queue.extend(self.parked.remove(client).into_iter().flatten());
    }

    /// Drops the parked jobs of a connection.
    pub fn discard_parked(&mut self, client: ClientKey) {
        self.parked.remove(client);
    }
}
