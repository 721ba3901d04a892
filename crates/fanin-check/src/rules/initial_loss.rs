//! F601: the first loss is far from that of a guess.

use super::{Rule, scale};
use crate::context::{Context, number};
use crate::drift::{self, Departure, Direction};
use crate::main_path::Place;
use crate::{Code, Evidence, Finding, Fix, Page, Severity};

const CODE: Code = Code(601);

const PAGE: Page = Page {
    code: CODE,
    title: "a first loss far above that of a blind guess",
    what: "Read as logits, the output starts with a cross entropy well above ln C, that of giving each of C classes the same probability.",
    why: "The network starts out confident and wrong. The first steps only shrink the logits, and what the hidden layers learn from the saturated softmax meanwhile is noise.",
    judged: "Logits of standard deviation σ cost about ln C + σ²/2 while σ is small, and in proportion to σ \
beyond. Weights of critical scale leave σ near 1, half a nat; up to σ = 2, two nats above ln C, counts \
as no fault. Beyond it is a warning. A step that a softmax bears moves logits by about one, so that as \
many steps as there are nats go into unlearning them; by then the layers behind have been pushed about \
by gradients that mean nothing. 50 nats above ln C are an error.",
    fix: "Scale the last layer down: gain 1 instead of that of a hidden layer, or start it near zero.",
    reference: "Karpathy 2019, A recipe for training neural networks; Goodfellow, Bengio & Courville 2016, section 6.2.2",
};

/// Standard deviation of logits up to which the excess is no fault.
const LOGITS: f64 = 2.0;
/// Nats above a guess that training does not get rid of in time: of networks that were trained to
/// find out, those with 30 still got half of the way and those with 75 hardly left the start.
const HOPELESS: f64 = 50.0;

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    let output = &context.trace.output;
    let Some(loss) = output.initial_loss else {
        return Vec::new();
    };
    let axis = if output.shape.len() >= 4 {
        output.shape.get(1)
    } else {
        output.shape.last()
    };
    let guess = (axis.copied().unwrap_or(1).max(1) as f64).ln();
    let limit = guess + 0.5 * LOGITS * LOGITS;
    if loss <= limit || guess == 0.0 {
        return Vec::new();
    }
    let head = context.main_path.head();
    let (place, fixes) = match louder(context, head) {
        Some(departure) => {
            let fixes: Vec<Fix> = scale::changes(context, &departure).collect();
            (Some(departure.blamed.clone()), fixes)
        }
        None => {
            let weight = head.and_then(|head| head.weight);
            let fix = weight.and_then(|weight| context.proposal.fix(&weight.name));
            (head.cloned(), fix.into_iter().collect())
        }
    };
    // Weights that are louder than any scheme makes them are drawn anew together.
    let named: Vec<String> = fixes
        .iter()
        .map(|fix: &Fix| fix.parameter.clone())
        .collect();
    let loud = context.network.parameters.iter().filter(|parameter| {
        let std = context.proposed_std(parameter).filter(|std| *std > 0.0);
        let seen = context.seen(parameter).filter(|seen| seen.units.is_some());
        let loudness = std
            .zip(seen)
            .map_or(0.0, |(std, seen)| (seen.rms / std).ln());
        loudness > scale::SCHEMES && !named.contains(&parameter.name)
    });
    let loud = loud.filter_map(|parameter| context.proposal.fix(&parameter.name));
    let mut fixes = fixes.into_iter().chain(loud);
    vec![Finding {
        code: CODE,
        severity: if loss - guess > HOPELESS {
            Severity::Error
        } else {
            Severity::Warning
        },
        node: place
            .as_ref()
            .map_or_else(|| output.value.clone(), |place| place.seen.node.clone()),
        parameter: place
            .and_then(|place| place.weight)
            .map(|weight| weight.name.clone()),
        message: format!(
            "the first loss is {}, where a blind guess costs {}: the logits have an rms of {}",
            number(loss),
            number(guess),
            number(output.rms)
        ),
        evidence: Evidence::new(loss, guess, [guess, limit]),
        fix: fixes.next(),
        further_fixes: fixes.collect(),
    }]
}

/// Where the signal grows, if that does more than the head's own scale.
fn louder<'a, 'b>(context: &'b Context<'a>, head: Option<&Place<'a>>) -> Option<Departure<'a, 'b>> {
    let points = drift::forward(context);
    let departure = drift::departure(&points, Direction::Up)?;
    let weight = head.and_then(|head| head.weight);
    let own = weight.and_then(|weight| {
        let std = context.proposed_std(weight).filter(|std| *std > 0.0)?;
        Some((context.seen(weight)?.rms / std).ln())
    });
    (departure.change > own.unwrap_or(0.0)).then_some(departure)
}
