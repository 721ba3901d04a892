//! The logarithm of a softmax over classes: y = x − L, L = ln Σ eˣ.
//!
//! For n independent Gaussian logits of deviation σ, L has the mean m + E ln Σ e^(σz) and nearly the
//! variance of e^x over n, and Cov(x, L) = σ² E p = σ²/n (Stein's lemma). Backward
//! δ − p Σ δ has the mean square E δ² (1 − 2/n + E Σ p²).

use fanin_network::operator::Softmax;
use fanin_network::{Node, ValueId};

use super::back::{Arrival, Back};
use super::{Context, axis, reduce};
use crate::signal::{Shape, Signal};
use crate::softmax;

/// The signal at the input and the number of classes; `None` where it is not over the units of a value
/// near Gaussian.
fn logits<'a>(
    softmax: Softmax,
    context: &Context<'a>,
    node: &Node,
) -> Option<(&'a Signal, f64, softmax::Softmax)> {
    let shape = context.shape(node, 0)?;
    let along = axis(softmax.axis, shape.len())?;
    let last = along + 1 == shape.len();
    if Some(along) != reduce::unit_axis(shape.len()) || softmax.flattened && !last {
        return None;
    }
    let x = context.signal(node, 0)?;
    let n = *shape.get(along)? as f64;
    let classes = softmax::Softmax::new(x.spread().sqrt(), n);
    (x.gaussian && !x.parameter && n > 1.0).then_some((x, n, classes))
}

/// The output.
pub(crate) fn forward(
    softmax: Softmax,
    context: &Context<'_>,
    node: &Node,
    output: ValueId,
) -> Option<Signal> {
    let (x, n, classes) = logits(softmax, context, node)?;
    let spread = x.spread();
    let mean = -classes.log_sum();
    // A sum of few large terms varies as the largest does.
    let sum = (spread.exp_m1() / n).min(spread);
    let varies = (spread - 2.0 * spread / n + sum).max(0.0);
    let mut signal = x.clone();
    signal.mean = mean;
    signal.second = mean * mean + varies;
    signal.kurtosis = crate::signal::kurtosis(mean, signal.second);
    signal.cross = x.cross.map(|product| {
        let alike = if spread > 0.0 {
            (product - x.mean * x.mean) / spread
        } else {
            1.0
        };
        mean * mean + alike * varies
    });
    (signal.profile, signal.steps) = (None, None);
    signal.gaussian = false;
    signal.shape = Shape::base(output);
    // The mean goes by the number of classes, the rest by the logits' size.
    let lever = varies / signal.second.max(f64::MIN_POSITIVE);
    Some(signal.with_variance(lever * lever * x.variance()))
}

/// The gradient at the logits.
pub(crate) fn backward(softmax: Softmax, arrival: &Arrival<'_>) -> Option<Back> {
    let (_, n, classes) = logits(softmax, arrival.context, arrival.node)?;
    let factor = 1.0 - 2.0 / n + classes.square_sum();
    Some(arrival.gaussian(arrival.times(factor)))
}
