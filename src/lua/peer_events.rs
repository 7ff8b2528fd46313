//! Events of the engine as rows of a Lua table: the counterpart of `lua/jet/dispatch.lua`.

use crate::json::{Kind, Raw};
use crate::lua::convert::{Bridge, Slot};
use crate::peer::{Event, Notification};

/// Fields of a row: the kind of the event, then up to four values.
const STRIDE: usize = 5;

const RESPONSE: i64 = 1;
const NOTIFICATION: i64 = 2;
const SORTED: i64 = 3;
const SET: i64 = 4;
const CALL: i64 = 5;
const RAW: i64 = 6;
const UNKNOWN: i64 = 7;
const READY: i64 = 8;
const NOTE: i64 = 9;
const LOGIN_FAILED: i64 = 10;

/// Leaves the events for `core.take`, one row after the other: the number it asks for them by,
/// or nothing if there are none.
pub fn post(bridge: &Bridge, events: &[Event<'_>]) -> Option<u64> {
    if events.is_empty() {
        return None;
    }
    let mut slots = Vec::with_capacity(events.len() * STRIDE);
    for event in events {
        slots.extend(row(event));
    }
    Some(bridge.post(&slots))
}

fn json<'a>(text: &'a str) -> Slot<'a> {
    Slot::Json(Raw::trusted(text))
}

fn optional<'a>(value: Option<Raw<'a>>) -> Slot<'a> {
    value.map_or(Slot::Nil, Slot::Json)
}

/// The id to answer with travels as text: Lua hands it back as it is.
fn id_text<'a>(id: Option<Raw<'a>>) -> Slot<'a> {
    id.map_or(Slot::Nil, |id| Slot::Str(id.text()))
}

fn row<'a>(event: &'a Event<'_>) -> [Slot<'a>; STRIDE] {
    use Slot::{Bool, Integer, Nil, Str};
    match event {
        Event::Ready => [Integer(READY), Nil, Nil, Nil, Nil],
        Event::LoginFailed { reason, error } => [Integer(LOGIN_FAILED), Nil, Nil, json(error), Str(reason)],
        Event::Note(text) => [Integer(NOTE), Nil, Nil, Str(text), Nil],
        Event::Response { id, outcome } => {
            let value = match outcome {
                Ok(text) | Err(text) => json(text),
            };
            [Integer(RESPONSE), Integer((*id).into()), Bool(outcome.is_ok()), value, Nil]
        }
        Event::Notification(Notification { fetcher, event, path, value }) => {
            let value = value.as_deref().map_or(Nil, json);
            [Integer(NOTIFICATION), Integer((*fetcher).into()), Str(event.name()), Str(path), value]
        }
        Event::Sorted { fetcher, changes, n } => {
            let n = Integer(i64::try_from(*n).unwrap_or(i64::MAX));
            [Integer(SORTED), Integer((*fetcher).into()), n, json(changes), Nil]
        }
        Event::Set { element, id, value, value_as_result } => {
            let element = Integer((*element).into());
            [Integer(SET), element, id_text(*id), optional(*value), Bool(*value_as_result)]
        }
        Event::Call { element, id, args } => {
            let element = Integer((*element).into());
            [Integer(CALL), element, id_text(*id), optional(*args), Integer(argument_count(*args))]
        }
        Event::Raw { element, id, message } => {
            [Integer(RAW), Integer((*element).into()), id_text(*id), Slot::Json(*message), Nil]
        }
        Event::Unknown { message } => [Integer(UNKNOWN), Nil, Nil, Slot::Json(*message), Nil],
    }
}

/// How many arguments a method gets: the elements of an array, none for an empty container,
/// and -1 for anything else, which is handed over as one value.
fn argument_count(args: Option<Raw>) -> i64 {
    match args {
        Some(args) if args.kind() == Kind::Array => args.elements().count() as i64,
        Some(args) if args.kind() == Kind::Object && args.members().next().is_none() => 0,
        Some(_) => -1,
        None => 0,
    }
}
