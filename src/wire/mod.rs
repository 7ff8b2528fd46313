//! What is on the wire, without I/O: [`frame`], [`encoding`], [`message`]s, [`changes`], [`error`] objects, the rights of a user ([`auth`]), [`latin1`] text and [`msgpack`].

pub mod auth;
pub mod changes;
pub mod encoding;
pub mod error;
pub mod frame;
pub mod latin1;
pub mod message;
pub mod msgpack;

/// The largest message either side accepts, in bytes without the length prefix. Ten million is
/// what the daemons in the field accept at most, so a larger message could not travel on.
pub const DEFAULT_MAX_MESSAGE: usize = 10_000_000;

/// Bytes of memory an empty buffer of a connection keeps: enough for the batches of a busy stream of small messages,
/// and one large message must not cost its size for ever.
pub const KEPT_BUFFER: usize = 16 * 1024;

/// Levels of nesting that an owner puts around a value to tell it to the daemon:
/// `{"params":{"value":…}}`. The daemon takes that much more than the depth it allows values.
pub const REQUEST_LEVELS: usize = 2;

/// Levels that the daemon puts around a value at most, and some to spare for daemons that others
/// wrote: `{"params":{"changes":[{"value":…}]}}`. A peer takes that much more.
pub const ENVELOPE_LEVELS: usize = 8;
