//! F202: the gradient grows on its way back.

use super::{Rule, norm_growth, scale};
use crate::context::Context;
use crate::drift::{self, Direction};
use crate::{Code, Finding, Page};

pub(super) const CODE: Code = Code(202);

const PAGE: Page = Page {
    code: CODE,
    title: "the gradient grows on its way back",
    what: "The gradient at the first layers is larger than at the last by more than luck allows.",
    why: "Steps that suit the last layers throw the first ones far off, and the loss jumps or turns NaN.",
    judged: "The length of the gradient with respect to activations (not to weights), from the last hidden \
layer back to the first, along the values that every way passes; where a normalization removes the \
scale of a value, the gradient times that scale. Critical weights keep it, up to the same random walk \
as forward. Beyond its band a factor of 31.6 is a warning, in one layer alone 10, and 1000 an error.",
    fix: "Give the weights the gain of the activation they feed. (Growth that batch norms make, whatever the weights, is F203.)",
    reference: "Schoenholz et al. 2017, arXiv:1611.01232; Yang et al. 2019, arXiv:1902.08129",
};

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    let points = drift::backward(context);
    drift::departure(&points, Direction::Up)
        .filter(|departure| !norm_growth::explains(context, departure))
        .map(|departure| scale::backward(context, CODE, &departure))
        .into_iter()
        .collect()
}
