//! F304: more units are in the flat part of their activation than a sound scale leaves.

use fanin::Activation;
use fanin_run::Observation;
use fanin_theory::units::saturated_share;

use crate::scene::{Scene, number};
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(304);

pub(super) const PAGE: Page = Page {
    code: CODE,
    title: "more saturated units than a sound scale leaves",
    what: "Most units of a bounded activation lie where it is flat.",
    why: "Where the activation is flat its derivative is next to nothing: these units pass no gradient on, and the weights behind them do not move.",
    judged: "Flat is where the derivative is below 5.91 % of its largest: |tanh x| > 0.97. The expectation is \
the share of Gaussian pre-activations beyond that point if the weight had the scale that recipe auto \
gives it, or the scale it has where that is smaller. A warning where less than half of the units are \
left in the steep part that should be, an error where less than a tenth are. (5.4 % saturated tanh \
units, what a gain of 5/3 leaves, are neither.)",
    fix: "Scale the weight down to what its activation wants, Xavier for tanh; start biases at zero.",
    reference: "Glorot & Bengio 2010; Rakitianskaia & Engelbrecht 2015, Measuring saturation in neural networks",
};

pub(super) fn run(scene: &Scene<'_>) -> Vec<Finding> {
    let mut worst: Option<(f64, Finding)> = None;
    for seen in &scene.trace.values {
        let Some((left, finding)) = judge(scene, seen) else {
            continue;
        };
        if worst.as_ref().is_none_or(|(least, _)| left < *least) {
            worst = Some((left, finding));
        }
    }
    worst.map(|(_, finding)| finding).into_iter().collect()
}

/// The steep units that are left of those that should be, and the finding, where too few are.
fn judge(scene: &Scene<'_>, seen: &Observation) -> Option<(f64, Finding)> {
    let saturated = seen.forward.saturated_fraction?;
    let activation = activation(&seen.op)?;
    let before = scene.fed(seen, 0)?;
    if saturated <= 0.5 || before.forward.non_finite > 0 {
        return None;
    }
    let made = scene.made_by(seen);
    let scale = made.scale?;
    let (now, proposed) = (scene.seen(scale)?, scene.proposed_std(scale));
    // A norm's scale is proposed as a constant, which has no spread: its size is one.
    let proposed = proposed.filter(|std| *std > 0.0).unwrap_or(1.0);
    let factor = if now.rms > 0.0 {
        (proposed / now.rms).min(1.0)
    } else {
        1.0
    };
    let spread = (before.forward.rms.powi(2) - before.forward.mean.powi(2))
        .max(0.0)
        .sqrt();
    let expected = saturated_share(activation, 0.0, (factor * spread).powi(2));
    let left = (1.0 - saturated) / (1.0 - expected).max(f64::MIN_POSITIVE);
    let severity = if left < 0.1 {
        Severity::Error
    } else if left < 0.5 {
        Severity::Warning
    } else {
        return None;
    };
    let shifted = made.shift.filter(|_| before.forward.mean.abs() > spread);
    let blamed = shifted.unwrap_or(scale);
    let limit = 1.0 - 0.5 * (1.0 - expected);
    let finding = Finding {
        code: CODE,
        severity,
        node: seen.node.clone(),
        parameter: Some(blamed.name.clone()),
        message: format!(
            "{} % of the units of `{}` ({}) lie where it is flat, where {} % are expected: they pass next to no gradient",
            number(100.0 * saturated),
            seen.node,
            seen.op,
            number(100.0 * expected)
        ),
        evidence: Evidence::new(saturated, expected, [0.0, limit]),
        fix: scene.proposal.fix(&blamed.name),
        further_fixes: Vec::new(),
    };
    Some((left, finding))
}

/// The activations that are flat on both sides and steepest at zero.
fn activation(op: &str) -> Option<Activation> {
    Some(match op {
        "Tanh" => Activation::Tanh,
        "Sigmoid" => Activation::Sigmoid,
        "Softsign" => Activation::Softsign,
        "HardSigmoid" => Activation::HardSigmoid {
            alpha: 0.2,
            beta: 0.5,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gain 5/3 leaves pre-activations of deviation 1.085578 and 5.394 % of tanh saturated.
    #[test]
    fn the_known_share_of_gain_five_thirds() {
        let share = saturated_share(Activation::Tanh, 0.0, 1.178_480_49);
        assert!((share - 0.05394).abs() < 2e-4, "{share}");
    }
}
