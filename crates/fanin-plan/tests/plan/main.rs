//! The crate from outside, on networks built by hand.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod auto;
mod fill;
mod networks;
mod recipes;
mod resume;
mod rules;
mod slices;
mod text;
