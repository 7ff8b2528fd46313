//! Reading the params of requests, and the errors for params that cannot be read.

use std::borrow::Cow;

use serde::Serialize;

use crate::json::{Kind, Raw};
use crate::wire::error::INVALID_PARAMS;

use super::reply::Refusal;

/// The params of a request, if it has any.
pub type Params<'a> = Option<Raw<'a>>;

#[derive(Serialize)]
struct MissingParam<'a> {
    #[serde(rename = "missingParam")]
    key: &'a str,
    got: Raw<'a>,
}

#[derive(Serialize)]
struct WrongType<'a> {
    #[serde(rename = "wrongType")]
    key: &'a str,
    got: Raw<'a>,
}

/// Returns the error for params without a member that is required.
pub fn missing(key: &str, params: Params) -> Refusal {
    let got = params.unwrap_or(Raw::trusted("{}"));
    Refusal::with(INVALID_PARAMS, &MissingParam { key, got })
}

/// Returns the error for a member of the wrong type.
pub fn wrong_type(key: &str, params: Params) -> Refusal {
    let got = params.unwrap_or(Raw::trusted("{}"));
    Refusal::with(INVALID_PARAMS, &WrongType { key, got })
}

/// Returns params that are an object.
///
/// # Errors
/// The params are missing or have another type.
pub fn require_object(params: Params) -> Result<Raw, Refusal> {
    match params {
        Some(params) if params.kind() == Kind::Object => Ok(params),
        _ => Err(wrong_type("params", Some(params.unwrap_or(Raw::NULL)))),
    }
}

/// Returns members of params by their keys. One pass finds them all, as a value may be long.
pub fn members<'a, const N: usize>(params: Params<'a>, keys: [&str; N]) -> [Option<Raw<'a>>; N] {
    let mut found = [None; N];
    for (key, value) in params.into_iter().flat_map(Raw::members) {
        if let Some(place) = keys.iter().position(|wanted| *wanted == key) {
            found[place] = Some(value);
        }
    }
    found
}

/// Returns the path in params, which is their member `path`.
///
/// # Errors
/// There is no path, it is no string, or the params are no object.
pub fn path_of<'a>(path: Option<Raw<'a>>, params: Params<'a>) -> Result<Cow<'a, str>, Refusal> {
    if params.is_some_and(|params| params.kind() != Kind::Object) {
        require_object(params)?;
    }
    let path = path.ok_or_else(|| missing("path", params))?;
    path.as_str().ok_or_else(|| wrong_type("path", params))
}

/// Returns the seconds in params, which are their member `timeout`.
///
/// # Errors
/// The member is no number.
pub fn timeout_of(timeout: Option<Raw>, params: Params) -> Result<Option<f64>, Refusal> {
    timeout.map(|number| number.as_f64().ok_or_else(|| wrong_type("timeout", params))).transpose()
}
