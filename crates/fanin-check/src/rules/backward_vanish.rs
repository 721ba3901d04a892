//! F201: the gradient fades on its way back.

use super::{Rule, scale};
use crate::context::Context;
use crate::drift::{self, Direction};
use crate::{Code, Finding, Page};

pub(super) const CODE: Code = Code(201);

const PAGE: Page = Page {
    code: CODE,
    title: "the gradient fades on its way back",
    what: "The gradient at the first layers is smaller than at the last by more than luck allows.",
    why: "The first layers do not learn. Unlike a small signal this may hide behind biases and bounded activations, which keep the forward rms up while nothing depends on the input any more.",
    judged: "The length of the gradient with respect to activations (not to weights), from the last hidden \
layer back to the first, along the values that every way passes; where a normalization removes the \
scale of a value, the gradient times that scale. Critical weights keep it, up to the same random walk \
as forward. Beyond its band a factor of 31.6 is a warning, in one layer alone 10, and 1000 without \
the layer that fades most an error (see F101).",
    fix: "As for F101. Sigmoid and softplus have no weight scale that keeps gradients: use a normalization, or another activation.",
    reference: "Glorot & Bengio 2010; Schoenholz et al. 2017, arXiv:1611.01232",
};

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    let points = drift::backward(context);
    drift::departure(&points, Direction::Down)
        .map(|departure| scale::backward(context, CODE, &departure))
        .into_iter()
        .collect()
}
