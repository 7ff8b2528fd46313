//! [`Blocks`]: the working memory of a password hash, straight from the kernel and straight back to it.
//!
//! An allocator keeps what it was once given: with glibc, a daemon at which passwords are tried goes on
//! holding hundreds of megabytes, as the many of each hash come to lie between small things that stay.

use std::io;
use std::ptr::{self, NonNull};

use argon2::Block;

/// Blocks of 1 KiB, zeroed at first. They go back to the kernel when this is dropped.
#[derive(Debug)]
pub struct Blocks {
    start: NonNull<Block>,
    count: usize,
}

impl Blocks {
    /// So many blocks.
    ///
    /// # Errors
    /// There is no memory left, or `count` is 0.
    pub fn new(count: usize) -> io::Result<Blocks> {
        let bytes = count.checked_mul(size_of::<Block>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at an address of the kernel's choosing touches no memory there is.
        let start = unsafe { libc::mmap(ptr::null_mut(), bytes, access, kind, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Blocks { start, count })
    }
}

impl AsMut<[Block]> for Blocks {
    fn as_mut(&mut self) -> &mut [Block] {
        // SAFETY: the mapping is ours alone, can be read and written, and lives as long as `self`. It is
        // aligned to a page, which is more than a block wants. It began as zeros, and any bits are a
        // block, as that is an array of integers. `new` has seen that the length does not overflow.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.count) }
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        // SAFETY: that is the mapping of `new`, whole, and nothing borrows it any more. It cannot fail.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.count * size_of::<Block>()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_can_be_written_and_impossible_sizes_are_refused() {
        let mut blocks = Blocks::new(100).expect("memory");
        let blocks = blocks.as_mut();
        assert_eq!(blocks.len(), 100);
        let zeros = Block::new();
        assert!(blocks.iter().all(|block| block.as_ref() == zeros.as_ref()));
        blocks[99].as_mut()[127] = 1;
        assert!(Blocks::new(0).is_err());
        assert!(Blocks::new(usize::MAX).is_err());
        assert!(Blocks::new(usize::MAX >> 12).is_err());
    }
}
