//! fanin for [`ndarray`]: arrays of initial weights, and arrays filled in place.
//!
//! ```
//! use fanin::{Initializer, Layout, Seed, Slice};
//! use fanin_ndarray::FillArray as _;
//! use ndarray::{Array2, s};
//!
//! let he: Initializer = "kaiming_normal".parse()?;
//! let layout = Layout::linear_out_in();
//!
//! // A new array, or one that is there.
//! let w = he.array::<f32>(Seed::new(42), "fc1.weight", &[64, 48], &layout)?;
//! let mut mine = Array2::<f32>::zeros((64, 48));
//! he.fill_array(Seed::new(42), "fc1.weight", &layout, &mut mine)?;
//! assert_eq!(w, mine.clone().into_dyn());
//!
//! // A shard: rows 16 to 32 and no other.
//! let slice = Slice::parse(&[64, 48], "16:32")?;
//! let mut shard = Array2::<f32>::zeros((16, 48));
//! he.fill_array_slice(Seed::new(42), "fc1.weight", &slice, &layout, &mut shard)?;
//! assert_eq!(shard, mine.slice(s![16..32, ..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The value at an index is the same whatever the memory order of the array: views with strides, transposed arrays and
//! arrays in column-major order get what a plain row-major one gets.

use fanin::{Element, InitError, Initializer, Layout, Seed, Slice, SliceError, Stream};
use ndarray::{ArrayBase, ArrayD, DataMut, Dimension, IxDyn};

/// Elements drawn at a time where an array is not row-major.
const BLOCK: usize = 1 << 19;

/// What keeps an array from being filled.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FillError {
    /// The initializer does not suit the shape.
    #[error(transparent)]
    Init(#[from] InitError),
    /// The shape cannot be counted.
    #[error(transparent)]
    Slice(#[from] SliceError),
    /// The array has not the shape of the part it is to hold.
    #[error("the array has shape {array:?}, the slice of the tensor {slice:?}")]
    Shape {
        /// Of the array.
        array: Vec<usize>,
        /// Of the slice.
        slice: Vec<usize>,
    },
    /// There is no memory for it.
    #[error("an array of shape {0:?} does not fit in memory; fill slices of it")]
    Memory(Vec<usize>),
}

/// [`Initializer`]s that fill arrays.
pub trait FillArray {
    /// A new array, row-major, with the values of the tensor called `name`.
    ///
    /// # Errors
    /// When the initializer does not suit shape and layout, or the array does not fit in memory.
    fn array<T: Element>(
        &self,
        seed: Seed,
        name: &str,
        shape: &[usize],
        layout: &Layout,
    ) -> Result<ArrayD<T>, FillError>;

    /// Fills an array, whose shape is the tensor's, whatever its strides.
    ///
    /// # Errors
    /// When the initializer does not suit shape and layout.
    fn fill_array<T: Element, S: DataMut<Elem = T>, D: Dimension>(
        &self,
        seed: Seed,
        name: &str,
        layout: &Layout,
        array: &mut ArrayBase<S, D>,
    ) -> Result<(), FillError>;

    /// Fills an array with a part of the tensor, whatever its strides.
    ///
    /// # Errors
    /// When the initializer does not suit the tensor, or the array has not the shape of the part.
    fn fill_array_slice<T: Element, S: DataMut<Elem = T>, D: Dimension>(
        &self,
        seed: Seed,
        name: &str,
        slice: &Slice,
        layout: &Layout,
        array: &mut ArrayBase<S, D>,
    ) -> Result<(), FillError>;
}

impl FillArray for Initializer {
    fn array<T: Element>(
        &self,
        seed: Seed,
        name: &str,
        shape: &[usize],
        layout: &Layout,
    ) -> Result<ArrayD<T>, FillError> {
        let filler = self.resolve(shape, layout)?;
        let memory = || FillError::Memory(shape.to_vec());
        let len = usize::try_from(filler.len()).map_err(|_| memory())?;
        let mut values = Vec::new();
        values.try_reserve_exact(len).map_err(|_| memory())?;
        values.resize(len, T::default());
        filler
            .fill(&Stream::new(seed, name), 0, &mut values)
            .map_err(InitError::from)?;
        ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|_| memory())
    }

    fn fill_array<T: Element, S: DataMut<Elem = T>, D: Dimension>(
        &self,
        seed: Seed,
        name: &str,
        layout: &Layout,
        array: &mut ArrayBase<S, D>,
    ) -> Result<(), FillError> {
        let slice = Slice::whole(array.shape())?;
        self.fill_array_slice(seed, name, &slice, layout, array)
    }

    fn fill_array_slice<T: Element, S: DataMut<Elem = T>, D: Dimension>(
        &self,
        seed: Seed,
        name: &str,
        slice: &Slice,
        layout: &Layout,
        array: &mut ArrayBase<S, D>,
    ) -> Result<(), FillError> {
        if array.shape() != slice.shape() {
            return Err(FillError::Shape {
                array: array.shape().to_vec(),
                slice: slice.shape(),
            });
        }
        let filler = self.resolve(slice.tensor_shape(), layout)?;
        let stream = Stream::new(seed, name);
        if let Some(out) = array.as_slice_mut() {
            filler
                .fill_slice(&stream, slice, 0, out)
                .map_err(InitError::from)?;
            return Ok(());
        }
        // In the order of the indices, which is row-major whatever the strides.
        let mut elements = array.iter_mut();
        let mut drawn = vec![T::default(); BLOCK.min(elements.len())];
        let mut start = 0;
        while elements.len() > 0 {
            let count = drawn.len().min(elements.len());
            let block = &mut drawn[..count];
            filler
                .fill_slice(&stream, slice, start, block)
                .map_err(InitError::from)?;
            for (to, from) in elements.by_ref().zip(&*block).take(count) {
                *to = *from;
            }
            start += count as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use fanin::Mode;
    use half::bf16;
    use ndarray::{Array, Array2, Array4, Axis, ShapeBuilder as _, s};

    use super::*;

    const SEED: Seed = Seed::new(7);

    fn he() -> Initializer {
        Initializer::kaiming_normal(Mode::FanIn, 1.0).unwrap()
    }

    fn plain<T: Element>(shape: &[usize], layout: &Layout) -> Vec<T> {
        let mut plain = vec![T::default(); shape.iter().product()];
        he().fill(SEED, "w", shape, layout, &mut plain).unwrap();
        plain
    }

    fn filled<T: Element>(array: impl Into<ArrayD<T>>, layout: &Layout) -> Vec<T> {
        let mut array = array.into();
        he().fill_array(SEED, "w", layout, &mut array).unwrap();
        array.iter().copied().collect()
    }

    #[test]
    fn equal_to_the_plain_slice_in_every_memory_order() {
        let layout = Layout::conv(2, 1);
        let shape = [8, 6, 3, 3];
        let expected = plain::<f32>(&shape, &layout);
        assert_eq!(
            filled(Array4::<f32>::zeros((8, 6, 3, 3)).into_dyn(), &layout),
            expected
        );
        assert_eq!(
            filled(Array4::<f32>::zeros((8, 6, 3, 3).f()).into_dyn(), &layout),
            expected
        );
        // Transposed, reversed, with gaps.
        let mut mixed = Array4::<f32>::zeros((6, 8, 3, 3));
        mixed.swap_axes(0, 1);
        mixed.invert_axis(Axis(2));
        assert_eq!(filled(mixed.into_dyn(), &layout), expected);
        let mut large = Array4::<f32>::from_elem((16, 6, 3, 5), -1.0);
        let mut view = large.slice_mut(s![..;2, .., .., 1..4]);
        he().fill_array(SEED, "w", &layout, &mut view).unwrap();
        assert!(view.iter().eq(&expected));
        // And nothing outside the view.
        assert!(
            large
                .slice(s![1..;2, .., .., ..])
                .iter()
                .all(|&x| x == -1.0)
        );
        assert!(large.slice(s![.., .., .., 0]).iter().all(|&x| x == -1.0));
        let array = he().array::<f32>(SEED, "w", &shape, &layout).unwrap();
        assert_eq!(array.shape(), shape);
        assert!(array.iter().eq(&expected));
    }

    #[test]
    fn more_than_a_block_and_other_formats() {
        let layout = Layout::linear_out_in();
        let shape = [700, 900];
        let expected = plain::<bf16>(&shape, &layout);
        assert_eq!(
            filled(
                Array2::from_elem((700, 900).f(), bf16::ZERO).into_dyn(),
                &layout
            ),
            expected
        );
        let expected = plain::<f64>(&shape, &layout);
        assert_eq!(
            filled(Array2::<f64>::zeros((700, 900).f()).into_dyn(), &layout),
            expected
        );
    }

    #[test]
    fn parts_are_parts_of_the_whole() {
        let layout = Layout::linear_out_in();
        let whole = he().array::<f32>(SEED, "w", &[20, 30], &layout).unwrap();
        let slice = Slice::parse(&[20, 30], "3:17, 2/3").unwrap();
        for mut part in [Array2::<f32>::zeros((14, 10)), Array2::zeros((14, 10).f())] {
            he().fill_array_slice(SEED, "w", &slice, &layout, &mut part)
                .unwrap();
            assert_eq!(part, whole.slice(s![3..17, 10..20]));
        }
    }

    #[test]
    fn what_does_not_fit_gets_a_sentence() {
        let layout = Layout::linear_out_in();
        let slice = Slice::parse(&[20, 30], "3:17").unwrap();
        let mut array = Array2::<f32>::zeros((30, 14));
        let error = he()
            .fill_array_slice(SEED, "w", &slice, &layout, &mut array)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the array has shape [30, 14], the slice of the tensor [14, 30]"
        );
        let mut vector = Array::<f32, _>::zeros(5);
        he().fill_array(SEED, "w", &Layout::vector(), &mut vector)
            .unwrap_err();
        let error = he()
            .array::<f32>(SEED, "w", &[1 << 30, 1 << 30], &layout)
            .unwrap_err();
        assert!(
            error.to_string().contains("does not fit in memory"),
            "{error}"
        );
        he().fill_array(SEED, "w", &layout, &mut Array2::<f32>::zeros((0, 4)))
            .unwrap();
    }
}
