//! What received messages mean: responses, notifications of fetches, requests for elements.

use std::borrow::Cow;

use crate::json::{Kind, Raw};
use crate::wire::ENVELOPE_LEVELS;
use crate::wire::error::{INVALID_PARAMS, METHOD_NOT_FOUND};
use crate::wire::message::Message;

use super::engine::{Engine, Role};
use super::event::Event;
use super::requests::Purpose;
use crate::peer::compat::daemon_kind::Dialect;

impl Engine {
    /// Takes one received message (an object, or an array of them) and appends what it means.
    /// Answers that need no program go to the output.
    pub fn receive<'a>(&mut self, text: &'a str, events: &mut Vec<Event<'a>>) {
        if self.is_closed() || self.overflowed {
            return;
        }
        let max_depth = self.options.max_depth.saturating_add(ENVELOPE_LEVELS);
        match Raw::parse(text, max_depth) {
            Ok(raw) if raw.kind() == Kind::Array => {
                raw.elements().for_each(|element| self.receive_one(element, events));
            }
            Ok(raw) => self.receive_one(raw, events),
            Err(error) => events.push(Event::Note(format!("decoding message failed: {error}"))),
        }
    }

    fn receive_one<'a>(&mut self, raw: Raw<'a>, events: &mut Vec<Event<'a>>) {
        let Some(message) = Message::read(raw) else {
            return events.push(unhandled(raw));
        };
        match message {
            Message { method: Some(method), .. } => self.receive_request(raw, method, &message, events),
            Message { id: Some(id), result: Some(result), .. } => self.response(id, Ok(result), events),
            Message { id: Some(id), error: Some(error), .. } => self.response(id, Err(error), events),
            // Some daemons answer notifications, without an id; nobody waits for that.
            Message { result: Some(_), .. } => {}
            _ => events.push(unhandled(raw)),
        }
    }

    fn response<'a>(&mut self, id: Raw<'a>, outcome: Result<Raw<'a>, Raw<'a>>, events: &mut Vec<Event<'a>>) {
        let number = id.as_str().unwrap_or(Cow::Borrowed(id.text())).parse::<u32>().ok();
        let Some((number, purpose)) = number.and_then(|n| Some((n, self.requests.end(n)?))) else {
            return events.push(Event::Note(format!("response to no open request: id {}", id.text())));
        };
        match purpose {
            Purpose::Info => self.learn(outcome, events),
            Purpose::Login => self.login_answered(outcome, events),
            Purpose::Name => self.named(outcome, events),
            Purpose::Encoding => self.encoding_answered(outcome, events),
            Purpose::Settled(fetcher, round) => self.fetch_settled(fetcher, round, events),
            Purpose::Program(service) => self.program_answered(number, service, outcome, events),
            Purpose::ValueOf(set) => events.extend(self.value_answered(set, outcome)),
            // Answered twice: what is asked for goes on.
            Purpose::Done => self.requests.reopen(number, Purpose::Done),
            Purpose::Fetch(fetcher, round) => self.fetch_answered(number, (fetcher, round), outcome, events),
            Purpose::Unfetch(fetcher, was_active) => {
                let outcome = self.unfetch_answered(fetcher, was_active, outcome);
                events.push(Event::Response { id: number, outcome });
            }
            Purpose::Shared => self.shared_answered(outcome),
        }
    }

    fn receive_request<'a>(
        &mut self,
        raw: Raw<'a>,
        method: Raw<'a>,
        message: &Message<'a>,
        events: &mut Vec<Event<'a>>,
    ) {
        let id = message.id.filter(|id| !id.is_null());
        let params = message.params.unwrap_or(Raw::NULL);
        let Some(name) = method.as_str() else {
            return self.unknown(raw, id, method, events);
        };
        if id.is_none() && self.notification(&name, params, events) {
            return;
        }
        if matches!(&*name, "set" | "call") && self.routed_by_service(raw, &name, id, params, events) {
            return;
        }
        if let Some(&(element, role)) = self.elements.get(&*name) {
            return match role {
                Role::Raw => events.push(Event::Raw { element, id, message: raw }),
                _ => self.routed(element, role, id, params, events),
            };
        }
        self.unknown(raw, id, method, events);
    }

    /// A request as most daemons route it: the method is the path, the params are the value in
    /// an object, or the arguments. Arguments may be any value.
    fn routed<'a>(
        &mut self,
        element: u32,
        role: Role,
        id: Option<Raw<'a>>,
        params: Raw<'a>,
        events: &mut Vec<Event<'a>>,
    ) {
        match role {
            Role::State if !matches!(params.kind(), Kind::Object | Kind::Array | Kind::Null) => {
                let data = format!(r#"{{"wrongType":"params","got":{}}}"#, params.text());
                self.refuse_params(id, &data);
            }
            Role::State => {
                let value_as_result = params.get("valueAsResult").is_some_and(Raw::is_truthy);
                if self.dialect.has_fragile_peers() && !value_as_result {
                    self.fragile_sets.extend(id.map(|id| id.text().into()));
                }
                events.push(Event::Set { element, id, value: params.get("value"), value_as_result });
            }
            Role::Method => {
                let args = (!params.is_null()).then_some(params);
                events.push(Event::Call { element, id, args });
            }
            Role::Raw => {}
        }
    }

    /// A request as node-jet 3 routes it: the method is the service, path and value or
    /// arguments are in the params. False if it is not that. From other daemons it can be that
    /// only if there is no element with the name of the service.
    fn routed_by_service<'a>(
        &mut self,
        message: Raw<'a>,
        service: &str,
        id: Option<Raw<'a>>,
        params: Raw<'a>,
        events: &mut Vec<Event<'a>>,
    ) -> bool {
        if self.dialect != Dialect::NodeJet3 && self.elements.contains_key(service) {
            return false;
        }
        let Some(path) = params.get("path") else {
            return false;
        };
        let Some(&(element, role)) = path.as_str().and_then(|path| self.elements.get(&*path)) else {
            return false;
        };
        match (service, role) {
            ("set", Role::State) => self.routed(element, role, id, params, events),
            ("call", Role::Method) => {
                let args = params.get("args").unwrap_or(Raw::NULL);
                self.routed(element, role, id, args, events);
            }
            (_, Role::Raw) => events.push(Event::Raw { element, id, message }),
            _ => {
                let data = format!(r#"{{"wrongKind":{}}}"#, path.text());
                self.refuse_params(id, &data);
            }
        }
        true
    }

    fn refuse_params(&mut self, id: Option<Raw>, data: &str) {
        if let Some(id) = id {
            // Can only fail on a closed connection, and then nobody waits for it.
            let _ = self.refuse_with(id.text(), INVALID_PARAMS, Some(Raw::trusted(data)));
        }
    }

    fn unknown<'a>(
        &mut self,
        message: Raw<'a>,
        id: Option<Raw<'a>>,
        method: Raw<'a>,
        events: &mut Vec<Event<'a>>,
    ) {
        if let Some(id) = id {
            // As above: fails only where nobody waits.
            let _ = self.refuse_with(id.text(), METHOD_NOT_FOUND, Some(method));
        }
        events.push(Event::Unknown { message });
    }
}

/// Returns the beginning of a text, as much of it as belongs into a log.
pub(super) fn shortened(text: &str) -> &str {
    text.char_indices().nth(200).map_or(text, |(end, _)| &text[..end])
}

fn unhandled(raw: Raw) -> Event<'static> {
    Event::Note(format!("unhandled message: {}", shortened(raw.text())))
}
