//! Byte streams under a peer.
