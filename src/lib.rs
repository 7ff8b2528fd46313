//! The Jet bus: a peer and a daemon, and the Lua module `jet` made of them.
//!
//! Jet connects programs over one daemon: peers add states and methods under paths, others
//! fetch them live, set them and call them. This crate is cut into engines that do no I/O
//! ([`peer`], [`daemon`]), what they share ([`json`], [`wire`], [`rules`], [`users`]) and what drives
//! them ([`net`], `server`, and with a Lua feature `lua`).
//!
//! All unsafe code of the crate lives in two modules, [`sys`] for the operating system and `lua::convert` for the
//! Lua stack; everywhere else the compiler rejects it.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod daemon;
pub mod evloop;
pub mod json;
#[cfg(any(feature = "lua51", feature = "lua52", feature = "lua53", feature = "lua54"))]
mod lua;
pub mod net;
pub mod ownership;
pub mod peer;
pub mod rules;
pub mod server;
#[allow(unsafe_code)]
pub mod sys;
pub mod users;
pub mod util;
pub mod wire;
