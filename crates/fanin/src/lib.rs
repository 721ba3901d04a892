//! Initial values of neural network weights: right fans, right gains, and the same bits everywhere.
//!
//! ```
//! use fanin::{Initializer, Layout, Seed};
//!
//! let he: Initializer = "kaiming_normal(gain=relu)".parse()?;
//! let mut weight = vec![0f32; 64 * 32 * 3 * 3];
//! he.fill(Seed::new(42), "conv1.weight", &[64, 32, 3, 3], &Layout::conv(2, 1), &mut weight)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The way of a value
//!
//! An [`Initializer`] is a rule. Given a shape and a [`Layout`], which says what the axes are and so gives the [`Fans`],
//! it resolves into a [`Filler`] with every number settled. Given a [`Stream`], the random bits of one tensor, the
//! filler writes any slice of the tensor into memory of any [`Element`] type.
//!
//! An [`Activation`] knows its [`Gain`], the factor that undoes what it does to a signal's second moment; [`moments`] has
//! the expectations behind it, for any function.
//!
//! # The catalogue
//!
//! [`catalogue`] lists every initializer with its formula, use, reference and an example; [`initializers`] has a page for
//! each.
//!
//! | for | initializers |
//! |---|---|
//! | values | `zeros`, `ones`, `constant`, `array` |
//! | one distribution | `uniform`, `normal`, `truncated_normal`, `truncated_normal_absolute`, `log_uniform` |
//! | a variance from the fans | `variance_scaling`, `xavier_…`, `kaiming_…`, `lecun_…`, `random_walk`, `spectral`, `mup` |
//! | matrices | `orthogonal`, `identity`, `hadamard`, `idinit`, `sparse`, `mirrored`, `mimetic`, `nguyen_widrow` |
//! | convolutions | `delta_orthogonal`, `orthogonal_conv`, `identity`, `bilinear` |
//! | residual branches | `residual`, `fixup`, `rezero`, `layer_scale`, `t_fixup`, `deepnorm` |
//! | transformers | `small_init`, `wang_init`, `embedding`, `lora_a`, `lora_b` |
//! | biases | `prior_bias`, `log_prior`, `forget_gate`, `chrono` |
//! | coordinates | `siren_first`, `siren` |
//! | others in one | `concat`, `scaled` |
//!
//! # Promises
//!
//! * **Same seed, same bits.** The value at index i of a tensor is a function of the seed, the tensor's name and i. Not
//!   of threads, slices, order of calls, instruction set or platform. The contract is called
//!   [`philox4x32-10/v1`](stream) and written down there; that name never changes its meaning.
//! * **Any slice, alone.** Also of orthogonal matrices, whose rows depend on no other row.
//! * **One stream for all formats.** `f16`, `bf16` and the 8-bit floats are the `f32` value rounded to nearest even; `f64` agrees with
//!   `f32` to `f32`'s rounding.
//! * **No default seed**, no hidden state: who fills weights says which.
//! * **Bad input gets a sentence**: numbers are checked where they enter, and the error names the initializer, the shape
//!   and the way out.
//!
//! # Accuracy
//!
//! Against exact values, over all words where there is one: normal 3e-7 relative, truncated normal 3e-7·max(1, |z|) in
//! `f32`; 1e-15 in `f64`. Orthogonality max |QᵀQ − I| some 1e-6 in `f32`, 1e-14 in `f64`. Gains 1e-9.
//!
//! # Speed
//!
//! On x86-64 the fill path uses AVX-512 or AVX2 where the processor has them ([`isa`]), elsewhere what the compiler makes
//! of portable code; each is tested to give the same bits. A slice of at most 16384 elements is filled by the calling
//! thread alone. `cargo bench -p fanin --bench fill` measures this machine.
//!
//! # Shards and whole models
//!
//! A [`Slice`] says which part of a tensor is held; [`Initializer::fill_slice`] fills that part with what the whole tensor
//! has there, without the rest and without talking to other ranks:
//!
//! ```
//! use fanin::{Initializer, Layout, Seed, Slice};
//!
//! let rank = 3;
//! let he: Initializer = "kaiming_normal(gain=relu)".parse()?;
//! let slice = Slice::shard(&[4096, 1024], 0, rank, 8)?; // DTensor's Shard(0) on rank 3 of 8
//! let mut mine = vec![0f32; 512 * 1024];
//! he.fill_slice(Seed::new(42), "mlp.weight", &slice, &Layout::linear_out_in(), &mut mine)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Tensors of other libraries: `fanin-ndarray`, `fanin-burn` and `fanin-candle`, which also fill whole modules. A model
//! from its ONNX file or a one-line architecture into safetensors: `fanin-plan`, or the command `fanin`.
//!
//! # Features
//!
//! * `rayon` (default): large slices are shared between threads.
//! * `serde` (default): [`Seed`] as a number, [`DType`] and [`Initializer`] as their text.

#![deny(missing_docs)]
#![deny(unsafe_code)] // allowed in simd/avx2.rs, simd/avx512.rs and, for a derive, float8.rs
#![allow(
    clippy::needless_range_loop,
    reason = "lanes index several arrays alike, and the loops say so"
)]

mod activation;
mod dtype;
mod element;
mod expectation;
mod fans;
mod filler;
mod float8;
mod gain;
pub mod initializers;
pub mod isa;
mod layout;
mod math;
pub mod moments;
mod parallel;
mod sampler;
mod seed;
mod simd;
mod slice;
mod spans;
pub mod stream;
mod text;
pub mod wording;

pub use activation::Activation;
pub use dtype::{DType, UnknownDType};
pub use element::Element;
pub use fans::{Fans, Mode, UnknownMode};
pub use filler::{Filler, RangeError};
pub use float8::{F8E4M3, F8E5M2};
pub use gain::Gain;
pub use initializers::{
    Distribution, Entry, InitError, Initializer, UnknownDistribution, catalogue,
};
pub use layout::{Axis, Layout, LayoutError, Part};
pub use seed::Seed;
pub use slice::{Slice, SliceError};
pub use stream::Stream;
pub use text::ParseError;

/// The example of the README is held to compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
