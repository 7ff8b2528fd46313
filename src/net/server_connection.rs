//! A daemon's end of one connection, for tokio.
//!
//! [`ServerConnection`] never waits: it reads what is there and writes what can leave, so that a daemon can
//! write to any peer while it handles another one. Waiting is done on a [`Watcher`], which can be held
//! over an await without holding the connection.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest as Wanted;
use tokio::net::{TcpStream, UnixStream};

use super::error::{Error, ErrorKind};
use super::input::{Input, receive};
use super::layers::Wire;
use super::outbox::Outbox;
use super::socket;
use super::wait::Ready;

/// One peer's connection at the daemon. Dropping it ends it at once and wakes its watchers.
#[derive(Debug)]
pub struct ServerConnection {
    watcher: Watcher,
    wire: Wire,
    outbox: Outbox,
    name: String,
    ping_interval: Duration,
    /// The peer has stopped sending, but still reads.
    half_closed: bool,
}

/// Tells when a [`ServerConnection`] is ready. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Watcher(Arc<Stream>);

/// What tokio watches. Reading and writing go past it, for MSG_NOSIGNAL and without extra copies.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    async fn ready(&self, wanted: Wanted) -> io::Result<tokio::io::Ready> {
        match self {
            Stream::Tcp(stream) => stream.ready(wanted).await,
            Stream::Unix(stream) => stream.ready(wanted).await,
        }
    }

    fn try_io<R>(&self, wanted: Wanted, action: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        match self {
            Stream::Tcp(stream) => stream.try_io(wanted, action),
            Stream::Unix(stream) => stream.try_io(wanted, action),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }
}

impl Watcher {
    /// Waits until there is something to read (or, with `write`, it can be written). Both may be reported
    /// without reason. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn ready(&self, write: bool) -> io::Result<Ready> {
        let wanted = if write { Wanted::READABLE | Wanted::WRITABLE } else { Wanted::READABLE };
        let ready = self.0.ready(wanted).await?;
        // An error makes both ready.
        let broken = ready.is_error();
        Ok(Ready {
            readable: broken || ready.is_readable(),
            writable: broken || ready.is_writable(),
            interrupted: false,
        })
    }

    /// Waits until it can be written.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn writable(&self) -> io::Result<()> {
        self.0.ready(Wanted::WRITABLE).await.map(drop)
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_io(Wanted::WRITABLE, || socket::send(&*self.0, bytes))
    }

    /// As [`receive`], and clears the readiness when the socket is drained.
    fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<Input> {
        let mut received = Ok(Input::Drained);
        let _ = self.0.try_io(Wanted::READABLE, || {
            received = receive(&*self.0, buffer);
            match received {
                Ok(Input::Drained) => Err(io::Error::from(io::ErrorKind::WouldBlock)),
                _ => Ok(()),
            }
        });
        received
    }
}

impl ServerConnection {
    pub(crate) fn new(stream: Stream, wire: Wire, name: String, ping_interval: Duration) -> ServerConnection {
        ServerConnection {
            watcher: Watcher(Arc::new(stream)),
            wire,
            outbox: Outbox::default(),
            name,
            ping_interval,
            half_closed: false,
        }
    }

    /// Returns the name of the peer, for the log: an address and port, or `unix`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes what the log should say about the upgrade to WebSocket, which was accepted all the same.
    pub fn take_notice(&mut self) -> Option<String> {
        self.wire.take_notice()
    }

    /// What to wait on for this connection.
    pub fn watcher(&self) -> Watcher {
        self.watcher.clone()
    }

    /// Takes what has been received, a bounded amount, and makes it the batch that
    /// [`messages`](Self::messages) gives. The batch before is invalid. Returns whether there may be more,
    /// after others have had their turn.
    ///
    /// # Errors
    /// The connection has ended, has broken, or the peer broke the protocol. The messages that came
    /// before are in the batch all the same: they are to be handled first.
    pub fn read(&mut self) -> Result<bool, Error> {
        let watcher = &self.watcher;
        let input = self.wire.fill(|buffer| watcher.receive(buffer));
        let processed = self.wire.process();
        let flushed = self.send_output();
        processed.and(flushed)?;
        let input = if self.wire.has_ended() { Ok(Input::Ended) } else { input };
        self.half_closed = matches!(input, Ok(Input::Ended));
        match input {
            Ok(Input::Ended) => Err(Error::new(ErrorKind::Closed, "connection closed by the peer")),
            Ok(input) => Ok(input == Input::More),
            Err(error) => Err(Error::broken(&error, "peer")),
        }
    }

    /// Returns the complete messages of the last [`read`](Self::read), in order, without length prefixes.
    /// Their bytes are not validated, and a message of a WebSocket may be empty.
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

    /// Whether a WebSocket's messages are sent in binary frames from now on.
    pub fn set_binary(&mut self, binary: bool) {
        self.wire.set_binary(binary);
    }

    /// Returns whether the handshakes of TLS and WebSocket are done. Before, nothing may be written; a daemon
    /// has nothing to say before its peer has spoken anyway. A connection that never gets there should be dropped.
    pub fn is_open(&self) -> bool {
        self.wire.is_open()
    }

    /// Returns whether the peer has ended its stream of messages and may still read: its socket's sending side
    /// is shut down, or close_notify has come. False after a WebSocket's closing handshake and an error.
    pub fn is_half_closed(&self) -> bool {
        self.half_closed
    }

    /// Sends what is in `out`, whole frames with their 4-byte lengths, in one write and empties it. What
    /// the kernel does not take now is kept and leaves in [`flush`](Self::flush).
    ///
    /// # Errors
    /// The connection has broken. The end of the peer is reported by [`read`](Self::read).
    pub fn write(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.outbox.take(self.wire.pack(out));
        self.flush()
    }

    /// Sends what is left of earlier writes, when it can be written.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn flush(&mut self) -> Result<(), Error> {
        let watcher = &self.watcher;
        self.outbox.flush(|bytes| watcher.send(bytes)).map_err(|error| Error::broken(&error, "peer"))
    }

    fn send_output(&mut self) -> Result<(), Error> {
        self.outbox.take(self.wire.output());
        self.flush()
    }

    /// Bytes that were written and have not left for the kernel: what a limit is compared with.
    pub fn unsent(&self) -> usize {
        self.outbox.unsent()
    }

    /// Returns the time between two [pings](Self::ping), or `None` if this is no WebSocket.
    pub fn ping_interval(&self) -> Option<Duration> {
        self.wire.is_websocket().then_some(self.ping_interval)
    }

    /// Sends a ping on a WebSocket, and nothing on other connections.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn ping(&mut self) -> Result<(), Error> {
        self.wire.ping();
        self.send_output()
    }

    /// Reads and drops what has been received, a bounded amount, after [`close`](Self::close). Returns whether
    /// more may come.
    pub fn discard(&mut self) -> bool {
        matches!(self.watcher.receive(&mut Vec::new()), Ok(Input::Drained | Input::More))
    }

    /// Closes each layer in order, sends what the kernel takes, and ends the connection.
    pub fn close(&mut self) {
        self.wire.close();
        // The connection ends anyway.
        let _ = self.send_output();
        socket::finish(&*self.watcher.0);
        // Unread input would turn the end into a reset, which can overtake what was sent.
        let _ = receive(&*self.watcher.0, &mut Vec::new());
        self.wire.clear();
    }
}

impl AsFd for ServerConnection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watcher.0.as_fd()
    }
}

impl Drop for ServerConnection {
    fn drop(&mut self) {
        // A watcher held by a task keeps the descriptor open, but the task wakes up.
        socket::end(&*self.watcher.0);
    }
}
