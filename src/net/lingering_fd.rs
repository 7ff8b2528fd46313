//! A descriptor that is not needed any more but that the loop may still watch.

use std::os::fd::OwnedFd;

/// Keeps the first descriptor given up in one turn, which is the one the loop knows, open until
/// the next turn: its successor cannot have the same number then, which a loop would not notice.
#[derive(Debug, Default)]
pub(super) struct Retired(Option<OwnedFd>);

impl Retired {
    /// Gives up a descriptor; closes it if the loop cannot know it.
    pub fn keep(&mut self, fd: impl Into<OwnedFd>) {
        if self.0.is_none() {
            self.0 = Some(fd.into());
        }
    }

    /// The one that the loop may still watch.
    pub fn take(&mut self) -> Option<OwnedFd> {
        self.0.take()
    }
}
