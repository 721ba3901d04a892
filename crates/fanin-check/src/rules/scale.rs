//! What the four rules on growing and fading scales share: turning a departure into a finding.

use fanin_network::Parameter;

use crate::context::{Context, number};
use crate::drift::{Departure, Direction};
use crate::main_path::Place;
use crate::{Code, Evidence, Finding, Share};

/// The log of a factor that is worth a word.
const ASIDE: f64 = 0.4;

/// The finding for a departure of the forward walk.
pub(super) fn forward(context: &Context<'_>, code: Code, departure: &Departure<'_, '_>) -> Finding {
    let measured = departure.to.place.seen.forward.rms;
    let expected = departure.to.place.reference * departure.from.level.exp();
    let message = format!(
        "the signal {} from rms {} after `{}` to {} after `{}`: {}",
        verb(departure),
        number(departure.from.place.seen.forward.rms),
        departure.from.place.seen.node,
        number(measured),
        departure.to.place.seen.node,
        cause(context, departure, "signal", 0.0),
    );
    finding(context, code, departure, message, measured, expected)
}

/// The finding for a departure of the backward walk.
pub(super) fn backward(
    context: &Context<'_>,
    code: Code,
    departure: &Departure<'_, '_>,
) -> Finding {
    let at = |place: &Place<'_>| {
        place
            .seen
            .backward
            .as_ref()
            .map_or(0.0, |gradient| gradient.rms)
    };
    let measured = at(departure.to.place);
    let expected = measured * (-departure.change).exp();
    let message = format!(
        "the gradient {} on its way back from rms {} at `{}` to {} at `{}`: {}",
        verb(departure),
        number(at(departure.from.place)),
        departure.from.place.seen.node,
        number(measured),
        departure.to.place.seen.node,
        cause(
            context,
            departure,
            "gradient",
            (expected / at(departure.from.place)).ln(),
        ),
    );
    finding(context, code, departure, message, measured, expected)
}

fn direction(departure: &Departure<'_, '_>) -> Direction {
    if departure.change < 0.0 {
        Direction::Down
    } else {
        Direction::Up
    }
}

fn verb(departure: &Departure<'_, '_>) -> &'static str {
    match direction(departure) {
        Direction::Down => "fades",
        Direction::Up => "grows",
    }
}

/// The numbers of a departure: what was measured at its end, what was expected there, and who
/// contributes how much.
pub(super) fn evidence(departure: &Departure<'_, '_>, measured: f64, expected: f64) -> Evidence {
    let reach = departure.band.exp();
    Evidence {
        shares: departure.shares.iter().map(share).collect(),
        ..Evidence::new(measured, expected, [expected / reach, expected * reach])
    }
}

/// Who is to blame, in words. `otherwise` is the log of what takes place beside it, as pooling does.
fn cause(
    context: &Context<'_>,
    departure: &Departure<'_, '_>,
    what: &str,
    otherwise: f64,
) -> String {
    let layers = departure.layers.len();
    let mended = changes(context, departure).next().is_some();
    let mut text = if departure.even {
        format!(
            "each of the {layers} layers multiplies it by {} on average{}",
            number((departure.change / layers as f64).exp()),
            if otherwise.abs() > ASIDE {
                format!(
                    ", beside a factor {} of pooling and the like",
                    number(otherwise.exp())
                )
            } else {
                String::new()
            }
        )
    } else {
        let weight = departure.blamed.weight.map_or(String::new(), |weight| {
            format!(" (weight `{}`)", weight.name)
        });
        let of = if layers > 1 {
            format!(
                ", of {} over {layers} layers",
                number(departure.change.exp())
            )
        } else {
            String::new()
        };
        format!(
            "`{}`{weight} multiplies it by {}{of}",
            departure.blamed.seen.node,
            number(departure.share.exp()),
        )
    };
    if !mended {
        text.push_str(&format!(
            "; the weights have their best known scale already, so a {what} that keeps its size needs a normalization, a residual connection or another activation"
        ));
    }
    text
}

/// The parameters to change: the blamed one first, then, where the fault is even, the others.
pub(super) fn changes(
    context: &Context<'_>,
    departure: &Departure<'_, '_>,
) -> impl Iterator<Item = crate::Fix> {
    let others = departure.layers.iter().filter(|_| departure.even);
    let places = std::iter::once(&departure.blamed).chain(others);
    let mut names: Vec<&str> = Vec::new();
    for place in places {
        if let Some(weight) = place.weight
            && !names.contains(&weight.name.as_str())
        {
            names.push(&weight.name);
        }
    }
    let head = context.main_path.head().and_then(|head| head.weight);
    if let Some(head) = head.filter(|head| departure.even && off_like(context, head, departure)) {
        names.push(&head.name);
    }
    let fixes: Vec<_> = names
        .into_iter()
        .filter_map(|name| context.proposal.fix(name))
        .collect();
    fixes.into_iter()
}

/// ln of the factor in rms by which known schemes differ, √6.
pub(super) const SCHEMES: f64 = 0.896;

/// Whether the head, which no walk judges, is off as the layers before it are, and by more than
/// schemes differ: then it was drawn as they were.
fn off_like(context: &Context<'_>, head: &Parameter, departure: &Departure<'_, '_>) -> bool {
    let seen = context.seen(head).map(|seen| seen.rms);
    let (Some(rms), Some(std)) = (seen, context.proposed_std(head)) else {
        return false;
    };
    rms > 0.0 && std > 0.0 && (rms / std).ln() * departure.change.signum() > SCHEMES
}

fn finding(
    context: &Context<'_>,
    code: Code,
    departure: &Departure<'_, '_>,
    message: String,
    measured: f64,
    expected: f64,
) -> Finding {
    let mut fixes = changes(context, departure);
    let fix = fixes.next();
    Finding {
        code,
        severity: departure.severity,
        node: departure.blamed.seen.node.clone(),
        parameter: departure.blamed.weight.map(|weight| weight.name.clone()),
        message,
        evidence: evidence(departure, measured, expected),
        fix,
        further_fixes: fixes.collect(),
    }
}

pub(super) fn share((place, log_change): &(&Place<'_>, f64)) -> Share {
    Share {
        node: place.seen.node.clone(),
        parameter: place.weight.map(|weight| weight.name.clone()),
        log_change: *log_change,
    }
}
