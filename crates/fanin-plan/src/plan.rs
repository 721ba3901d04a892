//! The plan: what each parameter gets, and why.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use fanin::{DType, Fans, Initializer, Layout, Seed, Stream};
use fanin_network::{Network, Role};
use sha2::{Digest as _, Sha256};

use crate::{PlanError, Recipe};

/// What every parameter of one network starts with, and why.
///
/// With its seed and stream a plan determines every bit of the weights. As text
/// ([`Display`](std::fmt::Display) and [`FromStr`](std::str::FromStr)) it is TOML, one block per
/// parameter; reading what was written gives an equal plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The seed of the whole model.
    pub seed: Seed,
    /// The recipe that chose the initializers no rule chose.
    pub recipe: Recipe,
    /// The network this plan is for.
    pub model: Model,
    /// The parameters, in the order in which the run first meets them.
    pub entries: Vec<Entry>,
}

/// Which network a plan is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The network's name, may be empty.
    pub name: String,
    /// [`Network::digest`]: SHA-256 of everything but the elements of parameters, in hexadecimal.
    pub digest: String,
}

/// What one parameter gets.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name, which is also the name of its random stream.
    pub name: String,
    /// Size of each axis.
    pub shape: Vec<usize>,
    /// The format its elements are written in.
    pub dtype: DType,
    /// What it is for.
    pub role: Role,
    /// What its axes mean.
    pub layout: Layout,
    /// Fan-in and fan-out, where its layout has them.
    pub fans: Option<Fans>,
    /// What it is filled with.
    pub initializer: Initializer,
    /// Who chose that.
    pub chosen_by: ChosenBy,
    /// Why, in one sentence.
    pub reason: String,
}

/// Who chose an entry's initializer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChosenBy {
    /// The plan's recipe.
    #[default]
    Recipe,
    /// A rule of the user's.
    Rule,
    /// A finding, whose proposed change was made.
    Finding,
}

impl fmt::Display for ChosenBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Recipe => "recipe",
            Self::Rule => "rule",
            Self::Finding => "finding",
        })
    }
}

impl FromStr for ChosenBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Recipe, Self::Rule, Self::Finding];
        let named = all.into_iter().find(|by| by.to_string() == text);
        named.ok_or_else(|| format!("`{text}` is none of recipe, rule, finding"))
    }
}

impl Plan {
    /// The version of the text form; a plan of another version is refused.
    pub const FORMAT: u64 = 1;

    /// The contract of the random bits; a plan that asks for another is refused.
    pub const STREAM: &'static str = Stream::NAME;

    /// The entry of the parameter called `name`.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// SHA-256 of the plan's text, in hexadecimal. Two plans with the same digest give the same bits.
    pub fn digest(&self) -> String {
        use std::fmt::Write as _;
        let hash = Sha256::digest(self.to_string().as_bytes());
        hash.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Bytes that all tensors take together, `None` if more than can be counted.
    pub fn bytes(&self) -> Option<u64> {
        self.entries
            .iter()
            .try_fold(0u64, |sum, entry| sum.checked_add(entry.bytes()?))
    }

    /// Reads a plan file.
    ///
    /// # Errors
    ///
    /// [`PlanError::Request`] with the file's name, if it cannot be read or its text is no plan.
    pub fn read(path: &Path) -> Result<Self, PlanError> {
        let file = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| PlanError::Request(format!("cannot read the plan {file}: {error}")))?;
        let parsed = text.parse();
        parsed.map_err(|error: PlanError| PlanError::Request(format!("{file}: {error}")))
    }

    /// Whether this plan can fill that network: the same parameters with the same shapes.
    ///
    /// The digest may differ, so that a plan survives a new export of the same model.
    ///
    /// # Errors
    ///
    /// [`PlanError::Mismatch`] names the first parameter that is missing, surplus or of another shape.
    pub fn matches(&self, network: &Network) -> Result<(), PlanError> {
        let planned: std::collections::HashMap<&str, &Entry> = self
            .entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry))
            .collect();
        for parameter in &network.parameters {
            let Some(entry) = planned.get(parameter.name.as_str()) else {
                return Err(PlanError::Mismatch(format!(
                    "the plan for `{}` has no entry for parameter `{}` of this network; make a new plan from this model",
                    self.model.name, parameter.name
                )));
            };
            if entry.shape != parameter.shape {
                return Err(PlanError::Mismatch(format!(
                    "the plan gives `{}` the shape {:?}, this network {:?}; make a new plan from this model",
                    parameter.name, entry.shape, parameter.shape
                )));
            }
        }
        let present: std::collections::HashSet<&str> = network
            .parameters
            .iter()
            .map(|parameter| parameter.name.as_str())
            .collect();
        match self
            .entries
            .iter()
            .find(|entry| !present.contains(entry.name.as_str()))
        {
            Some(entry) => Err(PlanError::Mismatch(format!(
                "the plan for `{}` has an entry for `{}`, which is no parameter of this network; make a new plan from this model",
                self.model.name, entry.name
            ))),
            None => Ok(()),
        }
    }
}

impl Entry {
    /// Number of elements, `None` if more than can be counted.
    pub fn elements(&self) -> Option<u64> {
        self.shape
            .iter()
            .try_fold(1u64, |n, &size| n.checked_mul(u64::try_from(size).ok()?))
    }

    /// Bytes it takes when written, `None` if more than can be counted.
    pub fn bytes(&self) -> Option<u64> {
        self.elements()?.checked_mul(self.dtype.size_of() as u64)
    }
}
