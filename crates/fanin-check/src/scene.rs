//! Everything the rules look at.

use std::collections::BTreeMap;

use fanin_network::{Network, Parameter, Weights};
use fanin_plan::Plan;
use fanin_run::{Observation, ParameterObservation, Trace};
use fanin_theory::Prediction;

use crate::proposal::Proposal;
use crate::spine::{Spine, spine};

/// Everything the rules look at.
pub(crate) struct Scene<'a> {
    pub(crate) network: &'a Network,
    pub(crate) weights: &'a Weights,
    pub(crate) trace: &'a Trace,
    pub(crate) prediction: &'a Prediction,
    pub(crate) proposal: Proposal<'a>,
    pub(crate) spine: Spine<'a>,
    observations: BTreeMap<&'a str, &'a Observation>,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(
        network: &'a Network,
        plan: Option<&'a Plan>,
        weights: &'a Weights,
        trace: &'a Trace,
        prediction: &'a Prediction,
    ) -> Self {
        let observations: BTreeMap<&str, &Observation> = trace
            .inputs
            .iter()
            .chain(&trace.values)
            .map(|observation| (observation.value.as_str(), observation))
            .collect();
        Self {
            network,
            weights,
            trace,
            prediction,
            proposal: Proposal::new(network, plan),
            spine: spine(network, trace, &observations),
            observations,
        }
    }

    /// What was seen at a value.
    pub(crate) fn observation(&self, value: &str) -> Option<&'a Observation> {
        self.observations.get(value).copied()
    }

    /// The parameter that an observation is of.
    pub(crate) fn parameter(&self, seen: &ParameterObservation) -> Option<&'a Parameter> {
        self.network
            .parameters
            .iter()
            .find(|parameter| parameter.name == seen.name)
    }

    /// The first node that reads a parameter, or its name where none does.
    pub(crate) fn reader(&self, seen: &ParameterObservation) -> String {
        self.parameter(seen)
            .and_then(|parameter| self.network.value(parameter.value).consumers.first())
            .map_or_else(
                || seen.name.clone(),
                |node| self.network.node(*node).name.clone(),
            )
    }
}

/// A number to three digits.
pub(crate) fn number(x: f64) -> String {
    let magnitude = x.abs();
    if magnitude == 0.0 || !x.is_finite() {
        format!("{x}")
    } else if (1e-3..1e4).contains(&magnitude) {
        let digits = (2 - magnitude.log10().floor() as i32).max(0);
        format!("{x:.*}", digits as usize)
    } else {
        format!("{x:.2e}")
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn three_digits() {
        assert_eq!(number(0.0), "0");
        assert_eq!(number(0.408_25), "0.408");
        assert_eq!(number(12.345), "12.3");
        assert_eq!(number(3.05e-5), "3.05e-5");
        assert_eq!(number(-123_456.0), "-1.23e5");
    }
}
