//! `conv(3x32x32, 64x8, 10, relu)`.

use fanin::Activation;

use super::activation::activate;
use super::arguments::{Arguments, ends, layers, single};
use super::builder::{Builder, none};
use crate::operator::Conv;
use crate::{Attribute, ElementType, NetworkError, ValueId};

struct Options {
    spatial: usize,
    kernel: usize,
    bias: bool,
    norm: Option<&'static str>,
    activation: Activation,
}

/// Convolutions of one to three axes, each followed by norm and activation, a mean over the map and
/// a linear head.
pub(super) fn build(
    arguments: &mut Arguments,
    builder: &mut Builder<'_>,
) -> Result<(), NetworkError> {
    let sizes = arguments.sizes();
    let (first, middle, last) = ends(arguments, &sizes, "conv(3x32x32, 64x8, 10, relu)")?;
    let (channels, map) = match first.numbers[..] {
        [channels, ref map @ ..]
            if (1..=3).contains(&map.len()) && !first.numbers.contains(&0) && !first.factor =>
        {
            (channels, map.to_vec())
        }
        _ => {
            return Err(arguments.error(
                first.column,
                String::from(
                    "the input is channels and one to three sizes of its map, as in 3x32x32, none of them 0",
                ),
            ));
        }
    };
    let output = single(arguments, last, "the output's width")?;
    let groups = layers(arguments, middle)?;
    let norm = arguments.choice("norm", &["batch", "group", "none"])?;
    let bias = arguments.flag("bias", norm != Some("batch"))?;
    let residual = arguments.flag("residual", false)?;
    let pool = arguments.choice("pool", &["max", "average", "none"])?;
    let kernel = match arguments.number("kernel")? {
        None => 3,
        Some(quantity) => match quantity.numbers[..] {
            [k] if k % 2 == 1 && k <= 1 << 10 && !quantity.factor => k,
            _ => {
                return Err(arguments.error(
                    quantity.column,
                    String::from(
                        "`kernel` is an odd number up to 1023, so that the map keeps its size",
                    ),
                ));
            }
        },
    };
    let activation = arguments.activation(Activation::Relu)?;
    arguments.finish(&["activation", "bias", "kernel", "norm", "pool", "residual"])?;

    let options = Options {
        spatial: map.len(),
        kernel,
        bias,
        norm: norm.filter(|&norm| norm != "none"),
        activation,
    };
    let mut shape = vec![builder.batch("input"), channels];
    shape.extend(&map);
    let mut x = builder.input("input", ElementType::F32, shape)?;
    let mut width = channels;
    let mut smallest = map.iter().copied().min().unwrap_or(1);
    let mut pending = false;
    let mut k = 0usize;
    for (g, group) in groups.iter().enumerate() {
        for &next in group {
            let branch = residual && k > 0 && next == width;
            let mut y = x;
            if pending {
                y = bend(builder, &options, k - 1, y, width)?;
            }
            y = convolve(builder, &options, k, y, width, next)?;
            if branch {
                x = builder.node(&format!("residual.{k}"), "Add", &[x, y], none());
            } else if residual {
                x = y;
                pending = true;
            } else {
                x = bend(builder, &options, k, y, next)?;
            }
            width = next;
            k += 1;
        }
        if let Some(pool) = pool.filter(|&pool| pool != "none")
            && smallest >= 2
        {
            smallest /= 2;
            let two = vec![2; options.spatial];
            let attributes = none()
                .set("kernel_shape", Attribute::Ints(two.clone()))
                .set("strides", Attribute::Ints(two));
            let op = if pool == "max" {
                "MaxPool"
            } else {
                "AveragePool"
            };
            x = builder.node(&format!("pools.{g}"), op, &[x], attributes);
        }
    }
    if pending {
        x = bend(builder, &options, k - 1, x, width)?;
    }
    let mean = builder.node("mean", "GlobalAveragePool", &[x], none());
    let flat = builder.node("flatten", "Flatten", &[mean], none());
    let y = builder.gemm("head", flat, (width, output), true)?;
    builder.output(y);
    Ok(())
}

fn convolve(
    builder: &mut Builder<'_>,
    options: &Options,
    k: usize,
    x: ValueId,
    input: usize,
    output: usize,
) -> Result<ValueId, NetworkError> {
    let name = format!("layers.{k}");
    let mut shape = vec![output, input];
    shape.resize(2 + options.spatial, options.kernel);
    let mut inputs = vec![x, builder.parameter(&format!("{name}.weight"), &shape)?];
    if options.bias {
        inputs.push(builder.parameter(&format!("{name}.bias"), &[output])?);
    }
    let side = options.kernel as i64;
    let attributes = none()
        .set("kernel_shape", Attribute::Ints(vec![side; options.spatial]))
        .set("pads", Attribute::Ints(vec![side / 2; 2 * options.spatial]))
        .set("strides", Attribute::Ints(vec![1; options.spatial]));
    Ok(builder.node(&name, Conv::NAME, &inputs, attributes))
}

/// Norm, then activation.
fn bend(
    builder: &mut Builder<'_>,
    options: &Options,
    k: usize,
    x: ValueId,
    width: usize,
) -> Result<ValueId, NetworkError> {
    let name = format!("norms.{k}");
    let x = match options.norm {
        Some("batch") => builder.batch_norm(&name, x, width)?,
        Some(_) => group_norm(builder, &name, x, width, options.spatial)?,
        None => x,
    };
    activate(builder, &format!("activations.{k}"), options.activation, x)
}

/// Group normalization as exporters write it: the groups as channels of an instance norm without
/// scale, then scale and shift per channel.
fn group_norm(
    builder: &mut Builder<'_>,
    name: &str,
    x: ValueId,
    width: usize,
    spatial: usize,
) -> Result<ValueId, NetworkError> {
    // 32 groups as in the paper (Wu and He 2018), fewer where 32 does not divide the channels.
    let groups = (1..=32.min(width))
        .rev()
        .find(|g| width.is_multiple_of(*g))
        .unwrap_or(1);
    let to_groups = builder.integers(&[0, groups as i64, -1])?;
    let grouped = builder.node(
        &format!("{name}/Reshape"),
        "Reshape",
        &[x, to_groups],
        none(),
    );
    let ones = builder.buffer(&format!("{name}/ones"), &[groups], 1.0);
    let zeros = builder.buffer(&format!("{name}/zeros"), &[groups], 0.0);
    let normalized = builder.node(
        name,
        "InstanceNormalization",
        &[grouped, ones, zeros],
        none(),
    );
    let shape_of = builder.node(&format!("{name}/Shape"), "Shape", &[x], none());
    let back = builder.node(
        &format!("{name}/Reshape_back"),
        "Reshape",
        &[normalized, shape_of],
        none(),
    );
    let mut affine = vec![width];
    affine.resize(1 + spatial, 1);
    let scale = builder.parameter(&format!("{name}.weight"), &affine)?;
    let shift = builder.parameter(&format!("{name}.bias"), &affine)?;
    let scaled = builder.node(&format!("{name}/Mul"), "Mul", &[back, scale], none());
    Ok(builder.node(&format!("{name}/Add"), "Add", &[scaled, shift], none()))
}
