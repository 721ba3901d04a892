//! What arranges elements, evaluated.

use super::Reshape;
use crate::HostTensor;
use crate::evaluate::{Call, Outcome, restride, tensor, walk::steps};
use crate::operator::Axes;
use crate::shape::geometry;

pub(crate) fn identity(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "input")?;
    call.size(&x.shape)?;
    Ok(vec![x.clone()])
}

/// The same elements under another shape.
fn relabel(call: &Call<'_>, x: &HostTensor, shape: Vec<usize>) -> Outcome {
    call.size(&shape)?;
    Ok(vec![tensor(shape, x.element, x.data.clone())])
}

pub(crate) fn reshape(reshape: &Reshape, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let target = call.setting(&reshape.shape, "shape")?;
    let target = target.ok_or_else(|| "input 1 (`shape`) is missing".to_owned())?;
    let allow_zero = reshape.allow_zero;
    relabel(call, x, geometry::reshape(&x.shape, &target, allow_zero)?)
}

pub(crate) fn flatten(axis: i64, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "input")?;
    relabel(call, x, geometry::flatten(&x.shape, axis)?)
}

pub(crate) fn squeeze(axes: &Axes, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let axes = call.setting(axes, "axes")?;
    relabel(call, x, geometry::squeeze(&x.shape, axes.as_deref())?)
}

pub(crate) fn unsqueeze(axes: &Axes, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let axes = call.setting(axes, "axes")?;
    let axes = axes.ok_or_else(|| "input 1 (`axes`) is missing".to_owned())?;
    relabel(call, x, geometry::unsqueeze(&x.shape, &axes)?)
}

pub(crate) fn transpose(perm: Option<&[i64]>, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let perm = geometry::permutation(x.shape.len(), perm)?;
    let own = steps(&x.shape);
    let shape = perm.iter().map(|&axis| x.shape[axis]).collect();
    let strides: Vec<isize> = perm.iter().map(|&axis| own[axis]).collect();
    Ok(vec![restride(call, x, 0, shape, &strides)?])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::evaluate::testing::{counted, f, i, named, one, one_with, run};
    use crate::infer::testing::attributes;
    use crate::shape::strides;
    use crate::{Attribute, Attributes};

    #[test]
    fn a_transpose_moves_every_axis() {
        let perm = attributes([("perm", Attribute::Ints(vec![1, 2, 0]))]);
        let found = one_with("Transpose", perm, &[&counted(&[2, 1, 3])]);
        assert_eq!(found.unwrap(), i(&[1, 3, 2], &[0, 3, 1, 4, 2, 5]));
        let found = one("Transpose", &[&counted(&[2, 3])]);
        assert_eq!(found.unwrap(), i(&[3, 2], &[0, 3, 1, 4, 2, 5]));
    }

    #[test]
    fn joins_and_cuts_undo_each_other() {
        let x = counted(&[2, 3, 5]);
        let axis = || named([("axis", 2)]);
        let parts = run("Split", axis(), &[&x, &i(&[3], &[1, 0, 4])], 3).unwrap();
        assert_eq!(parts[0], i(&[2, 3, 1], &[0, 5, 10, 15, 20, 25]));
        assert_eq!(parts[1].shape, [2, 3, 0]);
        let parts: Vec<_> = parts.iter().collect();
        assert_eq!(one_with("Concat", axis(), &parts).unwrap(), x);
    }

    #[test]
    fn repeats_come_whole() {
        let found = one("Tile", &[&counted(&[2, 2]), &i(&[2], &[1, 2])]);
        assert_eq!(found.unwrap(), i(&[2, 4], &[0, 1, 0, 1, 2, 3, 2, 3]));
        let found = one("Tile", &[&counted(&[2, 2]), &i(&[2], &[0, 2])]).unwrap();
        assert_eq!(found.shape, [0, 4]);
        let found = one("Expand", &[&counted(&[2, 1]), &i(&[1], &[3])]);
        assert_eq!(found.unwrap(), i(&[2, 3], &[0, 0, 0, 1, 1, 1]));
    }

    #[test]
    fn padding_of_each_mode() {
        let x = counted(&[4]);
        let pads = i(&[2], &[2, 3]);
        let pad = |mode: &str| {
            let mode = attributes([("mode", Attribute::String(mode.to_owned()))]);
            one_with("Pad", mode, &[&x, &pads])
                .unwrap()
                .to_i64()
                .unwrap()
        };
        assert_eq!(pad("constant"), [0, 0, 0, 1, 2, 3, 0, 0, 0]);
        assert_eq!(pad("reflect"), [2, 1, 0, 1, 2, 3, 2, 1, 0]);
        assert_eq!(pad("edge"), [0, 0, 0, 1, 2, 3, 3, 3, 3]);
        assert_eq!(pad("wrap"), [2, 3, 0, 1, 2, 3, 0, 1, 2]);
        let found = one(
            "Pad",
            &[&counted(&[2, 3]), &i(&[4], &[0, -1, 1, 1]), &i(&[], &[7])],
        );
        assert_eq!(found.unwrap(), i(&[3, 3], &[1, 2, 7, 4, 5, 7, 7, 7, 7]));
        let found = one("Pad", &[&f(&[1], &[1.0]), &i(&[2], &[0, 1])]);
        assert_eq!(found.unwrap(), f(&[2], &[1.0, 0.0]));
    }

    #[test]
    fn triangles() {
        let x = i(&[2, 3], &[1; 6]);
        let trilu = |k: i64, upper: i64| {
            one_with("Trilu", named([("upper", upper)]), &[&x, &i(&[], &[k])])
                .unwrap()
                .to_i64()
                .unwrap()
        };
        assert_eq!(trilu(0, 1), [1, 1, 1, 0, 1, 1]);
        assert_eq!(trilu(1, 1), [0, 1, 1, 0, 0, 1]);
        assert_eq!(trilu(0, 0), [1, 0, 0, 1, 1, 0]);
        assert_eq!(trilu(-1, 0), [0, 0, 0, 1, 0, 0]);
        assert_eq!(trilu(i64::MAX, 1), [0; 6]);
        assert_eq!(trilu(i64::MIN, 1), [1; 6]);
        assert_eq!(trilu(i64::MAX, 0), [1; 6]);
    }

    #[test]
    fn endless_shapes_without_elements_are_left_alone() {
        let endless = i(&[1 << 60, 0], &[]);
        let index = i(&[0], &[]);
        let axis = || named([("axis", 1)]);
        let inputs = [Some(&endless), Some(&index)];
        let found = crate::evaluate::testing::evaluate("Gather", 20, &axis(), &inputs, 1);
        assert_eq!(found, Ok(None));
        let (empty, pads) = (i(&[0, 1], &[]), i(&[4], &[0, 0, 0, 1 << 60]));
        let inputs = [Some(&empty), Some(&pads)];
        let found =
            crate::evaluate::testing::evaluate("Pad", 20, &Attributes::default(), &inputs, 1);
        assert_eq!(found, Ok(None));
        let parts = named([("num_outputs", 1 << 60)]);
        assert!(run("Split", parts, &[&i(&[0], &[])], 2).is_err());
    }

    #[test]
    fn a_result_past_the_limit_is_not_computed() {
        let found = crate::evaluate::testing::evaluate(
            "Expand",
            20,
            &Attributes::default(),
            &[Some(&counted(&[1])), Some(&i(&[2], &[1 << 40, 1 << 40]))],
            1,
        );
        assert_eq!(found, Ok(None));
    }

    proptest! {
        /// Against Python's own definition of a slice, index by index.
        #[test]
        fn a_slice_is_pythons(
            size in 0usize..7,
            start in -9i64..9,
            end in -9i64..9,
            step in prop_oneof![-4i64..0, 1i64..4],
        ) {
            let n = size as i64;
            let fix = |x: i64| if x < 0 { x + n } else { x };
            let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
            let (mut at, stop) = (fix(start).clamp(low, high), fix(end).clamp(low, high));
            let mut wanted = Vec::new();
            while if step > 0 { at < stop } else { at > stop } {
                wanted.extend([2 * at, 2 * at + 1]);
                at += step;
            }
            let found = one("Slice", &[
                &counted(&[size, 2]), &i(&[1], &[start]), &i(&[1], &[end]), &i(&[1], &[0]), &i(&[1], &[step]),
            ]).unwrap();
            prop_assert_eq!(found.to_i64().unwrap(), wanted);
        }

        #[test]
        fn a_transpose_is_a_relabelling(
            shape in prop::collection::vec(1usize..4, 4),
            perm in Just(vec![0i64, 1, 2, 3]).prop_shuffle(),
        ) {
            let x = counted(&shape);
            let attribute = attributes([("perm", Attribute::Ints(perm.clone()))]);
            let found = one_with("Transpose", attribute, &[&x]).unwrap();
            let own = strides(&shape);
            for (place, value) in found.to_i64().unwrap().into_iter().enumerate() {
                let from: usize = strides(&found.shape).iter().zip(&found.shape).zip(&perm)
                    .map(|((&s, &d), &axis)| place / s % d * own[axis as usize])
                    .sum();
                prop_assert_eq!(value, from as i64);
            }
        }
    }
}
