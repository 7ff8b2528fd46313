//! [`Slab`]: values under keys that are small, quick to find and never mean another value.

use std::marker::PhantomData;

/// The key of a value in a slab: its place, and which of the values that were there it was.
pub struct Key<T> {
    place: u32,
    turn: u32,
    of: PhantomData<fn() -> T>,
}

// Derived implementations would ask the same of T.
impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.place, self.turn) == (other.place, other.turn)
    }
}

impl<T> Eq for Key<T> {}

impl<T> std::hash::Hash for Key<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.place, self.turn).hash(state);
    }
}

impl<T> PartialOrd for Key<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Key<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.place, self.turn).cmp(&(other.place, other.turn))
    }
}

impl<T> std::fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.place, self.turn)
    }
}

impl<T> Key<T> {
    /// The lowest key there can be.
    pub const LOWEST: Key<T> = Key { place: 0, turn: 0, of: PhantomData };
}

#[cfg(test)]
impl<T> Key<T> {
    /// Returns the key as one of another slab, for tests that need keys and no values.
    pub(super) fn cast<U>(self) -> Key<U> {
        Key { place: self.place, turn: self.turn, of: PhantomData }
    }
}

/// Values by key.
#[derive(Debug)]
pub struct Slab<T> {
    places: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Keeps a value.
    pub fn insert(&mut self, value: T) -> Key<T> {
        if let Some(place) = self.free.pop() {
            let slot = &mut self.places[place as usize];
            slot.1 = Some(value);
            return Key { place, turn: slot.0, of: PhantomData };
        }
        let place = u32::try_from(self.places.len()).expect("memory ends long before four billion values");
        self.places.push((0, Some(value)));
        Key { place, turn: 0, of: PhantomData }
    }

    /// The value of a key, unless it was removed.
    pub fn get(&self, key: Key<T>) -> Option<&T> {
        let (turn, value) = self.places.get(key.place as usize)?;
        value.as_ref().filter(|_| *turn == key.turn)
    }

    /// The value of a key, unless it was removed.
    pub fn get_mut(&mut self, key: Key<T>) -> Option<&mut T> {
        let (turn, value) = self.places.get_mut(key.place as usize)?;
        value.as_mut().filter(|_| *turn == key.turn)
    }

    /// Takes a value out; its key finds nothing from now on.
    pub fn remove(&mut self, key: Key<T>) -> Option<T> {
        let (turn, value) = self.places.get_mut(key.place as usize).filter(|(turn, _)| *turn == key.turn)?;
        let taken = value.take()?;
        *turn = turn.wrapping_add(1);
        self.free.push(key.place);
        Some(taken)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// All values with their keys, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = (Key<T>, &T)> {
        (0..).zip(&self.places).filter_map(|(place, (turn, value))| {
            value.as_ref().map(|value| (Key { place, turn: *turn, of: PhantomData }, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_finds_another_value() {
        let mut slab = Slab::default();
        let a = slab.insert("a");
        assert_eq!(slab.remove(a), Some("a"));
        let b = slab.insert("b");
        assert_eq!(slab.remove(a), None);
        assert_eq!((slab.get(a), slab.get(b)), (None, Some(&"b")));
        assert_eq!(slab.iter().map(|(_, value)| *value).collect::<Vec<_>>(), ["b"]);
        assert_eq!(slab.len(), 1);
    }
}
