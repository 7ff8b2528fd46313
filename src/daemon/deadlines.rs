//! [`Deadlines`]: what is due when, for many deadlines of which hardly any comes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Entries that are there in any case before a clean-up pays.
const SMALL: usize = 64;

/// A heap of deadlines. Whoever sets one does not take it back: what has become void is
/// recognised when it is due, and thrown out when it outnumbers the rest.
#[derive(Debug)]
pub struct Deadlines<T> {
    heap: BinaryHeap<Reverse<(Instant, T)>>,
}

impl<T: Ord> Default for Deadlines<T> {
    fn default() -> Self {
        Deadlines { heap: BinaryHeap::new() }
    }
}

impl<T: Ord> Deadlines<T> {
    /// Notes that `what` is due at that time. `live` tells how many entries count, and
    /// `is_live` which: at most as many void ones are kept.
    pub fn set(&mut self, at: Instant, what: T, live: usize, is_live: impl Fn(&T) -> bool) {
        if self.heap.len() > 2 * live + SMALL {
            self.heap.retain(|Reverse((_, what))| is_live(what));
        }
        self.heap.push(Reverse((at, what)));
    }

    /// When the next entry is due, void ones included.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes out one entry that is due.
    pub fn pop_due(&mut self, now: Instant) -> Option<T> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, what))| what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn entries_come_in_order_of_time() {
        let start = Instant::now();
        let mut deadlines = Deadlines::default();
        for seconds in [3, 1, 2] {
            deadlines.set(start + Duration::from_secs(seconds), seconds, 3, |_| true);
        }
        assert_eq!(deadlines.next(), Some(start + Duration::from_secs(1)));
        let now = start + Duration::from_secs(2);
        assert_eq!(
            (deadlines.pop_due(now), deadlines.pop_due(now), deadlines.pop_due(now)),
            (Some(1), Some(2), None)
        );
    }

    #[test]
    fn void_entries_do_not_pile_up() {
        let start = Instant::now();
        let mut deadlines = Deadlines::default();
        for n in 0..10_000 {
            deadlines.set(start, n, 1, |what| *what == n);
        }
        assert!(deadlines.heap.len() <= 2 + SMALL + 1, "{}", deadlines.heap.len());
    }
}
