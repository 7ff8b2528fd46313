//! Signals: keeping them away from a thread.

use std::mem::MaybeUninit;

/// Blocks all signals in the calling thread: the host's handlers run on its other threads.
pub fn block_all_here() {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset initialises the set it is given; pthread_sigmask only reads it and takes
    // null for the place of the old mask.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut());
    }
}
