//! The engine of the daemon: a Jet bus without sockets, threads and clock.
//!
//! Received bytes and the time go into [`Bus`]; bytes to send and log lines come out. [`server`](crate::server) drives
//! it. The components depend on each other downwards only:
//!
//! - `bus`: the facade. It receives messages and runs jobs in slices (`job`, `work`).
//! - `services`: the requests that the daemon answers itself. `routing` and `routes`: sets and calls on their way to an
//!   owner and back. [`accounts`]: logins. `leave`: the end of a connection.
//! - `first_look`, `get`: the jobs that iterate over elements.
//! - `live`: connections, elements and fetchers together. A change becomes notifications here. `window` writes those
//!   of sorted fetches.
//! - `clients`: the connections, with `output`, `held` messages and the `log`. `elements` with `fetcher_sets`, and
//!   `fetchers` with `path_index`. `dependencies`: the `deps` of fetch expressions.
//! - `access`: the groups that may use an element. `peer_kind`: what foreign peers expect. `params`, `request`, `reply`:
//!   what services read and return. `notification`, `item_list`: parts of messages that are written once or in slices.

mod access;
pub mod accounts;
mod bus;
mod client;
mod clients;
mod config;
mod decode;
mod dependencies;
mod elements;
mod fetcher_sets;
mod fetchers;
mod first_look;
mod get;
mod held;
mod item_list;
mod job;
mod keys;
mod leave;
mod live;
mod log;
mod log_quota;
mod notification;
mod output;
mod params;
mod path_index;
mod pattern_cost;
mod peer_kind;
mod redact;
mod reply;
mod request;
mod routes;
mod routing;
mod services;
mod window;
mod work;

pub use bus::Bus;
pub use config::{Config, DEFAULT_MAX_FETCHES, DEFAULT_MAX_REQUESTS, DEFAULT_MAX_UNSENT, DEFAULT_TIMEOUT};
pub use keys::ClientKey;
pub use log::{Level, LogLine, Traffic};
pub use work::SLICE;
