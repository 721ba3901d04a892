//! Linear layers whichever way their weight lies, and the biases of all layers.

use fanin::{Axis, Layout};

use super::attention::Attentions;
use super::residual::Streams;
use super::uses::{Use, Verdict};
use super::view::View;
use super::walk::{Encounter, What, trace};
use super::{Feeds, Role, gate, head, layout};
use crate::{Node, NodeId, ValueId};

/// The meaning of the axes of a weight where it enters a product of matrices.
fn meaning(view: &View<'_>, found: &Use) -> Option<Vec<Axis>> {
    let node = view.network.node(found.node);
    let rank = view.shape(found.value).len();
    match (node.op.as_str(), found.slot) {
        ("Gemm" | "FusedGemm", 0) => Some(matrix(2, node.attributes.int("transA", 0) == 0)),
        ("Gemm" | "FusedGemm", 1) => Some(matrix(2, node.attributes.int("transB", 0) != 0)),
        ("MatMul" | "FusedMatMul", 0) => Some(matrix(rank, true)),
        ("MatMul" | "FusedMatMul", 1) => Some(matrix(rank, false)),
        ("Einsum", slot) => einsum(node, slot, rank),
        _ => None,
    }
}

/// `[.., output, input]` or `[.., input, output]`; leading axes hold one matrix each.
fn matrix(rank: usize, output_first: bool) -> Vec<Axis> {
    match rank {
        0 => Vec::new(),
        1 => vec![Axis::Input],
        n => {
            let mut axes = vec![Axis::Stack; n - 2];
            axes.extend(if output_first {
                [Axis::Output, Axis::Input]
            } else {
                [Axis::Input, Axis::Output]
            });
            axes
        }
    }
}

/// Reads the axes off the equation: what only the weight and the result have is output, what the
/// result does not have is input, what all three have holds one matrix each.
fn einsum(node: &Node, slot: usize, rank: usize) -> Option<Vec<Axis>> {
    let equation: String = node
        .attributes
        .str("equation", "")
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    let (operands, result) = equation.split_once("->")?;
    let terms: Vec<&str> = operands.split(',').collect();
    let own = terms.get(slot)?;
    if own.contains('.') || own.chars().count() != rank {
        return None;
    }
    let in_other = |letter: char| {
        terms
            .iter()
            .enumerate()
            .any(|(k, term)| k != slot && term.contains(letter))
    };
    Some(
        own.chars()
            .map(|letter| match (in_other(letter), result.contains(letter)) {
                (true, true) => Axis::Stack,
                (false, true) => Axis::Output,
                _ => Axis::Input,
            })
            .collect(),
    )
}

/// The weight of a linear layer.
pub(super) fn weight(
    view: &View<'_>,
    streams: &Streams,
    attentions: &Attentions,
    found: &Use,
) -> Option<Verdict> {
    if !view.is_layer(found.node) || found.slot > 1 && view.network.node(found.node).op != "Einsum"
    {
        return None;
    }
    let axes = layout::carry(&meaning(view, found)?, &found.origins, found.rank);
    Some(layer(view, streams, attentions, found, layout::plain(axes)))
}

/// The verdict on the weight of a layer whose axes are known.
pub(super) fn layer(
    view: &View<'_>,
    streams: &Streams,
    attentions: &Attentions,
    found: &Use,
    mut layout: Layout,
) -> Verdict {
    let Some(output) = view.network.output(found.node) else {
        return Verdict::new(Role::Weight, layout, String::from("its output is not used"));
    };
    let met = trace(view, &streams.sums, output);
    let (feeds, because) = feeds(view, &met);
    let norm_follows = follows_norm(&met);
    let residual_branches = streams.branches_at(found.node);
    let verdict = Verdict {
        feeds,
        norm_follows,
        residual_branches,
        ..Verdict::new(Role::Weight, layout.clone(), because)
    };
    let verdict = if let Some(part) = attentions.part(found.node) {
        let role = part.role();
        if role == Role::AttentionQkv {
            layout.fused = parts(view, output, part.projections());
        }
        Verdict {
            role,
            layout,
            feeds: if role == Role::AttentionOutput {
                feeds
            } else {
                Feeds::Linear
            },
            because: part.because(),
            ..verdict
        }
    } else if let Some(gated) = gate::gated(view, streams, found.node, &met) {
        if gated.fused {
            layout.fused = parts(view, output, 2);
        }
        Verdict {
            role: gated.role,
            layout,
            feeds: gated.feeds,
            because: gated.because,
            ..verdict
        }
    } else if let Some(feeds) = head::head(view, &met) {
        Verdict {
            role: Role::OutputHead,
            feeds,
            because: match feeds {
                Feeds::Softmax => String::from("makes the output, through softmax"),
                Feeds::Activation(_) => String::from("makes the output, through sigmoid"),
                _ => String::from("makes the output"),
            },
            ..verdict
        }
    } else {
        verdict
    };
    match verdict.residual_branches {
        Some(branches) => Verdict {
            because: format!(
                "{}; ends one of {branches} {} of a residual stream",
                verdict.because,
                if branches == 1 { "branch" } else { "branches" }
            ),
            ..verdict
        },
        None => verdict,
    }
}

/// Whether everything that a layer's output meets, it meets through a norm.
fn follows_norm(met: &[Encounter]) -> bool {
    !met.is_empty() && met.iter().all(|e| e.norm.is_some())
}

/// What a layer's output meets, and that in words.
pub(super) fn feeds(view: &View<'_>, met: &[Encounter]) -> (Feeds, String) {
    let mut activations = Vec::new();
    let mut softmax = false;
    let mut norm = None;
    let mut pooled = false;
    for encounter in met {
        match encounter.what {
            What::Activation(activation, _) => {
                if !activations.contains(&activation) {
                    activations.push(activation);
                }
                norm = norm.or(encounter.norm);
                pooled = pooled || encounter.pooled;
            }
            What::Softmax(_) => softmax = true,
            _ => {}
        }
    }
    let through = match (norm, pooled) {
        (Some(norm), true) => format!(" through {norm} and pooling"),
        (Some(norm), false) => format!(" through {norm}"),
        (None, true) => String::from(" through pooling"),
        (None, false) => String::new(),
    };
    match (&activations[..], softmax) {
        ([activation], false) => (
            Feeds::Activation(*activation),
            format!("feeds {activation}{through}"),
        ),
        ([], true) => (Feeds::Softmax, String::from("feeds softmax")),
        ([], false) => {
            let norm = met.iter().find_map(|e| e.norm);
            let unknown = met.iter().find_map(|e| match e.what {
                What::Unknown(node) => Some(node),
                _ => None,
            });
            let because = match (norm, unknown) {
                (Some(norm), _) => format!("meets no activation, only {norm}"),
                (None, Some(node)) => format!(
                    "meets {}, which is no activation fanin knows",
                    view.network.node(node).op
                ),
                (None, None) => String::from("meets no activation"),
            };
            (Feeds::Linear, because)
        }
        _ => {
            let mut names: Vec<String> = activations.iter().map(ToString::to_string).collect();
            names.extend(softmax.then(|| String::from("softmax")));
            (Feeds::Mixed, format!("feeds {}", names.join(" and ")))
        }
    }
}

/// Sizes of the parts into which a fused output is cut along its own axis; equal ones where the
/// cut is along an axis made for it (`[.., 3, heads, d]`).
pub(super) fn parts(view: &View<'_>, output: ValueId, count: usize) -> Vec<usize> {
    let network = view.network;
    let Some(&width) = channel(view, output) else {
        return Vec::new();
    };
    let mut open = vec![output];
    let mut steps = 0usize;
    while let Some(id) = open.pop() {
        steps += 1;
        if steps > 64 {
            break;
        }
        let mut slices: Vec<usize> = Vec::new();
        for &consumer in &network.value(id).consumers {
            let node = network.node(consumer);
            let pieces = node.outputs.iter().copied().flatten();
            match node.op.as_str() {
                "Split" | "Slice" => {
                    for piece in pieces {
                        let cut = view
                            .shape(id)
                            .iter()
                            .zip(view.shape(piece))
                            .find(|(whole, part)| whole != part)
                            .map(|(_, &part)| part);
                        slices.extend(cut);
                    }
                }
                "Add" | "Mul" => open.extend(pieces),
                name if super::op::rearranges(name) => open.extend(pieces),
                _ => {}
            }
        }
        if slices.len() > 1 && slices.iter().sum::<usize>() == width {
            return slices;
        }
    }
    if count > 1 && width % count == 0 {
        vec![width / count; count]
    } else {
        Vec::new()
    }
}

/// The size of a layer output's channel axis.
fn channel<'a>(view: &View<'a>, output: ValueId) -> Option<&'a usize> {
    let shape = view.shape(output);
    match view.producer(output).map(|node| node.op.as_str()) {
        Some("Conv" | "ConvTranspose") => shape.get(1),
        _ => shape.last(),
    }
}

/// A bias: added to what a layer puts out.
pub(super) fn bias(view: &View<'_>, streams: &Streams, found: &Use) -> Option<Verdict> {
    let node = view.network.node(found.node);
    let own = matches!(
        (node.op.as_str(), found.slot),
        ("Conv" | "ConvTranspose" | "Gemm" | "FusedGemm", 2)
    );
    let layer = if own {
        Some(found.node)
    } else if matches!(
        node.op.as_str(),
        "Add" | "Sub" | "Sum" | "BiasGelu" | "FastGelu"
    ) {
        added_to(view, found)
    } else {
        None
    };
    let layer = layer?;
    let output = view.network.output(found.node)?;
    let met = trace(view, &streams.sums, output);
    let (feeds, _) = feeds(view, &met);
    Some(Verdict {
        feeds,
        norm_follows: follows_norm(&met),
        ..Verdict::new(
            Role::Bias,
            layout::vector(found.rank),
            format!("added to the output of `{}`", view.network.node(layer).name),
        )
    })
}

/// The layer to whose output a vector is added.
fn added_to(view: &View<'_>, found: &Use) -> Option<NodeId> {
    let wide = view.shape(found.value).iter().filter(|&&d| d > 1).count();
    if wide > 1 {
        return None;
    }
    let mut open = view.signals(found.node);
    let mut steps = 0usize;
    while let Some(id) = open.pop() {
        steps += 1;
        if steps > 32 {
            return None;
        }
        let producer = view.network.value(id).producer?;
        if view.is_layer(producer) {
            return Some(producer);
        }
        let node = view.network.node(producer);
        let signals = view.signals(producer);
        let passes =
            super::op::moves(&node.op) || matches!(node.op.as_str(), "Add" | "Mul" | "Sub");
        if passes {
            open.extend(signals);
        }
    }
    None
}
