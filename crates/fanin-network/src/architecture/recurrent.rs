//! `lstm(24, 64x2, 10, time=32)`, and `gru` and `rnn` likewise.

use super::arguments::{Arguments, ends, layers, single};
use super::builder::{Builder, none};
use crate::{Attribute, ElementType, NetworkError};

/// Longest unrolled sequence.
const LONGEST: usize = 1 << 16;

/// Recurrent layers over `[batch, time, input]`, and a linear head on the last step.
pub(super) fn build(
    arguments: &mut Arguments,
    builder: &mut Builder<'_>,
) -> Result<(), NetworkError> {
    let sizes = arguments.sizes();
    let example = format!("{}(24, 64x2, 10, time=32)", arguments.name.text);
    let (first, middle, last) = ends(arguments, &sizes, &example)?;
    let input = single(arguments, first, "the input's width")?;
    let output = single(arguments, last, "the output's width")?;
    let hidden: Vec<usize> = layers(arguments, middle)?.concat();
    let time = arguments.count("time", 16)?;
    let both = arguments.flag("bidirectional", false)?;
    arguments.finish(&["bidirectional", "time"])?;
    let (op, gates) = match arguments.name.text.as_str() {
        "lstm" => ("LSTM", 4),
        "gru" => ("GRU", 3),
        _ => ("RNN", 1),
    };
    let directions = 1 + usize::from(both);
    let time = builder.length("input", time);
    if time > LONGEST {
        return Err(NetworkError::Request(format!(
            "a sequence of {time} steps is longer than the {LONGEST} that fanin runs; make it shorter"
        )));
    }

    let batch = builder.batch("input");
    let x = builder.input("input", ElementType::F32, vec![batch, time, input])?;
    let swap = || none().set("perm", Attribute::Ints(vec![1, 0, 2]));
    let mut x = builder.node("time_first", "Transpose", &[x], swap());
    let mut width = input;
    for (k, &next) in hidden.iter().enumerate() {
        let name = format!("layers.{k}");
        let rows = gates * next;
        let inputs = [
            x,
            builder.parameter(&format!("{name}.weight_ih"), &[directions, rows, width])?,
            builder.parameter(&format!("{name}.weight_hh"), &[directions, rows, next])?,
            builder.parameter(&format!("{name}.bias"), &[directions, 2 * rows])?,
        ];
        let way = if both { "bidirectional" } else { "forward" };
        let attributes = none()
            .set("hidden_size", Attribute::Int(next as i64))
            .set("direction", Attribute::String(String::from(way)));
        // [time, directions, batch, hidden] to [time, batch, directions * hidden]
        let y = builder.node(&name, op, &inputs, attributes);
        let perm = none().set("perm", Attribute::Ints(vec![0, 2, 1, 3]));
        let y = builder.node(&format!("{name}/Transpose"), "Transpose", &[y], perm);
        width = directions * next;
        let shape = builder.integers(&[0, 0, width as i64])?;
        x = builder.node(&format!("{name}/Reshape"), "Reshape", &[y, shape], none());
    }
    let end = builder.integers(&[time as i64 - 1])?;
    let step = builder.node(
        "last_step",
        "Gather",
        &[x, end],
        none().set("axis", Attribute::Int(0)),
    );
    let axis = builder.integers(&[0])?;
    let step = builder.node("last_step/Squeeze", "Squeeze", &[step, axis], none());
    let y = builder.gemm("head", step, (width, output), true)?;
    builder.output(y);
    Ok(())
}
