//! `mlp(784, 256x20, 10, tanh)`.

use fanin::Activation;

use super::activation::activate;
use super::arguments::{Arguments, ends, layers, single};
use super::builder::{Builder, none};
use crate::{ElementType, NetworkError, ValueId};

/// Fully connected layers, each followed by norm and activation but the last.
///
/// With `residual=true` a layer of unchanged width is a branch: norm and activation before it, its
/// output added to the stream.
pub(super) fn build(
    arguments: &mut Arguments,
    builder: &mut Builder<'_>,
) -> Result<(), NetworkError> {
    let sizes = arguments.sizes();
    let (first, middle, last) = ends(arguments, &sizes, "mlp(784, 256x20, 10, tanh)")?;
    let input = single(arguments, first, "the input's width")?;
    let output = single(arguments, last, "the output's width")?;
    let hidden: Vec<usize> = layers(arguments, middle)?.concat();
    let bias = arguments.flag("bias", true)?;
    let residual = arguments.flag("residual", false)?;
    let norm = arguments.choice("norm", &["batch", "layer", "none"])?;
    let activation = arguments.activation(Activation::Relu)?;
    arguments.finish(&["activation", "bias", "norm", "residual"])?;

    let batch = builder.batch("input");
    let mut x = builder.input("input", ElementType::F32, vec![batch, input])?;
    let mut width = input;
    let mut pending = false; // the stream still lacks norm and activation
    for (k, &next) in hidden.iter().enumerate() {
        let branch = residual && k > 0 && next == width;
        let mut y = x;
        if pending {
            y = bend(builder, k - 1, norm, activation, y, width)?;
            if !branch {
                pending = false;
            }
        }
        y = builder.gemm(&format!("layers.{k}"), y, (width, next), bias)?;
        if branch {
            x = builder.node(&format!("residual.{k}"), "Add", &[x, y], none());
        } else if residual {
            x = y;
            pending = true;
        } else {
            x = bend(builder, k, norm, activation, y, next)?;
        }
        width = next;
    }
    if pending {
        x = bend(builder, hidden.len() - 1, norm, activation, x, width)?;
    }
    let last = hidden.len();
    let y = builder.gemm(&format!("layers.{last}"), x, (width, output), bias)?;
    builder.output(y);
    Ok(())
}

/// Norm, then activation.
fn bend(
    builder: &mut Builder<'_>,
    k: usize,
    norm: Option<&str>,
    activation: Activation,
    x: ValueId,
    width: usize,
) -> Result<ValueId, NetworkError> {
    let name = format!("norms.{k}");
    let x = match norm {
        Some("batch") => builder.batch_norm(&name, x, width)?,
        Some("layer") => builder.layer_norm(&name, x, width)?,
        _ => x,
    };
    activate(builder, &format!("activations.{k}"), activation, x)
}
