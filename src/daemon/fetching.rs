//! The services about what others have added: fetch, unfetch, get.

use std::time::Instant;

use crate::json::{Raw, write};
use crate::rules::Expression;
use crate::wire::error::{INTERNAL_ERROR, INVALID_PARAMS};
use crate::wire::latin1::shown;

use super::bus::{Bus, Level};
use super::clients::{Outcome, into_text};
use super::fetchers::Fetcher;
use super::keys::ClientKey;
use super::routing::require_object;
use super::scan::{FirstLook, Get};
use super::services::{Params, missing};
use super::work::Job;

impl Bus {
    /// Begins a live query.
    pub(super) fn fetch(
        &mut self,
        client: ClientKey,
        id: Option<Raw>,
        params: Params,
        now: Instant,
    ) -> Result<Outcome, Outcome> {
        let params = require_object(params)?;
        let Some(fetch_id) = params.get("id").filter(|id| !id.is_null()) else {
            return Err(missing("id", Some(params)));
        };
        let expression = self.expression(client, params)?;
        self.check_weight(client, &expression)?;
        self.work.spend(expression.words() as u64);
        let cursor = self.elements.cursor(expression.path_hint());
        let sorts = self.clients.kind(client).sorts();
        let fetcher = self.fetchers.insert(Fetcher::new(client, fetch_id.text(), expression, sorts));
        let request = id.map(Raw::text);
        let job = FirstLook::new(client, fetcher, fetch_key(fetch_id), request, cursor);
        Ok(self.begin_scan(client, Job::FirstLook(job), now))
    }

    /// Begins a job for which the messages of a connection wait.
    pub(super) fn begin_scan(&mut self, client: ClientKey, job: Job, now: Instant) -> Outcome {
        if !self.begin_work(job, now) {
            self.hold_messages(client);
        }
        Outcome::Answered
    }

    /// Refuses a fetch with which a connection would have more fetches than it may.
    fn check_weight(&self, client: ClientKey, expression: &Expression) -> Result<(), Outcome> {
        let limit = self.config().max_fetches;
        let weight = self.clients.get(client).map_or(0, |client| client.fetch_weight);
        if weight + expression.weight() <= limit {
            return Ok(());
        }
        let reason = format!(
            "a connection may fetch {limit} times; each pattern counts as 100 times, each value rule as 10"
        );
        Err(Outcome::refused("tooManyFetches", &reason))
    }

    /// Reads a fetch expression; what is odd about it is logged.
    fn expression(&mut self, client: ClientKey, params: Raw) -> Result<Expression, Outcome> {
        let mut warnings = Vec::new();
        let expression = Expression::parse(params, &mut warnings);
        for warning in warnings {
            let text = format!("fetch of {}: {}", self.clients.title(client), shown(&warning));
            self.clients.log_about(Some(client), Level::Info, text);
        }
        expression.map_err(|reason| {
            let mut data = Vec::from(&b"{\"fetchParams\":"[..]);
            data.extend_from_slice(params.text().as_bytes());
            data.extend_from_slice(b",\"reason\":");
            write::string(&mut data, &reason);
            data.push(b'}');
            Outcome::Refused(INVALID_PARAMS, Some(into_text(data)))
        })
    }

    /// Ends a live query.
    pub(super) fn unfetch(&mut self, client: ClientKey, params: Params) -> Result<Outcome, Outcome> {
        let params = require_object(params)?;
        let Some(fetch_id) = params.get("id") else {
            return Err(missing("id", Some(params)));
        };
        let known =
            self.clients.get_mut(client).and_then(|client| client.fetchers.remove(&fetch_key(fetch_id)));
        let Some(key) = known else {
            let data = "\"unfetch of an unknown id\"".to_owned();
            return Err(Outcome::Refused(INTERNAL_ERROR, Some(data)));
        };
        self.end_fetcher(key);
        Ok(Outcome::Done)
    }

    /// All that matches now, as an array of what notifications would say.
    pub(super) fn get(
        &mut self,
        client: ClientKey,
        id: Option<Raw>,
        params: Params,
        now: Instant,
    ) -> Result<Outcome, Outcome> {
        let params = params.filter(|params| !params.is_null()).unwrap_or(Raw::trusted("{}"));
        let expression = self.expression(client, params)?;
        let cursor = self.elements.cursor(expression.path_hint());
        let packs = self.clients.packs(client);
        let job = Get::new(client, id.map(Raw::text), expression, cursor, packs);
        Ok(self.begin_scan(client, Job::Get(Box::new(job)), now))
    }
}

/// What fetch ids are compared by: the same string or number is the same id however it is spelled.
fn fetch_key(id: Raw<'_>) -> Box<str> {
    let mut key = Vec::new();
    match (id.as_str(), id.as_f64()) {
        (Some(text), _) => write::string(&mut key, &text),
        // As an integer where the text is one, so that large ones stay apart.
        (None, Some(number)) if id.text().contains(['.', 'e', 'E']) => {
            write::whole_or_float(&mut key, number)
        }
        _ => return id.text().into(),
    }
    into_text(key).into()
}
