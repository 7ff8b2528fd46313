//! The tree against a sorted vector, and its shape.

use super::*;

impl Ranked<u32> {
    /// Checks links, sizes and balance below a node; gives the size.
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
