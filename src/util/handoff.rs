//! [`Ring`]: numbered buffers on their way between two calls.
//!
//! Lua fetches or uses what one call left behind in a second one. Between the two a finaliser of
//! the program may run and do the same, so what was left has a number, and several have room.

use std::cell::Cell;

/// How many may be on their way. One would do but for finalisers within finalisers.
const PLACES: usize = 8;

/// The number of a buffer that holds nothing.
const NOTHING: u64 = 0;

/// Buffers by number; each is taken out while somebody works with it.
#[derive(Default)]
pub struct Ring<T> {
    places: [Cell<Option<Box<Numbered<T>>>>; PLACES],
    last: Cell<u64>,
}

/// A buffer and its number.
#[derive(Debug, Default)]
pub struct Numbered<T> {
    number: u64,
    /// What is on its way.
    pub item: T,
}

impl<T> Numbered<T> {
    /// The number: 1 and up, never twice.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl<T: Default> Ring<T> {
    /// A buffer with a new number. It holds what its last user left.
    pub fn begin(&self) -> Box<Numbered<T>> {
        let number = self.last.get() + 1;
        self.last.set(number);
        let mut buffer = self.place(number).take().unwrap_or_default();
        buffer.number = number;
        buffer
    }

    /// Leaves a buffer for [`Ring::take`]; what was left eight numbers ago goes.
    pub fn leave(&self, buffer: Box<Numbered<T>>) {
        self.place(buffer.number).set(Some(buffer));
    }

    /// What was left under that number; `None` if that was taken already, or overtaken.
    pub fn take(&self, number: u64) -> Option<Box<Numbered<T>>> {
        let place = self.place(number);
        let buffer = place.take()?;
        if buffer.number != number || number == NOTHING {
            place.set(Some(buffer));
            return None;
        }
        Some(buffer)
    }

    /// Gives a buffer back whose contents are done with.
    pub fn end(&self, mut buffer: Box<Numbered<T>>) {
        let place = self.place(buffer.number);
        buffer.number = NOTHING;
        place.set(Some(buffer));
    }

    fn place(&self, number: u64) -> &Cell<Option<Box<Numbered<T>>>> {
        &self.places[(number % PLACES as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_taken_once() {
        let ring = Ring::<String>::default();
        let mut buffer = ring.begin();
        buffer.item.push('a');
        let number = buffer.number();
        ring.leave(buffer);
        assert!(ring.take(number + 1).is_none());
        let taken = ring.take(number).expect("left before");
        assert_eq!(taken.item, "a");
        ring.end(taken);
        assert!(ring.take(number).is_none());
        assert!(ring.take(NOTHING).is_none());
    }

    #[test]
    fn somebody_in_between_does_no_harm() {
        let ring = Ring::<u32>::default();
        let mut outer = ring.begin();
        outer.item = 1;
        let number = outer.number();
        ring.leave(outer);
        for step in 0..PLACES as u32 - 1 {
            let mut inner = ring.begin();
            inner.item = 100 + step;
            ring.end(inner);
        }
        assert_eq!(ring.take(number).map(|buffer| buffer.item), Some(1));
    }

    #[test]
    fn too_many_in_between_lose_the_value_and_never_give_another() {
        let ring = Ring::<u32>::default();
        let first = ring.begin();
        let number = first.number();
        ring.leave(first);
        for _ in 0..PLACES {
            ring.leave(ring.begin());
        }
        assert!(ring.take(number).is_none());
    }
}
