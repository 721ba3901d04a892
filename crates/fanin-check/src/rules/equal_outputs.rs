//! F305: units that compute the same, for now.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use fanin::Axis;
use fanin_network::{HostTensor, Parameter};
use fanin_run::ParameterObservation;

use super::Rule;
use crate::context::Context;
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(305);

const PAGE: Page = Page {
    code: CODE,
    title: "units that put out the same, or are read alike",
    what: "Output units of a weight have the same incoming weights bit by bit, or input units have the same outgoing ones, while something else still tells them apart.",
    why: "At the start the layer does the work of fewer units. Training separates them, since their gradients differ, but slowly where the difference is small.",
    judged: "Counts the distinct slices of the weight along its output axis and along its input axis; random draws of eight elements and more are all distinct. A note: it is meant so where pixel shuffles (ICNR) or experts start as copies. Equal units with equal gradients are F301, a weight of one number is F501, zeros are F302.",
    fix: "Draw every unit on its own, unless the copies are meant.",
    reference: "Goodfellow, Bengio & Courville 2016, Deep Learning, section 8.4; Aitken et al. 2017, arXiv:1707.02937",
};

/// Slices of fewer elements may agree by being short, in half precision above all.
const ENOUGH: usize = 8;

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    let parameters = context.trace.parameters.iter();
    parameters.filter_map(|seen| judge(context, seen)).collect()
}

fn judge(context: &Context<'_>, seen: &ParameterObservation) -> Option<Finding> {
    let varies = seen.range.0 < seen.range.1 && seen.non_finite == 0;
    let units = seen.units.as_ref();
    let units = units.filter(|_| varies && !context.is_offset(seen))?;
    let dead = (context.dead_after(seen) * units.count as f64).round() as usize;
    let stuck = units.distinct_gradients.is_some_and(|gradients| {
        let still = dead.max(units.still_gradients.unwrap_or(0));
        let gradients = gradients + still.saturating_sub(1);
        gradients.max(units.distinct_weights) < units.count
    });
    if stuck {
        return None; // F301
    }
    let parameter = context.parameter(seen)?;
    let elements: usize = seen.shape.iter().product();
    let (what, distinct, count) =
        if units.distinct_weights < units.count && elements / units.count >= ENOUGH {
            ("put out the same", units.distinct_weights, units.count)
        } else {
            let (distinct, count) = distinct_inputs(parameter, context.weights.get(&seen.name)?)?;
            if distinct == count {
                return None;
            }
            ("are read alike", distinct, count)
        };
    Some(Finding {
        code: CODE,
        severity: Severity::Note,
        node: context.reader(seen),
        parameter: Some(seen.name.clone()),
        message: format!(
            "units of `{}` {what}: {distinct} of {count} are distinct at the start",
            seen.name
        ),
        evidence: Evidence::exact(distinct as f64, count as f64),
        fix: None,
        further_fixes: Vec::new(),
    })
}

/// How many slices along the input axis differ, and how many there are.
fn distinct_inputs(parameter: &Parameter, tensor: &HostTensor) -> Option<(usize, usize)> {
    let axis = parameter
        .layout
        .axes
        .iter()
        .position(|&a| a == Axis::Input)?;
    let count = *parameter.shape.get(axis)?;
    let inner: usize = parameter.shape.get(axis + 1..)?.iter().product();
    let data = match &tensor.data {
        fanin_network::HostData::F32(data) => data,
        _ => return None,
    };
    if count < 2 || inner == 0 || data.len() / count < ENOUGH {
        return None;
    }
    // What differs in its first elements need not be read to the end.
    let first = data.len().min(count * inner * FIRST.div_ceil(inner));
    let distinct = distinct_slices(data.get(..first)?, count, inner);
    if distinct == count || first == data.len() {
        return Some((distinct, count));
    }
    Some((distinct_slices(data, count, inner), count))
}

/// Elements of each slice that are read first.
const FIRST: usize = 32;

/// Number of different slices of `[outer, count, inner]`, compared through a 64-bit hash.
fn distinct_slices(data: &[f32], count: usize, inner: usize) -> usize {
    let mut hashes: Vec<DefaultHasher> = vec![DefaultHasher::new(); count];
    for (k, part) in data.chunks(inner).enumerate() {
        if let Some(hash) = hashes.get_mut(k % count) {
            part.iter().for_each(|x| x.to_bits().hash(hash));
        }
    }
    let distinct: HashSet<u64> = hashes.iter().map(|hash| hash.finish()).collect();
    distinct.len()
}
