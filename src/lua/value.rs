//! JSON and Lua values at the module's door: `null`, `array`, `encode`, `decode`, `stage`, `take`.
//!
//! The work is done by [`crate::lua::convert`]; these are the names that Lua sees and the way in
//! for the other bindings, which take staged values from the [`Bridge`].

use mlua::{Lua, Result, Table};

use crate::lua::convert::Bridge;

/// Puts the functions into the module's table.
///
/// # Errors
/// When Lua runs out of memory.
pub fn register(lua: &Lua, module: &Table) -> Result<()> {
    Bridge::of(lua).register(lua, module)
}
