//! F101: the signal fades on its way forward.

use super::{Rule, scale};
use crate::context::Context;
use crate::drift::{self, Direction};
use crate::{Code, Finding, Page};

pub(super) const CODE: Code = Code(101);

const PAGE: Page = Page {
    code: CODE,
    title: "the signal fades on its way forward",
    what: "The rms of the signal falls from layer to layer, or in one layer, by more than luck allows.",
    why: "Where the signal is small, outputs hardly depend on inputs, and the gradients of the weights behind, which are products with the signal, are small too: gradient descent stands still.",
    judged: "The rms along the values that every way from input to output passes, from the input or the last \
normalization to the last hidden layer. Critical weights keep it, up to a random walk of variance \
1/4 of the sum of (κ − 1)/n over the layers, κ = 6 for rectified units. Beyond that walk's band (3.29 \
deviations) a factor of 31.6 over several layers is a warning and 1000 an error: gradient descent \
then needs a thousand or a million times the steps. The layer that fades most does not count for the \
error: its own gradient is not faint, so it grows back first and frees the rest. One layer alone is \
therefore no more than a warning, from 10 on, because no known scheme is so far off. Values whose scale a normalization removes are not judged.",
    fix: "Give the weights the gain of the activation they feed: He (2/fan_in) for ReLU and its kin, Xavier for tanh, LeCun for SELU, or any other by 1/√E[φ(z)²]; recipe auto does. Or put a normalization between.",
    reference: "He et al. 2015, arXiv:1502.01852; Poole et al. 2016, arXiv:1606.05340; Hanin & Rolnick 2018, arXiv:1803.01719",
};

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    let points = drift::forward(context);
    drift::departure(&points, Direction::Down)
        .map(|departure| scale::forward(context, CODE, &departure))
        .into_iter()
        .collect()
}
