//! F504: a scheme that is made for another activation.

use std::collections::BTreeMap;

use fanin::{Activation, Fans};
use fanin_network::Parameter;

use super::Rule;
use crate::context::{Context, number};
use crate::family::{Family, Size, fed_activation, wanted};
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(504);

const PAGE: Page = Page {
    code: CODE,
    title: "a scheme that is made for another activation",
    what: "Weights have exactly the variance that a known scheme gives, but not one that suits the activation they feed.",
    why: "Before ReLU half of the second moment is lost, which He's 2/fan_in makes up for; LeCun's 1/fan_in and Xavier's fade by half per layer there, and He's before tanh is twice too much. A few layers bear it, many do not: F101, F102, F201 and F202 say when.",
    judged: "The sample variance of n weights lies within √(2/n) · 3.29 of the true one on a log scale (a χ² \
interval), narrow enough to tell He from LeCun, a factor 2, from 250 elements on. A note where the \
variance agrees with another scheme at the right fans and with none that suits the activation: He by \
fan_in or fan_out for the ReLU family, Xavier or LeCun for tanh and its kin, LeCun for SELU. Other \
activations have no one scheme, and weights before a norm or at the end of a branch may have any.",
    fix: "Use the scheme of the activation; recipe auto does.",
    reference: "LeCun et al. 1998; Glorot & Bengio 2010; He et al. 2015, arXiv:1502.01852; Klambauer et al. 2017, arXiv:1706.02515",
};

/// Wider intervals cannot tell a factor of two.
const TELLING: f64 = 0.34;

struct Found<'a> {
    parameter: &'a Parameter,
    fans: Fans,
    size: Size,
    activation: Activation,
}

pub(super) const RULE: Rule = Rule::new(&PAGE, run).explains();

fn run(context: &Context<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<(&str, String), Vec<Found<'_>>> = BTreeMap::new();
    for seen in &context.trace.parameters {
        let Some(parameter) = context.parameter(seen) else {
            continue;
        };
        let Some((family, found)) = judge(context, parameter) else {
            continue;
        };
        let key = (family.name(), found.activation.to_string());
        groups.entry(key).or_default().push(found);
    }
    let findings = groups.into_iter();
    findings
        .filter_map(|((family, activation), found)| finding(context, family, &activation, &found))
        .collect()
}

fn judge<'a>(context: &Context<'a>, parameter: &'a Parameter) -> Option<(Family, Found<'a>)> {
    let activation = fed_activation(parameter)?;
    let fans = parameter.layout.fans(&parameter.shape).ok()?;
    let seen = context.seen(parameter)?;
    let size = Size::of(seen, context.factor(seen))?;
    let wanted = wanted(activation);
    let suits = wanted
        .iter()
        .any(|family| size.agrees(suited(*family, activation, fans)));
    if wanted.is_empty() || size.reach > TELLING || suits {
        return None;
    }
    let family = Family::of(&size, fans)?;
    let found = Found {
        parameter,
        fans,
        size,
        activation,
    };
    // A leaky slope brings He so near to the plain one that they agree.
    (!wanted.contains(&family)).then_some((family, found))
}

/// The variance of a scheme, with the gain of the activation where the scheme has one.
fn suited(family: Family, activation: Activation, fans: Fans) -> f64 {
    let gain = match family {
        Family::He | Family::HeOut => activation.gain().value().powi(2) / 2.0,
        _ => 1.0,
    };
    gain * family.variance(fans)
}

fn finding(
    context: &Context<'_>,
    family: &str,
    activation: &str,
    found: &[Found<'_>],
) -> Option<Finding> {
    let first = found.first()?;
    let right = *wanted(first.activation).first()?;
    let target = suited(right, first.activation, first.fans);
    let (fan, reach) = (first.fans.fan_in, first.size.reach.exp());
    let who = match found.len() {
        1 => format!("`{}` has", first.parameter.name),
        n => format!("{n} weights, the first `{}`, have", first.parameter.name),
    };
    let mut fixes = found
        .iter()
        .filter_map(|found| context.proposal.fix(&found.parameter.name));
    Some(Finding {
        code: CODE,
        severity: Severity::Note,
        node: context.reader(context.seen(first.parameter)?),
        parameter: Some(first.parameter.name.clone()),
        message: format!(
            "{who} the scale of {family}, but {activation} wants {}: variance times fan_in is {}, not {}",
            right.name(),
            number(first.size.variance * fan),
            number(target * fan)
        ),
        evidence: Evidence::new(
            first.size.variance * fan,
            target * fan,
            [target * fan / reach, target * fan * reach],
        ),
        fix: fixes.next(),
        further_fixes: fixes.collect(),
    })
}
