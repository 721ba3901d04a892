//! What a name gives away, the last resort.

use crate::{Network, ValueId, ValueKind};

/// Operator-like words that exporters number to name results: `view_3`, `val_12`, `Constant_7`.
const WORDS: &[&str] = &[
    "_to_copy",
    "abs",
    "add",
    "addmm",
    "alias",
    "arange",
    "bmm",
    "cast",
    "cat",
    "clone",
    "concat",
    "const",
    "constant",
    "convert",
    "copy",
    "cos",
    "div",
    "dropout",
    "einsum",
    "embedding",
    "erf",
    "exp",
    "expand",
    "fill",
    "full",
    "gather",
    "getitem",
    "identity",
    "index",
    "initializer",
    "input",
    "layer_norm",
    "lift_fresh_copy",
    "linear",
    "masked_fill",
    "matmul",
    "mean",
    "mm",
    "mul",
    "neg",
    "new_zeros",
    "ones",
    "ones_like",
    "output",
    "pad",
    "permute",
    "pow",
    "reciprocal",
    "relu",
    "repeat",
    "reshape",
    "rsqrt",
    "scalar_tensor",
    "select",
    "sigmoid",
    "sin",
    "slice",
    "softmax",
    "split",
    "sqrt",
    "squeeze",
    "stack",
    "sub",
    "sum",
    "t",
    "tanh",
    "tensor",
    "tmp",
    "transpose",
    "tril",
    "triu",
    "unsqueeze",
    "v",
    "val",
    "value",
    "var",
    "view",
    "where",
    "x",
    "zeros",
    "zeros_like",
];

/// Whether an exporter made the name up (`val_12`, `onnx::MatMul_383`, `/blocks.0/Constant_output_0`)
/// rather than a person (`blocks.3.alpha`, `dense/kernel:0`).
pub(crate) fn looks_generated(name: &str) -> bool {
    if name.is_empty() || name.contains("::") || name.contains("const_fold_opt") {
        return true;
    }
    let last = name.rsplit('/').next().unwrap_or(name);
    let base = last
        .split(':')
        .next()
        .unwrap_or(last)
        .trim_end_matches("_output_0")
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .trim_end_matches(['_', '.']);
    let base = base.to_ascii_lowercase();
    // A bare number, or an operator's word; a dotted name is a path of modules.
    base.is_empty() && !name.contains('.')
        || (!last.contains('.') && WORDS.contains(&base.as_str()))
        || last.contains("/Constant")
        || base.ends_with("_const")
        || base == "const_fold"
}

/// Whether the name is one that frameworks give to tables they do not train.
pub(super) fn says_buffer(name: &str) -> bool {
    const TABLES: &[&str] = &[
        "inv_freq",
        "cos_cached",
        "sin_cached",
        "cos_cache",
        "sin_cache",
        "freqs_cis",
        "rotary",
        "position_ids",
        "masked_bias",
        "attn_mask",
        "attention_mask",
        "causal_mask",
        "relative_position_index",
        "running_mean",
        "running_var",
        "num_batches_tracked",
        "relative_coords_table",
    ];
    let lower = name.to_ascii_lowercase();
    lower.ends_with("attn.bias") && lower.contains("h.")
        || TABLES.iter().any(|table| lower.contains(table))
}

/// The other names under which the same tensor is passed on unchanged.
pub(super) fn aliases(network: &Network, id: ValueId) -> Vec<String> {
    let mut names = Vec::new();
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        for &consumer in &network.value(id).consumers {
            let node = network.node(consumer);
            if node.operator != crate::Operator::Identity {
                continue;
            }
            for output in node.outputs.iter().copied().flatten() {
                let value = network.value(output);
                if matches!(value.kind, ValueKind::Computed) && !looks_generated(&value.name) {
                    names.push(value.name.clone());
                }
                open.push(output);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_exporters_and_of_people() {
        for name in [
            "val_12",
            "onnx::MatMul_383",
            "/transformer/Constant_3_output_0",
            "unsqueeze_14",
            "expand",
            "linear_1",
            "127",
            "_to_copy_3",
            "model/dense/Const:0",
        ] {
            assert!(looks_generated(name), "{name}");
        }
        for name in [
            "0.weight",
            "blocks.3.alpha",
            "dense/kernel:0",
            "cls_token",
            "pos_embed",
            "logit_scale",
            "layers.0.blocks.1.attn.proj.bias",
            "resweight",
            "conv1_w_0",
        ] {
            assert!(!looks_generated(name), "{name}");
        }
    }
}
