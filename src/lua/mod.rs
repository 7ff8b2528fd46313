//! The Lua module `jet.core`: what the Lua files under `lua/jet/` stand on.
//!
//! Nothing in here ever calls a Lua function: the functions of this module return values and
//! events, and Lua code hands them to the callbacks of the program. So no handle of a Lua value
//! is kept in Rust and no borrow is held while a callback runs.

#[allow(unsafe_code)]
pub mod convert;
mod daemon;
mod evloop;
mod options;
mod peer;
mod peer_events;
mod peer_methods;
mod process;
mod stderr;

use mlua::{Lua, Result, Table};

use crate::sys::pin_library;

/// The Lua that this library is for. `lua/jet/built_for.lua` finds these words in a library that cannot be loaded.
const BUILT_FOR: &str = if cfg!(feature = "lua54") {
    "jet.core built for Lua 5.4"
} else if cfg!(feature = "lua53") {
    "jet.core built for Lua 5.3"
} else if cfg!(feature = "lua52") {
    "jet.core built for Lua 5.2"
} else {
    "jet.core built for Lua 5.1"
};

/// Makes the module. The entry point of `require 'jet.core'` is in `lua::convert`.
///
/// # Errors
/// When Lua runs out of memory.
pub fn module(lua: &Lua) -> Result<Table> {
    pin_library::pin();
    let module = lua.create_table()?;
    module.set("built_for", BUILT_FOR)?;
    convert::register(lua, &module)?;
    daemon::register(lua, &module)?;
    evloop::register(lua, &module)?;
    options::register(lua, &module)?;
    peer::register(lua, &module)?;
    process::register(lua, &module)?;
    stderr::register(lua, &module)?;
    Ok(module)
}
