//! The peer engine without I/O: one program's side of a connection to a daemon.
//!
//! Calls of the program and received messages go in, bytes to send and [`Event`]s come out; the
//! clock is an argument. Sockets are in `transport`, Lua in `lua::peer`.
//!
//! - [`engine`]: the [`Engine`] itself, its phases and limits
//! - [`outgoing`]: the messages a program sends
//! - [`incoming`]: what received messages mean
//! - [`greeting`]: what is said before a program's first message
//! - [`dialect`]: which daemon this is and what follows from that
//! - [`fetching`]: the fetchers of a peer
//! - [`plan`]: what of a fetch the daemon is asked for and what is done here
//! - [`local_fetch`]: fetch rules and sorting on this side of the wire
//! - [`requests`]: requests that wait for their response

pub mod dialect;
pub mod engine;
pub mod event;
pub mod fetching;
pub mod greeting;
pub mod incoming;
pub mod local_fetch;
pub mod outgoing;
pub mod plan;
pub mod requests;

pub use dialect::Dialect;
pub use engine::{Engine, Options};
pub use event::{Event, Happening};
pub use outgoing::{Failure, RequestOptions};
