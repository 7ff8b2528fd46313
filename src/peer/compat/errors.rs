//! The errors of all daemons as one: codes and keys of `data` are the same whichever daemon answers.
//! The daemon's own error is kept as `data.original`.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::json::{Raw, to_text};
use crate::peer::request::SentRequest;
use crate::peer::response::{as_object, has_code};
use crate::wire::error::{CONNECTION_CLOSED, Code, INTERNAL_ERROR, INVALID_PARAMS, RESPONSE_TIMEOUT, Tag};

use super::daemon_kind::DaemonKind;

/// The data of an error in the terms of our own daemon.
enum Data<'e> {
    /// One key with a value.
    Tag(&'static str, Raw<'e>),
    /// One key with a path.
    Path(&'static str, &'e str),
    /// The params of the request, if they are known.
    Params(Option<&'e SentRequest>),
}

/// The same with the daemon's own error, if there is one.
struct DataWithOriginal<'e> {
    data: Data<'e>,
    original: Option<Raw<'e>>,
}

impl Serialize for DataWithOriginal<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &self.data {
            Data::Tag(key, value) => map.serialize_entry(key, value)?,
            Data::Path(key, path) => map.serialize_entry(key, path)?,
            Data::Params(Some(request)) => request.serialize_params(&mut map)?,
            Data::Params(None) => {}
        }
        if let Some(original) = self.original {
            map.serialize_entry("original", &original)?;
        }
        map.end()
    }
}

/// Returns the error of a request in the terms of our own daemon. `request` is known for a set or call.
pub fn translate<'a>(kind: DaemonKind, error: Raw<'a>, request: Option<&SentRequest>) -> Cow<'a, str> {
    let known = match kind {
        DaemonKind::Own | DaemonKind::NodeJet => None,
        DaemonKind::Lua => of_2013(error),
        DaemonKind::Cjet => of_cjet(error, request),
        DaemonKind::NodeJet3 => of_node_jet_3(error, request),
        DaemonKind::Unknown => of_cjet(error, request).or_else(|| of_node_jet_3(error, request)),
    };
    match known {
        Some((code, data)) => {
            let data = DataWithOriginal { data, original: Some(error) };
            Cow::Owned(to_text(&code.with(data)))
        }
        None => as_object(error),
    }
}

/// Returns the error of a request that this peer has ended because its time was over.
pub fn timeout(request: Option<&SentRequest>) -> String {
    to_text(&RESPONSE_TIMEOUT.with(DataWithOriginal { data: Data::Params(request), original: None }))
}

/// Returns the error of the end of a fetch that the daemon refused.
pub fn of_unfetch(kind: DaemonKind, error: Raw<'_>) -> Cow<'_, str> {
    match kind {
        DaemonKind::Own => as_object(error),
        _ => Cow::Owned(to_text(&INTERNAL_ERROR.with(Tag("original", error)))),
    }
}

/// The data of the error about an expression that means nothing.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct BadExpression<'a> {
    fetch_params: Raw<'a>,
    reason: &'a str,
}

/// Returns the error of a fetch whose expression means nothing, as our own daemon would answer it.
pub fn bad_expression(expression: Raw<'_>, reason: &str) -> String {
    to_text(&INVALID_PARAMS.with(BadExpression { fetch_params: expression, reason }))
}

/// Returns the only member of an error's data, if the error has that code.
fn tag<'a>(error: Raw<'a>, code: Code) -> Option<(Cow<'a, str>, Raw<'a>)> {
    let mut members = error.get("data").filter(|_| has_code(error, code))?.members();
    members.next().filter(|_| members.next().is_none())
}

/// Translates an error of the Lua daemon of 2013, which had other keys than its successor.
fn of_2013(error: Raw<'_>) -> Option<(Code, Data<'_>)> {
    let (key, value) = tag(error, INVALID_PARAMS)?;
    let key = match &*key {
        "exists" => "pathAlreadyExists",
        "notExists" | "invalid_path" => "pathNotExists",
        _ => return None,
    };
    Some((INVALID_PARAMS, Data::Tag(key, value)))
}

/// Translates an error of the C daemon. It has texts for keys, and one code for everything that
/// happens to routed requests.
fn of_cjet<'e>(error: Raw<'e>, request: Option<&'e SentRequest>) -> Option<(Code, Data<'e>)> {
    if let Some((key, value)) = tag(error, INTERNAL_ERROR) {
        let reason = value.as_str().filter(|_| key == "reason")?;
        return match &*reason {
            "timeout for routed request" => Some((RESPONSE_TIMEOUT, Data::Params(request))),
            "peer shuts down" => Some((CONNECTION_CLOSED, Data::Path("ownerGone", request?.path()))),
            _ => None,
        };
    }
    let (key, value) = tag(error, INVALID_PARAMS)?;
    let data = match &*key {
        "exists" => Data::Tag("pathAlreadyExists", value),
        "not exists" => Data::Tag("pathNotExists", value),
        "not owner of state" => Data::Tag("foreignPath", value),
        "set/call on element not possible" => Data::Tag("wrongKind", value),
        "request not authorized" => Data::Tag("noAccess", value),
        "invalid credentials" => Data::Tag("invalidPassword", Raw::TRUE),
        "fetched before authenticate" => Data::Tag("alreadyFetching", Raw::TRUE),
        _ => return None,
    };
    Some((INVALID_PARAMS, data))
}

/// Translates an error of node-jet 3. It names its errors and puts the path, mostly, into the details.
fn of_node_jet_3<'e>(error: Raw<'e>, request: Option<&'e SentRequest>) -> Option<(Code, Data<'e>)> {
    let text = |raw: Option<Raw<'e>>| raw.and_then(Raw::as_str).unwrap_or_default();
    let name = text(error.get("name").or_else(|| error.get("data")?.get("name")));
    let details = || error.get("data").and_then(|data| data.get("details"));
    let data = match (&*name, &*text(error.get("message"))) {
        ("jet.NotFound", _) => Data::Tag("pathNotExists", details()?),
        ("jet.Occupied", _) => Data::Tag("pathAlreadyExists", details()?),
        (_, "Missing authorization" | "Requested group does not exist") => {
            Data::Path("noAccess", request?.path())
        }
        (_, "invalid credentials") => Data::Tag("invalidPassword", Raw::TRUE),
        _ => return None,
    };
    Some((INVALID_PARAMS, data))
}
