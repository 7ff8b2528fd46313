//! How a connection comes up: name, address, handshakes, one step after the other, all within one
//! deadline.

use std::os::fd::OwnedFd;
use std::time::Instant;

use super::super::address::{self, Address};
use super::super::dial::Dial;
use super::super::error::{Error, ErrorKind};
use super::super::lookup::Lookup;
use super::super::options::{Options, Target};
use super::super::socket::Socket;
use super::{Connection, Status};

/// How far it is.
#[derive(Debug)]
pub(super) enum State {
    /// The host name is being looked up, to connect to this port.
    Resolving(Lookup, u16),
    Dialling(Dial),
    Handshaking(Socket),
    Open(Socket),
    /// With its descriptor, open until close() or drop, so that the loop can stop watching it.
    Failed(Error, Option<OwnedFd>),
}

impl State {
    /// Where to begin.
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

impl Connection {
    /// Goes on with opening as far as it can now.
    pub(super) fn dial(&mut self, now: Instant) -> Result<Status, Error> {
        let result = self.look_up(now).and_then(|()| self.connect(now)).and_then(|()| self.handshake(now));
        self.remember(result)?;
        Ok(if matches!(self.state, State::Open(_)) { Status::Open } else { Status::Dialling })
    }

    fn look_up(&mut self, now: Instant) -> Result<(), Error> {
        let State::Resolving(lookup, port) = &mut self.state else { return Ok(()) };
        if let Some(mut addresses) = lookup.drive(now, &mut self.lingering)? {
            addresses.iter_mut().for_each(|address| address.set_port(*port));
            lookup.retire(&mut self.lingering);
            let addresses = addresses.into_iter().map(Address::Tcp);
            self.state = State::Dialling(Dial::new(addresses, self.connect_by));
        }
        Ok(())
    }

    fn connect(&mut self, now: Instant) -> Result<(), Error> {
        let State::Dialling(dial) = &mut self.state else { return Ok(()) };
        if let Some(socket) = dial.drive(now, &mut self.lingering)? {
            self.state = State::Handshaking(socket);
            self.outbox.take(self.wire.output());
        }
        Ok(())
    }

    /// Goes on with the handshakes of TLS and WebSocket; without either they are done already.
    fn handshake(&mut self, now: Instant) -> Result<(), Error> {
        if !matches!(self.state, State::Handshaking(_)) {
            return Ok(());
        }
        if !self.wire.is_open() {
            let received = self.receive();
            if self.wire.is_open() {
                self.early = Some(received);
            } else {
                self.check_handshake(received, now)?;
            }
        }
        if self.wire.is_open() {
            let failed = State::Failed(Error::new(ErrorKind::Closed, "closed"), None);
            if let State::Handshaking(socket) = std::mem::replace(&mut self.state, failed) {
                self.state = State::Open(socket);
            }
            self.suspect.sent(&self.waiting);
            self.outbox.take(self.wire.pack(&mut self.waiting));
            self.waiting = Vec::new();
        }
        self.flush_now()
    }

    /// Why a handshake that is not done will not be, if so.
    fn check_handshake(&self, received: Result<(), Error>, now: Instant) -> Result<(), Error> {
        let unreachable = |text: String| Err(Error::new(ErrorKind::Unreachable, text));
        match received {
            Err(error) if error.kind() == ErrorKind::Closed => {
                unreachable(format!("{error} during the handshake"))
            }
            Ok(()) if now >= self.connect_by => {
                unreachable("connection timed out during the handshake".to_owned())
            }
            received => received,
        }
    }
}
