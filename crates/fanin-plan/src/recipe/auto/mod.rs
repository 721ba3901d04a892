//! `auto`: the role decides, the graph tells the role, and the gain follows from the activation.
//!
//! The scale is arranged so that two things hold wherever the graph allows it: what leaves a ReLU, a
//! norm or a residual stream has second moment one, and so has what enters any other activation.
//! He's rule does the first by the weight before the activation; for activations that are not
//! homogeneous the weight *behind* the activation makes up for what it took, because only there is the
//! factor known exactly. In a chain of equal layers the two are the same rule.
//!
//! Distributions are normal throughout. Truncation at two standard deviations, once corrected for
//! the lost variance, changes no moment that the theory of signal propagation uses.

mod attention;
mod bias;
mod branch_scale;
mod embedding;
mod gated;
mod head;
mod norm;
mod other;
mod recurrent;
mod scale;
mod weight;

use fanin_network::Role;

use super::{Choice, Place};
use crate::build;

pub(super) fn choose(place: &Place<'_>) -> Choice {
    match place.role() {
        Role::Weight => weight::choose(place),
        Role::Bias => bias::choose(place),
        Role::NormScale => norm::scale(place),
        Role::NormShift => norm::shift(place),
        Role::Embedding => embedding::tokens(place),
        Role::PositionEmbedding => embedding::positions(place),
        Role::AttentionQuery | Role::AttentionKey => attention::query_key(place),
        Role::AttentionValue => attention::value(place),
        Role::AttentionQkv => attention::fused(place),
        Role::AttentionOutput => attention::output(place),
        Role::AttentionBias => attention::bias(place),
        Role::Gate => gated::gate(place),
        Role::GateValue => gated::value(place),
        Role::RecurrentInput => recurrent::input(place),
        Role::RecurrentHidden => recurrent::hidden(place),
        Role::RecurrentBias => recurrent::bias(place),
        Role::OutputHead => head::choose(place),
        Role::BranchScale => branch_scale::choose(place),
        Role::ActivationSlope => Choice::new(
            build::constant(0.25),
            format!("{}: a slope of 1/4 (He et al. 2015)", place.because()),
        ),
        // Parts of weights are one thing in all recipes; see `part`.
        Role::WeightScale | Role::LowRankDown | Role::LowRankUp | Role::Other => {
            other::choose(place)
        }
    }
}
