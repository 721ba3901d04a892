//! The initializers that recipes use. Their numbers are checked when the plan resolves them.

use fanin::initializers::{
    Concat, Constant, KaimingNormal, LecunNormal, Normal, Orthogonal, TruncatedNormal, Uniform,
    XavierNormal, XavierUniform,
};
use fanin::{Initializer, Mode};

pub(crate) fn zeros() -> Initializer {
    Initializer::zeros()
}

pub(crate) fn ones() -> Initializer {
    Initializer::ones()
}

pub(crate) fn constant(value: f64) -> Initializer {
    Constant { value }.into()
}

/// N(0, std²).
pub(crate) fn normal(std: f64) -> Initializer {
    Normal { mean: 0.0, std }.into()
}

/// N(0, std²) cut at ±2 std, which is what frameworks mean by a std there.
pub(crate) fn truncated_normal(std: f64) -> Initializer {
    TruncatedNormal {
        mean: 0.0,
        std,
        low: -2.0,
        high: 2.0,
        corrected: false,
    }
    .into()
}

/// U(±bound).
pub(crate) fn symmetric_uniform(bound: f64) -> Initializer {
    Uniform {
        low: -bound,
        high: bound,
    }
    .into()
}

/// N(0, gain² / fan_in), under the name that this gain has.
pub(crate) fn fan_in_normal(gain: f64) -> Initializer {
    if gain == 1.0 {
        LecunNormal { gain }.into()
    } else {
        KaimingNormal {
            mode: Mode::FanIn,
            gain,
        }
        .into()
    }
}

/// N(0, 2 gain² / (fan_in + fan_out)).
pub(crate) fn xavier_normal(gain: f64) -> Initializer {
    XavierNormal { gain }.into()
}

/// The uniform distribution of the same variance.
pub(crate) fn xavier_uniform(gain: f64) -> Initializer {
    XavierUniform { gain }.into()
}

pub(crate) fn orthogonal(gain: f64) -> Initializer {
    Orthogonal { gain }.into()
}

/// Blocks of these sizes along an axis.
pub(crate) fn concat(axis: usize, parts: Vec<(usize, Initializer)>) -> Initializer {
    Concat { axis, parts }.into()
}
