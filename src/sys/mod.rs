//! The operating system: signals, raw descriptors, forks and the kernel's memory, behind safe functions.
//!
//! Nothing here knows about Jet or Lua. With `lua::convert`, this is all unsafe code of the crate; each block says why it
//! is sound.

pub mod allocator;
pub mod background;
pub mod fork;
pub mod host_lookup;
pub mod pages;
#[cfg(any(feature = "lua51", feature = "lua52", feature = "lua53", feature = "lua54"))]
pub mod pin_library;
pub mod poll;
pub mod shared_word;
pub mod signals;
