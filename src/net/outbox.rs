//! [`Outbox`]: bytes that have not left for the kernel.

use std::io;

use crate::util::byte_queue::ByteQueue;

/// The unsent bytes of a connection.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: ByteQueue,
    broken: bool,
}

impl Outbox {
    /// Takes all bytes out of `more`. Without a backlog the buffers change places and nothing is copied.
    pub fn take(&mut self, more: &mut Vec<u8>) {
        if self.broken {
            more.clear();
        } else {
            self.queue.append(more);
        }
    }

    /// Returns the count of bytes that have not left.
    pub fn unsent(&self) -> usize {
        self.queue.len()
    }

    /// Gives `send` what it takes. If the other side has ended the connection, the bytes are dropped without an error:
    /// the next read returns it, after what was received before.
    ///
    /// # Errors
    /// The error of `send`: the connection is broken.
    pub fn flush(&mut self, send: impl Fn(&[u8]) -> io::Result<usize>) -> io::Result<()> {
        while !self.queue.is_empty() {
            match send(self.queue.rest()) {
                Ok(taken) => self.queue.consume(taken),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(()),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                        self.broken = true;
                        break;
                    }
                    _ => return Err(error),
                },
            }
        }
        self.queue.clear();
        Ok(())
    }
}
