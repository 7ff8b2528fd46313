//! The entry point of the Lua module. It turns a lack of memory while mlua starts into a Lua error: mlua panics then,
//! and a panic cannot pass through Lua's C code. [`Reserve`] is the memory set aside for that start.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::mem::ManuallyDrop;
use std::panic::{self, AssertUnwindSafe};
use std::ptr;
use std::sync::Once;

use mlua::ffi::{self, lua_State};
use mlua::{Lua, Value};

thread_local! {
    /// Set while this thread is in the entry point, where a panic becomes a Lua error and is not printed.
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
    // SAFETY: Lua calls this with a valid state, in protected mode. The reserve is boxed, so it stays where it is
    // until its
    // `end`, and neither of the two calls in between lets an error pass.
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

/// Calls a function that leaves one value, or an error. Even pushing the function takes memory.
///
/// # Safety
/// `state` must be a valid Lua state in protected mode.
unsafe fn call(state: *mut lua_State, function: ffi::lua_CFunction) -> c_int {
    // SAFETY: the caller vouches for the state, which has slots for the function and its result.
    unsafe {
        ffi::lua_settop(state, 0);
        ffi::lua_pushcclosure(state, function, 0);
        ffi::lua_pcall(state, 0, 1, 0)
    }
}

/// Starts mlua.
///
/// # Safety
/// To be called by Lua only.
unsafe extern "C-unwind" fn start(state: *mut lua_State) -> c_int {
    // SAFETY: `call` calls this through Lua, so the state is valid and protected.
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
/// To be called by Lua only.
unsafe extern "C-unwind" fn make(state: *mut lua_State) -> c_int {
    // SAFETY: as in `start`.
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

/// Raises the error that Lua itself raises without memory.
///
/// # Safety
/// `state` must be a valid Lua state in protected mode.
unsafe fn out_of_memory(state: *mut lua_State) -> c_int {
    // SAFETY: the caller vouches for the state.
    unsafe {
        ffi::lua_pushstring(state, c"not enough memory".as_ptr());
        ffi::lua_error(state)
    }
}

/// The blocks that are set aside, by size: more and larger ones than mlua takes to start.
const BLOCKS: [(usize, usize); 3] = [(224, 128), (32, 1024), (4, 16 * 1024)];

/// Stands in for the allocator of a Lua state: when that fails, it gives out blocks that were allocated before.
#[derive(Debug)]
pub struct Reserve {
    allocator: ffi::lua_Alloc,
    data: *mut c_void,
    /// The blocks that are left, the smallest ones first.
    blocks: Vec<(*mut c_void, usize)>,
}

impl Reserve {
    /// Sets memory aside; `None` if there is not enough.
    ///
    /// # Safety
    /// `state` must be a valid Lua state.
    pub unsafe fn of(state: *mut lua_State) -> Option<Reserve> {
        // SAFETY: the caller vouches for the state. Its allocator is called as Lua itself calls it for a new block.
        unsafe {
            let mut data = ptr::null_mut();
            let allocator = ffi::lua_getallocf(state, &mut data);
            let mut reserve = Reserve { allocator, data, blocks: Vec::new() };
            for (count, size) in BLOCKS {
                for _ in 0..count {
                    let block = allocator(data, ptr::null_mut(), 0, size);
                    if block.is_null() {
                        reserve.free();
                        return None;
                    }
                    reserve.blocks.push((block, size));
                }
            }
            Some(reserve)
        }
    }

    /// Has the Lua state use the reserve from now on.
    ///
    /// # Safety
    /// `state` must be the state of this reserve, which has to stay where it is until [`end`](Self::end).
    pub unsafe fn begin(&mut self, state: *mut lua_State) {
        // SAFETY: the caller vouches for the state, and that `self` outlives its use as the data of `allocate`.
        unsafe {
            ffi::lua_setallocf(state, allocate, ptr::from_mut(self).cast());
        }
    }

    /// Returns its own allocator to the Lua state, and frees the blocks that are left.
    ///
    /// # Safety
    /// As [`begin`](Self::begin).
    pub unsafe fn end(mut self, state: *mut lua_State) {
        // SAFETY: the state gets back the allocator that all its blocks come from.
        unsafe {
            ffi::lua_setallocf(state, self.allocator, self.data);
            self.free();
        }
    }

    /// Frees the blocks that are left.
    ///
    /// # Safety
    /// The allocator must still be there.
    unsafe fn free(&mut self) {
        // SAFETY: each block came from this allocator with this size, and nothing else refers to it.
        unsafe {
            for (block, size) in self.blocks.drain(..) {
                (self.allocator)(self.data, block, size, 0);
            }
        }
    }

    /// Returns a block of that size, cut from the smallest that is large enough. The allocator itself makes it
    /// smaller, so that it can free it later like any other.
    ///
    /// # Safety
    /// As for `free`.
    unsafe fn take(&mut self, size: usize) -> *mut c_void {
        // SAFETY: the block came from this allocator with the size `has`.
        unsafe {
            let Some(place) = self.blocks.iter().position(|(_, has)| *has >= size) else {
                return ptr::null_mut();
            };
            let (block, has) = self.blocks.remove(place);
            (self.allocator)(self.data, block, has, size)
        }
    }
}

/// The allocator that Lua calls meanwhile.
///
/// # Safety
/// To be called by Lua only, with the reserve of [`Reserve::begin`].
unsafe extern "C" fn allocate(
    reserve: *mut c_void,
    block: *mut c_void,
    old_size: usize,
    size: usize,
) -> *mut c_void {
    // SAFETY: `reserve` is what `begin` passed, and nothing else uses it while Lua allocates. `block` and `old_size`
    // are those of a block of the same allocator, and a new block is at least as large as what is copied.
    unsafe {
        let reserve = &mut *reserve.cast::<Reserve>();
        let new = (reserve.allocator)(reserve.data, block, old_size, size);
        if !new.is_null() || size == 0 {
            return new;
        }
        let new = reserve.take(size);
        if !new.is_null() && !block.is_null() {
            ptr::copy_nonoverlapping(block.cast::<u8>(), new.cast::<u8>(), old_size.min(size));
            (reserve.allocator)(reserve.data, block, old_size, 0);
        }
        new
    }
}
