//! One network in many spellings, made from the same weights.
//!
//! Thirty layers with ReLU between them and a head. What differs from spelling to spelling is only
//! the way from the stored tensors to each layer's product; the numbers that arrive there are the same.

use half::f16;
use prost::Message as _;

use crate::onnx::proto::{Attribute, Node, Tensor};
use crate::onnx::{graph, model, node, value};

/// Layers with ReLU.
pub(crate) const LAYERS: usize = 30;
/// Samples of a run.
pub(crate) const BATCH: usize = 16;
/// Classes that the head tells apart.
const CLASSES: usize = 10;

/// What kind of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Linear, as wide as this.
    Linear(usize),
    /// Convolutions of this kernel, with as many channels as this.
    Conv(usize, usize),
}

impl Form {
    /// `[output, input, kernel…]`.
    fn shape(self) -> Vec<usize> {
        match self {
            Self::Linear(width) => vec![width, width],
            Self::Conv(kernel, channels) => vec![channels, channels, kernel, kernel],
        }
    }

    fn width(self) -> usize {
        match self {
            Self::Linear(width) | Self::Conv(_, width) => width,
        }
    }

    /// Terms in one output's sum.
    fn terms(self) -> usize {
        self.shape().iter().skip(1).product()
    }
}

/// The way from the stored tensors to a layer's product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// The stored tensor itself, into `Gemm` with `transB` or into `Conv`.
    Plain,
    /// `Transpose` of a tensor stored the other way round.
    Transpose,
    /// `Cast` of a tensor of the same type, then as [`Spelling::Transpose`].
    CastTranspose,
    /// `Cast` of a tensor in half precision, then as [`Spelling::Transpose`].
    HalfCastTranspose,
    /// `Transpose`, then `Flatten` or a `Reshape` that changes nothing.
    TransposeFlatten,
    /// `Einsum("bi,oi->bo")`.
    Einsum,
    /// All layers in one tensor, `Gather` by the layer's number.
    GatherStack,
    /// All layers in one tensor, `Split` and `Squeeze`.
    SplitStack,
    /// All layers in one tensor, `Slice` and `Squeeze`.
    SliceStack,
    /// Weight norm: g · v / ‖v‖ by `ReduceL2`.
    WeightNorm,
    /// Weight norm with the root of the sum of squares written out.
    WeightNormWritten,
    /// `Reshape` of a tensor of another rank.
    Reshape,
    /// `Slice` of a tensor that holds all layers one below the other.
    SliceRows,
    /// `Slice` of a tensor that holds all layers side by side.
    SliceColumns,
    /// `Slice` of a larger tensor, whose other rows nobody uses.
    SliceMargin,
    /// `Concat` of two halves of the outputs.
    ConcatRows,
    /// `Concat` of two halves of the inputs.
    ConcatColumns,
    /// Times a constant.
    TimesConstant,
    /// Spectral norm, W / (uᵀ W v), as PyTorch exports it.
    SpectralNorm,
    /// A low-rank pair beside it: W + B·A, B zero.
    LowRank,
}

impl Spelling {
    pub(crate) const ALL: [Self; 20] = [
        Self::Plain,
        Self::Transpose,
        Self::CastTranspose,
        Self::HalfCastTranspose,
        Self::TransposeFlatten,
        Self::Einsum,
        Self::GatherStack,
        Self::SplitStack,
        Self::SliceStack,
        Self::WeightNorm,
        Self::WeightNormWritten,
        Self::Reshape,
        Self::SliceRows,
        Self::SliceColumns,
        Self::SliceMargin,
        Self::ConcatRows,
        Self::ConcatColumns,
        Self::TimesConstant,
        Self::SpectralNorm,
        Self::LowRank,
    ];

    /// Whether it can be written for layers of this kind.
    pub(crate) fn suits(self, form: Form) -> bool {
        matches!(form, Form::Linear(_)) || self != Self::Einsum
    }

    /// What the product reads over what is stored.
    pub(crate) fn factor(self) -> f64 {
        match self {
            Self::TimesConstant => f64::from(CONSTANT),
            _ => 1.0,
        }
    }
}

/// The factor of [`Spelling::TimesConstant`]: a power of two, so that no bit is lost.
const CONSTANT: f32 = 0.25;
/// Rows of [`Spelling::SliceMargin`] on either side that nobody uses.
const MARGIN: usize = 8;
/// The rank of the pairs of [`Spelling::LowRank`].
const RANK: usize = 4;

/// What is to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) form: Form,
    /// Whether all is in half precision.
    pub(crate) half: bool,
    /// Whether two layers each share their weight.
    pub(crate) tied: bool,
    /// Whether the weights have the scale of He's rule; else that of PyTorch's default, √6 less.
    pub(crate) healthy: bool,
}

/// A network written one way.
pub(crate) struct Written {
    pub(crate) bytes: Vec<u8>,
    /// The stored tensor that most of each layer's weight comes from.
    pub(crate) stored: Vec<String>,
}

/// The network of this case in this spelling.
pub(crate) fn write(case: Case, spelling: Spelling) -> Written {
    let form = case.form;
    let weights = weights(case);
    let mut sketch = Sketch {
        nodes: Vec::new(),
        initializers: Vec::new(),
        half: case.half,
    };
    let mut stored = Vec::new();
    let mut x = "x".to_owned();
    for k in 0..LAYERS {
        let at = if case.tied { k / 2 } else { k };
        let prefix = format!("layer_{k}");
        let (weight, lies, tensor) = chain(&mut sketch, form, spelling, &weights, at, &prefix);
        stored.push(tensor);
        x = product(&mut sketch, form, &prefix, [&x, &weight], lies);
        x = sketch.op(&format!("relu_{k}"), "Relu", &[&x], vec![]);
    }
    if matches!(form, Form::Conv(..)) {
        x = sketch.op("pool", "GlobalAveragePool", &[&x], vec![]);
        x = sketch.op("flat", "Flatten", &[&x], vec![]);
    }
    let head = uniform(
        CLASSES * form.width(),
        LAYERS as u64,
        1.0 / (form.width() as f64).sqrt(),
    );
    let head = sketch.stored("head.weight", &[CLASSES, form.width()], &head);
    let y = sketch.op("head", "Gemm", &[&x, &head], vec![int("transB", 1)]);

    let batch = BATCH as i64;
    let width = form.width() as i64;
    let mut input = match form {
        Form::Linear(_) => value("x", &[batch, width]),
        Form::Conv(..) => value("x", &[batch, width, 6, 6]),
    };
    if let Some(tensor) = input.r#type.as_mut().and_then(|t| t.tensor_type.as_mut()) {
        tensor.elem_type = sketch.element();
    }
    let mut file = model(&graph(
        &sketch.nodes,
        &sketch.initializers,
        vec![input],
        &[&y],
    ));
    for opset in &mut file.opset_import {
        opset.version = 18;
    }
    Written {
        bytes: file.encode_to_vec(),
        stored,
    }
}

/// How four experts `[4, 64, 256]` are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Experts {
    /// Each picked by `Gather`.
    Gather,
    /// By `Split` and `Squeeze`.
    Split,
    /// All at once, by a `MatMul` with one matrix per expert.
    Batched,
    /// All at once, by `Einsum`.
    Einsum,
}

/// A network of four experts in one tensor, whose outputs are added, and a head.
pub(crate) fn write_experts(experts: Experts) -> Vec<u8> {
    const EXPERTS: usize = 4;
    let mut sketch = Sketch {
        nodes: Vec::new(),
        initializers: Vec::new(),
        half: false,
    };
    let elements = uniform(EXPERTS * 64 * 256, 1, 0.125);
    let w = sketch.stored("experts", &[EXPERTS, 64, 256], &elements);
    let zero = sketch.integers("zero", &[0]);
    let sum = match experts {
        Experts::Gather | Experts::Split => {
            let outputs: Vec<String> = (0..EXPERTS)
                .map(|k| {
                    let own = if experts == Experts::Gather {
                        let index = sketch.scalar(&format!("index_{k}"), k as i64);
                        let axis = vec![int("axis", 0)];
                        sketch.op(&format!("gather_{k}"), "Gather", &[&w, &index], axis)
                    } else {
                        let all = sketch.split("split", &w, EXPERTS);
                        sketch.op(
                            &format!("squeeze_{k}"),
                            "Squeeze",
                            &[&all[k], &zero],
                            vec![],
                        )
                    };
                    let y = sketch.op(&format!("expert_{k}"), "MatMul", &["x", &own], vec![]);
                    sketch.op(&format!("relu_{k}"), "Relu", &[&y], vec![])
                })
                .collect();
            let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
            sketch.op("sum", "Sum", &outputs, vec![])
        }
        Experts::Batched | Experts::Einsum => {
            let y = if experts == Experts::Batched {
                let x = sketch.op("unsqueeze", "Unsqueeze", &["x", &zero], vec![]);
                sketch.op("experts_all", "MatMul", &[&x, &w], vec![])
            } else {
                let equation = vec![string("equation", "ebi,eio->ebo")];
                let x = sketch.op("unsqueeze", "Unsqueeze", &["x", &zero], vec![]);
                let sizes = sketch.integers("sizes", &[EXPERTS as i64, BATCH as i64, 64]);
                let x = sketch.op("expand", "Expand", &[&x, &sizes], vec![]);
                sketch.op("experts_all", "Einsum", &[&x, &w], equation)
            };
            let y = sketch.op("relu", "Relu", &[&y], vec![]);
            let keep = vec![int("keepdims", 0)];
            sketch.op("sum", "ReduceSum", &[&y, &zero], keep)
        }
    };
    let head = uniform(CLASSES * 256, 2, 0.0625);
    let head = sketch.stored("head.weight", &[CLASSES, 256], &head);
    let y = sketch.op("head", "Gemm", &[&sum, &head], vec![int("transB", 1)]);
    let input = value("x", &[BATCH as i64, 64]);
    let mut file = model(&graph(
        &sketch.nodes,
        &sketch.initializers,
        vec![input],
        &[&y],
    ));
    for opset in &mut file.opset_import {
        opset.version = 18;
    }
    file.encode_to_vec()
}

/// The weights of all layers, `[output, input, kernel…]`, as half precision can hold them.
fn weights(case: Case) -> Vec<Vec<f32>> {
    let terms = case.form.terms() as f64;
    let bound = if case.healthy { 6.0f64 } else { 1.0 };
    let count = case.form.shape().iter().product();
    let layers = if case.tied { LAYERS / 2 } else { LAYERS };
    (0..layers)
        .map(|k| uniform(count, k as u64, (bound / terms).sqrt()))
        .collect()
}

/// Numbers from U(±bound), rounded to half precision (SplitMix64).
fn uniform(count: usize, seed: u64, bound: f64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x9e37_79b9;
    (0..count)
        .map(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let unit = ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
            f16::from_f64(bound * (2.0 * unit - 1.0)).to_f32()
        })
        .collect()
}

/// How a matrix lies where the product reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lies {
    OutIn,
    InOut,
    Einsum,
}

fn product(sketch: &mut Sketch, form: Form, name: &str, inputs: [&str; 2], lies: Lies) -> String {
    match (form, lies) {
        (Form::Conv(kernel, _), _) => {
            let pad = (kernel / 2) as i64;
            sketch.op(name, "Conv", &inputs, vec![ints("pads", &[pad; 4])])
        }
        (Form::Linear(_), Lies::OutIn) => sketch.op(name, "Gemm", &inputs, vec![int("transB", 1)]),
        (Form::Linear(_), Lies::InOut) => sketch.op(name, "MatMul", &inputs, vec![]),
        (Form::Linear(_), Lies::Einsum) => sketch.op(
            name,
            "Einsum",
            &inputs,
            vec![string("equation", "bi,oi->bo")],
        ),
    }
}

/// Writes the way to one layer's weight: the value the product reads, how it lies there, and the
/// tensor it comes from.
fn chain(
    sketch: &mut Sketch,
    form: Form,
    spelling: Spelling,
    weights: &[Vec<f32>],
    at: usize,
    prefix: &str,
) -> (String, Lies, String) {
    let shape = form.shape();
    let own = &weights[at];
    let name = format!("w{at}");
    let linear = matches!(form, Form::Linear(_));
    // The other way round: [input, output], or [kernel…, input, output].
    let turned = if linear { vec![1, 0] } else { vec![2, 3, 1, 0] };
    let back = if linear { vec![1, 0] } else { vec![3, 2, 0, 1] };
    let matrix = if linear { Lies::InOut } else { Lies::OutIn };
    let step = |what: &str| format!("{prefix}/{what}");
    let perm = |axes: &[usize]| {
        let axes: Vec<i64> = axes.iter().map(|&a| a as i64).collect();
        vec![ints("perm", &axes)]
    };
    let stack = |weights: &[Vec<f32>]| -> Vec<f32> { weights.concat() };
    let mut stacked_shape = vec![weights.len()];
    stacked_shape.extend(&shape);
    match spelling {
        Spelling::Plain => (sketch.stored(&name, &shape, own), Lies::OutIn, name),
        Spelling::Einsum => (sketch.stored(&name, &shape, own), Lies::Einsum, name),
        // A linear layer's weight lies as PyTorch keeps it and is turned; a convolution's as
        // TensorFlow keeps it and is turned back.
        Spelling::Transpose
        | Spelling::CastTranspose
        | Spelling::HalfCastTranspose
        | Spelling::TransposeFlatten => {
            let (lain, elements) = if linear {
                (shape.clone(), own.clone())
            } else {
                permute(own, &shape, &turned)
            };
            let half = spelling == Spelling::HalfCastTranspose;
            let mut w = sketch.stored_as(&name, &lain, &elements, half || sketch.half);
            if matches!(
                spelling,
                Spelling::CastTranspose | Spelling::HalfCastTranspose
            ) {
                let to = vec![int("to", sketch.element().into())];
                w = sketch.op(&step("cast"), "Cast", &[&w], to);
            }
            w = sketch.op(&step("transpose"), "Transpose", &[&w], perm(&back));
            if spelling == Spelling::TransposeFlatten {
                w = if linear {
                    sketch.op(&step("flatten"), "Flatten", &[&w], vec![])
                } else {
                    let to = sketch.integers(&step("shape"), &sizes(&shape));
                    sketch.op(&step("reshape"), "Reshape", &[&w, &to], vec![])
                };
            }
            (w, matrix, name)
        }
        Spelling::GatherStack | Spelling::SplitStack | Spelling::SliceStack => {
            // Linear layers lie as MatMul reads them.
            let layers: Vec<Vec<f32>> = weights
                .iter()
                .map(|w| {
                    if linear {
                        permute(w, &shape, &turned).1
                    } else {
                        w.clone()
                    }
                })
                .collect();
            let w = sketch.stored("stack", &stacked_shape, &stack(&layers));
            let w = match spelling {
                Spelling::GatherStack => {
                    let k = sketch.scalar(&step("index"), at as i64);
                    sketch.op(&step("gather"), "Gather", &[&w, &k], vec![int("axis", 0)])
                }
                Spelling::SplitStack => {
                    let layers = weights.len();
                    let all = sketch.split("stack/split", &w, layers);
                    let zero = sketch.integers(&step("axes"), &[0]);
                    sketch.op(&step("squeeze"), "Squeeze", &[&all[at], &zero], vec![])
                }
                _ => {
                    let w = sketch.slice(&step("slice"), &w, at, at + 1, 0);
                    let zero = sketch.integers(&step("axes"), &[0]);
                    sketch.op(&step("squeeze"), "Squeeze", &[&w, &zero], vec![])
                }
            };
            (w, matrix, "stack".to_owned())
        }
        Spelling::WeightNorm | Spelling::WeightNormWritten => {
            let terms = form.terms();
            let lengths: Vec<f32> = own
                .chunks(terms)
                .map(|row| row.iter().map(|x| x * x).sum::<f32>().sqrt())
                .collect();
            let mut ones = vec![1; shape.len()];
            ones[0] = shape[0];
            let v = sketch.stored(&name, &shape, own);
            let g = sketch.stored(&format!("g{at}"), &ones, &lengths);
            let axes: Vec<i64> = (1..shape.len() as i64).collect();
            let axes = sketch.integers(&step("axes"), &axes);
            let length = if spelling == Spelling::WeightNorm {
                sketch.op(&step("norm"), "ReduceL2", &[&v, &axes], vec![])
            } else {
                let squares = sketch.op(&step("square"), "Mul", &[&v, &v], vec![]);
                let sum = sketch.op(&step("sum"), "ReduceSum", &[&squares, &axes], vec![]);
                sketch.op(&step("root"), "Sqrt", &[&sum], vec![])
            };
            let w = if spelling == Spelling::WeightNorm {
                let ratio = sketch.op(&step("ratio"), "Div", &[&g, &length], vec![]);
                sketch.op(&step("weight"), "Mul", &[&v, &ratio], vec![])
            } else {
                let unit = sketch.op(&step("unit"), "Div", &[&v, &length], vec![]);
                sketch.op(&step("weight"), "Mul", &[&g, &unit], vec![])
            };
            (w, Lies::OutIn, name)
        }
        Spelling::Reshape => {
            let lain = if linear {
                vec![shape[0] / 8, 8, shape[1]]
            } else {
                vec![shape[0], form.terms()]
            };
            let w = sketch.stored(&name, &lain, own);
            let to = sketch.integers(&step("shape"), &sizes(&shape));
            let w = sketch.op(&step("reshape"), "Reshape", &[&w, &to], vec![]);
            (w, Lies::OutIn, name)
        }
        Spelling::SliceRows => {
            let mut lain = shape.clone();
            lain[0] *= weights.len();
            let w = sketch.stored("tall", &lain, &stack(weights));
            let w = sketch.slice(&step("slice"), &w, shape[0] * at, shape[0] * (at + 1), 0);
            (w, Lies::OutIn, "tall".to_owned())
        }
        Spelling::SliceColumns => {
            let mut lain = shape.clone();
            lain[1] *= weights.len();
            let elements = beside(weights, shape[0]);
            let w = sketch.stored("broad", &lain, &elements);
            let w = sketch.slice(&step("slice"), &w, shape[1] * at, shape[1] * (at + 1), 1);
            (w, Lies::OutIn, "broad".to_owned())
        }
        Spelling::SliceMargin => {
            let mut lain = shape.clone();
            lain[0] += 2 * MARGIN;
            let rows = MARGIN * form.terms();
            let bound = own.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            let above = uniform(rows, 2000 + at as u64, bound.into());
            let below = uniform(rows, 3000 + at as u64, bound.into());
            let w = sketch.stored(&name, &lain, &[&above[..], own, &below].concat());
            let w = sketch.slice(&step("slice"), &w, MARGIN, MARGIN + shape[0], 0);
            (w, Lies::OutIn, name)
        }
        Spelling::ConcatRows | Spelling::ConcatColumns => {
            let axis = usize::from(spelling == Spelling::ConcatColumns);
            let mut lain = shape.clone();
            lain[axis] /= 2;
            let (first, second) = if axis == 0 {
                let (a, b) = own.split_at(own.len() / 2);
                (a.to_vec(), b.to_vec())
            } else {
                halves(own, shape[0])
            };
            let a = sketch.stored(&format!("{name}.a"), &lain, &first);
            let b = sketch.stored(&format!("{name}.b"), &lain, &second);
            let axis = vec![int("axis", axis as i64)];
            let w = sketch.op(&step("concat"), "Concat", &[&a, &b], axis);
            (w, Lies::OutIn, format!("{name}.a"))
        }
        Spelling::TimesConstant => {
            let elements: Vec<f32> = own.iter().map(|x| x / CONSTANT).collect();
            let w = sketch.stored(&name, &shape, &elements);
            let c = sketch.stored("val_0", &[], &[CONSTANT]);
            (
                sketch.op(&step("scaled"), "Mul", &[&w, &c], vec![]),
                Lies::OutIn,
                name,
            )
        }
        Spelling::SpectralNorm => {
            // u is taken so that uᵀ W v is one, and the weight stays as it is.
            let (rows, columns) = (shape[0], form.terms());
            let v = vec![1.0 / (columns as f32).sqrt(); columns];
            let wv: Vec<f32> = own
                .chunks(columns)
                .map(|row| row.iter().zip(&v).map(|(a, b)| a * b).sum())
                .collect();
            let square: f32 = wv.iter().map(|x| x * x).sum();
            let u: Vec<f32> = wv.iter().map(|x| x / square).collect();
            let w = sketch.stored(&name, &shape, own);
            let u = sketch.stored(&format!("{name}.u"), &[rows], &u);
            let v = sketch.stored(&format!("{name}.v"), &[columns], &v);
            let mut flat = w.clone();
            if !linear {
                let to = sketch.integers(&step("shape"), &[rows as i64, -1]);
                flat = sketch.op(&step("flat"), "Reshape", &[&w, &to], vec![]);
            }
            let wv = sketch.op(&step("wv"), "MatMul", &[&flat, &v], vec![]);
            let sigma = sketch.op(&step("sigma"), "MatMul", &[&u, &wv], vec![]);
            (
                sketch.op(&step("weight"), "Div", &[&w, &sigma], vec![]),
                Lies::OutIn,
                name,
            )
        }
        Spelling::LowRank => {
            let w = sketch.stored(&name, &shape, own);
            let (rows, columns) = (shape[0], form.terms());
            let a = uniform(
                RANK * columns,
                1000 + at as u64,
                1.0 / (columns as f64).sqrt(),
            );
            let a = sketch.stored(&format!("{name}.lora_a"), &[RANK, columns], &a);
            let zeros = vec![0.0; rows * RANK];
            let b = sketch.stored(&format!("{name}.lora_b"), &[rows, RANK], &zeros);
            let mut pair = sketch.op(&step("pair"), "MatMul", &[&b, &a], vec![]);
            if !linear {
                let to = sketch.integers(&step("shape"), &sizes(&shape));
                pair = sketch.op(&step("reshape"), "Reshape", &[&pair, &to], vec![]);
            }
            let sum = sketch.op(&step("sum"), "Add", &[&w, &pair], vec![]);
            (sum, Lies::OutIn, name)
        }
    }
}

fn sizes(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&n| n as i64).collect()
}

/// The elements of a transposed tensor, and its shape.
fn permute(elements: &[f32], shape: &[usize], perm: &[usize]) -> (Vec<usize>, Vec<f32>) {
    let to: Vec<usize> = perm.iter().map(|&axis| shape[axis]).collect();
    let stride = |axis: usize| -> usize { shape[axis + 1..].iter().product() };
    let strides: Vec<usize> = perm.iter().map(|&axis| stride(axis)).collect();
    let turned = (0..elements.len()).map(|flat| {
        let (mut rest, mut from) = (flat, 0);
        for (size, stride) in to.iter().zip(&strides).rev() {
            from += rest % size * stride;
            rest /= size;
        }
        elements[from]
    });
    let turned = turned.collect();
    (to, turned)
}

/// Matrices of so many rows side by side.
fn beside(weights: &[Vec<f32>], rows: usize) -> Vec<f32> {
    let row = |w: &'_ [f32], k: usize| {
        let n = w.len() / rows;
        w[k * n..(k + 1) * n].to_vec()
    };
    (0..rows)
        .flat_map(|k| {
            weights
                .iter()
                .flat_map(move |w| row(w, k))
                .collect::<Vec<f32>>()
        })
        .collect()
}

/// The left and the right half of a matrix of so many rows.
fn halves(elements: &[f32], rows: usize) -> (Vec<f32>, Vec<f32>) {
    let n = elements.len() / rows;
    let half = |side: usize| {
        let rows = elements.chunks(n);
        rows.flat_map(|row| row[side * n / 2..(side + 1) * n / 2].to_vec())
            .collect()
    };
    (half(0), half(1))
}

/// A graph under construction.
struct Sketch {
    nodes: Vec<Node>,
    initializers: Vec<Tensor>,
    half: bool,
}

impl Sketch {
    /// ONNX's number of the type of all floats.
    fn element(&self) -> i32 {
        if self.half { 10 } else { 1 }
    }

    fn op(&mut self, name: &str, op: &str, inputs: &[&str], attribute: Vec<Attribute>) -> String {
        let output = format!("{name}.out");
        self.nodes.push(Node {
            name: name.to_owned(),
            attribute,
            ..node(op, inputs, &[&output])
        });
        output
    }

    fn stored(&mut self, name: &str, shape: &[usize], elements: &[f32]) -> String {
        self.stored_as(name, shape, elements, self.half)
    }

    /// A stored tensor; the same name again is the same tensor.
    fn stored_as(&mut self, name: &str, shape: &[usize], elements: &[f32], half: bool) -> String {
        let raw: Vec<u8> = if half {
            let halves = elements.iter().map(|&x| f16::from_f32(x));
            halves.flat_map(f16::to_le_bytes).collect()
        } else {
            elements.iter().flat_map(|x| x.to_le_bytes()).collect()
        };
        self.tensor(Tensor {
            name: name.to_owned(),
            dims: sizes(shape),
            data_type: if half { 10 } else { 1 },
            raw_data: Some(raw.into()),
            ..Default::default()
        })
    }

    fn tensor(&mut self, tensor: Tensor) -> String {
        let name = tensor.name.clone();
        if !self.initializers.iter().any(|known| known.name == name) {
            self.initializers.push(tensor);
        }
        name
    }

    fn integers(&mut self, name: &str, elements: &[i64]) -> String {
        self.tensor(crate::onnx::integers(
            name,
            &[elements.len() as i64],
            elements,
        ))
    }

    fn scalar(&mut self, name: &str, element: i64) -> String {
        self.tensor(crate::onnx::integers(name, &[], &[element]))
    }

    fn slice(&mut self, name: &str, x: &str, from: usize, to: usize, axis: i64) -> String {
        let from = self.integers(&format!("{name}.from"), &[from as i64]);
        let to = self.integers(&format!("{name}.to"), &[to as i64]);
        let axis = self.integers(&format!("{name}.axis"), &[axis]);
        self.op(name, "Slice", &[x, &from, &to, &axis], vec![])
    }

    /// Equal parts along the first axis, by one node.
    fn split(&mut self, name: &str, x: &str, parts: usize) -> Vec<String> {
        let outputs: Vec<String> = (0..parts).map(|k| format!("{name}.{k}")).collect();
        if !self.nodes.iter().any(|node| node.name == name) {
            let names: Vec<&str> = outputs.iter().map(String::as_str).collect();
            self.nodes.push(Node {
                name: name.to_owned(),
                attribute: vec![int("axis", 0), int("num_outputs", parts as i64)],
                ..node("Split", &[x], &names)
            });
        }
        outputs
    }
}

fn int(name: &str, i: i64) -> Attribute {
    Attribute {
        name: name.to_owned(),
        i: Some(i),
        r#type: 2,
        ..Default::default()
    }
}

fn ints(name: &str, ints: &[i64]) -> Attribute {
    Attribute {
        name: name.to_owned(),
        ints: ints.to_vec(),
        r#type: 7,
        ..Default::default()
    }
}

fn string(name: &str, s: &str) -> Attribute {
    Attribute {
        name: name.to_owned(),
        s: Some(s.as_bytes().to_vec().into()),
        r#type: 3,
        ..Default::default()
    }
}
