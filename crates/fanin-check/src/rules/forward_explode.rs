//! F102: the signal grows on its way forward.

use super::{Rule, residual_growth, scale};
use crate::context::Context;
use crate::drift::{self, Direction};
use crate::{Code, Finding, Page};

pub(super) const CODE: Code = Code(102);

const PAGE: Page = Page {
    code: CODE,
    title: "the signal grows on its way forward",
    what: "The rms of the signal grows from layer to layer, or in one layer, by more than luck allows.",
    why: "Large signals saturate bounded activations and softmax, make the first loss and its gradients huge, and overflow in half precision; steps must be smaller by the square of the growth.",
    judged: "The rms along the values that every way from input to output passes, from the input or the last \
normalization to the last hidden layer. Critical weights keep it, up to a random walk of variance \
1/4 of the sum of (κ − 1)/n over the layers, κ = 6 for rectified units. Beyond that walk's band (3.29 \
deviations) a factor of 31.6 over several layers is a warning and 1000 an error: gradient descent \
then needs a thousand or a million times the steps. In one layer alone 10 is a warning, because no \
known scheme is so far off. Values whose scale a normalization removes are not judged.",
    fix: "Give the weights the gain of the activation they feed (recipe auto does). (Growth of a residual stream is F104.)",
    reference: "He et al. 2015, arXiv:1502.01852; Hanin & Rolnick 2018, arXiv:1803.01719",
};

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    let points = drift::forward(context);
    drift::departure(&points, Direction::Up)
        .filter(|departure| !residual_growth::explains(departure))
        .map(|departure| scale::forward(context, CODE, &departure))
        .into_iter()
        .collect()
}
