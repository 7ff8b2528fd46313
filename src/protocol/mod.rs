//! What is on the wire, without I/O: [`framing`], [`message`]s, [`error`] objects, [`text`].

pub mod error;
pub mod framing;
pub mod message;
pub mod text;

/// The largest message either side accepts, in bytes without the length prefix. Ten million is
/// what the daemons in the field accept at most, so a larger message could not travel on.
pub const DEFAULT_MAX_MESSAGE: usize = 10_000_000;
