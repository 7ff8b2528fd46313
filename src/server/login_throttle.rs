//! [`Attempts`]: who has failed to log in lately, in tables that never grow.
//!
//! Each failure makes the next attempt wait longer: of the same user from anywhere, and from the same
//! place as anybody. Nobody is locked out, as a lock-out is a way to lock others out: the longest wait is
//! short, and forgotten soon.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Failures that cost nothing yet: people mistype.
const FREE: u32 = 2;

/// What the first attempt behind those waits; each further failure doubles it.
const FIRST_DELAY: Duration = Duration::from_millis(250);

/// The longest wait. Somebody else's attempts cost a user so much, and not more.
const MAX_DELAY: Duration = Duration::from_secs(3);

/// Failures beyond these count no more, so that they are forgotten soon.
const MOST: u32 = 10;

/// In this time half of the failures are forgotten.
const HALF_LIFE: Duration = Duration::from_secs(30);

/// Groups of slots in a table; an entry can be in one group only.
const BUCKETS: usize = 256;

/// Slots in a group. When all are taken, the entry with the fewest failures goes.
const WAYS: usize = 4;

/// Where an attempt comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The machine itself, over a Unix socket.
    Here,
    /// An IPv4 address.
    V4(u32),
    /// The network of an IPv6 address: who has one has all of it.
    V6(u64),
}

impl Place {
    /// The place of an address, or of none.
    pub fn of(address: Option<IpAddr>) -> Place {
        match address.map(|address| address.to_canonical()) {
            None => Place::Here,
            Some(IpAddr::V4(address)) => Place::V4(address.to_bits()),
            Some(IpAddr::V6(address)) => Place::V6((address.to_bits() >> 64) as u64),
        }
    }
}

/// The failures of users and of places.
#[derive(Debug)]
pub struct Attempts {
    hasher: RandomState,
    users: Table,
    places: Table,
}

/// What an attempt has to put up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trust {
    /// How long it waits.
    pub delay: Duration,
    /// Whether it comes from where others have failed, and has to queue behind them.
    pub is_suspect: bool,
}

impl Default for Attempts {
    fn default() -> Self {
        Attempts { hasher: RandomState::new(), users: Table::default(), places: Table::default() }
    }
}

impl Attempts {
    /// What an attempt has to put up with at that time.
    pub fn trust(&self, user: &str, place: Place, now: Instant) -> Trust {
        let by_place = self.places.failures(self.hasher.hash_one(place), now);
        let by_user = self.users.failures(self.hasher.hash_one(user), now);
        Trust { delay: delay(by_place.max(by_user)), is_suspect: by_place >= FREE }
    }

    /// An attempt begins, and counts as a failure: whoever leaves before it is decided shall not go uncounted.
    pub fn begun(&mut self, user: &str, place: Place, now: Instant) {
        self.users.count(self.hasher.hash_one(user), now);
        self.places.count(self.hasher.hash_one(place), now);
    }

    /// An attempt was right. It is taken back; that says nothing about others from the same place.
    pub fn succeeded(&mut self, user: &str, place: Place) {
        self.users.slot(self.hasher.hash_one(user)).for_each(|slot| *slot = Slot::default());
        let place = self.places.slot(self.hasher.hash_one(place));
        place.for_each(|slot| slot.failures = slot.failures.saturating_sub(1));
    }
}

/// How long an attempt waits after so many failures.
fn delay(failures: u32) -> Duration {
    match failures.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(doublings) => FIRST_DELAY.saturating_mul(1 << doublings.min(MOST)).min(MAX_DELAY),
    }
}

/// Failures by the hash of who failed.
#[derive(Debug)]
struct Table(Box<[[Slot; WAYS]]>);

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: u64,
    failures: u32,
    /// When the last of them was; none in an empty slot.
    last: Option<Instant>,
}

impl Slot {
    /// The failures that are not forgotten.
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
        // The own slot, or the one that says least.
        let place = bucket.iter_mut().min_by_key(|slot| (slot.hash != hash, slot.failures(now), slot.last));
        place.into_iter().for_each(|place| *place = slot);
    }

    fn slot(&mut self, hash: u64) -> impl Iterator<Item = &mut Slot> {
        let bucket = &mut self.0[hash as usize % BUCKETS];
        bucket.iter_mut().filter(move |slot| slot.hash == hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(attempts: &Attempts, user: &str, address: &str, now: Instant) -> u128 {
        attempts.trust(user, place(address), now).delay.as_millis()
    }

    fn place(address: &str) -> Place {
        Place::of(address.parse().ok())
    }

    #[test]
    fn each_failure_costs_more_up_to_a_limit_and_is_forgotten() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        for expected in [0, 0, 250, 500, 1000, 2000, 3000, 3000, 3000, 3000, 3000, 3000] {
            assert_eq!(wait(&attempts, "ann", "10.0.0.1", now), expected);
            attempts.begun("ann", place("10.0.0.1"), now);
        }
        // The user from elsewhere, others from there, others from elsewhere.
        assert_eq!(wait(&attempts, "ann", "10.0.0.2", now), 3000);
        assert_eq!(wait(&attempts, "bob", "10.0.0.1", now), 3000);
        assert_eq!(wait(&attempts, "bob", "10.0.0.2", now), 0);
        assert!(attempts.trust("bob", place("::ffff:10.0.0.1"), now).is_suspect);
        assert!(!attempts.trust("ann", place("10.0.0.2"), now).is_suspect);
        attempts.begun("ann", place("10.0.0.2"), now);
        attempts.succeeded("ann", place("10.0.0.2"));
        assert_eq!(wait(&attempts, "ann", "10.0.0.2", now), 0);
        assert_eq!(wait(&attempts, "ann", "10.0.0.1", now), 3000);
        for (seconds, expected) in [(29, 3000), (30, 2000), (60, 250), (90, 0), (1_000_000_000, 0)] {
            let later = now + Duration::from_secs(seconds);
            assert_eq!(wait(&attempts, "ann", "10.0.0.1", later), expected, "{seconds}");
        }
    }

    #[test]
    fn who_is_right_makes_nobody_wait() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..100 {
            assert_eq!(wait(&attempts, "ann", "10.0.0.1", now), 0);
            let user = ["ann", "bob"][number % 2];
            attempts.begun(user, place("10.0.0.1"), now);
            attempts.succeeded(user, place("10.0.0.1"));
        }
    }

    #[test]
    fn who_fails_often_is_not_pushed_out_by_many_others() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        (0..6).for_each(|_| attempts.begun("ann", Place::Here, now));
        for number in 0..100_000_u32 {
            attempts.begun(&number.to_string(), Place::V4(number), now);
        }
        assert_eq!(wait(&attempts, "ann", "10.0.0.1", now), 3000);
        assert_eq!(attempts.users.0.len() * WAYS, 1024);
    }

    #[test]
    fn a_network_of_ipv6_is_one_place() {
        assert_eq!(place("2001:db8::1"), place("2001:db8::ffff:1"));
        assert_ne!(place("2001:db8::1"), place("2001:db8:0:1::1"));
        assert_eq!(Place::of(None), Place::Here);
    }
}
