//! What one step is fed.

use fanin_network::HostTensor;

use fanin_data::Data;

/// Inputs by name, and what the first floating output should be.
///
/// Inputs that are left out are made as [`crate::run()`] makes them: ones for masks, 0, 1, 2, … for
/// positions, otherwise random numbers that are the same in every step.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The inputs.
    pub inputs: Data,
    /// Integers where the targets are classes: the output's shape without its class axis, a
    /// negative one is passed over. Floats of the output's own shape where they are values.
    pub target: HostTensor,
}
