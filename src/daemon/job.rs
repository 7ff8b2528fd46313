//! [`Job`]: what the bus does in slices.

use super::first_look::FirstLook;
use super::get::Get;
use super::keys::ClientKey;
use super::leave::Leave;
use super::live::FollowUp;
use super::routing::Router;
use super::work::Progress;

/// A job in the queue of the bus.
#[derive(Debug)]
pub enum Job {
    /// The start of a fetch.
    FirstLook(FirstLook),
    /// A `get`.
    Get(Box<Get>),
    /// The end of a connection.
    Leave(Leave),
    /// Processing the held messages of a connection.
    Held(ClientKey),
    /// Work that follows from a change.
    FollowUp(FollowUp),
}

impl Job {
    /// Returns the connection whose messages are held until the job is finished.
    pub fn holder(&self) -> Option<ClientKey> {
        match self {
            Job::FirstLook(job) => Some(job.client()),
            Job::Get(job) => Some(job.client()),
            _ => None,
        }
    }

    /// Returns the connection that has to read before a blocked job continues.
    pub fn reader(&self) -> Option<ClientKey> {
        match self {
            Job::FirstLook(job) => Some(job.client()),
            Job::FollowUp(FollowUp::Window(job)) => Some(job.client()),
            _ => None,
        }
    }

    /// Continues the job until that many units are spent. Held messages are processed by the bus instead.
    pub fn run(&mut self, router: &mut Router, until: u64) -> Progress {
        match self {
            Job::FirstLook(job) => job.run(router.live, until),
            Job::Get(job) => job.run(router.live, until),
            Job::Leave(job) => job.run(router, until),
            Job::FollowUp(job) => router.live.follow_up(job, until),
            Job::Held(_) => Progress::Done,
        }
    }
}
