//! The options of `core.peer`: from the Lua table that `lua/jet/config.lua` makes.

use std::time::Duration;

use mlua::{LuaString, Table, Value};

use super::dial_options;
use crate::lua::convert::MAX_LEVELS;
use crate::net;
use crate::peer::{Login, Options};
use crate::wire::encoding::Encoding;
use crate::wire::latin1;

/// What a peer is made of.
pub struct PeerOptions {
    /// For the engine.
    pub engine: Options,
    /// For the connection.
    pub dial: net::Options,
    /// Whether messages with invalid UTF-8 are dropped instead of read as Latin-1.
    pub refuse_latin1: bool,
}

/// Why options are refused: the text of the error for the program.
pub type Refusal = String;

fn refuse(key: &str, expected: &str, got: impl std::fmt::Display) -> Refusal {
    format!("bad argument 'config.{key}' to 'new' ({expected} expected, got {got})")
}

/// Reads one field; a wrong type is a fault of the Lua file, worded for whoever mends it.
pub fn field<T: mlua::FromLua>(options: &Table, key: &str) -> Result<T, Refusal> {
    options.get(key).map_err(|error| format!("option '{key}': {error}"))
}

/// A whole number of at least 1; `default` if it is not given.
fn limit(options: &Table, key: &str, default: usize) -> Result<usize, Refusal> {
    match field::<Option<f64>>(options, key)? {
        None => Ok(default),
        Some(value) if value >= 1.0 && value <= f64::from(u32::MAX) && value.fract() == 0.0 => {
            Ok(value as usize)
        }
        Some(value) => Err(refuse(key, "whole number of at least 1", value)),
    }
}

/// Levels of nesting; not more than the Lua stack holds.
fn depth(options: &Table, default: usize) -> Result<usize, Refusal> {
    match limit(options, "max_depth", default)? {
        levels if levels <= MAX_LEVELS => Ok(levels),
        levels => Err(refuse("max_depth", &format!("at most {MAX_LEVELS}"), levels)),
    }
}

/// JSON, or the encoding that is asked for.
fn encoding(options: &Table) -> Result<Encoding, Refusal> {
    let got = match field(options, "encoding")? {
        Value::Nil | Value::Boolean(false) => return Ok(Encoding::Json),
        Value::String(name) => match Encoding::named(&name.to_string_lossy()) {
            Some(encoding) => return Ok(encoding),
            None => format!("'{}'", name.to_string_lossy()),
        },
        other => format!("a {}", other.type_name()),
    };
    Err(format!(
        "bad argument 'config.encoding' to 'new' (unsupported encoding: 'msgpack' expected, got {got})"
    ))
}

/// Who logs in; both are there or none. Bytes that are no UTF-8 are taken as Latin-1, as in values.
fn login(options: &Table) -> Result<Option<Login>, Refusal> {
    let given = |key| -> Result<Option<String>, Refusal> {
        let bytes = field::<Option<LuaString>>(options, key)?;
        Ok(bytes.map(|bytes| latin1::from_bytes(&bytes.as_bytes()).into_owned()))
    };
    let login = given("user")?.zip(given("password")?);
    Ok(login.map(|(user, password)| Login { user, password: password.into() }))
}

fn seconds(options: &Table, key: &str, default: Duration) -> Result<Duration, Refusal> {
    let Some(value) = field::<Option<f64>>(options, key)? else {
        return Ok(default);
    };
    match Duration::try_from_secs_f64(value) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(refuse(key, "positive number of seconds", value)),
    }
}

/// A number that other peers on the bus hardly have; see `Options::instance`.
fn instance() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

impl PeerOptions {
    /// Reads and checks the options.
    ///
    /// # Errors
    /// The text of the Lua error.
    pub fn read(options: &Table) -> Result<PeerOptions, Refusal> {
        let defaults = Options::default();
        let engine = Options {
            name: field(options, "name")?,
            login: login(options)?,
            encoding: encoding(options)?,
            instance: instance(),
            max_message: limit(options, "max_message", defaults.max_message)?,
            daemon_message: match limit(options, "daemon_limits.message", usize::MAX)? {
                usize::MAX => None,
                bytes => Some(bytes),
            },
            max_depth: depth(options, defaults.max_depth)?,
            max_unsent: limit(options, "max_unsent", defaults.max_unsent)?,
            max_requests: limit(options, "max_requests", defaults.max_requests)?,
        };
        let mut dial = dial_options::read(options)?;
        dial.max_message = engine.max_message;
        dial.connect_timeout = seconds(options, "connect_timeout", dial.connect_timeout)?;
        dial_options::check(&dial)?;
        let refuse_latin1 = match field::<Option<String>>(options, "invalid_utf8")?.as_deref() {
            None | Some("latin1") => false,
            Some("error") => true,
            Some(other) => return Err(refuse("invalid_utf8", "'latin1' or 'error'", format!("'{other}'"))),
        };
        Ok(PeerOptions { engine, dial, refuse_latin1 })
    }
}
