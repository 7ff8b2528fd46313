//! The one module with unsafe code: what touches the Lua stack, signals, raw descriptors and the kernel's memory.
//! Each block says what makes it sound; nothing here knows about Jet.

pub mod allocator;
pub mod background;
pub mod blocks;
pub mod fork;
#[cfg(any(feature = "lua51", feature = "lua52", feature = "lua53", feature = "lua54"))]
pub mod library;
pub mod poll;
pub mod shared_word;
pub mod signals;
#[cfg(any(feature = "lua51", feature = "lua52", feature = "lua53", feature = "lua54"))]
pub mod stack;

// These need no Lua, so their tests run without one.
#[cfg(any(test, feature = "lua51", feature = "lua52", feature = "lua53", feature = "lua54"))]
mod place;
#[cfg(any(test, feature = "lua51", feature = "lua52", feature = "lua53", feature = "lua54"))]
mod ring;
