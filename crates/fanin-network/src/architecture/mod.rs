//! One-line architectures: a network in a sentence, for trying an initializer before there is a
//! model.
//!
//! ```text
//! mlp(784, 256x20, 10, tanh)
//! mlp(784, 512x4, 10, relu, norm=batch, residual=true)
//! conv(3x32x32, 64x8, 10, relu)
//! conv(3x32x32, 64x2, 128x2, 10, relu, norm=batch, pool=max)
//! transformer(layers=4, width=128, heads=4, vocab=1000)
//! lstm(24, 64x2, 10, time=32)
//! ```
//!
//! # Grammar
//!
//! ```text
//! architecture = name "(" argument { "," argument } ")"
//! argument     = [ key "=" ] value
//! value        = quantity | activation | word
//! quantity     = number { "x" number } [ "x" ]            784, 256x20, 3x32x32, 4x
//! activation   = word [ "(" { any character } ")" ]       relu, leaky_relu(slope=0.2)
//! number       = digit { digit | "_" }                    at least one digit, at most 2^31
//! name, key    = letter { letter | digit | "_" }
//! word         = letter { letter | digit | "_" | "-" }    true, batch, pre
//! ```
//!
//! White space is free between tokens. Quantities without a key are the sizes in order: the input, the
//! hidden layers (`256x20` is 20 layers of width 256), the output. A word without a key is the
//! activation.
//!
//! # Options
//!
//! | architecture | option | values | default |
//! |---|---|---|---|
//! | all | `activation` | as [`fanin::Activation`] reads them | `relu`; `gelu`, gated `silu` (transformer) |
//! | `mlp`, `conv` | `bias` | `true`, `false` | `true`; `false` before a batch norm (conv) |
//! | | `norm` | `batch`, `layer`, `none` (mlp); `batch`, `group`, `none` (conv) | `none` |
//! | | `residual` | `true`, `false`: each layer of unchanged width adds to the stream, its activation before it | `false` |
//! | `conv` | `kernel` | odd number | `3` |
//! | | `pool` | `max`, `average`, `none`: after each group of layers | `none` |
//! | `transformer` | `layers`, `width`, `heads`, `vocab` | numbers, all needed | |
//! | | `context` | longest sequence, and the length of the run | `64` |
//! | | `mlp` | width inside: `4x` or a number; `none` for attention alone | `4x` |
//! | | `norm` | `pre`, `post`, `none` | `pre` |
//! | | `residual` | `true`, `false`: without, each sublayer's output takes the stream's place | `true` |
//! | | `gated`, `tied`, `causal`, `bias` | `true`, `false` | `false`, `true`, `true`, `true` |
//! | `lstm`, `gru`, `rnn` | `time` | steps | `16` |
//! | | `bidirectional` | `true`, `false` | `false` |
//!
//! Weights are named and lie as PyTorch has them (`layers.0.weight`, `[output, input]`); the
//! recurrent ones lie as ONNX has them (`[directions, gates · hidden, input]`, gates in ONNX order).
//! The batch axis has 16 samples where [`Dims`] says nothing.

mod activation;
mod arguments;
pub(crate) mod builder;
mod conv;
mod guide;
mod lexer;
mod mlp;
mod recurrent;
mod transformer;

use arguments::Arguments;
use builder::Builder;

pub use guide::{Guide, guides};

use crate::{Dims, Network, NetworkError};

/// The architectures, by name.
const NAMES: [&str; 6] = ["mlp", "conv", "transformer", "lstm", "gru", "rnn"];

/// Builds the network that a line describes: operators of ONNX opset 20, parameters without
/// elements ([`crate::Payload::Absent`]), shapes inferred, roles assigned.
///
/// # Errors
///
/// [`NetworkError::Architecture`] where the line does not say what the grammar asks for, pointing at
/// the character; [`NetworkError::Request`] where `dims` contradicts it.
pub fn parse(text: &str, dims: &Dims) -> Result<Network, NetworkError> {
    let mut network = build(text, dims)?;
    crate::infer::infer_and_fold(&mut network)?;
    crate::role::assign(&mut network)?;
    Ok(network)
}

/// The raw graph, its parameters known but neither shapes nor roles.
pub(crate) fn build(text: &str, dims: &Dims) -> Result<Network, NetworkError> {
    let mut arguments = Arguments::parse(text)?;
    let mut builder = Builder::new(text, dims);
    match arguments.name.text.as_str() {
        "mlp" => mlp::build(&mut arguments, &mut builder)?,
        "conv" => conv::build(&mut arguments, &mut builder)?,
        "transformer" => transformer::build(&mut arguments, &mut builder)?,
        "lstm" | "gru" | "rnn" => recurrent::build(&mut arguments, &mut builder)?,
        other => {
            let hint = lexer::suggestion(other, &NAMES);
            return Err(arguments.error(
                arguments.name.column,
                format!(
                    "there is no architecture `{other}`{hint}; it can be {}",
                    NAMES.join(", ")
                ),
            ));
        }
    }
    Ok(builder.finish())
}

/// Whether a text is meant as an architecture rather than as a path: a name and a parenthesis.
pub fn looks_like_one(text: &str) -> bool {
    text.trim_start().split_once('(').is_some_and(|(name, _)| {
        let name = name.trim_end();
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests;
