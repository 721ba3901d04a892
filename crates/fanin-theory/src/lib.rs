//! What should happen: the second moment of every value and gradient that theory expects.
//!
//! [`predict`] carries moments through a network, forward by the length map and backward by its
//! transpose, and puts a band around each that says how far luck moves it at the layers' widths.
//! No network is run; the only numbers from a run are those in [`Measured`].

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

pub use measured::{Measured, Moments};
pub use predict::predict;
pub use prediction::{Band, CosineBand, Expected, Prediction};
