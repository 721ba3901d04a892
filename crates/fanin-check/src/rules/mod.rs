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
mod no_layer;
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

use crate::context::Context;
use crate::{Code, Finding, Page};

/// A rule: its page, what it looks for, and how what it finds stands to what other rules find.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) page: &'static Page,
    pub(crate) run: fn(&Context<'_>) -> Vec<Finding>,
    /// Its weights are broken in themselves, whatever becomes of them: numbers that no scheme draws. They
    /// are the cause of what is found before and behind them.
    pub(crate) broken: bool,
    /// It says why a scale is what it is, and may so be the cause of graver findings about these weights.
    pub(crate) explains: bool,
    /// It shows the fault of a broken weight once more, and is no second fault beside it.
    pub(crate) echoes: bool,
    /// It judges each parameter for itself, and what it finds of many is one slip.
    pub(crate) folds: bool,
    /// No factor mends its weights: they are drawn anew before anything is rescaled.
    pub(crate) redrawn: bool,
}

impl Rule {
    /// A rule that stands for itself.
    const fn new(page: &'static Page, run: fn(&Context<'_>) -> Vec<Finding>) -> Self {
        Self {
            page,
            run,
            broken: false,
            explains: false,
            echoes: false,
            folds: false,
            redrawn: false,
        }
    }

    const fn broken(self) -> Self {
        Self {
            broken: true,
            ..self
        }
    }

    const fn explains(self) -> Self {
        Self {
            explains: true,
            ..self
        }
    }

    const fn echoes(self) -> Self {
        Self {
            echoes: true,
            ..self
        }
    }

    const fn folds(self) -> Self {
        Self {
            folds: true,
            ..self
        }
    }

    const fn redrawn(self) -> Self {
        Self {
            redrawn: true,
            ..self
        }
    }
}

/// All rules, by code.
pub(crate) const RULES: &[Rule] = &[
    forward_vanish::RULE,
    forward_explode::RULE,
    theory_departure::RULE,
    residual_growth::RULE,
    backward_vanish::RULE,
    backward_explode::RULE,
    norm_growth::RULE,
    symmetry::RULE,
    dead::RULE,
    dead_units::RULE,
    saturation::RULE,
    equal_outputs::RULE,
    gates::RULE,
    collapse::RULE,
    chaos::RULE,
    rank_collapse::RULE,
    forgetting::RULE,
    peaked_attention::RULE,
    constant_weight::RULE,
    duplicated_weights::RULE,
    wrong_fans::RULE,
    wrong_family::RULE,
    never_initialized::RULE,
    useless_bias::RULE,
    initial_loss::RULE,
    prior::RULE,
    non_finite_weights::RULE,
    non_finite_forward::RULE,
    non_finite_gradient::RULE,
    range::RULE,
    first_step::RULE,
    no_layer::RULE,
];

/// Whether the rule of this code is one that `relation` holds of.
pub(crate) fn holds(code: Code, relation: impl Fn(&Rule) -> bool) -> bool {
    RULES
        .iter()
        .any(|rule| rule.page.code == code && relation(rule))
}

/// The pages of all rules, by code.
pub fn pages() -> &'static [Page] {
    static PAGES: std::sync::LazyLock<Vec<Page>> =
        std::sync::LazyLock::new(|| RULES.iter().map(|rule| *rule.page).collect());
    &PAGES
}

/// The page of a code as it is printed, `F101`; letter case does not matter.
pub fn page(code: &str) -> Option<&'static Page> {
    pages()
        .iter()
        .find(|page| page.code.to_string().eq_ignore_ascii_case(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_ascending_and_found_by_name() {
        assert!(pages().windows(2).all(|pair| pair[0].code < pair[1].code));
        for entry in pages() {
            assert_eq!(page(&entry.code.to_string().to_lowercase()), Some(entry));
        }
        assert_eq!(page("F999"), None);
    }

    #[test]
    fn pages_are_whole() {
        for page in pages() {
            for text in [
                page.title,
                page.what,
                page.why,
                page.judged,
                page.fix,
                page.reference,
            ] {
                assert!(text.len() > 10, "{page}");
                assert!(!text.contains("  "), "{page}");
            }
        }
    }
}
