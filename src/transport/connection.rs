//! The connection as a state machine: dialling, open, ended. See the module's front page.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::dial::Dial;
use super::error::{Error, ErrorKind};
use super::inbox::Inbox;
use super::options::{literal_addresses, Options, Target, MAX_CONNECT_TIMEOUT};
use super::outbox::Outbox;
use super::resolve::{self, Begun, Lookup};
use super::retired::Retired;
use super::socket::Socket;

/// What a descriptor should be watched for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interest {
    /// Tell me when there is something to read, or the stream has ended.
    pub read: bool,
    /// Tell me when it can be written.
    pub write: bool,
}

/// What [`Connection::wait`] saw. Nothing set: the time is over or a signal came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ready {
    /// There is something to read, or the stream has ended or broken.
    pub readable: bool,
    /// It can be written, or the stream has broken.
    pub writable: bool,
    /// A signal ended the waiting early.
    pub interrupted: bool,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Not usable yet; what is written waits.
    Dialling,
    /// Messages can come and go.
    Open,
}

#[derive(Debug)]
enum State {
    Resolving(Box<Lookup>, u16),
    Dialling(Dial),
    Open(Socket),
    /// With its descriptor, open until close() or drop, so that the loop can stop watching it.
    Failed(Error, Option<OwnedFd>),
}

impl State {
    fn begin(options: &Options, connect_by: Instant) -> Result<State, Error> {
        let Target::Tcp { host, port } = &options.target;
        if let Some(addresses) = literal_addresses(host, *port)? {
            return Ok(State::Dialling(Dial::new(addresses, connect_by)));
        }
        Ok(match resolve::begin(host, &options.resolver, connect_by)? {
            Begun::Known(addresses) => State::Dialling(Dial::to(&addresses, *port, connect_by)),
            Begun::Lookup(lookup) => State::Resolving(lookup, *port),
        })
    }
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
    inbox: Inbox,
    outbox: Outbox,
    retired: Retired,
    connect_by: Instant,
}

impl Connection {
    /// Checks the options and begins to connect; whether that works is told by
    /// [`drive`](Self::drive), which may be called at once.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] if the options cannot work.
    pub fn open(options: Options, now: Instant) -> Result<Self, Error> {
        let connect_by = now + options.connect_timeout.min(MAX_CONNECT_TIMEOUT);
        let mut connection = Connection {
            state: State::begin(&options, connect_by)?,
            inbox: Inbox::new(options.max_message),
            outbox: Outbox::default(),
            retired: Retired::default(),
            connect_by,
        };
        // A failure is kept for the first drive().
        let _ = connection.dial(now);
        Ok(connection)
    }

    /// The descriptor to watch now, if there is one.
    pub fn fd(&self) -> Option<RawFd> {
        self.borrowed_fd().map(|fd| fd.as_raw_fd())
    }

    fn borrowed_fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Resolving(lookup, _) => lookup.fd(),
            State::Dialling(dial) => dial.fd(),
            State::Open(socket) => Some(socket.as_fd()),
            State::Failed(_, fd) => fd.as_ref().map(AsFd::as_fd),
        }
    }

    /// What to watch it for; nothing once it has failed.
    pub fn wants(&self) -> Interest {
        match &self.state {
            State::Resolving(..) => Interest { read: true, write: false },
            State::Dialling(_) => Interest { read: false, write: true },
            State::Open(_) => Interest { read: true, write: self.outbox.unsent() > 0 },
            State::Failed(..) => Interest::default(),
        }
    }

    /// When [`drive`](Self::drive) wants to be called even if nothing happens on the descriptor.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Resolving(lookup, _) => Some(lookup.deadline()),
            State::Dialling(dial) => Some(dial.deadline()),
            State::Open(_) | State::Failed(..) => None,
        }
    }

    /// Goes on with connecting, or with sending what could not leave before. To be called when
    /// the descriptor is ready and at the [`deadline`](Self::deadline); harmless at any other time.
    ///
    /// # Errors
    /// Why the connection did not come up or has broken; the same again on later calls.
    pub fn drive(&mut self, now: Instant) -> Result<Status, Error> {
        self.retired = Retired::default();
        match &self.state {
            State::Resolving(..) | State::Dialling(_) => self.dial(now),
            State::Open(_) => {
                let flushed = self.flush_now();
                self.remember(flushed).map(|()| Status::Open)
            }
            State::Failed(error, _) => Err(error.clone()),
        }
    }

    fn dial(&mut self, now: Instant) -> Result<Status, Error> {
        let result = self.dial_on(now);
        self.remember(result)
    }

    fn dial_on(&mut self, now: Instant) -> Result<Status, Error> {
        if let State::Resolving(lookup, port) = &mut self.state {
            let Some(addresses) = lookup.drive(now, &mut self.retired)? else {
                return Ok(Status::Dialling);
            };
            let dial = Dial::to(&addresses, *port, self.connect_by);
            if let State::Resolving(lookup, _) = std::mem::replace(&mut self.state, State::Dialling(dial)) {
                lookup.retire(&mut self.retired);
            }
        }
        if let State::Dialling(dial) = &mut self.state {
            let Some(socket) = dial.drive(now, &mut self.retired)? else {
                return Ok(Status::Dialling);
            };
            self.state = State::Open(socket);
        }
        self.flush_now().map(|()| Status::Open)
    }

    /// Sends what can leave without waiting.
    fn flush_now(&mut self) -> Result<(), Error> {
        match &self.state {
            State::Open(socket) => self.outbox.flush(socket),
            _ => Ok(()),
        }
    }

    /// Keeps an error for later calls.
    fn remember<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result {
            let failed = State::Failed(error.clone(), None);
            let fd = match std::mem::replace(&mut self.state, failed) {
                State::Open(socket) => Some(socket.into()),
                State::Failed(_, fd) => fd,
                State::Resolving(..) | State::Dialling(_) => self.retired.take(),
            };
            self.state = State::Failed(error.clone(), fd);
        }
        result
    }

    /// Takes what has been received, a bounded amount, and makes it the batch that
    /// [`messages`](Self::messages) gives. The batch before is void.
    ///
    /// # Errors
    /// The connection has ended, has broken, or the other side broke the protocol. The messages
    /// that came before are in the batch all the same: they are to be handled first. Later calls give
    /// the same error and an empty batch.
    pub fn read(&mut self) -> Result<(), Error> {
        match &self.state {
            State::Resolving(..) | State::Dialling(_) => Ok(()),
            State::Open(socket) => {
                let result = self.inbox.read(socket);
                self.remember(result)
            }
            State::Failed(error, _) => {
                self.inbox.clear();
                Err(error.clone())
            }
        }
    }

    /// The complete messages of the last [`read`](Self::read), in order, without length prefixes.
    /// They stay where they are until the next one. Their bytes are not validated.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        self.inbox.messages()
    }

    /// Sends what is in `out`, whole frames with their 4-byte lengths, and empties it. What the
    /// kernel does not take now, or while dialling, is kept and leaves in [`drive`](Self::drive).
    ///
    /// # Errors
    /// The connection has broken. That the other side has ended it is told by
    /// [`read`](Self::read), after the messages that it sent before.
    pub fn write(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        match &self.state {
            State::Resolving(..) | State::Dialling(_) => {
                self.outbox.take(out);
                Ok(())
            }
            State::Open(_) => {
                self.outbox.take(out);
                let flushed = self.flush_now();
                self.remember(flushed)
            }
            State::Failed(error, _) => {
                out.clear();
                Err(error.clone())
            }
        }
    }

    /// Bytes that were written and have not left for the kernel: what a limit is compared with.
    pub fn unsent(&self) -> usize {
        self.outbox.unsent()
    }

    /// Sends what the kernel takes without waiting, then ends the connection in order. Take the
    /// descriptor out of the loop before.
    pub fn close(&mut self) {
        let closed = State::Failed(Error::new(ErrorKind::Closed, "closed"), None);
        if let State::Open(socket) = std::mem::replace(&mut self.state, closed) {
            // There is nobody left to tell.
            let _ = self.outbox.flush(&socket);
            socket.finish();
            // Unread input would turn the end into a reset, which can overtake what was sent.
            let _ = self.inbox.read(&socket);
        }
        self.inbox.clear();
        self.outbox = Outbox::default();
    }

    /// Blocks until the descriptor is ready for `interest`, but not beyond `until` or the own
    /// [`deadline`](Self::deadline). A signal ends it early (the host's handler may want its turn).
    ///
    /// # Errors
    /// Only what poll(2) itself refuses.
    pub fn wait(&self, interest: Interest, until: Option<Instant>) -> io::Result<Ready> {
        let until = [until, self.deadline()].into_iter().flatten().min();
        let left = until.map(|at| at.saturating_duration_since(Instant::now()));
        let Some(fd) = self.borrowed_fd() else {
            return Ok(Ready::default());
        };
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, interest.read);
        flags.set(PollFlags::OUT, interest.write);
        let mut polled = [PollFd::from_borrowed_fd(fd, flags)];
        match poll(&mut polled, left.map(timespec).as_ref()) {
            Ok(_) => Ok(ready(polled[0].revents())),
            Err(Errno::INTR) => Ok(Ready { interrupted: true, ..Ready::default() }),
            Err(error) => Err(error.into()),
        }
    }

    /// Blocks until everything written has left for the kernel, but not beyond `until`. Says whether
    /// it has. Signals do not end it.
    ///
    /// # Errors
    /// As [`drive`](Self::drive).
    pub fn flush(&mut self, until: Instant) -> Result<bool, Error> {
        loop {
            let now = Instant::now();
            let status = self.drive(now)?;
            if status == Status::Open && self.outbox.unsent() == 0 {
                return Ok(true);
            }
            if now >= until {
                return Ok(false);
            }
            let interest = match status {
                Status::Dialling => self.wants(),
                Status::Open => Interest { read: false, write: true },
            };
            self.wait(interest, Some(until)).map_err(|error| Error::broken(&error))?;
        }
    }
}

fn timespec(left: Duration) -> Timespec {
    // Only a time beyond the range of the system's clock does not fit: for ever, then.
    Timespec::try_from(left).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 })
}

fn ready(flags: PollFlags) -> Ready {
    let broken = flags.intersects(PollFlags::ERR | PollFlags::HUP);
    Ready {
        readable: broken || flags.contains(PollFlags::IN),
        writable: broken || flags.contains(PollFlags::OUT),
        interrupted: false,
    }
}
