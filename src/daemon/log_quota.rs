//! [`Quota`]: limits the number of log lines about one connection, so that the log stays readable whatever a peer
//! sends. After [`LINES_PER_SECOND`] lines in one second the others are counted, and the count is logged at the end of
//! the second.

use std::time::{Duration, Instant};

/// Number of lines about one connection in one second.
pub const LINES_PER_SECOND: u32 = 10;

/// The time in which they are counted.
const WINDOW: Duration = Duration::from_secs(1);

/// The lines of the current second.
#[derive(Debug, Default)]
pub struct Quota {
    began: Option<Instant>,
    logged: u32,
    suppressed: u64,
}

/// What to do with a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// Log it.
    Log,
    /// Only count it. It is the first such line, so a summary is due at that time.
    Suppress(Instant),
    /// Only count it.
    Count,
}

impl Quota {
    /// Counts a line.
    pub fn decide(&mut self, now: Instant) -> Decision {
        let began = match self.began {
            // The second continues until the number of suppressed lines is logged.
            Some(began) if self.suppressed > 0 || now.saturating_duration_since(began) < WINDOW => began,
            _ => {
                self.logged = 0;
                *self.began.insert(now)
            }
        };
        if self.suppressed == 0 && self.logged < LINES_PER_SECOND {
            self.logged += 1;
            return Decision::Log;
        }
        self.suppressed += 1;
        if self.suppressed == 1 { Decision::Suppress(began + WINDOW) } else { Decision::Count }
    }

    /// Starts a new second. Returns the number of lines that were suppressed.
    pub fn restart(&mut self) -> u64 {
        std::mem::take(self).suppressed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_ten_lines() {
        let (mut quota, now) = (Quota::default(), Instant::now());
        let later = |milliseconds| now + Duration::from_millis(milliseconds);
        for n in 0..10 {
            assert_eq!(quota.decide(later(n * 10)), Decision::Log);
        }
        assert_eq!(quota.decide(later(500)), Decision::Suppress(later(1000)));
        assert_eq!(quota.decide(later(600)), Decision::Count);
        // The summary is late.
        assert_eq!(quota.decide(later(1500)), Decision::Count);
        assert_eq!(quota.restart(), 3);
        assert_eq!(quota.decide(later(1600)), Decision::Log);
        for n in 0..100 {
            assert_eq!(quota.decide(later(10_000 + n * 101)), Decision::Log, "{n}");
        }
    }
}
