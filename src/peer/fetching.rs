//! The fetchers of a peer: from the program's expression to a message, and back to nothing. What
//! comes of a fetch is in `notifications`.
//!
//! A fetch id on the wire is `__f__<number>`; on daemons that keep the fetches of all peers in
//! one table the peer's own mark is in between. Paths of elements live in another table, so an
//! element may be called `__f__0`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use crate::json::{Raw, write};

use super::early::Asked;
use super::engine::Engine;
use super::event::Event;
use super::messages::write_members;
use super::outgoing::{Failure, RequestOptions, Sent};
use super::requests::Purpose;
use crate::peer::compat::daemon_kind::Dialect;
use crate::peer::compat::errors;
use crate::peer::compat::fetch_plan;
use crate::peer::compat::local_fetch::LocalFetch;

const PREFIX: &str = "__f__";

/// How long the answer that tells that all initial adds have come may take. All known daemons
/// answer at once; of one that does not the program sees what has come until then.
const SETTLING_PATIENCE: Duration = Duration::from_secs(2);

/// A fetch that the daemon knows of, or will.
#[derive(Debug)]
pub(super) struct Fetcher {
    pub expression: Box<str>,
    /// Counts how often the fetch was sent, so that the end of an earlier round is told apart.
    pub round: u32,
    /// What came before the response to the fetch; none once that has come.
    pub held: Option<Vec<Event<'static>>>,
    /// Rules that this daemon lacks.
    pub local: Option<LocalFetch>,
    /// Whether the program asked for an order.
    pub sorted: bool,
    /// Whether news of the shared fetch are for this one; see `shared`.
    pub joined: bool,
    /// Why this peer refuses the fetch, as an error object.
    pub refused: Option<String>,
}

/// The fetchers of one peer by number.
#[derive(Debug)]
pub(super) struct Fetchers {
    active: HashMap<u32, Fetcher>,
    /// Ends of fetches that the daemon has not answered yet, by number. What it sends for the number before
    /// the answer belongs to the fetch that was ended.
    ending: HashMap<u32, u32>,
    next: u32,
    rounds: u32,
    mark: String,
}

impl Fetchers {
    pub(super) fn new(instance: u64) -> Fetchers {
        let mark = format!("{PREFIX}{instance:x}_");
        Fetchers { active: HashMap::new(), ending: HashMap::new(), next: 0, rounds: 0, mark }
    }

    pub(super) fn clear(&mut self) {
        self.active.clear();
        self.ending.clear();
    }

    /// Returns whether a notification for this number can only be of a fetch that was ended.
    pub(super) fn is_late(&self, number: u32) -> bool {
        self.ending.contains_key(&number) || (number < self.next && !self.active.contains_key(&number))
    }

    /// The daemon has answered the end of a fetch.
    pub(super) fn ended(&mut self, number: u32) {
        if let Entry::Occupied(mut open) = self.ending.entry(number) {
            *open.get_mut() -= 1;
            if *open.get() == 0 {
                open.remove();
            }
        }
    }

    /// The daemon has answered a fetch, and so whatever was asked before.
    pub(super) fn begun(&mut self, number: u32) {
        self.ending.remove(&number);
    }

    /// The fetcher of that number, if it is active.
    pub(super) fn get(&mut self, number: u32) -> Option<&mut Fetcher> {
        self.active.get_mut(&number)
    }

    /// The fetcher of that number, if it is active and was not sent again since that round.
    pub(super) fn in_round(&mut self, number: u32, round: u32) -> Option<&mut Fetcher> {
        self.active.get_mut(&number).filter(|fetcher| fetcher.round == round)
    }

    /// Forgets a fetcher unless it was sent again since that round.
    pub(super) fn end(&mut self, number: u32, round: u32) {
        if self.in_round(number, round).is_some() {
            self.active.remove(&number);
        }
    }

    /// The id of the one fetch that all fetchers share on some daemons.
    pub(super) fn shared_id(&self) -> String {
        format!("{}all", self.mark)
    }

    /// The fetchers that hear of what the shared fetch brings.
    pub(super) fn joined(&mut self) -> impl Iterator<Item = (u32, &mut LocalFetch)> {
        let joined = self.active.iter_mut().filter(|(_, fetcher)| fetcher.joined);
        joined.filter_map(|(number, fetcher)| Some((*number, fetcher.local.as_mut()?)))
    }

    fn wire_id(&self, number: u32, dialect: Dialect) -> String {
        if dialect.shares_fetch_ids() {
            format!("{}{number}", self.mark)
        } else {
            format!("{PREFIX}{number}")
        }
    }

    /// The number of a fetcher from its id on the wire.
    pub(super) fn number_of(&self, wire_id: &str) -> Option<u32> {
        let rest = wire_id.strip_prefix(self.mark.as_str()).or_else(|| wire_id.strip_prefix(PREFIX));
        rest?.parse().ok()
    }
}

impl Engine {
    /// Starts a fetch, or an earlier one (`number`) again. `expression` is a JSON object.
    /// Returns the number that its events carry, and the id of the request.
    ///
    /// # Errors
    /// [`Failure`]; the fetch is not active then.
    pub fn fetch(
        &mut self,
        number: Option<u32>,
        expression: Raw,
        options: RequestOptions,
    ) -> Result<(u32, Option<u32>), Failure> {
        self.check_limits(options.respond)?;
        let fetchers = &mut self.fetchers;
        let number = number.unwrap_or(fetchers.next);
        fetchers.next = fetchers.next.max(number.saturating_add(1));
        fetchers.rounds = fetchers.rounds.wrapping_add(1);
        let round = fetchers.rounds;
        let held = options.respond.then(Vec::new);
        let sorted = expression.get("sort").is_some_and(|sort| sort.as_bool() != Some(false));
        let expression = expression.text();
        let fetcher = Fetcher {
            expression: expression.into(),
            round,
            held,
            local: None,
            sorted,
            joined: false,
            refused: None,
        };
        let again = fetchers.active.insert(number, fetcher).is_some();
        let id = options.respond.then(|| self.requests.begin(Purpose::Fetch(number, round)));
        if !self.knows_daemon() {
            self.early.wait(Asked::Fetch(number, round), expression.len(), id, options);
            return Ok((number, id));
        }
        if again && self.dialect.doubles_fetch_ids() && self.shared.is_none() {
            self.write_unfetch(number, None, RequestOptions::default())?;
        }
        self.write_fetch(number, id, options)?;
        Ok((number, id))
    }

    /// Ends a fetch. Its events end now, whether a response is wanted or not. Ending it twice succeeds.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn unfetch(&mut self, number: u32, options: RequestOptions) -> Sent {
        self.check_limits(options.respond)?;
        let was_active = self.fetchers.active.remove(&number).is_some();
        let id = options.respond.then(|| self.requests.begin(Purpose::Unfetch(number, was_active)));
        if !self.knows_daemon() {
            self.early.wait(Asked::Unfetch, 0, id, options);
            return Ok(id);
        }
        if id.is_some() && self.shared.is_none() {
            *self.fetchers.ending.entry(number).or_default() += 1;
        }
        self.write_unfetch(number, id, options)?;
        Ok(id)
    }

    /// Writes the end of a fetch.
    fn write_unfetch(
        &mut self,
        number: u32,
        id: Option<u32>,
        options: RequestOptions,
    ) -> Result<(), Failure> {
        if self.shared.is_some() {
            return id.map_or(Ok(()), |id| self.ask_anything(id));
        }
        let wire_id = self.fetchers.wire_id(number, self.dialect);
        let options = self.dialect.adapted_to_fetch(options);
        self.write(id, "unfetch", options, |out| write_id(out, &wire_id))
    }

    /// Writes the request of a fetcher, now that the daemon is known. If that fails, neither
    /// fetch nor request is open any more.
    pub(super) fn write_fetch(
        &mut self,
        number: u32,
        id: Option<u32>,
        options: RequestOptions,
    ) -> Result<(), Failure> {
        let written = self.try_write_fetch(number, id, options);
        if written.is_err() {
            self.fetchers.active.remove(&number);
            id.map(|id| self.requests.end(id));
        }
        written
    }

    fn try_write_fetch(
        &mut self,
        number: u32,
        id: Option<u32>,
        options: RequestOptions,
    ) -> Result<(), Failure> {
        let wire_id = self.fetchers.wire_id(number, self.dialect);
        let Some(fetcher) = self.fetchers.active.get_mut(&number) else {
            return Ok(());
        };
        let (round, expression) = (fetcher.round, Raw::trusted(&fetcher.expression));
        let plan = match fetch_plan::make(self.dialect, self.shared.is_some(), expression) {
            Ok(plan) => plan,
            Err(reason) => {
                // It is answered in its turn, as our own daemon would answer.
                fetcher.refused = Some(errors::refused_fetch(expression, &reason));
                let id = id.unwrap_or_else(|| self.requests.begin(Purpose::Settled(number, round)));
                return self.ask_anything(id);
            }
        };
        let wire = plan.wire.unwrap_or_else(|| expression.text().to_owned());
        let settles = plan.local.as_ref().is_some_and(LocalFetch::waits);
        fetcher.local = plan.local;
        if self.shared.is_some() {
            return self.join_shared(number, round, id);
        }
        let options = self.dialect.adapted_to_fetch(options);
        self.write(id, "fetch", options, |out| {
            write_id(out, &wire_id);
            write_members(out, Raw::trusted(&wire).members().filter(|(key, _)| key != "id"), options);
        })?;
        if settles {
            // The answer to any request behind the fetch tells that all initial adds have come.
            let id = self.requests.begin(Purpose::Settled(number, round));
            self.requests.limit(id, SETTLING_PATIENCE);
            self.ask_anything(id)?;
        }
        Ok(())
    }

    /// What the program hears of something that could not be sent after all.
    pub(super) fn failed(&mut self, id: Option<u32>, failure: &Failure) -> Event<'static> {
        let Some(id) = id else {
            return Event::Note(failure.to_string());
        };
        self.requests.end(id);
        Event::Response { id, outcome: Err(Cow::Owned(errors::refused(&failure.to_string()))) }
    }
}

fn write_id(out: &mut Vec<u8>, wire_id: &str) {
    out.extend_from_slice(b"\"id\":");
    write::string(out, wire_id);
    out.push(b',');
}
