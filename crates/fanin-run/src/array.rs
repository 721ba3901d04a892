//! Plain f32 arrays: shared elements and how they lie.

use std::ops::Deref;
use std::sync::Arc;

use rayon::prelude::*;

use crate::lend::Loan;
use crate::pool::Buffer;

/// Elements one task works on. Fixed, so that results do not depend on the number of threads.
pub(crate) const CHUNK: usize = 1 << 14;

/// More elements than any run on one machine can hold; what asks for more is refused.
const MAX_ELEMENTS: u64 = 1 << 34;

/// Number of elements of a shape, or a sentence where no memory could hold them.
pub(crate) fn count(shape: &[usize]) -> Result<usize, String> {
    // In bytes they must fit into what the processor can address.
    let fits = |&n: &usize| n as u64 <= MAX_ELEMENTS && n <= isize::MAX as usize / size_of::<f32>();
    shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .filter(fits)
        .ok_or_else(|| format!("a result of shape {shape:?} does not fit into memory"))
}

/// Where the elements of an array are.
#[derive(Clone, Debug)]
enum Storage {
    /// Its own, shared among its views.
    Own(Arc<Buffer>),
    /// Somebody else's, for the time of the run.
    Lent(Loan),
}

impl Storage {
    fn elements(&self) -> &[f32] {
        match self {
            Self::Own(buffer) => buffer,
            Self::Lent(loan) => loan.elements(),
        }
    }

    /// The elements to be changed, where nobody else reads them.
    fn sole(&mut self) -> Option<&mut [f32]> {
        match self {
            Self::Own(buffer) => Arc::get_mut(buffer).map(|b| &mut **b),
            Self::Lent(_) => None,
        }
    }
}

/// Which element stands where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Size of each axis.
    pub(crate) shape: Vec<usize>,
    /// From one index of each axis to the next, in elements of the storage.
    pub(crate) strides: Vec<isize>,
    /// The first element.
    pub(crate) offset: usize,
}

impl Layout {
    /// C order from the storage's first element on.
    fn ordered(shape: Vec<usize>) -> Self {
        let mut strides = vec![1isize; shape.len()];
        for k in (1..shape.len()).rev() {
            strides[k - 1] = strides[k] * shape[k].max(1) as isize;
        }
        Self {
            shape,
            strides,
            offset: 0,
        }
    }

    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the elements lie together in C order.
    fn is_ordered(&self) -> bool {
        let mut step = 1;
        self.shape
            .iter()
            .zip(&self.strides)
            .rev()
            .filter(|&(&d, _)| d != 1)
            .all(|(&d, &stride)| {
                let fits = stride == step;
                step *= d as isize;
                fits
            })
            || self.len() == 0
    }

    /// Whether the elements lie together, in whatever order of the axes.
    fn is_gapless(&self) -> bool {
        let axes = self.strides.iter().copied().zip(self.shape.iter().copied());
        let mut axes: Vec<(isize, usize)> = axes.filter(|&(_, d)| d != 1).collect();
        axes.sort_unstable();
        let mut step = 1;
        axes.iter().all(|&(stride, d)| {
            let fits = stride == step;
            step *= d as isize;
            fits
        })
    }

    /// The strides of another shape of as many elements, where a view can have it.
    fn reshaped(&self, shape: &[usize]) -> Option<Vec<isize>> {
        // Axes of both shapes are matched in groups of equal size; within a group of the old ones, each
        // must step over the next.
        let old: Vec<(usize, isize)> = self
            .shape
            .iter()
            .copied()
            .zip(self.strides.iter().copied())
            .filter(|&(d, _)| d != 1)
            .collect();
        let mut strides = vec![1isize; shape.len()];
        let (mut i, mut j) = (0, 0);
        while j < shape.len() {
            if shape[j] == 1 {
                j += 1;
                continue;
            }
            let (first_i, first_j) = (i, j);
            let mut size = old.get(i)?.0;
            i += 1;
            let mut wanted = shape[j];
            j += 1;
            while size != wanted {
                if size < wanted {
                    size *= old.get(i)?.0;
                    i += 1;
                } else {
                    wanted *= shape.get(j)?;
                    j += 1;
                }
            }
            let group = &old[first_i..i];
            if group.windows(2).any(|w| w[0].1 != w[1].1 * w[1].0 as isize) {
                return None;
            }
            let mut step = group.last()?.1;
            for k in (first_j..j).rev() {
                strides[k] = step;
                step *= shape[k] as isize;
            }
        }
        (i == old.len()).then_some(strides)
    }
}

/// An f32 array; cheap to clone, may be a strided view.
#[derive(Clone, Debug)]
pub(crate) struct Array {
    storage: Storage,
    layout: Arc<Layout>,
}

impl Array {
    fn new(storage: Storage, layout: Layout) -> Self {
        debug_assert!(
            layout.len() == 0 || {
                let steps = layout.shape.iter().zip(&layout.strides);
                let reach = |forward: bool| -> isize {
                    let ends = steps.clone().map(|(&d, &s)| (d as isize - 1) * s);
                    ends.filter(|&e| (e > 0) == forward).sum()
                };
                let (first, last) = (reach(false), reach(true));
                layout.offset as isize + first >= 0
                    && layout.offset as isize + last < storage.elements().len() as isize
            }
        );
        Self {
            storage,
            layout: Arc::new(layout),
        }
    }

    /// Elements that are lent for the time of the run; as many as `shape` has.
    pub(crate) fn lent(shape: &[usize], loan: Loan) -> Self {
        debug_assert_eq!(loan.elements().len(), shape.iter().product::<usize>());
        Self::new(Storage::Lent(loan), Layout::ordered(shape.to_vec()))
    }

    /// An array of the same layout without elements, which only its shape may be asked of.
    pub(crate) fn like(other: &Self) -> Self {
        Self {
            storage: Storage::Own(Arc::new(Buffer::from(Vec::new()))),
            layout: Arc::clone(&other.layout),
        }
    }

    /// How the elements lie.
    pub(crate) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Size of each axis.
    pub(crate) fn shape(&self) -> &[usize] {
        &self.layout.shape
    }

    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.layout.len()
    }

    /// Whether the elements lie together in C order.
    pub(crate) fn is_ordered(&self) -> bool {
        self.layout.is_ordered()
    }

    /// The storage from this array's first element on.
    pub(crate) fn tail(&self) -> &[f32] {
        self.storage
            .elements()
            .get(self.layout.offset..)
            .unwrap_or_default()
    }

    /// The elements in C order, where they lie so.
    fn ordered(&self) -> Option<&[f32]> {
        (self.is_ordered()).then(|| &self.tail()[..self.len()])
    }

    /// The elements to be changed, in C order: copied first where others read them too.
    pub(crate) fn elements_mut(&mut self) -> &mut [f32] {
        if !self.is_sole() {
            *self = array(self.shape(), gathered(self));
        }
        let (first, n) = (self.layout.offset, self.len());
        self.storage
            .sole()
            .map_or(&mut [], |all| &mut all[first..first + n])
    }

    /// Whether the elements lie in C order and nobody else reads them, so that they may be changed in place.
    pub(crate) fn is_sole(&mut self) -> bool {
        self.is_ordered() && self.storage.sole().is_some()
    }

    /// The same elements in another shape of as many; a view where the strides allow it.
    pub(crate) fn reshape(&self, shape: &[usize]) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), self.len());
        if shape == self.shape() {
            return self.clone();
        }
        let view = |strides| {
            let (shape, offset) = (shape.to_vec(), self.layout.offset);
            Self::new(
                self.storage.clone(),
                Layout {
                    shape,
                    strides,
                    offset,
                },
            )
        };
        if self.is_ordered() {
            return view(Layout::ordered(shape.to_vec()).strides);
        }
        match self.layout.reshaped(shape) {
            Some(strides) => view(strides),
            None => array(shape, gathered(self)),
        }
    }

    /// Axes in another order, as a view.
    pub(crate) fn permute(&self, order: &[usize]) -> Self {
        let layout = Layout {
            shape: order.iter().map(|&k| self.layout.shape[k]).collect(),
            strides: order.iter().map(|&k| self.layout.strides[k]).collect(),
            offset: self.layout.offset,
        };
        Self::new(self.storage.clone(), layout)
    }

    /// Two axes exchanged, as a view.
    pub(crate) fn transpose(&self, a: usize, b: usize) -> Self {
        let mut order: Vec<usize> = (0..self.shape().len()).collect();
        order.swap(a, b);
        self.permute(&order)
    }

    /// A part of one axis, as a view.
    pub(crate) fn narrow(&self, axis: usize, start: usize, len: usize) -> Self {
        self.stepped(axis, start, len, 1)
    }

    /// `len` indices of one axis from `start` on, `step` apart, as a view; `step` may be negative.
    pub(crate) fn stepped(&self, axis: usize, start: usize, len: usize, step: isize) -> Self {
        let mut layout = Layout::clone(&self.layout);
        let stride = layout.strides[axis];
        layout.shape[axis] = len;
        layout.strides[axis] = stride * step;
        if layout.len() > 0 {
            let first = layout.offset as isize + stride * start as isize;
            layout.offset = usize::try_from(first).unwrap_or(0);
        }
        Self::new(self.storage.clone(), layout)
    }
}

/// An array of these elements; as many as `shape` has.
pub(crate) fn array(shape: &[usize], data: impl Into<Buffer>) -> Array {
    let data = data.into();
    debug_assert_eq!(data.len(), shape.iter().product::<usize>());
    Array::new(
        Storage::Own(Arc::new(data)),
        Layout::ordered(shape.to_vec()),
    )
}

/// Size of each axis.
pub(crate) fn dims(array: &Array) -> Vec<usize> {
    array.shape().to_vec()
}

/// All elements equal.
pub(crate) fn full(shape: &[usize], value: f32) -> Array {
    let n = shape.iter().product();
    if value == 0.0 && value.is_sign_positive() {
        return array(shape, Buffer::zeros(n));
    }
    let mut data = Buffer::unwritten(n);
    data.fill(value);
    array(shape, data)
}

/// The same elements in another shape of as many; a view where the strides allow it.
pub(crate) fn reshaped(a: &Array, shape: &[usize]) -> Array {
    a.reshape(shape)
}

/// An array whose elements lie in C order, read as a slice.
#[derive(Clone, Debug)]
pub(crate) struct Dense(Array);

impl Dense {
    /// Borrows the storage where it is in order already, copies where it is not.
    pub(crate) fn new(a: &Array) -> Self {
        if a.is_ordered() {
            Self(a.clone())
        } else {
            Self(array(a.shape(), gathered(a)))
        }
    }

    /// The elements in whatever order they lie, where they lie together; in C order where not.
    pub(crate) fn in_any_order(a: &Array) -> Self {
        if !a.layout.is_gapless() {
            return Self::new(a);
        }
        let mut layout = Layout::ordered(vec![a.len()]);
        layout.offset = a.layout.offset;
        Self(Array::new(a.storage.clone(), layout))
    }

    /// Back to an array.
    pub(crate) fn array(&self) -> &Array {
        &self.0
    }
}

impl Deref for Dense {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // In order by construction, so the slice is always there.
        self.0.ordered().unwrap_or_default()
    }
}

/// The elements of a view in C order.
fn gathered(a: &Array) -> Buffer {
    let mut out = Buffer::unwritten(a.len());
    if let Some(data) = a.ordered() {
        out.copy_from_slice(data);
        return out;
    }
    let data = a.storage.elements();
    let first = a.layout.offset as isize;
    // Axes that walk evenly are one, and rows are the two innermost of what is left.
    let mut axes: Vec<(usize, isize)> = Vec::new();
    let all = a
        .layout
        .shape
        .iter()
        .copied()
        .zip(a.layout.strides.iter().copied());
    for (d, stride) in all.filter(|&(d, _)| d != 1) {
        match axes.last_mut() {
            Some((size, outer)) if *outer == stride * d as isize => {
                (*size, *outer) = (*size * d, stride)
            }
            _ => axes.push((d, stride)),
        }
    }
    let (width, step) = axes.pop().unwrap_or((1, 1));
    let (height, down) = axes.pop().unwrap_or((1, 0));
    let plane = |k: usize| -> isize {
        let mut rest = k;
        axes.iter().rev().fold(first, |at, &(d, stride)| {
            let i = rest % d;
            rest /= d;
            at + i as isize * stride
        })
    };
    // A task copies whole rows, of one plane or of several.
    let rows = (CHUNK / width.max(1)).max(1);
    let copy = |block: usize, out: &mut [f32]| {
        let mut row = block * rows;
        let mut out = out;
        while !out.is_empty() {
            let (k, i) = (row / height, row % height);
            let n = (height - i).min(out.len() / width);
            let (part, rest) = out.split_at_mut(n * width);
            let at = plane(k) + i as isize * down;
            copy_plane(data, at, (n, down), (width, step), part);
            (row, out) = (row + n, rest);
        }
    };
    if out.len() <= CHUNK {
        out.chunks_mut(rows * width)
            .enumerate()
            .for_each(|(b, out)| copy(b, out));
    } else {
        out.par_chunks_mut(rows * width)
            .enumerate()
            .for_each(|(b, out)| copy(b, out));
    }
    out
}

/// Copies `height` rows of `width` elements; each pair is a size and a step.
fn copy_plane(
    data: &[f32],
    first: isize,
    (height, down): (usize, isize),
    (width, step): (usize, isize),
    out: &mut [f32],
) {
    const TILE: usize = 16;
    let at = |i: usize, j: usize| (first + i as isize * down + j as isize * step) as usize;
    if step == 1 {
        for (i, out) in out.chunks_mut(width).enumerate() {
            out.copy_from_slice(&data[at(i, 0)..][..width]);
        }
    } else if down == 1 {
        // Exchanged axes: small tiles, so that each cache line is used whole.
        for i in (0..height).step_by(TILE) {
            let rows = TILE.min(height - i);
            for j in 0..width {
                let column = &data[at(i, j)..][..rows];
                for (out, &v) in out[i * width + j..].iter_mut().step_by(width).zip(column) {
                    *out = v;
                }
            }
        }
    } else {
        for (i, out) in out.chunks_mut(width).enumerate() {
            for (j, out) in out.iter_mut().enumerate() {
                *out = data[at(i, j)];
            }
        }
    }
}

/// A buffer of `n` elements written chunk by chunk in parallel; `write` gets the chunk's first index and
/// writes every element.
pub(crate) fn filled(n: usize, write: impl Fn(usize, &mut [f32]) + Sync) -> Buffer {
    let mut out = Buffer::unwritten(n);
    for_chunks(&mut out, CHUNK, |k, chunk| write(k * CHUNK, chunk));
    out
}

/// Calls `work` on each chunk of `chunk` elements, in parallel where there is more than one.
pub(crate) fn for_chunks(out: &mut [f32], chunk: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    share_out(out, chunk, chunk, &work);
}

/// The same where a chunk takes the work of `cost` elements. Not generic, so that the sharing out is compiled
/// once and not for every kind of work.
pub(crate) fn share_out(
    out: &mut [f32],
    chunk: usize,
    cost: usize,
    work: &(dyn Fn(usize, &mut [f32]) + Sync),
) {
    if chunk == 0 || out.is_empty() {
        return;
    }
    let chunks = out.len().div_ceil(chunk);
    if chunks == 1 || chunks.saturating_mul(cost) <= CHUNK {
        out.chunks_mut(chunk)
            .enumerate()
            .for_each(|(k, c)| work(k, c));
        return;
    }
    // Several small chunks per task: a row of four elements is not worth one.
    let rows = (CHUNK / cost.max(1)).max(1);
    out.par_chunks_mut(chunk * rows)
        .enumerate()
        .for_each(|(block, part)| {
            for (k, c) in part.chunks_mut(chunk).enumerate() {
                work(block * rows + k, c);
            }
        });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(shape: &[usize]) -> Array {
        let n: usize = shape.iter().product();
        array(shape, (0..n).map(|k| k as f32).collect::<Vec<_>>())
    }

    /// The elements one by one.
    fn plain(a: &Array) -> Vec<f32> {
        let n = a.len();
        let place = |k: usize| {
            let mut rest = k;
            let axes = a.layout.shape.iter().zip(&a.layout.strides).rev();
            axes.fold(a.layout.offset as isize, |at, (&d, &stride)| {
                let i = rest % d;
                rest /= d;
                at + i as isize * stride
            })
        };
        (0..n)
            .map(|k| a.storage.elements()[place(k) as usize])
            .collect()
    }

    #[test]
    fn views_are_copied_in_order() {
        let a = numbers(&[3, 4, 5, 2]);
        let views = [
            a.permute(&[3, 1, 2, 0]),
            a.permute(&[0, 2, 1, 3]),
            a.permute(&[1, 0, 3, 2]),
            a.transpose(0, 3).narrow(1, 1, 2),
            a.stepped(2, 4, 3, -2),
            a.stepped(1, 3, 4, -1).permute(&[2, 3, 0, 1]),
            numbers(&[200, 300]).transpose(0, 1),
            numbers(&[7, 200, 30]).permute(&[0, 2, 1]),
            numbers(&[9, 64, 80]).permute(&[1, 0, 2]),
        ];
        for view in views {
            assert_eq!(*Dense::new(&view), plain(&view)[..], "{:?}", view.layout);
        }
    }

    #[test]
    fn reshaping_keeps_the_order_of_elements() {
        let a = numbers(&[4, 6, 5]);
        for (view, shape, is_view) in [
            (a.clone(), vec![24, 5], true),
            (a.permute(&[1, 0, 2]), vec![2, 3, 4, 5], true),
            (a.permute(&[1, 0, 2]), vec![24, 5], false),
            (a.narrow(1, 1, 4), vec![4, 2, 2, 1, 5], true),
            (a.narrow(1, 1, 4), vec![16, 5], false),
            (a.stepped(0, 3, 4, -1), vec![4, 30], true),
            (a.narrow(0, 1, 1).transpose(1, 2), vec![5, 1, 6], true),
        ] {
            let reshaped = view.reshape(&shape);
            assert_eq!(reshaped.shape(), shape);
            assert_eq!(plain(&reshaped), plain(&view));
            let first = view.storage.elements().as_ptr();
            assert_eq!(reshaped.storage.elements().as_ptr() == first, is_view);
        }
    }

    #[test]
    fn elements_are_changed_in_place_where_nobody_else_reads_them() {
        let mut a = numbers(&[3, 2]);
        let at = a.tail().as_ptr();
        a.elements_mut()[1] = 9.0;
        assert_eq!(a.tail().as_ptr(), at);
        let b = a.clone();
        a.elements_mut()[2] = 7.0;
        assert_eq!(*Dense::new(&b), [0.0, 9.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(*Dense::new(&a), [0.0, 9.0, 7.0, 3.0, 4.0, 5.0]);
        let mut view = b.transpose(0, 1);
        drop(b);
        view.elements_mut()[0] = -1.0;
        assert_eq!(*Dense::new(&view), [-1.0, 2.0, 4.0, 9.0, 3.0, 5.0]);
    }

    #[test]
    fn lent_elements_are_copied_before_they_are_changed() {
        let data = vec![1.0, 2.0];
        crate::lend::scope(|lender| {
            let mut a = Array::lent(&[2], lender.lend(&data));
            assert_eq!(a.tail().as_ptr(), data.as_ptr());
            a.elements_mut()[0] = 5.0;
            assert_eq!(*Dense::new(&a), [5.0, 2.0]);
        });
        assert_eq!(data, [1.0, 2.0]);
    }

    #[test]
    fn sizes_beyond_memory_get_a_sentence() {
        assert_eq!(count(&[3, 0, 7]), Ok(0));
        assert!(count(&[1 << 20, 1 << 20]).is_err());
        assert!(count(&[usize::MAX, 2]).is_err());
    }
}
