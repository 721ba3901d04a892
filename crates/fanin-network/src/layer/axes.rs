//! Which axes of a stored tensor the axes of a value made of it are, and which part of the tensor it is.
//!
//! A tensor of shape `[30, 256, 256]` of which one matrix is picked, a tensor `[7680, 256]` of which rows
//! 512 to 768 are cut out, and one of shape `[32, 8, 256]` that is made a matrix all end as the weight of
//! one layer. To follow them, an index along an axis of the value is read as a number with digits: each
//! counts steps of some stride along an axis of the tensor. A reshape splits and joins digits, a slice
//! shortens the slowest, a pick takes one away and leaves an offset.

use std::ops::Range;

/// `size` steps of `stride` along an axis of the stored tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Digit {
    axis: usize,
    stride: usize,
    size: usize,
}

/// One axis of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    /// The first position at which the tensor's elements lie; others may come before (`Concat`).
    start: usize,
    /// How many positions they take.
    extent: usize,
    /// What counts these positions, the slowest first; none where the same elements repeat.
    digits: Vec<Digit>,
    /// Whether the digits are exactly that; else the axis is made of them in a way that is not
    /// followed.
    exact: bool,
}

impl Line {
    /// An axis along which the same elements repeat.
    fn repeated(size: usize) -> Self {
        Self {
            start: 0,
            extent: size,
            digits: Vec::new(),
            exact: true,
        }
    }

    fn loose(mut self, size: usize) -> Self {
        self.start = 0;
        self.extent = size;
        self.exact = false;
        self
    }

    /// Joins digits that count one range.
    fn joined(digits: impl IntoIterator<Item = Digit>) -> Vec<Digit> {
        let mut joined: Vec<Digit> = Vec::new();
        for digit in digits {
            match joined.last_mut() {
                Some(slow)
                    if slow.axis == digit.axis
                        && Some(slow.stride) == digit.stride.checked_mul(digit.size) =>
                {
                    slow.stride = digit.stride;
                    slow.size = slow.size.saturating_mul(digit.size);
                }
                // A digit of one step counts nothing, but it says whose axis this is.
                Some(slow) if slow.axis == digit.axis && digit.size == 1 => {}
                Some(slow) if slow.axis == digit.axis && slow.size == 1 => *slow = digit,
                _ => joined.push(digit),
            }
        }
        joined
    }
}

/// How the indices of a value follow from those of a stored tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Axes {
    /// One per axis of the value.
    lines: Vec<Line>,
    /// Where along each axis of the tensor the value begins.
    offsets: Vec<usize>,
    /// Axes of the tensor of which it is not known where the value begins.
    unknown: Vec<bool>,
    /// Sizes of the tensor.
    shape: Vec<usize>,
}

impl Axes {
    /// The tensor itself.
    pub(crate) fn identity(shape: &[usize]) -> Self {
        let line = |(axis, &size): (usize, &usize)| Line {
            start: 0,
            extent: size,
            digits: vec![Digit {
                axis,
                stride: 1,
                size,
            }],
            exact: true,
        };
        Self {
            lines: shape.iter().enumerate().map(line).collect(),
            offsets: vec![0; shape.len()],
            unknown: vec![false; shape.len()],
            shape: shape.to_vec(),
        }
    }

    /// Number of axes of the stored tensor.
    pub(crate) fn tensor_rank(&self) -> usize {
        self.shape.len()
    }

    /// For each axis of the value the axes of the tensor it is made of.
    pub(crate) fn origins(&self) -> Vec<Vec<usize>> {
        let of = |line: &Line| {
            let mut axes: Vec<usize> = line.digits.iter().map(|digit| digit.axis).collect();
            axes.dedup();
            axes
        };
        self.lines.iter().map(of).collect()
    }

    /// Along each axis of the tensor, the smallest range that holds all indices the value is made of.
    pub(crate) fn region(&self) -> Vec<Range<usize>> {
        let whole = |axis: usize| 0..self.shape.get(axis).copied().unwrap_or(0);
        (0..self.shape.len())
            .map(|axis| {
                let digits = || {
                    let lines = self.lines.iter();
                    let exact = lines.flat_map(|line| line.digits.iter().map(|d| (line.exact, d)));
                    exact.filter(|(_, digit)| digit.axis == axis)
                };
                let unknown = self.unknown.get(axis).copied().unwrap_or(true);
                if unknown || digits().any(|(exact, _)| !exact) {
                    return whole(axis);
                }
                let start = self.offsets.get(axis).copied().unwrap_or(0);
                let last = digits()
                    .map(|(_, digit)| digit.size.saturating_sub(1).saturating_mul(digit.stride))
                    .fold(start, usize::saturating_add);
                start..last.saturating_add(1).min(whole(axis).end)
            })
            .collect()
    }

    /// Whether each element of the value is an element of the tensor of its own, or would be if the
    /// value held nothing else (`Concat`).
    pub(crate) fn is_carrier(&self) -> bool {
        self.lines
            .iter()
            .all(|line| line.extent <= 1 || !line.digits.is_empty())
    }

    /// The value with its axes in another order.
    pub(crate) fn transposed(&self, perm: &[usize]) -> Self {
        let line = |&axis: &usize| self.lines.get(axis).cloned();
        Self {
            lines: perm
                .iter()
                .map(|axis| line(axis).unwrap_or_else(|| Line::repeated(1)))
                .collect(),
            ..self.clone()
        }
    }

    /// The value in another shape with as many elements.
    pub(crate) fn reshaped(&self, from: &[usize], to: &[usize]) -> Self {
        let mut lines: Vec<Line> = to.iter().map(|&size| Line::repeated(size)).collect();
        for (own, new) in groups(from, to) {
            let (sizes, targets) = (
                from.get(own.clone()).unwrap_or(&[]),
                to.get(new.clone()).unwrap_or(&[]),
            );
            let parts = self.lines.get(own).unwrap_or(&[]);
            let regrouped = regroup(parts, sizes, targets);
            for (line, regrouped) in lines.iter_mut().skip(new.start).zip(regrouped) {
                *line = regrouped;
            }
        }
        Self {
            lines,
            ..self.clone()
        }
    }

    /// The positions of `range` along an axis, every `step`-th; `None` where none of the tensor's
    /// elements is among them.
    pub(crate) fn sliced(&self, axis: usize, range: Range<usize>, step: usize) -> Option<Self> {
        let mut sliced = self.clone();
        let line = sliced.lines.get_mut(axis)?;
        if !line.exact || step == 0 {
            *line = line.clone().loose(range.len().div_ceil(step.max(1)));
            return Some(sliced);
        }
        let low = range.start.max(line.start);
        let high = range.end.min(line.start.saturating_add(line.extent));
        if low >= high {
            return None;
        }
        let (skipped, left) = (low - line.start, high - low);
        let cut = skipped > 0 || left < line.extent;
        line.start = low - range.start;
        line.extent = left;
        if cut && !line.digits.is_empty() {
            let rest: usize = line.digits.iter().skip(1).map(|digit| digit.size).product();
            let whole = |n: usize| rest > 0 && n.is_multiple_of(rest);
            if whole(skipped) && whole(left) {
                if let Some(slowest) = line.digits.first_mut() {
                    let offset = (skipped / rest).saturating_mul(slowest.stride);
                    slowest.size = left / rest;
                    if let Some(own) = sliced.offsets.get_mut(slowest.axis) {
                        *own = own.saturating_add(offset);
                    }
                }
            } else {
                line.exact = false;
            }
        }
        if step > 1 {
            let taken = left.div_ceil(step);
            match line.digits.as_mut_slice() {
                [one] if line.start == 0 => {
                    one.stride = one.stride.saturating_mul(step);
                    one.size = taken;
                    line.extent = taken;
                }
                [] => line.extent = taken,
                _ => *line = line.clone().loose(range.len().div_ceil(step)),
            }
        }
        Some(sliced)
    }

    /// One position along an axis, which is no axis any more; `None` where it holds none of the
    /// tensor's elements. An index that is not known picks any.
    pub(crate) fn picked(&self, axis: usize, index: Option<usize>) -> Option<Self> {
        let mut picked = match index {
            Some(index) => self.sliced(axis, index..index.checked_add(1)?, 1)?,
            None => self.clone(),
        };
        if axis >= picked.lines.len() {
            return None;
        }
        let line = picked.lines.remove(axis);
        if index.is_none() || !line.exact {
            for digit in &line.digits {
                if let Some(unknown) = picked.unknown.get_mut(digit.axis) {
                    *unknown = true;
                }
            }
        }
        Some(picked)
    }

    /// An axis along which rows are picked in an order that is not followed: as many axes as the ids
    /// have.
    pub(crate) fn looked_up(&self, axis: usize, ids: &[usize]) -> Self {
        let mut picked = self.clone();
        if axis < picked.lines.len() {
            let line = picked.lines.remove(axis);
            for &size in ids.iter().rev() {
                picked.lines.insert(axis, line.clone().loose(size));
            }
        }
        picked
    }

    /// The value behind `before` others along an axis.
    pub(crate) fn behind(mut self, axis: usize, before: usize) -> Self {
        if let Some(line) = self.lines.get_mut(axis) {
            line.start = line.start.saturating_add(before);
        }
        self
    }

    /// The value repeated to another shape, axes matched from the last one on.
    pub(crate) fn broadcast(&self, to: &[usize]) -> Self {
        let shift = to.len().saturating_sub(self.lines.len());
        let line = |(axis, &size): (usize, &usize)| {
            let own = axis
                .checked_sub(shift)
                .and_then(|axis| self.lines.get(axis));
            match own {
                Some(line) if line.extent == size || line.start > 0 => line.clone(),
                // One element repeated, of whose axis it is still one.
                Some(line) if line.extent == 1 => Line {
                    extent: size,
                    digits: Vec::new(),
                    ..line.clone()
                },
                Some(line) if line.extent < size && line.exact => line.clone(),
                Some(line) => line.clone().loose(size),
                None => Line::repeated(size),
            }
        };
        Self {
            lines: to.iter().enumerate().map(line).collect(),
            ..self.clone()
        }
    }

    /// The value with the axes of which one number was made for many gone: of size one in `to`.
    pub(crate) fn reduced(&self, to: &[usize]) -> Self {
        let mut reduced = self.broadcast(to);
        for (line, &size) in reduced.lines.iter_mut().zip(to) {
            if size == 1 || !line.exact {
                *line = Line::repeated(size);
            }
        }
        reduced
    }

    /// The axes of a product: those before the last two, one of the last two, and one along which
    /// this factor repeats. Also the axes of the tensor that are summed over.
    pub(crate) fn contracted(&self, left: bool, to: &[usize]) -> (Self, Vec<usize>) {
        let rank = self.lines.len();
        let (free, summed) = match (rank, left) {
            (0, _) => (None, None),
            (1, _) => (None, Some(0)),
            (n, true) => (Some(n - 2), Some(n - 1)),
            (n, false) => (Some(n - 1), Some(n - 2)),
        };
        let bound = summed
            .and_then(|axis| self.lines.get(axis))
            .map(|line| line.digits.iter().map(|digit| digit.axis).collect())
            .unwrap_or_default();
        let mut lines: Vec<Line> = to.iter().map(|&size| Line::repeated(size)).collect();
        // The free axis is the last but one of the product from the left, the last from the right.
        let place = to.len().checked_sub(if left { 2 } else { 1 });
        if let (Some(free), Some(place)) = (free.and_then(|axis| self.lines.get(axis)), place)
            && let Some(line) = lines.get_mut(place)
        {
            line.clone_from(free);
        }
        // What comes before holds one matrix each.
        for back in 3..=rank {
            if let (Some(own), Some(place)) = (
                self.lines.get(rank - back),
                to.len().checked_sub(back).and_then(|at| lines.get_mut(at)),
            ) && own.extent > 1
            {
                place.clone_from(own);
            }
        }
        let product = Self {
            lines,
            ..self.clone()
        };
        (product, bound)
    }

    /// No axis in particular: for what is made of a tensor in a way that is not followed. Axes are
    /// matched from the last one on, as elementwise operations do.
    pub(crate) fn unfollowed(&self, to: &[usize]) -> Self {
        let mut loose = self.broadcast(to);
        for (line, &size) in loose.lines.iter_mut().zip(to) {
            *line = line.clone().loose(size);
        }
        loose
    }
}

/// The shortest runs of axes with equal products of two shapes of the same number of elements. Axes of
/// one element come and go without being in any run, but where both shapes have one.
fn groups(from: &[usize], to: &[usize]) -> Vec<(Range<usize>, Range<usize>)> {
    let mut found = Vec::new();
    let (mut i, mut j) = (0usize, 0usize);
    while i < from.len() && j < to.len() {
        let (first_i, first_j) = (i, j);
        let mut left = from.get(i).copied().unwrap_or(1);
        let mut right = to.get(j).copied().unwrap_or(1);
        if left == 1 && right != 1 {
            i += 1;
            continue;
        }
        if right == 1 && left != 1 {
            j += 1;
            continue;
        }
        i += 1;
        j += 1;
        while left != right {
            if left < right {
                let Some(&size) = from.get(i) else { break };
                left = left.saturating_mul(size);
                i += 1;
            } else {
                let Some(&size) = to.get(j) else { break };
                right = right.saturating_mul(size);
                j += 1;
            }
        }
        found.push((first_i..i, first_j..j));
    }
    found
}

/// One run of axes made of another one with as many elements.
fn regroup(own: &[Line], sizes: &[usize], targets: &[usize]) -> Vec<Line> {
    if let ([line], [_]) = (own, targets) {
        return vec![line.clone()];
    }
    exactly(own, sizes, targets).unwrap_or_else(|| {
        // An axis of one element in the run is no part of the others.
        let wide = own.iter().zip(sizes).filter(|(_, size)| **size != 1);
        let digits: Vec<Digit> = wide.flat_map(|(line, _)| line.digits.clone()).collect();
        let line = |&size: &usize| Line {
            start: 0,
            extent: size,
            digits: digits.clone(),
            exact: false,
        };
        targets.iter().map(line).collect()
    })
}

/// The run's axes with their digits split and joined; `None` where they cannot be.
fn exactly(own: &[Line], sizes: &[usize], targets: &[usize]) -> Option<Vec<Line>> {
    let mut wide = own.iter().zip(sizes).filter(|(_, size)| **size != 1);
    let (first, &first_size) = wide.next()?;
    let rest: Vec<(&Line, &usize)> = wide.collect();
    let full = |line: &Line, size: usize| {
        line.exact && !line.digits.is_empty() && line.start == 0 && line.extent == size
    };
    if !first.exact
        || first.digits.is_empty()
        || !rest.iter().all(|(line, size)| full(line, **size))
    {
        return None;
    }
    let inner: usize = rest.iter().map(|(_, size)| **size).product();
    let (start, extent) = (
        first.start.checked_mul(inner)?,
        first.extent.checked_mul(inner)?,
    );
    let outer_full = start == 0 && first.extent == first_size;
    let mut digits: Vec<Digit> = Line::joined(
        std::iter::once(first)
            .chain(rest.iter().map(|(line, _)| *line))
            .flat_map(|line| line.digits.iter().copied()),
    );
    // Taken from the fastest on.
    let mut lines: Vec<Line> = Vec::new();
    let outermost = targets.iter().position(|&size| size != 1)?;
    for (at, &size) in targets.iter().enumerate().rev() {
        if size == 1 {
            lines.push(Line::repeated(1));
            continue;
        }
        if at == outermost {
            let faster: usize = targets.iter().skip(at + 1).product();
            if !start.is_multiple_of(faster) || !extent.is_multiple_of(faster) {
                return None;
            }
            if outer_full && extent / faster != size {
                return None;
            }
            lines.push(Line {
                start: start / faster,
                extent: extent / faster,
                digits: Line::joined(std::mem::take(&mut digits)),
                exact: true,
            });
            continue;
        }
        let mut taken = Vec::new();
        let mut wanted = size;
        while wanted > 1 {
            let fastest = digits.last_mut()?;
            if fastest.size == 0 {
                return None;
            }
            if wanted.is_multiple_of(fastest.size) {
                wanted /= fastest.size;
                taken.push(*fastest);
                digits.pop();
            } else if fastest.size.is_multiple_of(wanted) {
                taken.push(Digit {
                    size: wanted,
                    ..*fastest
                });
                fastest.size /= wanted;
                fastest.stride = fastest.stride.checked_mul(wanted)?;
                wanted = 1;
            } else {
                return None;
            }
        }
        taken.reverse();
        lines.push(Line {
            start: 0,
            extent: size,
            digits: Line::joined(taken),
            exact: true,
        });
    }
    lines.reverse();
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_followed_through_reshapes() {
        let origins =
            |from: &[usize], to: &[usize]| Axes::identity(from).reshaped(from, to).origins();
        assert_eq!(origins(&[6, 4], &[2, 3, 4]), [vec![0], vec![0], vec![1]]);
        assert_eq!(origins(&[2, 3, 4], &[6, 4]), [vec![0, 1], vec![2]]);
        assert_eq!(
            origins(&[40], &[1, 40, 1, 1])[1],
            [0],
            "a vector made a map of channels"
        );
        assert_eq!(
            origins(&[128, 24], &[1, 128, 24]),
            [vec![], vec![0], vec![1]],
            "an axis of one element is not made of a larger one"
        );
        let there = Axes::identity(&[6, 4]).reshaped(&[6, 4], &[2, 3, 4]);
        assert_eq!(there.reshaped(&[2, 3, 4], &[6, 4]), Axes::identity(&[6, 4]));
    }

    #[test]
    fn a_matrix_of_a_stack_is_the_same_however_it_is_cut_out() {
        let stack = [30, 8, 6];
        let picked = Axes::identity(&stack).picked(0, Some(4)).unwrap();
        let sliced = Axes::identity(&stack)
            .sliced(0, 4..5, 1)
            .unwrap()
            .reshaped(&[1, 8, 6], &[8, 6]);
        for axes in [&picked, &sliced] {
            assert_eq!(axes.region(), [4..5, 0..8, 0..6]);
            assert_eq!(axes.origins(), [vec![1], vec![2]]);
            assert!(axes.is_carrier());
        }
        let tall = [240, 6];
        let rows = Axes::identity(&tall).sliced(0, 32..40, 1).unwrap();
        let viewed = Axes::identity(&tall).reshaped(&tall, &stack);
        let viewed = viewed.picked(0, Some(4)).unwrap();
        for axes in [&rows, &viewed] {
            assert_eq!(axes.region(), [32..40, 0..6]);
            assert_eq!(axes.origins(), [vec![0], vec![1]]);
        }
        // Every 30th row, from the fourth on.
        let mixed = Axes::identity(&tall)
            .reshaped(&tall, &[8, 30, 6])
            .picked(1, Some(4))
            .unwrap();
        assert_eq!(mixed.region(), [4..215, 0..6]);
    }

    #[test]
    fn parts_of_a_joined_value_are_cut_out_again() {
        let half = Axes::identity(&[4, 6]).behind(0, 4);
        assert_eq!(half.sliced(0, 0..4, 1), None);
        let back = half.sliced(0, 4..8, 1).unwrap();
        assert_eq!(back, Axes::identity(&[4, 6]));
        let joined = half.reshaped(&[8, 6], &[2, 4, 6]);
        assert_eq!(joined.picked(0, Some(0)), None);
        assert_eq!(joined.picked(0, Some(1)).unwrap().region(), [0..4, 0..6]);
        // A cut that leaves no whole rows is not followed further, but its axes are known.
        let flat = Axes::identity(&[4, 6]).reshaped(&[4, 6], &[24]);
        let odd = flat.sliced(0, 5..11, 1).unwrap();
        assert_eq!(odd.region(), [0..4, 0..6]);
        assert_eq!(odd.origins(), [vec![0, 1]]);
    }

    #[test]
    fn what_repeats_is_no_carrier() {
        let lengths = Axes::identity(&[8, 1]);
        assert!(lengths.is_carrier());
        let wide = lengths.broadcast(&[8, 6]);
        assert!(!wide.is_carrier());
        assert_eq!(wide.origins(), [vec![0], vec![]]);
        let (product, bound) = Axes::identity(&[8, 2]).contracted(true, &[8, 6]);
        assert_eq!(bound, [1]);
        assert!(!product.is_carrier());
        assert_eq!(product.origins(), [vec![0], vec![]]);
    }

    #[test]
    fn ids_that_are_not_known_leave_the_axis_unknown() {
        let experts = Axes::identity(&[4, 8, 6]);
        let any = experts.picked(0, None).unwrap();
        assert_eq!(any.region(), [0..4, 0..8, 0..6]);
        assert_eq!(any.origins(), [vec![1], vec![2]]);
        let many = experts.looked_up(0, &[5, 3]);
        assert_eq!(many.origins(), [vec![0], vec![0], vec![1], vec![2]]);
    }
}
