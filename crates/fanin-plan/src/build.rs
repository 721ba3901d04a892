//! The initializers that recipes use. Their numbers are checked when the plan resolves them.

use fanin::{Initializer, Mode};

pub(crate) fn zeros() -> Initializer {
    Initializer::Zeros
}

pub(crate) fn ones() -> Initializer {
    Initializer::Ones
}

pub(crate) fn constant(value: f64) -> Initializer {
    Initializer::Constant { value }
}

/// N(0, std²).
pub(crate) fn normal(std: f64) -> Initializer {
    Initializer::Normal { mean: 0.0, std }
}

/// N(0, std²) cut at ±2 std, which is what frameworks mean by a std there.
pub(crate) fn truncated_normal(std: f64) -> Initializer {
    Initializer::TruncatedNormal {
        mean: 0.0,
        std,
        low: -2.0,
        high: 2.0,
        corrected: false,
    }
}

/// U(±bound).
pub(crate) fn symmetric_uniform(bound: f64) -> Initializer {
    Initializer::Uniform {
        low: -bound,
        high: bound,
    }
}

/// N(0, gain² / fan_in), under the name that this gain has.
pub(crate) fn fan_in_normal(gain: f64) -> Initializer {
    if gain == 1.0 {
        Initializer::LecunNormal { gain }
    } else {
        Initializer::KaimingNormal {
            mode: Mode::FanIn,
            gain,
        }
    }
}

/// N(0, 2 gain² / (fan_in + fan_out)).
pub(crate) fn xavier_normal(gain: f64) -> Initializer {
    Initializer::XavierNormal { gain }
}

/// The uniform distribution of the same variance.
pub(crate) fn xavier_uniform(gain: f64) -> Initializer {
    Initializer::XavierUniform { gain }
}

pub(crate) fn orthogonal(gain: f64) -> Initializer {
    Initializer::Orthogonal { gain }
}

/// Blocks of these sizes along an axis.
pub(crate) fn concat(axis: usize, parts: Vec<(usize, Initializer)>) -> Initializer {
    Initializer::Concat { axis, parts }
}
