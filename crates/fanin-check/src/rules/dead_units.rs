//! F303: more units are dead than chance explains.

use fanin_theory::units::dead_share;

use super::Rule;
use crate::context::{Context, number};
use crate::main_path::Place;
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(303);

const PAGE: Page = Page {
    code: CODE,
    title: "more dead units than chance explains",
    what: "More units of a rectified layer are off for every sample than Gaussian pre-activations of mean zero would leave.",
    why: "A unit that is off for every sample passes no gradient, so its weights do not move: the layer is narrower than it looks, and no later layer can make up for it.",
    judged: "A unit without bias is off for all n samples with probability ∫ Φ(−√c t/√(1 − c))ⁿ dΦ(t), c being the \
cosine between samples before the activation: 2⁻ⁿ for samples that have nothing in common, 1/2 where \
all are alike. (27 % dead units in the 20th layer of a plain He ReLU network are therefore as they \
should be.) The share may exceed this by 3.29 deviations of a binomial count over the layer's units. \
Beyond that it is a note; a warning where less than half of the units are left that should be alive, \
an error where less than a tenth are.",
    fix: "Start biases at zero rather than below, and draw the weights with mean zero.",
    reference: "Lu et al. 2019, arXiv:1903.06733; Sheppard 1899 for n = 2",
};

pub(super) const RULE: Rule = Rule::new(&PAGE, run).redrawn();

fn run(context: &Context<'_>) -> Vec<Finding> {
    let trunk = context.main_path.trunk().iter();
    let worst = trunk
        .filter_map(|place| excess(context, place))
        .max_by(|a, b| {
            (a.severity, a.lost())
                .partial_cmp(&(b.severity, b.lost()))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
    worst
        .map(|excess| finding(context, &excess))
        .into_iter()
        .collect()
}

/// A layer with more dead units than chance explains.
struct Excess<'a, 'b> {
    place: &'b Place<'a>,
    dead: f64,
    expected: f64,
    high: f64,
    severity: Severity,
}

impl Excess<'_, '_> {
    /// Share of the units that should be alive and are not.
    fn lost(&self) -> f64 {
        (self.dead - self.expected) / (1.0 - self.expected).max(f64::MIN_POSITIVE)
    }
}

fn excess<'a, 'b>(context: &Context<'a>, place: &'b Place<'a>) -> Option<Excess<'a, 'b>> {
    let dead = place.seen.forward.dead_units?;
    let before = context.fed(place.seen, 0)?;
    if before.forward.non_finite > 0 || before.forward.rms == 0.0 {
        return None;
    }
    // Without a cosine there is one sample, or none that has a direction: all are alike. What a bias
    // adds is the same in all samples; the expectation is for units without it.
    let bias = context
        .made_by(place.seen)
        .shift
        .and_then(|b| context.seen(b));
    let shared = bias.map_or(0.0, |bias| bias.rms * bias.rms);
    let second = before.forward.rms * before.forward.rms;
    let cosine = match before.forward.sample_cosine {
        Some(cosine) if shared < 0.99 * second => (cosine * second - shared) / (second - shared),
        Some(_) => 0.0,
        None => 1.0,
    };
    let expected = dead_share(cosine, 0.0, context.trace.batch as f64);
    let units = fanin_theory::band::width(&place.seen.shape);
    let deviation = (expected * (1.0 - expected) / units).sqrt();
    let high = (expected + fanin_theory::band::DEVIATIONS * deviation + 1.0 / units).min(1.0);
    if dead <= high {
        return None;
    }
    let alive = (1.0 - dead) / (1.0 - expected).max(f64::MIN_POSITIVE);
    let severity = if alive < 0.1 {
        Severity::Error
    } else if alive < 0.5 {
        Severity::Warning
    } else {
        Severity::Note
    };
    Some(Excess {
        place,
        dead,
        expected,
        high,
        severity,
    })
}

fn finding(context: &Context<'_>, excess: &Excess<'_, '_>) -> Finding {
    let seen = excess.place.seen;
    let before = context.fed(seen, 0).unwrap_or(seen);
    let made = context.made_by(seen);
    // A bias that shifts the units by more than luck would move their mean is the cause.
    let shift = made.shift.filter(|shift| {
        let bias = context.seen(shift);
        bias.is_some_and(|bias| bias.mean < 0.0 && -bias.mean > 0.25 * before.forward.rms)
    });
    let blamed = shift.or(made.scale).or(excess.place.weight);
    Finding {
        code: CODE,
        severity: excess.severity,
        node: seen.node.clone(),
        parameter: blamed.map(|parameter| parameter.name.clone()),
        message: format!(
            "{} % of the units of `{}` are zero for every sample, where {} % are expected{}",
            number(100.0 * excess.dead),
            seen.node,
            number(100.0 * excess.expected),
            match shift {
                Some(shift) => format!(": the bias `{}` holds them below zero", shift.name),
                None => String::new(),
            }
        ),
        evidence: Evidence::new(excess.dead, excess.expected, [0.0, excess.high]),
        fix: blamed.and_then(|parameter| context.proposal.fix(&parameter.name)),
        further_fixes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::collapse::rectified_cosine;
    use super::*;

    fn all_off(cosine: f64, samples: f64) -> f64 {
        dead_share(cosine, 0.0, samples)
    }

    #[test]
    fn orthant_probabilities_have_their_known_ends() {
        for n in [1, 2, 3, 8, 16] {
            let n = f64::from(n);
            assert!((all_off(0.0, n) - 0.5f64.powf(n)).abs() < 1e-12);
            assert!((all_off(0.5, n) - 1.0 / (n + 1.0)).abs() < 1e-9, "{n}");
            assert!((all_off(1.0, n) - 0.5).abs() < 1e-12);
        }
        // Two inputs: 1/4 + arcsin(c)/2π (Sheppard 1899).
        for c in [0.1f64, 0.7, 0.99] {
            let exact = 0.25 + c.asin() / (2.0 * std::f64::consts::PI);
            assert!((all_off(c, 2.0) - exact).abs() < 1e-9, "{c}");
        }
    }

    /// Expected dead share of a plain He ReLU network for 128 and 512 uncorrelated inputs, computed
    /// independently with quadrature to 22 digits.
    #[test]
    fn deep_layers_have_dead_units() {
        for (samples, table) in [
            (
                128.0,
                [
                    (3, 0.0072),
                    (5, 0.0435),
                    (10, 0.146),
                    (20, 0.266),
                    (50, 0.385),
                ],
            ),
            (
                512.0,
                [
                    (3, 0.0018),
                    (5, 0.0214),
                    (10, 0.107),
                    (20, 0.231),
                    (50, 0.366),
                ],
            ),
        ] {
            for (layer, share) in table {
                // The units of layer l see the cosine that l − 1 layers have made.
                let c = rectified_cosine(0.0, layer - 1);
                let expected = all_off(c, samples);
                assert!(
                    (expected - share).abs() < 0.001,
                    "{samples} {layer}: {expected}"
                );
            }
        }
    }
}
