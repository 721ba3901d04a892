//! The words in which a parameter's place is told.

use std::fmt;
use std::ops::Range;

use fanin::Activation;

/// What a parameter is for. How its axes lie is in its layout, not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Weight of a linear layer or a convolution whose output meets an activation, or nothing.
    Weight,
    /// Added to a layer's output.
    Bias,
    /// Multiplies a normalized value.
    NormScale,
    /// Added to a normalized value.
    NormShift,
    /// Rows picked by ids.
    Embedding,
    /// Rows added per position: learned position tables, class tokens.
    PositionEmbedding,
    /// Attention's query projection.
    AttentionQuery,
    /// Attention's key projection.
    AttentionKey,
    /// Attention's value projection.
    AttentionValue,
    /// Query, key and value in one weight.
    AttentionQkv,
    /// Attention's output projection.
    AttentionOutput,
    /// Added to attention scores per relative position.
    AttentionBias,
    /// The half of a gated unit that meets the activation.
    Gate,
    /// The half of a gated unit that is multiplied by the gate.
    GateValue,
    /// From the input into the gates of a recurrent layer.
    RecurrentInput,
    /// From the state into the gates of a recurrent layer.
    RecurrentHidden,
    /// Bias of the gates of a recurrent layer.
    RecurrentBias,
    /// The last layer: makes the output.
    OutputHead,
    /// A learned factor on a branch or channel: layer scale, ReZero.
    BranchScale,
    /// A learned factor on a weight: the lengths of its rows in a weight norm.
    WeightScale,
    /// Of a low-rank pair that is added to a weight, the side that reads the input.
    LowRankDown,
    /// Of a low-rank pair that is added to a weight, the side that makes the output.
    LowRankUp,
    /// Slope of a learned activation (PReLU).
    ActivationSlope,
    /// Nothing the graph tells.
    Other,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Weight => "weight",
            Self::Bias => "bias",
            Self::NormScale => "norm_scale",
            Self::NormShift => "norm_shift",
            Self::Embedding => "embedding",
            Self::PositionEmbedding => "position_embedding",
            Self::AttentionQuery => "attention_query",
            Self::AttentionKey => "attention_key",
            Self::AttentionValue => "attention_value",
            Self::AttentionQkv => "attention_qkv",
            Self::AttentionOutput => "attention_output",
            Self::AttentionBias => "attention_bias",
            Self::Gate => "gate",
            Self::GateValue => "gate_value",
            Self::RecurrentInput => "recurrent_input",
            Self::RecurrentHidden => "recurrent_hidden",
            Self::RecurrentBias => "recurrent_bias",
            Self::OutputHead => "output_head",
            Self::BranchScale => "branch_scale",
            Self::WeightScale => "weight_scale",
            Self::LowRankDown => "low_rank_down",
            Self::LowRankUp => "low_rank_up",
            Self::ActivationSlope => "activation_slope",
            Self::Other => "other",
        })
    }
}

/// What a parameter's output meets first, looking through bias adds, norms, reshapes and dropout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Feeds {
    /// An elementwise activation.
    Activation(Activation),
    /// A softmax over the output (an attention score or a classifier).
    Softmax,
    /// Several different ones; the graph branches.
    Mixed,
    /// No activation before the next weight, the residual sum or the output.
    Linear,
}

/// What the graph says about a parameter's place.
#[derive(Clone, Debug, PartialEq)]
pub struct Purpose {
    /// What it is for.
    pub role: Role,
    /// What its output meets.
    pub feeds: Feeds,
    /// Whether a normalization follows before any activation.
    pub norm_follows: bool,
    /// Number of branches that add into the residual stream this one's output is added to, if it
    /// is the last weight of a residual branch.
    pub residual_branches: Option<usize>,
    /// Whether it is also used in another role (a tied embedding that is also the output head).
    pub tied: bool,
    /// For recurrent parameters: operator (`LSTM`, `GRU`, `RNN`) and hidden size.
    pub recurrent: Option<(RecurrentKind, usize)>,
    /// For the bias that an LSTM adds to W's products: where along its last axis the forget gate is.
    pub forget_gate: Option<Range<usize>>,
    /// The node that uses it first.
    pub node: String,
    /// Why this role, in words for the plan: "feeds relu through batch norm".
    pub because: String,
}

/// The recurrent operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants are their own names")]
pub enum RecurrentKind {
    Lstm,
    Gru,
    Rnn,
}
