//! Attention in one operator, and rotary embedding.

pub(crate) mod shape;

use super::Operator;
use super::facts::{Class, Facts, Holds, Parity, Slots, UnitAxis, WeightAxes};
use super::read::{Row, microsoft, onnx};

/// ONNX's `Attention`: query, key, value, mask, past key and value, lengths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attention {
    /// Number of query heads, needed where inputs have three axes.
    pub query_heads: Option<usize>,
    /// Number of key and value heads.
    pub key_heads: Option<usize>,
    /// Factor on the scores; 1/√width where absent.
    pub scale: Option<f32>,
    /// Whether a place sees only those before it.
    pub causal: bool,
    /// Bound on the scores by tanh; 0 for none.
    pub softcap: f32,
    /// How many places before and behind are seen; negative for all.
    pub left_window: i64,
    /// How many places behind are seen; negative for all.
    pub right_window: i64,
    /// Which scores the fourth output gives.
    pub scores: ScoresOutput,
}

/// Which scores ONNX's `Attention` gives as its fourth output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoresOutput {
    /// The scaled product of query and key.
    Raw,
    /// Bounded by `softcap`.
    Capped,
    /// With the mask added.
    Masked,
    /// The softmax.
    Weights,
}

/// onnxruntime's `MultiHeadAttention`: query, key, value, bias, key padding mask, attention bias, past.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MultiHeadAttention {
    /// Number of heads; at least one.
    pub heads: usize,
    /// Factor on the scores; 1/√width where absent.
    pub scale: Option<f32>,
    /// What masked scores are set to.
    pub mask_value: f32,
    /// Whether a place sees only those before it.
    pub causal: bool,
}

/// onnxruntime's `GroupQueryAttention`: query, key, value, past key and value, lengths, rotary tables.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupQueryAttention {
    /// Number of query heads; at least one.
    pub heads: usize,
    /// Number of key and value heads; at least one.
    pub key_heads: usize,
    /// Factor on the scores; 1/√width where absent.
    pub scale: Option<f32>,
    /// Bound on the scores by tanh; 0 for none.
    pub softcap: f32,
    /// How many places before are seen; negative for all.
    pub left_window: i64,
    /// Whether query and key are turned by the tables in inputs 7 and 8.
    pub rotary: bool,
    /// Whether rotation takes neighbouring features as pairs, not halves.
    pub interleaved: bool,
}

/// onnxruntime's `Attention`: input, weights of query, key and value, bias, mask, past.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectedAttention {
    /// Number of heads; at least one.
    pub heads: usize,
    /// Factor on the scores; 1/√width where absent.
    pub scale: Option<f32>,
    /// Whether a place sees only those before it.
    pub causal: bool,
    /// What masked scores are set to.
    pub mask_value: f32,
    /// Widths of query, key and value; thirds of the weight where absent.
    pub hidden: Option<Vec<usize>>,
}

/// Rotary embedding: pairs of features turned by an angle per place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotary {
    /// Whether neighbouring features are a pair, not those of the two halves.
    pub interleaved: bool,
    /// Number of heads, needed where the input has three axes; 0 where not stated.
    pub heads: usize,
    /// Features that are turned; 0 for all.
    pub width: usize,
    /// The input of the positions: 3 in ONNX, 1 in onnxruntime.
    pub positions: usize,
    /// The inputs of the cosines and the sines: 1 and 2 in ONNX, 2 and 3 in onnxruntime.
    pub tables: [usize; 2],
}

/// Values pass through attention with weights that sum to one; queries and keys decide the weights.
/// All three, and the past, are signals.
pub(super) fn attention_facts() -> Facts {
    Facts::new(Class::Attention, Slots::These(&[0, 1, 2, 4, 5])).units(UnitAxis::Last)
}

pub(super) fn multi_head_facts() -> Facts {
    Facts::new(Class::Attention, Slots::These(&[0, 1, 2, 6, 7]))
        .units(UnitAxis::Last)
        .weight(3, Holds::Bias, WeightAxes::PerUnit, UnitAxis::Last)
}

pub(super) fn group_query_facts() -> Facts {
    Facts::new(Class::Attention, Slots::These(&[0, 1, 2, 3, 4])).units(UnitAxis::Last)
}

pub(super) fn projected_facts() -> Facts {
    Facts::new(Class::Attention, Slots::These(&[0, 4]))
        .units(UnitAxis::Last)
        .weight(
            1,
            Holds::Weight,
            WeightAxes::Matrix {
                output_first: false,
            },
            UnitAxis::Last,
        )
        .weight(2, Holds::Bias, WeightAxes::PerUnit, UnitAxis::Last)
}

pub(super) fn rotary_facts() -> Facts {
    Facts::new(Class::Rotates, Slots::FIRST)
        .of_degree(1.0)
        .of_parity(Parity::Odd)
        .units(UnitAxis::Kept)
}

/// A factor of 0 stands for none in onnxruntime's operators.
fn factor(scale: Option<f32>) -> Option<f32> {
    scale.filter(|&s| s != 0.0)
}

pub(super) const ROWS: &[Row] = &[
    onnx("Attention", |g| {
        let scores = match g.int("qk_matmul_output_mode", 0) {
            0 => ScoresOutput::Raw,
            1 => ScoresOutput::Capped,
            2 => ScoresOutput::Masked,
            _ => ScoresOutput::Weights,
        };
        Ok(Operator::Attention(Attention {
            query_heads: g.size("q_num_heads")?,
            key_heads: g.size("kv_num_heads")?,
            scale: g.stated_float("scale"),
            causal: g.flag("is_causal", false),
            softcap: g.float("softcap", 0.0),
            left_window: g.int("left_window_size", -1),
            right_window: g.int("right_window_size", -1),
            scores,
        }))
    }),
    onnx("RotaryEmbedding", |g| {
        Ok(Operator::Rotary(Rotary {
            interleaved: g.flag("interleaved", false),
            heads: g.size("num_heads")?.unwrap_or(0),
            width: g.size("rotary_embedding_dim")?.unwrap_or(0),
            positions: 3,
            tables: [1, 2],
        }))
    }),
    microsoft("RotaryEmbedding", |g| {
        Ok(Operator::Rotary(Rotary {
            interleaved: g.flag("interleaved", false),
            heads: g.size("num_heads")?.unwrap_or(0),
            width: g.size("rotary_embedding_dim")?.unwrap_or(0),
            positions: 1,
            tables: [2, 3],
        }))
    }),
    microsoft("MultiHeadAttention", |g| {
        Ok(Operator::MultiHeadAttention(MultiHeadAttention {
            heads: g.count("num_heads")?,
            scale: factor(g.stated_float("scale")),
            mask_value: g.float("mask_filter_value", -10_000.0),
            causal: g.flag("unidirectional", false),
        }))
    }),
    microsoft("GroupQueryAttention", |g| {
        Ok(Operator::GroupQueryAttention(GroupQueryAttention {
            heads: g.count("num_heads")?,
            key_heads: g.count("kv_num_heads")?,
            scale: factor(g.stated_float("scale")),
            softcap: g.float("softcap", 0.0),
            left_window: g.int("local_window_size", -1),
            rotary: g.flag("do_rotary", false),
            interleaved: g.flag("rotary_interleaved", false),
        }))
    }),
    microsoft("Attention", |g| {
        Ok(Operator::ProjectedAttention(ProjectedAttention {
            heads: g.count("num_heads")?,
            scale: factor(g.stated_float("scale")),
            causal: g.flag("unidirectional", false),
            mask_value: g.float("mask_filter_value", -10_000.0),
            hidden: g.sizes("qkv_hidden_sizes", 0)?,
        }))
    }),
];
