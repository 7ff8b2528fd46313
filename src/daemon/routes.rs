//! [`Routes`]: the requests that were forwarded to owners and not answered, with their deadlines.

use std::collections::HashMap;
use std::time::Instant;

use slotmap::SecondaryMap;

use crate::util::deadlines::Deadlines;

use super::keys::ClientKey;

/// A request that was forwarded to the owner of its path.
#[derive(Debug)]
pub struct Route {
    /// The connection that sent the request.
    pub requester: ClientKey,
    /// The id of the request, as JSON text.
    pub id: Box<str>,
    /// Whether it is a set. Otherwise it is a call.
    pub is_set: bool,
    /// The path, for the error if the owner leaves.
    pub path: Box<str>,
    /// The params of the request, for the error if the owner does not answer in time.
    pub params: Box<str>,
}

/// The requests of one connection.
#[derive(Debug, Default)]
struct Side {
    /// The requests that the connection has to answer, by the number in their ids.
    owed: HashMap<u64, Route>,
    /// The number of its own requests that others have to answer.
    asked: usize,
}

/// All routes.
#[derive(Debug, Default)]
pub struct Routes {
    sides: SecondaryMap<ClientKey, Side>,
    deadlines: Deadlines<(ClientKey, u64)>,
    open: usize,
    last: u64,
}

impl Routes {
    /// Adds a route to an owner that has to answer until `due`. Returns its number, or `None` if the requester has
    /// `limit` open requests.
    pub fn begin(&mut self, owner: ClientKey, route: Route, due: Instant, limit: usize) -> Option<u64> {
        let asking = self.sides.entry(route.requester)?.or_default();
        if asking.asked >= limit {
            return None;
        }
        asking.asked += 1;
        self.last += 1;
        let number = self.last;
        self.sides.entry(owner)?.or_default().owed.insert(number, route);
        self.open += 1;
        let sides = &self.sides;
        self.deadlines.set(due, (owner, number), self.open, |(owner, number)| {
            sides.get(*owner).is_some_and(|side| side.owed.contains_key(number))
        });
        Some(number)
    }

    /// Removes and returns the route with that number, if this owner has to answer it.
    pub fn end(&mut self, owner: ClientKey, number: u64) -> Option<Route> {
        let route = self.sides.get_mut(owner)?.owed.remove(&number)?;
        self.open -= 1;
        if let Some(requester) = self.sides.get_mut(route.requester) {
            requester.asked -= 1;
        }
        Some(route)
    }

    /// Removes and returns a route that is due.
    pub fn end_due(&mut self, now: Instant) -> Option<Option<Route>> {
        let (owner, number) = self.deadlines.pop_due(now)?;
        Some(self.end(owner, number))
    }

    /// Returns the next deadline.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Returns the numbers of the routes that an owner has to answer, latest first.
    pub fn owed_by(&self, owner: ClientKey) -> Vec<u64> {
        let side = self.sides.get(owner);
        let mut numbers: Vec<u64> = side.into_iter().flat_map(|side| side.owed.keys().copied()).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        numbers
    }

    /// Returns `true` if others have to answer requests of a connection.
    pub fn is_owed(&self, requester: ClientKey) -> bool {
        self.sides.get(requester).is_some_and(|side| side.asked > 0)
    }

    /// Forgets a connection that is gone. The routes of its own requests remain until they are answered.
    pub fn forget_client(&mut self, client: ClientKey) {
        self.sides.remove(client);
    }

    /// Returns the number of routes.
    pub fn count(&self) -> usize {
        self.open
    }
}
