//! Arithmetic, roots, exponentials and trigonometry, element by element.

use super::{Answer, Call, Operator, one};
use crate::kernel::elementwise::{
    add, affine, binary, broadcast_shape, divide, map, multiply, select, subtract, unary,
    unary_of_output,
};
use crate::tape::Var;
use crate::value::{Item, to_array};

pub(super) fn find(op: &str) -> Option<Operator> {
    Some(match op {
        "Add" => |call| one(add(&call.var(0)?, &call.var(1)?)?),
        "Sub" => |call| one(subtract(&call.var(0)?, &call.var(1)?)?),
        "Mul" => |call| one(multiply(&call.var(0)?, &call.var(1)?)?),
        "Div" => |call| one(divide(&call.var(0)?, &call.var(1)?)?),
        "Pow" => power,
        "Mod" => modulo,
        "Sum" => |call| one(variadic(call, add)?),
        "Mean" => |call| {
            let n = call.inputs.len().max(1) as f32;
            one(affine(&variadic(call, add)?, 1.0 / n, 0.0))
        },
        // At a tie each gets half, as in torch.
        "Max" => |call| one(variadic(call, |a, b| extreme(a, b, |x, y| x > y))?),
        "Min" => |call| one(variadic(call, |a, b| extreme(a, b, |x, y| x < y))?),
        "Where" => choose,
        "Abs" => |call| one(unary(&call.var(0)?, f32::abs, sign)),
        "Neg" => |call| one(affine(&call.var(0)?, -1.0, 0.0)),
        "Exp" => |call| one(unary_of_output(&call.var(0)?, f32::exp, |y| y)),
        "Log" => |call| one(unary(&call.var(0)?, f32::ln, |x| 1.0 / x)),
        "Sqrt" => |call| one(unary_of_output(&call.var(0)?, f32::sqrt, |y| 0.5 / y)),
        "Reciprocal" => |call| one(unary_of_output(&call.var(0)?, |x| 1.0 / x, |y| -y * y)),
        "Erf" => |call| {
            const SLOPE: f32 = std::f32::consts::FRAC_2_SQRT_PI;
            one(unary(&call.var(0)?, libm::erff, |x| SLOPE * (-x * x).exp()))
        },
        "Sin" => |call| one(unary(&call.var(0)?, f32::sin, f32::cos)),
        "Cos" => |call| one(unary(&call.var(0)?, f32::cos, |x| -x.sin())),
        "Tan" => |call| one(unary_of_output(&call.var(0)?, f32::tan, |y| 1.0 + y * y)),
        "Asin" => |call| {
            one(unary(&call.var(0)?, f32::asin, |x| {
                1.0 / (1.0 - x * x).sqrt()
            }))
        },
        "Acos" => |call| {
            one(unary(&call.var(0)?, f32::acos, |x| {
                -1.0 / (1.0 - x * x).sqrt()
            }))
        },
        "Atan" => |call| one(unary(&call.var(0)?, f32::atan, |x| 1.0 / (1.0 + x * x))),
        "Sinh" => |call| one(unary(&call.var(0)?, f32::sinh, f32::cosh)),
        "Cosh" => |call| one(unary(&call.var(0)?, f32::cosh, f32::sinh)),
        "Asinh" => |call| {
            one(unary(&call.var(0)?, f32::asinh, |x| {
                1.0 / (x * x + 1.0).sqrt()
            }))
        },
        "Acosh" => |call| {
            one(unary(&call.var(0)?, f32::acosh, |x| {
                1.0 / (x * x - 1.0).sqrt()
            }))
        },
        "Atanh" => |call| one(unary(&call.var(0)?, f32::atanh, |x| 1.0 / (1.0 - x * x))),
        "Floor" => |call| flat(call, f32::floor),
        "Ceil" => |call| flat(call, f32::ceil),
        "Round" => |call| flat(call, f32::round_ties_even),
        "Sign" => |call| flat(call, sign),
        "Cast" | "CastLike" => cast,
        "Identity" => |call| Ok(vec![call.required(0)?.clone()]),
        "Dropout" => dropout,
        _ => return None,
    })
}

fn sign(x: f32) -> f32 {
    if x == 0.0 || x.is_nan() {
        x
    } else {
        x.signum()
    }
}

/// A step function: its derivative is zero wherever it has one, so nothing goes on the tape.
fn flat(call: &Call<'_>, f: fn(f32) -> f32) -> Answer {
    one(Var::constant(map(call.var(0)?.array(), f)))
}

fn variadic(call: &Call<'_>, f: impl Fn(&Var, &Var) -> Result<Var, String>) -> Result<Var, String> {
    let mut total = call.var(0)?;
    for k in 1..call.inputs.len() {
        total = f(&total, &call.var(k)?)?;
    }
    Ok(total)
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
fn modulo(call: &Call<'_>) -> Answer {
    let (a, b) = (call.var(0)?, call.var(1)?);
    if call.attributes().int("fmod", 0) != 0 {
        return one(binary(
            &a,
            &b,
            |x, y| x % y,
            |_, _| 1.0,
            |x, y| -(x / y).trunc(),
        )?);
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
    one(binary(
        &a,
        &b,
        floored,
        |_, _| 1.0,
        |x, y| -(x / y).floor(),
    )?)
}

fn choose(call: &Call<'_>) -> Answer {
    let condition = call.tensor(0)?;
    one(select(&to_array(&condition), &call.var(1)?, &call.var(2)?)?)
}

/// `Cast` and `CastLike` of a float: to another float nothing changes, since all run in f32;
/// to anything else it leaves the tape.
fn cast(call: &Call<'_>) -> Answer {
    let float = match call.node.op.as_str() {
        "CastLike" => match call.required(1)? {
            Item::Float(_) => true,
            Item::Host(t) => t.element.is_float(),
            Item::Sequence(_) => false,
        },
        _ => {
            let to = i32::try_from(call.attributes().int("to", 1)).unwrap_or(0);
            fanin_network::ElementType::from_onnx(to).is_float()
        }
    };
    if float {
        return one(call.var(0)?);
    }
    super::host::evaluate(call)?.ok_or_else(|| "a cast to this type is not supported".to_owned())
}

/// `Dropout` is off: the identity, with a mask of ones.
fn dropout(call: &Call<'_>) -> Answer {
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
