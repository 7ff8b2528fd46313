//! [`Elements`]: the elements of this peer, and what a routed request means for them.

use std::collections::HashMap;

use serde::Serialize;

use crate::json::{Kind, Raw, to_text};

use super::event::Event;

/// The kind of an element of this peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A state: requests set it.
    State,
    /// A method: requests call it.
    Method,
    /// An element whose program reads the messages itself.
    Raw,
}

/// What a routed request means.
#[derive(Debug)]
pub enum Routed<'a> {
    /// The program handles it.
    Event(Event<'a>),
    /// Its params are invalid. The text is the data of the error.
    Refused(String),
    /// There is no such element.
    Unknown,
}

/// A received request or notification.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// The whole message.
    pub message: Raw<'a>,
    /// The id, or `None` for a notification.
    pub id: Option<Raw<'a>>,
    /// The params, which may be `null`.
    pub params: Raw<'a>,
}

/// The data of an error about params that are no container.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrongType<'a> {
    wrong_type: &'static str,
    got: Raw<'a>,
}

/// The data of an error about a state that was called or a method that was set.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrongKind<'a> {
    wrong_kind: Raw<'a>,
}

/// The elements of one peer by path.
#[derive(Debug, Default)]
pub struct Elements {
    by_path: HashMap<Box<str>, (u32, Role)>,
}

impl Elements {
    /// Adds an element. Events about it carry `number`.
    pub fn insert(&mut self, path: &str, number: u32, role: Role) {
        self.by_path.insert(path.into(), (number, role));
    }

    /// Removes an element.
    pub fn remove(&mut self, path: &str) {
        self.by_path.remove(path);
    }

    /// Returns what a request of that method means. Most daemons route requests with the path as the
    /// method; `routes_by_service`: this one has `set` or `call` there, and the path in the params.
    pub fn route<'a>(&self, method: &str, incoming: Incoming<'a>, routes_by_service: bool) -> Routed<'a> {
        let names_service = || routes_by_service || !self.by_path.contains_key(method);
        if matches!(method, "set" | "call")
            && names_service()
            && let Some(routed) = self.route_by_service(method, incoming)
        {
            return routed;
        }
        match self.by_path.get(method) {
            Some(&(number, role)) => routed(number, role, incoming),
            None => Routed::Unknown,
        }
    }

    /// Routes a request whose path is in the params. Returns `None` if there is no such element.
    fn route_by_service<'a>(&self, service: &str, incoming: Incoming<'a>) -> Option<Routed<'a>> {
        let path = incoming.params.get("path")?;
        let &(number, role) = self.by_path.get(&*path.as_str()?)?;
        Some(match (service, role) {
            (_, Role::Raw) | ("set", Role::State) => routed(number, role, incoming),
            ("call", Role::Method) => {
                let params = incoming.params.get("args").unwrap_or(Raw::NULL);
                routed(number, role, Incoming { params, ..incoming })
            }
            _ => Routed::Refused(to_text(&WrongKind { wrong_kind: path })),
        })
    }
}

/// Returns what a request means for an element. The params are the value in an object, or the
/// arguments, which may be of any type.
fn routed(element: u32, role: Role, Incoming { message, id, params }: Incoming<'_>) -> Routed<'_> {
    Routed::Event(match role {
        Role::State if !matches!(params.kind(), Kind::Object | Kind::Array | Kind::Null) => {
            return Routed::Refused(to_text(&WrongType { wrong_type: "params", got: params }));
        }
        Role::State => {
            let value_as_result = params.get("valueAsResult").is_some_and(Raw::is_truthy);
            Event::Set { element, id, value: params.get("value"), value_as_result }
        }
        Role::Method => Event::Call { element, id, args: (!params.is_null()).then_some(params) },
        Role::Raw => Event::Raw { element, id, message },
    })
}
