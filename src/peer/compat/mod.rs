//! What a peer does for daemons that others wrote.

pub mod access;
pub mod cjet;
pub mod daemon_kind;
pub mod errors;
pub mod fetch_plan;
pub mod local_fetch;
pub mod simple_fetch;
