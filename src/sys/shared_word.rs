//! A number that a process shares with those that it forks.

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU64;

/// A number in memory of its own, which forks share instead of copying it. It is 0 at the beginning. Until it is
/// written, it takes no memory.
#[derive(Debug)]
pub struct SharedWord(NonNull<AtomicU64>);

// SAFETY: the word is atomic, and the memory lives until the drop of the one value that has it.
unsafe impl Send for SharedWord {}
// SAFETY: as above.
unsafe impl Sync for SharedWord {}

const SIZE: usize = size_of::<AtomicU64>();

impl SharedWord {
    /// Makes one.
    ///
    /// # Errors
    /// The system has no memory left.
    pub fn new() -> io::Result<SharedWord> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: asks for new memory anywhere, and touches no memory that is there.
        let at = unsafe { libc::mmap(ptr::null_mut(), SIZE, access, kind, -1, 0) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(at.cast()).map(SharedWord).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    /// Returns the word.
    pub fn get(&self) -> &AtomicU64 {
        // SAFETY: the memory is a page, aligned and zeroed, which is a valid atomic, and it lives as long as `self`.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for SharedWord {
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `new` with this size, and nothing refers to it after this.
        unsafe { libc::munmap(self.0.as_ptr().cast(), SIZE) };
    }
}
