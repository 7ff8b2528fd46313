//! The end of a connection: what it fetched, added and owed goes with it, in slices.
//!
//! While that lasts, its elements are as good as gone: nobody can set, call or begin to fetch them, and another
//! connection may add their paths.

use crate::rules::Event;

use super::bus::Bus;
use super::keys::{ClientKey, ElementKey};
use super::work::{AT_ONCE, Job, Progress};

/// The job that ends a connection.
#[derive(Debug)]
pub(super) struct Leave {
    client: ClientKey,
    /// The numbers of the requests it has not answered, latest first.
    routes: Vec<u64>,
}

impl Bus {
    /// Ends a connection: nothing is sent to it any more, and it is forgotten when all it had is gone.
    pub fn disconnect(&mut self, key: ClientKey) {
        self.clients.summarise(Some(key));
        self.clients.abandon(key);
        self.end_input(key);
    }

    /// A connection sends nothing more: what it fetched, added and owed goes, what it is
    /// [owed](Self::is_owed) still comes. While messages [wait](Self::is_waiting) it fetches on, and what they may
    /// change stays, so this has to be called again then.
    pub fn end_input(&mut self, key: ClientKey) {
        if self.holds_changes(key) {
            return;
        }
        let Some(mut routes) = self.clients.begin_leaving(key) else {
            return;
        };
        routes.sort_unstable_by(|a, b| b.cmp(a));
        let mut leave = Leave { client: key, routes };
        let until = self.work.spent() + AT_ONCE;
        if self.leave(&mut leave, until) != Progress::Done {
            self.work.push(Job::Leave(leave));
        }
    }

    pub(super) fn leave(&mut self, job: &mut Leave, until: u64) -> Progress {
        while self.work.spent() < until {
            self.work.spend(1);
            if let Some(number) = job.routes.pop() {
                self.orphan(job.client, number);
                continue;
            }
            let Some(client) = self.clients.get_mut(job.client) else {
                return Progress::Done;
            };
            if let Some(fetcher) = client.pop_fetcher() {
                self.end_fetcher(fetcher);
            } else if let Some((_, element)) = client.elements.pop_first() {
                self.take_off(element);
            } else {
                self.clients.end_leaving(job.client);
                return Progress::Done;
            }
        }
        Progress::Unfinished
    }

    /// Takes an element off the bus and reports that to its fetchers.
    pub(super) fn take_off(&mut self, key: ElementKey) {
        self.publish(key, Event::Remove);
        self.forget_element(key);
        if let Some(element) = self.elements.remove(key) {
            self.sets.release(element.set);
            if let Some(owner) = self.clients.get_mut(element.owner) {
                owner.elements.remove(&element.serial);
            }
        }
        for path in std::mem::take(&mut self.orphaned) {
            self.look_at_dependents(&path);
        }
    }
}
