//! Pooling.
//!
//! Forward neither kind has a rule: the second moment of an average depends on how much
//! neighbouring places have in common, that of a maximum on it too. The prediction starts again
//! from the measurement. Backward both have one: an average hands each of its k places δ/k, a
//! maximum hands the whole δ to one.

use fanin_network::Node;

use super::attribute::Window;
use super::{Context, count};

/// What a pool does to the mean square of a gradient on the way from output to input.
pub(crate) fn backward(context: &Context<'_>, node: &Node) -> Option<f64> {
    let input = context.shape(node, 0)?;
    let output = context.output_shape(node)?;
    let places = count(output) / count(input).max(1.0);
    match node.op.as_str() {
        "MaxPool" | "GlobalMaxPool" | "ReduceMax" => Some(places),
        "GlobalAveragePool" | "ReduceMean" => Some(places * places),
        "ReduceSum" => Some(1.0),
        "AveragePool" => {
            let kernel: Vec<usize> = node
                .attributes
                .ints("kernel_shape")?
                .iter()
                .map(|&k| usize::try_from(k).unwrap_or(1))
                .collect();
            let (from, to) = (input.get(2..)?, output.get(2..)?);
            let window = Window::of(node, &kernel, from, to);
            let size = count(&kernel);
            let channels = count(output.get(..2)?);
            let inside = channels * window.edges(from, to);
            let positions = count(output);
            // Each position divides by its window's size, of which padding may not be counted.
            let divisor = if node.attributes.int("count_include_pad", 0) == 0 {
                inside / positions.max(1.0)
            } else {
                size
            };
            Some(inside / count(input).max(1.0) / (divisor * divisor))
        }
        _ => None,
    }
}
