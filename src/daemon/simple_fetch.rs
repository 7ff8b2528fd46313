//! The "simple" fetch mode of node-jet's daemon: each peer has one fetch of everything it may see.
//!
//! `fetch` ignores its params and is answered with the string `fetch_all`, which is the method of all
//! notifications. A second fetch is refused until `unfetch`. Peers filter and sort by themselves.

use std::time::Instant;

use crate::json::Raw;
use crate::rules::Expression;
use crate::wire::error::INVALID_PARAMS;

use super::bus::Bus;
use super::clients::Outcome;
use super::fetchers::Fetcher;
use super::keys::ClientKey;
use super::scan::FirstLook;
use super::work::Job;

/// The id of the only fetch, as JSON text.
const FETCH_ALL: &str = "\"fetch_all\"";

impl Bus {
    /// Begins the fetch of everything.
    pub(super) fn fetch_simple(
        &mut self,
        client: ClientKey,
        id: Option<Raw>,
        now: Instant,
    ) -> Result<Outcome, Outcome> {
        if self.clients.get(client).is_some_and(|client| client.fetchers.contains_key(FETCH_ALL)) {
            return Err(refused("already fetching"));
        }
        let everything = Expression::default();
        let cursor = self.elements.cursor(everything.path_hint());
        let fetcher = self.fetchers.insert(Fetcher::new(client, FETCH_ALL, everything, false));
        let look = FirstLook::new(client, fetcher, FETCH_ALL.into(), id.map(Raw::text), cursor);
        // The answer tells under which method the adds come.
        Ok(self.begin_scan(client, Job::FirstLook(look.answered_with(FETCH_ALL)), now))
    }

    /// Ends the fetch of everything.
    pub(super) fn unfetch_simple(&mut self, client: ClientKey) -> Result<Outcome, Outcome> {
        let known = self.clients.get_mut(client).and_then(|client| client.fetchers.remove(FETCH_ALL));
        let key = known.ok_or_else(|| refused("not fetching"))?;
        self.end_fetcher(key);
        Ok(Outcome::Done)
    }
}

fn refused(reason: &str) -> Outcome {
    Outcome::Refused(INVALID_PARAMS, Some(format!("\"{reason}\"")))
}
