//! [`Turns`]: which login is verified next.
//!
//! At most [`PER_SECOND`] passwords are verified in a second for a user, and as many for a place, however many
//! connections ask; at most [`MOST_WAITING`] logins wait for either. Places that have logged in well go first, and take
//! the last waiting place of one that has not. There are two lanes: one is for places where nobody has failed lately.
//! The clock is an argument.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::login_throttle::{Place, Trust};

/// Verifications in a second for one user, and for one place.
pub const PER_SECOND: usize = 5;

/// Logins that wait for one user, and for one place.
pub const MOST_WAITING: usize = 20;

const SECOND: Duration = Duration::from_secs(1);

/// Places that are remembered to have logged in well.
const MOST_KNOWN: usize = 4096;

/// The logins that wait.
#[derive(Debug, Default)]
pub struct Turns {
    /// In the order in which they came.
    waiting: Vec<Login>,
    /// When the verifications of the last second began, and whose they were.
    begun: VecDeque<(Instant, String, Place)>,
    /// Who has logged in well from where, and when last.
    known: HashMap<(Place, String), Instant>,
    last_id: u64,
}

#[derive(Debug)]
struct Login {
    id: u64,
    user: String,
    place: Place,
    since: Instant,
    /// 0 for an unknown place, 1 for one that has logged in well, 2 if it was this user.
    rank: u8,
}

/// What a login that waits does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// It is verified now, in this lane.
    Begin(usize),
    /// It waits until that time, or with `None` until a lane is free or another one has begun or left.
    Wait(Option<Instant>),
    /// It has lost its place; the client may come again after so many seconds.
    TooMany(u64),
}

impl Turns {
    /// A login begins to wait; gives its number.
    ///
    /// # Errors
    /// Too many wait; the seconds after which to come again.
    pub fn enter(&mut self, user: &str, place: Place, now: Instant) -> Result<u64, u64> {
        let rank = self.rank(user, place);
        let is_rival = |login: &Login| login.user == user || login.place == place;
        let count = |same: &dyn Fn(&Login) -> bool| self.waiting.iter().filter(|login| same(login)).count();
        let most = count(&|login| login.user == user).max(count(&|login| login.place == place));
        if most >= MOST_WAITING {
            let weakest = self.waiting.iter().rposition(|login| is_rival(login) && login.rank < rank);
            self.waiting.remove(weakest.ok_or(retry_after(most))?);
        }
        self.last_id += 1;
        let login = Login { id: self.last_id, user: user.to_owned(), place, since: now, rank };
        self.waiting.push(login);
        Ok(self.last_id)
    }

    /// A login waits no more.
    pub fn leave(&mut self, id: u64) {
        self.waiting.retain(|login| login.id != id);
    }

    /// What that login does now. `free` says whether the lanes for trusted and for suspect places are, `trust` what a
    /// login has to put up with.
    pub fn step(
        &mut self,
        id: u64,
        now: Instant,
        free: [bool; 2],
        trust: impl Fn(&str, Place) -> Trust,
    ) -> Step {
        while self.begun.front().is_some_and(|(at, ..)| now.saturating_duration_since(*at) >= SECOND) {
            self.begun.pop_front();
        }
        let Some(place) = self.waiting.iter().position(|login| login.id == id) else {
            return Step::TooMany(retry_after(MOST_WAITING));
        };
        let login = &self.waiting[place];
        let lane = |login: &Login| self.lane(login, now, free, &trust);
        let own = match lane(login) {
            Ok(lane) => lane,
            Err(until) => return Step::Wait(until),
        };
        let goes_before = |(other_place, other): &(usize, &Login)| {
            let is_rival = other.user == login.user || other.place == login.place;
            let is_first =
                (std::cmp::Reverse(other.rank), *other_place) < (std::cmp::Reverse(login.rank), place);
            is_first && lane(other).is_ok_and(|lane| lane == own || is_rival)
        };
        if self.waiting.iter().enumerate().any(|other| goes_before(&other)) {
            return Step::Wait(None);
        }
        let login = self.waiting.remove(place);
        self.begun.push_back((now, login.user, login.place));
        Step::Begin(own)
    }

    /// A user has logged in from there.
    pub fn succeeded(&mut self, user: &str, place: Place, now: Instant) {
        if self.known.len() >= MOST_KNOWN {
            let oldest = self.known.iter().min_by_key(|(_, at)| **at).map(|(who, _)| who.clone());
            if let Some(oldest) = oldest {
                self.known.remove(&oldest);
            }
        }
        self.known.insert((place, user.to_owned()), now);
    }

    fn rank(&self, user: &str, place: Place) -> u8 {
        if self.known.contains_key(&(place, user.to_owned())) {
            2
        } else {
            u8::from(self.known.keys().any(|(known, _)| *known == place))
        }
    }

    /// The lane in which a login could begin now, or when it might.
    fn lane(
        &self,
        login: &Login,
        now: Instant,
        free: [bool; 2],
        trust: impl Fn(&str, Place) -> Trust,
    ) -> Result<usize, Option<Instant>> {
        let trust = trust(&login.user, login.place);
        let by_user = self.next_free(|(_, user, _)| *user == login.user);
        let by_place = self.next_free(|(_, _, place)| *place == login.place);
        let earliest = by_user.max(by_place).max(Some(login.since + trust.delay));
        if earliest.is_some_and(|earliest| earliest > now) {
            return Err(earliest);
        }
        let lane = usize::from(trust.is_suspect);
        if free[lane] { Ok(lane) } else { Err(None) }
    }

    /// When the next of these may begin, if not now.
    fn next_free(&self, is_same: impl Fn(&(Instant, String, Place)) -> bool) -> Option<Instant> {
        let mut same = self.begun.iter().rev().filter(|begun| is_same(begun));
        same.nth(PER_SECOND - 1).map(|(at, ..)| *at + SECOND)
    }
}

/// The seconds in which as many as wait are verified.
fn retry_after(waiting: usize) -> u64 {
    waiting.div_ceil(PER_SECOND) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: [bool; 2] = [true, true];

    fn at_once(_: &str, _: Place) -> Trust {
        Trust { delay: Duration::ZERO, is_suspect: false }
    }

    /// Verifies whatever may be, for so many milliseconds; gives who it was and when.
    fn run(turns: &mut Turns, ids: &[u64], start: Instant, milliseconds: u64) -> Vec<(u64, u64)> {
        let mut begun = Vec::new();
        for passed in (0..milliseconds).step_by(10) {
            let now = start + Duration::from_millis(passed);
            let waits = |turns: &Turns, id: u64| turns.waiting.iter().any(|login| login.id == id);
            for &id in ids {
                if waits(turns, id)
                    && let Step::Begin(_) = turns.step(id, now, FREE, at_once)
                {
                    begun.push((id, passed));
                }
            }
        }
        begun
    }

    #[test]
    fn a_user_and_a_place_have_five_a_second_in_sum() {
        for by_user in [true, false] {
            let (mut turns, now) = (Turns::default(), Instant::now());
            let ids: Vec<u64> = (0..20)
                .map(|n| {
                    let place = Place::V4(if by_user { n } else { 7 });
                    let user = if by_user { "ann".to_owned() } else { n.to_string() };
                    turns.enter(&user, place, now).expect("room")
                })
                .collect();
            let begun = run(&mut turns, &ids, now, 3999);
            let times: Vec<u64> = begun.iter().map(|(_, at)| *at).collect();
            let expected: Vec<u64> = [0, 1000, 2000, 3000].iter().flat_map(|at| [*at; 5]).collect();
            assert_eq!(times, expected, "in any second");
            assert_eq!(begun.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids, "in their order");
        }
    }

    #[test]
    fn others_do_not_wait_for_them() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        let mut ids: Vec<u64> = (0..20).filter_map(|_| turns.enter("ann", Place::V4(1), now).ok()).collect();
        ids.push(turns.enter("bob", Place::V4(2), now).expect("room"));
        let begun = run(&mut turns, &ids, now, 10);
        assert!(begun.contains(&(21, 0)), "{begun:?}");
    }

    #[test]
    fn beyond_twenty_they_are_told_when_to_come_again() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        for n in 0..MOST_WAITING {
            turns.enter(&n.to_string(), Place::V4(1), now).expect("room");
        }
        assert_eq!(turns.enter("ann", Place::V4(1), now), Err(4));
        turns.leave(1);
        assert!(turns.enter("ann", Place::V4(1), now).is_ok());
        // It is the same for a user, whose known place takes the place of an unknown one.
        for n in 2..30 {
            let _ = turns.enter("bob", Place::V4(n), now);
        }
        turns.succeeded("bob", Place::V4(100), now);
        let known = turns.enter("bob", Place::V4(100), now).expect("room");
        let evicted = known - 1;
        assert_eq!(turns.step(evicted, now, FREE, at_once), Step::TooMany(4));
        assert_eq!(turns.enter("bob", Place::V4(101), now), Err(4));
        assert_eq!(turns.waiting.iter().filter(|login| login.user == "bob").count(), MOST_WAITING);
    }

    #[test]
    fn places_that_have_logged_in_go_first() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        turns.succeeded("ann", Place::V4(9), now);
        let mut ids: Vec<u64> =
            (0..10).map(|n| turns.enter("ann", Place::V4(n), now).expect("room")).collect();
        // Within the known place, the user who has logged in from there.
        let other = turns.enter("bob", Place::V4(9), now).expect("room");
        let known = turns.enter("ann", Place::V4(9), now).expect("room");
        ids.extend([other, known]);
        let mut order = Vec::new();
        let begins = |turns: &mut Turns, id: u64| turns.step(id, now, FREE, at_once) == Step::Begin(0);
        while let Some(id) = ids.iter().copied().find(|id| begins(&mut turns, *id)) {
            order.push(id);
            ids.retain(|other| *other != id);
        }
        assert_eq!(order[..2], [10, known], "{order:?}");
        assert_eq!(order[2], other, "{order:?}");
    }

    #[test]
    fn suspect_places_keep_only_their_own_kind_waiting() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        let suspect =
            |_: &str, place: Place| Trust { delay: Duration::ZERO, is_suspect: place == Place::V4(1) };
        let [first, second] = ["a", "b"].map(|user| turns.enter(user, Place::V4(1), now).expect("room"));
        let honest = turns.enter("c", Place::V4(2), now).expect("room");
        assert_eq!(turns.step(second, now, FREE, suspect), Step::Wait(None), "the first one goes first");
        assert_eq!(turns.step(first, now, FREE, suspect), Step::Begin(1));
        assert_eq!(turns.step(second, now, [true, false], suspect), Step::Wait(None));
        assert_eq!(turns.step(honest, now, [true, false], suspect), Step::Begin(0));
        assert_eq!(turns.step(second, now, [false, true], suspect), Step::Begin(1));
    }
}
