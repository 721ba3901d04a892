//! F203: normalizations make the gradient grow.

use fanin::Activation;
use fanin::moments::expectation;
use fanin_network::Operator;
use fanin_network::operator::Norm;
use fanin_network::role::activation::recognize;

use super::{Rule, scale};
use crate::context::{Context, number};
use crate::drift::{self, Departure, Direction};
use crate::main_path::{Place, Step};
use crate::{Code, Finding, Page};

const CODE: Code = Code(203);

const PAGE: Page = Page {
    code: CODE,
    title: "batch norms make the gradient grow",
    what: "In a deep chain without residual connections each batch normalization before an activation makes the gradient larger on its way back.",
    why: "The gradient at the first layers is larger than at the last by a power of the depth, whatever the weights are, since the normalization undoes their scale: steps that suit the last layers throw the first ones off.",
    judged: "Batch norm divides by the deviation over samples, and an activation's outputs vary less than their \
second moment says: each layer multiplies the squared gradient by E[φ′²]/Var φ, which is at least 1 \
for any activation (1.467 for ReLU, 1.21 in rms; 1.178 for tanh). The finding needs growth beyond the \
band of luck by 31.6 (warning) or 1000 (error), of which these factors explain at least half.",
    fix: "Add residual connections, or normalize layers or channels of one sample (layer norm) instead of over the batch; no scale of the weights changes it. A warm-up of the learning rate helps.",
    reference: "Yang et al. 2019, arXiv:1902.08129",
};

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    let points = drift::backward(context);
    let departure = drift::departure(&points, Direction::Up);
    let departure = departure.filter(|departure| explains(context, departure));
    departure
        .map(|departure| finding(context, &departure))
        .into_iter()
        .collect()
}

/// Whether the normalizations of a stretch explain at least half of a gradient's growth.
pub(super) fn explains(context: &Context<'_>, departure: &Departure<'_, '_>) -> bool {
    let (growth, _) = predicted(context, departure);
    growth >= 0.5 * departure.change
}

/// The log growth of the gradient that the normalizations of a stretch make, and how many there are.
fn predicted(context: &Context<'_>, departure: &Departure<'_, '_>) -> (f64, usize) {
    let trunk = context.main_path.trunk();
    let at = |place: &Place<'_>| trunk.iter().position(|p| std::ptr::eq(p.seen, place.seen));
    // Backward: the stretch runs from the output's side to the input's.
    let (Some(last), Some(first)) = (at(departure.from.place), at(departure.to.place)) else {
        return (0.0, 0);
    };
    let stretch = trunk.get(first..=last).unwrap_or(&[]);
    if stretch.iter().any(|place| place.step == Step::Joint) {
        return (0.0, 0);
    }
    let factors = stretch.iter().filter_map(|place| factor(context, place));
    factors.fold((0.0, 0), |(sum, count), factor| {
        (sum + 0.5 * factor.ln(), count + 1)
    })
}

/// What a batch norm and its activation multiply the squared gradient by.
fn factor(context: &Context<'_>, place: &Place<'_>) -> Option<f64> {
    let operator = context.operator(place.seen);
    if !matches!(operator, Some(Operator::Norm(Norm::Batch { .. }))) {
        return None;
    }
    let activation = recognize(context.network, context.id(place.seen)?)?.activation;
    let forward = &place.seen.forward;
    let spread = (forward.rms * forward.rms - forward.mean * forward.mean).max(0.0);
    growth(activation, forward.mean, spread.sqrt())
}

/// E[φ′²] σ² / Var φ over N(mean, σ²).
fn growth(activation: Activation, mean: f64, std: f64) -> Option<f64> {
    let average = expectation(|x| activation.eval(x), mean, std);
    let variance = expectation(|x| (activation.eval(x) - average).powi(2), mean, std);
    let slope = expectation(|x| activation.derivative(x).powi(2), mean, std);
    let factor = slope * std * std / variance;
    (variance > 0.0 && factor.is_finite()).then_some(factor)
}

fn finding(context: &Context<'_>, departure: &Departure<'_, '_>) -> Finding {
    let (growth, norms) = predicted(context, departure);
    let at = |place: &Place<'_>| place.seen.backward.as_ref().map_or(0.0, |g| g.rms);
    let measured = at(departure.to.place);
    let expected = measured * (-departure.change).exp();
    Finding {
        code: CODE,
        severity: departure.severity,
        node: departure.to.place.seen.node.clone(),
        parameter: None,
        message: format!(
            "the gradient grows {}-fold on its way back through {norms} batch norms without a residual connection, which theory expects of them at any scale of the weights ({} each)",
            number(departure.change.exp()),
            number((growth / norms.max(1) as f64).exp()),
        ),
        evidence: scale::evidence(departure, measured, expected),
        fix: None,
        further_fixes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_growth_per_layer() {
        for (activation, known) in [
            (Activation::Relu, 1.466_942_207),
            (Activation::Tanh, 1.177_807_232),
            (Activation::Identity, 1.0),
        ] {
            let factor = growth(activation, 0.0, 1.0).unwrap();
            assert!((factor - known).abs() < 1e-8, "{activation}: {factor}");
        }
    }
}
