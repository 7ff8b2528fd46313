//! [`FetcherSets`]: the fetchers of elements, as sets that elements share.
//!
//! Most elements have the same few fetchers, so an element has only the key of a set. A fetcher that matches 200,000
//! elements adds one set, not 200,000 entries. The key of a fetcher that ends stays in the sets until
//! [`FetcherSets::sweep`] removes it, for many fetchers in one pass.

use std::collections::HashMap;
use std::sync::Arc;

use slotmap::SlotMap;

use super::keys::{FetcherKey, SetKey};

/// A set of fetchers.
#[derive(Debug)]
struct FetcherSet {
    members: Members,
    /// The number of elements and merged sets that refer to this set.
    references: usize,
}

#[derive(Debug)]
enum Members {
    /// The keys in ascending order.
    Listed(Arc<[FetcherKey]>),
    /// After a sweep the set has the members of this one.
    MergedInto(SetKey),
}

/// All sets that elements refer to, each once.
#[derive(Debug, Default)]
pub struct FetcherSets {
    map: SlotMap<SetKey, FetcherSet>,
    by_members: HashMap<Arc<[FetcherKey]>, SetKey>,
    /// The last set that was extended, the new fetcher, and the resulting set. Most elements have the same set as the
    /// element before.
    last_join: Option<(SetKey, FetcherKey, SetKey)>,
    /// The number of members of all sets, now and after the last sweep.
    entries: usize,
    entries_swept: usize,
    /// The number of fetchers that have ended since the last sweep started.
    ended: usize,
    /// The sets that the current sweep has not come to.
    unswept: Vec<SetKey>,
}

impl FetcherSets {
    /// Returns the set with these members and counts one more reference. The members must be in ascending order.
    pub fn acquire(&mut self, members: &[FetcherKey]) -> SetKey {
        let key = match self.by_members.get(members) {
            Some(key) => *key,
            None => {
                let members: Arc<[FetcherKey]> = members.into();
                self.entries += members.len();
                let listed = Members::Listed(members.clone());
                let key = self.map.insert(FetcherSet { members: listed, references: 0 });
                self.by_members.insert(members, key);
                key
            }
        };
        self.refer(key);
        key
    }

    /// Removes a reference to a set.
    pub fn release(&mut self, key: SetKey) {
        let Some(set) = self.map.get_mut(key) else {
            return;
        };
        set.references -= 1;
        if set.references > 0 {
            return;
        }
        match self.map.remove(key).map(|set| set.members) {
            Some(Members::Listed(members)) => {
                self.entries -= members.len();
                if self.by_members.get(&members) == Some(&key) {
                    self.by_members.remove(&members);
                }
            }
            Some(Members::MergedInto(other)) => self.release(other),
            None => {}
        }
    }

    /// Replaces the set of an element by the one that also has `fetcher`. Returns the number of copied members.
    pub fn join(&mut self, key: &mut SetKey, fetcher: FetcherKey) -> usize {
        if let Some((before, joined)) =
            self.last_join.filter(|(_, by, _)| *by == fetcher).map(|(a, _, b)| (a, b))
            && before == *key
            && self.map.get(joined).is_some()
        {
            self.switch(key, joined);
            return 0;
        }
        let before = *key;
        let members = self.members(key);
        let Err(position) = members.binary_search(&fetcher) else {
            return 0;
        };
        let mut extended = Vec::with_capacity(members.len() + 1);
        extended.extend_from_slice(&members[..position]);
        extended.push(fetcher);
        extended.extend_from_slice(&members[position..]);
        let joined = self.acquire(&extended);
        self.release(std::mem::replace(key, joined));
        self.last_join = Some((before, fetcher, joined));
        extended.len()
    }

    /// Replaces the set of an element by `other`, to which something else refers.
    fn switch(&mut self, key: &mut SetKey, other: SetKey) {
        self.refer(other);
        self.release(std::mem::replace(key, other));
    }

    /// Returns the members of the set of an element. Some may have ended. `key` is updated if the set was merged.
    pub fn members(&mut self, key: &mut SetKey) -> Arc<[FetcherKey]> {
        loop {
            match self.map.get(*key).map(|set| &set.members) {
                Some(Members::Listed(members)) => return members.clone(),
                Some(Members::MergedInto(other)) => {
                    let other = *other;
                    self.switch(key, other);
                }
                None => return Arc::default(),
            }
        }
    }

    /// Notes that a fetcher has ended. Returns `true` if a sweep has to be started.
    pub fn note_ended(&mut self) -> bool {
        self.ended += 1;
        // A sweep looks at each set. It is due when that is little work for each fetcher that has ended, or for each
        // member that was added since the last one.
        let is_worth_it = self.ended * SETS_PER_FETCHER >= self.map.len()
            || self.entries > 2 * self.entries_swept + self.map.len();
        let is_due = self.unswept.is_empty() && is_worth_it;
        if is_due {
            self.ended = 0;
            self.unswept = self.map.keys().collect();
        }
        is_due
    }

    /// Removes fetchers that have ended from one more set. Returns the number of its members, or `None` if the sweep is
    /// finished.
    pub fn sweep(&mut self, is_live: impl Fn(FetcherKey) -> bool) -> Option<usize> {
        let Some(key) = self.unswept.pop() else {
            self.entries_swept = self.entries;
            return None;
        };
        let Some(Members::Listed(members)) = self.map.get(key).map(|set| &set.members) else {
            return Some(0);
        };
        let members = members.clone();
        if members.iter().any(|member| !is_live(*member)) {
            let live: Arc<[FetcherKey]> = members.iter().copied().filter(|member| is_live(*member)).collect();
            self.replace(key, &members, live);
        }
        Some(members.len())
    }

    /// Replaces the members of a set, or merges it into the set that has them already.
    fn replace(&mut self, key: SetKey, before: &Arc<[FetcherKey]>, after: Arc<[FetcherKey]>) {
        self.by_members.remove(before);
        self.entries -= before.len();
        let same = self.by_members.get(&after).copied();
        let members = match same {
            Some(other) => {
                self.refer(other);
                Members::MergedInto(other)
            }
            None => {
                self.by_members.insert(after.clone(), key);
                self.entries += after.len();
                Members::Listed(after)
            }
        };
        if let Some(set) = self.map.get_mut(key) {
            set.members = members;
        }
    }

    fn refer(&mut self, key: SetKey) {
        if let Some(set) = self.map.get_mut(key) {
            set.references += 1;
        }
    }
}

/// Maximum number of sets that a sweep looks at for each fetcher that has ended.
const SETS_PER_FETCHER: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns fetcher keys in ascending order.
    fn keys<const N: usize>() -> [FetcherKey; N] {
        let mut map = SlotMap::with_key();
        std::array::from_fn(|_| map.insert(()))
    }

    fn sweep(sets: &mut FetcherSets, ended: FetcherKey) {
        while sets.sweep(|fetcher| fetcher != ended).is_some() {}
    }

    #[test]
    fn elements_with_the_same_fetchers_share_a_set() {
        let [a, b] = keys();
        let mut sets = FetcherSets::default();
        let mut elements = [sets.acquire(&[]), sets.acquire(&[])];
        sets.join(&mut elements[0], b);
        sets.join(&mut elements[0], a);
        sets.join(&mut elements[1], a);
        sets.join(&mut elements[1], b);
        sets.join(&mut elements[1], b);
        assert_eq!(elements[0], elements[1]);
        assert_eq!(&*sets.members(&mut elements[0]), [a, b]);
        assert_eq!(sets.map.len(), 1);
        elements.into_iter().for_each(|set| sets.release(set));
        assert!(sets.map.is_empty() && sets.by_members.is_empty());
    }

    #[test]
    fn a_sweep_merges_sets_that_have_become_the_same() {
        let [a, b] = keys();
        let mut sets = FetcherSets::default();
        let mut both = sets.acquire(&[a, b]);
        let mut one = sets.acquire(&[a]);
        assert!(sets.note_ended());
        sweep(&mut sets, b);
        assert_eq!(&*sets.members(&mut both), [a]);
        assert_eq!(&*sets.members(&mut one), [a]);
        assert_eq!((both, sets.map.len()), (one, 1));
        sets.release(both);
        sets.release(one);
        assert!(sets.map.is_empty() && sets.by_members.is_empty());
    }

    #[test]
    fn merged_sets_vanish_with_their_elements() {
        let [a, b, c] = keys();
        let mut sets = FetcherSets::default();
        let elements = [sets.acquire(&[a, b, c]), sets.acquire(&[a, b]), sets.acquire(&[a])];
        for ended in [c, b, a] {
            assert!(sets.note_ended());
            sweep(&mut sets, ended);
        }
        elements.into_iter().for_each(|set| sets.release(set));
        assert!(sets.map.is_empty() && sets.by_members.is_empty());
    }
}
