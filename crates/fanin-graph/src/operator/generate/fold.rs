//! What is made of sizes and scalars, evaluated.

use crate::evaluate::{
    Call, Outcome, Stop, integers,
    kind::{same_kind, settle},
    mixed, tensor,
};
use crate::shape::geometry;
use crate::{ElementType, HostData, HostTensor};

pub(crate) fn constant(value: Option<&HostTensor>) -> Outcome {
    value.map(|value| vec![value.clone()]).ok_or(Stop::Unknown)
}

pub(crate) fn constant_of_shape(value: Option<&HostTensor>, call: &Call<'_>) -> Outcome {
    let sizes = integers(call.required(0, "input")?, "input")?;
    let shape = geometry::sizes(&sizes, "input")?;
    let total = call.size(&shape)?;
    let zero = tensor(vec![1], ElementType::F32, HostData::F32(vec![0.0]));
    let value = value.unwrap_or(&zero);
    if value.len() != 1 {
        return Err(Stop::Wrong(format!(
            "`value` has shape {:?} where one element is wanted",
            value.shape
        )));
    }
    let data = same_kind!(&value.data, v => vec![v[0]; total]);
    Ok(vec![tensor(shape, value.element, data)])
}

pub(crate) fn range(call: &Call<'_>) -> Outcome {
    let start = call.required(0, "start")?;
    let limit = call.required(1, "limit")?;
    let delta = call.required(2, "delta")?;
    for (scalar, name) in [(start, "start"), (limit, "limit"), (delta, "delta")] {
        if scalar.len() != 1 {
            return Err(Stop::Wrong(format!(
                "`{name}` has shape {:?} where a scalar is wanted",
                scalar.shape
            )));
        }
    }
    let still = || Stop::Wrong("a delta of 0 never reaches the limit".to_owned());
    // `max(ceil((limit - start) / delta), 0)` elements, in arithmetic that holds every input.
    let float_count = |start: f64, limit: f64, delta: f64| {
        if delta == 0.0 {
            return Err(still());
        }
        let n = ((limit - start) / delta).ceil().max(0.0);
        if n <= call.limit as f64 {
            Ok(n as usize)
        } else {
            Err(Stop::Unknown)
        }
    };
    let data = match (&start.data, &limit.data, &delta.data) {
        (HostData::I64(s), HostData::I64(l), HostData::I64(d)) => {
            let (s, l, d) = (s[0], l[0], d[0]);
            if d == 0 {
                return Err(still());
            }
            let distance = i128::from(l) - i128::from(s);
            let (distance, step) = if d > 0 {
                (distance, i128::from(d))
            } else {
                (-distance, -i128::from(d))
            };
            let n = if distance > 0 {
                (distance + step - 1) / step
            } else {
                0
            };
            let n = usize::try_from(n).map_err(|_| Stop::Unknown)?;
            call.size(&[n])?;
            HostData::I64(
                (0..n as i64)
                    .map(|k| s.wrapping_add(k.wrapping_mul(d)))
                    .collect(),
            )
        }
        (HostData::F32(s), HostData::F32(l), HostData::F32(d)) => {
            let n = float_count(f64::from(s[0]), f64::from(l[0]), f64::from(d[0]))?;
            HostData::F32((0..n).map(|k| s[0] + k as f32 * d[0]).collect())
        }
        (HostData::F64(s), HostData::F64(l), HostData::F64(d)) => {
            let n = float_count(s[0], l[0], d[0])?;
            HostData::F64((0..n).map(|k| s[0] + k as f64 * d[0]).collect())
        }
        _ => return Err(mixed(start, limit)),
    };
    let data = settle(start.element, data);
    Ok(vec![tensor(vec![data.len()], start.element, data)])
}

/// A matrix with ones on the diagonal that lies `shift` columns to the right; `None` for types that
/// are not held.
pub(crate) fn eye(
    rows: usize,
    columns: usize,
    shift: i64,
    element: ElementType,
) -> Option<HostTensor> {
    let total = rows.checked_mul(columns)?;
    let ones = (0..rows).filter_map(|i| {
        let column = usize::try_from(i as i128 + i128::from(shift)).ok()?;
        (column < columns).then(|| i * columns + column)
    });
    let data = match element {
        ElementType::F64 => {
            let mut v = vec![0.0; total];
            ones.for_each(|k| v[k] = 1.0);
            HostData::F64(v)
        }
        ElementType::Bool => {
            let mut v = vec![false; total];
            ones.for_each(|k| v[k] = true);
            HostData::Bool(v)
        }
        element if element.is_float() => {
            let mut v = vec![0.0; total];
            ones.for_each(|k| v[k] = 1.0);
            HostData::F32(v)
        }
        element if element.is_integer() => {
            let mut v = vec![0; total];
            ones.for_each(|k| v[k] = 1);
            HostData::I64(v)
        }
        _ => return None,
    };
    Some(tensor(vec![rows, columns], element, data))
}

pub(crate) fn eye_like(to: Option<ElementType>, shift: i64, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "input")?;
    let [rows, columns] = x.shape[..] else {
        return Err(Stop::Wrong(format!(
            "wants a matrix, got shape {:?}",
            x.shape
        )));
    };
    call.size(&x.shape)?;
    let element = to.unwrap_or(x.element);
    let eye = eye(rows, columns, shift, element);
    Ok(vec![eye.ok_or(Stop::Unknown)?])
}

#[cfg(test)]
mod tests {
    use crate::evaluate::testing::evaluate;
    use crate::evaluate::testing::{counted, f, i, named, one, one_with};
    use crate::infer::testing::attributes;
    use crate::{Attribute, Attributes, ElementType};

    #[test]
    fn parts_of_a_shape() {
        let x = counted(&[2, 3, 4]);
        let shape =
            |start, end| one_with("Shape", named([("start", start), ("end", end)]), &[&x]).unwrap();
        assert_eq!(one("Shape", &[&x]).unwrap(), i(&[3], &[2, 3, 4]));
        assert_eq!(shape(-2, 9), i(&[2], &[3, 4]));
        assert_eq!(shape(0, -1), i(&[2], &[2, 3]));
        assert_eq!(shape(2, 1), i(&[0], &[]));
        assert_eq!(one("Size", &[&x]).unwrap(), i(&[], &[24]));
    }

    #[test]
    fn ranges() {
        let range = |a, b, c| one("Range", &[&i(&[], &[a]), &i(&[], &[b]), &i(&[], &[c])]);
        assert_eq!(range(2, 9, 3).unwrap(), i(&[3], &[2, 5, 8]));
        assert_eq!(range(3, 0, -1).unwrap(), i(&[3], &[3, 2, 1]));
        assert_eq!(range(0, -5, 1).unwrap(), i(&[0], &[]));
        assert!(range(0, 5, 0).unwrap_err().contains("delta of 0"));
        let found = one(
            "Range",
            &[&f(&[], &[0.0]), &f(&[], &[1.0]), &f(&[], &[0.25])],
        );
        assert_eq!(found.unwrap(), f(&[4], &[0.0, 0.25, 0.5, 0.75]));
        let (low, high, step) = (i(&[], &[i64::MIN]), i(&[], &[i64::MAX]), i(&[], &[1]));
        let inputs = [Some(&low), Some(&high), Some(&step)];
        assert_eq!(
            evaluate("Range", 20, &Attributes::default(), &inputs, 1),
            Ok(None)
        );
    }

    #[test]
    fn filled_shapes() {
        let value = attributes([("value", Attribute::Tensor(i(&[1], &[7])))]);
        assert_eq!(
            one_with("ConstantOfShape", value, &[&i(&[2], &[1, 2])]).unwrap(),
            i(&[1, 2], &[7, 7])
        );
        assert_eq!(
            one("ConstantOfShape", &[&i(&[0], &[])]).unwrap(),
            f(&[], &[0.0])
        );
        let huge = i(&[2], &[1 << 40, 1 << 40]);
        let found = evaluate(
            "ConstantOfShape",
            20,
            &Attributes::default(),
            &[Some(&huge)],
            1,
        );
        assert_eq!(found, Ok(None));
    }

    #[test]
    fn diagonals() {
        let found = one_with("EyeLike", named([("k", 1)]), &[&counted(&[2, 3])]);
        assert_eq!(found.unwrap(), i(&[2, 3], &[0, 1, 0, 0, 0, 1]));
        let float = named([("dtype", 1), ("k", i64::MIN)]);
        let found = one_with("EyeLike", float, &[&counted(&[1, 2])]).unwrap();
        assert_eq!(found, f(&[1, 2], &[0.0, 0.0]));
        assert_eq!(found.element, ElementType::F32);
    }

    #[test]
    fn one_class_is_hot() {
        let values = f(&[2], &[0.0, 1.0]);
        let found = one("OneHot", &[&i(&[3], &[1, -1, 5]), &i(&[], &[3]), &values]);
        assert_eq!(
            found.unwrap(),
            f(&[3, 3], &[0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
        );
        let first = named([("axis", 0)]);
        let found = one_with(
            "OneHot",
            first,
            &[&i(&[2], &[0, 1]), &f(&[1], &[2.0]), &values],
        );
        assert_eq!(found.unwrap(), f(&[2, 2], &[1.0, 0.0, 0.0, 1.0]));
    }
}
