//! poll(2) on descriptor numbers that a program gave.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

/// One descriptor to wait for.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub struct Polled(libc::pollfd);

impl Polled {
    /// What to wait for on a descriptor.
    pub fn new(fd: RawFd, read: bool, write: bool) -> Polled {
        let mut events = 0;
        if read {
            events |= libc::POLLIN;
        }
        if write {
            events |= libc::POLLOUT;
        }
        Polled(libc::pollfd { fd, events, revents: 0 })
    }

    /// Returns the descriptor.
    pub fn fd(self) -> RawFd {
        self.0.fd
    }

    /// Returns whether there is something to read, or the stream has ended or broken.
    pub fn readable(self) -> bool {
        self.0.events & libc::POLLIN != 0 && self.0.revents & (libc::POLLIN | Self::BROKEN) != 0
    }

    /// Returns whether it can be written, or has broken.
    pub fn writable(self) -> bool {
        self.0.events & libc::POLLOUT != 0 && self.0.revents & (libc::POLLOUT | Self::BROKEN) != 0
    }

    /// Returns whether there is no such descriptor (any more).
    pub fn invalid(self) -> bool {
        self.0.revents & libc::POLLNVAL != 0
    }

    const BROKEN: libc::c_short = libc::POLLERR | libc::POLLHUP;
}

/// Waits until one of the descriptors is ready, or the time is over (`None`: no limit), and notes
/// in each what it is ready for.
///
/// # Errors
/// [`io::ErrorKind::Interrupted`] if a signal came.
pub fn poll(fds: &mut [Polled], limit: Option<Duration>) -> io::Result<()> {
    // Rounded up: waking before the time would only mean to wait again.
    let millis = limit.map_or(-1, |limit| {
        let millis = limit.as_nanos().div_ceil(1_000_000);
        i32::try_from(millis).unwrap_or(i32::MAX)
    });
    // SAFETY: Polled is a transparent pollfd, and the length is that of the slice. Any number may
    // stand for a descriptor; poll marks those that are none.
    let count = unsafe { libc::poll(fds.as_mut_ptr().cast(), fds.len() as libc::nfds_t, millis) };
    if count < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
