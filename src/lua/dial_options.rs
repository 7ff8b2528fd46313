//! Where and how a peer connects: from the Lua table that `lua/jet/config.lua` makes.

use mlua::{FromLua, LuaString, Table};

use super::peer_options::{Refusal, field};
use crate::net::{Options, Target, TlsOptions};

/// Reads `url`, `unix` or `host` and `port`, then `headers` and `tls`.
///
/// # Errors
/// The text of the Lua error; also for options that can never connect.
pub fn read(options: &Table) -> Result<Options, Refusal> {
    let mut dial =
        match (field::<Option<String>>(options, "url")?, field::<Option<LuaString>>(options, "unix")?) {
            (Some(url), _) => Options::url(&url).map_err(|error| refused("url", &error))?,
            (None, Some(name)) => Options::new(Target::Unix(name.as_bytes().to_vec())),
            (None, None) => {
                Options::new(Target::Tcp { host: field(options, "host")?, port: field(options, "port")? })
            }
        };
    if let Some(headers) = pairs(options, "headers")? {
        match &mut dial.websocket {
            Some(web) => web.headers = headers,
            None => return Err(refused("headers", &"only a ws:// or wss:// url has headers")),
        }
    }
    if let Some(table) = field::<Option<Table>>(options, "tls")? {
        dial.tls = Some(tls(&table)?);
    }
    Ok(dial)
}

/// Refuses options that can never connect, which may read certificates from files.
///
/// # Errors
/// The text of the Lua error.
pub fn check(dial: &Options) -> Result<(), Refusal> {
    dial.check().map_err(|error| format!("bad argument 'config' to 'new' ({error})"))
}

fn refused(key: &str, error: &dyn std::fmt::Display) -> Refusal {
    format!("bad argument 'config.{key}' to 'new' ({error})")
}

/// A list of names and values in turn.
fn pairs(options: &Table, key: &str) -> Result<Option<Vec<(String, String)>>, Refusal> {
    let list: Option<Vec<String>> = field(options, key)?;
    Ok(list.map(|list| list.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()))
}

fn tls(table: &Table) -> Result<TlsOptions, Refusal> {
    fn text<T: FromLua>(table: &Table, key: &str) -> Result<Option<T>, Refusal> {
        field(table, key)
    }
    Ok(TlsOptions {
        ca_file: text::<String>(table, "ca_file")?.map(Into::into),
        pins: text(table, "pins")?.unwrap_or_default(),
        certificate: text::<String>(table, "certificate")?.map(Into::into),
        key: text::<String>(table, "key")?.map(Into::into),
        server_name: text(table, "server_name")?,
    })
}
