//! Plain f32 arrays: burn-flex tensors without a tape.

use std::ops::Deref;

use burn_backend::TensorData;
use burn_flex::FlexTensor;
use rayon::prelude::*;

/// An f32 array; cheap to clone, may be a strided view.
pub(crate) type Array = FlexTensor;

/// Elements one task works on. Fixed, so that results do not depend on the number of threads.
pub(crate) const CHUNK: usize = 1 << 14;

/// More elements than any run on one machine can hold; what asks for more is refused.
const MAX_ELEMENTS: usize = 1 << 34;

/// Number of elements of a shape, or a sentence where no memory could hold them.
pub(crate) fn count(shape: &[usize]) -> Result<usize, String> {
    shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .filter(|&n| n <= MAX_ELEMENTS)
        .ok_or_else(|| format!("a result of shape {shape:?} does not fit into memory"))
}

/// An array of these elements; `data.len()` must be the product of `shape`.
pub(crate) fn array(shape: &[usize], data: Vec<f32>) -> Array {
    FlexTensor::from_data(TensorData::new(data, shape.to_vec()))
}

/// Size of each axis.
pub(crate) fn dims(array: &Array) -> Vec<usize> {
    array.layout().shape().to_vec()
}

/// All elements equal.
pub(crate) fn full(shape: &[usize], value: f32) -> Array {
    array(shape, vec![value; shape.iter().product()])
}

/// The same elements in another shape of as many; a view where the strides allow it.
pub(crate) fn reshaped(a: &Array, shape: &[usize]) -> Array {
    a.reshape(shape.to_vec().into())
}

/// An array whose elements lie in C order, read as a slice.
#[derive(Clone, Debug)]
pub(crate) struct Dense(Array);

impl Dense {
    /// Borrows the storage where it is in order already, copies where it is not.
    pub(crate) fn new(a: &Array) -> Self {
        if a.is_contiguous() {
            Self(a.clone())
        } else {
            Self(a.to_contiguous())
        }
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
        self.0.as_slice::<f32>().unwrap_or_default()
    }
}

/// A vector of `n` elements written chunk by chunk in parallel; `write` gets the chunk's first index.
pub(crate) fn filled(n: usize, write: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let mut out = vec![0.0; n];
    for_chunks(&mut out, CHUNK, |k, chunk| write(k * CHUNK, chunk));
    out
}

/// Calls `work` on each chunk of `chunk` elements, in parallel where there is more than one.
pub(crate) fn for_chunks(out: &mut [f32], chunk: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    if chunk == 0 || out.is_empty() {
        return;
    }
    if out.len() <= CHUNK.max(chunk) {
        out.chunks_mut(chunk)
            .enumerate()
            .for_each(|(k, c)| work(k, c));
        return;
    }
    // Several small chunks per task: a row of four elements is not worth one.
    let rows = (CHUNK / chunk).max(1);
    out.par_chunks_mut(chunk * rows)
        .enumerate()
        .for_each(|(block, part)| {
            for (k, c) in part.chunks_mut(chunk).enumerate() {
                work(block * rows + k, c);
            }
        });
}
