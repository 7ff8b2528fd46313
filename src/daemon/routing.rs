//! Set and call: from the requester to the owner of a path and back.

use std::time::{Duration, Instant};

use crate::json::{Kind, Raw, write};
use crate::wire::error::{self, CONNECTION_CLOSED, INTERNAL_ERROR, INVALID_PARAMS};
use crate::wire::latin1::shown;
use crate::wire::message::Message;

use super::bus::{Bus, Level};
use super::client::Route;
use super::clients::{Outcome, TOO_LONG, into_text};
use super::keys::ClientKey;
use super::services::{Params, members, path_of, timeout_of};
use super::work::SLICE;

/// Seconds an owner has to answer if nobody said otherwise.
pub const DEFAULT_TIMEOUT: f64 = 5.0;

/// Waiting longer than a year is waiting for ever; it keeps the arithmetic of time from overflowing.
const LONGEST_TIMEOUT: f64 = 365.0 * 24.0 * 3600.0;

/// The id, as JSON text, of requests that have to have one although nobody waits for an answer.
const UNASKED_ID: &str = "\"n\"";

/// What is done with the owner's element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Set,
    Call,
}

impl Bus {
    /// Forwards a set or call to the owner of its path.
    pub(super) fn route(
        &mut self,
        requester: ClientKey,
        id: Option<Raw>,
        params: Params,
        action: Action,
        now: Instant,
    ) -> Result<Outcome, Outcome> {
        let [path, timeout, value, value_as_result, args] =
            members(params, ["path", "timeout", "value", "valueAsResult", "args"]);
        let path = path_of(path, params)?;
        let asked_timeout = timeout_of(timeout, params)?;
        // A call that carries a value has always been forwarded as a set is.
        let as_set = action == Action::Set || value.is_some();
        let found = self.elements.find(&path).and_then(|key| self.elements.get(key));
        let Some(element) = found else {
            return Err(Outcome::refused("pathNotExists", &path));
        };
        // Who may not use it learns no more about it.
        if !self.may(requester, element, element.use_permission()) {
            return Err(Outcome::refused("noAccess", &path));
        }
        if element.is_state != (action == Action::Set) {
            return Err(Outcome::refused("wrongKind", &path));
        }
        if element.fetch_only {
            return Err(Outcome::refused("fetchOnly", &path));
        }
        let owner = element.owner;
        if self.clients.is_leaving(owner) {
            let mut data = Vec::new();
            error::tag(&mut data, "ownerGone", &path);
            return Err(Outcome::Refused(CONNECTION_CLOSED, Some(into_text(data))));
        }
        let seconds = asked_timeout.or(element.timeout).unwrap_or(self.clients.config.timeout);
        let number = match id {
            Some(id) => {
                let due = now + Duration::from_secs_f64(seconds.clamp(0.0, LONGEST_TIMEOUT));
                Some(self.begin_route((requester, owner), id, &path, params, (action, due))?)
            }
            None => None,
        };
        let by_service = self.clients.kind(owner).is_asked_by_service();
        let sent = self.clients.send(owner, |out| match by_service {
            true => service_request(out, number, params, action),
            false if as_set => {
                routed_request(out, number, &path, |out| set_params(out, value, value_as_result))
            }
            false => routed_request(out, number, &path, |out| {
                out.extend_from_slice(args.map_or("{}", Raw::text).as_bytes());
            }),
        });
        if !sent {
            number.and_then(|number| self.end_route(owner, number));
            return Err(Outcome::Refused(INTERNAL_ERROR, Some(TOO_LONG.to_owned())));
        }
        Ok(Outcome::Answered)
    }

    /// Notes a request that the owner has to answer.
    fn begin_route(
        &mut self,
        (requester, owner): (ClientKey, ClientKey),
        id: Raw,
        path: &str,
        params: Params,
        (action, due): (Action, Instant),
    ) -> Result<u64, Outcome> {
        let limit = self.clients.config.max_requests;
        let asking = self.clients.get_mut(requester);
        if asking.as_ref().is_some_and(|client| client.asked >= limit) {
            let data = format!("\"more than {limit} requests are open\"");
            return Err(Outcome::Refused(INTERNAL_ERROR, Some(data)));
        }
        if let Some(client) = asking {
            client.asked += 1;
        }
        self.last_route += 1;
        let number = self.last_route;
        let route = Route {
            requester,
            id: id.text().into(),
            is_set: action == Action::Set,
            path: path.into(),
            params: params.map_or("{}", Raw::text).into(),
            due,
        };
        if let Some(owner) = self.clients.get_mut(owner) {
            owner.routes.insert(number, route);
        }
        self.open_routes += 1;
        let clients = &self.clients;
        self.deadlines.set(due, (owner, number), self.open_routes, |(owner, number)| {
            clients.get(*owner).is_some_and(|owner| owner.routes.contains_key(number))
        });
        Ok(number)
    }

    /// Takes back what [`begin_route`](Self::begin_route) noted, if `from` owes it.
    fn end_route(&mut self, from: ClientKey, number: u64) -> Option<Route> {
        let route = self.clients.get_mut(from)?.routes.remove(&number)?;
        self.open_routes -= 1;
        if let Some(requester) = self.clients.get_mut(route.requester) {
            requester.asked -= 1;
        }
        Some(route)
    }

    /// Takes the answer of an owner to its requester: the whole message with the requester's id.
    pub(super) fn answered(&mut self, from: ClientKey, raw: Raw, message: &Message) {
        if message.id.is_some_and(|id| id.text() == UNASKED_ID) {
            return;
        }
        let number = message.id.and_then(Raw::as_str).and_then(|id| route_number(&id));
        let Some(route) = number.and_then(|number| self.end_route(from, number)) else {
            let id = message.id.map_or("none", Raw::text);
            let text = format!(
                "{} answers what it was not asked, or too late: id {}",
                self.clients.title(from),
                shown(id)
            );
            return self.clients.log_about(Some(from), Level::Info, text);
        };
        let id = route.id;
        let wants_object = route.is_set && self.clients.kind(route.requester).wants_objects_from_set();
        let no_error = message.error.is_some_and(Raw::is_null);
        let sent = self.clients.send(route.requester, |out| {
            out.extend_from_slice(b"{\"id\":");
            out.extend_from_slice(id.as_bytes());
            // Some write `error: null` beside a result, and some take any `error` for one.
            let is_empty_error = |key: &str| key == "error" && message.result.is_some() && no_error;
            for (key, value) in raw.members().filter(|(key, _)| key != "id" && !is_empty_error(key)) {
                out.push(b',');
                write::string(out, &key);
                out.push(b':');
                forwarded_member(out, &key, value, wants_object);
            }
            out.push(b'}');
        });
        if !sent {
            self.clients.refuse(route.requester, Some(&id), INTERNAL_ERROR, Some(TOO_LONG));
        }
    }

    /// Answers in the stead of owners whose time is up. Where these are many, some stay due.
    pub(super) fn expire(&mut self, now: Instant) {
        let until = self.work.spent() + SLICE;
        while self.work.spent() < until {
            let Some((owner, number)) = self.deadlines.pop_due(now) else {
                return;
            };
            self.work.spend(4);
            if let Some(route) = self.end_route(owner, number) {
                let code = self.clients.kind(route.requester).timeout_error();
                self.fail(&route, code, &route.params);
            }
        }
    }

    /// Answers a request in the stead of its owner, which is gone.
    pub(super) fn orphan(&mut self, owner: ClientKey, number: u64) {
        let Some(route) = self.end_route(owner, number) else {
            return;
        };
        self.work.spend(4);
        let mut data = Vec::new();
        error::tag(&mut data, "ownerGone", &route.path);
        self.fail(&route, CONNECTION_CLOSED, &into_text(data));
    }

    fn fail(&mut self, route: &Route, code: error::Code, data: &str) {
        self.clients.refuse(route.requester, Some(&route.id), code, Some(data));
    }
}

/// The number in the id of a routed request.
fn route_number(id: &str) -> Option<u64> {
    id.strip_prefix('r')?.parse().ok()
}

/// Appends the request as the owner gets it: the path is the method.
fn routed_request(out: &mut Vec<u8>, number: Option<u64>, path: &str, params: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'{');
    if let Some(number) = number {
        out.extend_from_slice(b"\"id\":\"r");
        write::integer(out, number as i64);
        out.extend_from_slice(b"\",");
    }
    out.extend_from_slice(b"\"method\":");
    write::string(out, path);
    out.extend_from_slice(b",\"params\":");
    params(out);
    out.push(b'}');
}

/// Appends the params of a set: the value in an object, which is empty if there is none.
fn set_params(out: &mut Vec<u8>, value: Option<Raw>, value_as_result: Option<Raw>) {
    out.push(b'{');
    for (key, member) in [("value", value), ("valueAsResult", value_as_result)] {
        if let Some(member) = member {
            if !out.ends_with(b"{") {
                out.push(b',');
            }
            write::string(out, key);
            out.push(b':');
            out.extend_from_slice(member.text().as_bytes());
        }
    }
    out.push(b'}');
}

/// Appends the request as owners of node-jet 3 get it: the method is the service, the params are
/// those of the requester. They answer without an id only to say that they cannot read it, so
/// there always is one.
fn service_request(out: &mut Vec<u8>, number: Option<u64>, params: Params, action: Action) {
    out.extend_from_slice(b"{\"id\":");
    match number {
        Some(number) => out.extend_from_slice(format!("\"r{number}\"").as_bytes()),
        None => out.extend_from_slice(UNASKED_ID.as_bytes()),
    }
    out.extend_from_slice(match action {
        Action::Set => &b",\"method\":\"set\",\"params\":"[..],
        Action::Call => b",\"method\":\"call\",\"params\":",
    });
    out.extend_from_slice(params.map_or("{}", Raw::text).as_bytes());
    out.push(b'}');
}

/// Appends a member of an owner's answer. An error that is no object becomes one: requesters
/// look for its code.
fn forwarded_member(out: &mut Vec<u8>, key: &str, value: Raw, wants_object: bool) {
    if key == "error" && value.kind() != Kind::Object {
        return error::object(out, INTERNAL_ERROR, Some(value));
    }
    if key == "result" && wants_object && value.kind() != Kind::Object {
        return out.extend_from_slice(b"{}");
    }
    out.extend_from_slice(value.text().as_bytes());
}

impl Bus {
    /// A message with the id of a routed request and neither result nor error: whoever sent it
    /// has nothing to say, so the requester need not wait.
    pub(super) fn answered_nothing(&mut self, from: ClientKey, id: Raw) {
        let number = id.as_str().and_then(|id| route_number(&id));
        if let Some(route) = number.and_then(|number| self.end_route(from, number)) {
            let data = "\"the owner answered neither result nor error\"";
            self.fail(&route, INTERNAL_ERROR, data);
        }
    }
}

/// Params that are no object cannot name a path.
pub(super) fn require_object(params: Params) -> Result<Raw, Outcome> {
    match params {
        Some(params) if params.kind() == Kind::Object => Ok(params),
        _ => {
            let got = params.map_or("null", Raw::text);
            let data = format!("{{\"wrongType\":\"params\",\"got\":{got}}}");
            Err(Outcome::Refused(INVALID_PARAMS, Some(data)))
        }
    }
}
