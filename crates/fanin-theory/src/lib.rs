//! What should happen: the second moment of every value and gradient that theory expects.
//!
//! [`predict`] carries moments through a network, forward by the length map and backward by its
//! transpose, and puts a band around each that says how far luck moves it at the layers' widths.
//! What two samples and two places of a sample have in common is carried along, so that the cosine
//! between samples is expected too. No network is run; the only numbers from a run are those in
//! [`Measured`].
//!
//! [`criticality`] says where a network's chains of layers lie between order and chaos, [`units`]
//! what luck alone does to units and outputs: dead and saturated ones, the first loss, the entropy
//! of attention.
//!
//! # Rules
//!
//! | operation | forward | between samples | backward |
//! |---|---|---|---|
//! | dense, convolution (padding counted, fading towards the border), transposed convolution, `Einsum` of two operands, deformable convolution; with the activation that is fused into them | yes | yes | yes |
//! | weights made of parameters: cast, cut out of a stack, normalized, added up | as measured | | |
//! | activations, also spelled out in primitive operations | yes | yes | yes |
//! | sums, means, products, gates of independent branches; concatenation | yes | yes | yes |
//! | sums, norms and log sums over units; layer and RMS norm written out of them | yes | yes | yes |
//! | batch, group, instance normalization | yes, from 100 ε up | yes | yes, from 100 ε up |
//! | layer, RMS normalization, by place where a sequence is uneven; Lp norms, local response | yes | yes | yes |
//! | pooling, means over all places | of drawn inputs | of drawn inputs | yes |
//! | softmax of scores and attention, masked or not, of several operators or in one | of drawn inputs | of drawn inputs | of drawn inputs |
//! | log softmax of classes | yes | yes | yes |
//! | rotary embedding | yes | yes | yes |
//! | running sums along a sequence | of drawn inputs | of drawn inputs | of drawn inputs |
//! | columns put back into an image | yes | yes | yes |
//! | rounding to a grid and back | yes | yes | |
//! | embeddings | yes | measured, or of drawn ids | |
//! | LSTM, GRU, RNN | of drawn inputs, up to 128 steps | as forward | as forward, in one direction |
//! | linear resize | of drawn inputs | of drawn inputs | yes |
//! | nearest resize, pads, slices, reshapes | yes | yes | yes |
//!
//! [`supports`] says so of each operator. Everything else starts again from the measurement, and
//! [`Expected::since`] says where. Backward the
//! gradient's covariance between the places of a sample is carried along, as attention, whose keys
//! hear from many queries, needs it.

mod backward;
pub mod band;
pub mod criticality;
mod cross;
mod dual;
mod length_map;
mod measured;
mod predict;
mod prediction;
mod quadrature;
mod rules;
mod signal;
mod softmax;
pub mod units;
mod weights;

pub use measured::{Measured, Moments};
pub use predict::predict;
pub use prediction::{Band, CosineBand, Expected, Prediction};
pub use rules::{Support, supports};
