//! Shapes of convolutions.

use super::{Conv, DeformConv};
use crate::ElementType;
use crate::infer::{Found, Inferred, Operands, known};
use crate::operator::window::{Spread, Window};
use crate::shape::geometry;

/// Input and weight of one rank, at least `[batch, channels, …]`.
fn same_rank(x: &[usize], weight: &[usize]) -> Result<(), String> {
    if x.len() >= 3 && x.len() == weight.len() {
        Ok(())
    } else {
        Err(format!(
            "input {x:?} and weight {weight:?} want one number of axes, three or more"
        ))
    }
}

/// `Conv` and `ConvTranspose`.
pub(crate) fn conv(conv: &Conv, operands: &Operands<'_>) -> Found {
    match &conv.transposed {
        Some(spread) => conv_transpose(conv, spread, operands),
        None => onward(&conv.window, conv.group, None, Some(2), operands),
    }
}

/// `ConvInteger`: the inputs after the weight are zero points.
pub(crate) fn integer(conv: &Conv, operands: &Operands<'_>) -> Found {
    let element = Some(ElementType::I32);
    onward(&conv.window, conv.group, element, None, operands)
}

/// `DeformConv`: offsets come before the bias.
pub(crate) fn deformed(conv: &DeformConv, operands: &Operands<'_>) -> Found {
    onward(&conv.window, conv.group, None, Some(3), operands)
}

/// A weight `[out, in / groups, kernel…]` that slides over the input; the bias is at input `bias`.
fn onward(
    window: &Window,
    groups: usize,
    element: Option<ElementType>,
    bias: Option<usize>,
    operands: &Operands<'_>,
) -> Found {
    let x = operands.required(0, "X")?;
    let weight = operands.required(1, "W")?;
    let element = element.or(x.element).or(weight.element);
    let (x, weight) = known!(x.shape.zip(weight.shape), element);
    same_rank(x, weight)?;
    let (out, each) = (weight[0], weight[1]);
    if each.checked_mul(groups) != Some(x[1]) || out % groups != 0 {
        return Err(format!(
            "weight {weight:?} in {groups} group(s) does not fit the {} channels of the input {x:?}",
            x[1]
        ));
    }
    if let Some(bias) = bias {
        operands.expect_shape(bias, "B", &[out])?;
    }
    let mut shape = vec![x[0], out];
    shape.extend(window.resolve(&weight[2..], &x[2..])?.output);
    Ok(vec![Inferred::known(element, shape)])
}

/// `ConvTranspose`: weight `[in, out / groups, kernel…]`.
fn conv_transpose(conv: &Conv, spread: &Spread, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "X")?;
    let weight = operands.required(1, "W")?;
    let element = x.element.or(weight.element);
    let (x, weight) = known!(x.shape.zip(weight.shape), element);
    same_rank(x, weight)?;
    let groups = conv.group;
    if weight[0] != x[1] || x[1] % groups != 0 {
        return Err(format!(
            "weight {weight:?} in {groups} group(s) does not fit the {} channels of the input {x:?}",
            x[1]
        ));
    }
    let out = weight[1]
        .checked_mul(groups)
        .ok_or_else(|| format!("weight {weight:?} in {groups} groups has too many channels"))?;
    operands.expect_shape(2, "B", &[out])?;
    let sliding = conv
        .window
        .resolve_transposed(&weight[2..], &x[2..], spread)?;
    let mut shape = vec![x[0], out];
    shape.extend(sliding.output);
    Ok(vec![Inferred::known(element, shape)])
}

/// `Col2Im`: columns `[batch, channels * block, places]` put back into an image.
pub(crate) fn col2im(operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "input")?;
    operands.required(1, "image_shape")?;
    operands.required(2, "block_shape")?;
    let image = known!(operands.integers(1, "image_shape")?.flatten(), x.element);
    let block = known!(operands.integers(2, "block_shape")?.flatten(), x.element);
    let shape = known!(x.shape, x.element);
    let image = geometry::sizes(&image, "image_shape")?;
    let each = geometry::count(&geometry::sizes(&block, "block_shape")?)?;
    let [batch, columns, _] = *shape else {
        return Err(format!(
            "wants [batch, channels * block, places], got {shape:?}"
        ));
    };
    if each == 0 || columns % each != 0 {
        return Err(format!("blocks {block:?} do not fit the input {shape:?}"));
    }
    let mut out = vec![batch, columns / each];
    out.extend(image);
    Ok(vec![Inferred::known(x.element, out)])
}

#[cfg(test)]
mod tests {
    use crate::infer::testing::{attributes, first, floats, ints};
    use crate::operator::Conv;
    use crate::{Attribute, Attributes};

    fn list(values: &[i64]) -> Attribute {
        Attribute::Ints(values.to_vec())
    }

    fn conv(x: &[usize], w: &[usize], attributes: Attributes) -> Result<Vec<usize>, String> {
        first(Conv::NAME, 11, attributes, &[floats(x), floats(w)])
    }

    #[test]
    fn convolutions_of_one_to_three_axes() {
        // torchvision's ResNet stem.
        let stem = attributes([("strides", list(&[2, 2])), ("pads", list(&[3, 3, 3, 3]))]);
        assert_eq!(
            conv(&[8, 3, 224, 224], &[64, 3, 7, 7], stem).unwrap(),
            [8, 64, 112, 112]
        );
        let dilated = attributes([("dilations", list(&[3]))]);
        assert_eq!(conv(&[1, 2, 20], &[4, 2, 5], dilated).unwrap(), [1, 4, 8]);
        let plain = Attributes::default();
        assert_eq!(
            conv(&[1, 2, 5, 6, 7], &[4, 2, 3, 3, 3], plain).unwrap(),
            [1, 4, 3, 4, 5]
        );
        let depthwise = attributes([("group", Attribute::Int(6))]);
        assert_eq!(
            conv(&[1, 6, 5], &[12, 1, 3], depthwise).unwrap(),
            [1, 12, 3]
        );
    }

    #[test]
    fn padding_by_name() {
        let same = |s: &str| {
            attributes([
                ("auto_pad", Attribute::String(s.to_owned())),
                ("strides", list(&[2, 2])),
            ])
        };
        let w = [5, 3, 3, 3];
        assert_eq!(
            conv(&[1, 3, 7, 8], &w, same("SAME_UPPER")).unwrap(),
            [1, 5, 4, 4]
        );
        assert_eq!(
            conv(&[1, 3, 7, 8], &w, same("VALID")).unwrap(),
            [1, 5, 3, 3]
        );
        assert!(conv(&[1, 3, 7, 8], &w, same("SOMEHOW")).is_err());
    }

    #[test]
    fn a_weight_that_does_not_fit_is_refused() {
        let error = conv(&[1, 4, 8, 8], &[6, 3, 3, 3], Attributes::default()).unwrap_err();
        assert!(
            error.contains("[6, 3, 3, 3]") && error.contains("[1, 4, 8, 8]"),
            "{error}"
        );
        let error = conv(&[1, 3, 2, 2], &[6, 3, 3, 3], Attributes::default()).unwrap_err();
        assert!(
            error.contains("does not fit spatial sizes [2, 2]"),
            "{error}"
        );
        let stated = attributes([("kernel_shape", list(&[5, 5]))]);
        assert!(conv(&[1, 3, 8, 8], &[6, 3, 3, 3], stated).is_err());
        let still = attributes([("strides", list(&[0, 1]))]);
        assert!(conv(&[1, 3, 8, 8], &[6, 3, 3, 3], still).is_err());
        let none = attributes([("group", Attribute::Int(0))]);
        assert!(conv(&[1, 3, 8, 8], &[6, 3, 3, 3], none).is_err());
        let far = attributes([("dilations", list(&[i64::MAX, 1]))]);
        assert!(conv(&[1, 3, 8, 8], &[6, 3, 3, 3], far).is_err());
    }

    #[test]
    fn transposed_convolutions_spread() {
        let transpose = |attributes| {
            first(
                "ConvTranspose",
                11,
                attributes,
                &[floats(&[1, 8, 4, 4]), floats(&[8, 3, 4, 4])],
            )
        };
        // A DCGAN stage doubles the map.
        let stage = attributes([("strides", list(&[2, 2])), ("pads", list(&[1, 1, 1, 1]))]);
        assert_eq!(transpose(stage).unwrap(), [1, 3, 8, 8]);
        let padded = attributes([
            ("strides", list(&[3, 3])),
            ("output_padding", list(&[1, 2])),
        ]);
        assert_eq!(transpose(padded).unwrap(), [1, 3, 14, 15]);
        let stated = attributes([("output_shape", list(&[10, 12]))]);
        assert_eq!(transpose(stated).unwrap(), [1, 3, 10, 12]);
        let groups = attributes([("group", Attribute::Int(2))]);
        assert_eq!(transpose(groups).unwrap(), [1, 6, 7, 7]);
        let same = attributes([
            ("auto_pad", Attribute::String("SAME_LOWER".to_owned())),
            ("strides", list(&[2, 2])),
        ]);
        assert_eq!(transpose(same).unwrap(), [1, 3, 8, 8]);
        let lost = attributes([("pads", list(&[9, 9, 9, 9]))]);
        assert!(transpose(lost).is_err());
    }

    #[test]
    fn columns_become_an_image() {
        let inputs = [floats(&[2, 18, 16]), ints(&[6, 6]), ints(&[3, 3])];
        assert_eq!(
            first("Col2Im", 18, Attributes::default(), &inputs).unwrap(),
            [2, 2, 6, 6]
        );
    }
}
