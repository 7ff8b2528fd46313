//! Keeps this library in memory until the process ends.
//!
//! `lua_close` unloads C modules. A thread that a daemon left behind, an exit handler or the
//! destructor of a thread-local value would then run code that is gone.

use std::ffi::c_void;
use std::mem::MaybeUninit;

/// Pins the library this function is part of: unloading it becomes a no-op.
pub fn pin() {
    pin_library_of(pin as *const c_void as usize);
}

/// Pins the library that contains the code at the address `code`, and with it those that it needs.
///
/// Cheap, and harmless when repeated. Where it is not possible (a static executable has nothing
/// to unload) nothing happens.
pub fn pin_library_of(code: usize) {
    let mut info = MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: `dladdr` takes any address, and fills `info` when it returns non-zero; only then it is read. The name
    // it gives is a NUL-terminated string owned by the loader. With RTLD_NOLOAD nothing is
    // loaded or initialised: the flags of the library that is there already are changed. The
    // handle is kept on purpose, never closed.
    unsafe {
        if libc::dladdr(code as *const c_void, info.as_mut_ptr()) != 0 {
            let name = info.assume_init().dli_fname;
            if !name.is_null() {
                libc::dlopen(name, libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
            }
        }
    }
}
