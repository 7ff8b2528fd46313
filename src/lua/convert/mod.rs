//! JSON text and Lua values, converted straight on a `lua_State`.
//!
//! `push` makes a Lua value from checked text, and `read` makes text from a Lua value, without a tree in between.
//! `functions` has the C functions that Lua calls directly, and [`Bridge`] the buffers that they share with the
//! functions made by mlua. `open` is the entry point of the module.
//!
//! Everything here runs in protected mode, called by Lua or inside `Lua::exec_raw`. A Lua error
//! (out of memory, mostly) may therefore leave any function by `longjmp`. So no frame in here
//! owns something that has to be dropped while it calls Lua; buffers belong to the caller.

mod bridge;
mod functions;
mod open;
mod peek;
mod push;
mod read;
mod rows;

pub use bridge::Bridge;
pub use functions::register;
pub use rows::Slot;

use mlua::ffi;
use std::ffi::c_int;

/// The deepest nesting a limit can allow. Each level takes two slots of the Lua stack, of which
/// Lua 5.1 and LuaJIT give a C function 8000, and a few hundred bytes of the thread's stack.
pub const MAX_LEVELS: usize = 2000;

/// Whether this Lua distinguishes 1 and 1.0.
const HAS_INTEGERS: bool = cfg!(any(feature = "lua53", feature = "lua54"));

/// Buffers up to this many bytes are kept for the next value.
const KEEP_BYTES: usize = 64 * 1024;

/// Levels of nesting for which stack is reserved at once.
const LEVELS_AT_ONCE: usize = 8;

/// Reserves stack for the next levels if `level` is the first of them. Returns false if Lua has no more.
///
/// # Safety
/// `state` must be a valid Lua state in protected mode.
unsafe fn reserve(state: *mut ffi::lua_State, level: usize) -> bool {
    // SAFETY: the caller vouches for the state.
    unsafe {
        // Two slots a level, and what a leaf needs on top: less than LUA_MINSTACK.
        let slots = (2 * LEVELS_AT_ONCE) as c_int + ffi::LUA_MINSTACK;
        !level.is_multiple_of(LEVELS_AT_ONCE) || ffi::lua_checkstack(state, slots) != 0
    }
}
