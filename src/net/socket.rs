//! One stream socket that never blocks: the system calls and nothing else.
//!
//! Writes carry MSG_NOSIGNAL: the host program has not ignored SIGPIPE, and a daemon that went
//! away must not kill it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::address::Address;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, sockopt};

/// A stream socket, connecting or connected. Closed on drop.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
}

impl Socket {
    /// Begins to connect.
    ///
    /// # Errors
    /// The connection fails at once, for example because that there is no route; `WouldBlock` if the queue of
    /// a Unix socket is full and it has to be tried again.
    pub fn connect(address: &Address) -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let fd = net::socket_with(address.family(), SocketType::STREAM, flags, None)?;
        let begun = match address {
            Address::Tcp(address) => {
                prepare_tcp(&fd)?;
                net::connect(&fd, address)
            }
            Address::Unix(address) => net::connect(&fd, address),
        };
        // EINTR: the connecting goes on all the same.
        match begun {
            Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(Socket { fd }),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns whether the connection is up; false while connecting goes on.
    ///
    /// # Errors
    /// Why it failed.
    pub fn is_connected(&self) -> io::Result<bool> {
        sockopt::socket_error(&self.fd)??;
        let peer = match net::getpeername(&self.fd) {
            Ok(peer) => peer,
            Err(Errno::NOTCONN | Errno::INVAL) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        // A port of the ephemeral range without a listener can connect to itself.
        if peer.is_some() && peer == Some(net::getsockname(&self.fd)?) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(true)
    }
}

/// Appends received bytes to `buffer`, as many as it has room for. Returns 0 at the end of the stream.
///
/// # Errors
/// `WouldBlock` if there is nothing yet, else why the connection is broken.
pub fn receive(socket: impl AsFd, buffer: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        match net::recv(&socket, spare_capacity(buffer), RecvFlags::DONTWAIT) {
            Err(Errno::INTR) => {}
            result => return Ok(result?.0),
        }
    }
}

/// Sends as much of `bytes` as the kernel takes. Returns the count.
///
/// # Errors
/// `WouldBlock` if it takes nothing now, else why the connection is broken.
pub fn send(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match net::send(&socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Err(Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

/// Ends the sending direction.
pub fn finish(socket: impl AsFd) {
    // Fails only if the connection is gone already.
    let _ = net::shutdown(socket, Shutdown::Write);
}

/// Ends both directions, which also wakes tasks that wait on the descriptor.
pub fn end(socket: impl AsFd) {
    // As above.
    let _ = net::shutdown(socket, Shutdown::Both);
}

/// Messages leave at once (they are collected before), and a host that vanished is noticed.
///
/// # Errors
/// The connection has ended already.
pub fn prepare_tcp(fd: impl AsFd) -> io::Result<()> {
    sockopt::set_tcp_nodelay(&fd, true)?;
    Ok(sockopt::set_socket_keepalive(&fd, true)?)
}

impl From<Socket> for OwnedFd {
    fn from(socket: Socket) -> Self {
        socket.fd
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
