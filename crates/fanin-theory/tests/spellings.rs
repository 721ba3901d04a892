//! A prediction does not depend on how a weight is written: one MLP in many spellings, from the same
//! numbers.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

mod common;

use std::collections::BTreeMap;

use common::study::measured;
use common::{Builder, Normal};
use fanin::Seed;
use fanin_network::{
    Attribute, Attributes, HostTensor, Node, NodeId, Origin, ValueId, ValueKind, Weights,
};
use fanin_run::{RunOptions, run};
use fanin_theory::{Band, Expected, Measured, Prediction, predict};

const LAYERS: usize = 6;
const WIDTH: usize = 64;
const BATCH: usize = 16;
/// Rank of the pairs beside a weight.
const RANK: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Spelling {
    Plain,
    Transpose,
    CastTranspose,
    HalfCastTranspose,
    TransposeFlatten,
    Einsum,
    FusedMatMul,
    GatherStack,
    SplitStack,
    SliceStack,
    WeightNorm,
    WeightNormWritten,
    Reshape,
    ConcatRows,
    ConcatColumns,
    TimesConstant,
    SpectralNorm,
    LowRank,
}

const ALL: [Spelling; 17] = [
    Spelling::Transpose,
    Spelling::CastTranspose,
    Spelling::HalfCastTranspose,
    Spelling::TransposeFlatten,
    Spelling::Einsum,
    Spelling::FusedMatMul,
    Spelling::GatherStack,
    Spelling::SplitStack,
    Spelling::SliceStack,
    Spelling::WeightNorm,
    Spelling::WeightNormWritten,
    Spelling::Reshape,
    Spelling::ConcatRows,
    Spelling::ConcatColumns,
    Spelling::TimesConstant,
    Spelling::SpectralNorm,
    Spelling::LowRank,
];

/// A network under construction with the elements of its parameters.
struct Sketch {
    builder: Builder,
    tensors: BTreeMap<String, HostTensor>,
    stack: Option<ValueId>,
    parts: Vec<ValueId>,
}

impl Sketch {
    fn stored(&mut self, name: &str, shape: &[usize], elements: Vec<f32>) -> ValueId {
        let n = elements.len() as f64;
        let sum: f64 = elements.iter().map(|&x| f64::from(x)).sum();
        let square: f64 = elements.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        let id = self
            .builder
            .parameter(name, shape, sum / n, (square / n).sqrt());
        let tensor = HostTensor::f32(shape.to_vec(), elements).unwrap();
        self.tensors.insert(name.to_owned(), tensor);
        id
    }

    fn constant(&mut self, name: &str, tensor: HostTensor) -> ValueId {
        let shape = tensor.shape.clone();
        let id = self.builder.scalar(name, 0.0);
        let value = &mut self.builder.network.values[id.index()];
        value.kind = ValueKind::Constant(tensor);
        value.origin = Origin::Made;
        value.shape = Some(shape);
        id
    }

    fn integers(&mut self, name: &str, list: &[i64]) -> ValueId {
        let tensor = HostTensor::i64(vec![list.len()], list.to_vec()).unwrap();
        self.constant(name, tensor)
    }

    fn op(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[ValueId],
        shape: &[usize],
        attributes: &[(&str, Attribute)],
    ) -> ValueId {
        let attributes = attributes
            .iter()
            .fold(Attributes::default(), |all, (name, value)| {
                all.set(name, value.clone())
            });
        self.builder.node_with(name, op, attributes, inputs, shape)
    }

    /// All matrices in one tensor [layers, width, width].
    fn stack(&mut self, weights: &[Vec<f32>]) -> ValueId {
        if let Some(stack) = self.stack {
            return stack;
        }
        let stack = self.stored("stack", &[LAYERS, WIDTH, WIDTH], weights.concat());
        self.stack = Some(stack);
        stack
    }

    /// The parts of the stack, by one node.
    fn split(&mut self, stack: ValueId, layer: usize) -> ValueId {
        if self.parts.is_empty() {
            let first = self.op(
                "split.0",
                "Split",
                &[stack],
                &[1, WIDTH, WIDTH],
                &[
                    ("axis", Attribute::Int(0)),
                    ("num_outputs", Attribute::Int(LAYERS as i64)),
                ],
            );
            let at = NodeId::from(self.builder.network.nodes.len() - 1);
            let mut outputs = vec![Some(first)];
            for part in 1..LAYERS {
                let id = self.builder.scalar(&format!("split.{part}"), 0.0);
                let value = &mut self.builder.network.values[id.index()];
                (value.kind, value.producer) = (ValueKind::Computed, Some(at));
                value.shape = Some(vec![1, WIDTH, WIDTH]);
                outputs.push(Some(id));
            }
            self.builder.network.nodes[at.index()].outputs = outputs.clone();
            self.parts = outputs.into_iter().flatten().collect();
        }
        self.parts[layer]
    }
}

/// Rows of a matrix [width, width] the other way round.
fn turned(w: &[f32]) -> Vec<f32> {
    (0..WIDTH * WIDTH)
        .map(|at| w[(at % WIDTH) * WIDTH + at / WIDTH])
        .collect()
}

fn int(i: i64) -> Attribute {
    Attribute::Int(i)
}

/// x Wᵀ of one layer, named `layer{k}`.
fn layer(
    sketch: &mut Sketch,
    spelling: Spelling,
    k: usize,
    x: ValueId,
    weights: &[Vec<f32>],
) -> ValueId {
    let own = weights[k].clone();
    let name = |part: &str| format!("{part}{k}");
    let out = [BATCH, WIDTH];
    let square = [WIDTH, WIDTH];
    let perm = ("perm", Attribute::Ints(vec![1, 0]));
    match spelling {
        Spelling::Transpose
        | Spelling::CastTranspose
        | Spelling::HalfCastTranspose
        | Spelling::TransposeFlatten => {
            let mut w = sketch.stored(&name("w"), &square, own);
            if spelling == Spelling::HalfCastTranspose {
                w = sketch.op(&name("half"), "Cast", &[w], &square, &[("to", int(10))]);
            }
            if matches!(
                spelling,
                Spelling::CastTranspose | Spelling::HalfCastTranspose
            ) {
                w = sketch.op(&name("cast"), "Cast", &[w], &square, &[("to", int(1))]);
            }
            w = sketch.op(&name("turned"), "Transpose", &[w], &square, &[perm]);
            if spelling == Spelling::TransposeFlatten {
                w = sketch.op(&name("flat"), "Flatten", &[w], &square, &[]);
            }
            return sketch.op(&name("layer"), "MatMul", &[x, w], &out, &[]);
        }
        Spelling::Einsum => {
            let w = sketch.stored(&name("w"), &square, own);
            let equation = Attribute::String("bi,oi->bo".to_owned());
            return sketch.op(
                &name("layer"),
                "Einsum",
                &[x, w],
                &out,
                &[("equation", equation)],
            );
        }
        Spelling::FusedMatMul => {
            // Run as the plain one; predicted as what it is.
            let w = sketch.stored(&name("w"), &square, turned(&own));
            return sketch.op(&name("layer"), "MatMul", &[x, w], &out, &[]);
        }
        _ => {}
    }
    let w = match spelling {
        Spelling::GatherStack => {
            let stack = sketch.stack(weights);
            let index = HostTensor::i64(vec![], vec![k as i64]).unwrap();
            let index = sketch.constant(&name("index"), index);
            sketch.op(
                &name("picked"),
                "Gather",
                &[stack, index],
                &square,
                &[("axis", int(0))],
            )
        }
        Spelling::SplitStack | Spelling::SliceStack => {
            let stack = sketch.stack(weights);
            let part = if spelling == Spelling::SplitStack {
                sketch.split(stack, k)
            } else {
                let from = sketch.integers(&name("from"), &[k as i64]);
                let to = sketch.integers(&name("to"), &[k as i64 + 1]);
                let axes = sketch.integers(&name("axes"), &[0]);
                sketch.op(
                    &name("slice"),
                    "Slice",
                    &[stack, from, to, axes],
                    &[1, WIDTH, WIDTH],
                    &[],
                )
            };
            let axes = sketch.integers(&name("squeezed"), &[0]);
            sketch.op(&name("flat"), "Squeeze", &[part, axes], &square, &[])
        }
        Spelling::WeightNorm | Spelling::WeightNormWritten => {
            let norms = own
                .chunks(WIDTH)
                .map(|row| row.iter().map(|x| x * x).sum::<f32>().sqrt());
            let g = norms.collect();
            let g = sketch.stored(&name("g"), &[WIDTH, 1], g);
            // Of another size than the weight, which the norm takes off.
            let v = own.iter().map(|x| 3.0 * x).collect();
            let v = sketch.stored(&name("v"), &square, v);
            let axes = sketch.integers(&name("axes"), &[1]);
            let column = [WIDTH, 1];
            let norm = if spelling == Spelling::WeightNorm {
                sketch.op(&name("norm"), "ReduceL2", &[v, axes], &column, &[])
            } else {
                let squares = sketch.op(&name("squares"), "Mul", &[v, v], &square, &[]);
                let sum = sketch.op(&name("sum"), "ReduceSum", &[squares, axes], &column, &[]);
                sketch.op(&name("norm"), "Sqrt", &[sum], &column, &[])
            };
            let unit = sketch.op(&name("unit"), "Div", &[v, norm], &square, &[]);
            sketch.op(&name("weight"), "Mul", &[unit, g], &square, &[])
        }
        Spelling::Reshape => {
            let w = sketch.stored(&name("w"), &[WIDTH * WIDTH], own);
            let sizes = sketch.integers(&name("sizes"), &[WIDTH as i64, -1]);
            sketch.op(&name("shaped"), "Reshape", &[w, sizes], &square, &[])
        }
        Spelling::ConcatRows | Spelling::ConcatColumns => {
            let half = WIDTH / 2;
            let axis = usize::from(spelling == Spelling::ConcatColumns);
            let (a, b) = if axis == 0 {
                (own[..half * WIDTH].to_vec(), own[half * WIDTH..].to_vec())
            } else {
                let side = |from: usize| {
                    let rows = own.chunks(WIDTH);
                    rows.flat_map(|row| row[from..from + half].to_vec())
                        .collect()
                };
                (side(0), side(half))
            };
            let mut shape = square;
            shape[axis] = half;
            let a = sketch.stored(&name("a"), &shape, a);
            let b = sketch.stored(&name("b"), &shape, b);
            sketch.op(
                &name("joined"),
                "Concat",
                &[a, b],
                &square,
                &[("axis", int(axis as i64))],
            )
        }
        Spelling::TimesConstant => {
            let w = own.iter().map(|x| 4.0 * x).collect();
            let w = sketch.stored(&name("w"), &square, w);
            let c = sketch.builder.scalar(&name("c"), 0.25);
            sketch.op(&name("scaled"), "Mul", &[w, c], &square, &[])
        }
        Spelling::SpectralNorm => {
            let v = vec![1.0 / (WIDTH as f32).sqrt(); WIDTH];
            let wv: Vec<f32> = own
                .chunks(WIDTH)
                .map(|row| row.iter().zip(&v).map(|(a, b)| a * b).sum())
                .collect();
            let square_sum: f32 = wv.iter().map(|x| x * x).sum();
            // uᵀ W v is one, and the weight stays as it is.
            let u = wv.iter().map(|x| x / square_sum).collect();
            let w = sketch.stored(&name("w"), &square, own);
            let u = HostTensor::f32(vec![WIDTH], u).unwrap();
            let u = sketch.constant(&name("u"), u);
            let v = HostTensor::f32(vec![WIDTH], v).unwrap();
            let v = sketch.constant(&name("v"), v);
            let wv = sketch.op(&name("wv"), "MatMul", &[w, v], &[WIDTH], &[]);
            let sigma = sketch.op(&name("sigma"), "MatMul", &[u, wv], &[], &[]);
            sketch.op(&name("weight"), "Div", &[w, sigma], &square, &[])
        }
        Spelling::LowRank => {
            let w = sketch.stored(&name("w"), &square, own);
            let mut normal = Normal(1000 + k as u64);
            let a = (0..RANK * WIDTH)
                .map(|_| 0.1 * normal.next() as f32)
                .collect();
            let a = sketch.stored(&name("a"), &[RANK, WIDTH], a);
            let b = sketch.stored(&name("b"), &[WIDTH, RANK], vec![0.0; WIDTH * RANK]);
            let pair = sketch.op(&name("pair"), "MatMul", &[b, a], &square, &[]);
            sketch.op(&name("sum"), "Add", &[w, pair], &square, &[])
        }
        _ => sketch.stored(&name("w"), &square, own),
    };
    sketch.op(&name("layer"), "Gemm", &[x, w], &out, &[("transB", int(1))])
}

/// The elements of a weight: as drawn, or shifted and scaled so that all weights have one mean and
/// one size.
fn drawn(normal: &mut Normal, standard: bool) -> Vec<f32> {
    let std = (1.0 / (3.0 * WIDTH as f64)).sqrt();
    let mut elements: Vec<f64> = (0..WIDTH * WIDTH).map(|_| normal.next()).collect();
    if standard {
        let n = elements.len() as f64;
        let mean = elements.iter().sum::<f64>() / n;
        let size = (elements.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        for x in &mut elements {
            *x = (*x - mean) / size;
        }
    }
    elements.iter().map(|x| (std * x) as f32).collect()
}

/// The MLP in a spelling, and its weights.
fn write(spelling: Spelling, standard: bool) -> (Builder, Weights) {
    let mut normal = Normal(7);
    let weights: Vec<Vec<f32>> = (0..LAYERS).map(|_| drawn(&mut normal, standard)).collect();
    let mut sketch = Sketch {
        builder: Builder::new(),
        tensors: BTreeMap::new(),
        stack: None,
        parts: Vec::new(),
    };
    let mut x = sketch.builder.input("x", &[BATCH, WIDTH], 1.0);
    for k in 0..LAYERS {
        let y = layer(&mut sketch, spelling, k, x, &weights);
        x = sketch.builder.like(&format!("relu{k}"), "Relu", &[y]);
    }
    sketch.builder.end(x, 1.0);
    let tensors = sketch.tensors;
    (sketch.builder, Weights { tensors })
}

/// What a run in this spelling shows.
fn seen(builder: &Builder, weights: &Weights) -> Measured {
    let options = RunOptions::new(Seed::new(3));
    measured(&run(&builder.network, weights, &options).unwrap())
}

/// In place of every product by a transposed weight onnxruntime's fused one, and the weight the other
/// way round.
fn fuse(builder: &mut Builder) {
    for node in &mut builder.network.nodes {
        if node.op == "MatMul" {
            let attributes = Attributes::default().set("transB", int(1));
            *node = Node::new(
                node.name.clone(),
                "com.microsoft",
                "FusedMatMul",
                1,
                attributes,
                node.inputs.clone(),
                node.outputs.clone(),
            )
            .unwrap();
        }
    }
}

#[track_caller]
fn alike(spelling: Spelling, what: &str, one: Option<Band>, other: Option<Band>, tolerance: f64) {
    let (one, other) = (one.unwrap(), other);
    let Some(other) = other else {
        panic!("{spelling:?}: no prediction of {what}");
    };
    for (a, b) in [
        (one.rms, other.rms),
        (one.low, other.low),
        (one.high, other.high),
    ] {
        assert!(
            (b / a - 1.0).abs() <= tolerance,
            "{spelling:?}: {what} {other:?} for {one:?}"
        );
    }
}

fn of<'a>(prediction: &'a Prediction, value: &str) -> &'a Expected {
    common::expected(prediction, value)
}

#[test]
fn predictions_do_not_depend_on_spelling() {
    let (builder, weights) = write(Spelling::Plain, false);
    let plain = predict(&builder.network, &seen(&builder, &weights));
    for spelling in ALL {
        let (mut builder, weights) = write(spelling, false);
        let known = seen(&builder, &weights);
        if spelling == Spelling::FusedMatMul {
            fuse(&mut builder);
        }
        let prediction = predict(&builder.network, &known);
        // Half precision rounds each weight by up to one in 2,048.
        let tolerance = if spelling == Spelling::HalfCastTranspose {
            1e-5
        } else {
            1e-6
        };
        for k in 0..LAYERS {
            for value in [format!("layer{k}"), format!("relu{k}")] {
                let (one, other) = (of(&plain, &value), of(&prediction, &value));
                alike(spelling, &value, one.forward, other.forward, tolerance);
                if k + 1 < LAYERS {
                    alike(spelling, &value, one.backward, other.backward, tolerance);
                }
                let (a, b) = (one.cosine.unwrap().cosine, other.cosine.unwrap().cosine);
                assert!((a - b).abs() <= tolerance, "{spelling:?}: {value} {a} {b}");
            }
        }
    }
}

/// Without a run only the parameters' own moments are known, and a rule must say what the way from
/// them does.
#[test]
fn ways_from_parameters_have_rules_of_their_own() {
    let unmeasured = |builder: &Builder| predict(&builder.network, &builder.measured);
    let plain = unmeasured(&write(Spelling::Plain, true).0);
    for spelling in ALL {
        // What σ is cannot be told from the moments of u, W and v.
        if spelling == Spelling::SpectralNorm {
            continue;
        }
        let (mut builder, _) = write(spelling, true);
        if spelling == Spelling::FusedMatMul {
            fuse(&mut builder);
        }
        let prediction = unmeasured(&builder);
        for k in 0..LAYERS {
            let value = format!("relu{k}");
            let found = prediction.values.iter().find(|e| e.value == value);
            let one = of(&plain, &value).forward;
            let other = found.and_then(|expected| expected.forward);
            // Rows that a norm is taken of are not all of one length.
            alike(spelling, &value, one, other, 0.02);
        }
    }
}
