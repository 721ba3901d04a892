//! Recipes: named policies that give every role an initializer.

mod auto;
mod choice;
mod gpt2;
mod keras;
mod part;
mod place;
mod plain;
mod stack;
mod torch;

use std::fmt;
use std::str::FromStr;

use fanin_network::Role;

use crate::suggest;
use plain::Plain;

pub(crate) use choice::Choice;
pub(crate) use place::{Facts, Place};

/// A named policy that gives every role an initializer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Recipe {
    /// The role and the graph decide, so that signals keep their scale in both directions.
    #[default]
    Auto,
    /// What PyTorch's layers do by default.
    Torch,
    /// What Keras 3's layers do by default.
    Keras,
    /// GPT-2's: N(0, 0.02), residual ends divided by the root of their number.
    Gpt2,
    /// Every weight zero.
    Zeros,
    /// Every weight from N(0, 1), whatever its fans: what comes of not thinking about scale.
    Random,
    /// Every weight by Xavier's uniform rule (Glorot & Bengio 2010).
    Xavier,
    /// Every weight by He's normal rule (He et al. 2015).
    He,
    /// Every weight from N(0, 1 / fan_in) (LeCun et al. 1998).
    Lecun,
    /// Every weight orthogonal, with gain 1 (Saxe et al. 2013).
    Orthogonal,
}

impl Recipe {
    /// All recipes.
    pub const ALL: [Self; 10] = [
        Self::Auto,
        Self::Torch,
        Self::Keras,
        Self::Gpt2,
        Self::Zeros,
        Self::Random,
        Self::Xavier,
        Self::He,
        Self::Lecun,
        Self::Orthogonal,
    ];

    /// The name by which it is asked for.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Torch => "torch",
            Self::Keras => "keras",
            Self::Gpt2 => "gpt2",
            Self::Zeros => "zeros",
            Self::Random => "random",
            Self::Xavier => "xavier",
            Self::He => "he",
            Self::Lecun => "lecun",
            Self::Orthogonal => "orthogonal",
        }
    }

    /// What it does, in one sentence.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Auto => {
                "the role of each parameter and the graph around it decide, so that signals keep their scale forward and backward"
            }
            Self::Torch => "what PyTorch's layers do by default: U(±1/√fan_in) nearly everywhere",
            Self::Keras => {
                "what Keras 3's layers do by default: Glorot uniform, orthogonal recurrence, forget gates at one"
            }
            Self::Gpt2 => {
                "GPT-2's: N(0, 0.02), the last layer of each residual branch divided by the root of the number of branches"
            }
            Self::Zeros => "every weight zero, to show what symmetry does",
            Self::Random => "every weight from N(0, 1), to show what a scale without thought does",
            Self::Xavier => "every weight by Xavier's uniform rule, whatever it feeds",
            Self::He => "every weight by He's normal rule, whatever it feeds",
            Self::Lecun => "every weight from N(0, 1 / fan_in), whatever it feeds",
            Self::Orthogonal => "every weight orthogonal with gain 1, whatever it feeds",
        }
    }

    /// The choice for one parameter.
    pub(crate) fn choose(self, place: &Place<'_>) -> Choice {
        match place.role() {
            Role::WeightScale => part::scale(self, place),
            Role::LowRankUp => part::up(place),
            Role::LowRankDown => part::down(self, place),
            _ => {
                let whole = self.own(place);
                let choice = stack::choose(self, place, &whole).unwrap_or(whole);
                part::unscaled(place, choice)
            }
        }
    }

    /// What the recipe itself says of a parameter that is no part of a weight.
    fn own(self, place: &Place<'_>) -> Choice {
        match self {
            Self::Auto => auto::choose(place),
            Self::Torch => torch::choose(place),
            Self::Keras => keras::choose(place),
            Self::Gpt2 => gpt2::choose(place),
            Self::Zeros => plain::choose(place, Plain::Zeros),
            Self::Random => plain::choose(place, Plain::Random),
            Self::Xavier => plain::choose(place, Plain::Xavier),
            Self::He => plain::choose(place, Plain::He),
            Self::Lecun => plain::choose(place, Plain::Lecun),
            Self::Orthogonal => plain::choose(place, Plain::Orthogonal),
        }
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no [`Recipe`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no recipe `{written}`; {hint}")]
pub struct UnknownRecipe {
    written: String,
    hint: String,
}

impl FromStr for Recipe {
    type Err = UnknownRecipe;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|recipe| recipe.name() == text)
            .ok_or_else(|| UnknownRecipe {
                written: text.to_owned(),
                hint: suggest::hint(text, &Self::ALL.map(Self::name)),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_slips_get_a_suggestion() {
        for recipe in Recipe::ALL {
            assert_eq!(recipe.to_string().parse(), Ok(recipe));
        }
        assert_eq!(
            "trch".parse::<Recipe>().unwrap_err().to_string(),
            "there is no recipe `trch`; did you mean `torch`?"
        );
        assert_eq!(
            "xyz".parse::<Recipe>().unwrap_err().to_string(),
            "there is no recipe `xyz`; known are auto, torch, keras, gpt2, zeros, random, xavier, he, lecun, orthogonal"
        );
    }
}
