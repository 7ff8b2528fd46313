//! Small queries of values on the Lua stack. They create and change nothing.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

/// LuaJIT's type for the values of its FFI. No other Lua has it.
const TYPE_CDATA: c_int = 10;

/// Returns the bytes of the string at `index`.
///
/// # Safety
/// `state` must be a valid Lua state, `index` a valid index. The string must stay on the stack for the lifetime `'a`.
pub unsafe fn bytes_at<'a>(state: *mut lua_State, index: c_int) -> &'a [u8] {
    // SAFETY: the caller vouches for the state and the index. Lua keeps that many bytes there as long as the string
    // is on the stack, which the caller promises.
    unsafe {
        let mut length = 0;
        let start = ffi::lua_tolstring(state, index, &mut length);
        if start.is_null() {
            return &[];
        }
        std::slice::from_raw_parts(start.cast::<u8>(), length)
    }
}

/// Returns the key at `index` if it can be a position in an array, a whole number from 1 on, and 0 otherwise.
///
/// # Safety
/// `state` must be a valid Lua state, `index` a valid index.
pub unsafe fn position_at(state: *mut lua_State, index: c_int) -> f64 {
    // SAFETY: the caller vouches for the state and the index.
    unsafe {
        if ffi::lua_type(state, index) != ffi::LUA_TNUMBER {
            return 0.0;
        }
        let number = ffi::lua_tonumber(state, index);
        // The cast saturates, so it gives back the number only if that is whole and not too large.
        if number >= 1.0 && number as i64 as f64 == number { number } else { 0.0 }
    }
}

/// Returns whether the metatable on top of the stack has `__jsontype = 'array'`. Makes no string for the look-up.
///
/// # Safety
/// `state` must be a valid Lua state in protected mode, with a table on top and two free slots.
pub unsafe fn says_array(state: *mut lua_State) -> bool {
    // SAFETY: the caller vouches for the state and the table on top. The key is nil or what `lua_next` left, and
    // strings are looked at, which `lua_tolstring` does not change.
    unsafe {
        let metatable = ffi::lua_gettop(state);
        let mut found = false;
        ffi::lua_pushnil(state);
        while ffi::lua_next(state, metatable) != 0 {
            found = ffi::lua_type(state, -2) == ffi::LUA_TSTRING
                && ffi::lua_type(state, -1) == ffi::LUA_TSTRING
                && bytes_at(state, -2) == b"__jsontype"
                && bytes_at(state, -1) == b"array";
            if found {
                break;
            }
            ffi::lua_settop(state, metatable + 1);
        }
        ffi::lua_settop(state, metatable);
        found
    }
}

/// Returns the name of a Lua type.
pub fn type_name(kind: c_int) -> &'static str {
    match kind {
        ffi::LUA_TNIL => "nil",
        ffi::LUA_TBOOLEAN => "boolean",
        ffi::LUA_TLIGHTUSERDATA | ffi::LUA_TUSERDATA => "userdata",
        ffi::LUA_TTABLE => "table",
        ffi::LUA_TFUNCTION => "function",
        ffi::LUA_TTHREAD => "thread",
        TYPE_CDATA => "cdata",
        _ => "value of an unknown type",
    }
}
