//! Elements in the same place, evaluated.

use super::{Binary, Bitwise, Compare, Logic, Variadic};
use crate::evaluate::{
    Call, Outcome, Stop, joint, kind, kind::Kind, kind::settle, mixed, not_defined, on_numbers,
    tensor, walk::rows, zip,
};
use crate::shape::{broadcast_all, broadcast_strides};
use crate::{ElementType, HostData};

/// `Add` and its like.
pub(crate) fn binary(binary: Binary, call: &Call<'_>) -> Outcome {
    let a = call.required(0, "A")?;
    let b = call.required(1, "B")?;
    let shape = joint(call, a, b)?;
    let out = shape.as_slice();
    let unsigned = a.element == ElementType::U64;
    if let (Binary::Div | Binary::Mod { .. }, HostData::I64(divisors)) = (binary, &b.data)
        && divisors.contains(&0)
        && !shape.contains(&0)
    {
        return Err(Stop::Wrong("divides integers by zero".to_owned()));
    }
    let data = match binary {
        Binary::Add => on_numbers!(a, b, out, |x, y| int x.wrapping_add(y), float x + y),
        Binary::Sub => on_numbers!(a, b, out, |x, y| int x.wrapping_sub(y), float x - y),
        Binary::Mul => on_numbers!(a, b, out, |x, y| int x.wrapping_mul(y), float x * y),
        Binary::Div if unsigned => {
            on_numbers!(a, b, out, |x, y| int (x as u64 / y as u64) as i64, float x / y)
        }
        Binary::Div => on_numbers!(a, b, out, |x, y| int x.wrapping_div(y), float x / y),
        Binary::Mod { .. } if unsigned => {
            on_numbers!(a, b, out, |x, y| int (x as u64 % y as u64) as i64, float x % y)
        }
        Binary::Mod { fmod: true } => {
            on_numbers!(a, b, out, |x, y| int x.wrapping_rem(y), float x % y)
        }
        // The sign of the divisor, as in Python.
        Binary::Mod { fmod: false } => on_numbers!(a, b, out, |x, y| int {
            let r = x.wrapping_rem(y);
            if r != 0 && (r < 0) != (y < 0) { r.wrapping_add(y) } else { r }
        }, float {
            let r = x % y;
            if r != 0.0 && (r < 0.0) != (y < 0.0) { r + y } else { r }
        }),
        Binary::Pow => return pow(call),
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

fn pow(call: &Call<'_>) -> Outcome {
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

pub(crate) fn variadic(variadic: Variadic, call: &Call<'_>) -> Outcome {
    let mut all = call.required(0, "data_0")?.clone();
    call.size(&all.shape)?;
    let unsigned = all.element == ElementType::U64;
    for next in call.inputs.iter().copied().flatten().skip(1) {
        let shape = joint(call, &all, next)?;
        let (a, out) = (&all, shape.as_slice());
        let data = match variadic {
            Variadic::Min if unsigned => {
                on_numbers!(a, next, out, |x, y| int (x as u64).min(y as u64) as i64, float x.least(y))
            }
            Variadic::Max if unsigned => {
                on_numbers!(a, next, out, |x, y| int (x as u64).max(y as u64) as i64, float x.most(y))
            }
            Variadic::Min => on_numbers!(a, next, out, |x, y| int x.least(y), float x.least(y)),
            Variadic::Max => on_numbers!(a, next, out, |x, y| int x.most(y), float x.most(y)),
            Variadic::Sum | Variadic::Mean => {
                on_numbers!(a, next, out, |x, y| int x.wrapping_add(y), float x + y)
            }
        };
        all = tensor(shape, all.element, data);
    }
    if variadic == Variadic::Mean {
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

pub(crate) fn compare(compare: Compare, call: &Call<'_>) -> Outcome {
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
    let data = match (compare, &a.data, &b.data) {
        (Compare::Equal, HostData::Bool(p), HostData::Bool(q)) => {
            zip((p, &a.shape), (q, &b.shape), &shape, |x, y| x == y)
        }
        (Compare::Equal, ..) => with!(|x, y| x == y),
        (Compare::Less, ..) => with!(|x, y| x < y),
        (Compare::LessOrEqual, ..) => with!(|x, y| x <= y),
        (Compare::Greater, ..) => with!(|x, y| x > y),
        (Compare::GreaterOrEqual, ..) => with!(|x, y| x >= y),
    };
    Ok(vec![tensor(shape, ElementType::Bool, HostData::Bool(data))])
}

/// Booleans of booleans, and tests of each element.
pub(crate) fn logic(logic: Logic, call: &Call<'_>) -> Outcome {
    match logic {
        Logic::And => logical(call, |x, y| x & y),
        Logic::Or => logical(call, |x, y| x | y),
        Logic::Xor => logical(call, |x, y| x ^ y),
        Logic::Not => not(call),
        Logic::IsNaN => classify(call, f64::is_nan),
        Logic::IsInf { positive, negative } => classify(call, |x| {
            x.is_infinite() && if x > 0.0 { positive } else { negative }
        }),
    }
}

fn logical(call: &Call<'_>, f: impl Fn(bool, bool) -> bool) -> Outcome {
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
    let data = zip(p, q, &shape, f);
    Ok(vec![tensor(shape, ElementType::Bool, HostData::Bool(data))])
}

fn not(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "X")?;
    call.size(&x.shape)?;
    let HostData::Bool(v) = &x.data else {
        return Err(not_defined(x));
    };
    let data = HostData::Bool(v.iter().map(|&b| !b).collect());
    Ok(vec![tensor(x.shape.clone(), ElementType::Bool, data)])
}

fn classify(call: &Call<'_>, test: impl Fn(f64) -> bool) -> Outcome {
    let x = call.required(0, "X")?;
    call.size(&x.shape)?;
    let data = match &x.data {
        HostData::F32(v) => v.iter().map(|&x| test(x.into())).collect(),
        HostData::F64(v) => v.iter().map(|&x| test(x)).collect(),
        HostData::I64(_) | HostData::Bool(_) => return Err(not_defined(x)),
    };
    Ok(vec![tensor(
        x.shape.clone(),
        ElementType::Bool,
        HostData::Bool(data),
    )])
}

pub(crate) fn bitwise(bitwise: Bitwise, call: &Call<'_>) -> Outcome {
    let a = call.required(0, "A")?;
    let HostData::I64(p) = &a.data else {
        return Err(not_defined(a));
    };
    if bitwise == Bitwise::Not {
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
    let data = match bitwise {
        Bitwise::And => zip(p, q, &shape, |x, y| x & y),
        Bitwise::Or => zip(p, q, &shape, |x, y| x | y),
        Bitwise::Xor => zip(p, q, &shape, |x, y| x ^ y),
        Bitwise::Not => return Err(Stop::Unknown),
        Bitwise::Shift { left: true } => {
            zip(p, q, &shape, |x, y| x.checked_shl(amount(y)).unwrap_or(0))
        }
        Bitwise::Shift { left: false } if sixty_four => zip(p, q, &shape, |x, y| {
            (x as u64).checked_shr(amount(y)).unwrap_or(0) as i64
        }),
        Bitwise::Shift { left: false } => zip(p, q, &shape, |x, y| x >> amount(y).min(63)),
    };
    let data = settle(a.element, HostData::I64(data));
    Ok(vec![tensor(shape, a.element, data)])
}

pub(crate) fn select(call: &Call<'_>) -> Outcome {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Attribute;
    use crate::HostTensor;
    use crate::evaluate::testing::{b, counted, f, i, named, narrow, one, one_with};
    use crate::infer::testing::attributes;
    use crate::shape::{broadcast_shape, strides};

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
