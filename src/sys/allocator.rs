//! How the C library's allocator treats large blocks.

/// Blocks from this size on are returned to the system as soon as they are freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: libc::c_int = 256 * 1024;

/// Has memory of large messages returned to the system when it is freed. Otherwise glibc raises the size from which on
/// it does that with each large block, and keeps what lies between two blocks in use. For programs of our own only: it
/// changes the allocator of the whole process.
pub fn return_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes two integers and changes nothing but the allocator's parameters.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}
