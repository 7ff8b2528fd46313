//! [`LoginQueue`]: the order in which logins are verified.
//!
//! At most [`PER_SECOND`] passwords are verified in a second for a user, and as many for a source, however many
//! connections ask; at most [`MOST_WAITING`] logins wait for either. Sources with an earlier successful login go first,
//! and displace the last login of a source without one. There are two lanes: one is for sources without recent
//! failures. The clock is an argument.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::throttle::{Source, Terms};

/// Verifications in a second for one user, and for one source.
pub const PER_SECOND: usize = 5;

/// Logins that wait for one user, and for one source.
pub const MOST_WAITING: usize = 20;

const SECOND: Duration = Duration::from_secs(1);

/// Successful logins that are remembered.
const MOST_KNOWN: usize = 4096;

/// The logins that wait.
#[derive(Debug, Default)]
pub struct LoginQueue {
    /// In the order in which they came.
    waiting: Vec<Login>,
    /// The verifications of the last second: their begin, user and source.
    begun: VecDeque<(Instant, String, Source)>,
    /// The time of the last successful login of a user from a source.
    known: HashMap<(Source, String), Instant>,
    last_id: u64,
}

#[derive(Debug)]
struct Login {
    id: u64,
    user: String,
    source: Source,
    since: Instant,
    /// 0 for an unknown source, 1 for one with a successful login, 2 if that was this user's.
    rank: u8,
}

/// The next step of a login that waits.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// It is verified now, in this lane.
    Begin(usize),
    /// It waits until that time, or with `None` until a lane is free or another login has begun or left.
    Wait(Option<Instant>),
    /// It was displaced; the client may try again after that many seconds.
    TooMany(u64),
}

impl LoginQueue {
    /// Adds a login and returns its number.
    ///
    /// # Errors
    /// Too many logins wait; the seconds after which the client may try again.
    pub fn enter(&mut self, user: &str, source: Source, now: Instant) -> Result<u64, u64> {
        let rank = self.rank(user, source);
        let is_rival = |login: &Login| login.user == user || login.source == source;
        let count = |same: &dyn Fn(&Login) -> bool| self.waiting.iter().filter(|login| same(login)).count();
        let most = count(&|login| login.user == user).max(count(&|login| login.source == source));
        if most >= MOST_WAITING {
            let weakest = self.waiting.iter().rposition(|login| is_rival(login) && login.rank < rank);
            self.waiting.remove(weakest.ok_or(retry_after(most))?);
        }
        self.last_id += 1;
        let login = Login { id: self.last_id, user: user.to_owned(), source, since: now, rank };
        self.waiting.push(login);
        Ok(self.last_id)
    }

    /// Removes a login.
    pub fn leave(&mut self, id: u64) {
        self.waiting.retain(|login| login.id != id);
    }

    /// Returns the next step of a login. `free` says which lanes are free, the one for trusted sources first; `terms`
    /// returns the terms of a login.
    pub fn step(
        &mut self,
        id: u64,
        now: Instant,
        free: [bool; 2],
        terms: impl Fn(&str, Source) -> Terms,
    ) -> Step {
        while self.begun.front().is_some_and(|(at, ..)| now.saturating_duration_since(*at) >= SECOND) {
            self.begun.pop_front();
        }
        let Some(index) = self.waiting.iter().position(|login| login.id == id) else {
            return Step::TooMany(retry_after(MOST_WAITING));
        };
        let login = &self.waiting[index];
        let lane = |login: &Login| self.lane(login, now, free, &terms);
        let own = match lane(login) {
            Ok(lane) => lane,
            Err(until) => return Step::Wait(until),
        };
        let goes_before = |(other_index, other): &(usize, &Login)| {
            let is_rival = other.user == login.user || other.source == login.source;
            let is_first =
                (std::cmp::Reverse(other.rank), *other_index) < (std::cmp::Reverse(login.rank), index);
            is_first && lane(other).is_ok_and(|lane| lane == own || is_rival)
        };
        if self.waiting.iter().enumerate().any(|other| goes_before(&other)) {
            return Step::Wait(None);
        }
        let login = self.waiting.remove(index);
        self.begun.push_back((now, login.user, login.source));
        Step::Begin(own)
    }

    /// Remembers a successful login.
    pub fn succeeded(&mut self, user: &str, source: Source, now: Instant) {
        if self.known.len() >= MOST_KNOWN {
            let oldest = self.known.iter().min_by_key(|(_, at)| **at).map(|(login, _)| login.clone());
            if let Some(oldest) = oldest {
                self.known.remove(&oldest);
            }
        }
        self.known.insert((source, user.to_owned()), now);
    }

    fn rank(&self, user: &str, source: Source) -> u8 {
        if self.known.contains_key(&(source, user.to_owned())) {
            2
        } else {
            u8::from(self.known.keys().any(|(known, _)| *known == source))
        }
    }

    /// Returns the lane in which a login could begin now, or else the time at which it might.
    fn lane(
        &self,
        login: &Login,
        now: Instant,
        free: [bool; 2],
        terms: impl Fn(&str, Source) -> Terms,
    ) -> Result<usize, Option<Instant>> {
        let terms = terms(&login.user, login.source);
        let by_user = self.next_free(|(_, user, _)| *user == login.user);
        let by_source = self.next_free(|(_, _, source)| *source == login.source);
        let earliest = by_user.max(by_source).max(Some(login.since + terms.delay));
        if earliest.is_some_and(|earliest| earliest > now) {
            return Err(earliest);
        }
        let lane = usize::from(terms.is_suspect);
        if free[lane] { Ok(lane) } else { Err(None) }
    }

    /// Returns the time at which the next of these may begin, or `None` if that is now.
    fn next_free(&self, is_same: impl Fn(&(Instant, String, Source)) -> bool) -> Option<Instant> {
        let mut same = self.begun.iter().rev().filter(|begun| is_same(begun));
        same.nth(PER_SECOND - 1).map(|(at, ..)| *at + SECOND)
    }
}

/// Returns the seconds in which that many logins are verified.
fn retry_after(waiting: usize) -> u64 {
    waiting.div_ceil(PER_SECOND) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: [bool; 2] = [true, true];

    fn at_once(_: &str, _: Source) -> Terms {
        Terms { delay: Duration::ZERO, is_suspect: false }
    }

    /// Verifies whatever may be, for that many milliseconds; returns numbers and times.
    fn run(queue: &mut LoginQueue, ids: &[u64], start: Instant, milliseconds: u64) -> Vec<(u64, u64)> {
        let mut begun = Vec::new();
        for passed in (0..milliseconds).step_by(10) {
            let now = start + Duration::from_millis(passed);
            let waits = |queue: &LoginQueue, id: u64| queue.waiting.iter().any(|login| login.id == id);
            for &id in ids {
                if waits(queue, id)
                    && let Step::Begin(_) = queue.step(id, now, FREE, at_once)
                {
                    begun.push((id, passed));
                }
            }
        }
        begun
    }

    #[test]
    fn a_user_and_a_source_have_five_a_second_in_sum() {
        for by_user in [true, false] {
            let (mut queue, now) = (LoginQueue::default(), Instant::now());
            let ids: Vec<u64> = (0..20)
                .map(|n| {
                    let source = Source::V4(if by_user { n } else { 7 });
                    let user = if by_user { "ann".to_owned() } else { n.to_string() };
                    queue.enter(&user, source, now).expect("room")
                })
                .collect();
            let begun = run(&mut queue, &ids, now, 3999);
            let times: Vec<u64> = begun.iter().map(|(_, at)| *at).collect();
            let expected: Vec<u64> = [0, 1000, 2000, 3000].iter().flat_map(|at| [*at; 5]).collect();
            assert_eq!(times, expected, "in any second");
            assert_eq!(begun.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids, "in their order");
        }
    }

    #[test]
    fn others_do_not_wait_for_them() {
        let (mut queue, now) = (LoginQueue::default(), Instant::now());
        let mut ids: Vec<u64> = (0..20).filter_map(|_| queue.enter("ann", Source::V4(1), now).ok()).collect();
        ids.push(queue.enter("bob", Source::V4(2), now).expect("room"));
        let begun = run(&mut queue, &ids, now, 10);
        assert!(begun.contains(&(21, 0)), "{begun:?}");
    }

    #[test]
    fn beyond_twenty_they_are_refused_with_a_time_to_try_again() {
        let (mut queue, now) = (LoginQueue::default(), Instant::now());
        for n in 0..MOST_WAITING {
            queue.enter(&n.to_string(), Source::V4(1), now).expect("room");
        }
        assert_eq!(queue.enter("ann", Source::V4(1), now), Err(4));
        queue.leave(1);
        assert!(queue.enter("ann", Source::V4(1), now).is_ok());
        // It is the same for a user, whose known source displaces an unknown one.
        for n in 2..30 {
            let _ = queue.enter("bob", Source::V4(n), now);
        }
        queue.succeeded("bob", Source::V4(100), now);
        let known = queue.enter("bob", Source::V4(100), now).expect("room");
        let evicted = known - 1;
        assert_eq!(queue.step(evicted, now, FREE, at_once), Step::TooMany(4));
        assert_eq!(queue.enter("bob", Source::V4(101), now), Err(4));
        assert_eq!(queue.waiting.iter().filter(|login| login.user == "bob").count(), MOST_WAITING);
    }

    #[test]
    fn sources_that_have_logged_in_go_first() {
        let (mut queue, now) = (LoginQueue::default(), Instant::now());
        queue.succeeded("ann", Source::V4(9), now);
        let mut ids: Vec<u64> =
            (0..10).map(|n| queue.enter("ann", Source::V4(n), now).expect("room")).collect();
        // Within the known source, the user who has logged in from there.
        let other = queue.enter("bob", Source::V4(9), now).expect("room");
        let known = queue.enter("ann", Source::V4(9), now).expect("room");
        ids.extend([other, known]);
        let mut order = Vec::new();
        let begins = |queue: &mut LoginQueue, id: u64| queue.step(id, now, FREE, at_once) == Step::Begin(0);
        while let Some(id) = ids.iter().copied().find(|id| begins(&mut queue, *id)) {
            order.push(id);
            ids.retain(|other| *other != id);
        }
        assert_eq!(order[..2], [10, known], "{order:?}");
        assert_eq!(order[2], other, "{order:?}");
    }

    #[test]
    fn suspect_sources_keep_only_their_own_kind_waiting() {
        let (mut queue, now) = (LoginQueue::default(), Instant::now());
        let suspect =
            |_: &str, source: Source| Terms { delay: Duration::ZERO, is_suspect: source == Source::V4(1) };
        let [first, second] = ["a", "b"].map(|user| queue.enter(user, Source::V4(1), now).expect("room"));
        let honest = queue.enter("c", Source::V4(2), now).expect("room");
        assert_eq!(queue.step(second, now, FREE, suspect), Step::Wait(None), "the first one goes first");
        assert_eq!(queue.step(first, now, FREE, suspect), Step::Begin(1));
        assert_eq!(queue.step(second, now, [true, false], suspect), Step::Wait(None));
        assert_eq!(queue.step(honest, now, [true, false], suspect), Step::Begin(0));
        assert_eq!(queue.step(second, now, [false, true], suspect), Step::Begin(1));
    }
}
