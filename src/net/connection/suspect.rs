//! The last large message that was sent: if the daemon ends the connection right after it, its size is
//! the likely reason.

use std::time::{Duration, Instant};

/// The smallest limit in the field: 512 bytes, of a small build of cjet.
const SMALLEST_LIMIT: usize = 512;

/// A daemon that refuses a message ends the connection within this time.
const SOON: Duration = Duration::from_secs(1);

/// A daemon that refuses a message sends an error for it at most.
const MOST_ANSWERS: usize = 1;

/// The message under suspicion, if there is one.
#[derive(Debug, Default)]
pub struct Suspect(Option<Large>);

#[derive(Debug)]
struct Large {
    length: usize,
    /// When all of it had left for the kernel.
    left: Option<Instant>,
    /// Messages received since.
    answers: usize,
}

impl Suspect {
    /// Notes whole frames that are sent now.
    pub fn sent(&mut self, mut frames: &[u8]) {
        let mut largest = 0;
        while let Some((header, rest)) = frames.split_first_chunk() {
            let length = u32::from_be_bytes(*header) as usize;
            largest = largest.max(length);
            frames = rest.get(length..).unwrap_or_default();
        }
        if largest > SMALLEST_LIMIT {
            self.0 = Some(Large { length: largest, left: None, answers: 0 });
        }
    }

    /// Notes that everything has left for the kernel.
    pub fn left(&mut self) {
        if let Some(large) = self.0.as_mut().filter(|large| large.left.is_none()) {
            large.left = Some(Instant::now());
        }
    }

    /// Notes that `count` messages have been received.
    pub fn received(&mut self, count: usize) {
        if let Some(large) = &mut self.0 {
            large.answers += count;
            if large.answers > MOST_ANSWERS {
                self.0 = None;
            }
        }
    }

    /// Returns the length of the message that the daemon probably refused, if it ends the connection now.
    pub fn length(&self) -> Option<usize> {
        let is_recent = |large: &&Large| large.left.is_none_or(|left| left.elapsed() < SOON);
        self.0.as_ref().filter(is_recent).map(|large| large.length)
    }
}
