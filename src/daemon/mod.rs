//! The bus: which elements there are, who fetches them, who answers for them.
//!
//! [`Bus`] is the engine: frames and the clock go in, frames and log lines come out. It owns no
//! socket, thread or timer; [`server`](crate::server) drives it.
//!
//! - [`bus`]: the engine's front door: connections, received messages, deadlines
//! - `services`: what requests about one's own elements and connection do; `fetching`: fetch,
//!   unfetch, get; `simple_fetch`: the only fetch of a peer where that is configured; `routing`: set, call and their answers
//! - [`login`]: authenticate and what else is about users; `waiting`: what a connection sends meanwhile
//! - [`elements`], [`fetchers`]: what is on the bus and who watches it; [`path_index`] finds the
//!   fetchers of a path
//! - [`work`]: what grows with the number of elements, in slices; `scan`: the first look of a fetch, and `get`;
//!   `window`: large changes of sorted fetches; `leaving`: the end of a connection
//! - [`fetcher_sets`]: the fetchers of each element, shared between elements
//! - `publish`: from a change to notifications, `news`: what they say; `conditions`: the rules of 2013 that look beyond
//!   one element
//! - [`access`]: which groups may do what with an element
//! - [`client`]: one connection; `dialect`: how some peers want to be spoken to; `reply`: writing
//!   messages, `text`: reading them, `redact`: what the log must not show of them; [`deadlines`]: what is due when; `log`: lines for the log, `quota`: how many, `server::log_writer`: writing them

pub mod access;
pub mod bus;
pub mod client;
mod clients;
mod decode;
mod dependencies;
pub mod elements;
pub mod fetcher_sets;
pub mod fetchers;
mod fetching;
mod held_messages;
mod item_list;
mod keys;
mod leaving;
mod log;
pub mod login;
mod notification;
pub mod path_index;
mod peer_kind;
mod publish;
mod quota;
mod redact;
mod routing;
mod scan;
mod services;
mod simple_fetch;
mod window;
pub mod work;

pub use bus::{Bus, Config};
pub use keys::{ClientKey, ElementKey, FetcherKey};
pub use peer_kind::PeerKind;
