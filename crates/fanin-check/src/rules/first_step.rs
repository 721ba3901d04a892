//! F705: the first step is too large or too small for the weights.

use fanin_network::Role;
use fanin_run::ParameterObservation;

use super::Rule;
use crate::context::{Context, number};
use crate::{Code, Evidence, Finding, Fix, Optimizer, Page, Severity};

const CODE: Code = Code(705);

const PAGE: Page = Page {
    code: CODE,
    title: "a first step that is too large or too small for the weights",
    what: "With the optimizer and learning rate given, the first step changes what a layer computes by more than the layer computes, or by next to nothing.",
    why: "A step that overwrites a layer throws away its start, and the loss jumps; steps that change nothing for thousands of updates leave the layer as it was drawn.",
    judged: "The step of a weight over its rms, times √fan_in: a step is aligned with what the layer reads, so its \
terms add up where those of random weights average out, and this is the relative change of the \
layer's output; where a layer starts small so that it may grow (the head, the end of a branch), the \
change against an output of size one. (The usual advice, a ratio of 1e-3, is this for a width of some thousand.) Beyond 1 is \
a warning, beyond 10 an error; below 1/1000 a note, below 1/10⁶ a warning: so many steps does one \
change take. SGD's step is rate times gradient, with the gradient scaled to that of a mean cross entropy \
(or of a mean squared error where the output is no logits); Adam's is the rate.",
    fix: "Change the learning rate; for layers of very different width or scale give each its own.",
    reference: "Karpathy 2022, makemore part 3; Yang & Hu 2021, arXiv:2011.14522; Kingma & Ba 2015, arXiv:1412.6980",
};

/// The usual ratio of 1e-3 at a width of a thousand.
const USUAL: f64 = 0.0316;

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    let Some(optimizer) = context.options.optimizer else {
        return Vec::new();
    };
    let factor = loss_scale(context);
    let steps: Vec<Step<'_>> = context
        .trace
        .parameters
        .iter()
        .filter_map(|seen| step(context, seen, optimizer, factor))
        .collect();
    let largest = steps.iter().max_by(|a, b| a.change.total_cmp(&b.change));
    let smallest = steps.iter().min_by(|a, b| a.change.total_cmp(&b.change));
    let large = largest.and_then(|step| {
        let severity = if step.change > 10.0 {
            Severity::Error
        } else if step.change > 1.0 {
            Severity::Warning
        } else {
            return None;
        };
        let count = steps.iter().filter(|step| step.change > 1.0).count();
        Some(finding(
            context,
            optimizer,
            step,
            severity,
            count,
            "overwrites",
        ))
    });
    let small = smallest.and_then(|step| {
        let severity = if step.change < 1e-6 {
            Severity::Warning
        } else if step.change < 1e-3 {
            Severity::Note
        } else {
            return None;
        };
        let count = steps.iter().filter(|step| step.change < 1e-3).count();
        Some(finding(
            context,
            optimizer,
            step,
            severity,
            count,
            "hardly changes",
        ))
    });
    large.into_iter().chain(small).collect()
}

struct Step<'a> {
    seen: &'a ParameterObservation,
    /// Step over weight, root mean squares.
    ratio: f64,
    /// Relative change of the layer's output.
    change: f64,
}

fn step<'a>(
    context: &Context<'a>,
    seen: &'a ParameterObservation,
    optimizer: Optimizer,
    factor: f64,
) -> Option<Step<'a>> {
    let parameter = context.parameter(seen)?;
    // Zeros have no scale to compare with; rows of a table move only where they are picked.
    let judged = !matches!(
        parameter.purpose.role,
        Role::Embedding | Role::PositionEmbedding
    );
    let gradient = seen.gradient_rms.filter(|rms| *rms > 0.0 && judged)?;
    let fans = parameter.layout.fans(&parameter.shape).ok()?;
    let step = optimizer.step(gradient * factor);
    let ratio = step / seen.rms;
    // Heads and ends of branches start small, or at zero, so that they may grow: what counts there
    // is the change against an output of size one.
    let purpose = &parameter.purpose;
    let grows = purpose.role == Role::OutputHead || purpose.residual_branches.is_some();
    let least = if grows { 1.0 / fans.fan_in.sqrt() } else { 0.0 };
    let change = step / seen.rms.max(least) * fans.fan_in.sqrt();
    (seen.rms > 0.0 && change.is_finite()).then_some(Step {
        seen,
        ratio,
        change,
    })
}

/// What turns the run's gradients, for a random gradient of size one at the output, into those of a
/// mean loss.
fn loss_scale(context: &Context<'_>) -> f64 {
    let output = &context.trace.output;
    let elements: f64 = output.shape.iter().map(|&size| size as f64).product();
    let given = context.observation(&output.value);
    let given = given.and_then(|seen| seen.backward.as_ref());
    let given = given
        .map_or(1.0, |gradient| gradient.rms)
        .max(f64::MIN_POSITIVE);
    let wanted = match output.initial_loss {
        Some(_) => {
            let axis = if output.shape.len() >= 4 {
                output.shape.get(1)
            } else {
                output.shape.last()
            };
            let classes = axis.copied().unwrap_or(1).max(2) as f64;
            // (softmax − one hot) / rows, near a uniform softmax.
            (classes - 1.0).sqrt() / classes / (elements / classes).max(1.0)
        }
        // 2 (y − t) / n against targets of size one.
        None => 2.0 * (output.rms * output.rms + 1.0).sqrt() / elements.max(1.0),
    };
    wanted / given
}

fn finding(
    context: &Context<'_>,
    optimizer: Optimizer,
    step: &Step<'_>,
    severity: Severity,
    count: usize,
    verb: &str,
) -> Finding {
    let others = match count {
        0 | 1 => String::new(),
        n => format!(", and the like at {} more", n - 1),
    };
    let fix: Option<Fix> = context.proposal.fix(&step.seen.name).filter(|fix| {
        // Only weights that are off themselves are to blame; else it is the rate.
        let parameter = context.parameter(step.seen);
        let proposed = parameter.and_then(|parameter| {
            let filler = fix.initializer.resolve(&parameter.shape, &parameter.layout);
            filler.ok()?.expected_std()
        });
        proposed.is_some_and(|std| std > 0.0 && !(0.1..10.0).contains(&(std / step.seen.rms)))
    });
    Finding {
        code: CODE,
        severity,
        node: context.reader(step.seen),
        parameter: Some(step.seen.name.clone()),
        message: format!(
            "the first step of {optimizer} {verb} `{}`: it is {} of the weights, which changes the layer's output by {} of itself{others}",
            step.seen.name,
            number(step.ratio),
            number(step.change)
        ),
        evidence: Evidence::new(step.change, USUAL, [1e-3, 1.0]),
        fix,
        further_fixes: Vec::new(),
    }
}
