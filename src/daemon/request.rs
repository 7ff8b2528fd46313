//! [`Request`]: a request as services receive it.

use std::time::Instant;

use crate::json::Raw;

use super::keys::ClientKey;
use super::params::Params;

/// A request of a client.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The connection that sent it.
    pub client: ClientKey,
    /// The id. Without, no response is sent.
    pub id: Option<Raw<'a>>,
    /// The params.
    pub params: Params<'a>,
    /// The time when it is processed.
    pub now: Instant,
}
