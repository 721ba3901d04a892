//! The rules, one per file.

mod backward_explode;
mod backward_vanish;
mod constant_weight;
mod dead;
mod duplicated_weights;
mod forward_explode;
mod forward_vanish;
mod initial_loss;
mod non_finite_forward;
mod non_finite_gradient;
mod non_finite_weights;
mod scale;
mod symmetry;
mod theory_departure;

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
    rule(&backward_vanish::PAGE, backward_vanish::run),
    rule(&backward_explode::PAGE, backward_explode::run),
    rule(&symmetry::PAGE, symmetry::run),
    rule(&dead::PAGE, dead::run),
    rule(&constant_weight::PAGE, constant_weight::run),
    rule(&duplicated_weights::PAGE, duplicated_weights::run),
    rule(&initial_loss::PAGE, initial_loss::run),
    rule(&non_finite_weights::PAGE, non_finite_weights::run),
    rule(&non_finite_forward::PAGE, non_finite_forward::run),
    rule(&non_finite_gradient::PAGE, non_finite_gradient::run),
];

const fn rule(page: &'static Page, run: fn(&Scene<'_>) -> Vec<Finding>) -> Rule {
    Rule { page, run }
}
