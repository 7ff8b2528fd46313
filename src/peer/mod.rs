//! The peer engine without I/O: one program's side of a connection to a daemon.
//!
//! Calls of the program and received messages go in, bytes to send and [`Event`]s come out; the clock is
//! an argument. Sockets are in [`net`](crate::net), Lua is in `lua::peer`.
//!
//! - [`engine`]: the [`Engine`], the facade over everything else
//! - [`session`]: how far the connection has come: greeting, login, encoding
//! - [`exchange`]: requests to the daemon, and what responses and notifications mean
//! - [`request`]: what a program can ask for, and how it is written
//! - [`outbound`]: what is sent and what waits to be sent
//! - [`requests`]: requests that wait for a response, and their time limits
//! - [`fetchers`]: the fetches of this peer, from their requests to their notifications
//! - [`elements`]: the elements of this peer
//! - [`response`]: results and errors as the program sees them
//! - [`event`]: what the engine reports
//! - `compat`: what is done for daemons that others wrote

mod compat;
pub mod elements;
pub mod engine;
pub mod event;
pub mod exchange;
pub mod fetchers;
pub mod options;
pub mod outbound;
pub mod request;
pub mod requests;
pub mod response;
pub mod session;

pub use compat::daemon_kind::DaemonKind;
pub use elements::Role;
pub use engine::Engine;
pub use event::{Event, FetchEvent, Notification};
pub use exchange::Sent;
pub use options::Options;
pub use outbound::Failure;
pub use request::RequestOptions;
pub use session::{Authentication, Login};
