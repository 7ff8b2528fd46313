//! [`Options`]: what a peer is made with, and the default limits.

use crate::json::scan::DEFAULT_MAX_DEPTH;
use crate::wire::DEFAULT_MAX_MESSAGE;
use crate::wire::encoding::Encoding;

use super::session::Login;

/// Default of [`Options::max_unsent`]. A quarter of a gigabyte holds the adds of a hundred thousand
/// large states; a program that is that far ahead of its daemon has lost it.
pub const DEFAULT_MAX_UNSENT: usize = 256 << 20;

/// Default of [`Options::max_requests`]: ten times what the largest test bench has open, so that only a
/// program in a loop reaches it.
pub const DEFAULT_MAX_REQUESTS: usize = 1_000_000;

/// The options of a peer.
#[derive(Debug, Clone)]
pub struct Options {
    /// The name of this peer in the daemon's logs, as JSON text.
    pub name: Option<String>,
    /// The user that logs in on connect.
    pub login: Option<Login>,
    /// The encoding to use if the daemon has it.
    pub encoding: Encoding,
    /// Makes the fetch ids of this peer differ from those of others, for daemons that keep all of
    /// them in one table.
    pub instance: u64,
    /// Largest message in bytes, in both directions.
    pub max_message: usize,
    /// Largest message in bytes that the daemon accepts, if it is known to be smaller.
    pub daemon_message: Option<usize>,
    /// Deepest nesting of a value. A received message may be [`ENVELOPE_LEVELS`] deeper.
    ///
    /// [`ENVELOPE_LEVELS`]: crate::wire::ENVELOPE_LEVELS
    pub max_depth: usize,
    /// Most bytes that wait to be sent.
    pub max_unsent: usize,
    /// Most requests that wait for a response.
    pub max_requests: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            name: None,
            login: None,
            encoding: Encoding::Json,
            instance: 0,
            max_message: DEFAULT_MAX_MESSAGE,
            daemon_message: None,
            max_depth: DEFAULT_MAX_DEPTH,
            max_unsent: DEFAULT_MAX_UNSENT,
            max_requests: DEFAULT_MAX_REQUESTS,
        }
    }
}
