//! A model made of bytes: every byte string is a well-formed file, most of them with a graph that
//! some rule refuses, many with one that runs.
//!
//! Bytes choose operators, where their inputs come from, shapes and attributes. What runs out reads
//! zeros, so that shorter inputs are smaller models. Most axes have length 4, so that shapes meet.

use prost::Message;

use super::proto::{
    Attribute, Dimension, Graph, Model, Node, OperatorSet, Shape, Tensor, TensorType, Type,
    ValueInfo,
};

/// An operator: its name; its inputs, one letter each (`v` a value, `w` stored floats, `i` stored
/// integers, `s` a stored scalar, `b` stored booleans; upper case may be left out); its attributes.
type Form = (&'static str, &'static str, &'static [&'static str]);

const WINDOW: &[&str] = &[
    "kernel_shape", "pads", "strides", "dilations", "auto_pad", "group", "ceil_mode",
    "count_include_pad", "output_padding", "output_shape", "storage_order", "p",
];
const REDUCE: &[&str] = &["axes", "keepdims", "noop_with_empty_axes"];
const RECURRENT: &[&str] = &[
    "hidden_size", "direction", "activations", "activation_alpha", "activation_beta", "clip",
    "input_forget", "layout", "linear_before_reset",
];
const ALPHA: &[&str] = &["alpha", "beta", "gamma"];
const AXIS: &[&str] = &["axis"];

#[rustfmt::skip]
const FORMS: &[Form] = &[
    ("Gemm", "vwW", &["alpha", "beta", "transA", "transB"]), ("MatMul", "vw", &[]), ("MatMul", "vv", &[]),
    ("Conv", "vwW", WINDOW), ("ConvTranspose", "vwW", WINDOW), ("Einsum", "vw", &["equation"]),
    ("Relu", "v", &[]), ("Tanh", "v", &[]), ("Sigmoid", "v", &[]), ("Gelu", "v", &["approximate"]),
    ("Selu", "v", ALPHA), ("Elu", "v", ALPHA), ("Celu", "v", ALPHA), ("LeakyRelu", "v", ALPHA), ("PRelu", "vw", &[]),
    ("HardSigmoid", "v", ALPHA), ("HardSwish", "v", &[]), ("Swish", "v", ALPHA), ("Mish", "v", &[]), ("Softplus", "v", &[]),
    ("Softsign", "v", &[]), ("ThresholdedRelu", "v", ALPHA), ("Shrink", "v", &["bias", "lambd"]), ("Erf", "v", &[]),
    ("Exp", "v", &[]), ("Log", "v", &[]), ("Sqrt", "v", &[]), ("Sin", "v", &[]), ("Neg", "v", &[]), ("Abs", "v", &[]),
    ("Reciprocal", "v", &[]), ("Floor", "v", &[]), ("Sign", "v", &[]), ("Clip", "vSS", &[]), ("Identity", "v", &[]),
    ("Add", "vv", &[]), ("Add", "vw", &[]), ("Mul", "vv", &[]), ("Mul", "vs", &[]), ("Sub", "vv", &[]), ("Div", "vs", &[]),
    ("Div", "vv", &[]), ("Pow", "vs", &[]), ("Max", "vv", &[]), ("Min", "vw", &[]), ("Mean", "vv", &[]), ("Sum", "vvV", &[]),
    ("Where", "bvv", &[]), ("Greater", "vv", &[]), ("Equal", "vs", &[]), ("Not", "v", &[]), ("Mod", "vs", &["fmod"]),
    ("Softmax", "v", AXIS), ("LogSoftmax", "v", AXIS), ("Hardmax", "v", AXIS), ("CumSum", "vs", &["exclusive", "reverse"]),
    ("BatchNormalization", "vwwww", &["epsilon", "momentum", "training_mode"]), ("InstanceNormalization", "vww", &["epsilon"]),
    ("LayerNormalization", "vwW", &["axis", "epsilon"]), ("GroupNormalization", "vww", &["num_groups", "epsilon"]),
    ("RMSNormalization", "vw", &["axis", "epsilon"]), ("LpNormalization", "v", &["axis", "p"]), ("LRN", "v", &["size", "alpha", "beta", "bias"]),
    ("MeanVarianceNormalization", "v", &["axes"]), ("Dropout", "vS", &[]),
    ("MaxPool", "v", WINDOW), ("AveragePool", "v", WINDOW), ("LpPool", "v", WINDOW), ("GlobalAveragePool", "v", &[]), ("GlobalMaxPool", "v", &[]),
    ("ReduceMean", "vI", REDUCE), ("ReduceSum", "vI", REDUCE), ("ReduceMax", "vI", REDUCE), ("ReduceL2", "vI", REDUCE),
    ("ReduceLogSumExp", "vI", REDUCE), ("ReduceProd", "vI", REDUCE), ("ArgMax", "v", &["axis", "keepdims", "select_last_index"]),
    ("TopK", "vi", &["axis", "largest", "sorted", "k"]),
    ("Reshape", "vi", &["allowzero"]), ("Flatten", "v", AXIS), ("Transpose", "v", &["perm"]), ("Squeeze", "vI", &["axes"]),
    ("Unsqueeze", "vI", &["axes"]), ("Concat", "vvV", AXIS), ("Split", "vI", &["axis", "num_outputs", "split"]), ("Slice", "viiII", &["axes", "starts", "ends"]),
    ("Gather", "vi", AXIS), ("Gather", "wv", AXIS), ("GatherElements", "vi", AXIS), ("GatherND", "vi", &["batch_dims"]),
    ("ScatterND", "viv", &["reduction"]), ("ScatterElements", "viv", &["axis", "reduction"]), ("Expand", "vi", &[]), ("Tile", "vi", &[]),
    ("Pad", "viSI", &["mode", "pads", "value"]), ("Shape", "v", &["start", "end"]), ("Size", "v", &[]), ("Cast", "v", &["to"]),
    ("ConstantOfShape", "i", &["value"]), ("Range", "sss", &[]), ("OneHot", "vsw", AXIS), ("EyeLike", "v", &["k", "dtype"]), ("Trilu", "vI", &["upper"]),
    ("DepthToSpace", "v", &["blocksize", "mode"]), ("SpaceToDepth", "v", &["blocksize"]), ("NonZero", "v", &[]), ("IsNaN", "v", &[]),
    ("Resize", "vWWI", &["mode", "coordinate_transformation_mode", "nearest_mode", "antialias", "axes", "cubic_coeff_a", "exclude_outside", "keep_aspect_ratio_policy", "extrapolation_value"]),
    ("Upsample", "vW", &["mode", "scales"]), ("GridSample", "vw", &["mode", "padding_mode", "align_corners"]), ("AffineGrid", "vi", &["align_corners"]),
    ("LSTM", "vwwWIWWW", RECURRENT), ("GRU", "vwwWIW", RECURRENT), ("RNN", "vwwWIW", RECURRENT),
    ("Attention", "vvvW", &["is_causal", "scale", "q_num_heads", "kv_num_heads", "softcap", "qk_matmul_output_mode"]),
    ("RotaryEmbedding", "vwwI", &["interleaved", "num_heads", "rotary_embedding_dim"]),
    ("Det", "v", &[]), ("Einsum", "vv", &["equation"]), ("ReverseSequence", "vi", &["batch_axis", "time_axis"]), ("SequenceConstruct", "vv", &[]),
    ("SequenceAt", "vs", &[]), ("ConcatFromSequence", "v", &["axis", "new_axis"]), ("SplitToSequence", "vI", &["axis", "keepdims"]),
    ("Col2Im", "vii", &["dilations", "pads", "strides"]), ("RoiAlign", "vwi", &["mode", "output_height", "sampling_ratio", "spatial_scale"]),
    ("MaxUnpool", "vi", WINDOW), ("NegativeLogLikelihoodLoss", "viW", &["reduction", "ignore_index"]), ("SoftmaxCrossEntropyLoss", "viW", &["reduction"]),
];

const STRINGS: &[&str] = &[
    "", "tanh", "none", "SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET", "forward", "reverse", "bidirectional", "bij,bjk->bik",
    "ij,jk", "...ij,...jk->...ik", "ii->i", "nearest", "linear", "cubic", "half_pixel", "align_corners", "asymmetric",
    "pytorch_half_pixel", "tf_crop_and_resize", "floor", "ceil", "round_prefer_ceil", "constant", "reflect", "edge", "wrap",
    "DCR", "CRD", "add", "mul", "max", "mean", "sum", "zeros", "border", "reflection", "Relu", "Sigmoid", "Tanh",
];

const LENGTHS: [i64; 16] = [4, 4, 4, 4, 4, 1, 1, 2, 2, 3, 8, 5, 16, 4, 7, 0];
const NUMBERS: [f32; 16] = [
    0.5, -0.5, 1.0, 0.25, -1.0, 2.0, 0.125, -0.125, 1.5, 0.0, 1e-5, 0.75, -2.0, 3.0, 1e30, f32::NAN,
];

/// Reads the bytes; zeros behind their end.
pub struct Bytes<'a>(pub &'a [u8]);

impl Bytes<'_> {
    pub fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn below(&mut self, n: usize) -> usize {
        usize::from(self.next()) % n.max(1)
    }

    /// Mostly small, now and then at the edge of what its type holds.
    fn integer(&mut self) -> i64 {
        match self.next() {
            byte @ 0..=199 => i64::from(byte % 10) - 2,
            byte @ 200..=239 => LENGTHS[usize::from(byte % 16)],
            240 => i64::MAX,
            241 => i64::MIN,
            242 => i64::from(i32::MAX),
            243 => 1 << 40,
            byte => i64::from(byte),
        }
    }

    fn integers(&mut self) -> Vec<i64> {
        (0..self.below(7)).map(|_| self.integer()).collect()
    }

    fn number(&mut self) -> f32 {
        NUMBERS[self.below(16)]
    }

    fn shape(&mut self) -> Vec<i64> {
        let rank = [2, 2, 3, 4, 1, 4, 3, 0, 5, 2][self.below(10)];
        (0..rank).map(|_| LENGTHS[self.below(16)]).collect()
    }
}

/// A model's file.
pub fn model(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let opset = 9 + i64::from(bytes.next() % 16);
    let mut graph = Graph {
        name: "g".to_owned(),
        ..Default::default()
    };
    let mut values: Vec<String> = Vec::new();
    for k in 0..1 + bytes.below(2) {
        let element = [1, 1, 1, 7, 1, 11, 9, 10][bytes.below(8)];
        graph.input.push(input(&format!("x{k}"), &bytes.shape(), element));
        values.push(format!("x{k}"));
    }
    let count = 1 + bytes.below(12);
    for k in 0..count {
        let (op, inputs, attributes) = FORMS[bytes.below(FORMS.len())];
        let mut node = Node {
            op_type: op.to_owned(),
            name: format!("n{k}"),
            ..Default::default()
        };
        for letter in inputs.chars() {
            let name = source(letter, bytes, &mut graph, &values);
            node.input.push(name);
        }
        for _ in 0..bytes.below(4).min(attributes.len()) {
            let name = attributes[bytes.below(attributes.len())];
            if node.attribute.iter().all(|a| a.name != name) {
                node.attribute.push(attribute(name, bytes));
            }
        }
        let outputs = match op {
            "Split" => 1 + bytes.below(4),
            "LSTM" | "GRU" | "RNN" | "TopK" | "MaxPool" | "Dropout" => 1 + bytes.below(3),
            _ => 1,
        };
        for j in 0..outputs {
            node.output.push(format!("v{k}_{j}"));
        }
        values.extend(node.output.iter().cloned());
        graph.node.push(node.encode_to_vec().into());
    }
    let last = values.len() - 1;
    graph.output.push(ValueInfo {
        name: values[last].clone(),
        r#type: None,
    });
    let model = Model {
        ir_version: 8,
        graph: Some(graph.encode_to_vec().into()),
        opset_import: vec![OperatorSet {
            domain: String::new(),
            version: opset,
        }],
        ..Default::default()
    };
    model.encode_to_vec()
}

/// The name of an input: an earlier value, or a tensor that is stored for it.
fn source(letter: char, bytes: &mut Bytes<'_>, graph: &mut Graph, values: &[String]) -> String {
    let choice = bytes.next();
    if letter.is_ascii_uppercase() && choice % 2 == 1 {
        return String::new();
    }
    let kind = match letter.to_ascii_lowercase() {
        // Mostly the value before, so that graphs are deep.
        'v' if choice % 4 != 3 => return values[values.len() - 1].clone(),
        'v' => return values[usize::from(choice / 4) % values.len()].clone(),
        // Now and then another kind than the operator asks for.
        kind if choice > 250 => ['w', 'i', 's', 'b'][usize::from(kind as u8) % 4],
        kind => kind,
    };
    let name = format!("w{}", graph.initializer.len());
    let tensor = match kind {
        'i' => {
            let list = bytes.integers();
            let dims = match choice % 5 {
                0 if list.len() == 1 => vec![],
                1 => vec![1, list.len() as i64],
                _ => vec![list.len() as i64],
            };
            Tensor {
                dims,
                data_type: 7,
                int64_data: list,
                ..Default::default()
            }
        }
        's' if choice % 3 == 0 => Tensor {
            data_type: 7,
            int64_data: vec![bytes.integer()],
            ..Default::default()
        },
        's' => floats(vec![], bytes),
        'b' => {
            let dims = bytes.shape();
            let count = dims.iter().product::<i64>().clamp(0, 4096);
            Tensor {
                dims,
                data_type: 9,
                int32_data: (0..count).map(|k| i32::from(k % 3 == 0)).collect(),
                ..Default::default()
            }
        }
        _ => {
            let dims = bytes.shape();
            floats(dims, bytes)
        }
    };
    graph.initializer.push(
        Tensor {
            name: name.clone(),
            ..tensor
        }
        .encode_to_vec()
        .into(),
    );
    name
}

/// Stored floats: one number repeated, a ramp, or spread numbers.
fn floats(dims: Vec<i64>, bytes: &mut Bytes<'_>) -> Tensor {
    let count = dims.iter().product::<i64>().clamp(0, 4096);
    let (pattern, number) = (bytes.next(), bytes.number());
    let mut state = u32::from(pattern) * 2 + 1;
    let mut next = |k: i64| match pattern % 4 {
        0 => number,
        1 => number * k as f32,
        _ => {
            state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
            number * ((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
        }
    };
    Tensor {
        dims,
        data_type: 1,
        float_data: (0..count).map(&mut next).collect(),
        ..Default::default()
    }
}

fn attribute(name: &str, bytes: &mut Bytes<'_>) -> Attribute {
    let mut attribute = Attribute {
        name: name.to_owned(),
        ..Default::default()
    };
    match name {
        "kernel_shape" | "pads" | "strides" | "dilations" | "output_padding" | "output_shape"
        | "axes" | "perm" | "starts" | "ends" | "split" => {
            attribute.r#type = 7;
            attribute.ints = bytes.integers();
        }
        "alpha" | "beta" | "gamma" | "bias" | "lambd" | "epsilon" | "momentum" | "clip"
        | "scale" | "softcap" | "cubic_coeff_a" | "extrapolation_value" | "spatial_scale" => {
            attribute.r#type = 1;
            attribute.f = Some(bytes.number());
        }
        "activation_alpha" | "activation_beta" | "scales" => {
            attribute.r#type = 6;
            attribute.floats = (0..bytes.below(5)).map(|_| bytes.number()).collect();
        }
        "auto_pad" | "direction" | "equation" | "approximate" | "mode" | "padding_mode"
        | "coordinate_transformation_mode" | "nearest_mode" | "keep_aspect_ratio_policy"
        | "reduction" => {
            attribute.r#type = 3;
            let text = STRINGS[bytes.below(STRINGS.len())];
            attribute.s = Some(text.as_bytes().to_vec().into());
        }
        "activations" => {
            attribute.r#type = 8;
            let texts = (0..bytes.below(7)).map(|_| STRINGS[bytes.below(STRINGS.len())]);
            attribute.strings = texts.map(|t| t.as_bytes().to_vec().into()).collect();
        }
        "value" => {
            attribute.r#type = 4;
            attribute.t = Some(floats(vec![1], bytes).encode_to_vec().into());
        }
        _ => {
            attribute.r#type = 2;
            attribute.i = Some(bytes.integer());
        }
    }
    attribute
}

fn input(name: &str, shape: &[i64], element: i32) -> ValueInfo {
    let dim = |&d: &i64| Dimension {
        dim_value: Some(d),
        dim_param: None,
    };
    ValueInfo {
        name: name.to_owned(),
        r#type: Some(Type {
            tensor_type: Some(TensorType {
                elem_type: element,
                shape: Some(Shape {
                    dim: shape.iter().map(dim).collect(),
                }),
            }),
        }),
    }
}
