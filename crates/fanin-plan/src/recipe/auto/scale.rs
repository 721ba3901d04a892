//! The scale of a weight, and the initializer that it comes to at its place.

use fanin::Activation;

use super::{Choice, Place};
use crate::{build, kind};

/// The scale of a weight before what its place in a residual branch asks for.
pub(super) struct Scale {
    pub(super) family: Family,
    pub(super) gain: f64,
    pub(super) cause: String,
}

pub(super) enum Family {
    /// Variance gain² / fan_in.
    FanIn,
    /// Variance 2 gain² / (fan_in + fan_out).
    Average,
    /// Every singular value the gain.
    Orthogonal,
}

impl Scale {
    pub(super) fn fan_in(gain: f64, cause: impl Into<String>) -> Self {
        Self {
            family: Family::FanIn,
            gain,
            cause: cause.into(),
        }
    }

    pub(super) fn average(gain: f64, cause: impl Into<String>) -> Self {
        Self {
            family: Family::Average,
            gain,
            cause: cause.into(),
        }
    }

    /// The choice, with the residual branch that this parameter may end taken into account.
    pub(super) fn choice(self, place: &Place<'_>) -> Choice {
        let mut gain = self.gain;
        let mut reason = format!("{}: {}", place.because(), self.cause);
        if let Some(branches) = place.branches() {
            if place.parameter.purpose.norm_follows {
                reason.push_str("; the norm that follows sets the scale of the branch");
            } else if place.meets_branch_scale() {
                reason.push_str("; the branch has a learned scale of its own");
            } else {
                gain /= (branches as f64).sqrt();
                reason.push_str(&branch_cause(branches));
            }
        }
        let initializer = match self.family {
            Family::FanIn => build::fan_in_normal(gain),
            Family::Average => build::xavier_normal(gain),
            Family::Orthogonal => build::orthogonal(gain),
        };
        Choice::new(initializer, reason)
    }
}

/// Why the end of a residual branch is smaller.
pub(super) fn branch_cause(branches: usize) -> String {
    match branches {
        1 => "; it ends the only branch into its stream".to_owned(),
        n => format!(
            "; divided by √{n} because {n} branches add into the stream (Radford et al. 2019)"
        ),
    }
}

/// Gate and value in one weight.
pub(super) fn halves(activation: Activation) -> Scale {
    let gain = kind::gain(activation).sqrt();
    Scale::fan_in(
        gain,
        format!(
            "gate and value in one weight share the gain of {activation}, {gain:.4} each, which about keeps the second moment of the product (Shazeer 2020; He et al. 2015)"
        ),
    )
}
