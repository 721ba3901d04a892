//! Casts, evaluated.

use crate::evaluate::{Call, Outcome, Stop, kind::settle, tensor};
use crate::{ElementType, HostData, HostTensor};

pub(crate) fn cast(to: Option<ElementType>, call: &Call<'_>) -> Outcome {
    to_element(call, to.ok_or(Stop::Unknown)?)
}

pub(crate) fn cast_like(call: &Call<'_>) -> Outcome {
    let like = call.required(1, "target_type")?;
    to_element(call, like.element)
}

fn to_element(call: &Call<'_>, to: ElementType) -> Outcome {
    let x = call.required(0, "input")?;
    call.size(&x.shape)?;
    let data = convert(x, to).ok_or(Stop::Unknown)?;
    Ok(vec![tensor(x.shape.clone(), to, data)])
}

/// The elements as another type: fractions are cut off, integers wrap, floats too large for an
/// integer type saturate (ONNX leaves that open), everything but zero is true.
fn convert(x: &HostTensor, to: ElementType) -> Option<HostData> {
    if x.element == to {
        return Some(x.data.clone());
    }
    let unsigned = x.element == ElementType::U64;
    Some(match to {
        ElementType::F32 => HostData::F32(match &x.data {
            HostData::I64(v) if unsigned => v.iter().map(|&x| x as u64 as f32).collect(),
            _ => x.to_f32(),
        }),
        ElementType::F64 => HostData::F64(to_f64(x, unsigned)),
        ElementType::F16 => HostData::F32(
            to_f64(x, unsigned)
                .into_iter()
                .map(|x| half::f16::from_f64(x).to_f32())
                .collect(),
        ),
        ElementType::Bf16 => HostData::F32(
            to_f64(x, unsigned)
                .into_iter()
                .map(|x| half::bf16::from_f64(x).to_f32())
                .collect(),
        ),
        ElementType::Bool => HostData::Bool(match &x.data {
            HostData::F32(v) => v.iter().map(|&x| x != 0.0).collect(),
            HostData::F64(v) => v.iter().map(|&x| x != 0.0).collect(),
            HostData::I64(v) => v.iter().map(|&x| x != 0).collect(),
            HostData::Bool(v) => v.clone(),
        }),
        to if to.is_integer() => {
            let range = narrow_range(to);
            let integer = |x: f64| match range {
                Some((low, high)) => x.clamp(low as f64, high as f64) as i64,
                None if to == ElementType::U64 => x as u64 as i64,
                None => x as i64,
            };
            let data = HostData::I64(match &x.data {
                HostData::F32(v) => v.iter().map(|&x| integer(f64::from(x))).collect(),
                HostData::F64(v) => v.iter().map(|&x| integer(x)).collect(),
                HostData::I64(v) => v.clone(),
                HostData::Bool(v) => v.iter().map(|&x| i64::from(x)).collect(),
            });
            settle(to, data)
        }
        _ => return None,
    })
}

fn to_f64(x: &HostTensor, unsigned: bool) -> Vec<f64> {
    match &x.data {
        HostData::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
        HostData::F64(v) => v.clone(),
        HostData::I64(v) if unsigned => v.iter().map(|&x| x as u64 as f64).collect(),
        HostData::I64(v) => v.iter().map(|&x| x as f64).collect(),
        HostData::Bool(v) => v.iter().map(|&x| f64::from(u8::from(x))).collect(),
    }
}

/// Smallest and largest value of a type narrower than 64 bits.
fn narrow_range(element: ElementType) -> Option<(i64, i64)> {
    Some(match element {
        ElementType::I8 => (i64::from(i8::MIN), i64::from(i8::MAX)),
        ElementType::I16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        ElementType::I32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        ElementType::U8 => (0, i64::from(u8::MAX)),
        ElementType::U16 => (0, i64::from(u16::MAX)),
        ElementType::U32 => (0, i64::from(u32::MAX)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::ElementType;
    use crate::evaluate::testing::{b, f, i, named, narrow, one, one_with};

    fn cast(x: &crate::HostTensor, to: ElementType) -> crate::HostTensor {
        one_with("Cast", named([("to", i64::from(to.to_onnx()))]), &[x]).unwrap()
    }

    #[test]
    fn fractions_are_cut_off_and_extremes_saturate() {
        let x = f(&[5], &[1.9, -1.9, f32::NAN, 1e30, -1e30]);
        assert_eq!(
            cast(&x, ElementType::I64),
            i(&[5], &[1, -1, 0, i64::MAX, i64::MIN])
        );
        assert_eq!(
            cast(&x, ElementType::I8),
            narrow(ElementType::I8, &[1, -1, 0, 127, -128])
        );
        assert_eq!(cast(&x, ElementType::Bool), b(&[5], &[1, 1, 1, 1, 1]));
    }

    #[test]
    fn integers_wrap() {
        let x = i(&[2], &[-1, 300]);
        assert_eq!(
            cast(&x, ElementType::U8),
            narrow(ElementType::U8, &[255, 44])
        );
        let top = narrow(ElementType::U64, &[-1]);
        assert_eq!(cast(&top, ElementType::F32).to_f32(), [u64::MAX as f32]);
    }

    #[test]
    fn half_floats_are_rounded() {
        assert_eq!(
            cast(&f(&[1], &[2049.0]), ElementType::F16).to_f32(),
            [2048.0]
        );
        assert_eq!(
            cast(&f(&[1], &[257.0]), ElementType::Bf16).to_f32(),
            [256.0]
        );
        assert_eq!(
            one("CastLike", &[&b(&[1], &[1]), &f(&[1], &[0.0])]).unwrap(),
            f(&[1], &[1.0])
        );
    }

    #[test]
    fn types_that_are_not_held_are_left_alone() {
        let attributes = named([("to", 8)]);
        let found =
            crate::evaluate::testing::evaluate("Cast", 20, &attributes, &[Some(&i(&[1], &[1]))], 1);
        assert_eq!(found, Ok(None));
    }
}
