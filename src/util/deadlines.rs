//! [`Deadlines`]: a queue of points in time, for many deadlines that are rarely reached.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Number of entries below which void ones are not removed.
const SMALL: usize = 64;

/// A queue of deadlines, each with an identifier of what is due.
///
/// A deadline is not removed when it becomes void. The caller recognises void entries when they are due, and
/// [`set`](Self::set) drops them when they outnumber the others.
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
    /// Adds a deadline. `live` is the number of entries that are not void, and `is_live` recognises them: the queue
    /// holds at most twice as many void entries.
    pub fn set(&mut self, at: Instant, what: T, live: usize, is_live: impl Fn(&T) -> bool) {
        if self.heap.len() > 2 * live + SMALL {
            self.heap.retain(|Reverse((_, what))| is_live(what));
        }
        self.heap.push(Reverse((at, what)));
    }

    /// Returns the time of the next entry, which may be void.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Returns the time of the next entry that is not void, and removes void ones before it.
    pub fn next_live(&mut self, is_live: impl Fn(&T) -> bool) -> Option<Instant> {
        while let Some(Reverse((at, what))) = self.heap.peek() {
            if is_live(what) {
                return Some(*at);
            }
            self.heap.pop();
        }
        None
    }

    /// Removes and returns the next entry if it is due.
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
    fn void_entries_are_skipped() {
        let start = Instant::now();
        let mut deadlines = Deadlines::default();
        for seconds in [1, 2, 3] {
            deadlines.set(start + Duration::from_secs(seconds), seconds, 3, |_| true);
        }
        assert_eq!(deadlines.next_live(|seconds| *seconds > 1), Some(start + Duration::from_secs(2)));
        assert_eq!(deadlines.pop_due(start + Duration::from_secs(9)), Some(2));
        assert_eq!(deadlines.next_live(|_| false), None);
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
