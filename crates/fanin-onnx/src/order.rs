//! Putting nodes into an order in which they can run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// An order in which each node comes after those it depends on, and which is the given one where
/// that is such an order already; or the nodes of one cycle, each depending on the next.
///
/// `dependencies[k]` are the nodes that node k reads from.
pub(super) fn topological(dependencies: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let count = dependencies.len();
    let mut waiting_for = vec![0usize; count];
    let mut dependents = vec![Vec::new(); count];
    for (node, needed) in dependencies.iter().enumerate() {
        waiting_for[node] = needed.len();
        for &n in needed {
            dependents[n].push(node);
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..count)
        .filter(|&node| waiting_for[node] == 0)
        .map(Reverse)
        .collect();
    let mut order = Vec::with_capacity(count);
    while let Some(Reverse(node)) = ready.pop() {
        order.push(node);
        for &dependent in &dependents[node] {
            waiting_for[dependent] -= 1;
            if waiting_for[dependent] == 0 {
                ready.push(Reverse(dependent));
            }
        }
    }
    if order.len() == count {
        return Ok(order);
    }
    // Every node left depends on another one left, so walking back must meet a node again.
    let mut seen_at = vec![None; count];
    let mut path = Vec::new();
    let mut node = (0..count).find(|&n| waiting_for[n] > 0).unwrap_or(0);
    loop {
        if let Some(start) = seen_at[node] {
            return Err(path.split_off(start));
        }
        seen_at[node] = Some(path.len());
        path.push(node);
        match dependencies[node].iter().find(|&&n| waiting_for[n] > 0) {
            Some(&next) => node = next,
            None => return Err(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::topological;

    #[test]
    fn keeps_an_order_that_is_right() {
        let dependencies = [vec![], vec![], vec![0], vec![1, 0], vec![3, 3]];
        assert_eq!(topological(&dependencies), Ok(vec![0, 1, 2, 3, 4]));
    }

    #[test]
    fn moves_only_what_must_move() {
        let dependencies = [vec![2], vec![], vec![], vec![0]];
        assert_eq!(topological(&dependencies), Ok(vec![1, 2, 0, 3]));
    }

    #[test]
    fn names_the_cycle_and_not_what_hangs_on_it() {
        let dependencies = [vec![3], vec![], vec![1, 4], vec![2], vec![3]];
        assert_eq!(topological(&dependencies), Err(vec![3, 2, 4]));
    }
}
