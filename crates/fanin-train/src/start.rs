//! A start: named weights that depend on a seed.

use fanin::Seed;
use fanin_network::{Network, Weights};
use fanin_plan::{Recipe, Request, Rules};

use crate::TrainError;

type Make<'a> = dyn Fn(Seed) -> Result<Weights, TrainError> + Sync + Send + 'a;

/// A named way to start a network: a recipe, a plan, or weights of any other making.
pub struct Start<'a> {
    name: String,
    make: Box<Make<'a>>,
}

impl<'a> Start<'a> {
    /// Weights that a function makes from a seed.
    pub fn new(
        name: impl Into<String>,
        make: impl Fn(Seed) -> Result<Weights, TrainError> + Sync + Send + 'a,
    ) -> Self {
        Self {
            name: name.into(),
            make: Box::new(make),
        }
    }

    /// The weights that a recipe plans for this network.
    pub fn recipe(network: &'a Network, recipe: Recipe) -> Self {
        Self::ruled(recipe.name(), network, recipe, Rules::default())
    }

    /// The weights that a recipe plans for this network, except where rules say otherwise.
    pub fn ruled(
        name: impl Into<String>,
        network: &'a Network,
        recipe: Recipe,
        rules: Rules,
    ) -> Self {
        Self::new(name, move |seed| {
            let request = Request {
                recipe,
                rules: rules.clone(),
                ..Request::new(seed)
            };
            Ok(fanin_plan::plan(network, &request)?.plan.fill_weights()?)
        })
    }

    /// The name it goes by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The weights of this seed.
    ///
    /// # Errors
    ///
    /// What the making of weights returns.
    pub fn weights(&self, seed: Seed) -> Result<Weights, TrainError> {
        (self.make)(seed)
    }
}

impl std::fmt::Debug for Start<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Start").field(&self.name).finish()
    }
}
