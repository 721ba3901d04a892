//! F402: neighbouring samples fly apart.

use fanin::moments::expectation;
use fanin_network::role::activation::recognize;
use fanin_theory::band::{DEVIATIONS, layer_variance, width};

use super::Rule;
use crate::context::{Context, number};
use crate::main_path::{Place, Step};
use crate::{Code, Evidence, Finding, Page, Severity, Share};

const CODE: Code = Code(402);

const PAGE: Page = Page {
    code: CODE,
    title: "neighbouring samples fly apart (chaos)",
    what: "A chain of bounded activations has weights so large that each layer drives neighbouring inputs further apart, deeper than the depth over which training can follow.",
    why: "The output changes wildly between inputs that are nearly the same, so that what is learned on one says nothing of its neighbour; the gradient grows by the same factor per layer.",
    judged: "χ = σw² E[φ′(h)²] per layer, with σw² = fan_in · E[w²] of the weight that reads the activation and h \
as large as it was measured: the factor on the squared distance of neighbours, 1 at criticality, and \
the factor on the squared gradient. A depth of six times ξ = 1/ln χ, Σ ln χ = 6, is where training \
begins to fail, beyond the band of luck a note; growth by 31.6 in rms is a warning, by 1000 an error.",
    fix: "Scale the weights down to the critical line: Xavier for tanh with zero biases.",
    reference: "Poole et al. 2016, arXiv:1606.05340; Schoenholz et al. 2017, arXiv:1611.01232",
};

/// Σ ln χ over six depth scales.
const TRAINABLE: f64 = 6.0;
/// Σ ln χ that is a factor of 31.6 in rms.
const SLOW: f64 = 6.91;
/// Σ ln χ that is a factor of 1000 in rms.
const HOPELESS: f64 = 13.82;

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    let trunk = context.main_path.trunk();
    // Sums and norms keep neighbours together; what lies between them is a chain of its own.
    let chains = trunk.split(|place| matches!(place.step, Step::Reset | Step::Joint));
    let found = chains.filter_map(|chain| judge(context, chain));
    let worst = found.max_by(|a, b| a.evidence.measured.total_cmp(&b.evidence.measured));
    worst.into_iter().collect()
}

fn judge(context: &Context<'_>, chain: &[Place<'_>]) -> Option<Finding> {
    let mut shares: Vec<(Share, &Place<'_>)> = Vec::new();
    let (mut total, mut variance) = (0.0, 0.0);
    for (at, place) in chain.iter().enumerate() {
        let next = chain.iter().skip(at + 1).find(|p| p.step == Step::Layer);
        let Some((next, chi)) = next.and_then(|next| Some((next, chi(context, place, next)?)))
        else {
            continue;
        };
        total += chi.ln();
        variance += layer_variance(3.0, width(&next.seen.shape));
        let share = Share {
            node: next.seen.node.clone(),
            parameter: next.weight.map(|weight| weight.name.clone()),
            log_change: chi.ln(),
        };
        shares.push((share, next));
    }
    let band = DEVIATIONS * variance.sqrt();
    let excess = total - band;
    let severity = if excess > HOPELESS {
        Severity::Error
    } else if excess > SLOW {
        Severity::Warning
    } else if excess > TRAINABLE {
        Severity::Note
    } else {
        return None;
    };
    let most = shares
        .iter()
        .max_by(|(a, _), (b, _)| a.log_change.total_cmp(&b.log_change));
    let (_, blamed) = most?;
    let names = shares
        .iter()
        .filter_map(|(share, _)| share.parameter.as_deref());
    let names = blamed
        .weight
        .map(|weight| weight.name.as_str())
        .into_iter()
        .chain(names);
    let mut seen = std::collections::BTreeSet::new();
    let names: Vec<&str> = names.filter(|name| seen.insert(*name)).collect();
    let mut fixes = names
        .into_iter()
        .filter_map(|name| context.proposal.fix(name));
    let depth = shares.len();
    Some(Finding {
        code: CODE,
        severity,
        node: blamed.seen.node.clone(),
        parameter: blamed.weight.map(|weight| weight.name.clone()),
        message: format!(
            "neighbouring inputs fly apart: the square of their distance grows by χ = {} per layer on average, so that nothing is carried through more than about 6ξ = {} layers, ξ = 1/ln χ, and this chain is {depth} deep, {}ξ",
            number((total / depth as f64).exp()),
            number(TRAINABLE * depth as f64 / total),
            number(total)
        ),
        evidence: Evidence {
            shares: shares.iter().map(|(share, _)| share.clone()).collect(),
            ..Evidence::new(total, 0.0, [-band, TRAINABLE + band])
        },
        fix: fixes.next(),
        further_fixes: fixes.collect(),
    })
}

/// χ of the step from a pre-activation through its activation into the next layer; `None` where the
/// place is no pre-activation of a bounded function.
fn chi(context: &Context<'_>, place: &Place<'_>, next: &Place<'_>) -> Option<f64> {
    let activation = recognize(context.network, context.id(place.seen)?)?.activation;
    // Unbounded activations scale what they are fed; F102 and F202 see them grow.
    if activation.eval(1e6).abs() > 1e3 || activation.eval(-1e6).abs() > 1e3 {
        return None;
    }
    let weight = next.weight?;
    let fans = weight.layout.fans(&weight.shape).ok()?;
    let rms = context.seen(weight)?.rms;
    let forward = &place.seen.forward;
    let spread = (forward.rms * forward.rms - forward.mean * forward.mean).max(0.0);
    let slope = expectation(
        |x| activation.derivative(x).powi(2),
        forward.mean,
        spread.sqrt(),
    );
    let chi = fans.fan_in * rms * rms * slope;
    (chi > 0.0 && chi.is_finite()).then_some(chi)
}
