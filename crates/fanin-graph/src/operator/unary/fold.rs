//! Functions of each element, evaluated.

use super::{Clip, Unary};
use crate::evaluate::{
    Call, Outcome, Stop, erf, kind::Kind, kind::settle, not_defined, on_numbers, tensor,
};
use crate::operator::Setting;
use crate::{ElementType, HostData, HostTensor};

pub(crate) fn clip(clip: &Clip, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "input")?;
    call.size(&x.shape)?;
    let bound = |setting: &Setting<f32>| -> Option<HostTensor> {
        match setting {
            Setting::Given(v) => {
                let data = match x.data {
                    HostData::F64(_) => HostData::F64(vec![f64::from(*v)]),
                    _ => HostData::F32(vec![*v]),
                };
                Some(tensor(vec![], x.element, data))
            }
            Setting::Input(k) => call.input(*k).cloned(),
            Setting::Absent => None,
        }
    };
    let mut result = x.clone();
    // The upper bound goes last: where the two cross, it wins.
    for (name, setting, lower) in [("min", &clip.low, true), ("max", &clip.high, false)] {
        let Some(bound) = bound(setting) else {
            continue;
        };
        if bound.len() != 1 {
            return Err(Stop::Wrong(format!(
                "`{name}` has shape {:?} where a scalar is wanted",
                bound.shape
            )));
        }
        let unsigned = x.element == ElementType::U64;
        let (a, b, out) = (&result, &bound, x.shape.as_slice());
        let data = match lower {
            true if unsigned => {
                on_numbers!(a, b, out, |x, y| int (x as u64).max(y as u64) as i64, float x.most(y))
            }
            true => on_numbers!(a, b, out, |x, y| int x.most(y), float x.most(y)),
            false if unsigned => {
                on_numbers!(a, b, out, |x, y| int (x as u64).min(y as u64) as i64, float x.least(y))
            }
            false => on_numbers!(a, b, out, |x, y| int x.least(y), float x.least(y)),
        };
        result.data = settle(x.element, data);
    }
    Ok(vec![result])
}

pub(crate) fn unary(unary: Unary, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "X")?;
    call.size(&x.shape)?;

    macro_rules! float {
        (|$v:ident| $f:expr) => {
            match &x.data {
                HostData::F32(d) => HostData::F32(d.iter().map(|&$v| $f).collect()),
                HostData::F64(d) => HostData::F64(d.iter().map(|&$v| $f).collect()),
                HostData::I64(_) | HostData::Bool(_) => return Err(not_defined(x)),
            }
        };
    }
    macro_rules! number {
        (|$v:ident| int $int:expr, float $float:expr) => {
            match &x.data {
                HostData::I64(d) => HostData::I64(d.iter().map(|&$v| $int).collect()),
                _ => float!(|$v| $float),
            }
        };
    }
    let unsigned = x.element == ElementType::U64;
    let data = match unary {
        Unary::Abs if unsigned => x.data.clone(),
        Unary::Sign if unsigned => number!(|v| int i64::from(v != 0), float v),
        Unary::Relu if unsigned => x.data.clone(),
        Unary::Abs => number!(|v| int v.wrapping_abs(), float v.abs()),
        Unary::Neg => number!(|v| int v.wrapping_neg(), float -v),
        Unary::Sign => {
            number!(|v| int v.signum(), float if v == 0.0 || v.is_nan() { v } else { v.signum() })
        }
        Unary::Relu => number!(|v| int v.max(0), float if v < 0.0 { 0.0 } else { v }),
        Unary::Floor => float!(|v| v.floor()),
        Unary::Ceil => float!(|v| v.ceil()),
        Unary::Round => float!(|v| v.round_ties_even()),
        Unary::Sqrt => float!(|v| v.sqrt()),
        Unary::Reciprocal => float!(|v| v.recip()),
        Unary::Exp => float!(|v| v.exp()),
        Unary::Log => float!(|v| v.ln()),
        Unary::Sin => float!(|v| v.sin()),
        Unary::Cos => float!(|v| v.cos()),
        Unary::Tan => float!(|v| v.tan()),
        Unary::Asin => float!(|v| v.asin()),
        Unary::Acos => float!(|v| v.acos()),
        Unary::Atan => float!(|v| v.atan()),
        Unary::Sinh => float!(|v| v.sinh()),
        Unary::Cosh => float!(|v| v.cosh()),
        Unary::Asinh => float!(|v| v.asinh()),
        Unary::Acosh => float!(|v| v.acosh()),
        Unary::Atanh => float!(|v| v.atanh()),
        Unary::Tanh => float!(|v| v.tanh()),
        // Neither branch lets the exponential overflow.
        Unary::Sigmoid => float!(|v| if v >= 0.0 {
            1.0 / (1.0 + (-v).exp())
        } else {
            v.exp() / (1.0 + v.exp())
        }),
        Unary::Softplus => float!(|v| (-v.abs()).exp().ln_1p() + if v > 0.0 { v } else { 0.0 }),
        Unary::Softsign => float!(|v| v / (1.0 + v.abs())),
        Unary::Erf => match &x.data {
            HostData::F32(d) => {
                HostData::F32(d.iter().map(|&v| erf(f64::from(v)) as f32).collect())
            }
            HostData::F64(d) => HostData::F64(d.iter().map(|&v| erf(v)).collect()),
            HostData::I64(_) | HostData::Bool(_) => return Err(not_defined(x)),
        },
        // Networks use these on signals only, which are not known before the run.
        Unary::Celu { .. }
        | Unary::Elu { .. }
        | Unary::Gelu { .. }
        | Unary::HardSigmoid { .. }
        | Unary::HardSwish
        | Unary::LeakyRelu { .. }
        | Unary::Mish
        | Unary::Selu { .. }
        | Unary::Shrink { .. }
        | Unary::Swish { .. }
        | Unary::ThresholdedRelu { .. } => return Err(Stop::Unknown),
    };
    let data = settle(x.element, data);
    Ok(vec![tensor(x.shape.clone(), x.element, data)])
}
