//! The entry point of the Lua module. It turns a lack of memory while mlua starts into a Lua error: mlua panics then,
//! and a panic cannot pass through Lua's C code.

use std::cell::Cell;
use std::ffi::c_int;
use std::mem::ManuallyDrop;
use std::panic::{self, AssertUnwindSafe};
use std::ptr;
use std::sync::Once;

use mlua::ffi::{self, lua_State};
use mlua::{Lua, Value};

use super::reserve::Reserve;

thread_local! {
    /// Whether this thread is in the entry point, where a panic is answered with a Lua error and not printed.
    static OPENING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`; returns `None` if it panics, without a word.
fn quietly<T>(f: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !OPENING.get() {
                print(panic);
            }
        }));
    });
    OPENING.set(true);
    panic::catch_unwind(AssertUnwindSafe(f)).ok()
}

/// Entry point of `require 'jet.core'`: the function that Lua looks for in the library.
///
/// # Safety
/// To be called by Lua only.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn luaopen_jet_core(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with a valid state. The reserve stays in its box until its end, which this function
    // SAFETY: reaches, as all that can raise an error between runs in protected calls.
    unsafe {
        ffi::luaL_checkstack(state, 4, ptr::null());
        // mlua's start leaves things half done when it fails, so it must not.
        let Some(reserve) = Reserve::of(state) else {
            return out_of_memory(state);
        };
        // In a place that stays, should an error leave this function.
        let mut reserve = ManuallyDrop::new(Box::new(reserve));
        reserve.begin(state);
        // Calls that are protected: whatever leaves them ends here.
        let mut status = call(state, start);
        ManuallyDrop::take(&mut reserve).end(state);
        if status == ffi::LUA_OK {
            status = call(state, make);
        }
        OPENING.set(false);
        if status == ffi::LUA_OK {
            return 1;
        }
        if ffi::lua_isstring(state, -1) == 0 {
            return out_of_memory(state);
        }
        ffi::lua_error(state)
    }
}

/// Calls a function that leaves one value, or an error. Even to make the function of it takes memory.
///
/// # Safety
/// `state` must be a valid Lua state with a free slot.
unsafe fn call(state: *mut lua_State, function: ffi::lua_CFunction) -> c_int {
    // SAFETY: the state is valid, as the caller promises, and errors of the function end in lua_pcall.
    unsafe {
        ffi::lua_settop(state, 0);
        ffi::lua_pushcclosure(state, function, 0);
        ffi::lua_pcall(state, 0, 1, 0)
    }
}

/// Starts mlua.
///
/// # Safety
/// To be called by Lua only, in a protected call.
unsafe extern "C-unwind" fn start(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with a valid state. mlua's start needs no more, and its panics end in `quietly`.
    unsafe {
        let started = quietly(|| {
            let _: &Lua = Lua::get_or_init_from_ptr(state);
        });
        if started.is_none() {
            return out_of_memory(state);
        }
        ffi::lua_pushboolean(state, 1);
        1
    }
}

/// Makes the module.
///
/// # Safety
/// To be called by Lua only, in a protected call.
unsafe extern "C-unwind" fn make(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with a valid state, in which mlua was started before.
    unsafe {
        Lua::entrypoint1(state, |lua| Ok(module_or_text(lua)));
        if ffi::lua_istable(state, -1) != 0 {
            return 1;
        }
        if ffi::lua_isstring(state, -1) == 0 {
            return out_of_memory(state);
        }
        ffi::lua_error(state)
    }
}

/// The module, why there is none, or nil if there is no memory for that either.
fn module_or_text(lua: &Lua) -> Value {
    let made = quietly(|| match crate::lua::module(lua) {
        Ok(module) => Ok(Value::Table(module)),
        Err(error) => lua.create_string(error.to_string()).map(Value::String),
    });
    made.and_then(Result::ok).unwrap_or(Value::Nil)
}

/// Raises what Lua itself raises.
///
/// # Safety
/// `state` must be a valid Lua state in a function that Lua has called.
unsafe fn out_of_memory(state: *mut lua_State) -> c_int {
    // SAFETY: the state is valid, as the caller promises; this raises the error as any C function does.
    unsafe {
        ffi::lua_pushstring(state, c"not enough memory".as_ptr());
        ffi::lua_error(state)
    }
}
