//! Operators that compute each element from the elements in its place.

use super::call::{Call, Outcome, Stop, mixed, not_defined, tensor};
use super::kind::{Kind, settle};
use super::shape::broadcast_all;
use super::special::erf;
use super::walk::rows;
use super::{broadcast_strides, kind};
use crate::{ElementType, HostData, HostTensor};

/// `f` of each pair, both read as `out`, to which they broadcast.
fn zip<A: Copy, B: Copy, O>(
    a: (&[A], &[usize]),
    b: (&[B], &[usize]),
    out: &[usize],
    f: impl Fn(A, B) -> O,
) -> Vec<O> {
    let total = out.iter().product();
    let ((a, a_shape), (b, b_shape)) = (a, b);
    if a.len() == total && b.len() == total {
        return a.iter().zip(b).map(|(&x, &y)| f(x, y)).collect();
    }
    if let ([y], true) = (b, a.len() == total) {
        return a.iter().map(|&x| f(x, *y)).collect();
    }
    if let ([x], true) = (a, b.len() == total) {
        return b.iter().map(|&y| f(*x, y)).collect();
    }
    let strides_a = broadcast_strides(a_shape, out);
    let strides_b = broadcast_strides(b_shape, out);
    let mut result = Vec::with_capacity(total);
    rows(
        out,
        [&strides_a, &strides_b],
        [0, 0],
        |[at_a, at_b], length, [step_a, step_b]| {
            result.extend((0..length as isize).map(|k| {
                f(
                    a[(at_a + k * step_a) as usize],
                    b[(at_b + k * step_b) as usize],
                )
            }));
        },
    );
    result
}

/// The shape two operands broadcast to, within the limit.
fn joint(call: &Call<'_>, a: &HostTensor, b: &HostTensor) -> Result<Vec<usize>, Stop> {
    let shape = broadcast_all([a.shape.as_slice(), b.shape.as_slice()])?;
    call.size(&shape)?;
    Ok(shape)
}

/// Two operands of numbers: one expression for integers, one for floats.
macro_rules! on_numbers {
    ($a:expr, $b:expr, $out:expr, |$x:ident, $y:ident| int $int:expr, float $float:expr) => {
        match (&$a.data, &$b.data) {
            (HostData::I64(p), HostData::I64(q)) => {
                HostData::I64(zip((p, &$a.shape), (q, &$b.shape), $out, |$x, $y| $int))
            }
            (HostData::F32(p), HostData::F32(q)) => {
                HostData::F32(zip((p, &$a.shape), (q, &$b.shape), $out, |$x, $y| $float))
            }
            (HostData::F64(p), HostData::F64(q)) => {
                HostData::F64(zip((p, &$a.shape), (q, &$b.shape), $out, |$x, $y| $float))
            }
            (HostData::Bool(_), HostData::Bool(_)) => return Err(not_defined($a)),
            _ => return Err(mixed($a, $b)),
        }
    };
}

pub(super) fn arithmetic(call: &Call<'_>) -> Outcome {
    let a = call.required(0, "A")?;
    let b = call.required(1, "B")?;
    let shape = joint(call, a, b)?;
    let out = shape.as_slice();
    let unsigned = a.element == ElementType::U64;
    if let ("Div" | "Mod", HostData::I64(divisors)) = (call.op, &b.data)
        && divisors.contains(&0)
        && !shape.contains(&0)
    {
        return Err(Stop::Wrong("divides integers by zero".to_owned()));
    }
    let like_c = call.attributes.int("fmod", 0) != 0;
    let data = match call.op {
        "Add" => on_numbers!(a, b, out, |x, y| int x.wrapping_add(y), float x + y),
        "Sub" => on_numbers!(a, b, out, |x, y| int x.wrapping_sub(y), float x - y),
        "Mul" => on_numbers!(a, b, out, |x, y| int x.wrapping_mul(y), float x * y),
        "Div" if unsigned => {
            on_numbers!(a, b, out, |x, y| int (x as u64 / y as u64) as i64, float x / y)
        }
        "Div" => on_numbers!(a, b, out, |x, y| int x.wrapping_div(y), float x / y),
        "Mod" if unsigned => {
            on_numbers!(a, b, out, |x, y| int (x as u64 % y as u64) as i64, float x % y)
        }
        "Mod" if like_c => on_numbers!(a, b, out, |x, y| int x.wrapping_rem(y), float x % y),
        // The sign of the divisor, as in Python.
        "Mod" => on_numbers!(a, b, out, |x, y| int {
            let r = x.wrapping_rem(y);
            if r != 0 && (r < 0) != (y < 0) { r.wrapping_add(y) } else { r }
        }, float {
            let r = x % y;
            if r != 0.0 && (r < 0.0) != (y < 0.0) { r + y } else { r }
        }),
        _ => return Err(Stop::Unknown),
    };
    Ok(vec![tensor(shape, a.element, settle(a.element, data))])
}

/// `x` to the power of an integer; a fraction is cut off.
fn integer_power(x: i64, y: i64) -> i64 {
    match u32::try_from(y) {
        Ok(y) => x.wrapping_pow(y),
        Err(_) if y < 0 => match x {
            1 => 1,
            -1 if y % 2 == 0 => 1,
            -1 => -1,
            _ => 0,
        },
        Err(_) => {
            // Exponents past u32: square and multiply on the wrapped values.
            let (mut base, mut left, mut result) = (x, y, 1i64);
            while left > 0 {
                if left & 1 == 1 {
                    result = result.wrapping_mul(base);
                }
                base = base.wrapping_mul(base);
                left >>= 1;
            }
            result
        }
    }
}

pub(super) fn pow(call: &Call<'_>) -> Outcome {
    let a = call.required(0, "X")?;
    let b = call.required(1, "Y")?;
    let shape = joint(call, a, b)?;
    let (p, q) = (a.shape.as_slice(), b.shape.as_slice());
    let data = match (&a.data, &b.data) {
        (HostData::I64(x), HostData::I64(y)) => {
            HostData::I64(zip((x, p), (y, q), &shape, integer_power))
        }
        (HostData::I64(x), HostData::F32(y)) => {
            HostData::I64(zip((x, p), (y, q), &shape, |x, y| {
                (x as f64).powf(f64::from(y)) as i64
            }))
        }
        (HostData::I64(x), HostData::F64(y)) => {
            HostData::I64(zip((x, p), (y, q), &shape, |x, y| {
                (x as f64).powf(y) as i64
            }))
        }
        (HostData::F32(x), HostData::F32(y)) => {
            HostData::F32(zip((x, p), (y, q), &shape, |x, y| x.powf(y)))
        }
        (HostData::F32(x), HostData::F64(y)) => {
            HostData::F32(zip((x, p), (y, q), &shape, |x, y| {
                f64::from(x).powf(y) as f32
            }))
        }
        (HostData::F32(x), HostData::I64(y)) => {
            HostData::F32(zip((x, p), (y, q), &shape, |x, y| x.powf(y as f32)))
        }
        (HostData::F64(x), HostData::F32(y)) => {
            HostData::F64(zip((x, p), (y, q), &shape, |x, y| x.powf(f64::from(y))))
        }
        (HostData::F64(x), HostData::F64(y)) => {
            HostData::F64(zip((x, p), (y, q), &shape, |x, y| x.powf(y)))
        }
        (HostData::F64(x), HostData::I64(y)) => {
            HostData::F64(zip((x, p), (y, q), &shape, |x, y| x.powf(y as f64)))
        }
        (HostData::Bool(_), _) => return Err(not_defined(a)),
        (_, HostData::Bool(_)) => return Err(not_defined(b)),
    };
    Ok(vec![tensor(shape, a.element, settle(a.element, data))])
}

pub(super) fn variadic(call: &Call<'_>) -> Outcome {
    let mut all = call.required(0, "data_0")?.clone();
    call.size(&all.shape)?;
    let unsigned = all.element == ElementType::U64;
    for next in call.inputs.iter().copied().flatten().skip(1) {
        let shape = joint(call, &all, next)?;
        let (a, out) = (&all, shape.as_slice());
        let data = match call.op {
            "Min" if unsigned => {
                on_numbers!(a, next, out, |x, y| int (x as u64).min(y as u64) as i64, float x.least(y))
            }
            "Max" if unsigned => {
                on_numbers!(a, next, out, |x, y| int (x as u64).max(y as u64) as i64, float x.most(y))
            }
            "Min" => on_numbers!(a, next, out, |x, y| int x.least(y), float x.least(y)),
            "Max" => on_numbers!(a, next, out, |x, y| int x.most(y), float x.most(y)),
            _ => on_numbers!(a, next, out, |x, y| int x.wrapping_add(y), float x + y),
        };
        all = tensor(shape, all.element, data);
    }
    if call.op == "Mean" {
        let n = call.inputs.iter().flatten().count();
        match &mut all.data {
            HostData::F32(v) => v.iter_mut().for_each(|x| *x /= n as f32),
            HostData::F64(v) => v.iter_mut().for_each(|x| *x /= n as f64),
            HostData::I64(_) | HostData::Bool(_) => return Err(not_defined(&all)),
        }
    }
    all.data = settle(all.element, all.data);
    Ok(vec![all])
}

pub(super) fn compare(call: &Call<'_>) -> Outcome {
    let a = call.required(0, "A")?;
    let b = call.required(1, "B")?;
    let shape = joint(call, a, b)?;
    let unsigned = a.element == ElementType::U64;

    macro_rules! with {
        (|$x:ident, $y:ident| $f:expr) => {
            match (&a.data, &b.data) {
                (HostData::I64(p), HostData::I64(q)) if unsigned => {
                    zip((p, &a.shape), (q, &b.shape), &shape, |x, y| {
                        let ($x, $y) = (x as u64, y as u64);
                        $f
                    })
                }
                (HostData::I64(p), HostData::I64(q)) => {
                    zip((p, &a.shape), (q, &b.shape), &shape, |$x, $y| $f)
                }
                (HostData::F32(p), HostData::F32(q)) => {
                    zip((p, &a.shape), (q, &b.shape), &shape, |$x, $y| $f)
                }
                (HostData::F64(p), HostData::F64(q)) => {
                    zip((p, &a.shape), (q, &b.shape), &shape, |$x, $y| $f)
                }
                (HostData::Bool(_), HostData::Bool(_)) => return Err(not_defined(a)),
                _ => return Err(mixed(a, b)),
            }
        };
    }
    let data = match (call.op, &a.data, &b.data) {
        ("Equal", HostData::Bool(p), HostData::Bool(q)) => {
            zip((p, &a.shape), (q, &b.shape), &shape, |x, y| x == y)
        }
        ("Equal", ..) => with!(|x, y| x == y),
        ("Less", ..) => with!(|x, y| x < y),
        ("LessOrEqual", ..) => with!(|x, y| x <= y),
        ("Greater", ..) => with!(|x, y| x > y),
        _ => with!(|x, y| x >= y),
    };
    Ok(vec![tensor(shape, ElementType::Bool, HostData::Bool(data))])
}

pub(super) fn logical(call: &Call<'_>) -> Outcome {
    let a = call.required(0, "A")?;
    let b = call.required(1, "B")?;
    let shape = joint(call, a, b)?;
    let HostData::Bool(p) = &a.data else {
        return Err(not_defined(a));
    };
    let HostData::Bool(q) = &b.data else {
        return Err(not_defined(b));
    };
    let (p, q) = (
        (p.as_slice(), a.shape.as_slice()),
        (q.as_slice(), b.shape.as_slice()),
    );
    let data = match call.op {
        "And" => zip(p, q, &shape, |x, y| x & y),
        "Or" => zip(p, q, &shape, |x, y| x | y),
        _ => zip(p, q, &shape, |x, y| x ^ y),
    };
    Ok(vec![tensor(shape, ElementType::Bool, HostData::Bool(data))])
}

pub(super) fn not(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "X")?;
    call.size(&x.shape)?;
    let HostData::Bool(v) = &x.data else {
        return Err(not_defined(x));
    };
    let data = HostData::Bool(v.iter().map(|&b| !b).collect());
    Ok(vec![tensor(x.shape.clone(), ElementType::Bool, data)])
}

pub(super) fn classify(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "X")?;
    call.size(&x.shape)?;
    let positive = call.attributes.int("detect_positive", 1) != 0;
    let negative = call.attributes.int("detect_negative", 1) != 0;
    let nan = call.op == "IsNaN";

    macro_rules! class {
        ($v:expr) => {
            $v.iter()
                .map(|&x| {
                    if nan {
                        x.is_nan()
                    } else {
                        x.is_infinite() && if x > 0.0 { positive } else { negative }
                    }
                })
                .collect()
        };
    }
    let data = match &x.data {
        HostData::F32(v) => class!(v),
        HostData::F64(v) => class!(v),
        HostData::I64(_) | HostData::Bool(_) => return Err(not_defined(x)),
    };
    Ok(vec![tensor(
        x.shape.clone(),
        ElementType::Bool,
        HostData::Bool(data),
    )])
}

pub(super) fn bitwise(call: &Call<'_>) -> Outcome {
    let a = call.required(0, "A")?;
    let HostData::I64(p) = &a.data else {
        return Err(not_defined(a));
    };
    if call.op == "BitwiseNot" {
        call.size(&a.shape)?;
        let data = HostData::I64(p.iter().map(|&x| !x).collect());
        return Ok(vec![tensor(
            a.shape.clone(),
            a.element,
            settle(a.element, data),
        )]);
    }
    let b = call.required(1, "B")?;
    let shape = joint(call, a, b)?;
    let HostData::I64(q) = &b.data else {
        return Err(mixed(a, b));
    };
    let (p, q) = (
        (p.as_slice(), a.shape.as_slice()),
        (q.as_slice(), b.shape.as_slice()),
    );
    // One past the width, or a negative amount, leaves nothing but the sign (which only opset 28
    // has).
    let amount = |y: i64| u32::try_from(y).unwrap_or(u32::MAX);
    let sixty_four = a.element == ElementType::U64;
    let data = match call.op {
        "BitwiseAnd" => zip(p, q, &shape, |x, y| x & y),
        "BitwiseOr" => zip(p, q, &shape, |x, y| x | y),
        "BitwiseXor" => zip(p, q, &shape, |x, y| x ^ y),
        _ if call.attributes.str("direction", "") == "LEFT" => {
            zip(p, q, &shape, |x, y| x.checked_shl(amount(y)).unwrap_or(0))
        }
        _ if sixty_four => zip(p, q, &shape, |x, y| {
            (x as u64).checked_shr(amount(y)).unwrap_or(0) as i64
        }),
        _ => zip(p, q, &shape, |x, y| x >> amount(y).min(63)),
    };
    let data = settle(a.element, HostData::I64(data));
    Ok(vec![tensor(shape, a.element, data)])
}

pub(super) fn select(call: &Call<'_>) -> Outcome {
    let condition = call.required(0, "condition")?;
    let x = call.required(1, "X")?;
    let y = call.required(2, "Y")?;
    let shape = broadcast_all([&*condition.shape, &*x.shape, &*y.shape])?;
    let total = call.size(&shape)?;
    let HostData::Bool(choose) = &condition.data else {
        return Err(not_defined(condition));
    };
    let strides = [condition, x, y].map(|t| broadcast_strides(&t.shape, &shape));
    let [first, second, third] = &strides;
    let data = kind::same_kinds!(&x.data, &y.data, p, q => {
        let mut out = Vec::with_capacity(total);
        rows(&shape, [first, second, third], [0; 3], |at, length, step| {
            out.extend((0..length as isize).map(|k| {
                if choose[(at[0] + k * step[0]) as usize] {
                    p[(at[1] + k * step[1]) as usize]
                } else {
                    q[(at[2] + k * step[2]) as usize]
                }
            }));
        });
        out
    })
    .ok_or_else(|| mixed(x, y))?;
    Ok(vec![tensor(shape, x.element, data)])
}

pub(super) fn clip(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "input")?;
    call.size(&x.shape)?;
    let bound = |name: &str, k: usize| -> Option<HostTensor> {
        match call.attributes.get(name) {
            Some(crate::Attribute::Float(v)) => {
                let data = match x.data {
                    HostData::F64(_) => HostData::F64(vec![f64::from(*v)]),
                    _ => HostData::F32(vec![*v]),
                };
                Some(tensor(vec![], x.element, data))
            }
            _ => call.input(k).cloned(),
        }
    };
    let mut result = x.clone();
    // The upper bound goes last: where the two cross, it wins.
    for (name, k) in [("min", 1), ("max", 2)] {
        let Some(bound) = bound(name, k) else {
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
        let data = match k {
            1 if unsigned => {
                on_numbers!(a, b, out, |x, y| int (x as u64).max(y as u64) as i64, float x.most(y))
            }
            1 => on_numbers!(a, b, out, |x, y| int x.most(y), float x.most(y)),
            _ if unsigned => {
                on_numbers!(a, b, out, |x, y| int (x as u64).min(y as u64) as i64, float x.least(y))
            }
            _ => on_numbers!(a, b, out, |x, y| int x.least(y), float x.least(y)),
        };
        result.data = settle(x.element, data);
    }
    Ok(vec![result])
}

pub(super) fn unary(call: &Call<'_>) -> Outcome {
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
    let data = match call.op {
        "Abs" if unsigned => x.data.clone(),
        "Sign" if unsigned => number!(|v| int i64::from(v != 0), float v),
        "Relu" if unsigned => x.data.clone(),
        "Abs" => number!(|v| int v.wrapping_abs(), float v.abs()),
        "Neg" => number!(|v| int v.wrapping_neg(), float -v),
        "Sign" => {
            number!(|v| int v.signum(), float if v == 0.0 || v.is_nan() { v } else { v.signum() })
        }
        "Relu" => number!(|v| int v.max(0), float if v < 0.0 { 0.0 } else { v }),
        "Floor" => float!(|v| v.floor()),
        "Ceil" => float!(|v| v.ceil()),
        "Round" => float!(|v| v.round_ties_even()),
        "Sqrt" => float!(|v| v.sqrt()),
        "Reciprocal" => float!(|v| v.recip()),
        "Exp" => float!(|v| v.exp()),
        "Log" => float!(|v| v.ln()),
        "Sin" => float!(|v| v.sin()),
        "Cos" => float!(|v| v.cos()),
        "Tan" => float!(|v| v.tan()),
        "Asin" => float!(|v| v.asin()),
        "Acos" => float!(|v| v.acos()),
        "Atan" => float!(|v| v.atan()),
        "Sinh" => float!(|v| v.sinh()),
        "Cosh" => float!(|v| v.cosh()),
        "Asinh" => float!(|v| v.asinh()),
        "Acosh" => float!(|v| v.acosh()),
        "Atanh" => float!(|v| v.atanh()),
        "Tanh" => float!(|v| v.tanh()),
        // Neither branch lets the exponential overflow.
        "Sigmoid" => float!(|v| if v >= 0.0 {
            1.0 / (1.0 + (-v).exp())
        } else {
            v.exp() / (1.0 + v.exp())
        }),
        "Softplus" => float!(|v| (-v.abs()).exp().ln_1p() + if v > 0.0 { v } else { 0.0 }),
        "Softsign" => float!(|v| v / (1.0 + v.abs())),
        "Erf" => match &x.data {
            HostData::F32(d) => {
                HostData::F32(d.iter().map(|&v| erf(f64::from(v)) as f32).collect())
            }
            HostData::F64(d) => HostData::F64(d.iter().map(|&v| erf(v)).collect()),
            HostData::I64(_) | HostData::Bool(_) => return Err(not_defined(x)),
        },
        _ => return Err(Stop::Unknown),
    };
    let data = settle(x.element, data);
    Ok(vec![tensor(x.shape.clone(), x.element, data)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{b, counted, f, i, named, narrow, one, one_with};
    use super::super::{broadcast_shape, strides};
    use super::*;
    use crate::Attribute;
    use crate::infer::testing::attributes;

    #[test]
    fn integer_division_cuts_towards_zero() {
        let quotient = one(
            "Div",
            &[&i(&[4], &[7, -7, 7, -7]), &i(&[4], &[2, 2, -2, -2])],
        );
        assert_eq!(quotient.unwrap(), i(&[4], &[3, -3, -3, 3]));
        let error = one("Div", &[&i(&[1], &[7]), &i(&[1], &[0])]).unwrap_err();
        assert_eq!(error, "divides integers by zero");
        assert!(one("Mod", &[&i(&[1], &[7]), &i(&[1], &[0])]).is_err());
        assert_eq!(
            one("Div", &[&f(&[1], &[1.0]), &f(&[1], &[0.0])])
                .unwrap()
                .to_f32(),
            [f32::INFINITY]
        );
    }

    #[test]
    fn integers_wrap_at_their_width_and_never_panic() {
        let lowest = i(&[1], &[i64::MIN]);
        let minus_one = i(&[1], &[-1]);
        assert_eq!(one("Div", &[&lowest, &minus_one]).unwrap(), lowest);
        assert_eq!(one("Neg", &[&lowest]).unwrap(), lowest);
        assert_eq!(one("Abs", &[&lowest]).unwrap(), lowest);
        assert_eq!(one("Mod", &[&lowest, &minus_one]).unwrap(), i(&[1], &[0]));
        let wide = narrow(ElementType::U8, &[200]);
        assert_eq!(
            one("Add", &[&wide, &wide]).unwrap(),
            narrow(ElementType::U8, &[144])
        );
        let short = narrow(ElementType::I32, &[i64::from(i32::MIN)]);
        let less = narrow(ElementType::I32, &[1]);
        assert_eq!(
            one("Sub", &[&short, &less]).unwrap(),
            narrow(ElementType::I32, &[i64::from(i32::MAX)])
        );
    }

    #[test]
    fn unsigned_words_are_ordered_as_such() {
        let top = narrow(ElementType::U64, &[-1]);
        let one_ = narrow(ElementType::U64, &[1]);
        assert_eq!(one("Greater", &[&top, &one_]).unwrap(), b(&[1], &[1]));
        assert_eq!(one("Max", &[&top, &one_]).unwrap(), top);
        let two = narrow(ElementType::U64, &[2]);
        assert_eq!(
            one("Div", &[&top, &two]).unwrap(),
            narrow(ElementType::U64, &[i64::MAX])
        );
    }

    #[test]
    fn remainders_of_both_kinds() {
        let (x, y) = (i(&[4], &[7, -7, 7, -7]), i(&[4], &[3, 3, -3, -3]));
        assert_eq!(one("Mod", &[&x, &y]).unwrap(), i(&[4], &[1, 2, -2, -1]));
        let like_c = || named([("fmod", 1)]);
        assert_eq!(
            one_with("Mod", like_c(), &[&x, &y]).unwrap(),
            i(&[4], &[1, -1, 1, -1])
        );
        let found = one_with("Mod", like_c(), &[&f(&[1], &[-7.5]), &f(&[1], &[2.0])]);
        assert_eq!(found.unwrap(), f(&[1], &[-1.5]));
    }

    #[test]
    fn powers_keep_the_type_of_the_base() {
        let found = one("Pow", &[&i(&[3], &[2, -1, 5]), &i(&[3], &[10, -3, -1])]);
        assert_eq!(found.unwrap(), i(&[3], &[1024, -1, 0]));
        let found = one("Pow", &[&i(&[1], &[2]), &f(&[1], &[0.5])]);
        assert_eq!(found.unwrap(), i(&[1], &[1]));
        let found = one("Pow", &[&f(&[1], &[2.0]), &i(&[1], &[-1])]);
        assert_eq!(found.unwrap(), f(&[1], &[0.5]));
        let found = one("Pow", &[&i(&[1], &[3]), &i(&[1], &[i64::MAX])]);
        // 3 to an odd power that large, modulo 2^64.
        assert_eq!(found.unwrap().to_i64().unwrap()[0].wrapping_mul(3), 1);
    }

    #[test]
    fn not_a_number_wins_over_bounds() {
        let nan = f(&[1], &[f32::NAN]);
        for op in ["Min", "Max"] {
            assert!(one(op, &[&nan, &f(&[1], &[1.0])]).unwrap().to_f32()[0].is_nan());
            assert!(one(op, &[&f(&[1], &[1.0]), &nan]).unwrap().to_f32()[0].is_nan());
        }
        assert!(one("Relu", &[&nan]).unwrap().to_f32()[0].is_nan());
    }

    #[test]
    fn clip_with_crossed_bounds_gives_the_upper() {
        let found = one(
            "Clip",
            &[&i(&[3], &[1, 5, 9]), &i(&[], &[7]), &i(&[], &[3])],
        );
        assert_eq!(found.unwrap(), i(&[3], &[3, 3, 3]));
        let old = attributes([
            ("max", Attribute::Float(6.0)),
            ("min", Attribute::Float(0.0)),
        ]);
        let found = one_with("Clip", old, &[&f(&[3], &[-1.0, 5.0, 9.0])]);
        assert_eq!(found.unwrap(), f(&[3], &[0.0, 5.0, 6.0]));
    }

    #[test]
    fn halves_round_to_even() {
        let found = one("Round", &[&f(&[4], &[0.5, 1.5, 2.5, -1.5])]);
        assert_eq!(found.unwrap(), f(&[4], &[0.0, 2.0, 2.0, -2.0]));
    }

    #[test]
    fn half_floats_are_rounded_once_per_operator() {
        let half =
            |x: f32| HostTensor::new(vec![1], ElementType::F16, HostData::F32(vec![x])).unwrap();
        let sum = one("Add", &[&half(2048.0), &half(1.0)]).unwrap();
        assert_eq!(sum.to_f32(), [2048.0]);
        assert_eq!(sum.element, ElementType::F16);
        assert_eq!(
            one("Mul", &[&half(300.0), &half(300.0)]).unwrap().to_f32(),
            [f32::INFINITY]
        );
    }

    #[test]
    fn sigmoid_and_erf_at_the_ends() {
        let x = f(&[5], &[-200.0, -1.0, 0.0, 1.0, 200.0]);
        let found = one("Sigmoid", &[&x]).unwrap().to_f32();
        for (found, wanted) in found.iter().zip([0.0, 0.268_941_43, 0.5, 0.731_058_6, 1.0]) {
            assert!((found - wanted).abs() < 1e-7, "{found} {wanted}");
        }
        let found = one("Erf", &[&x]).unwrap().to_f32();
        for (found, wanted) in found
            .iter()
            .zip([-1.0, -0.842_700_8, 0.0, 0.842_700_8, 1.0])
        {
            assert!((found - wanted).abs() < 1e-7, "{found} {wanted}");
        }
    }

    #[test]
    fn choosing_broadcasts_all_three() {
        let found = one(
            "Where",
            &[&b(&[2, 1], &[1, 0]), &i(&[3], &[1, 2, 3]), &i(&[], &[9])],
        );
        assert_eq!(found.unwrap(), i(&[2, 3], &[1, 2, 3, 9, 9, 9]));
        let mixed = one("Where", &[&b(&[1], &[1]), &i(&[1], &[1]), &f(&[1], &[1.0])]);
        assert!(mixed.unwrap_err().contains("one type"));
    }

    #[test]
    fn logic_and_bits() {
        let (x, y) = (b(&[4], &[0, 0, 1, 1]), b(&[4], &[0, 1, 0, 1]));
        assert_eq!(one("And", &[&x, &y]).unwrap(), b(&[4], &[0, 0, 0, 1]));
        assert_eq!(one("Or", &[&x, &y]).unwrap(), b(&[4], &[0, 1, 1, 1]));
        assert_eq!(one("Xor", &[&x, &y]).unwrap(), b(&[4], &[0, 1, 1, 0]));
        assert_eq!(one("Not", &[&x]).unwrap(), b(&[4], &[1, 1, 0, 0]));
        let byte = narrow(ElementType::U8, &[0b1100_0001]);
        assert_eq!(
            one("BitwiseNot", &[&byte]).unwrap(),
            narrow(ElementType::U8, &[0b0011_1110])
        );
        let left = attributes([("direction", Attribute::String("LEFT".to_owned()))]);
        let by = narrow(ElementType::U8, &[1]);
        assert_eq!(
            one_with("BitShift", left, &[&byte, &by]).unwrap(),
            narrow(ElementType::U8, &[0b1000_0010])
        );
    }

    #[test]
    fn signs_of_infinity() {
        let x = f(&[4], &[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0]);
        assert_eq!(one("IsNaN", &[&x]).unwrap(), b(&[4], &[1, 0, 0, 0]));
        assert_eq!(one("IsInf", &[&x]).unwrap(), b(&[4], &[0, 1, 1, 0]));
        let only = named([("detect_negative", 0)]);
        assert_eq!(
            one_with("IsInf", only, &[&x]).unwrap(),
            b(&[4], &[0, 1, 0, 0])
        );
    }

    #[test]
    fn shapes_that_differ_are_an_error() {
        let error = one("Add", &[&counted(&[2]), &counted(&[3])]).unwrap_err();
        assert_eq!(error, "shapes [2] and [3] do not broadcast");
    }

    proptest! {
        /// Against indexing element by element.
        #[test]
        fn broadcasting_is_indexing(
            shape in prop::collection::vec(0usize..4, 0..5),
            ones_a in prop::collection::vec(any::<bool>(), 5),
            ones_b in prop::collection::vec(any::<bool>(), 5),
            cut in 0usize..5,
        ) {
            let thin = |ones: &[bool], cut: usize| -> Vec<usize> {
                shape.iter().zip(ones).map(|(&d, &one)| if one { 1 } else { d }).skip(cut).collect()
            };
            let a = counted(&thin(&ones_a, 0));
            let c = counted(&thin(&ones_b, cut.min(shape.len())));
            let out = broadcast_shape(&a.shape, &c.shape).unwrap();
            let found = one("Sub", &[&a, &c]).unwrap();
            prop_assert_eq!(&found.shape, &out);
            let at = |t: &HostTensor, place: usize| {
                let skipped = out.len() - t.shape.len();
                let index: usize = strides(&out).iter().zip(&out).skip(skipped).zip(&t.shape)
                    .zip(strides(&t.shape))
                    .map(|(((&s, &d), &own), stride)| if own == 1 { 0 } else { place / s % d * stride })
                    .sum();
                index as i64
            };
            for (place, x) in found.to_i64().unwrap().into_iter().enumerate() {
                prop_assert_eq!(x, at(&a, place) - at(&c, place));
            }
        }
    }
}
