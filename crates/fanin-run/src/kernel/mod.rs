//! What the operators are made of: differentiable building blocks on [`crate::tape::Var`].
//!
//! Each block computes forward in plain loops over f32 slices and brings its own gradient. Shapes are checked by the operators before they call in here.

pub(crate) mod convolution;
pub(crate) mod elementwise;
pub(crate) mod geometry;
pub(crate) mod index;
pub(crate) mod linear;
pub(crate) mod map;
pub(crate) mod normalize;
pub(crate) mod pool;
pub(crate) mod product;
pub(crate) mod reduce;
pub(crate) mod rows;
pub(crate) mod shape;
