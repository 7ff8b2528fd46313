//! The Lua module `jet.core`: what the Lua files under `lua/jet/` stand on.
//!
//! Nothing in here ever calls a Lua function: the functions of this module return values and
//! events, and Lua code hands them to the callbacks of the program. So no handle of a Lua value
//! is kept in Rust and no borrow is held while a callback runs.

mod daemon;
mod dial_options;
mod evloop;
mod peer;
mod peer_events;
mod peer_methods;
mod peer_options;
mod process;
mod stderr;
mod value;

use mlua::{Lua, Result, Table};

use crate::ffi::library;

/// Makes the module. The entry point of `require 'jet.core'` is in `ffi::stack`.
///
/// # Errors
/// When Lua runs out of memory.
pub fn module(lua: &Lua) -> Result<Table> {
    library::pin();
    let module = lua.create_table()?;
    value::register(lua, &module)?;
    daemon::register(lua, &module)?;
    evloop::register(lua, &module)?;
    peer::register(lua, &module)?;
    process::register(lua, &module)?;
    stderr::register(lua, &module)?;
    Ok(module)
}
