//! [`Handoff`]: numbered buffers on their way between two calls.
//!
//! One call leaves a buffer behind, and a second one takes it. Between the two a finaliser of
//! the program may run and do the same, so each buffer has a number, and there is room for several.

use std::cell::Cell;

/// Buffers that may be on their way at once. One would do but for finalisers within finalisers.
const SLOTS: usize = 8;

/// The number of a buffer that holds nothing.
const NOTHING: u64 = 0;

/// Buffers by number. Each is taken out while it is in use.
#[derive(Default)]
pub struct Handoff<T> {
    slots: [Cell<Option<Box<Numbered<T>>>>; SLOTS],
    last: Cell<u64>,
}

/// A buffer and its number.
#[derive(Debug, Default)]
pub struct Numbered<T> {
    number: u64,
    /// The buffer itself.
    pub item: T,
}

impl<T> Numbered<T> {
    /// Returns the number. Numbers begin at 1 and are never used twice.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl<T: Default> Handoff<T> {
    /// Returns a buffer with a new number. It holds what its last user left.
    pub fn begin(&self) -> Box<Numbered<T>> {
        let number = self.last.get() + 1;
        self.last.set(number);
        let mut buffer = self.slot(number).take().unwrap_or_default();
        buffer.number = number;
        buffer
    }

    /// Leaves a buffer for [`Handoff::take`]. It replaces the one that was left eight numbers ago.
    pub fn leave(&self, buffer: Box<Numbered<T>>) {
        self.slot(buffer.number).set(Some(buffer));
    }

    /// Takes the buffer that was left under that number. Returns `None` if it was taken or replaced before.
    pub fn take(&self, number: u64) -> Option<Box<Numbered<T>>> {
        let slot = self.slot(number);
        let buffer = slot.take()?;
        if buffer.number != number || number == NOTHING {
            slot.set(Some(buffer));
            return None;
        }
        Some(buffer)
    }

    /// Returns a buffer whose contents are no longer needed.
    pub fn end(&self, mut buffer: Box<Numbered<T>>) {
        let slot = self.slot(buffer.number);
        buffer.number = NOTHING;
        slot.set(Some(buffer));
    }

    fn slot(&self, number: u64) -> &Cell<Option<Box<Numbered<T>>>> {
        &self.slots[(number % SLOTS as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_taken_once() {
        let ring = Handoff::<String>::default();
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
    fn other_buffers_in_between_do_no_harm() {
        let ring = Handoff::<u32>::default();
        let mut outer = ring.begin();
        outer.item = 1;
        let number = outer.number();
        ring.leave(outer);
        for step in 0..SLOTS as u32 - 1 {
            let mut inner = ring.begin();
            inner.item = 100 + step;
            ring.end(inner);
        }
        assert_eq!(ring.take(number).map(|buffer| buffer.item), Some(1));
    }

    #[test]
    fn too_many_in_between_lose_the_value_and_never_give_another() {
        let ring = Handoff::<u32>::default();
        let first = ring.begin();
        let number = first.number();
        ring.leave(first);
        for _ in 0..SLOTS {
            ring.leave(ring.begin());
        }
        assert!(ring.take(number).is_none());
    }
}
