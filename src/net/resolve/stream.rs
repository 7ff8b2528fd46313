//! Questions over TCP (RFC 7766), for answers that are too long for a datagram.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::super::address::Address;
use super::super::socket::{self, Socket};
use super::super::wait::Interest;

/// Bytes that are asked of the socket at a time; most answers fit.
const CHUNK: usize = 4096;

/// How often a turn reads at most: who sends more than two of the longest messages answers nothing
/// that was asked.
const READS: usize = 2 * 65_537 / CHUNK + 1;

/// A connection to a name server.
#[derive(Debug)]
pub(super) struct Stream {
    socket: Socket,
    is_connected: bool,
    /// What is left of the questions.
    output: Vec<u8>,
    input: Vec<u8>,
}

impl Stream {
    /// Begins to connect to `server`, to ask it these questions.
    ///
    /// # Errors
    /// What the system says at once.
    pub fn ask<'a>(server: SocketAddr, questions: impl Iterator<Item = &'a Vec<u8>>) -> io::Result<Stream> {
        let socket = Socket::connect(&Address::Tcp(server))?;
        let mut output = Vec::new();
        for question in questions {
            // A name has 255 bytes at most.
            output.extend_from_slice(&(question.len() as u16).to_be_bytes());
            output.extend_from_slice(question);
        }
        Ok(Stream { socket, is_connected: false, output, input: Vec::new() })
    }

    /// Goes on as far as it can now; hands each message that came to `take`.
    ///
    /// # Errors
    /// The connection did not come up, broke or ended. What came before has been handed over.
    pub fn drive(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        if !self.is_connected {
            self.is_connected = self.socket.is_connected()?;
            if !self.is_connected {
                return Ok(());
            }
        }
        while !self.output.is_empty() {
            match socket::send(&self.socket, &self.output) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        for _ in 0..READS {
            self.input.reserve(CHUNK);
            let received = socket::receive(&self.socket, &mut self.input);
            self.hand_over(&mut take);
            match received {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Cuts what has come at the two-byte lengths.
    fn hand_over(&mut self, mut take: impl FnMut(&[u8])) {
        let mut rest = &self.input[..];
        while let Some((header, tail)) = rest.split_first_chunk() {
            let Some((message, tail)) = tail.split_at_checked(usize::from(u16::from_be_bytes(*header)))
            else {
                break;
            };
            take(message);
            rest = tail;
        }
        self.input.drain(..self.input.len() - rest.len());
    }

    /// What to watch it for.
    pub fn wants(&self) -> Interest {
        Interest { read: self.is_connected, write: !self.is_connected || !self.output.is_empty() }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl From<Stream> for OwnedFd {
    fn from(stream: Stream) -> OwnedFd {
        stream.socket.into()
    }
}
