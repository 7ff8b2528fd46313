//! What several test modules share.

pub mod bench;
pub mod msgpack;
pub mod peer;
pub mod transport;
