//! JSON text and Lua values, converted straight on a `lua_State`.
//!
//! `push` makes a Lua value of checked text, `read` makes text of a
//! Lua value, and [`Bridge`] is what one Lua state needs for both: the buffers, and the C
//! functions that Lua calls directly, with the metatable that marks arrays. Nothing becomes a tree
//! in between.
//!
//! Everything here runs in protected mode, called by Lua or inside `Lua::exec_raw`. A Lua error
//! (out of memory, mostly) may therefore leave any function by `longjmp`, so no frame in here
//! owns something that needs dropping while it calls Lua: buffers belong to the caller.

mod bridge;
mod call;
mod open;
mod peek;
mod push;
mod read;
mod reserve;
mod rows;

pub use bridge::Bridge;
pub use rows::Slot;

use mlua::ffi;
use std::ffi::c_int;

/// The deepest nesting a limit can allow. Each level takes two slots of the Lua stack, of which
/// Lua 5.1 and LuaJIT give a C function 8000, and a few hundred bytes of the thread's stack.
pub const MAX_LEVELS: usize = 2000;

/// Whether this Lua tells 1 from 1.0.
const HAS_INTEGERS: bool = cfg!(any(feature = "lua53", feature = "lua54"));

/// Buffers up to this many bytes are kept for the next value.
const KEEP_BYTES: usize = 64 * 1024;

/// Levels of nesting for which stack is reserved at once.
const LEVELS_AT_ONCE: usize = 8;

/// Makes room for the next levels if `level` is the first of them; `false` if Lua has no more.
///
/// # Safety
/// `state` must be a valid Lua state in protected mode.
unsafe fn reserve(state: *mut ffi::lua_State, level: usize) -> bool {
    // SAFETY: lua_checkstack takes any valid state.
    unsafe {
        // Two slots a level, and what a leaf needs on top: less than LUA_MINSTACK.
        let slots = (2 * LEVELS_AT_ONCE) as c_int + ffi::LUA_MINSTACK;
        !level.is_multiple_of(LEVELS_AT_ONCE) || ffi::lua_checkstack(state, slots) != 0
    }
}
