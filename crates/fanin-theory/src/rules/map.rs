//! Linear maps: what a product, a convolution or an equation joins, and how often.

use fanin_network::Node;
use fanin_network::operator::Fused;

use super::window::Taps;
use super::{Context, count};
use crate::signal::{Profile, normalized};

/// A linear map from one value to another through a weight.
pub(crate) struct Map {
    /// Which of the node's inputs is mapped.
    pub(crate) data: usize,
    /// Which of the node's inputs is the weight.
    pub(crate) weight: usize,
    /// Pairs of an input and an output element that a weight joins.
    pub(crate) edges: f64,
    /// Elements of the output.
    pub(crate) outputs: f64,
    /// Elements of the input.
    pub(crate) inputs: f64,
    /// Output units.
    pub(crate) units: f64,
    /// A constant factor (`alpha` of `Gemm`).
    pub(crate) factor: f64,
    /// The input that is a bias, and the factor on it.
    pub(crate) bias: Option<(usize, f64)>,
    /// An input that is added to the output before the activation.
    pub(crate) added: Option<usize>,
    /// The activation that is fused into the operator.
    pub(crate) activation: Option<Fused>,
    /// The window of a convolution.
    pub(crate) window: Option<Slide>,
}

/// The window of a convolution between two maps.
pub(crate) struct Slide {
    pub(crate) taps: Taps,
    /// Whether outputs are what it slides over.
    pub(crate) transposed: bool,
}

impl Map {
    /// The taps through which two different places of the output (of the input where `back`) both
    /// see the other side, in the mean over pairs, over those of one.
    pub(crate) fn common_taps(&self, back: bool) -> f64 {
        self.window
            .as_ref()
            .map_or(1.0, |slide| slide.taps.common(slide.transposed != back))
    }

    /// The same over all pairs of places, equal ones too.
    pub(crate) fn shared_taps(&self, back: bool) -> f64 {
        let places = self.window.as_ref().map_or(1.0, |slide| {
            count(match slide.transposed == back {
                true => &slide.taps.narrow,
                false => &slide.taps.wide,
            })
        });
        (1.0 + (places - 1.0) * self.common_taps(back)) / places.max(1.0)
    }

    /// How a profile of the input (of the output's gradient where `back`) comes through: by what
    /// factor more than an even one, and as which profile.
    pub(crate) fn spread(&self, profile: Option<&Profile>, back: bool) -> (f64, Option<Profile>) {
        let Some(slide) = &self.window else {
            // One map for all places of a sequence.
            let kept = profile.filter(|profile| self.data == 0 && profile.len() == 1);
            return (1.0, kept.cloned());
        };
        let sizes = if slide.transposed == back {
            &slide.taps.wide
        } else {
            &slide.taps.narrow
        };
        let fits = |profile: &&Profile| {
            let lines = profile.iter().map(Vec::len);
            lines.eq(sizes.iter().copied())
        };
        let profile = profile.filter(fits);
        let scatter = slide.transposed != back;
        let through = |weights| normalized(slide.taps.sums(weights, scatter));
        let (even, _) = through(None);
        let (seen, left) = through(profile);
        (if even > 0.0 { seen / even } else { 1.0 }, left)
    }
}

/// The map that a node applies; `None` if it applies none or its sizes are unknown.
pub(crate) fn map(context: &Context<'_>, node: &Node) -> Option<Map> {
    super::of(&node.operator)?.map(context, node)
}
