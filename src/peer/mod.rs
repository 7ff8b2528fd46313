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
//! - `access`: who may do what with an element, in the words of each daemon
//! - `early`: what a program sent before the daemon was known
//! - [`dialect`]: which daemon this is and what follows from that
//! - [`cjet`]: what is done because the C daemon cannot
//! - `normalise`: results and errors of all daemons as one
//! - [`fetching`]: the fetchers of a peer; `notifications`: what comes of them
//! - `plan`: what of a fetch the daemon is asked for and what is done here
//! - `local_fetch`: fetch rules and sorting on this side of the wire
//! - `shared`: the one fetch of daemons that have no more for each peer
//! - [`requests`]: requests that wait for their response

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
