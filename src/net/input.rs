//! Reading from a socket, a bounded amount per turn.

use std::io;
use std::os::fd::AsFd;

use super::socket;

/// Bytes taken from the socket in one turn. More waits in the kernel, so that one busy
/// connection leaves the loop's other customers their turn.
const READ_BUDGET: usize = 256 * 1024;

/// Room made for one system call: several ordinary messages, and little for an idle connection.
const READ_CHUNK: usize = 16 * 1024;

/// How one turn of reading ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    /// The kernel has no more bytes now.
    Drained,
    /// There may be more, for the next turn.
    More,
    /// The other side has ended it.
    Ended,
}

/// Appends what has been received to `buffer`, up to the budget.
///
/// # Errors
/// Why the connection is broken.
pub fn receive(socket: impl AsFd, buffer: &mut Vec<u8>) -> io::Result<Input> {
    let mut budget = READ_BUDGET;
    while budget > 0 {
        buffer.reserve(READ_CHUNK);
        let room = buffer.capacity() - buffer.len();
        match socket::receive(&socket, buffer) {
            Ok(0) => return Ok(Input::Ended),
            // Less than there was room for: the kernel has no more.
            Ok(taken) if taken < room => return Ok(Input::Drained),
            Ok(taken) => budget = budget.saturating_sub(taken),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Input::Drained),
            Err(error) => return Err(error),
        }
    }
    Ok(Input::More)
}
