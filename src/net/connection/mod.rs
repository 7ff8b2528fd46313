//! The connection as a state machine: what the loop's side calls. See the module's front page.
//! Its steps are in `state`.

mod state;
mod suspect;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Instant;

use crate::ownership::{ELSEWHERE, LOOK_AGAIN, Owner, Ownership};

use super::address::{self, Address};
use super::dial::Dial;
use super::error::{Error, ErrorKind};
use super::input::{Input, receive};
use super::layers::Wire;
use super::lingering_fd::LingeringFd;
use super::lookup;
use super::options::{MAX_CONNECT_TIMEOUT, Options, Target};
use super::outbox::Outbox;
use super::socket;
use super::wait::{self, Interest, Ready};
use state::State;
use suspect::Suspect;

/// The progress of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Not usable yet. Frames that are written wait.
    Dialling,
    /// Messages can be sent and received.
    Open,
}

/// A connection to a daemon that never blocks.
///
/// The descriptor to watch ([`fd`](Self::fd)) may be another one after each
/// [`drive`](Self::drive) while it is dialling. A descriptor that was handed out stays open until
/// the call after the one that replaced it (and at an error until [`close`](Self::close) or drop), so
/// a watcher on it can be taken off first, and two in a row never have the same number.
#[derive(Debug)]
pub struct Connection {
    state: State,
    wire: Wire,
    /// Frames written before the connection was open.
    waiting: Vec<u8>,
    /// What came with the end of the handshakes and is for the next read.
    early: Option<Result<(), Error>>,
    outbox: Outbox,
    suspect: Suspect,
    lingering: LingeringFd,
    connect_by: Instant,
    /// The process that owns it. A fork has the descriptor, too, but only one of both may use it.
    ownership: Ownership,
    /// In a fork, while it is not known which process that is.
    is_undecided: bool,
}

impl Connection {
    /// Checks the options (which may read certificates from files) and begins to connect; whether
    /// that succeeds is reported by [`drive`](Self::drive), which may be called at once.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] if the options cannot work.
    pub fn open(options: Options, now: Instant) -> Result<Self, Error> {
        let connect_by = now + options.connect_timeout.min(MAX_CONNECT_TIMEOUT);
        let mut connection = Connection {
            state: State::begin(&options, connect_by)?,
            wire: Wire::client(&options)?,
            waiting: Vec::new(),
            early: None,
            outbox: Outbox::default(),
            suspect: Suspect::default(),
            lingering: LingeringFd::default(),
            connect_by,
            ownership: Ownership::new(),
            is_undecided: false,
        };
        // A failure is kept for the first drive().
        let _ = connection.dial(now);
        Ok(connection)
    }

    /// Checks whether these options can work at all, as far as that shows without a network. May read certificates from
    /// files.
    ///
    /// # Errors
    /// [`ErrorKind::Options`], as [`open`](Self::open) returns it.
    pub fn check(options: &Options) -> Result<(), Error> {
        match &options.target {
            Target::Unix(name) => {
                address::unix(name)?;
            }
            Target::Tcp { host, port } => {
                if address::literal(host, *port)?.is_none() {
                    lookup::check(host)?;
                }
            }
        }
        Wire::client(options).map(drop)
    }

    /// Returns the descriptor to watch now, if there is one.
    pub fn fd(&self) -> Option<RawFd> {
        self.borrowed_fd().map(|fd| fd.as_raw_fd())
    }

    fn borrowed_fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            _ if self.is_undecided => None,
            State::Resolving(lookup, _) => lookup.fd(),
            State::Dialling(dial) => dial.fd(),
            State::Handshaking(socket) | State::Open(socket) => Some(socket.as_fd()),
            State::Failed(_, fd) => fd.as_ref().map(AsFd::as_fd),
        }
    }

    /// Returns what to watch it for; nothing once it has failed.
    pub fn wants(&self) -> Interest {
        match &self.state {
            _ if self.is_undecided => Interest::default(),
            State::Resolving(..) => Interest { read: true, write: false },
            State::Dialling(_) => Interest { read: false, write: true },
            State::Handshaking(_) | State::Open(_) => {
                Interest { read: true, write: self.outbox.unsent() > 0 }
            }
            State::Failed(..) => Interest::default(),
        }
    }

    /// Returns the time at which [`drive`](Self::drive) wants to be called even if nothing happens on the descriptor.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            _ if self.is_undecided => None,
            State::Resolving(lookup, _) => Some(lookup.deadline()),
            State::Dialling(dial) => Some(dial.deadline()),
            State::Handshaking(_) => Some(self.connect_by),
            State::Open(_) | State::Failed(..) => None,
        }
    }

    /// Goes on with connecting, or with sending what could not leave before. To be called when
    /// the descriptor is ready and at the [`deadline`](Self::deadline); harmless at any other time.
    /// When it returns `Open` for the first time, [`read`](Self::read) has to follow, whatever the
    /// descriptor was ready for: messages may have come with the end of a handshake.
    ///
    /// # Errors
    /// Why the connection did not come up or has broken; the same again on later calls.
    pub fn drive(&mut self, now: Instant) -> Result<Status, Error> {
        self.lingering = LingeringFd::default();
        self.settle();
        match &self.state {
            State::Failed(error, _) => Err(error.clone()),
            _ if self.is_undecided => Ok(Status::Dialling),
            State::Open(_) => {
                let flushed = self.flush_now();
                self.remember(flushed).map(|()| Status::Open)
            }
            _ => self.dial(now),
        }
    }

    /// Goes on with opening as far as it can now.
    fn dial(&mut self, now: Instant) -> Result<Status, Error> {
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

    /// Fails if a handshake cannot be completed any more.
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

    /// Sends what can leave without waiting.
    fn flush_now(&mut self) -> Result<(), Error> {
        match &self.state {
            State::Handshaking(socket) | State::Open(socket) => {
                let flushed = self.outbox.flush(|bytes| socket::send(socket, bytes));
                if self.outbox.unsent() == 0 {
                    self.suspect.left();
                }
                flushed.map_err(|error| self.broken(&error))
            }
            _ => Ok(()),
        }
    }

    /// Reads what has come and sends the answers of the layers.
    fn receive(&mut self) -> Result<(), Error> {
        let (State::Handshaking(socket) | State::Open(socket)) = &self.state else { return Ok(()) };
        let input = self.wire.fill(|buffer| receive(socket, buffer));
        let processed = self.wire.process();
        self.suspect.received(self.wire.messages().len());
        if self.wire.has_ended() {
            // Answers close_notify with our own: some wait for it.
            self.wire.close();
        }
        self.outbox.take(self.wire.output());
        let flushed = self.flush_now();
        processed.and(flushed)?;
        let input = if self.wire.has_ended() { Ok(Input::Ended) } else { input };
        match input {
            Ok(Input::Drained | Input::More) => Ok(()),
            Ok(Input::Ended) if self.wire.is_inside_message() => {
                Err(Error::new(ErrorKind::Closed, "connection closed by the daemon inside a message"))
            }
            Ok(Input::Ended) => Err(self
                .refused()
                .unwrap_or_else(|| Error::new(ErrorKind::Closed, "connection closed by the daemon"))),
            Err(error) => Err(self.broken(&error)),
        }
    }

    /// Finds out whether this process may use the connection. If another one owns it, the connection fails without a
    /// byte and without being shut down; while that is open, nothing is read and nothing leaves.
    fn settle(&mut self) {
        let owner = self.ownership.settle();
        let was_undecided = std::mem::replace(&mut self.is_undecided, owner == Owner::Undecided);
        match (owner, &self.state) {
            (_, State::Failed(..)) => self.is_undecided = false,
            (Owner::Elsewhere, _) => {
                // Kept for later calls.
                let _ = self.remember::<()>(Err(Error::new(ErrorKind::Closed, ELSEWHERE)));
            }
            (Owner::Here, State::Open(_)) if was_undecided => {
                self.outbox.take(self.wire.pack(&mut self.waiting));
            }
            _ => {}
        }
    }

    /// Returns whether this process was forked from one that has the connection, and one of both will go on with it: what is
    /// written waits until then. [`drive`](Self::drive) looks again.
    pub fn is_undecided(&self) -> bool {
        self.is_undecided
    }

    /// Returns whether it has failed because another process owns it.
    pub fn is_elsewhere(&self) -> bool {
        self.ownership.look() == Owner::Elsewhere
    }

    /// Returns whether no other process can go on with it: there was no fork since this one has used it.
    pub fn is_here(&self) -> bool {
        self.ownership.look() == Owner::Here
    }

    /// Drops the connection without sending or ending it, because another process may go on with it.
    pub fn discard(&mut self) {
        self.state = State::Failed(Error::new(ErrorKind::Closed, "closed"), None);
        self.is_undecided = false;
        self.wire.clear();
        self.waiting = Vec::new();
        self.outbox = Outbox::default();
    }

    /// Keeps an error for later calls.
    fn remember<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result {
            let failed = State::Failed(error.clone(), None);
            let fd = match std::mem::replace(&mut self.state, failed) {
                State::Handshaking(socket) | State::Open(socket) => Some(socket.into()),
                State::Failed(_, fd) => fd,
                State::Dialling(_) => self.lingering.take(),
                State::Resolving(mut lookup, _) => {
                    lookup.retire(&mut self.lingering);
                    self.lingering.take()
                }
            };
            self.state = State::Failed(error.clone(), fd);
        }
        result
    }

    /// Takes what has been received, a bounded amount, and makes it the batch that
    /// [`messages`](Self::messages) returns. The batch before is invalid.
    ///
    /// # Errors
    /// The connection has ended, has broken, or the other side broke the protocol. The messages
    /// that came before are in the batch all the same: they are to be handled first. Later calls give
    /// the same error and an empty batch.
    pub fn read(&mut self) -> Result<(), Error> {
        if let Some(early) = self.early.take() {
            return self.remember(early);
        }
        match &self.state {
            _ if self.is_undecided => Ok(()),
            State::Open(_) => {
                let result = self.receive();
                self.remember(result)
            }
            State::Failed(error, _) => {
                self.wire.clear();
                Err(error.clone())
            }
            _ => Ok(()),
        }
    }

    /// Returns the complete messages of the last [`read`](Self::read), in order, without length prefixes.
    /// They stay where they are until the next one. Their bytes are not validated, and a message of
    /// a WebSocket may be empty.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        self.wire.messages()
    }

    /// Drops the batch, which returns the memory of large messages.
    pub fn release(&mut self) {
        self.wire.clear();
    }

    /// Returns whether that message of the batch came in a binary frame of a WebSocket.
    pub fn is_binary(&self, message: usize) -> bool {
        self.wire.is_binary(message)
    }

    /// Whether a WebSocket's messages are sent in binary frames from now on (after a switch to
    /// msgpack); else in text frames.
    pub fn set_binary(&mut self, binary: bool) {
        self.wire.set_binary(binary);
    }

    /// Sends what is in `out`, whole frames with their 4-byte lengths, and empties it. What the
    /// kernel does not take now, or while dialling, is kept and leaves in [`drive`](Self::drive).
    ///
    /// # Errors
    /// The connection has broken. The end of the other side is reported by
    /// [`read`](Self::read), after the messages that it sent before.
    pub fn write(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.settle();
        match &self.state {
            State::Open(_) if !self.is_undecided => {
                self.suspect.sent(out);
                self.outbox.take(self.wire.pack(out));
                let flushed = self.flush_now();
                self.remember(flushed)
            }
            State::Failed(error, _) => {
                out.clear();
                Err(error.clone())
            }
            _ => {
                self.waiting.append(out);
                Ok(())
            }
        }
    }

    /// Bytes that were written and have not left for the kernel: what a limit is compared with.
    pub fn unsent(&self) -> usize {
        self.outbox.unsent() + self.waiting.len()
    }

    /// Sends what the kernel takes without waiting, then ends the connection in order. Take the
    /// descriptor out of the loop before.
    pub fn close(&mut self) {
        self.settle();
        if self.is_undecided {
            return self.discard();
        }
        let closed = State::Failed(Error::new(ErrorKind::Closed, "closed"), None);
        if let State::Open(socket) = std::mem::replace(&mut self.state, closed) {
            self.wire.close();
            self.outbox.take(self.wire.output());
            // The connection ends anyway.
            let _ = self.outbox.flush(|bytes| socket::send(&socket, bytes));
            socket::finish(&socket);
            // Unread input would turn the end into a reset, which can overtake what was sent.
            let _ = receive(&socket, &mut Vec::new());
        }
        self.wire.clear();
        self.waiting = Vec::new();
        self.outbox = Outbox::default();
    }

    /// Blocks until the descriptor is ready for `interest`, but not beyond `until` or the own
    /// [`deadline`](Self::deadline). A signal ends it early (the host's handler may want its turn).
    ///
    /// # Errors
    /// Only what poll(2) itself refuses.
    pub fn wait(&self, interest: Interest, until: Option<Instant>) -> io::Result<Ready> {
        let look_again = self.is_undecided.then(|| Instant::now() + LOOK_AGAIN);
        let until = [until, self.deadline(), look_again].into_iter().flatten().min();
        wait::wait(self.borrowed_fd(), interest, until)
    }

    /// Blocks until everything written has left for the kernel, but not beyond `until`. Returns whether
    /// it has. Signals do not end it.
    ///
    /// # Errors
    /// As [`drive`](Self::drive).
    pub fn flush(&mut self, until: Instant) -> Result<bool, Error> {
        loop {
            let now = Instant::now();
            let status = self.drive(now)?;
            if status == Status::Open && self.unsent() == 0 {
                return Ok(true);
            }
            if now >= until {
                return Ok(false);
            }
            let interest = match status {
                Status::Dialling => self.wants(),
                Status::Open => Interest { read: false, write: true },
            };
            self.wait(interest, Some(until)).map_err(|error| Error::broken(&error, "daemon"))?;
        }
    }

    /// Returns the error of a connection that is broken according to a system call.
    fn broken(&self, error: &io::Error) -> Error {
        let is_ended = matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe);
        self.refused().filter(|_| is_ended).unwrap_or_else(|| Error::broken(error, "daemon"))
    }

    /// Returns the length of the message that probably made the daemon end the connection.
    pub fn refused_length(&self) -> Option<usize> {
        self.suspect.length()
    }

    /// Returns the error of a connection that the daemon has ended, if the length of a message is the likely reason.
    fn refused(&self) -> Option<Error> {
        let length = self.suspect.length()?;
        let text = format!("the daemon closed the connection after a message of {length} bytes");
        Some(Error::new(ErrorKind::Closed, text))
    }
}
