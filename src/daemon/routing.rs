//! [`Router`]: forwards sets and calls to the owners of their paths, and the answers back.

use std::time::{Duration, Instant};

use crate::json::{Kind, Raw, append, to_text, write};
use crate::wire::error::{CONNECTION_CLOSED, Code, INTERNAL_ERROR, Tag};
use crate::wire::latin1::shown;
use crate::wire::message::{self, Message, write_routed_request};

use super::keys::ClientKey;
use super::live::Live;
use super::log::Level;
use super::params::{Params, members, path_of, timeout_of};
use super::reply::{Outcome, Refusal, Reply};
use super::request::Request;
use super::routes::{Route, Routes};
use super::work::SLICE;

/// Maximum timeout, which is a year. Longer ones could exceed the range of the clock.
const LONGEST_TIMEOUT: f64 = 365.0 * 24.0 * 3600.0;

/// The id of forwarded requests that need one although no response is expected, as JSON text.
const UNASKED_ID: &str = "\"n\"";

/// The service that is forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `set`
    Set,
    /// `call`
    Call,
}

/// Forwards requests and responses.
#[derive(Debug)]
pub struct Router<'a> {
    /// The connections, elements and fetchers.
    pub live: &'a mut Live,
    /// The open requests.
    pub routes: &'a mut Routes,
}

impl Router<'_> {
    /// Forwards a set or call to the owner of its path.
    pub fn forward(&mut self, request: Request, action: Action) -> Reply {
        let params = request.params;
        let [path, timeout, value, value_as_result, args] =
            members(params, ["path", "timeout", "value", "valueAsResult", "args"]);
        let path = path_of(path, params)?;
        let asked_timeout = timeout_of(timeout, params)?;
        let (owner, timeout) = self.find_owner(request.client, &path, action)?;
        let seconds = asked_timeout.or(timeout).unwrap_or(self.live.clients.config().timeout);
        let due = request.now + Duration::from_secs_f64(seconds.clamp(0.0, LONGEST_TIMEOUT));
        let number = self.begin_route(&request, owner, &path, action, due)?;
        // A call with a value has always been forwarded like a set.
        let as_set = action == Action::Set || value.is_some();
        let by_service = self.live.clients.kind(owner).is_asked_by_service();
        let sent = self.live.clients.send(owner, |out| {
            if by_service {
                return write_service_request(out, number, params, action);
            }
            write_routed_request(out, number, &path, |out| match as_set {
                true => write_set_params(out, value, value_as_result),
                false => out.extend_from_slice(args.map_or("{}", Raw::text).as_bytes()),
            });
        });
        if !sent {
            number.and_then(|number| self.routes.end(owner, number));
            return Err(Refusal::too_long());
        }
        Ok(Outcome::Answered)
    }

    /// Returns the owner of a path that a client may set or call, and the timeout of the element.
    fn find_owner(
        &self,
        client: ClientKey,
        path: &str,
        action: Action,
    ) -> Result<(ClientKey, Option<f64>), Refusal> {
        let Some(element) = self.live.elements.at(path) else {
            return Err(Refusal::params("pathNotExists", path));
        };
        // A client that may not use the element learns nothing more about it.
        if !self.live.may(client, element, element.use_permission()) {
            return Err(Refusal::params("noAccess", path));
        }
        if element.is_state != (action == Action::Set) {
            return Err(Refusal::params("wrongKind", path));
        }
        if element.fetch_only {
            return Err(Refusal::params("fetchOnly", path));
        }
        if self.live.clients.is_leaving(element.owner) {
            return Err(Refusal::with(CONNECTION_CLOSED, &Tag("ownerGone", path)));
        }
        Ok((element.owner, element.timeout))
    }

    /// Adds a route if the request wants a response. Returns its number.
    fn begin_route(
        &mut self,
        request: &Request,
        owner: ClientKey,
        path: &str,
        action: Action,
        due: Instant,
    ) -> Result<Option<u64>, Refusal> {
        let Some(id) = request.id else {
            return Ok(None);
        };
        let route = Route {
            requester: request.client,
            id: id.text().into(),
            is_set: action == Action::Set,
            path: path.into(),
            params: request.params.map_or("{}", Raw::text).into(),
        };
        let limit = self.live.clients.config().max_requests;
        let number = self.routes.begin(owner, route, due, limit);
        let refusal = || Refusal::with(INTERNAL_ERROR, &format!("more than {limit} requests are open"));
        number.map(Some).ok_or_else(refusal)
    }

    /// Forwards the response of an owner: the whole message with the id of the requester.
    pub fn answered(&mut self, from: ClientKey, raw: Raw, message: &Message) {
        if message.id.is_some_and(|id| id.text() == UNASKED_ID) {
            return;
        }
        let number = message.id.and_then(route_number);
        let clients = &mut self.live.clients;
        let Some(route) = number.and_then(|number| self.routes.end(from, number)) else {
            let id = shown(message.id.map_or("none", Raw::text));
            let text = format!("{} answers a request that is not open: id {id}", clients.title(from));
            return clients.log_about(Some(from), Level::Info, text);
        };
        let wants_object = route.is_set && clients.kind(route.requester).wants_objects_from_set();
        let write = |out: &mut Vec<u8>| write_forwarded(out, &route.id, raw, message, wants_object);
        if !clients.send(route.requester, write) {
            clients.refuse(route.requester, Some(Raw::trusted(&route.id)), &Refusal::too_long());
        }
    }

    /// Answers a request whose owner sent a message with its id, but neither result nor error.
    pub fn answered_nothing(&mut self, from: ClientKey, id: Raw) {
        if let Some(route) = route_number(id).and_then(|number| self.routes.end(from, number)) {
            self.fail(&route, INTERNAL_ERROR, "\"the owner answered neither result nor error\"");
        }
    }

    /// Answers requests whose owners have not answered in time. If there are many, some remain due.
    pub fn expire(&mut self, now: Instant) {
        let until = self.live.units.spent() + SLICE;
        while self.live.units.spent() < until {
            let Some(due) = self.routes.end_due(now) else {
                return;
            };
            self.live.units.spend(4);
            if let Some(route) = due {
                let code = self.live.clients.kind(route.requester).timeout_error();
                self.fail(&route, code, &route.params);
            }
        }
    }

    /// Answers a request whose owner is gone.
    pub fn orphan(&mut self, owner: ClientKey, number: u64) {
        if let Some(route) = self.routes.end(owner, number) {
            self.live.units.spend(4);
            let data = to_text(&Tag("ownerGone", &*route.path));
            self.fail(&route, CONNECTION_CLOSED, &data);
        }
    }

    fn fail(&mut self, route: &Route, code: Code, data: &str) {
        let id = Raw::trusted(&route.id);
        self.live.clients.refuse_with(route.requester, Some(id), code, Some(data));
    }
}

/// Returns the number in the id of a forwarded request.
fn route_number(id: Raw) -> Option<u64> {
    id.as_str()?.strip_prefix('r')?.parse().ok()
}

/// Appends the params of a set. The object is empty if there is no value.
fn write_set_params(out: &mut Vec<u8>, value: Option<Raw>, value_as_result: Option<Raw>) {
    out.push(b'{');
    if let Some(value) = value {
        out.extend_from_slice(b"\"value\":");
        out.extend_from_slice(value.text().as_bytes());
    }
    if let Some(flag) = value_as_result {
        out.extend_from_slice(if value.is_some() { b",\"valueAsResult\":" } else { b"\"valueAsResult\":" });
        out.extend_from_slice(flag.text().as_bytes());
    }
    out.push(b'}');
}

/// Appends a request as owners of node-jet 3 receive it: the method is the service, the params are those of the
/// requester. They answer without an id only to report that they cannot read a request, so it always has one.
fn write_service_request(out: &mut Vec<u8>, number: Option<u64>, params: Params, action: Action) {
    let id = number.map_or(UNASKED_ID.to_owned(), |number| format!("\"r{number}\""));
    let method = match action {
        Action::Set => "set",
        Action::Call => "call",
    };
    let params = params.unwrap_or(Raw::trusted("{}"));
    append(out, &message::Request { id: Some(Raw::trusted(&id)), method, params });
}

/// Appends the response of an owner with another id.
fn write_forwarded(out: &mut Vec<u8>, id: &str, raw: Raw, message: &Message, wants_object: bool) {
    out.extend_from_slice(b"{\"id\":");
    out.extend_from_slice(id.as_bytes());
    // Some owners send `error: null` with a result, and some requesters take any `error` for one.
    let drops_error = message.result.is_some() && message.error.is_some_and(Raw::is_null);
    for (key, value) in raw.members() {
        if key == "id" || (key == "error" && drops_error) {
            continue;
        }
        out.push(b',');
        write::string(out, &key);
        out.push(b':');
        write_forwarded_member(out, &key, value, wants_object);
    }
    out.push(b'}');
}

/// Appends a member of a response. An error that is no object becomes one, as requesters read its code.
fn write_forwarded_member(out: &mut Vec<u8>, key: &str, value: Raw, wants_object: bool) {
    if key == "error" && value.kind() != Kind::Object {
        return append(out, &INTERNAL_ERROR.with(value));
    }
    if key == "result" && wants_object && value.kind() != Kind::Object {
        return out.extend_from_slice(b"{}");
    }
    out.extend_from_slice(value.text().as_bytes());
}
