//! [`Config`]: the limits of a bus.

use crate::json::scan::DEFAULT_MAX_DEPTH;
use crate::wire::{DEFAULT_MAX_MESSAGE, REQUEST_LEVELS};

/// Maximum number of unsent bytes of one connection. A quarter of a gigabyte holds the initial adds of a hundred
/// thousand large states. A peer that is further behind does not read.
pub const DEFAULT_MAX_UNSENT: usize = 256 << 20;

/// Maximum weight of the fetches of one connection. It is ten times what the largest known programs need, and as many
/// notifications are written within a few milliseconds.
pub const DEFAULT_MAX_FETCHES: usize = 100_000;

/// Maximum number of open requests of one connection. It is ten times what the largest known test bench needs.
pub const DEFAULT_MAX_REQUESTS: usize = 1_000_000;

/// Seconds an owner has to answer, unless the request or the element specifies another time.
pub const DEFAULT_TIMEOUT: f64 = 5.0;

/// The limits of a bus, and whether it has users.
#[derive(Debug, Clone)]
pub struct Config {
    /// Maximum size of a message in bytes, in both directions.
    pub max_message: usize,
    /// Maximum nesting depth of a value. Messages may be [`REQUEST_LEVELS`] deeper.
    pub max_depth: usize,
    /// Maximum number of unsent bytes of one connection. A connection that exceeds it is closed.
    pub max_unsent: usize,
    /// Maximum number of fetches of one connection. Each pattern counts as 100 fetches, each value rule as 10.
    pub max_fetches: usize,
    /// Maximum number of open requests of one connection.
    pub max_requests: usize,
    /// Seconds an owner has to answer, unless the request or the element specifies another time.
    pub timeout: f64,
    /// Whether there are users. Without users, every `authenticate` is answered with `true`, and `access` is ignored.
    pub authentication: bool,
    /// Whether each peer has one fetch of all elements, as in node-jet's "simple" fetch mode.
    pub simple_fetch: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max_message: DEFAULT_MAX_MESSAGE,
            max_depth: DEFAULT_MAX_DEPTH,
            max_unsent: DEFAULT_MAX_UNSENT,
            max_fetches: DEFAULT_MAX_FETCHES,
            max_requests: DEFAULT_MAX_REQUESTS,
            timeout: DEFAULT_TIMEOUT,
            authentication: false,
            simple_fetch: false,
        }
    }
}

impl Config {
    /// Returns the maximum nesting depth of a message.
    pub fn max_message_depth(&self) -> usize {
        self.max_depth.saturating_add(REQUEST_LEVELS)
    }
}
