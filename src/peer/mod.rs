//! The peer engine without I/O: one program's side of a connection to a daemon.
//!
//! Calls of the program and received messages go in, bytes to send and [`Event`]s come out; the
//! clock is an argument. Sockets are in `transport`, Lua in `lua::peer`.
//!
//! - [`engine`]: the [`Engine`] itself, its phases and limits
//! - [`outgoing`]: the messages a program sends; `messages`: their text
//! - [`incoming`]: what received messages mean
//! - [`greeting`]: what is said before a program's first message
//! - [`login`]: who the daemon is to take this peer for
//! - [`encoding`]: agreeing on msgpack, and translating at the edge
//! - `early`: what a program sent before the daemon was known
//! - [`fetching`]: the fetchers of a peer; `notifications`: what comes of them
//! - [`requests`]: requests that wait for their response
//! - `compat`: what is done for daemons that others wrote

mod compat;
mod early;
pub mod encoding;
pub mod engine;
pub mod event;
pub mod fetching;
pub mod greeting;
pub mod incoming;
pub mod login;
mod messages;
mod notifications;
pub mod outgoing;
pub mod requests;

pub use compat::daemon_kind::Dialect;
pub use engine::{Engine, Options};
pub use event::{Event, Happening};
pub use login::{Authentication, Login};
pub use outgoing::{Failure, RequestOptions};
