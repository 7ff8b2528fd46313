//! Jobs: what grows with the number of elements, cut into slices.
//!
//! The first look of a fetch, `get`, a large window of a sorted fetch and the end of a connection are jobs. Each
//! request begins its job at once; what is not done after 2,000 units waits in a queue, from which
//! [`Bus::work`] takes turns. So other connections are served between two slices, and output leaves. A job whose
//! connection does not read is parked there until it does.
//!
//! Work is counted in units of roughly a tenth of a microsecond: one look at an element is one unit.

use std::cell::Cell;
use std::collections::VecDeque;
use std::time::Instant;

use super::bus::Bus;
use super::dependencies::{Forget, Recheck};
use super::keys::{ClientKey, FetcherKey};
use super::leaving::Leave;
use super::scan::{FirstLook, Get};
use super::window::Window;

/// Units of one slice: about two milliseconds.
pub const SLICE: u64 = 20_000;

/// Units after which the next job has its turn.
const TURN: u64 = 4_000;

/// Units that a request may take right away.
pub(super) const AT_ONCE: u64 = 2_000;

/// Steps of matching patterns that make a unit.
pub(super) const STEPS_PER_UNIT: u64 = 40;

/// Bytes that a job keeps ready for a connection. Beyond that it waits until the connection has read.
pub(super) const READY_BYTES: usize = 256 * 1024;

/// Something that is done in slices.
#[derive(Debug)]
pub(super) enum Job {
    /// The first look of a fetch.
    FirstLook(FirstLook),
    /// A `get`.
    Get(Box<Get>),
    /// The changed ranks of a sorted fetch.
    Window(Window),
    /// The end of a connection.
    Leave(Leave),
    /// The messages that a connection sent while it had a job.
    Held(ClientKey),
    /// A look at the elements that depend on a path.
    Recheck(Recheck),
    /// Reporting elements that waited to a limited fetch that has room.
    Fill(FetcherKey),
    /// Cleaning up the dependencies of an ended fetcher.
    Forget(Forget),
    /// Cleaning up what ended fetchers left in the sets of elements.
    Sweep,
}

/// How far a job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It is done.
    Done,
    /// Its turn is over.
    Unfinished,
    /// It waits until its connection has read.
    Blocked,
}

/// The jobs that can go on, and the units spent so far.
#[derive(Debug, Default)]
pub(super) struct Work {
    queue: VecDeque<Job>,
    spent: Cell<u64>,
}

impl Work {
    /// Counts units.
    pub(super) fn spend(&self, units: u64) {
        self.spent.set(self.spent.get() + units);
    }

    /// Returns the units spent so far.
    pub(super) fn spent(&self) -> u64 {
        self.spent.get()
    }

    /// Queues a job.
    pub(super) fn push(&mut self, job: Job) {
        self.queue.push_back(job);
    }
}

impl Bus {
    /// Returns whether [`work`](Self::work) has something to do.
    pub fn has_work(&self) -> bool {
        !self.work.queue.is_empty()
    }

    /// Does one slice of the work that is queued.
    pub fn work(&mut self, now: Instant) {
        self.clients.now = now;
        let end = self.work.spent() + SLICE;
        while self.work.spent() < end {
            let Some(job) = self.work.queue.pop_front() else {
                return;
            };
            self.turn(job, end.min(self.work.spent() + TURN), now);
        }
    }

    /// Returns the units of work done so far, in requests and in slices. A unit is about a tenth of a
    /// microsecond.
    pub fn spent(&self) -> u64 {
        self.work.spent()
    }

    /// Runs a job that has just been made, and queues what is left of it. Returns whether it is done.
    pub(super) fn begin_work(&mut self, mut job: Job, now: Instant) -> bool {
        let until = self.work.spent() + AT_ONCE;
        let progress = self.run(&mut job, until, now);
        self.put_away(job, progress);
        progress == Progress::Done
    }

    fn turn(&mut self, mut job: Job, until: u64, now: Instant) {
        self.work.spend(1);
        let progress = self.run(&mut job, until, now);
        match (&job, progress) {
            (Job::FirstLook(FirstLook { client, .. }), Progress::Done) => self.end_hold(*client),
            (Job::Get(get), Progress::Done) => self.end_hold(get.client),
            _ => self.put_away(job, progress),
        }
    }

    fn run(&mut self, job: &mut Job, until: u64, now: Instant) -> Progress {
        match job {
            Job::FirstLook(job) => self.look_first(job, until),
            Job::Get(job) => self.collect(job, until),
            Job::Window(job) => self.send_window(job, until),
            Job::Leave(job) => self.leave(job, until),
            Job::Held(client) => self.catch_up(*client, until, now),
            Job::Recheck(job) => self.recheck(job, until),
            Job::Fill(fetcher) => self.fill_on(*fetcher, until),
            Job::Forget(job) => self.forget_dependents(job, until),
            Job::Sweep => self.sweep(until),
        }
    }

    fn put_away(&mut self, job: Job, progress: Progress) {
        let client = match (&job, progress) {
            (Job::FirstLook(FirstLook { client, .. }), Progress::Blocked) => *client,
            (Job::Window(window), Progress::Blocked) => window.client,
            (_, Progress::Done) => return,
            _ => return self.work.push(job),
        };
        if let Some(client) = self.clients.get_mut(client) {
            client.parked.push(job);
        }
    }

    /// Has the parked jobs of a connection go on if it has read enough.
    pub(super) fn unpark(&mut self, key: ClientKey) {
        let enough = self.ready_bytes() / 2;
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        if !client.parked.is_empty() && client.unsent().len() < enough {
            self.work.queue.extend(client.parked.drain(..));
        }
    }

    /// Returns whether a job may write to a connection. One that is gone takes everything.
    pub(super) fn has_room(&self, key: ClientKey) -> bool {
        self.clients
            .get(key)
            .is_none_or(|client| client.condemned || client.unsent().len() < self.ready_bytes())
    }

    /// Returns how many bytes a job keeps ready for a connection, which is less than what ends it.
    fn ready_bytes(&self) -> usize {
        READY_BYTES.min(self.config().max_unsent / 2).max(2)
    }

    fn sweep(&mut self, until: u64) -> Progress {
        while self.work.spent() < until {
            let fetchers = &self.fetchers;
            let Some(members) = self.sets.sweep(|fetcher| fetchers.get(fetcher).is_some()) else {
                return Progress::Done;
            };
            self.work.spend(1 + members as u64 / 4);
        }
        Progress::Unfinished
    }
}
