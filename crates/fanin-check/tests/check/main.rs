//! The judge on networks whose fault is known, and on healthy ones.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]
#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "that is how a test says no"
)]

mod controls;
mod fixes;
mod geometry;
mod numbers;
mod scale;
mod seeds;
mod session;
mod support;
mod units;
mod weights;
