//! The C functions that Lua calls directly: `stage`, `take`, `encode`, `decode`, `array`, `object`, `pin`.
//!
//! A function made by mlua costs several times as much as the conversion of a small value, so
//! these few are plain C functions. Lua calls them with a valid state, in protected mode, and with
//! `LUA_MINSTACK` free slots; that is what makes their calls of the C API sound. They do not panic, and they own
//! nothing while they call Lua: buffers are in `ManuallyDrop`, so that an error of Lua's (out of
//! memory) leaks them at worst.

use std::ffi::{CStr, c_int};
use std::fmt::Write as _;
use std::mem::ManuallyDrop;
use std::ptr;
use std::rc::Rc;

use mlua::ffi::{self, lua_State};
use mlua::{Lua, Table};

use super::MAX_LEVELS;
use super::bridge::{Bridge, Buffers, Stage};
use super::peek::{bytes_at, says_array};
use super::push::{push, push_bytes};
use super::read::{InvalidUtf8, Limits, read};
use crate::json::{Raw, scan};
use crate::sys::pin_library;
use crate::wire;

/// The name of the arrays' metatable in the registry. A name and not an address, so that two copies of this
/// library in one process agree on what an array is.
const ARRAY_KEY: &str = "jet.array";

/// The upvalues of the functions: the bridge, and the metatable of arrays.
const BRIDGE: c_int = ffi::lua_upvalueindex(1);
const ARRAY: c_int = ffi::lua_upvalueindex(2);

/// The contents of the userdata in the first upvalue. It is null once the userdata has been collected.
type Handle = *const Bridge;

/// Sets the functions that Lua calls directly, and `null`, in `module`.
///
/// # Errors
/// If Lua runs out of memory.
pub fn register(lua: &Lua, module: &Table) -> mlua::Result<()> {
    let metatable = array_metatable(lua)?;
    let bridge = Bridge::of(lua);
    // SAFETY: `install` expects these two tables. `exec_raw` gives it a valid state in protected mode.
    unsafe { lua.exec_raw::<()>((module, metatable), |state| install(state, &bridge)) }
}

/// Returns the metatable that marks arrays, which the first call in a Lua state makes.
fn array_metatable(lua: &Lua) -> mlua::Result<Table> {
    if let Some(metatable) = lua.named_registry_value::<Option<Table>>(ARRAY_KEY)? {
        return Ok(metatable);
    }
    let metatable = lua.create_table()?;
    // This is how dkjson marks arrays: it then writes ours as arrays, and `read` understands its mark.
    metatable.raw_set("__jsontype", "array")?;
    lua.set_named_registry_value(ARRAY_KEY, &metatable)?;
    Ok(metatable)
}

/// Sets the functions in the table at index 1. The metatable of arrays is at index 2.
///
/// # Safety
/// `state` must be a valid Lua state in protected mode with those two tables on it and nothing else.
unsafe fn install(state: *mut lua_State, bridge: &Rc<Bridge>) {
    // SAFETY: the caller vouches for the state and the two tables. Slots for five more values are reserved first. The
    // userdata is as large and as aligned as the handle that is written into it.
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

/// The `__gc` of the handle, which releases the bridge.
///
/// # Safety
/// To be called by Lua only, for the userdata that [`install`] makes.
unsafe extern "C-unwind" fn release(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this as `__gc` of the userdata that `install` made, so its argument holds a `Handle`. A
    // pointer that is not null came from `Rc::into_raw`, and is taken once: null replaces it.
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

/// Returns the bridge of the running function. Raises if the Lua state is already being closed.
///
/// # Safety
/// `state` must be that of a running function that [`install`] made.
unsafe fn bridge<'a>(state: *mut lua_State) -> &'a Bridge {
    // SAFETY: the caller is one of the functions of `install`, so the upvalue is the userdata with the handle. The
    // bridge lives as long as that userdata, which the running function refers to.
    unsafe {
        let handle = ffi::lua_touserdata(state, BRIDGE).cast::<Handle>();
        if handle.is_null() || (*handle).is_null() {
            ffi::lua_pushstring(state, c"jet: this Lua state is closing".as_ptr());
            ffi::lua_error(state);
        }
        &**handle
    }
}

/// `pin(function)` keeps the library of this C function loaded until the process ends. It does nothing for a Lua
/// function or another value.
///
/// # Safety
/// To be called by Lua only.
unsafe extern "C-unwind" fn pin(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this, see the top of this file.
    unsafe {
        if let Some(function) = ffi::lua_tocfunction(state, 1) {
            pin_library::pin_library_of(function as usize);
        }
        0
    }
}

/// `stage(value [, name [, max_bytes [, max_depth [, refuse]]]])` converts a value for the next
/// call of a function made by mlua. Returns its number, or nil and why it cannot be sent. `name`
/// stands for the value in that message. With `refuse`, strings that are not UTF-8 cannot be sent.
///
/// # Safety
/// To be called by Lua only.
unsafe extern "C-unwind" fn stage(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this, see the top of this file.
    unsafe {
        let bridge = bridge(state);
        let mut stage = ManuallyDrop::new(bridge.staged().begin());
        if !read_argument(state, &mut stage.item) {
            bridge.staged().end(ManuallyDrop::into_inner(stage));
            return 2;
        }
        ffi::lua_pushinteger(state, stage.number() as ffi::lua_Integer);
        bridge.staged().leave(ManuallyDrop::into_inner(stage));
        1
    }
}

/// `encode(value, ...)`, with the arguments of `stage`, returns the JSON of a value, or nil and a message.
///
/// # Safety
/// To be called by Lua only.
unsafe extern "C-unwind" fn encode(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this, see the top of this file.
    unsafe {
        let bridge = bridge(state);
        let mut stage = ManuallyDrop::new(bridge.staged().begin());
        let results = if read_argument(state, &mut stage.item) {
            push_bytes(state, &stage.item.text);
            1
        } else {
            2
        };
        stage.item.clear();
        bridge.staged().end(ManuallyDrop::into_inner(stage));
        results
    }
}

/// Reads the first argument into `stage`. Pushes nil and a message, and returns false, if it cannot be sent.
///
/// # Safety
/// `state` must be that of a running function that [`install`] made.
unsafe fn read_argument(state: *mut lua_State, stage: &mut Stage) -> bool {
    // SAFETY: the caller vouches for the state. The arguments are at the indices 1 to 5, and stay there.
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

/// Returns the limit among the arguments at `index`, or `default` unless that is a positive number.
///
/// # Safety
/// `state` must be a valid Lua state, `index` a valid index.
unsafe fn limit(state: *mut lua_State, index: c_int, default: usize) -> usize {
    // SAFETY: the caller vouches for the state and the index.
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

/// `decode(text [, max_depth])` returns the value of a JSON text, or nil and what is wrong with the text.
/// Bytes that are not UTF-8 are read as Latin-1, as in received messages.
///
/// # Safety
/// To be called by Lua only.
unsafe extern "C-unwind" fn decode(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this, see the top of this file. The text stays at index 1, so it lives as long as `bytes`.
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

/// `take(number, table)` writes the fields posted under that number to `table[1]`, `table[2]`,
/// ... Returns the number of fields.
///
/// # Safety
/// To be called by Lua only.
unsafe extern "C-unwind" fn take(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this, see the top of this file.
    unsafe {
        ffi::luaL_checktype(state, 1, ffi::LUA_TNUMBER);
        ffi::luaL_checktype(state, 2, ffi::LUA_TTABLE);
        ffi::lua_settop(state, 2);
        let bridge = bridge(state);
        // The cast saturates; no number that was given out is that large.
        let Some(rows) = bridge.posted().take(ffi::lua_tonumber(state, 1) as u64) else {
            ffi::lua_pushinteger(state, 0);
            return 1;
        };
        let mut rows = ManuallyDrop::new(rows);
        let mut buffers = ManuallyDrop::new(bridge.take_buffers());
        let count = rows.item.fill(state, 2, ARRAY, &mut buffers.scratch);
        rows.item.clear();
        bridge.posted().end(ManuallyDrop::into_inner(rows));
        bridge.put_buffers(ManuallyDrop::into_inner(buffers));
        ffi::lua_pushinteger(state, count.into());
        1
    }
}

/// `array([t])` marks `t`, or a new table, as an array, which it is then even while it is empty. Returns the table.
///
/// # Safety
/// To be called by Lua only.
unsafe extern "C-unwind" fn array(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this, see the top of this file.
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

/// `object(fields)` returns a new userdata with the fields and methods of that table. Assigning to a field of the
/// userdata assigns to the table. The userdata holds nothing but that table, in a metatable of its own.
///
/// # Safety
/// To be called by Lua only.
unsafe extern "C-unwind" fn object(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this, see the top of this file.
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
