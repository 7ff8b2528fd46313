//! A descriptor that is no longer needed but that the loop may still watch.

use std::os::fd::OwnedFd;

/// Keeps the first descriptor that a turn replaces open until the next turn. The loop knows that one; if it were closed,
/// its successor could get the same number, which a loop would not notice.
#[derive(Debug, Default)]
pub struct LingeringFd(Option<OwnedFd>);

impl LingeringFd {
    /// Keeps a descriptor, or closes it if the loop cannot know it.
    pub fn keep(&mut self, fd: impl Into<OwnedFd>) {
        if self.0.is_none() {
            self.0 = Some(fd.into());
        }
    }

    /// Takes the descriptor that the loop may still watch.
    pub fn take(&mut self) -> Option<OwnedFd> {
        self.0.take()
    }
}
