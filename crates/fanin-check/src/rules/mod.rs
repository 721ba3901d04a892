//! The rules, one per file.

mod backward_explode;
mod backward_vanish;
mod chaos;
mod collapse;
mod constant_weight;
mod dead;
mod dead_units;
mod duplicated_weights;
mod equal_outputs;
mod first_step;
mod forgetting;
mod forward_explode;
mod forward_vanish;
mod gates;
mod initial_loss;
mod never_initialized;
mod non_finite_forward;
mod non_finite_gradient;
mod non_finite_weights;
mod norm_growth;
mod peaked_attention;
mod prior;
mod range;
mod rank_collapse;
mod residual_growth;
mod saturation;
mod scale;
mod symmetry;
mod theory_departure;
mod useless_bias;
mod wrong_family;
mod wrong_fans;

use crate::scene::Scene;
use crate::{Finding, Page};

/// A rule: its page and what it looks for.
pub(crate) struct Rule {
    pub(crate) page: &'static Page,
    pub(crate) run: fn(&Scene<'_>) -> Vec<Finding>,
}

/// All rules, by code.
pub(crate) const RULES: &[Rule] = &[
    rule(&forward_vanish::PAGE, forward_vanish::run),
    rule(&forward_explode::PAGE, forward_explode::run),
    rule(&theory_departure::PAGE, theory_departure::run),
    rule(&residual_growth::PAGE, residual_growth::run),
    rule(&backward_vanish::PAGE, backward_vanish::run),
    rule(&backward_explode::PAGE, backward_explode::run),
    rule(&norm_growth::PAGE, norm_growth::run),
    rule(&symmetry::PAGE, symmetry::run),
    rule(&dead::PAGE, dead::run),
    rule(&dead_units::PAGE, dead_units::run),
    rule(&saturation::PAGE, saturation::run),
    rule(&equal_outputs::PAGE, equal_outputs::run),
    rule(&gates::PAGE, gates::run),
    rule(&collapse::PAGE, collapse::run),
    rule(&chaos::PAGE, chaos::run),
    rule(&rank_collapse::PAGE, rank_collapse::run),
    rule(&forgetting::PAGE, forgetting::run),
    rule(&peaked_attention::PAGE, peaked_attention::run),
    rule(&constant_weight::PAGE, constant_weight::run),
    rule(&duplicated_weights::PAGE, duplicated_weights::run),
    rule(&wrong_fans::PAGE, wrong_fans::run),
    rule(&wrong_family::PAGE, wrong_family::run),
    rule(&never_initialized::PAGE, never_initialized::run),
    rule(&useless_bias::PAGE, useless_bias::run),
    rule(&initial_loss::PAGE, initial_loss::run),
    rule(&prior::PAGE, prior::run),
    rule(&non_finite_weights::PAGE, non_finite_weights::run),
    rule(&non_finite_forward::PAGE, non_finite_forward::run),
    rule(&non_finite_gradient::PAGE, non_finite_gradient::run),
    rule(&range::PAGE, range::run),
    rule(&first_step::PAGE, first_step::run),
];

const fn rule(page: &'static Page, run: fn(&Scene<'_>) -> Vec<Finding>) -> Rule {
    Rule { page, run }
}
