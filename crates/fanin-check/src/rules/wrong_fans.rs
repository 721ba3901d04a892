//! F503: the scale that a slip in the fans would give.

use std::collections::BTreeMap;

use fanin::Fans;
use fanin_network::{Parameter, Role};
use fanin_run::ParameterObservation;

use super::Rule;
use crate::context::{Context, number};
use crate::family::{Family, Size, fed_activation, slips, wanted};
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(503);

const PAGE: Page = Page {
    code: CODE,
    title: "the scale of a slip in the fans",
    what: "A weight has the variance that its scheme would give if its fans were read off the shape wrongly.",
    why: "fan_in must be the number of terms in one output's sum. Exchanged axes, forgotten groups or kernel positions, an embedding's vocabulary, fused matrices taken for one: each shifts the scale by a factor that depends on the shape, so that some layers are loud and others faint.",
    judged: "The sample variance disagrees with every known scheme at the right fans by more than its χ² interval, \
agrees with the scheme its place asks for at fans that one slip would give, and is off by 1.22 in rms \
or more. \
Up to 2.45 in rms, what known schemes differ by, it is a note; a warning beyond, an error beyond 30; \
always a note where a norm takes the scale away.",
    fix: "Say what the axes mean: fanin reads it off the graph. In PyTorch transpose the weight before you fill it, or fill it by part.",
    reference: "He et al. 2015, arXiv:1502.01852, section 2.2; fan computation of torch.nn.init and keras.initializers",
};

/// Wider intervals would agree with some slip by chance.
const TELLING: f64 = 0.12;
/// ln of the factor in rms from which a slip is worth a word.
const WORTH: f64 = 0.2;
/// ln of the factor in rms by which known schemes differ, √6.
const SCHEMES: f64 = 0.896;
/// ln of the factor in rms that no scheme comes near (see F101).
const MISTAKE: f64 = 3.4;

pub(super) const RULE: Rule = Rule::new(&PAGE, run).explains();

/// Findings of the same slip, the gravest first: one is reported, the others are counted.
fn run(context: &Context<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
    for seen in &context.trace.parameters {
        if let Some((slip, finding)) = judge(context, seen) {
            groups.entry(slip).or_default().push(finding);
        }
    }
    let groups = groups.into_values();
    groups.filter_map(merged).collect()
}

fn merged(mut findings: Vec<Finding>) -> Option<Finding> {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let others = findings.split_off(1.min(findings.len()));
    let mut first = findings.pop()?;
    if !others.is_empty() {
        let more = format!("; and the like at {} more weights", others.len());
        first.message.push_str(&more);
    }
    first.further_fixes = others.into_iter().filter_map(|other| other.fix).collect();
    Some(first)
}

/// The schemes that a parameter's place asks for.
fn schemes(parameter: &Parameter) -> &'static [Family] {
    if let Some(activation) = fed_activation(parameter) {
        return match wanted(activation) {
            [] => &[Family::He, Family::Lecun, Family::Xavier],
            wanted => wanted,
        };
    }
    match parameter.purpose.role {
        Role::Weight => &[Family::He, Family::Lecun, Family::Xavier],
        Role::Embedding => &[Family::Lecun, Family::Xavier, Family::He],
        Role::OutputHead
        | Role::AttentionQuery
        | Role::AttentionKey
        | Role::AttentionValue
        | Role::AttentionQkv
        | Role::AttentionOutput
        | Role::Gate
        | Role::GateValue
        | Role::RecurrentInput
        | Role::RecurrentHidden => &[Family::Lecun, Family::Xavier],
        _ => &[],
    }
}

/// The kind of slip, and the finding.
fn judge(context: &Context<'_>, seen: &ParameterObservation) -> Option<(String, Finding)> {
    let parameter = context.parameter(seen)?;
    let fans = parameter.layout.fans(&parameter.shape).ok()?;
    let factor = context.factor(seen);
    let size = Size::of(seen, factor).filter(|size| size.reach <= TELLING)?;
    let embedding = parameter.purpose.role == Role::Embedding;
    // A table's right scale is no matter of fans; any size within reason is in use.
    if !embedding && Family::of(&size, fans).is_some() {
        return None;
    }
    let used = context.uses_scale(seen);
    let proposed = context.proposed_std(parameter)? * if used { factor } else { 1.0 };
    let proposed = proposed.powi(2);
    let off = 0.5 * (size.variance / proposed).ln();
    if off.abs() < WORTH {
        return None;
    }
    let schemes = schemes(parameter);
    let (slip, words, family, _) = slips(parameter, fans)
        .into_iter()
        .filter(|(_, _, slip)| !embedding || slip.fan_in != fans.fan_out)
        .flat_map(|(kind, words, slip)| {
            let families = schemes.iter();
            families.map(move |family| (kind, words.clone(), *family, slip))
        })
        .filter(|(_, _, family, slip)| size.agrees(variance(*family, *slip, parameter)))
        .min_by(|a, b| {
            let distance = |(_, _, family, slip): &(&str, String, Family, Fans)| {
                (size.variance / variance(*family, *slip, parameter))
                    .ln()
                    .abs()
            };
            distance(a).total_cmp(&distance(b))
        })?;
    let severity = if parameter.purpose.norm_follows || embedding || off.abs() < SCHEMES {
        Severity::Note
    } else if off.abs() < MISTAKE {
        Severity::Warning
    } else {
        Severity::Error
    };
    let reach = (0.5 * size.reach).exp();
    let expected = proposed.sqrt();
    let finding = Finding {
        code: CODE,
        severity,
        node: context.reader(seen),
        parameter: Some(seen.name.clone()),
        message: format!(
            "`{}` {:?} has the scale of {} with wrong fans: {words}; its rms is {}, {} times what its place asks for",
            seen.name,
            seen.shape,
            family.name(),
            number(seen.rms),
            number(off.exp())
        ),
        evidence: Evidence::new(seen.rms, expected, [expected / reach, expected * reach]),
        fix: context.proposal.fix(&seen.name),
        further_fixes: Vec::new(),
    };
    Some((slip.to_owned(), finding))
}

/// The variance of a scheme at other fans, with the gain of the activation for He's.
fn variance(family: Family, fans: Fans, parameter: &Parameter) -> f64 {
    let gain = match (family, fed_activation(parameter)) {
        (Family::He | Family::HeOut, Some(activation)) if !wanted(activation).is_empty() => {
            activation.gain().value().powi(2) / 2.0
        }
        _ => 1.0,
    };
    gain * family.variance(fans)
}
