//! Shapes of normalizations.

use super::{LayerNorm, Norm};
use crate::ElementType;
use crate::infer::{Found, Inferred, Operands, known, same};
use crate::operator::softmax::shape::along;
use crate::shape::{broadcast_shape, normalize_axis};

/// The rule of each.
pub(crate) fn norm(norm: &Norm, operands: &Operands<'_>) -> Found {
    match norm {
        Norm::Batch { .. } => batch(operands),
        Norm::Instance { .. } => instance(operands),
        Norm::Group {
            groups, per_group, ..
        } => group(*groups, *per_group, operands),
        Norm::Layer(norm) => layer(norm, operands),
        Norm::Skip { .. } => skip_layer(operands),
        Norm::Lp { axis, .. } => along(*axis, false, operands),
        Norm::MeanVariance { .. } | Norm::LocalResponse { .. } => same(operands),
    }
}

/// The number of channels: axis 1, or 1 for a vector per sample without that axis.
fn channels(shape: &[usize]) -> usize {
    shape.get(1).copied().unwrap_or(1)
}

/// `BatchNormalization`, all versions: up to five outputs before opset 14, three afterwards.
fn batch(operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "X")?;
    let names = ["scale", "B", "input_mean", "input_var"];
    for (k, name) in names.into_iter().enumerate() {
        operands.required(k + 1, name)?;
    }
    let shape = known!(x.shape, x.element);
    let channels = channels(shape);
    for (k, name) in names.into_iter().enumerate() {
        if let Some(found) = operands.shape(k + 1)
            && found != [channels]
        {
            return Err(format!(
                "`{name}` has shape {found:?} where [{channels}] is wanted for the {channels} \
                 channels of {shape:?}"
            ));
        }
    }
    let mut outputs = same(operands)?;
    for k in 1..operands.outputs.min(5) {
        // Running and saved statistics: the type of the mean and variance that come in.
        let statistic = operands.element(3 + (k + 1) % 2).or(x.element);
        outputs.push(Inferred::known(statistic, vec![channels]));
    }
    Ok(outputs)
}

/// `InstanceNormalization`: a scale and a shift per channel.
fn instance(operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "input")?;
    operands.required(1, "scale")?;
    operands.required(2, "B")?;
    let shape = known!(x.shape, x.element);
    operands.expect_shape(1, "scale", &[channels(shape)])?;
    operands.expect_shape(2, "B", &[channels(shape)])?;
    same(operands)
}

/// `GroupNormalization`: per group before opset 21, per channel afterwards.
fn group(groups: usize, per_group: bool, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "X")?;
    operands.required(1, "scale")?;
    operands.required(2, "bias")?;
    let shape = known!(x.shape, x.element);
    let channels = channels(shape);
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Err(format!(
            "cannot cut the {channels} channels of {shape:?} into {groups} groups"
        ));
    }
    let each = if per_group { groups } else { channels };
    operands.expect_shape(1, "scale", &[each])?;
    operands.expect_shape(2, "bias", &[each])?;
    same(operands)
}

/// `LayerNormalization` and `RMSNormalization`: over the axes from `axis` on. Mean and inverse
/// deviation keep the other axes.
fn layer(norm: &LayerNorm, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "X")?;
    operands.required(1, "Scale")?;
    let shape = known!(x.shape, x.element);
    let axis = normalize_axis(norm.axis, shape.len())?;
    for (k, name) in [(1, "Scale"), (2, "B")] {
        if let Some(factor) = operands.shape(k)
            && broadcast_shape(shape, factor).as_deref() != Some(shape)
        {
            return Err(format!(
                "`{name}` {factor:?} does not broadcast to the input {shape:?}"
            ));
        }
    }
    let stash = Some(norm.stash);
    let mut statistic = shape.to_vec();
    statistic[axis..].fill(1);
    let mut outputs = same(operands)?;
    outputs.push(Inferred::known(stash, statistic.clone()));
    outputs.push(Inferred::known(stash, statistic));
    Ok(outputs)
}

/// `SkipLayerNormalization` and its simplified form (com.microsoft): the sum of two inputs,
/// normalized along the last axis; the sum itself is the fourth output.
fn skip_layer(operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "input")?;
    operands.required(1, "skip")?;
    let shape = known!(x.shape, x.element);
    if let Some(&last) = shape.last() {
        operands.expect_shape(2, "gamma", &[last])?;
    }
    let mut statistic = shape.to_vec();
    if let Some(last) = statistic.last_mut() {
        *last = 1;
    }
    let float = Some(ElementType::F32);
    Ok(vec![
        Inferred::known(x.element, shape.to_vec()),
        Inferred::known(float, statistic.clone()),
        Inferred::known(float, statistic),
        Inferred::known(x.element, shape.to_vec()),
    ])
}

#[cfg(test)]
mod tests {
    use crate::infer::testing::{all, attributes, first, floats};
    use crate::{Attribute, Attributes};

    #[test]
    fn batch_statistics_have_one_number_per_channel() {
        let channel = || floats(&[3]);
        let inputs = [
            floats(&[2, 3, 4, 4]),
            channel(),
            channel(),
            channel(),
            channel(),
        ];
        let found = all("BatchNormalization", 9, Attributes::default(), &inputs, 5).unwrap();
        assert_eq!(found[0].shape, Some(vec![2, 3, 4, 4]));
        assert!(found[1..].iter().all(|o| o.shape == Some(vec![3])));
    }

    #[test]
    fn batch_parameters_fit_the_channels() {
        let inputs = [
            floats(&[2, 3, 4]),
            floats(&[4]),
            floats(&[3]),
            floats(&[3]),
            floats(&[3]),
        ];
        let error = first("BatchNormalization", 15, Attributes::default(), &inputs).unwrap_err();
        assert!(
            error.contains("`scale` has shape [4]") && error.contains("[2, 3, 4]"),
            "{error}"
        );
    }

    #[test]
    fn layer_statistics_keep_the_outer_axes() {
        let axis = attributes([("axis", Attribute::Int(-2))]);
        let inputs = [floats(&[2, 3, 4, 5]), floats(&[4, 5]), floats(&[4, 5])];
        let found = all("LayerNormalization", 17, axis, &inputs, 3).unwrap();
        assert_eq!(found[1].shape, Some(vec![2, 3, 1, 1]));
        let inputs = [floats(&[2, 5]), floats(&[4])];
        assert!(first("LayerNormalization", 17, Attributes::default(), &inputs).is_err());
    }

    #[test]
    fn group_scales_changed_in_opset_21() {
        let groups = || attributes([("num_groups", Attribute::Int(2))]);
        let inputs = |n: usize| [floats(&[1, 6, 4]), floats(&[n]), floats(&[n])];
        assert!(first("GroupNormalization", 18, groups(), &inputs(2)).is_ok());
        assert!(first("GroupNormalization", 18, groups(), &inputs(6)).is_err());
        assert!(first("GroupNormalization", 21, groups(), &inputs(6)).is_ok());
        let four = attributes([("num_groups", Attribute::Int(4))]);
        assert!(first("GroupNormalization", 21, four, &inputs(6)).is_err());
    }
}
