//! F104: a residual stream that grows.

use super::{Rule, scale};
use crate::context::{Context, number};
use crate::drift::{self, Departure, Direction, Point};
use crate::main_path::Step;
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(104);

const PAGE: Page = Page {
    code: CODE,
    title: "a residual stream that grows",
    what: "The branches of a residual network add so much to the stream that it grows from block to block.",
    why: "A branch that keeps the scale of what it reads doubles the second moment at each sum, 2^L over L blocks: the later blocks shout the earlier ones down, gradients grow alike, and the output with them.",
    judged: "The rms of the stream along its sums, where no normalization sets it anew. L branches scaled by \
1/√L leave at most a factor e in the second moment, 1.65 in rms; growth beyond that and the band of \
luck is a note, beyond the band by 31.6 a warning, by 1000 an error (see F102).",
    fix: "Scale the last weight of each branch by 1/√(number of branches), or start it at zero; or normalize what each branch reads.",
    reference: "Zhang et al. 2019, arXiv:1901.09321; Hanin & Rolnick 2018, arXiv:1803.01719; Radford et al. 2019",
};

/// The log of what branches scaled by 1/√L leave, in rms.
const SCALED: f64 = 0.5;

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    let points = drift::forward(context);
    let departure = drift::departure(&points, Direction::Up);
    let finding = match departure {
        Some(departure) if explains(&departure) => Some(grave(context, &departure)),
        Some(_) => None, // F102
        None => mild(context, &points),
    };
    finding.into_iter().collect()
}

/// Whether the sums of a stretch explain at least half of a signal's growth.
pub(super) fn explains(departure: &Departure<'_, '_>) -> bool {
    let sums = departure.shares.iter();
    let sums = sums.filter(|(place, _)| place.step == Step::Joint);
    let (count, growth) = sums.fold((0, 0.0), |(n, sum), (_, change)| (n + 1, sum + change));
    count >= 2 && growth >= 0.5 * departure.change
}

fn grave(context: &Context<'_>, departure: &Departure<'_, '_>) -> Finding {
    let measured = departure.to.place.seen.forward.rms;
    let expected = measured * (-departure.change).exp();
    let sums = departure.shares.iter();
    let sums = sums.filter(|(place, _)| place.step == Step::Joint).count();
    let mut fixes = scale::changes(context, departure);
    let fix = fixes.next();
    Finding {
        code: CODE,
        severity: departure.severity,
        node: departure.blamed.seen.node.clone(),
        parameter: departure.blamed.weight.map(|weight| weight.name.clone()),
        message: format!(
            "the residual stream grows {}-fold in rms over {sums} sums, where branches scaled by 1/√{sums} leave at most {}",
            number(departure.change.exp()),
            number(SCALED.exp())
        ),
        evidence: scale::evidence(departure, measured, expected),
        fix,
        further_fixes: fixes.collect(),
    }
}

/// Growth that slows nothing yet.
fn mild(context: &Context<'_>, points: &[Point<'_, '_>]) -> Option<Finding> {
    let is_sum = |point: &Point<'_, '_>| point.layer.is_some_and(|l| l.step == Step::Joint);
    let first = points.iter().position(is_sum)?.checked_sub(1)?;
    let last = points.iter().rposition(is_sum)?;
    let stretch = points.get(first..=last)?;
    let (from, to) = (stretch.first()?, stretch.last()?);
    let change = to.level - from.level;
    let band = drift::band(from, to);
    let sums = stretch.iter().filter(|point| is_sum(point)).count();
    if from.stretch != to.stretch || sums < 2 || change <= SCALED + band {
        return None;
    }
    let shares = stretch.windows(2).filter_map(|pair| {
        let [before, after] = pair else { return None };
        let place = after.layer.unwrap_or(after.place);
        Some(scale::share(&(place, after.level - before.level)))
    });
    let weight = stretch.get(1)?.layer?.weight;
    let fixes = stretch.iter().filter(|point| is_sum(point));
    let mut fixes = fixes.filter_map(|point| context.proposal.fix(&point.layer?.weight?.name));
    let measured = to.place.seen.forward.rms;
    let expected = measured * (-change).exp();
    let high = expected * (SCALED + band).exp();
    Some(Finding {
        code: CODE,
        severity: Severity::Note,
        node: from.place.seen.node.clone(),
        parameter: weight.map(|weight| weight.name.clone()),
        message: format!(
            "the residual stream grows {}-fold in rms over {sums} sums, where branches scaled by 1/√{sums} leave at most {}",
            number(change.exp()),
            number(SCALED.exp())
        ),
        evidence: Evidence {
            shares: shares.collect(),
            ..Evidence::new(measured, expected, [expected, high])
        },
        fix: fixes.next(),
        further_fixes: fixes.collect(),
    })
}
