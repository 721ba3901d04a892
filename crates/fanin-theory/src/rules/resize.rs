//! Linear resize: each place of the output is a mean of few places of the input.
//!
//! With weights c of sum one over the places, E y² = A E x² + (1 − A) w and the covariance of two
//! places of y is O E x² + (1 − O) w, A = Σ c² and O = Σ c c' in the mean over places and over pairs
//! of them, w what two places of x have in common. As in pooling all pairs of places are taken to
//! share alike. Backward a place receives Σ c δ.

use fanin_network::operator::{Coordinates, Interpolation, Resize};
use fanin_network::{Node, ValueId};

use super::back::{Arrival, Back, Flow};
use super::{Context, Rule, Support, count, shape};
use crate::signal::{Profile, Signal, normalized};

impl Rule for Resize {
    fn support(&self) -> Support {
        let known = match self.mode {
            Interpolation::Nearest(_) => true,
            Interpolation::Linear => !self.antialias && !self.exclude_outside,
            Interpolation::Cubic { .. } => false,
        };
        Support {
            forward: known,
            backward: known,
        }
    }

    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        match self.mode {
            Interpolation::Nearest(_) => shape::moved(context, node, output),
            Interpolation::Linear => forward(context, node, self, output),
            Interpolation::Cubic { .. } => None,
        }
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        if arrival.slot != 0 {
            return None;
        }
        match self.mode {
            Interpolation::Nearest(_) => shape::from_copies(arrival),
            Interpolation::Linear => {
                let Arrival { context, node, .. } = *arrival;
                let flow = backward(context, node, self, &arrival.flow)?;
                Some(arrival.gaussian(flow))
            }
            Interpolation::Cubic { .. } => None,
        }
    }
}

/// The sums that linear resize needs, over all of its axes.
struct Weights {
    /// A.
    own: f64,
    /// O.
    shared: f64,
    /// Places of the output over those of the input.
    ratio: f64,
    /// Places of the output.
    places: f64,
    /// For each axis and place of the input the sum of c² over the output's places, each times its
    /// share of a gradient.
    received: Vec<Vec<f64>>,
}

impl Weights {
    /// `gradient` is a profile over the output's places.
    fn of(
        context: &Context<'_>,
        node: &Node,
        resize: &Resize,
        gradient: Option<&Profile>,
    ) -> Option<Self> {
        if resize.antialias || resize.exclude_outside {
            return None;
        }
        let (from, to) = (context.shape(node, 0)?, context.output_shape(node)?);
        if from.len() != to.len() || from.get(..2) != to.get(..2) {
            return None;
        }
        let (mut squares, mut columns) = (1.0, 1.0);
        let mut received = Vec::new();
        let axes = from.iter().zip(to).skip(2).enumerate();
        for (axis, (&n, &m)) in axes {
            let line = gradient.and_then(|lines| lines.get(axis));
            let mut sums = vec![0.0; n];
            let mut parts = vec![0.0; n];
            let mut square = 0.0;
            for place in 0..m {
                let share = line
                    .and_then(|line| line.get(place))
                    .copied()
                    .unwrap_or(1.0);
                for (at, weight) in taps(resize.coordinates, place, n, m)? {
                    square += weight * weight;
                    if let (Some(sum), Some(part)) = (sums.get_mut(at), parts.get_mut(at)) {
                        *sum += weight;
                        *part += share * weight * weight;
                    }
                }
            }
            received.push(parts);
            squares *= square;
            columns *= sums.iter().map(|sum| sum * sum).sum::<f64>();
        }
        let places = count(to.get(2..)?);
        Some(Self {
            own: squares / places.max(1.0),
            shared: (columns - squares) / (places * (places - 1.0)).max(1.0),
            ratio: count(to) / count(from).max(1.0),
            places,
            received,
        })
    }
}

/// The places of an axis of size `n` that a place of the output's axis of size `m` reads, with
/// their weights; `None` for a mode without a rule. One place may come twice only with weight 0.
fn taps(mode: Coordinates, place: usize, n: usize, m: usize) -> Option<[(usize, f64); 2]> {
    let (x, scale) = (place as f64, m as f64 / n.max(1) as f64);
    let at = match mode {
        Coordinates::HalfPixel => (x + 0.5) / scale - 0.5,
        Coordinates::PytorchHalfPixel if m > 1 => (x + 0.5) / scale - 0.5,
        Coordinates::PytorchHalfPixel => 0.0,
        Coordinates::AlignCorners if m > 1 => x * (n as f64 - 1.0) / (m as f64 - 1.0),
        Coordinates::AlignCorners => 0.0,
        Coordinates::Asymmetric => x / scale,
        Coordinates::HalfPixelSymmetric
        | Coordinates::TfHalfPixelForNn
        | Coordinates::TfCropAndResize => return None,
    };
    // Beyond the ends the last place stands for all.
    let at = at.clamp(0.0, n.saturating_sub(1) as f64);
    let low = at.floor();
    let part = at - low;
    let low = low as usize;
    Some([
        (low, 1.0 - part),
        ((low + 1).min(n.saturating_sub(1)), part),
    ])
}

/// The output of a linear resize.
fn forward(context: &Context<'_>, node: &Node, resize: &Resize, output: ValueId) -> Option<Signal> {
    let weights = Weights::of(context, node, resize, None)?;
    let x = context.signal(node, 0).filter(|x| !x.parameter)?;
    let mixed = |share: f64, same: f64, other: f64| share * same + (1.0 - share) * other;
    let within = x.cross.within?;
    let mut signal = Signal::gaussian(output, x.mean, mixed(weights.own, x.second, within));
    signal.cross.within = Some(mixed(weights.shared, x.second, within));
    if let (Some(between), Some(far)) = (x.cross.between, x.cross.far) {
        signal.cross.between = Some(mixed(weights.own, between, far));
        signal.cross.far = Some(mixed(weights.shared, between, far));
    }
    signal.units = x.units;
    signal.since = x.since;
    signal.origins = x.origins.clone();
    signal.gaussian = x.gaussian;
    signal.cosine_inherited = x.cosine_inherited;
    Some(signal.with_variance(x.variance()))
}

/// The gradient at the input of a linear resize.
fn backward(context: &Context<'_>, node: &Node, resize: &Resize, from: &Flow) -> Option<Flow> {
    let weights = Weights::of(context, node, resize, from.profile.as_ref())?;
    let pairs = (weights.places - 1.0) * weights.shared * from.alike.unwrap_or(0.0);
    let (own, profile) = normalized(weights.received);
    Some(Flow {
        second: from.second * (own + weights.ratio * pairs),
        profile,
        ..Flow::default()
    })
}

#[cfg(test)]
mod tests {
    use super::{Coordinates, taps};

    #[test]
    fn weights_sum_to_one_and_lie_where_the_mode_says() {
        for mode in [
            Coordinates::HalfPixel,
            Coordinates::AlignCorners,
            Coordinates::Asymmetric,
        ] {
            for place in 0..8 {
                let sum: f64 = taps(mode, place, 4, 8)
                    .unwrap()
                    .iter()
                    .map(|(_, w)| w)
                    .sum();
                assert!((sum - 1.0).abs() < 1e-15);
            }
        }
        assert_eq!(
            taps(Coordinates::HalfPixel, 2, 4, 8),
            Some([(0, 0.25), (1, 0.75)])
        );
        assert_eq!(
            taps(Coordinates::AlignCorners, 7, 4, 8),
            Some([(3, 1.0), (3, 0.0)])
        );
        assert_eq!(
            taps(Coordinates::Asymmetric, 3, 4, 8),
            Some([(1, 0.5), (2, 0.5)])
        );
        assert_eq!(taps(Coordinates::TfCropAndResize, 3, 4, 8), None);
    }
}
