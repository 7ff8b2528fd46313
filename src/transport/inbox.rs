//! What was received: one batch of complete messages, and the beginning of the next one.

use std::io;
use std::ops::Range;

use super::error::{Error, ErrorKind};
use super::socket::Socket;
use crate::protocol::framing::Decoder;

/// Bytes taken from the socket in one turn. More waits in the kernel, so that one busy
/// connection leaves the loop's other customers their turn.
const READ_BUDGET: usize = 256 * 1024;

/// Room made for one system call: several ordinary messages, and little for an idle connection.
const READ_CHUNK: usize = 16 * 1024;

/// Collects bytes and cuts them into messages.
#[derive(Debug)]
pub(super) struct Inbox {
    decoder: Decoder,
    messages: Vec<Range<usize>>,
}

/// How one turn of reading ended.
#[derive(Debug, PartialEq, Eq)]
enum Input {
    Open,
    Ended,
}

impl Inbox {
    pub fn new(max_message: usize) -> Self {
        Inbox { decoder: Decoder::new(max_message), messages: Vec::new() }
    }

    /// Replaces the batch by what the socket has now.
    ///
    /// # Errors
    /// The stream has ended, is broken or breaks the protocol. The batch holds what came before.
    pub fn read(&mut self, socket: &Socket) -> Result<(), Error> {
        let input = self.decoder.fill(|buffer| receive(socket, buffer));
        self.cut()?;
        match input {
            Ok(Input::Open) => Ok(()),
            Ok(Input::Ended) if self.decoder.is_empty() => {
                Err(Error::new(ErrorKind::Closed, "connection closed by the daemon"))
            }
            Ok(Input::Ended) => {
                Err(Error::new(ErrorKind::Closed, "connection closed by the daemon inside a message"))
            }
            Err(error) => Err(Error::broken(&error)),
        }
    }

    /// Forgets the batch.
    pub fn clear(&mut self) {
        self.messages.clear();
    }

    fn cut(&mut self) -> Result<(), Error> {
        self.messages.clear();
        while let Some(range) = self.decoder.next_range()? {
            self.messages.push(range);
        }
        Ok(())
    }

    /// The messages of the batch, without their lengths.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        self.messages.iter().map(|range| self.decoder.bytes(range.clone()))
    }
}

fn receive(socket: &Socket, buffer: &mut Vec<u8>) -> io::Result<Input> {
    let mut budget = READ_BUDGET;
    while budget > 0 {
        buffer.reserve(READ_CHUNK);
        let room = buffer.capacity() - buffer.len();
        match socket.receive(buffer) {
            Ok(0) => return Ok(Input::Ended),
            // Less than there was room for: the kernel has no more.
            Ok(taken) if taken < room => return Ok(Input::Open),
            Ok(taken) => budget = budget.saturating_sub(taken),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Input::Open),
            Err(error) => return Err(error),
        }
    }
    Ok(Input::Open)
}
