//! Running sums along a sequence.
//!
//! A sum of k places of second moment s that share w has k s + k (k − 1) w, two sums of k and l ≤ k
//! places l s + (k l − l) w. Backward a place receives the gradients of all sums that it is in: the same
//! from the other end.

use fanin_network::{Node, Operator, ValueId};

use super::back::{Arrival, Back, Flow};
use super::{Context, Rule, axis};
use crate::cross::Cross;
use crate::signal::{Signal, normalized};

/// `CumSum`.
pub(crate) struct Cumulative;

/// How many places each sum is of, first to last; `None` where it does not run along the places of
/// [sample, place, feature].
fn counts(context: &Context<'_>, node: &Node) -> Option<Vec<f64>> {
    let Operator::CumSum { exclusive, reverse } = node.operator else {
        return None;
    };
    let &[_, places, _] = context.shape(node, 0)? else {
        return None;
    };
    let along = context.network.constant(context.id(node, 1)?)?.to_i64()?;
    if axis(*along.first()?, 3)? != 1 {
        return None;
    }
    let first = usize::from(!exclusive);
    let mut counts: Vec<f64> = (first..first + places).map(|k| k as f64).collect();
    if reverse {
        counts.reverse();
    }
    Some(counts)
}

/// Mean over places, and over pairs of different ones, of a sum's second moment or of the product of
/// two, for a product `same` of a place with itself and `other` of two; and the line over places.
fn summed(counts: &[f64], same: f64, other: f64) -> (f64, f64, Vec<f64>) {
    let n = counts.len().max(1) as f64;
    let line: Vec<f64> = counts
        .iter()
        .map(|k| k * same + k * (k - 1.0) * other)
        .collect();
    let total: f64 = line.iter().sum();
    // Σ over pairs of min(k, l) (same − other) + k l other, each pair of different places once.
    let mut sorted = counts.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (mut pairs, mut behind) = (0.0, sorted.iter().sum::<f64>());
    let mut left = n;
    for k in sorted {
        behind -= k;
        left -= 1.0;
        pairs += left * k * (same - other) + k * behind * other;
    }
    let pairs = 2.0 * pairs / (n * (n - 1.0)).max(1.0);
    (total / n, pairs, line)
}

impl Rule for Cumulative {
    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        let counts = counts(context, node)?;
        let x = context
            .signal(node, 0)
            .filter(|x| !x.parameter && x.profile.is_none())?;
        let n = counts.len().max(1) as f64;
        let (second, within, line) = summed(&counts, x.second, x.cross.within?);
        let mean = x.mean * counts.iter().sum::<f64>() / n;
        let mut signal = Signal::gaussian(output, mean, second);
        let across = x.cross.between.zip(x.cross.far);
        let across = across.map(|(same, other)| summed(&counts, same, other));
        signal.cross = Cross {
            within: Some(within),
            between: across.as_ref().map(|(between, ..)| *between),
            far: across.as_ref().map(|(_, far, _)| *far),
        };
        signal.units = x.units;
        signal.since = x.since;
        signal.origins = x.origins.clone();
        signal.gaussian = x.gaussian;
        signal.cosine_inherited = x.cosine_inherited;
        signal.profile = normalized(vec![line]).1;
        Some(signal.with_variance(x.variance()))
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        if arrival.slot != 0 || arrival.flow.profile.is_some() {
            return None;
        }
        let mut counts = counts(arrival.context, arrival.node)?;
        counts.reverse();
        let alike = arrival.flow.alike?;
        let (second, pairs, line) = summed(&counts, 1.0, alike);
        Some(arrival.gaussian(Flow {
            second: arrival.flow.second * second,
            alike: (second > 0.0).then(|| pairs / second),
            profile: normalized(vec![line]).1,
            ..Flow::default()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::summed;

    #[test]
    fn sums_of_pairs_as_one_by_one() {
        let counts = [1.0, 2.0, 3.0, 4.0];
        let (same, other) = (2.0, 0.5);
        let (mean, pairs, line) = summed(&counts, same, other);
        let (mut total, mut two) = (0.0, 0.0);
        for k in 1..=4 {
            for l in 1..=4 {
                let mut sum = 0.0;
                for i in 1..=k {
                    for j in 1..=l {
                        sum += if i == j { same } else { other };
                    }
                }
                if k == l {
                    assert_eq!(line[k - 1], sum);
                    total += sum;
                } else {
                    two += sum;
                }
            }
        }
        assert!((mean - total / 4.0).abs() < 1e-12);
        assert!((pairs - two / 12.0).abs() < 1e-12);
    }
}
