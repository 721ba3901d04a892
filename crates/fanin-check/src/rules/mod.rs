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
mod rule;
mod saturation;
mod scale;
mod symmetry;
mod theory_departure;
mod useless_bias;
mod wrong_family;
mod wrong_fans;

use crate::{Code, Page};
pub(crate) use rule::Rule;

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
