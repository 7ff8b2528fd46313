//! [`Reserve`]: memory for a piece of work that must not run out of it.

use std::ffi::c_void;
use std::ptr;

use mlua::ffi::{self, lua_State};

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
        // SAFETY: the state is valid, so its allocator and the data go together; a null block of size 0 asks for a
        // SAFETY: new one.
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
        // SAFETY: the state is valid, and this reserve stays where it is until `end`, as the caller promises.
        // SAFETY: `allocate` behaves as the allocator of the state.
        unsafe {
            ffi::lua_setallocf(state, allocate, ptr::from_mut(self).cast());
        }
    }

    /// Gives the Lua state its own allocator back, and frees what is left.
    ///
    /// # Safety
    /// As [`begin`](Self::begin).
    pub unsafe fn end(mut self, state: *mut lua_State) {
        // SAFETY: puts back the allocator and data that the state had in `of`; it can free blocks that came through
        // SAFETY: `allocate`.
        unsafe {
            ffi::lua_setallocf(state, self.allocator, self.data);
            self.free();
        }
    }

    /// # Safety
    /// The allocator of the Lua state must still be valid.
    unsafe fn free(&mut self) {
        // SAFETY: each block came from this allocator with this size, and is removed from the list before.
        unsafe {
            for (block, size) in self.blocks.drain(..) {
                (self.allocator)(self.data, block, size, 0);
            }
        }
    }

    /// A block of that size, from the smallest that is large enough. The allocator itself makes it smaller, so that it
    /// can free it later like any other.
    ///
    /// # Safety
    /// The allocator of the Lua state must still be valid.
    unsafe fn take(&mut self, size: usize) -> *mut c_void {
        // SAFETY: the block came from this allocator with this size, and is no longer in the list. Shrinking does not
        // SAFETY: fail.
        unsafe {
            let Some(place) = self.blocks.iter().position(|(_, has)| *has >= size) else {
                return ptr::null_mut();
            };
            let (block, has) = self.blocks.remove(place);
            (self.allocator)(self.data, block, has, size)
        }
    }
}

/// What Lua calls.
///
/// # Safety
/// `reserve` must point to a [`Reserve`] that [`begin`](Reserve::begin) has set and nothing else borrows; the rest is
/// the contract of Lua's allocators.
unsafe extern "C" fn allocate(
    reserve: *mut c_void,
    block: *mut c_void,
    old_size: usize,
    size: usize,
) -> *mut c_void {
    // SAFETY: Lua passes the pointer that `begin` set, and one call at a time. The blocks and sizes are its own; a
    // SAFETY: new block has at least `size` bytes and does not overlap the old one.
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
