//! Small helpers that know nothing of Jet.

pub mod byte_queue;
pub mod deadlines;
pub mod nearest;
pub mod password;

// These need no Lua, so their tests run without one.
#[cfg(any(test, feature = "lua51", feature = "lua52", feature = "lua53", feature = "lua54"))]
pub mod handoff;
#[cfg(any(test, feature = "lua51", feature = "lua52", feature = "lua53", feature = "lua54"))]
pub mod value_path;
