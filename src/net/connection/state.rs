//! [`State`]: the steps of a connection: host name, address, handshakes, open, failed.

use std::os::fd::OwnedFd;
use std::time::Instant;

use super::super::address::{self, Address};
use super::super::dial::Dial;
use super::super::error::Error;
use super::super::lookup::Lookup;
use super::super::options::{Options, Target};
use super::super::socket::Socket;

/// A step of a connection, with what belongs to it.
#[derive(Debug)]
pub enum State {
    /// The host name is being looked up, to connect to this port.
    Resolving(Lookup, u16),
    Dialling(Dial),
    Handshaking(Socket),
    Open(Socket),
    /// With its descriptor, open until close() or drop, so that the loop can stop watching it.
    Failed(Error, Option<OwnedFd>),
}

impl State {
    /// Returns the first step.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] if there is no such target.
    pub fn begin(options: &Options, connect_by: Instant) -> Result<State, Error> {
        let (host, port) = match &options.target {
            Target::Tcp { host, port } => (host, *port),
            Target::Unix(name) => {
                return Ok(State::Dialling(Dial::new([address::unix(name)?], connect_by)));
            }
        };
        if let Some(addresses) = address::literal(host, port)? {
            return Ok(State::Dialling(Dial::new(addresses.into_iter().map(Address::Tcp), connect_by)));
        }
        Ok(State::Resolving(Lookup::new(host, &options.resolver, connect_by)?, port))
    }
}
