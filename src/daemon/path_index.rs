//! [`PathIndex`]: finds the fetchers that may match a path without testing the others.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::rules::PathHint;

/// Fetchers by the hints of their path rules. A fetcher is in one list for each path or prefix.
#[derive(Debug)]
pub struct PathIndex<F> {
    exact: HashMap<Box<str>, BTreeSet<F>>,
    prefixes: HashMap<Box<str>, BTreeSet<F>>,
    /// The lengths of the prefixes in bytes, with the number of prefixes of each.
    lengths: BTreeMap<usize, usize>,
    others: BTreeSet<F>,
}

impl<F> Default for PathIndex<F> {
    fn default() -> Self {
        PathIndex {
            exact: HashMap::new(),
            prefixes: HashMap::new(),
            lengths: BTreeMap::new(),
            others: BTreeSet::new(),
        }
    }
}

impl<F: Copy + Ord> PathIndex<F> {
    /// Adds a fetcher.
    pub fn insert(&mut self, hint: PathHint<'_>, fetcher: F) {
        match hint {
            PathHint::Exact(path) => {
                self.exact.entry(path.into()).or_default().insert(fetcher);
            }
            PathHint::ExactOneOf(paths) => {
                for path in paths {
                    self.exact.entry(path.clone()).or_default().insert(fetcher);
                }
            }
            PathHint::Prefix(prefix) => {
                let list = self.prefixes.entry(prefix.into()).or_default();
                if list.is_empty() {
                    *self.lengths.entry(prefix.len()).or_default() += 1;
                }
                list.insert(fetcher);
            }
            PathHint::Any => {
                self.others.insert(fetcher);
            }
        }
    }

    /// Removes a fetcher. `hint` is the one it was added with.
    pub fn remove(&mut self, hint: PathHint<'_>, fetcher: F) {
        match hint {
            PathHint::Exact(path) => self.remove_exact(path, fetcher),
            PathHint::ExactOneOf(paths) => paths.iter().for_each(|path| self.remove_exact(path, fetcher)),
            PathHint::Prefix(prefix) => self.remove_prefix(prefix, fetcher),
            PathHint::Any => {
                self.others.remove(&fetcher);
            }
        }
    }

    fn remove_exact(&mut self, path: &str, fetcher: F) {
        if let Some(list) = self.exact.get_mut(path) {
            list.remove(&fetcher);
            if list.is_empty() {
                self.exact.remove(path);
            }
        }
    }

    fn remove_prefix(&mut self, prefix: &str, fetcher: F) {
        let Some(list) = self.prefixes.get_mut(prefix) else {
            return;
        };
        list.remove(&fetcher);
        if !list.is_empty() {
            return;
        }
        self.prefixes.remove(prefix);
        if let Some(count) = self.lengths.get_mut(&prefix.len()) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&prefix.len());
            }
        }
    }

    /// Returns the fetchers whose hint matches the path. Their rules may not.
    pub fn candidates<'i>(&'i self, path: &'i str) -> impl Iterator<Item = F> + 'i {
        let exact = self.exact.get(path).into_iter().flatten();
        let lengths = self.lengths.range(..=path.len()).map(|(length, _)| *length);
        let prefixes = lengths.filter_map(move |length| self.prefixes.get(path.get(..length)?)).flatten();
        exact.chain(prefixes).chain(&self.others).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(index: &PathIndex<u32>, path: &str) -> Vec<u32> {
        let mut found: Vec<_> = index.candidates(path).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn only_fetchers_that_can_match_are_found() {
        let several = ["a/b".into(), "x".into()];
        let hints = [
            PathHint::Exact("a/b"),
            PathHint::Prefix("a/"),
            PathHint::Prefix("b"),
            PathHint::Any,
            PathHint::ExactOneOf(&several),
            PathHint::Prefix("é"),
        ];
        let mut index = PathIndex::default();
        for (number, hint) in (0..).zip(hints) {
            index.insert(hint, number);
        }
        assert_eq!(candidates(&index, "a/b"), [0, 1, 3, 4]);
        assert_eq!(candidates(&index, "a"), [3]);
        assert_eq!(candidates(&index, "ba"), [2, 3]);
        assert_eq!(candidates(&index, "è"), [3]);
        for (number, hint) in (0..).zip(hints) {
            index.remove(hint, number);
        }
        assert_eq!(candidates(&index, "a/b"), Vec::<u32>::new());
        assert!(index.exact.is_empty() && index.prefixes.is_empty() && index.lengths.is_empty());
    }
}
