//! Which initializer would mend a parameter.

use fanin::{Initializer, Seed};
use fanin_network::Network;
use fanin_plan::{Plan, Recipe, Request};

use crate::Fix;

/// What recipe `auto` gives each parameter: the proposal for any that is at fault.
pub(crate) struct Proposal<'a> {
    current: Option<&'a Plan>,
    better: Option<Plan>,
}

impl<'a> Proposal<'a> {
    pub(crate) fn new(network: &Network, current: Option<&'a Plan>) -> Self {
        let request = Request {
            recipe: Recipe::Auto,
            ..Request::new(current.map_or_else(|| Seed::new(0), |plan| plan.seed))
        };
        Self {
            current,
            // A network that cannot be planned is reported where it is planned.
            better: fanin_plan::plan(network, &request)
                .ok()
                .map(|outcome| outcome.plan),
        }
    }

    /// What `auto` would give a parameter.
    pub(crate) fn initializer(&self, parameter: &str) -> Option<&Initializer> {
        let entry = self.better.as_ref()?.entry(parameter)?;
        Some(&entry.initializer)
    }

    /// The change for a parameter; `None` if it has what `auto` would give it already.
    pub(crate) fn fix(&self, parameter: &str) -> Option<Fix> {
        let entry = self.better.as_ref()?.entry(parameter)?;
        let now = self.current.and_then(|plan| plan.entry(parameter));
        if now.is_some_and(|now| now.initializer == entry.initializer) {
            return None;
        }
        Some(Fix {
            parameter: parameter.to_owned(),
            initializer: entry.initializer.clone(),
            why: entry.reason.clone(),
        })
    }
}
