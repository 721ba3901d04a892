//! F304: more units are in the flat part of their activation than a sound scale leaves.

use std::collections::BTreeSet;

use fanin::Activation;
use fanin_network::operator::Unary;
use fanin_network::role::activation::recognize;
use fanin_network::{Operator, Parameter};
use fanin_run::Observation;
use fanin_theory::units::saturated_share;

use super::Rule;
use crate::context::{Context, number};
use crate::drift::{self, Direction};
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(304);

const PAGE: Page = Page {
    code: CODE,
    title: "more saturated units than a sound scale leaves",
    what: "Most units of a bounded activation lie where it is flat.",
    why: "Where the activation is flat its derivative is next to nothing: these units pass no gradient on, and the weights behind them do not move.",
    judged: "Flat is where the derivative is below 5.91 % of its largest: |tanh x| > 0.97. The expectation is \
the share of Gaussian pre-activations beyond that point if the weight had the scale that recipe auto \
gives it, or the scale it has where that is smaller. A warning where less than half of the units are \
left in the steep part that should be: the other layers learn all the same. An error where that \
happens in so many layers that of the paths through all of them less than 1/1000 is open that should \
be, or in several while the gradient grows all the same (F202): then it comes through few units and tells \
nothing of the others. (5.4 % saturated tanh units, what a gain of 5/3 leaves, are neither.)",
    fix: "Scale the weight down to what its activation wants, Xavier for tanh; start biases at zero.",
    reference: "Glorot & Bengio 2010; Rakitianskaia & Engelbrecht 2015, Measuring saturation in neural networks",
};

/// Part of the paths through all layers together below which next to no gradient is left.
const OPEN: f64 = 1e-3;

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    let layers: Vec<Layer<'_>> = context
        .trace
        .values
        .iter()
        .filter_map(|seen| measure(context, seen))
        .collect();
    let worst = layers.iter().filter(|layer| layer.is_flat());
    let Some(worst) = worst.min_by(|a, b| a.left.total_cmp(&b.left)) else {
        return Vec::new();
    };
    // Only what every way passes multiplies; what lies in a branch has a way around it.
    let trunk = context.main_path.trunk();
    let passed = layers.iter().filter(|layer| {
        trunk
            .iter()
            .any(|place| place.seen.value == layer.seen.value)
    });
    let (mut open, mut count) = (1.0, 0);
    for layer in passed {
        open *= layer.left.min(1.0);
        count += 1;
    }
    vec![worst.finding(context, &layers, open, count)]
}

/// A layer of a bounded activation.
struct Layer<'a> {
    seen: &'a Observation,
    saturated: f64,
    expected: f64,
    /// The steep units that are left of those that should be.
    left: f64,
    /// The parameter that sets where its units lie.
    blamed: &'a Parameter,
}

fn measure<'a>(context: &Context<'a>, seen: &'a Observation) -> Option<Layer<'a>> {
    let saturated = seen.forward.saturated_fraction?;
    let before = context.fed(seen, 0)?;
    let activation = activation(context, seen, before)?;
    if before.forward.non_finite > 0 {
        return None;
    }
    let made = context.made_by(seen);
    let scale = made.scale?;
    let (now, proposed) = (context.seen(scale)?, context.proposed_std(scale));
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
    let shifted = made.shift.filter(|_| before.forward.mean.abs() > spread);
    Some(Layer {
        seen,
        saturated,
        expected,
        left: (1.0 - saturated) / (1.0 - expected).max(f64::MIN_POSITIVE),
        blamed: shifted.unwrap_or(scale),
    })
}

impl Layer<'_> {
    fn is_flat(&self) -> bool {
        self.saturated > 0.5 && self.left < 0.5
    }

    fn finding(
        &self,
        context: &Context<'_>,
        layers: &[Layer<'_>],
        open: f64,
        count: usize,
    ) -> Finding {
        let flat = layers.iter().filter(|layer| layer.is_flat()).count();
        let grows =
            flat > 1 && drift::departure(&drift::backward(context), Direction::Up).is_some();
        let severity = if open < OPEN || grows {
            Severity::Error
        } else {
            Severity::Warning
        };
        let mut message = format!(
            "{} % of the units of `{}` ({}) lie where it is flat, where {} % are expected: they pass next to no gradient",
            number(100.0 * self.saturated),
            self.seen.node,
            self.seen.op,
            number(100.0 * self.expected)
        );
        if open < OPEN && count > 1 {
            message.push_str(&format!(
                "; a path through all {count} such layers is open {} times as often as it should be",
                number(open)
            ));
        }
        if grows {
            message.push_str("; the gradient that grows (F202) comes through the few others alone");
        }
        let mut known = BTreeSet::from([self.blamed.name.as_str()]);
        let others = layers.iter().filter(|layer| layer.is_flat());
        let others = others.filter(|layer| known.insert(&layer.blamed.name));
        let further: Vec<&str> = others.map(|layer| layer.blamed.name.as_str()).collect();
        Finding {
            code: CODE,
            severity,
            node: self.seen.node.clone(),
            parameter: Some(self.blamed.name.clone()),
            message,
            evidence: Evidence::new(
                self.saturated,
                self.expected,
                [0.0, 1.0 - 0.5 * (1.0 - self.expected)],
            ),
            fix: context.proposal.fix(&self.blamed.name),
            further_fixes: further
                .into_iter()
                .filter_map(|name| context.proposal.fix(name))
                .collect(),
        }
    }
}

/// The activation that a value comes out of, if it is flat on both sides and steepest at zero.
fn activation(
    context: &Context<'_>,
    seen: &Observation,
    before: &Observation,
) -> Option<Activation> {
    Some(match context.operator(seen)? {
        Operator::Unary(Unary::Tanh) => Activation::Tanh,
        Operator::Unary(Unary::Sigmoid) => Activation::Sigmoid,
        Operator::Unary(Unary::Softsign) => Activation::Softsign,
        Operator::Unary(Unary::HardSigmoid { alpha, beta }) => Activation::HardSigmoid {
            alpha: decimal(*alpha),
            beta: decimal(*beta),
        },
        Operator::Clip(_) => {
            let found = recognize(context.network, context.id(before)?)?;
            let own = Some(found.output) == context.id(seen);
            let two_sided = match found.activation {
                Activation::HardTanh => true,
                Activation::Clip { low, high } => low < 0.0 && high > 0.0,
                _ => false,
            };
            Some(found.activation).filter(|_| own && two_sided)?
        }
        _ => return None,
    })
}

/// The decimal that was meant by a number in single precision.
fn decimal(x: f32) -> f64 {
    x.to_string().parse().unwrap_or_else(|_| x.into())
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
