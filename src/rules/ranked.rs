//! [`Ranked`]: an ordered collection that knows the rank of each item. All operations take
//! logarithmic time. The caller chooses the order.
//!
//! It is a weight-balanced tree (Hirai and Yamamoto's parameters, which hold for insertion and
//! removal) whose nodes live in one vector and know their parents, so that ranks are found and
//! neighbours visited without comparing items.

use std::cmp::Ordering;

/// The index that stands for no node.
const NIL: u32 = u32::MAX;
/// A subtree may be this many times as heavy as its sibling.
const BALANCE: usize = 3;
/// If the inner grandchild is at least this many times as heavy as the outer one, one rotation is not enough.
const INNER: usize = 2;

/// Identifies an item from its insertion to its removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id(u32);

#[derive(Debug, Clone)]
struct Node<T> {
    /// `None` only while the node is unused.
    item: Option<T>,
    left: u32,
    right: u32,
    parent: u32,
    size: u32,
}

/// An ordered collection that knows the rank of each item. Ranks are counted from 0.
///
/// ```
/// use jet::rules::Ranked;
///
/// let mut scores = Ranked::default();
/// let twenty = scores.insert(20, u32::cmp);
/// scores.insert(10, u32::cmp);
/// scores.insert(30, u32::cmp);
/// assert_eq!(scores.rank(twenty), 1);
/// assert_eq!(scores.iter_from(1).collect::<Vec<_>>(), [&20, &30]);
/// assert_eq!(scores.remove(twenty), Some(20));
/// ```
#[derive(Debug, Clone)]
pub struct Ranked<T> {
    nodes: Vec<Node<T>>,
    free: Vec<u32>,
    root: u32,
}

impl<T> Default for Ranked<T> {
    fn default() -> Self {
        Ranked { nodes: Vec::new(), free: Vec::new(), root: NIL }
    }
}

impl<T> Ranked<T> {
    /// Returns the number of items.
    pub fn len(&self) -> usize {
        self.size(self.root)
    }

    /// Returns whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.root == NIL
    }

    /// Inserts an item behind all that are not greater by `compare`, which must be the same order
    /// each time. Returns the id of the item.
    pub fn insert(&mut self, item: T, compare: impl Fn(&T, &T) -> Ordering) -> Id {
        let (mut parent, mut at, mut goes_left) = (NIL, self.root, false);
        while at != NIL {
            let here = self.node(at);
            goes_left = here.item.as_ref().is_some_and(|here| compare(&item, here) == Ordering::Less);
            parent = at;
            at = if goes_left { here.left } else { here.right };
        }
        let new = self.new_node(item, parent);
        match parent {
            NIL => self.root = new,
            _ if goes_left => self.node_mut(parent).left = new,
            _ => self.node_mut(parent).right = new,
        }
        self.repair_up(parent);
        Id(new)
    }

    /// Removes an item and returns it. Returns `None` if it was removed before and its id is not in use again.
    pub fn remove(&mut self, id: Id) -> Option<T> {
        let item = self.nodes.get_mut(id.0 as usize)?.item.take()?;
        let Node { left, right, parent, .. } = *self.node(id.0);
        let repair_from = if left == NIL || right == NIL {
            let child = if left == NIL { right } else { left };
            self.replace_child(parent, id.0, child);
            parent
        } else {
            self.replace_by_successor(id.0)
        };
        self.free.push(id.0);
        self.repair_up(repair_from);
        Some(item)
    }

    /// Returns the item with that id.
    pub fn get(&self, id: Id) -> Option<&T> {
        self.nodes.get(id.0 as usize)?.item.as_ref()
    }

    /// Returns the item with that id. Changes must not affect its order.
    pub fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        self.nodes.get_mut(id.0 as usize)?.item.as_mut()
    }

    /// Returns the rank of an item, which must not have been removed.
    pub fn rank(&self, id: Id) -> usize {
        let mut rank = self.size(self.node(id.0).left);
        let mut at = id.0;
        loop {
            let parent = self.node(at).parent;
            if parent == NIL {
                return rank;
            }
            if self.node(parent).right == at {
                rank += self.size(self.node(parent).left) + 1;
            }
            at = parent;
        }
    }

    /// Returns the item at a rank.
    pub fn select(&self, mut rank: usize) -> Option<Id> {
        let mut at = self.root;
        while at != NIL {
            let node = self.node(at);
            let before = self.size(node.left);
            at = match rank.cmp(&before) {
                Ordering::Equal => return Some(Id(at)),
                Ordering::Less => node.left,
                Ordering::Greater => {
                    rank -= before + 1;
                    node.right
                }
            };
        }
        None
    }

    /// Returns the item after another one.
    pub fn next(&self, id: Id) -> Option<Id> {
        let right = self.node(id.0).right;
        if right != NIL {
            return Some(Id(self.leftmost(right)));
        }
        let mut at = id.0;
        loop {
            let parent = self.node(at).parent;
            if parent == NIL {
                return None;
            }
            if self.node(parent).left == at {
                return Some(Id(parent));
            }
            at = parent;
        }
    }

    /// Returns the items from a rank on, in order.
    pub fn iter_from(&self, rank: usize) -> impl Iterator<Item = &T> + '_ {
        std::iter::successors(self.select(rank), |id| self.next(*id)).filter_map(|id| self.get(id))
    }

    fn node(&self, at: u32) -> &Node<T> {
        &self.nodes[at as usize]
    }

    fn node_mut(&mut self, at: u32) -> &mut Node<T> {
        &mut self.nodes[at as usize]
    }

    fn size(&self, at: u32) -> usize {
        self.nodes.get(at as usize).map_or(0, |node| node.size as usize)
    }

    fn weight(&self, at: u32) -> usize {
        self.size(at) + 1
    }

    fn leftmost(&self, mut at: u32) -> u32 {
        while self.node(at).left != NIL {
            at = self.node(at).left;
        }
        at
    }

    fn new_node(&mut self, item: T, parent: u32) -> u32 {
        let node = Node { item: Some(item), left: NIL, right: NIL, parent, size: 1 };
        if let Some(free) = self.free.pop() {
            *self.node_mut(free) = node;
            return free;
        }
        self.nodes.push(node);
        // Four thousand million items do not fit in memory before this wraps.
        (self.nodes.len() - 1) as u32
    }

    /// Replaces `old`, a child of `parent` or the root, with `new`.
    fn replace_child(&mut self, parent: u32, old: u32, new: u32) {
        match parent {
            NIL => self.root = new,
            _ if self.node(parent).left == old => self.node_mut(parent).left = new,
            _ => self.node_mut(parent).right = new,
        }
        self.set_parent(new, parent);
    }

    fn set_parent(&mut self, at: u32, parent: u32) {
        if at != NIL {
            self.node_mut(at).parent = parent;
        }
    }

    /// Puts the successor of a node with two children in its place. Returns the lowest node whose
    /// subtree has changed.
    fn replace_by_successor(&mut self, at: u32) -> u32 {
        let Node { left, right, parent, .. } = *self.node(at);
        let successor = self.leftmost(right);
        let mut lowest = successor;
        if successor != right {
            lowest = self.node(successor).parent;
            let below = self.node(successor).right;
            self.replace_child(lowest, successor, below);
            self.node_mut(successor).right = right;
            self.set_parent(right, successor);
        }
        self.node_mut(successor).left = left;
        self.set_parent(left, successor);
        self.replace_child(parent, at, successor);
        lowest
    }

    /// Restores sizes and balance from a node up to the root.
    fn repair_up(&mut self, mut at: u32) {
        while at != NIL {
            self.update_size(at);
            at = self.balance(at);
            at = self.node(at).parent;
        }
    }

    fn update_size(&mut self, at: u32) {
        let node = self.node(at);
        let size = self.size(node.left) + self.size(node.right) + 1;
        self.node_mut(at).size = size as u32;
    }

    /// Restores the balance of a node whose subtrees are balanced. Returns the node that is now on top.
    fn balance(&mut self, at: u32) -> u32 {
        let Node { left, right, .. } = *self.node(at);
        if self.weight(right) > BALANCE * self.weight(left) {
            let Node { left: inner, right: outer, .. } = *self.node(right);
            if self.weight(inner) >= INNER * self.weight(outer) {
                self.rotate_right(right);
            }
            return self.rotate_left(at);
        }
        if self.weight(left) > BALANCE * self.weight(right) {
            let Node { left: outer, right: inner, .. } = *self.node(left);
            if self.weight(inner) >= INNER * self.weight(outer) {
                self.rotate_left(left);
            }
            return self.rotate_right(at);
        }
        at
    }

    fn rotate_left(&mut self, at: u32) -> u32 {
        let Node { right: top, parent, .. } = *self.node(at);
        let inner = self.node(top).left;
        self.node_mut(at).right = inner;
        self.set_parent(inner, at);
        self.replace_child(parent, at, top);
        self.node_mut(top).left = at;
        self.finish_rotation(at, top)
    }

    fn rotate_right(&mut self, at: u32) -> u32 {
        let Node { left: top, parent, .. } = *self.node(at);
        let inner = self.node(top).right;
        self.node_mut(at).left = inner;
        self.set_parent(inner, at);
        self.replace_child(parent, at, top);
        self.node_mut(top).right = at;
        self.finish_rotation(at, top)
    }

    fn finish_rotation(&mut self, below: u32, top: u32) -> u32 {
        self.set_parent(below, top);
        self.update_size(below);
        self.update_size(top);
        top
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Ranked<u32> {
        /// Checks links, sizes and balance below a node, and returns the size.
        fn check(&self, at: u32, parent: u32) -> usize {
            if at == NIL {
                return 0;
            }
            let node = self.node(at);
            assert_eq!(node.parent, parent);
            let (left, right) = (self.check(node.left, at), self.check(node.right, at));
            assert!(left < BALANCE * (right + 1) && right < BALANCE * (left + 1), "{left} {right}");
            assert_eq!(node.size as usize, left + right + 1);
            left + right + 1
        }
    }

    fn random(state: &mut u64) -> u32 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as u32
    }

    #[test]
    fn agrees_with_a_sorted_vector() {
        let mut state = 1;
        for (limit, steps) in [(3, 500), (40, 3_000), (1_000, 4_000)] {
            let mut tree = Ranked::default();
            let mut model: Vec<(u32, Id)> = Vec::new();
            for step in 0..steps {
                let grow = random(&mut state) as usize % limit >= model.len();
                if grow || model.is_empty() {
                    let item = random(&mut state) % 200;
                    let id = tree.insert(item, u32::cmp);
                    let at = model.partition_point(|(other, _)| *other <= item);
                    model.insert(at, (item, id));
                } else {
                    let (item, id) = model.remove(random(&mut state) as usize % model.len());
                    assert_eq!(tree.remove(id), Some(item));
                }
                assert_eq!(tree.len(), model.len());
                if step % 16 == 0 || limit < 10 {
                    tree.check(tree.root, NIL);
                    for (rank, (item, id)) in model.iter().enumerate() {
                        assert_eq!((tree.rank(*id), tree.select(rank)), (rank, Some(*id)));
                        assert_eq!(tree.get(*id), Some(item));
                        assert_eq!(tree.next(*id), model.get(rank + 1).map(|(_, id)| *id));
                    }
                    let from = model.len() / 3;
                    assert!(tree.iter_from(from).eq(model[from..].iter().map(|(item, _)| item)));
                    assert_eq!(tree.select(model.len()), None);
                }
            }
        }
    }

    #[test]
    fn ordered_input_keeps_the_tree_flat() {
        let mut tree = Ranked::default();
        let ids: Vec<Id> = (0..10_000).map(|item| tree.insert(item, u32::cmp)).collect();
        tree.check(tree.root, NIL);
        for id in &ids[..9_000] {
            tree.remove(*id);
        }
        tree.check(tree.root, NIL);
        assert!(tree.iter_from(0).copied().eq(9_000..10_000));
        assert_eq!(tree.remove(ids[0]), None);
    }
}
