//! Which operators a value passes unchanged, or nearly so.

/// Passes elements on, in another shape, order or number: what comes out is made of what goes in.
pub(super) fn moves(op: &str) -> bool {
    matches!(
        op,
        "Identity"
            | "Cast"
            | "CastLike"
            | "Reshape"
            | "Flatten"
            | "Squeeze"
            | "Unsqueeze"
            | "Transpose"
            | "Dropout"
            | "Slice"
            | "Split"
            | "SplitToSequence"
            | "SequenceAt"
            | "Pad"
            | "Expand"
            | "Tile"
            | "DepthToSpace"
            | "SpaceToDepth"
            | "Trilu"
            | "ReverseSequence"
            | "Resize"
            | "Upsample"
            | "GatherElements"
            | "GatherND"
            | "Gather"
            | "Compress"
            | "Col2Im"
            | "CenterCropPad"
    )
}

/// Changes only how elements are arranged: a shortcut through it is still the identity.
pub(super) fn rearranges(op: &str) -> bool {
    matches!(
        op,
        "Identity"
            | "Cast"
            | "CastLike"
            | "Reshape"
            | "Flatten"
            | "Squeeze"
            | "Unsqueeze"
            | "Transpose"
            | "Dropout"
            | "Slice"
            | "Pad"
            | "AveragePool"
            | "MaxPool"
    )
}

/// Takes one number for many: pooling and means.
pub(super) fn pools(op: &str) -> bool {
    matches!(
        op,
        "MaxPool"
            | "AveragePool"
            | "LpPool"
            | "GlobalAveragePool"
            | "GlobalMaxPool"
            | "GlobalLpPool"
            | "ReduceMean"
            | "ReduceSum"
            | "ReduceMax"
            | "ReduceMin"
            | "CumSum"
    )
}

/// Normalizes its first input.
pub(super) fn normalizes(op: &str) -> bool {
    matches!(
        op,
        "BatchNormalization"
            | "InstanceNormalization"
            | "LayerNormalization"
            | "GroupNormalization"
            | "RMSNormalization"
            | "SimplifiedLayerNormalization"
            | "MeanVarianceNormalization"
            | "LpNormalization"
            | "LRN"
    )
}

/// What a reader of the plan calls the normalization.
pub(super) fn normalization_name(op: &str) -> &'static str {
    match op {
        "BatchNormalization" => "batch norm",
        "InstanceNormalization" => "instance norm",
        "LayerNormalization" => "layer norm",
        "GroupNormalization" => "group norm",
        "RMSNormalization" | "SimplifiedLayerNormalization" => "RMS norm",
        "LpNormalization" => "Lp norm",
        "LRN" => "local response norm",
        _ => "a norm",
    }
}

/// Looks at a value without passing its elements on.
pub(super) fn only_looks(op: &str) -> bool {
    matches!(
        op,
        "Shape"
            | "Size"
            | "IsNaN"
            | "IsInf"
            | "Equal"
            | "Less"
            | "LessOrEqual"
            | "Greater"
            | "GreaterOrEqual"
            | "ArgMax"
            | "ArgMin"
            | "NonZero"
            | "Not"
            | "And"
            | "Or"
    )
}

/// Contracts with a weight, if one of its operands is one.
pub(super) fn contracts(op: &str) -> bool {
    matches!(
        op,
        "MatMul"
            | "Gemm"
            | "FusedMatMul"
            | "FusedGemm"
            | "Einsum"
            | "Conv"
            | "ConvTranspose"
            | "LSTM"
            | "GRU"
            | "RNN"
    )
}
