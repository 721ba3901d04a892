//! Rounding to a grid and back.
//!
//! Rounding adds an error that is even over a step of the grid and independent of the value where the
//! value spans a few steps: a variance of 1/12 of the step squared (Bennett 1948). Backward a rounded
//! value has no slope, and what stands for one is the run's choice: there is no rule.

use fanin_network::{Node, ValueId};

use super::back::{Arrival, Back};
use super::{Context, Rule, Support, arithmetic};
use crate::signal::Signal;

/// `QuantizeLinear`.
pub(crate) struct Quantized;

/// `DequantizeLinear`.
pub(crate) struct Dequantized;

/// The step of the grid and where its zero is; `None` where steps differ much between channels.
fn grid(context: &Context<'_>, node: &Node) -> Option<(f64, f64)> {
    let scale = context.signal(node, 1)?;
    let zero = match context.id(node, 2) {
        Some(_) => context.scalar(node, 2)?,
        None => 0.0,
    };
    let even = scale.spread() <= 0.01 * scale.second && scale.mean > 0.0;
    even.then_some((scale.mean, zero))
}

fn shifted(mut x: Signal, by: f64) -> Signal {
    let cross = |product: f64| product + 2.0 * by * x.mean + by * by;
    x.cross = x.cross.map(cross);
    x.second = cross(x.second);
    x.mean += by;
    x
}

impl Rule for Quantized {
    fn support(&self) -> Support {
        Support {
            forward: true,
            backward: false,
        }
    }

    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        let (step, zero) = grid(context, node)?;
        let x = context.signal(node, 0)?;
        // Of fewer steps rounding is no noise.
        if x.spread() < 4.0 * step * step {
            return None;
        }
        let mut signal = arithmetic::scaled(x.clone(), 1.0 / step, output);
        signal.second += 1.0 / 12.0;
        signal.steps = None;
        Some(shifted(signal, zero))
    }

    fn backward(&self, _: &Arrival<'_>) -> Option<Back> {
        None
    }
}

impl Rule for Dequantized {
    fn support(&self) -> Support {
        Support {
            forward: true,
            backward: false,
        }
    }

    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        let (step, zero) = grid(context, node)?;
        let x = shifted(context.signal(node, 0)?.clone(), -zero);
        Some(arithmetic::scaled(x, step, output))
    }

    fn backward(&self, _: &Arrival<'_>) -> Option<Back> {
        None
    }
}
