//! `zeros`, `random`, `xavier`, `he`, `lecun`, `orthogonal`: one initializer for every weight.
//!
//! This is what a textbook means by "the network is started with He": it asks neither what a weight
//! feeds nor where a branch ends. These recipes are there to be compared with those that do.
//! Everything that is no weight is the same in all of them: biases and shifts zero, scales one,
//! embeddings N(0, 0.02).

use std::f64::consts::SQRT_2;

use fanin::Initializer;
use fanin_network::Role;

use super::{Choice, Place};
use crate::build;

/// What every weight gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    Zeros,
    Random,
    Xavier,
    He,
    Lecun,
    Orthogonal,
}

impl Plain {
    fn initializer(self) -> Initializer {
        match self {
            Self::Zeros => build::zeros(),
            Self::Random => build::normal(1.0),
            Self::Xavier => build::xavier_uniform(1.0),
            Self::He => build::fan_in_normal(SQRT_2),
            Self::Lecun => build::fan_in_normal(1.0),
            Self::Orthogonal => build::orthogonal(1.0),
        }
    }

    /// The rule, and who gave it.
    const fn rule(self) -> &'static str {
        match self {
            Self::Zeros => "every weight zero, so that all units stay alike",
            Self::Random => "every weight from N(0, 1), whatever its fans",
            Self::Xavier => {
                "every weight by Xavier's uniform rule, made for tanh (Glorot & Bengio 2010)"
            }
            Self::He => "every weight by He's normal rule, made for ReLU (He et al. 2015)",
            Self::Lecun => "every weight from N(0, 1 / fan_in) (LeCun et al. 1998)",
            Self::Orthogonal => "every weight orthogonal, with gain 1 (Saxe et al. 2013)",
        }
    }
}

pub(super) fn choose(place: &Place<'_>, plain: Plain) -> Choice {
    let because = place.because();
    match place.role() {
        Role::Bias | Role::NormShift | Role::RecurrentBias | Role::AttentionBias => Choice::new(
            build::zeros(),
            format!("{because}: zero, as all plain recipes start biases"),
        ),
        Role::NormScale if place.is_offset_from_one() => Choice::new(
            build::zeros(),
            format!("{because}: one, which is stored as its distance from one"),
        ),
        Role::NormScale | Role::BranchScale => Choice::new(
            build::ones(),
            format!("{because}: one, as all plain recipes start scales"),
        ),
        Role::ActivationSlope => Choice::new(
            build::constant(0.25),
            format!("{because}: 1/4 (He et al. 2015)"),
        ),
        Role::Embedding | Role::PositionEmbedding => Choice::new(
            build::normal(0.02),
            format!("{because}: N(0, 0.02), as all embeddings here"),
        ),
        _ if place.is_matrix() => {
            Choice::new(plain.initializer(), format!("{because}: {}", plain.rule()))
        }
        _ => Choice::new(
            build::zeros(),
            format!("{because}: zero, as it has no fans"),
        ),
    }
}
