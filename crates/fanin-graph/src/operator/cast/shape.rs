//! Shapes of casts, dropout, quantization and losses.

use super::{Dropout, Loss, LossReduction, Quantize};
use crate::ElementType;
use crate::infer::{Found, Inferred, Operands};

/// `Dropout`: the output, and the mask.
pub(crate) fn dropout(dropout: &Dropout, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "data")?;
    let shape = x.shape.map(<[_]>::to_vec);
    let mask = if dropout.boolean_mask {
        Some(ElementType::Bool)
    } else {
        x.element
    };
    Ok(vec![
        Inferred::new(x.element, shape.clone()),
        Inferred::new(mask, shape),
    ])
}

/// `Cast`.
pub(crate) fn cast(to: Option<ElementType>, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "input")?;
    Ok(vec![Inferred::new(to, x.shape.map(<[_]>::to_vec))])
}

/// `CastLike`.
pub(crate) fn cast_like(operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "input")?;
    let like = operands.required(1, "target_type")?;
    Ok(vec![Inferred::new(
        like.element,
        x.shape.map(<[_]>::to_vec),
    )])
}

/// `QuantizeLinear`: the type of the zero point, u8 without one.
pub(crate) fn quantize(quantize: &Quantize, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "x")?;
    let element = operands
        .element(2)
        .or(quantize.to)
        .or((!operands.has(2)).then_some(ElementType::U8));
    Ok(vec![Inferred::new(element, x.shape.map(<[_]>::to_vec))])
}

/// `DequantizeLinear`: the type of the scale, unless it is stated.
pub(crate) fn dequantize(quantize: &Quantize, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "x")?;
    let scale = operands.required(1, "x_scale")?;
    Ok(vec![Inferred::new(
        quantize.to.or(scale.element),
        x.shape.map(<[_]>::to_vec),
    )])
}

/// Losses over classes: reduced to a scalar, or one number per target; log probabilities as the
/// scores.
pub(crate) fn loss(loss: &Loss, operands: &Operands<'_>) -> Found {
    let scores = operands.required(0, "scores")?;
    let labels = operands.required(1, "labels")?;
    if let (Some(scores), Some(labels)) = (scores.shape, labels.shape) {
        let fits = scores.len() >= 2
            && labels.first() == scores.first()
            && labels.get(1..) == scores.get(2..);
        if !fits {
            return Err(format!(
                "labels {labels:?} do not fit scores {scores:?}: classes lie along axis 1"
            ));
        }
    }
    let shape = match loss.reduction {
        LossReduction::None => labels.shape.map(<[_]>::to_vec),
        LossReduction::Sum | LossReduction::Mean => Some(vec![]),
    };
    Ok(vec![
        Inferred::new(scores.element, shape),
        Inferred::new(scores.element, scores.shape.map(<[_]>::to_vec)),
    ])
}
