//! The C functions that Lua calls directly: `stage`, `take`, `encode`, `decode`, `array`, `object`, `pin`.
//!
//! A function made by mlua costs several times as much as the conversion of a small value, so
//! these few are plain. Lua calls them in protected mode already. They must not panic, and own
//! nothing while they call Lua: buffers are in `ManuallyDrop`, so that an error of Lua's (out of
//! memory) leaks them at worst.

use std::ffi::{CStr, c_int};
use std::fmt::Write as _;
use std::mem::ManuallyDrop;
use std::ptr;
use std::rc::Rc;

use mlua::ffi::{self, lua_State};

use super::MAX_LEVELS;
use super::bridge::{Bridge, Buffers, Stage};
use super::peek::{bytes_at, says_array};
use super::push::{push, push_bytes};
use super::read::{InvalidUtf8, Limits, read};
use crate::json::{Raw, scan};
use crate::sys::pin_library;
use crate::wire;

/// What the functions have as upvalues: the bridge, and the metatable of arrays.
const BRIDGE: c_int = ffi::lua_upvalueindex(1);
const ARRAY: c_int = ffi::lua_upvalueindex(2);

/// What the userdata of the first upvalue holds; null once it has been collected.
type Handle = *const Bridge;

/// Sets the functions in the table at index 1; the metatable of arrays is at index 2.
///
/// # Safety
/// `state` must be a valid Lua state in protected mode with those two tables on it.
pub unsafe fn install(state: *mut lua_State, bridge: &Rc<Bridge>) {
    // SAFETY: the caller promises the state and the two tables; the slots that are needed are checked first. The
    // SAFETY: handle is initialised before `release` can see it.
    unsafe {
        ffi::luaL_checkstack(state, 8, ptr::null());
        let handle = ffi::lua_newuserdata(state, size_of::<Handle>()).cast::<Handle>();
        handle.write(ptr::null());
        ffi::lua_createtable(state, 0, 1);
        ffi::lua_pushcclosure(state, release, 0);
        ffi::lua_setfield(state, -2, c"__gc".as_ptr());
        ffi::lua_setmetatable(state, 3);
        // Only now that `release` is sure to come.
        handle.write(Rc::into_raw(Rc::clone(bridge)));
        let functions: [(&CStr, ffi::lua_CFunction); 7] = [
            (c"stage", stage),
            (c"take", take),
            (c"encode", encode),
            (c"decode", decode),
            (c"array", array),
            (c"object", object),
            (c"pin", pin),
        ];
        for (name, function) in functions {
            ffi::lua_pushvalue(state, 3);
            ffi::lua_pushvalue(state, 2);
            ffi::lua_pushcclosure(state, function, 2);
            ffi::lua_setfield(state, 1, name.as_ptr());
        }
        ffi::lua_pushlightuserdata(state, ptr::null_mut());
        ffi::lua_setfield(state, 1, c"null".as_ptr());
        ffi::lua_settop(state, 0);
    }
}

/// `__gc` of the handle: lets go of the bridge.
///
/// # Safety
/// To be called by Lua only, with the userdata of [`install`].
unsafe extern "C-unwind" fn release(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with the userdata as its argument. It holds null or a pointer from `Rc::into_raw`, which
    // SAFETY: is replaced by null, so it is released once.
    unsafe {
        let handle = ffi::lua_touserdata(state, 1).cast::<Handle>();
        // A second call finds null.
        if !handle.is_null() {
            let bridge = handle.replace(ptr::null());
            if !bridge.is_null() {
                drop(Rc::from_raw(bridge));
            }
        }
        0
    }
}

/// The bridge of a function called by Lua. Raises when the Lua state is already being closed.
///
/// # Safety
/// `state` must be a valid Lua state inside a function of [`install`], in protected mode. The bridge must not be used
/// after that function returns.
unsafe fn bridge<'a>(state: *mut lua_State) -> &'a Bridge {
    // SAFETY: upvalue 1 is the handle of `install`. A pointer in it is that of a bridge that lives until `release`,
    // SAFETY: which does not run while a function with this upvalue does.
    unsafe {
        let handle = ffi::lua_touserdata(state, BRIDGE).cast::<Handle>();
        if handle.is_null() || (*handle).is_null() {
            ffi::lua_pushstring(state, c"jet: this Lua state is closing".as_ptr());
            ffi::lua_error(state);
        }
        &**handle
    }
}

/// `pin(function)`: keeps the library that has this C function loaded until the process ends; nothing for a Lua
/// function or another value.
///
/// # Safety
/// To be called by Lua only.
unsafe extern "C-unwind" fn pin(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with a valid state in protected mode and LUA_MINSTACK free slots. The address is only
    // SAFETY: compared with those of loaded libraries.
    unsafe {
        if let Some(function) = ffi::lua_tocfunction(state, 1) {
            pin_library::pin_library_of(function as usize);
        }
        0
    }
}

/// `stage(value [, name [, max_bytes [, max_depth [, refuse]]]])`: reads a value for the next
/// call of a function made by mlua. Gives its number, or nil and what cannot be sent. `name`
/// stands for the value in that message; `refuse`: strings that are no UTF-8 cannot be sent.
///
/// # Safety
/// To be called by Lua only, as a function of [`install`].
unsafe extern "C-unwind" fn stage(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with a valid state in protected mode and LUA_MINSTACK free slots. No value that needs
    // SAFETY: dropping is alive while Lua may raise an error.
    unsafe {
        let bridge = bridge(state);
        let mut stage = ManuallyDrop::new(bridge.staged.begin());
        if !read_argument(state, &mut stage.item) {
            bridge.staged.end(ManuallyDrop::into_inner(stage));
            return 2;
        }
        ffi::lua_pushinteger(state, stage.number() as ffi::lua_Integer);
        bridge.staged.leave(ManuallyDrop::into_inner(stage));
        1
    }
}

/// `encode(value, ...)`, arguments as for `stage`: the JSON of a value, or nil and a message.
///
/// # Safety
/// To be called by Lua only, as a function of [`install`].
unsafe extern "C-unwind" fn encode(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with a valid state in protected mode and LUA_MINSTACK free slots. No value that needs
    // SAFETY: dropping is alive while Lua may raise an error.
    unsafe {
        let bridge = bridge(state);
        let mut stage = ManuallyDrop::new(bridge.staged.begin());
        let results = if read_argument(state, &mut stage.item) {
            push_bytes(state, &stage.item.text);
            1
        } else {
            2
        };
        stage.item.clear();
        bridge.staged.end(ManuallyDrop::into_inner(stage));
        results
    }
}

/// Reads the first argument into `stage`. At a fault pushes nil and the message.
///
/// # Safety
/// `state` must be a valid Lua state inside a function of [`install`], in protected mode.
unsafe fn read_argument(state: *mut lua_State, stage: &mut Stage) -> bool {
    // SAFETY: the caller promises the state, which has LUA_MINSTACK free slots in a function that Lua has called.
    // SAFETY: Arguments that are missing read as none.
    unsafe {
        ffi::lua_settop(state, 5);
        let refuse = ffi::lua_toboolean(state, 5) != 0;
        let limits = Limits {
            max_bytes: limit(state, 3, wire::DEFAULT_MAX_MESSAGE),
            max_depth: limit(state, 4, scan::DEFAULT_MAX_DEPTH),
            invalid_utf8: if refuse { InvalidUtf8::Refuse } else { InvalidUtf8::Latin1 },
        };
        stage.text.clear();
        let array = ffi::lua_topointer(state, ARRAY);
        let Err(fault) = read(state, 1, array, limits, &mut stage.text, &mut stage.notes) else {
            return true;
        };
        let name = if ffi::lua_type(state, 2) == ffi::LUA_TSTRING { bytes_at(state, 2) } else { b"value" };
        stage.notes.describe(name, fault);
        ffi::lua_pushnil(state);
        push_bytes(state, stage.notes.message.as_bytes());
        false
    }
}

/// A limit among the arguments; `default` unless it is a positive number.
///
/// # Safety
/// `state` must be a valid Lua state.
unsafe fn limit(state: *mut lua_State, index: c_int, default: usize) -> usize {
    // SAFETY: lua_tonumber only reads, and takes any index of an argument.
    unsafe {
        let number = if ffi::lua_type(state, index) == ffi::LUA_TNUMBER {
            ffi::lua_tonumber(state, index)
        } else {
            0.0
        };
        // The cast saturates.
        if number >= 1.0 { number as usize } else { default }
    }
}

/// `decode(text [, max_depth])`: the value of a JSON text, or nil and what is wrong with the text.
/// Bytes that are no UTF-8 are taken as Latin-1, as in what peers receive.
///
/// # Safety
/// To be called by Lua only, as a function of [`install`].
unsafe extern "C-unwind" fn decode(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with a valid state in protected mode and LUA_MINSTACK free slots. No value that needs
    // SAFETY: dropping is alive while Lua may raise an error.
    unsafe {
        ffi::luaL_checktype(state, 1, ffi::LUA_TSTRING);
        ffi::lua_settop(state, 2);
        let bridge = bridge(state);
        let max_depth = limit(state, 2, scan::DEFAULT_MAX_DEPTH).min(MAX_LEVELS);
        let mut buffers = ManuallyDrop::new(bridge.take_buffers());
        let Buffers { scratch, input } = &mut **buffers;
        let bytes = bytes_at(state, 1);
        let text = std::str::from_utf8(bytes).unwrap_or_else(|_| {
            input.clear();
            wire::latin1::push_latin1(input, bytes);
            input.as_str()
        });
        let results = match Raw::parse(text, max_depth) {
            Ok(value) => {
                push(state, value, ARRAY, scratch);
                1
            }
            Err(error) => {
                scratch.clear();
                // Writing to a String cannot fail.
                let _ = write!(scratch, "{error}");
                ffi::lua_pushnil(state);
                push_bytes(state, scratch.as_bytes());
                2
            }
        };
        bridge.put_buffers(ManuallyDrop::into_inner(buffers));
        results
    }
}

/// `take(number, table)`: writes the fields posted under that number to `table[1]`, `table[2]`,
/// ... Gives how many there were.
///
/// # Safety
/// To be called by Lua only, as a function of [`install`].
unsafe extern "C-unwind" fn take(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with a valid state in protected mode and LUA_MINSTACK free slots. No value that needs
    // SAFETY: dropping is alive while Lua may raise an error.
    unsafe {
        ffi::luaL_checktype(state, 1, ffi::LUA_TNUMBER);
        ffi::luaL_checktype(state, 2, ffi::LUA_TTABLE);
        ffi::lua_settop(state, 2);
        let bridge = bridge(state);
        // The cast saturates; no number that was given out is that large.
        let Some(rows) = bridge.posted.take(ffi::lua_tonumber(state, 1) as u64) else {
            ffi::lua_pushinteger(state, 0);
            return 1;
        };
        let mut rows = ManuallyDrop::new(rows);
        let mut buffers = ManuallyDrop::new(bridge.take_buffers());
        let count = rows.item.fill(state, 2, ARRAY, &mut buffers.scratch);
        rows.item.clear();
        bridge.posted.end(ManuallyDrop::into_inner(rows));
        bridge.put_buffers(ManuallyDrop::into_inner(buffers));
        ffi::lua_pushinteger(state, count.into());
        1
    }
}

/// `array([t])`: marks `t`, or a new table, as an array also while it is empty; gives it back.
///
/// # Safety
/// To be called by Lua only, as a function of [`install`].
unsafe extern "C-unwind" fn array(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with a valid state in protected mode and LUA_MINSTACK free slots. No value that needs
    // SAFETY: dropping is alive while Lua may raise an error.
    unsafe {
        ffi::lua_settop(state, 1);
        if ffi::lua_isnil(state, 1) != 0 {
            ffi::lua_newtable(state);
            ffi::lua_replace(state, 1);
        }
        ffi::luaL_checktype(state, 1, ffi::LUA_TTABLE);
        if ffi::lua_getmetatable(state, 1) != 0 {
            if ffi::lua_rawequal(state, -1, ARRAY) == 0 && !says_array(state) {
                let message = c"the table has a metatable already; give that a field __jsontype = 'array'";
                ffi::luaL_argerror(state, 1, message.as_ptr());
            }
        } else {
            ffi::lua_pushvalue(state, ARRAY);
            ffi::lua_setmetatable(state, 1);
        }
        ffi::lua_settop(state, 1);
        1
    }
}

/// `object(fields)`: a new userdata that has the fields and methods of that table, and gets its new fields. It holds
/// nothing but that table, in a metatable of its own.
///
/// Called by Lua only: `state` is valid and in protected mode. Nothing of Rust's is here when Lua raises.
///
/// # Safety
/// To be called by Lua only, as a function of [`install`].
unsafe extern "C-unwind" fn object(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with a valid state in protected mode and LUA_MINSTACK free slots. No value that needs
    // SAFETY: dropping is alive while Lua may raise an error.
    unsafe {
        ffi::luaL_checktype(state, 1, ffi::LUA_TTABLE);
        ffi::lua_settop(state, 1);
        ffi::lua_newuserdata(state, 0);
        ffi::lua_createtable(state, 0, 2);
        for name in [c"__index", c"__newindex"] {
            ffi::lua_pushvalue(state, 1);
            ffi::lua_setfield(state, 3, name.as_ptr());
        }
        ffi::lua_setmetatable(state, 2);
        1
    }
}
