//! [`Leave`]: the end of a connection. Its fetches, its elements and the requests it has not answered are removed in
//! slices.
//!
//! Its elements count as removed from the start: they cannot be set, called or newly fetched, and another connection
//! may add their paths.

use super::keys::{ClientKey, FetcherKey};
use super::routing::Router;
use super::work::Progress;

/// The job that ends a connection.
#[derive(Debug)]
pub struct Leave {
    client: ClientKey,
    /// The numbers of the requests it has not answered, latest first.
    routes: Vec<u64>,
}

impl Leave {
    /// Creates the job. `routes` are the numbers of the requests it has not answered, latest first.
    pub fn new(client: ClientKey, routes: Vec<u64>) -> Leave {
        Leave { client, routes }
    }

    /// Continues until that many units are spent.
    pub fn run(&mut self, router: &mut Router, until: u64) -> Progress {
        while router.live.units.spent() < until {
            router.live.units.spend(1);
            if let Some(number) = self.routes.pop() {
                router.orphan(self.client, number);
            } else if let Some(fetcher) = self.next_fetcher(router) {
                router.live.end_fetcher(fetcher);
            } else if let Some(element) = router.live.elements.oldest_of(self.client) {
                router.live.take_off(element);
            } else {
                if router.live.clients.end_leaving(self.client) {
                    router.live.fetchers.forget_client(self.client);
                    router.routes.forget_client(self.client);
                }
                return Progress::Done;
            }
        }
        Progress::Unfinished
    }

    /// Takes one of its fetches. A fetch that has just started is ended by its own job.
    fn next_fetcher(&self, router: &mut Router) -> Option<FetcherKey> {
        if router.live.clients.is_busy(self.client) {
            return None;
        }
        router.live.fetchers.take_any(self.client)
    }
}
