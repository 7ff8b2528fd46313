//! What is to be sent and has not left yet.

use std::io;

use crate::wire::KEPT_BUFFER;

/// Bytes on their way out. A partial write only moves a mark; what was sent is dropped when it is
/// the larger half, so the work per byte is constant however slow the reader.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
    broken: bool,
}

impl Outbox {
    /// Takes all bytes out of `more`. Without a backlog the buffers change places and nothing is
    /// copied.
    pub fn take(&mut self, more: &mut Vec<u8>) {
        if self.broken {
            more.clear();
        } else if self.bytes.is_empty() {
            std::mem::swap(&mut self.bytes, more);
        } else {
            if self.sent > self.bytes.len() / 2 {
                self.bytes.drain(..self.sent);
                self.sent = 0;
            }
            self.bytes.append(more);
        }
    }

    /// Bytes that have not left.
    pub fn unsent(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Gives `send` what it takes. A connection that the other side has ended is no error here:
    /// the bytes are dropped, and the next read tells, after what was still received.
    ///
    /// # Errors
    /// Why the connection is broken, in the words of `send`.
    pub fn flush(&mut self, send: impl Fn(&[u8]) -> io::Result<usize>) -> io::Result<()> {
        while self.sent < self.bytes.len() {
            match send(&self.bytes[self.sent..]) {
                Ok(taken) => self.sent += taken,
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
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BUFFER);
        self.sent = 0;
        Ok(())
    }
}
