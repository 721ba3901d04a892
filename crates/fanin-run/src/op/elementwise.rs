//! Arithmetic of two and more values, choices, casts and dropout.

use fanin_network::operator::{Binary, Variadic};

use super::{Answer, Call, one};
use crate::kernel::elementwise::{
    add, affine, binary, divide, multiply, select, subtract, unary, unary_of_output,
};
use crate::kernel::map::broadcast_shape;
use crate::tape::Var;
use crate::value::{Item, to_array};

pub(super) fn binary_op(operator: Binary, call: &Call<'_>) -> Answer {
    if operator == Binary::Pow {
        return power(call);
    }
    let (a, b) = (call.var(0)?, call.var(1)?);
    one(match operator {
        Binary::Add => add(&a, &b)?,
        Binary::Sub => subtract(&a, &b)?,
        Binary::Mul => multiply(&a, &b)?,
        Binary::Div => divide(&a, &b)?,
        Binary::Mod { fmod } => modulo(fmod, &a, &b)?,
        Binary::Pow => return power(call),
    })
}

pub(super) fn variadic(operator: Variadic, call: &Call<'_>) -> Answer {
    let pair = |a: &Var, b: &Var| match operator {
        Variadic::Sum | Variadic::Mean => add(a, b),
        // At a tie each gets half, as in torch.
        Variadic::Max => extreme(a, b, |x, y| x > y),
        Variadic::Min => extreme(a, b, |x, y| x < y),
    };
    let mut total = call.var(0)?;
    for k in 1..call.inputs.len() {
        total = pair(&total, &call.var(k)?)?;
    }
    one(match operator {
        Variadic::Mean => affine(&total, 1.0 / call.inputs.len().max(1) as f32, 0.0),
        Variadic::Sum | Variadic::Max | Variadic::Min => total,
    })
}

fn extreme(a: &Var, b: &Var, first: fn(f32, f32) -> bool) -> Result<Var, String> {
    binary(
        a,
        b,
        move |x, y| if first(x, y) || x.is_nan() { x } else { y },
        move |x, y| {
            if first(x, y) {
                1.0
            } else if x == y {
                0.5
            } else {
                0.0
            }
        },
        move |x, y| {
            if first(y, x) {
                1.0
            } else if x == y {
                0.5
            } else {
                0.0
            }
        },
    )
}

/// `Pow`. Exponents that are one constant number, which is nearly all there are, get their own loops.
fn power(call: &Call<'_>) -> Answer {
    let base = call.var(0)?;
    if let Item::Host(exponent) = call.required(1)?
        && let [e] = exponent.to_f32()[..]
        && broadcast_shape(&base.dims(), &exponent.shape)? == base.dims()
    {
        return one(match e {
            1.0 => base,
            2.0 => unary(&base, |x| x * x, |x| 2.0 * x),
            3.0 => unary(&base, |x| x * x * x, |x| 3.0 * x * x),
            0.5 => unary_of_output(&base, f32::sqrt, |y| 0.5 / y),
            -0.5 => unary_of_output(&base, |x| 1.0 / x.sqrt(), |y| -0.5 * y * y * y),
            e => unary(
                &base,
                |x| x.powf(e),
                move |x| if e == 0.0 { 0.0 } else { e * x.powf(e - 1.0) },
            ),
        });
    }
    one(binary(
        &base,
        &call.var(1)?,
        f32::powf,
        |x, e| if e == 0.0 { 0.0 } else { e * x.powf(e - 1.0) },
        // At 0 the power is 0 (or 1) for every exponent nearby.
        |x, e| {
            if x == 0.0 && e >= 0.0 {
                0.0
            } else {
                x.powf(e) * x.ln()
            }
        },
    )?)
}

/// `Mod` of floats; the quotient is constant wherever there is a derivative.
fn modulo(fmod: bool, a: &Var, b: &Var) -> Result<Var, String> {
    if fmod {
        return binary(a, b, |x, y| x % y, |_, _| 1.0, |x, y| -(x / y).trunc());
    }
    // The remainder takes the divisor's sign, as in Python.
    let floored = |x: f32, y: f32| {
        let r = x % y;
        if r != 0.0 && (r < 0.0) != (y < 0.0) {
            r + y
        } else {
            r
        }
    };
    binary(a, b, floored, |_, _| 1.0, |x, y| -(x / y).floor())
}

pub(super) fn choose(call: &Call<'_>) -> Answer {
    let condition = call.tensor(0)?;
    one(select(&to_array(&condition), &call.var(1)?, &call.var(2)?)?)
}

/// A cast of a float: to another float nothing changes, since all run in f32; to anything else it leaves
/// the tape.
pub(super) fn cast(to_float: bool, call: &Call<'_>) -> Answer {
    if to_float {
        return one(call.var(0)?);
    }
    super::host::evaluate(call)?.ok_or_else(|| "a cast to this type is not supported".to_owned())
}

pub(super) fn cast_like(call: &Call<'_>) -> Answer {
    let to_float = match call.required(1)? {
        Item::Float(_) => true,
        Item::Host(t) => t.element.is_float(),
        Item::Sequence(_) => false,
    };
    cast(to_float, call)
}

/// `Dropout` is off: the identity, with a mask of ones.
pub(super) fn dropout(call: &Call<'_>) -> Answer {
    let x = call.required(0)?.clone();
    let shape = x.shape();
    let mut outputs = vec![x];
    if call.wants(1) {
        let mask = vec![true; shape.iter().product()];
        let mask = fanin_network::HostTensor::new(
            shape,
            fanin_network::ElementType::Bool,
            fanin_network::HostData::Bool(mask),
        );
        outputs.extend(mask.map(Item::host));
    }
    Ok(outputs)
}
