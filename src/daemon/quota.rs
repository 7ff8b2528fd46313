//! [`Quota`]: how many lines a connection may log. Whatever a peer sends, the log stays readable: after
//! [`LINES_PER_SECOND`] lines in a second the rest is counted, and the number is logged when the second is over.

use std::time::{Duration, Instant};

use super::bus::{Bus, Level};
use super::clients::Clients;
use super::keys::ClientKey;
use super::log::LogLine;

/// Lines about one connection in one second.
pub const LINES_PER_SECOND: u32 = 10;

/// The time in which they are counted.
const WINDOW: Duration = Duration::from_secs(1);

/// The lines of the present second, of one connection or of all that are not on the bus.
#[derive(Debug, Default)]
pub(super) struct Quota {
    began: Option<Instant>,
    logged: u32,
    suppressed: u64,
}

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Log,
    /// It is the first one that is only counted; the summary is due at that time.
    Suppress(Instant),
    Count,
}

impl Quota {
    /// Counts a line.
    fn decide(&mut self, now: Instant) -> Decision {
        let began = match self.began {
            // What was suppressed keeps the window until its number is logged.
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
}

impl Clients {
    /// Logs a line about a connection, or with `None` about one that is not on the bus, as far as its quota goes.
    pub(super) fn log_about(&mut self, key: Option<ClientKey>, level: Level, text: String) {
        let now = self.now;
        match self.quota(key).map_or(Decision::Log, |quota| quota.decide(now)) {
            Decision::Log => self.log(level, text),
            Decision::Suppress(due) => {
                let live = self.map.len() + 1;
                self.summaries.set(due, key, live, |_| true);
            }
            Decision::Count => {}
        }
    }

    /// Logs how many lines were suppressed, if any, and begins a new second.
    pub(super) fn summarise(&mut self, key: Option<ClientKey>) {
        let suppressed = self.quota(key).map_or(0, |quota| std::mem::take(quota).suppressed);
        if suppressed > 0 {
            let about = key.map_or("connections that are not on the bus", |key| self.title(key));
            let text = format!("{suppressed} more lines about {about}");
            self.log.push(LogLine::new(Level::Info, text));
        }
    }

    fn quota(&mut self, key: Option<ClientKey>) -> Option<&mut Quota> {
        match key {
            Some(key) => self.map.get_mut(key).map(|client| &mut client.quota),
            None => Some(&mut self.strangers),
        }
    }
}

impl Bus {
    /// Logs a line about a connection, or about one that has not come to the bus. Each connection has ten
    /// lines a second, and those that are not on the bus together as many.
    pub fn note(&mut self, key: Option<ClientKey>, text: String, now: Instant) {
        self.clients.now = now;
        self.clients.log_about(key, Level::Info, text);
    }

    /// Logs how many lines each connection had too many.
    pub(super) fn summarise_due(&mut self, now: Instant) {
        while let Some(key) = self.clients.summaries.pop_due(now) {
            self.clients.summarise(key);
        }
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
        assert_eq!(std::mem::take(&mut quota).suppressed, 3);
        assert_eq!(quota.decide(later(1600)), Decision::Log);
        for n in 0..100 {
            assert_eq!(quota.decide(later(10_000 + n * 101)), Decision::Log, "{n}");
        }
    }
}
