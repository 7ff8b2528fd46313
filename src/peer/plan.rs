//! What of a fetch a daemon is asked for, and what is done on this side.

use crate::json::Raw;

use super::dialect::Dialect;
use super::local_fetch::LocalFetch;

/// How a fetch is carried out.
#[derive(Debug)]
pub(super) struct Plan {
    /// The params for the daemon, a JSON object; none if they are the program's own.
    pub wire: Option<String>,
    /// What remains to be done here.
    pub local: Option<LocalFetch>,
}

/// Plans a fetch for a daemon.
///
/// # Errors
/// Why the expression means nothing. Our own daemon is asked to judge by itself.
pub(super) fn make(dialect: Dialect, expression: Raw) -> Result<Plan, String> {
    let _ = (dialect, expression);
    Ok(Plan { wire: None, local: None })
}
