//! The keys of what is on the bus. A key is small, cheap to look up, and never refers to another item after the first
//! one is gone.

use slotmap::{KeyData, new_key_type};

new_key_type! {
    /// Identifies a connection as long as the engine knows it.
    pub struct ClientKey;

    /// Identifies an element until it is removed.
    pub struct ElementKey;

    /// Identifies a fetcher until it ends.
    pub struct FetcherKey;

    /// Identifies a set of fetchers as long as an element or another set refers to it.
    pub struct SetKey;
}

impl ElementKey {
    /// Returns a key that is not greater than any other one, from which a range of keys begins.
    pub fn lowest() -> ElementKey {
        ElementKey::from(KeyData::from_ffi(0))
    }
}

#[cfg(test)]
mod tests {
    use slotmap::SlotMap;

    use super::*;

    #[test]
    fn the_lowest_key_is_the_lowest() {
        let mut map = SlotMap::with_key();
        let keys: [ElementKey; 3] = std::array::from_fn(|_| map.insert(()));
        assert!(keys.iter().all(|key| ElementKey::lowest() < *key));
        assert_eq!(size_of::<ElementKey>(), 8);
    }
}
