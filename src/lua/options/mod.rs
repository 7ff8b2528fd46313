//! The tables of options that programs pass: `peer.new`, `daemon.new` and `access` of an element.
//!
//! Each table is declared once, as a struct with its defaults. [`reader`] fills the structs from Lua tables, and refuses
//! a wrong option with its path, what was expected and what it got.

mod access;
mod daemon;
mod fields;
mod peer;
mod reader;

use mlua::{Lua, LuaString, Result, Table, Value};

pub use daemon::DaemonOptions;
pub use peer::PeerConfig;

use crate::util::nearest::transpositions;

/// Adds `option_names`, `access`, `unknown_keys` and `edits` to the module table.
///
/// # Errors
/// When Lua runs out of memory.
pub fn register(lua: &Lua, exports: &Table) -> Result<()> {
    let names = lua.create_table()?;
    names.set("peer", reader::names::<PeerConfig>())?;
    names.set("daemon", reader::names::<DaemonOptions>())?;
    names.set("tls", reader::names::<peer::TlsConfig>())?;
    names.set("daemon_limits", reader::names::<peer::DaemonLimits>())?;
    names.set("daemon_tls", reader::names::<daemon::DaemonTls>())?;
    names.set("user", reader::names::<daemon::UserOptions>())?;
    names.set("auth", reader::names::<daemon::UserGroups>())?;
    names.set("access", reader::names::<access::Access>())?;
    exports.set("option_names", names)?;
    exports.set(
        "access",
        lua.create_function(|_, (given, func): (Table, String)| Ok(access::read(&given, &func)))?,
    )?;
    let edits = |_: &Lua, (a, b): (LuaString, LuaString)| {
        Ok(transpositions(&a.to_string_lossy(), &b.to_string_lossy()))
    };
    exports.set("edits", lua.create_function(edits)?)?;
    let unknown_keys =
        |_: &Lua, (given, known, kind): (Table, Vec<String>, String)| unknown_keys(&given, &known, &kind);
    exports.set("unknown_keys", lua.create_function(unknown_keys)?)
}

/// `unknown_keys(table, names, kind)`: a warning for each key of a table that is not one of the names, sorted.
fn unknown_keys(given: &Table, known: &[String], kind: &str) -> Result<Vec<String>> {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut warnings = Vec::new();
    for pair in given.pairs::<Value, Value>() {
        let key = reader::text_of(&pair?.0);
        if !known.contains(&key.as_str()) {
            warnings.push(reader::unknown_key(kind, &key, &known));
        }
    }
    warnings.sort_unstable();
    Ok(warnings)
}
