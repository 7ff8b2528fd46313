//! The "simple" fetch mode of node-jet's daemon: each peer has one fetch of everything it may see.
//!
//! `fetch` ignores its params and is answered with the string `fetch_all`, which is the method of all
//! notifications. A second fetch is refused until `unfetch`. Peers filter and sort by themselves.

use crate::json::Raw;
use crate::protocol::error::INVALID_PARAMS;
use crate::rules::Expression;

use super::bus::Bus;
use super::client::ClientKey;
use super::fetchers::Fetcher;
use super::reply::Outcome;

/// The id of the only fetch, as JSON text.
const FETCH_ALL: &str = "\"fetch_all\"";

impl Bus {
    /// Begins the fetch of everything.
    pub(super) fn fetch_simple(&mut self, client: ClientKey, id: Option<Raw>) -> Result<Outcome, Outcome> {
        if self.clients.get(client).is_some_and(|client| client.fetchers.contains_key(FETCH_ALL)) {
            return Err(refused("already fetching"));
        }
        let everything = Expression::default();
        let key = self.fetchers.insert(Fetcher::new(client, FETCH_ALL, everything, false));
        if let Some(client) = self.clients.get_mut(client) {
            client.fetchers.insert(FETCH_ALL.into(), key);
        }
        // The answer comes first, as it tells under which method the adds come.
        self.clients.reply(client, id, &Outcome::Value(FETCH_ALL.to_owned()));
        self.publish_all(key);
        Ok(Outcome::Answered)
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
