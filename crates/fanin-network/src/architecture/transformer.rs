//! `transformer(layers=4, width=128, heads=4, vocab=1000)`.

use fanin::Activation;

use super::activation::activate;
use super::arguments::Arguments;
use super::builder::{Builder, none};
use crate::{Attribute, ElementType, HostTensor, NetworkError, ValueId};

/// Most layers of a line.
const MOST_LAYERS: usize = 2_000;
/// Longest context: its causal mask is stored.
const LONGEST: usize = 4_096;

/// Where the layer norm of a sublayer stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Norm {
    Pre,
    Post,
    None,
}

struct Options {
    width: usize,
    heads: usize,
    /// `None` for attention alone.
    inner: Option<usize>,
    length: usize,
    norm: Norm,
    residual: bool,
    gated: bool,
    bias: bool,
    activation: Activation,
    mask: Option<ValueId>,
}

/// Token and position embeddings, blocks of attention and MLP, a head over the vocabulary.
pub(super) fn build(
    arguments: &mut Arguments,
    builder: &mut Builder<'_>,
) -> Result<(), NetworkError> {
    let (layers, at) = arguments.required("layers")?;
    if layers > MOST_LAYERS {
        return Err(arguments.error(
            at,
            format!("a line may describe at most {MOST_LAYERS} transformer layers"),
        ));
    }
    let (width, _) = arguments.required("width")?;
    let (heads, at) = arguments.required("heads")?;
    if width % heads != 0 {
        return Err(arguments.error(
            at,
            format!("{heads} heads do not divide a width of {width}"),
        ));
    }
    let (vocab, _) = arguments.required("vocab")?;
    let context = match arguments.number("context")? {
        None => 64,
        Some(quantity) => match quantity.numbers[..] {
            [n] if (1..=LONGEST).contains(&n) && !quantity.factor => n,
            _ => {
                return Err(arguments.error(
                    quantity.column,
                    format!("`context` is a number from 1 to {LONGEST}"),
                ));
            }
        },
    };
    let alone = arguments.says("mlp", "none");
    let inner = match arguments.number("mlp")? {
        None => width.saturating_mul(4),
        Some(quantity) => match quantity.numbers[..] {
            [n] if n > 0 && quantity.factor => width.saturating_mul(n),
            [n] if n > 0 => n,
            _ => {
                return Err(arguments.error(
                    quantity.column,
                    String::from(
                        "`mlp` is a width, a multiple of the model's as in mlp=4x, or none",
                    ),
                ));
            }
        },
    };
    let norm = match arguments.choice("norm", &["pre", "post", "none"])? {
        Some("post") => Norm::Post,
        Some("none") => Norm::None,
        _ => Norm::Pre,
    };
    let residual = arguments.flag("residual", true)?;
    let gated = arguments.flag("gated", false)?;
    let tied = arguments.flag("tied", true)?;
    let causal = arguments.flag("causal", true)?;
    let bias = arguments.flag("bias", true)?;
    let activation = arguments.activation(if gated {
        Activation::Silu
    } else {
        Activation::Gelu
    })?;
    arguments.finish(&[
        "activation",
        "bias",
        "causal",
        "context",
        "gated",
        "heads",
        "layers",
        "mlp",
        "norm",
        "residual",
        "tied",
        "vocab",
        "width",
    ])?;

    let batch = builder.batch("input_ids");
    let length = builder.length("input_ids", context);
    if length > context {
        return Err(NetworkError::Request(format!(
            "a sequence of {length} does not fit a context of {context}; say context={length}"
        )));
    }
    let ids = builder.input("input_ids", ElementType::I64, vec![batch, length])?;
    let table = builder.parameter("token_embedding.weight", &[vocab, width])?;
    let tokens = builder.node("token_embedding", "Gather", &[table, ids], none());
    let positions = builder.parameter("position_embedding.weight", &[context, width])?;
    let counted: Vec<i64> = (0..length as i64).collect();
    let counted = builder.integers(&counted)?;
    let positions = builder.node(
        "position_embedding",
        "Gather",
        &[positions, counted],
        none(),
    );
    let mut x = builder.node("embedding", "Add", &[tokens, positions], none());
    let mask = if causal {
        Some(causal_mask(builder, length)?)
    } else {
        None
    };
    let options = Options {
        width,
        heads,
        inner: (!alone).then_some(inner),
        length,
        norm,
        residual,
        gated,
        bias,
        activation,
        mask,
    };
    for k in 0..layers {
        x = block(builder, &options, k, x)?;
    }
    if norm == Norm::Pre {
        x = builder.layer_norm("norm", x, width)?;
    }
    let y = if tied {
        builder.apply("head", x, table)
    } else {
        builder.linear("head", x, (width, vocab), false)?
    };
    builder.output(y);
    Ok(())
}

/// 0 where a position may look, −∞ where it may not, broadcast over batch and heads.
fn causal_mask(builder: &mut Builder<'_>, length: usize) -> Result<ValueId, NetworkError> {
    let elements = (0..length)
        .flat_map(|i| (0..length).map(move |j| if j <= i { 0.0 } else { f32::NEG_INFINITY }))
        .collect();
    builder.held(HostTensor::f32(vec![1, 1, length, length], elements))
}

fn block(
    builder: &mut Builder<'_>,
    options: &Options,
    k: usize,
    x: ValueId,
) -> Result<ValueId, NetworkError> {
    let x = sublayer(builder, options, k, "attention", 1, x, attention)?;
    match options.inner {
        Some(_) => sublayer(builder, options, k, "mlp", 2, x, mlp),
        None => Ok(x),
    }
}

type Inside = fn(&mut Builder<'_>, &Options, &str, ValueId) -> Result<ValueId, NetworkError>;

/// x + f(norm(x)), norm(x + f(x)) or x + f(x); without residual what f gives takes the stream's place.
fn sublayer(
    builder: &mut Builder<'_>,
    options: &Options,
    k: usize,
    name: &str,
    number: usize,
    x: ValueId,
    inside: Inside,
) -> Result<ValueId, NetworkError> {
    let norm = format!("blocks.{k}.norm{number}");
    let path = format!("blocks.{k}.{name}");
    let entering = if options.norm == Norm::Pre {
        builder.layer_norm(&norm, x, options.width)?
    } else {
        x
    };
    let branch = inside(builder, options, &path, entering)?;
    let sum = if options.residual {
        builder.node(&format!("{path}/residual"), "Add", &[x, branch], none())
    } else {
        branch
    };
    if options.norm == Norm::Post {
        builder.layer_norm(&norm, sum, options.width)
    } else {
        Ok(sum)
    }
}

fn attention(
    builder: &mut Builder<'_>,
    options: &Options,
    path: &str,
    x: ValueId,
) -> Result<ValueId, NetworkError> {
    let width = options.width;
    let head = width / options.heads;
    let by_heads =
        builder.integers(&[0, options.length as i64, options.heads as i64, head as i64])?;
    let mut project = |name: &str, perm: &[i64]| {
        let y = builder.linear(&format!("{path}.{name}"), x, (width, width), options.bias)?;
        let y = builder.node(
            &format!("{path}.{name}/heads"),
            "Reshape",
            &[y, by_heads],
            none(),
        );
        let perm = none().set("perm", Attribute::Ints(perm.to_vec()));
        Ok::<ValueId, NetworkError>(builder.node(
            &format!("{path}.{name}/Transpose_heads"),
            "Transpose",
            &[y],
            perm,
        ))
    };
    let query = project("query", &[0, 2, 1, 3])?;
    let key = project("key", &[0, 2, 3, 1])?;
    let value = project("value", &[0, 2, 1, 3])?;
    let scores = builder.node(&format!("{path}/scores"), "MatMul", &[query, key], none());
    let root = builder.float((head as f64).sqrt())?;
    let mut scores = builder.node(&format!("{path}/scaled"), "Div", &[scores, root], none());
    if let Some(mask) = options.mask {
        scores = builder.node(&format!("{path}/masked"), "Add", &[scores, mask], none());
    }
    let axis = none().set("axis", Attribute::Int(-1));
    let probabilities = builder.node(&format!("{path}/softmax"), "Softmax", &[scores], axis);
    let context = builder.node(
        &format!("{path}/context"),
        "MatMul",
        &[probabilities, value],
        none(),
    );
    let perm = none().set("perm", Attribute::Ints(vec![0, 2, 1, 3]));
    let context = builder.node(&format!("{path}/join"), "Transpose", &[context], perm);
    let flat = builder.integers(&[0, options.length as i64, width as i64])?;
    let context = builder.node(
        &format!("{path}/join_heads"),
        "Reshape",
        &[context, flat],
        none(),
    );
    builder.linear(
        &format!("{path}.output"),
        context,
        (width, width),
        options.bias,
    )
}

fn mlp(
    builder: &mut Builder<'_>,
    options: &Options,
    path: &str,
    x: ValueId,
) -> Result<ValueId, NetworkError> {
    let width = options.width;
    let inner = options.inner.unwrap_or(width);
    let linear = |builder: &mut Builder<'_>, name: &str, x, sizes| {
        builder.linear(&format!("{path}.{name}"), x, sizes, options.bias)
    };
    let bent = format!("{path}.activation");
    let y = if options.gated {
        let gate = linear(builder, "gate", x, (width, inner))?;
        let gate = activate(builder, &bent, options.activation, gate)?;
        let value = linear(builder, "up", x, (width, inner))?;
        builder.node(&format!("{path}/gated"), "Mul", &[gate, value], none())
    } else {
        let y = linear(builder, "up", x, (width, inner))?;
        activate(builder, &bent, options.activation, y)?
    };
    linear(builder, "down", y, (inner, width))
}
