//! [`Throttle`]: delays for users and sources whose logins failed recently, in tables that never grow.
//!
//! Each failure doubles the delay of the next attempt: of the same user from any source, and of any user from the same
//! source. There is no lock-out, because it would be a way to lock other users out: the longest delay is short and
//! soon over.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Failures without a delay: people mistype.
const FREE: u32 = 2;

/// The delay of the first attempt after those; each further failure doubles it.
const FIRST_DELAY: Duration = Duration::from_millis(250);

/// The longest delay. It is also the most that the attempts of others can cost a user.
const MAX_DELAY: Duration = Duration::from_secs(3);

/// Failures beyond these are not counted, so that they are forgotten soon.
const MOST: u32 = 10;

/// The time in which half of the failures are forgotten.
const HALF_LIFE: Duration = Duration::from_secs(30);

/// Groups of slots in a table. An entry can be in one group only.
const BUCKETS: usize = 256;

/// Slots in a group. When all are taken, a new entry replaces the one with the fewest failures.
const WAYS: usize = 4;

/// The origin of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The machine itself, over a Unix socket.
    Local,
    /// An IPv4 address.
    V4(u32),
    /// The network of an IPv6 address: a machine with one of its addresses can have all of them.
    V6(u64),
}

impl Source {
    /// Returns the source of an address, or of a Unix socket without one.
    pub fn of(address: Option<IpAddr>) -> Source {
        match address.map(|address| address.to_canonical()) {
            None => Source::Local,
            Some(IpAddr::V4(address)) => Source::V4(address.to_bits()),
            Some(IpAddr::V6(address)) => Source::V6((address.to_bits() >> 64) as u64),
        }
    }
}

/// The failures of users and of sources.
#[derive(Debug)]
pub struct Throttle {
    hasher: RandomState,
    users: Table,
    sources: Table,
}

/// The terms under which an attempt is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The time that it waits.
    pub delay: Duration,
    /// Logins from its source failed recently, so it queues behind others of this kind.
    pub is_suspect: bool,
}

impl Default for Throttle {
    fn default() -> Self {
        Throttle { hasher: RandomState::new(), users: Table::default(), sources: Table::default() }
    }
}

impl Throttle {
    /// Returns the terms of an attempt at that time.
    pub fn terms(&self, user: &str, source: Source, now: Instant) -> Terms {
        let by_source = self.sources.failures(self.hasher.hash_one(source), now);
        let by_user = self.users.failures(self.hasher.hash_one(user), now);
        Terms { delay: delay(by_source.max(by_user)), is_suspect: by_source >= FREE }
    }

    /// Counts an attempt that begins as a failure, so that one whose connection ends before the result is counted, too.
    pub fn begun(&mut self, user: &str, source: Source, now: Instant) {
        self.users.count(self.hasher.hash_one(user), now);
        self.sources.count(self.hasher.hash_one(source), now);
    }

    /// Takes an attempt back that was right. That says nothing about others from the same source.
    pub fn succeeded(&mut self, user: &str, source: Source) {
        self.users.slot(self.hasher.hash_one(user)).for_each(|slot| *slot = Slot::default());
        let source = self.sources.slot(self.hasher.hash_one(source));
        source.for_each(|slot| slot.failures = slot.failures.saturating_sub(1));
    }
}

/// Returns the delay after that many failures.
fn delay(failures: u32) -> Duration {
    match failures.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(doublings) => FIRST_DELAY.saturating_mul(1 << doublings.min(MOST)).min(MAX_DELAY),
    }
}

/// Failures by the hash of a user or a source.
#[derive(Debug)]
struct Table(Box<[[Slot; WAYS]]>);

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: u64,
    failures: u32,
    /// The time of the last failure; `None` in an empty slot.
    last: Option<Instant>,
}

impl Slot {
    /// Returns the failures that are not forgotten.
    fn failures(&self, now: Instant) -> u32 {
        let passed = self.last.map_or(u64::MAX, |last| now.saturating_duration_since(last).as_secs());
        let halvings = u32::try_from(passed / HALF_LIFE.as_secs()).unwrap_or(u32::MAX);
        self.failures.checked_shr(halvings).unwrap_or(0)
    }
}

impl Default for Table {
    fn default() -> Self {
        Table(vec![[Slot::default(); WAYS]; BUCKETS].into())
    }
}

impl Table {
    fn failures(&self, hash: u64, now: Instant) -> u32 {
        let bucket = &self.0[hash as usize % BUCKETS];
        bucket.iter().find(|slot| slot.hash == hash).map_or(0, |slot| slot.failures(now))
    }

    fn count(&mut self, hash: u64, now: Instant) {
        let failures = (self.failures(hash, now) + 1).min(MOST);
        let slot = Slot { hash, failures, last: Some(now) };
        let bucket = &mut self.0[hash as usize % BUCKETS];
        // Its own slot, or the one with the fewest failures.
        let replaced =
            bucket.iter_mut().min_by_key(|slot| (slot.hash != hash, slot.failures(now), slot.last));
        replaced.into_iter().for_each(|replaced| *replaced = slot);
    }

    fn slot(&mut self, hash: u64) -> impl Iterator<Item = &mut Slot> {
        let bucket = &mut self.0[hash as usize % BUCKETS];
        bucket.iter_mut().filter(move |slot| slot.hash == hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(throttle: &Throttle, user: &str, address: &str, now: Instant) -> u128 {
        throttle.terms(user, source(address), now).delay.as_millis()
    }

    fn source(address: &str) -> Source {
        Source::of(address.parse().ok())
    }

    #[test]
    fn each_failure_costs_more_up_to_a_limit_and_is_forgotten() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for expected in [0, 0, 250, 500, 1000, 2000, 3000, 3000, 3000, 3000, 3000, 3000] {
            assert_eq!(wait(&throttle, "ann", "10.0.0.1", now), expected);
            throttle.begun("ann", source("10.0.0.1"), now);
        }
        // The user from elsewhere, others from there, others from elsewhere.
        assert_eq!(wait(&throttle, "ann", "10.0.0.2", now), 3000);
        assert_eq!(wait(&throttle, "bob", "10.0.0.1", now), 3000);
        assert_eq!(wait(&throttle, "bob", "10.0.0.2", now), 0);
        assert!(throttle.terms("bob", source("::ffff:10.0.0.1"), now).is_suspect);
        assert!(!throttle.terms("ann", source("10.0.0.2"), now).is_suspect);
        throttle.begun("ann", source("10.0.0.2"), now);
        throttle.succeeded("ann", source("10.0.0.2"));
        assert_eq!(wait(&throttle, "ann", "10.0.0.2", now), 0);
        assert_eq!(wait(&throttle, "ann", "10.0.0.1", now), 3000);
        for (seconds, expected) in [(29, 3000), (30, 2000), (60, 250), (90, 0), (1_000_000_000, 0)] {
            let later = now + Duration::from_secs(seconds);
            assert_eq!(wait(&throttle, "ann", "10.0.0.1", later), expected, "{seconds}");
        }
    }

    #[test]
    fn right_passwords_delay_nothing() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..100 {
            assert_eq!(wait(&throttle, "ann", "10.0.0.1", now), 0);
            let user = ["ann", "bob"][number % 2];
            throttle.begun(user, source("10.0.0.1"), now);
            throttle.succeeded(user, source("10.0.0.1"));
        }
    }

    #[test]
    fn frequent_failures_are_not_displaced_by_many_others() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        (0..6).for_each(|_| throttle.begun("ann", Source::Local, now));
        for number in 0..100_000_u32 {
            throttle.begun(&number.to_string(), Source::V4(number), now);
        }
        assert_eq!(wait(&throttle, "ann", "10.0.0.1", now), 3000);
        assert_eq!(throttle.users.0.len() * WAYS, 1024);
    }

    #[test]
    fn a_network_of_ipv6_is_one_source() {
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(Source::of(None), Source::Local);
    }
}
