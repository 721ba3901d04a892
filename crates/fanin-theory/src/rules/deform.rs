//! Deformable convolution: every tap is taken between four places.
//!
//! With weights c of sum one over the four, a tap has A E[x²] + (1 − A) w, A = E Σ c² and w what two
//! places of x share. Along one axis Σ c² is (1 − f)² + f² of the offset's fraction f, and for offsets
//! of N(0, σ²) its mean 2/3 + (2/π²) Σₖ e^(−2π²k²σ²)/k² (the Fourier series of a parabola): 1 without
//! offsets, which most networks start with, 2/3 for those of some places. Backward a place receives
//! Σ c δ, an offset the slope between neighbours, of which the mean square is 2 (E[x²] − w).

use fanin_network::operator::{Conv, DeformConv};
use fanin_network::{Node, ValueId};

use super::back::{Arrival, Back, Flow};
use super::linear;
use super::map::Map;
use super::{Context, Rule};
use crate::signal::Signal;

/// Offsets of a larger mean square lead too far over the border.
const FARTHEST: f64 = 1.0;

/// The mean over N(0, `variance`) of (1 − f)² + f², f the fraction.
fn kept(variance: f64) -> f64 {
    let square = std::f64::consts::PI.powi(2);
    // At variance 0 the series is π²/6.
    if variance < 1e-6 {
        return 1.0;
    }
    let term = |k: f64| (-2.0 * square * k * k * variance).exp() / (k * k);
    let sum: f64 = (1..=2000).map(|k| term(f64::from(k))).sum();
    2.0 / 3.0 + 2.0 / square * sum
}

/// What a tap reads.
struct Taps {
    map: Map,
    /// Σ c² along one axis.
    axis: f64,
    /// Mean square of a tap and of what it is multiplied with.
    second: f64,
    mask: f64,
    /// What two places differ by.
    apart: Option<f64>,
    /// Elements of a column that a place of the output and an offset have.
    outputs: f64,
    channels: f64,
}

impl Taps {
    fn of(conv: &DeformConv, context: &Context<'_>, node: &Node) -> Option<Self> {
        let plain = Conv {
            window: conv.window.clone(),
            group: conv.group,
            transposed: None,
            activation: None,
            fused: false,
        };
        let map = Map {
            bias: Some((3, 1.0)),
            ..plain.map(context, node)?
        };
        let (x, offset) = (context.signal(node, 0)?, context.signal(node, 2)?);
        if x.parameter || offset.second > FARTHEST {
            return None;
        }
        let axis = kept(offset.second);
        let share = axis * axis;
        let second = if share == 1.0 {
            x.second
        } else {
            share * x.second + (1.0 - share) * x.cross.within?
        };
        let mask = match context.id(node, 4) {
            Some(_) => context.signal(node, 4)?.second,
            None => 1.0,
        };
        let weight = context.shape(node, 1)?;
        let features = *context.shape(node, 0)?.get(1)? as f64;
        Some(Self {
            map,
            axis,
            second,
            mask,
            apart: x.cross.within.map(|within| (x.second - within).max(0.0)),
            outputs: *weight.first()? as f64 / conv.group as f64,
            channels: features / conv.offset_group as f64,
        })
    }
}

impl Rule for DeformConv {
    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        let taps = Taps::of(self, context, node)?;
        let x = context.signal(node, 0)?;
        let mut read = x.clone();
        let factor = taps.mask * taps.second / x.second.max(f64::MIN_POSITIVE);
        read.second *= factor;
        read.mean *= taps.mask.sqrt();
        // Taps of two places are as far between as one is.
        read.cross = x.cross.map(|product| taps.mask * product);
        linear::forward(context, node, &taps.map, &read, output)
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        let Arrival { context, node, .. } = *arrival;
        let taps = Taps::of(self, context, node)?;
        let w = context.signal(node, 1)?;
        let column = arrival.flow.second * taps.outputs * w.second;
        let second = match arrival.slot {
            0 => {
                let back = linear::backward(arrival, &taps.map)?;
                let Back::Gaussian(flow, inherited) = back else {
                    return None;
                };
                let flow = Flow {
                    second: flow.second * taps.mask * taps.axis * taps.axis,
                    ..Flow::default()
                };
                return Some(Back::Gaussian(flow, inherited));
            }
            2 => column * taps.channels * taps.mask * 2.0 * taps.apart? * taps.axis,
            4 => column * taps.channels * taps.second,
            _ => return None,
        };
        Some(arrival.through_weights(Flow::of(second)))
    }
}

#[cfg(test)]
mod tests {
    use super::kept;

    #[test]
    fn fractions_of_a_gaussian() {
        assert!((kept(1e-5) - 1.0).abs() < 0.01);
        assert!((kept(4.0) - 2.0 / 3.0).abs() < 1e-9);
        // Against a sum over offsets.
        let variance: f64 = 0.09;
        let (mut sum, mut weight) = (0.0, 0.0);
        for step in -30_000..=30_000 {
            let x = f64::from(step) * 1e-4;
            let f = x - x.floor();
            let density = (-0.5 * x * x / variance).exp();
            sum += density * ((1.0 - f).powi(2) + f * f);
            weight += density;
        }
        assert!((kept(variance) - sum / weight).abs() < 1e-6);
    }
}
