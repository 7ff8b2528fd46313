//! Waiting for one connection with poll(2), for programs that block.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// What a descriptor should be watched for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interest {
    /// Tell me when there is something to read, or the stream has ended.
    pub read: bool,
    /// Tell me when it can be written.
    pub write: bool,
}

/// What waiting saw. Nothing set: the time is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ready {
    /// There is something to read, or the stream has ended or broken.
    pub readable: bool,
    /// It can be written, or the stream has broken.
    pub writable: bool,
    /// A signal ended the waiting early.
    pub interrupted: bool,
}

/// Blocks until `fd` is ready or `until` has come; without a descriptor until then, and not at all
/// without either.
pub fn wait(fd: Option<BorrowedFd<'_>>, interest: Interest, until: Option<Instant>) -> io::Result<Ready> {
    if fd.is_none() && until.is_none() {
        return Ok(Ready::default());
    }
    let left = until.map(|at| timespec(at.saturating_duration_since(Instant::now())));
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, interest.read);
    flags.set(PollFlags::OUT, interest.write);
    let mut polled: Vec<PollFd<'_>> = fd.into_iter().map(|fd| PollFd::from_borrowed_fd(fd, flags)).collect();
    match poll(&mut polled, left.as_ref()) {
        Ok(_) => Ok(polled.first().map(|polled| ready(polled.revents())).unwrap_or_default()),
        Err(Errno::INTR) => Ok(Ready { interrupted: true, ..Ready::default() }),
        Err(error) => Err(error.into()),
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
