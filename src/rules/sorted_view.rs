//! [`SortedView`]: the elements of one sorted fetch in order, and the changes in its window.
//! The caller decides which elements belong to it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::ranked::{Id, Ranked};
use super::sort::{Sort, SortKey};
use crate::json::Raw;

/// The elements that one sorted fetch matches, in order.
///
/// Each step takes logarithmic time, plus the time for the changes that it returns.
///
/// ```
/// use std::sync::Arc;
///
/// use jet::json::Raw;
/// use jet::rules::{Expression, SortedView};
///
/// let params = Raw::parse(r#"{"sort": {"byValue": true, "descending": true, "to": 2}}"#, 10)?;
/// let expression = Expression::parse(params, &mut Vec::new())?;
/// let mut view = SortedView::new(expression.sort().expect("a sort").clone());
/// for (path, value) in [("a", "10"), ("b", "30"), ("c", "20")] {
///     view.set(&Arc::from(path), Some(Arc::from(value)));
/// }
/// // The new value of `a` puts it on top: both ranks of the window change.
/// let changes = view.set(&Arc::from("a"), Some(Arc::from("40"))).expect("changes");
/// let ranks: Vec<_> = changes.iter().map(|entry| (entry.index, &**entry.path)).collect();
/// assert_eq!(ranks, [(1, "a"), (2, "b")]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SortedView {
    sort: Sort,
    rows: Ranked<Row>,
    ids: HashMap<Arc<str>, Id>,
}

#[derive(Debug, Clone)]
struct Row {
    key: SortKey,
    path: Arc<str>,
    value: Option<Arc<str>>,
}

/// The changes of a step in the window: the ranks whose element or value is another than before,
/// and the number of occupied ranks.
#[derive(Debug, Clone, Copy)]
pub struct Changes<'v> {
    view: &'v SortedView,
    /// The first changed rank, counted from 0.
    start: usize,
    /// The number of changed ranks.
    count: usize,
}

/// One changed rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'v> {
    /// The rank, counted from 1 over all elements, not from the start of the window.
    pub index: usize,
    /// The path of the element there.
    pub path: &'v Arc<str>,
    /// Its value as JSON text, or `None` for a method.
    pub value: Option<&'v Arc<str>>,
}

impl<'v> Changes<'v> {
    /// Returns the number of occupied ranks in the window.
    pub fn n(&self) -> usize {
        self.view.n()
    }

    /// Returns the number of changed ranks. It is 0 if the last ranks have only become vacant.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Returns whether no rank has another element or value. Then only [`Changes::n`] has changed.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the changed ranks, counted from 0.
    pub fn ranks(&self) -> Range<usize> {
        self.start..self.start + self.count
    }

    /// Returns the changed ranks in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'v>> + 'v + use<'v> {
        let start = self.start;
        self.view.rows.iter_from(start).take(self.count).enumerate().map(move |(offset, row)| Entry {
            index: start + offset + 1,
            path: &row.path,
            value: row.value.as_ref(),
        })
    }
}

impl SortedView {
    /// Creates a view without elements.
    pub fn new(sort: Sort) -> SortedView {
        SortedView { sort, rows: Ranked::default(), ids: HashMap::new() }
    }

    /// Returns the order and the window.
    pub fn sort(&self) -> &Sort {
        &self.sort
    }

    /// Returns the number of elements, inside the window and outside.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns whether there is an element with this path.
    pub fn contains(&self, path: &str) -> bool {
        self.ids.contains_key(path)
    }

    /// Returns the whole window, which is sent once at the beginning, even if it is empty.
    pub fn snapshot(&self) -> Changes<'_> {
        self.changed(self.sort.from() - 1, usize::MAX)
    }

    /// Returns those of the ranks, counted from 0, that are in the window and occupied.
    pub fn window(&self, ranks: Range<usize>) -> Changes<'_> {
        match ranks.end.checked_sub(1) {
            Some(last) => self.changed(ranks.start, last),
            None => Changes { view: self, start: ranks.start, count: 0 },
        }
    }

    /// Returns the number of occupied ranks in the window.
    pub fn n(&self) -> usize {
        self.occupied(self.rows.len())
    }

    /// Adds an element, or gives it another value: JSON text, or `None` for a method. Returns the changes
    /// in the window, or `None` if there are none.
    pub fn set(&mut self, path: &Arc<str>, value: Option<Arc<str>>) -> Option<Changes<'_>> {
        let key = self.sort.key(value.as_deref().map(Raw::trusted));
        let Some(&id) = self.ids.get(path) else {
            return self.insert(key, path, value);
        };
        let row = self.rows.get_mut(id)?;
        if row.key == key {
            let is_news = row.value != value;
            row.value = value;
            let rank = self.rows.rank(id);
            return self.news(rank, rank, self.rows.len()).filter(|_| is_news);
        }
        let before = self.rows.rank(id);
        self.rows.remove(id);
        let after = self.place(Row { key, path: path.clone(), value });
        self.news(before.min(after), before.max(after), self.rows.len())
    }

    /// Removes an element. Returns the changes in the window, or `None` if there are none.
    pub fn remove(&mut self, path: &str) -> Option<Changes<'_>> {
        let id = self.ids.remove(path)?;
        let rank = self.rows.rank(id);
        self.rows.remove(id);
        self.news(rank, usize::MAX, self.rows.len() + 1)
    }

    fn insert(&mut self, key: SortKey, path: &Arc<str>, value: Option<Arc<str>>) -> Option<Changes<'_>> {
        let rank = self.place(Row { key, path: path.clone(), value });
        self.news(rank, usize::MAX, self.rows.len() - 1)
    }

    /// Inserts a row in its place, and returns its rank.
    fn place(&mut self, row: Row) -> usize {
        let path = row.path.clone();
        let sort = &self.sort;
        let id = self.rows.insert(row, |a, b| sort.compare((&a.key, &a.path), (&b.key, &b.path)));
        self.ids.insert(path, id);
        self.rows.rank(id)
    }

    /// Returns the number of occupied ranks in the window if there are `total` elements.
    fn occupied(&self, total: usize) -> usize {
        self.sort.to().min(total).saturating_sub(self.sort.from() - 1)
    }

    /// Returns those of the ranks `first..=last`, counted from 0, that are in the window and occupied.
    fn changed(&self, first: usize, last: usize) -> Changes<'_> {
        let start = first.max(self.sort.from() - 1);
        let end = last.saturating_add(1).min(self.sort.to()).min(self.rows.len());
        Changes { view: self, start, count: end.saturating_sub(start) }
    }

    /// As [`SortedView::changed`], or `None` if that is nothing and the window is as full as it was
    /// with `total_before` elements.
    fn news(&self, first: usize, last: usize, total_before: usize) -> Option<Changes<'_>> {
        let changes = self.changed(first, last);
        let is_as_full = self.occupied(total_before) == self.occupied(self.rows.len());
        (changes.count > 0 || !is_as_full).then_some(changes)
    }
}
