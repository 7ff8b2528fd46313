//! The Jet bus: a peer and a daemon, and the Lua module `jet` made of them.
//!
//! Jet connects programs over one daemon: peers add states and methods under paths, others
//! fetch them live, set them and call them. This crate is cut into engines that do no I/O
//! ([`peer`], [`daemon`]), what they share ([`json`], [`msgpack`], [`protocol`], [`rules`], [`users`]) and what drives
//! them ([`transport`], `daemon::server`, and with a Lua feature `lua`).
//!
//! All unsafe code of the crate lives in one module, `ffi`; everywhere else the compiler
//! refuses it.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod daemon;
pub mod evloop;
#[allow(unsafe_code)]
pub mod ffi;
pub mod json;
#[cfg(any(feature = "lua51", feature = "lua52", feature = "lua53", feature = "lua54"))]
mod lua;
pub mod msgpack;
pub mod ownership;
pub mod peer;
pub mod protocol;
pub mod rules;
pub mod transport;
pub mod users;
