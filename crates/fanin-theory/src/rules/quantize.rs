//! Rounding to a grid and back.
//!
//! Rounding adds an error that is even over a step of the grid and independent of the value where the
//! value spans a few steps: a variance of 1/12 of the step squared (Bennett 1948). What lies beyond the
//! ends of the element type is cut off. Backward rounding is passed over and what was cut off gets
//! nothing, as in the run (the straight-through estimator, Bengio et al. 2013).

use std::rc::Rc;

use fanin_network::operator::Quantize;
use fanin_network::{ElementType, Node, Operator, ValueId};

use super::back::{Arrival, Back};
use super::{Context, Rule, activation};
use crate::signal::Signal;

/// `QuantizeLinear` or `DequantizeLinear`.
#[derive(Clone, Copy)]
struct Grid {
    step: f64,
    zero: f64,
    /// Smallest and largest number on the grid; infinite on the way back.
    ends: (f64, f64),
    back: bool,
}

/// Variance of an error that is even over a step of one.
const NOISE: f64 = 1.0 / 12.0;

impl Grid {
    /// `None` where steps differ much between channels.
    fn of(context: &Context<'_>, node: &Node) -> Option<Self> {
        let (back, stated) = match &node.operator {
            Operator::QuantizeLinear(Quantize { to, .. }) => (false, *to),
            Operator::DequantizeLinear(_) => (true, None),
            _ => return None,
        };
        let scale = context.signal(node, 1)?;
        let (zero, element) = match context.id(node, 2) {
            Some(id) => (context.scalar(node, 2)?, context.network.value(id).element),
            None => (0.0, stated.or(Some(ElementType::U8))),
        };
        let ends = match element? {
            _ if back => (f64::NEG_INFINITY, f64::INFINITY),
            ElementType::U8 => (0.0, 255.0),
            ElementType::I8 => (-128.0, 127.0),
            ElementType::U16 => (0.0, 65_535.0),
            ElementType::I16 => (-32_768.0, 32_767.0),
            _ => return None,
        };
        let even = scale.spread() <= 0.01 * scale.second && scale.mean > 0.0;
        even.then_some(Self {
            step: scale.mean,
            zero,
            ends,
            back,
        })
    }

    fn value(self, x: f64) -> f64 {
        if self.back {
            (x - self.zero) * self.step
        } else {
            (x / self.step + self.zero).clamp(self.ends.0, self.ends.1)
        }
    }

    fn slope(self, x: f64) -> f64 {
        if self.back {
            return self.step;
        }
        // What is rounded to an end is not yet cut off.
        let on_grid = x / self.step + self.zero;
        let inside = self.ends.0 - 0.5 <= on_grid && on_grid <= self.ends.1 + 0.5;
        f64::from(u8::from(inside)) / self.step
    }
}

/// Rounding to a grid, and back.
pub(crate) struct Rounding;

impl Rule for Rounding {
    fn forward(&self, context: &Context<'_>, node: &Node, _: ValueId) -> Option<Signal> {
        let grid = Grid::of(context, node)?;
        let x = context.signal(node, 0)?;
        let (places, nodes) = x.on_grid();
        // What rounding before has added, which the nodes do not hold.
        let before = (x.second - places.moment(&nodes, 2)).max(0.0);
        let factor = if grid.back {
            grid.step
        } else {
            1.0 / grid.step
        };
        let noise = if grid.back {
            0.0
        } else {
            // Of fewer steps rounding is no noise.
            if x.spread() < 4.0 * grid.step * grid.step {
                return None;
            }
            let slopes: Vec<f64> = nodes.iter().map(|&x| grid.slope(x) * grid.step).collect();
            NOISE * places.moment(&slopes, 1)
        };
        let mut signal = activation::function(context, x, |x| grid.value(x))?;
        signal.second += factor * factor * before + noise;
        signal.gaussian = x.gaussian;
        Some(signal)
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        if arrival.slot != 0 || arrival.out.shape.base != arrival.signal.shape.base {
            return None;
        }
        let grid = Grid::of(arrival.context, arrival.node)?;
        let nodes = arrival.signal.on_grid().1;
        let slopes: Rc<[f64]> = nodes.iter().map(|&x| grid.slope(x)).collect();
        Some(Back::Times(slopes))
    }
}
