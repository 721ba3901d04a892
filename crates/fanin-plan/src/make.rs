//! Making a plan for a network.

use fanin::initializers::Orthogonal;
use fanin::{DType, Initializer, Seed};
use fanin_network::{ElementType, Network, Parameter};

use crate::recipe::{Choice, Facts, Place};
use crate::{ChosenBy, Entry, Model, Plan, PlanError, Recipe, Rules, Warning};

/// What the user asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The policy for every parameter that no rule decides.
    pub recipe: Recipe,
    /// The user's own rules; they win over the recipe.
    pub rules: Rules,
    /// The seed of the whole model.
    pub seed: Seed,
    /// The format of all weights; `None` for each parameter's own in the model.
    pub dtype: Option<DType>,
}

impl Request {
    /// Recipe `auto`, no rules, every parameter in its own format.
    pub fn new(seed: Seed) -> Self {
        Self {
            recipe: Recipe::default(),
            rules: Rules::default(),
            seed,
            dtype: None,
        }
    }
}

/// A plan, and what the user should know about how it was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The plan.
    pub plan: Plan,
    /// Remarks on the request, such as a rule that matches nothing.
    pub warnings: Vec<Warning>,
}

/// Decides what every parameter of the network gets, and why.
///
/// Every initializer is tried against its parameter's shape and layout, so that a plan that was made
/// can be filled.
///
/// # Errors
///
/// [`PlanError::Parameter`] where the choice of a rule or of the recipe does not suit a parameter, or
/// where a name stands twice.
pub fn plan(network: &Network, request: &Request) -> Result<Outcome, PlanError> {
    let facts = Facts::new(network);
    let mut names = std::collections::HashSet::new();
    let entries = network
        .parameters
        .iter()
        .enumerate()
        .map(|(index, parameter)| {
            if !names.insert(parameter.name.as_str()) {
                return Err(fault(
                    parameter,
                    "the network has two parameters of this name; rename one in the model",
                ));
            }
            entry(network, &facts, index, parameter, request)
        })
        .collect::<Result<Vec<Entry>, _>>()?;
    for entry in &entries {
        partner(entry, &entries)?;
    }
    Ok(Outcome {
        plan: Plan {
            seed: request.seed,
            recipe: request.recipe,
            model: Model {
                name: network.name.clone(),
                digest: network.digest.clone(),
            },
            entries,
        },
        warnings: request.rules.unmatched(network),
    })
}

fn entry(
    network: &Network,
    facts: &Facts<'_>,
    index: usize,
    parameter: &Parameter,
    request: &Request,
) -> Result<Entry, PlanError> {
    let dtype = match request.dtype {
        Some(dtype) => dtype,
        None => native(parameter)?,
    };
    let place = Place::new(network, facts, index, parameter);
    let (choice, chosen_by, source) = match request.rules.decide(parameter) {
        Some(rule) => (
            Choice::new(
                rule.initializer.clone(),
                match &rule.reason {
                    Some(reason) => format!("your rule ({rule}): {reason}"),
                    None => format!("your rule ({rule})"),
                },
            ),
            ChosenBy::Rule,
            format!("the rule at line {}", rule.line),
        ),
        None => (
            request.recipe.choose(&place),
            ChosenBy::Recipe,
            format!("recipe {}", request.recipe),
        ),
    };
    check(parameter, &choice.initializer, &source)?;
    let entry = Entry {
        name: parameter.name.clone(),
        shape: parameter.shape.clone(),
        dtype,
        role: place.role(),
        layout: parameter.layout.clone(),
        fans: place.fans,
        initializer: choice.initializer,
        chosen_by,
        reason: choice.reason,
    };
    if entry.bytes().is_none_or(|bytes| bytes > i64::MAX as u64) {
        return Err(fault(
            parameter,
            "the shape has more elements than can be counted",
        ));
    }
    Ok(entry)
}

fn check(parameter: &Parameter, initializer: &Initializer, source: &str) -> Result<(), PlanError> {
    match initializer.resolve(&parameter.shape, &parameter.layout) {
        Ok(_) => Ok(()),
        Err(error) => Err(fault(
            parameter,
            format!(
                "{source} does not suit it: {error}; a rule (--rules) can give it another initializer"
            ),
        )),
    }
}

/// Holds a mimetic parameter to the one it names: the matrix that it is made for must be the one that is filled.
fn partner(entry: &Entry, entries: &[Entry]) -> Result<(), PlanError> {
    let Initializer::Mimetic(mimetic) = &entry.initializer else {
        return Ok(());
    };
    let fault = |message: String| PlanError::Parameter {
        parameter: entry.name.clone(),
        shape: entry.shape.clone(),
        message,
    };
    let of = &mimetic.of;
    let Some(other) = entries.iter().find(|other| other.name == *of) else {
        return Err(fault(format!(
            "it is to be mimetic of `{of}`, and the network has no such parameter"
        )));
    };
    if other.initializer != Initializer::from(Orthogonal { gain: 1.0 }) {
        return Err(fault(format!(
            "it is to be mimetic of `{of}`, which is {} and must be `orthogonal`; give it that by a rule",
            other.initializer
        )));
    }
    let mut shape = other.shape.clone();
    if mimetic.transposed {
        shape.reverse();
    }
    if shape != entry.shape {
        return Err(fault(format!(
            "it is to be mimetic of `{of}` of shape {:?}, which has another shape{}",
            other.shape,
            if mimetic.transposed {
                " turned around"
            } else {
                ""
            }
        )));
    }
    Ok(())
}

fn native(parameter: &Parameter) -> Result<DType, PlanError> {
    match parameter.element {
        ElementType::F32 => Ok(DType::F32),
        ElementType::F64 => Ok(DType::F64),
        ElementType::F16 => Ok(DType::F16),
        ElementType::Bf16 => Ok(DType::BF16),
        other => Err(fault(
            parameter,
            format!("weights of type {other} cannot be filled; ask for another with --dtype"),
        )),
    }
}

fn fault(parameter: &Parameter, message: impl Into<String>) -> PlanError {
    PlanError::Parameter {
        parameter: parameter.name.clone(),
        shape: parameter.shape.clone(),
        message: message.into(),
    }
}
