//! Connections under a peer: sockets that never block, without a timer or runtime, and without a thread but for the
//! look-up of a host name.
//!
//! A [`Connection`] is a state machine for whatever loop the host program runs. It returns which
//! descriptor to watch for what and when it wants to be called again; the loop's side calls
//! [`drive`](Connection::drive), [`read`](Connection::read) and [`write`](Connection::write).
//! A program that blocks uses the same thing with [`wait`](Connection::wait).
//!
//! Files: `options` and `url` what to connect to, `connection` the state machine, `lookup` host
//! names, `address` what needs no look-up, `dial` trying addresses, `socket` the system calls, `layers`
//! TLS, WebSocket and length prefixes, `input` and `outbox` the bytes in between, `wait` for programs
//! that block, `lingering_fd` descriptors that the loop may still watch, `error` why it failed.
//!
//! The daemon's side is here too, over the same layers: `listen` accepts for tokio, `socket_file` is the file of
//! a Unix socket, `server_connection` is a connection that was accepted, `upgrade_policy` decides which Web pages may
//! open a WebSocket.
//!
//! The content of messages is up to the peer.

mod address;
mod connection;
mod dial;
mod error;
mod input;
pub mod layers;
mod lingering_fd;
mod listen;
mod lookup;
mod options;
mod outbox;
mod server_connection;
mod socket;
mod socket_file;
mod upgrade_policy;
mod url;
mod wait;

pub use connection::{Connection, Status};
pub use error::{Error, ErrorKind};
pub use layers::ServerTls;
pub use listen::{Bound, Listener, ServeOptions};
pub use lookup::{MOST_THREADS as MOST_LOOKUP_THREADS, Resolver};
pub use options::{DEFAULT_CONNECT_TIMEOUT, Options, Target, TlsOptions, WebSocketOptions};
pub use server_connection::{ServerConnection, Watcher};
pub use upgrade_policy::{UpgradeDecision, UpgradePolicy};
pub use wait::{Interest, Ready};
