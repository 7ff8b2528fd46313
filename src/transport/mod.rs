//! Connections under a peer: sockets that never block, and no thread, timer or runtime.
//!
//! A [`Connection`] is a state machine for whatever loop the host program runs. It says which
//! descriptor to watch for what and when it wants to be called again; the loop's side calls
//! [`drive`](Connection::drive), [`read`](Connection::read) and [`write`](Connection::write).
//! A program that blocks uses the same thing with [`wait`](Connection::wait).
//!
//! Files: `options` what to connect to, `connection` the state machine, `resolve` host names,
//! `dial` trying addresses, `socket` the system calls, `inbox` and `outbox` the bytes in between,
//! `retired` descriptors given up, `error` why it failed.
//! What the messages say is the peer's business.

mod connection;
mod dial;
mod error;
mod inbox;
mod options;
mod outbox;
mod resolve;
mod retired;
mod socket;

pub use connection::{Connection, Interest, Ready, Status};
pub use error::{Error, ErrorKind};
pub use options::{Options, Target, DEFAULT_CONNECT_TIMEOUT};
pub use resolve::ResolverFiles;
