//! Normalization: whatever comes in, a known second moment goes out.
//!
//! y = γ (x − μ)/√(σ² + ε) + β has E[y²] = E[γ²] σ²/(σ² + ε) + E[β²] with σ² the variance that is
//! divided by: over batch and places for batch norm, over features for layer norm. The luck of all
//! layers before is divided away, so the variance of the log second moment starts again at zero.
//!
//! Backward a gradient is multiplied by γ/σ and loses its components along the mean and along y,
//! two of n directions. With σ² = (1 − c) E[x²], c the cosine between samples, batch norm after
//! ReLU makes gradients grow by E[φ'²]/Var φ = π/(π − 1) per layer (Yang et al. 2019).

use fanin_network::{Node, ValueId};

use super::{Context, count};
use crate::signal::Signal;

/// Share of σ² in σ² + ε below which the approximation of one σ for all units does not hold.
const NOISE_FLOOR: f64 = 100.0;

/// A normalization, read from a node.
pub(crate) struct Norm {
    /// Which input scales; absent means 1.
    scale: Option<usize>,
    /// Which input shifts; absent means 0.
    shift: Option<usize>,
    epsilon: f64,
    /// The variance divided by.
    variance: f64,
    /// Elements that share one mean and one σ.
    pub(crate) sharing: f64,
    /// Whether the mean is taken off.
    centred: bool,
}

/// Reads a normalization; `None` if the node is none, or its input's variance is not known.
pub(crate) fn of(context: &Context<'_>, node: &Node) -> Option<Norm> {
    let x = context.signal(node, 0)?;
    let shape = context.shape(node, 0)?;
    let epsilon = f64::from(node.attributes.float("epsilon", 1e-5));
    let channels = *shape.get(1)? as f64;
    let all = count(shape);
    let last = trailing(node, shape);
    let (variance, sharing, shift, centred) = match node.op.as_str() {
        "BatchNormalization" => {
            let between = x.mean.powi(2).max(cosine(context, node) * x.second);
            ((x.second - between).max(0.0), all / channels, Some(2), true)
        }
        "GroupNormalization" => {
            let groups = node.attributes.int("num_groups", 1).max(1) as f64;
            (
                x.spread(),
                all / (shape.first().copied()? as f64 * groups),
                Some(2),
                true,
            )
        }
        "LayerNormalization" => (x.spread(), last, Some(2), true),
        "RMSNormalization" | "SimplifiedLayerNormalization" => (x.second, last, None, false),
        // One unit per mean: how much of its second moment is mean depends on the image.
        _ => return None,
    };
    Some(Norm {
        scale: Some(1),
        shift,
        epsilon,
        variance,
        sharing,
        centred,
    })
}

/// Whether a node normalizes, by its operator.
pub(crate) fn is(node: &Node) -> bool {
    matches!(
        node.op.as_str(),
        "BatchNormalization"
            | "GroupNormalization"
            | "InstanceNormalization"
            | "LayerNormalization"
            | "RMSNormalization"
            | "SimplifiedLayerNormalization"
            | "SkipLayerNormalization"
            | "MeanVarianceNormalization"
            | "LpNormalization"
    )
}

fn cosine(context: &Context<'_>, node: &Node) -> f64 {
    context.cosine(node, 0).unwrap_or(0.0).clamp(0.0, 0.999)
}

/// Number of elements from the stated axis on.
fn trailing(node: &Node, shape: &[usize]) -> f64 {
    let rank = i64::try_from(shape.len()).unwrap_or(0);
    let axis = node.attributes.int("axis", -1);
    let from = if axis < 0 { axis + rank } else { axis };
    let from = usize::try_from(from).unwrap_or(0).min(shape.len());
    count(shape.get(from..).unwrap_or(&[]))
}

impl Norm {
    /// Mean square of the factor between input and output, and of the scale alone.
    pub(crate) fn factor(&self, context: &Context<'_>, node: &Node) -> Option<f64> {
        let scale = self.scale_second(context, node)?;
        let lost = (1.0 - 2.0 / self.sharing.max(2.0)).max(0.0);
        let denominator = self.variance + self.epsilon;
        (self.variance > NOISE_FLOOR * self.epsilon).then(|| scale * lost / denominator)
    }

    fn scale_second(&self, context: &Context<'_>, node: &Node) -> Option<f64> {
        match self.scale.filter(|&k| context.id(node, k).is_some()) {
            Some(k) => Some(context.signal(node, k)?.second),
            None => Some(1.0),
        }
    }
}

/// The output of a normalization.
pub(crate) fn forward(context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
    let x = context.signal(node, 0)?;
    // Instance norm needs no variance forward, as long as there is more than one place.
    let norm = if node.op == "InstanceNormalization" {
        let places = count(context.shape(node, 0)?.get(2..)?);
        (places > 1.0).then_some(Norm {
            scale: Some(1),
            shift: Some(2),
            epsilon: f64::from(node.attributes.float("epsilon", 1e-5)),
            variance: f64::INFINITY,
            sharing: places,
            centred: true,
        })?
    } else {
        of(context, node)?
    };
    if norm.variance <= NOISE_FLOOR * norm.epsilon {
        return None;
    }
    let scale = norm.scale_second(context, node)?;
    let kept = if norm.variance.is_finite() {
        norm.variance / (norm.variance + norm.epsilon)
    } else {
        1.0
    };
    let (shift_mean, shift_second) = match norm.shift.and_then(|k| context.id(node, k).map(|_| k)) {
        Some(k) => {
            let shift = context.signal(node, k)?;
            (shift.mean, shift.second)
        }
        None => (0.0, 0.0),
    };
    let mean = if norm.centred {
        shift_mean
    } else {
        let scale_mean = context.signal(node, 1).map_or(1.0, |scale| scale.mean);
        x.mean / x.second.max(f64::MIN_POSITIVE).sqrt() * scale_mean
    };
    let mut signal = Signal::gaussian(output, mean, scale * kept + shift_second);
    signal.units = x.units;
    signal.since = x.since;
    signal.origins = x.origins.clone();
    signal.gaussian = x.gaussian;
    Some(signal.with_variance(0.0))
}
