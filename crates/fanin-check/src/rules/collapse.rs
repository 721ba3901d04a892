//! F401: all samples become alike.

use fanin::Activation;
use fanin_network::Operator;
use fanin_network::operator::{Binary, Class};
use fanin_theory::criticality::LayerMap;

use super::Rule;
use crate::context::{Context, number};
use crate::main_path::{Place, Step};
use crate::{Code, Evidence, Finding, Page, Severity, Share};

const CODE: Code = Code(401);

const PAGE: Page = Page {
    code: CODE,
    title: "all samples become alike",
    what: "The directions of different samples come together from layer to layer until the network puts out nearly the same for all of them.",
    why: "What no longer differs cannot be told apart by the layers that follow; the gradient that would restore the difference fades by the same factor.",
    judged: "1 − cosine between samples, from the input or the last normalization or pooling to the last hidden \
layer. A chain of ReLU layers at critical scale brings samples together too, as 9π²/(2l²) after l \
layers, and trains; in the ordered phase the difference falls as e^(−l/ξ), and six depth scales ξ are \
the trainable depth. So a difference smaller by e⁶ than the ReLU chain of the same depth leaves is a \
warning, by 10⁶ without the layer that does most of it an error (see F101). Chains of ReLU without biases are not judged: their cosines do not depend \
on the weights' scale, and samples of one direction still differ in length.",
    fix: "Give the weights the gain of their activation and start biases at zero, so that χ = 1; for sigmoid and softplus, whose outputs all have a common mean, use a normalization or another activation.",
    reference: "Poole et al. 2016, arXiv:1606.05340; Schoenholz et al. 2017, arXiv:1611.01232; Cho & Saul 2009",
};

/// ln of the factor that six depth scales leave.
const TRAINABLE: f64 = 6.0;
/// ln of a factor beyond the length of any training run.
const HOPELESS: f64 = 13.8;

pub(super) const RULE: Rule = Rule::new(&PAGE, run).echoes();

fn run(context: &Context<'_>) -> Vec<Finding> {
    let resets = |place: &Place<'_>| matches!(place.step, Step::Reset | Step::Neutral);
    let trunk = context.main_path.trunk();
    let mut worst: Option<(f64, Finding)> = None;
    let mut start = 0;
    for at in 0..=trunk.len() {
        if at < trunk.len() && !trunk.get(at).is_some_and(resets) {
            continue;
        }
        let stretch = trunk.get(start..at).unwrap_or(&[]);
        let before = trunk.get(..start).unwrap_or(&[]);
        start = at;
        if let Some((excess, finding)) = judge(context, before, stretch)
            && worst.as_ref().is_none_or(|(most, _)| excess > *most)
        {
            worst = Some((excess, finding));
        }
    }
    worst.map(|(_, finding)| finding).into_iter().collect()
}

/// 1 − cosine, above the rounding of f32.
fn difference(place: &Place<'_>) -> Option<f64> {
    let cosine = place.seen.forward.sample_cosine?;
    Some((1.0 - cosine).max(1e-13))
}

fn judge(
    context: &Context<'_>,
    earlier: &[Place<'_>],
    stretch: &[Place<'_>],
) -> Option<(f64, Finding)> {
    let known: Vec<(&Place<'_>, f64)> = stretch
        .iter()
        .filter_map(|place| Some((place, difference(place)?)))
        .collect();
    let (_, before) = *known.first()?;
    let (last, after) = *known.last()?;
    // Samples that are one to begin with are no matter of the network. And where lengths pass
    // through (ReLU without biases), samples of one direction still differ in length, and no scale
    // of the weights changes their directions.
    if before < 1e-6 || keeps_lengths(context, stretch) {
        return None;
    }
    let layers = stretch.iter().filter(|place| place.step == Step::Layer);
    let layers: Vec<&Place<'_>> = layers.collect();
    let expected = 1.0 - rectified_cosine(1.0 - before.min(1.0), layers.len());
    let excess = (expected / after).ln();
    if excess <= TRAINABLE {
        return None;
    }
    let shares = shares(&known);
    // Behind equal units samples differ in one number, which the next layers lose: theirs is not the
    // fault. A bias that all samples share draws them together; else the layer that does most of it.
    let until = earlier.iter().chain(stretch);
    let equal = until
        .rev()
        .find(|place| place.step == Step::Layer && has_equal_units(context, place));
    let most = layers
        .iter()
        .copied()
        .min_by(|a, b| change_at(&shares, a).total_cmp(&change_at(&shares, b)))?;
    let blamed = equal.unwrap_or(most);
    // What one layer alone brings together it can take apart again, as its own gradient is not small.
    let alone = shares.iter().map(|share| share.log_change);
    let severity = if excess + alone.fold(0.0, f64::min) > HOPELESS {
        Severity::Error
    } else {
        Severity::Warning
    };
    let biases = layers.iter().filter_map(|layer| {
        let bias = context.made_by(layer.seen).shift?;
        let (seen, forward) = (context.seen(bias)?, &layer.seen.forward);
        (seen.rms > 0.5 * forward.rms).then_some((*layer, bias))
    });
    let biases: Vec<_> = biases.collect();
    let spoilt = equal.and_then(|place| Some((place, place.weight?)));
    let (blamed, parameter) = match spoilt.or(biases.first().copied()) {
        Some((place, parameter)) => (place, Some(parameter)),
        None => (blamed, blamed.weight),
    };
    let weights = layers.iter().filter_map(|layer| layer.weight);
    let names = parameter
        .into_iter()
        .chain(biases.iter().map(|(_, bias)| *bias))
        .chain(weights);
    let mut names: Vec<&str> = names.map(|parameter| parameter.name.as_str()).collect();
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    let mut fixes = names
        .into_iter()
        .filter_map(|name| context.proposal.fix(name));
    let finding = Finding {
        code: CODE,
        severity,
        node: blamed.seen.node.clone(),
        parameter: parameter.map(|parameter| parameter.name.clone()),
        message: format!(
            "what tells two samples apart, 1 − their cosine, falls from {} to {} at `{}` over {} layers, where as many layers of ReLU at the right scale leave {}: all inputs look alike",
            number(before),
            number(after),
            last.seen.node,
            layers.len(),
            number(expected)
        ),
        evidence: Evidence {
            shares,
            ..Evidence::new(after, expected, [expected * (-TRAINABLE).exp(), 2.0])
        },
        fix: fixes.next(),
        further_fixes: fixes.collect(),
    };
    Some((excess, finding))
}

/// Whether half of a layer's units or more have the same weights as another one.
fn has_equal_units(context: &Context<'_>, place: &Place<'_>) -> bool {
    let seen = place.weight.and_then(|weight| context.seen(weight));
    let units = seen.and_then(|seen| seen.units.as_ref());
    units.is_some_and(|units| units.count > 1 && 2 * units.distinct_weights <= units.count)
}

/// What so many layers of ReLU of critical scale make of a cosine between samples.
pub(super) fn rectified_cosine(cosine: f64, layers: usize) -> f64 {
    let critical = LayerMap::of(Activation::Relu, 2.0, 0.0);
    (0..layers).fold(cosine, |c, _| critical.correlation(1.0, c))
}

/// Whether a chain maps a·x to a·y for positive a, so that the lengths of samples reach its end.
fn keeps_lengths(context: &Context<'_>, stretch: &[Place<'_>]) -> bool {
    stretch.iter().all(|place| {
        let homogeneous = context.operator(place.seen).is_none_or(|operator| {
            let facts = operator.facts();
            match facts.class {
                Class::Linear | Class::Arranges => true,
                Class::Activation => facts.degree == Some(1.0),
                _ => *operator == Operator::Binary(Binary::Add),
            }
        });
        let shift = context.made_by(place.seen).shift;
        let shift = shift.and_then(|shift| context.seen(shift));
        homogeneous && shift.is_none_or(|shift| shift.rms == 0.0)
    })
}

/// The change of ln(1 − cosine) by layer; they add up to the whole.
fn shares(known: &[(&Place<'_>, f64)]) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    for pair in known.windows(2) {
        let [(_, before), (place, after)] = pair else {
            continue;
        };
        let change = (after / before).ln();
        match shares.last_mut() {
            Some(share) if place.step == Step::Plain => share.log_change += change,
            _ => shares.push(Share {
                node: place.seen.node.clone(),
                parameter: place.weight.map(|weight| weight.name.clone()),
                log_change: change,
            }),
        }
    }
    shares
}

fn change_at(shares: &[Share], layer: &Place<'_>) -> f64 {
    let share = shares.iter().find(|share| share.node == layer.seen.node);
    share.map_or(0.0, |share| share.log_change)
}

#[cfg(test)]
mod tests {
    use super::rectified_cosine;

    /// The arc-cosine kernel of order 1 (Cho & Saul 2009), iterated from 0.
    #[test]
    fn the_cosine_map_of_relu() {
        for (layers, cosine) in [
            (1, std::f64::consts::FRAC_1_PI),
            (2, 0.493_731_09),
            (10, 0.871_535_52),
            (100, 0.996_423_15),
        ] {
            assert!(
                (rectified_cosine(0.0, layers) - cosine).abs() < 1e-8,
                "{layers}"
            );
        }
    }
}
