//! Every operator's gradient against central differences of its own forward pass.

use fanin_network::operator::Conv;
use fanin_network::{Attribute, Attributes, HostData, HostTensor, Node, ValueId};

use super::{Call, Mode, execute};
use crate::array::{Dense, array};
use crate::tape::{Var, record};
use crate::value::{Item, to_array};

/// One input of a case.
#[derive(Clone)]
pub(super) enum In {
    /// Its gradient is checked.
    Tracked(HostTensor),
    /// Given as it is.
    Fixed(HostTensor),
    Missing,
}

pub(super) struct Case {
    pub(super) node: Node,
    pub(super) inputs: Vec<In>,
    /// Outputs that enter the loss.
    pub(super) outputs: usize,
}

/// Distinct numbers in -1.7 to 1.7, evenly spread and out of order, none at a round number.
fn spread(shape: &[usize], salt: usize) -> HostTensor {
    let n: usize = shape.iter().product();
    let step = 3.4 / n.max(1) as f32;
    // A stride coprime to n visits each place once.
    let stride = (n / 2 + 1..).find(|s| gcd(*s, n.max(1)) == 1).unwrap_or(1);
    let data = (0..n)
        .map(|k| ((k * stride + salt * 7) % n) as f32 * step - 1.683 + 0.0071 * (salt % 5) as f32);
    HostTensor::f32(shape.to_vec(), data.collect()).unwrap()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn positive(shape: &[usize], salt: usize) -> HostTensor {
    let mut t = spread(shape, salt);
    if let HostData::F32(v) = &mut t.data {
        v.iter_mut().for_each(|x| *x = 0.3 + (*x + 1.75) * 0.6);
    }
    t
}

/// Within -0.9 to 0.9, for functions that end at 1.
fn small(shape: &[usize], salt: usize) -> HostTensor {
    let mut t = spread(shape, salt);
    if let HostData::F32(v) = &mut t.data {
        v.iter_mut().for_each(|x| *x *= 0.5);
    }
    t
}

fn integers(shape: &[usize], data: &[i64]) -> In {
    In::Fixed(HostTensor::i64(shape.to_vec(), data.to_vec()).unwrap())
}

fn t(shape: &[usize], salt: usize) -> In {
    In::Tracked(spread(shape, salt))
}

fn p(shape: &[usize], salt: usize) -> In {
    In::Tracked(positive(shape, salt))
}

fn case(op: &str, attributes: &[(&str, Attribute)], inputs: Vec<In>) -> Case {
    with_outputs(op, attributes, inputs, 1)
}

fn with_outputs(
    op: &str,
    attributes: &[(&str, Attribute)],
    inputs: Vec<In>,
    outputs: usize,
) -> Case {
    let attributes = attributes
        .iter()
        .fold(Attributes::default(), |all, (k, v)| all.set(k, v.clone()));
    let ids = (0..inputs.len()).map(|k| Some(ValueId::from(k))).collect();
    let results = (0..outputs).map(|k| Some(ValueId::from(100 + k))).collect();
    // Most are ONNX's; for the others only the domain is another.
    let node = Node::new(op, "", op, 20, attributes, ids, results).unwrap();
    Case {
        node,
        inputs,
        outputs,
    }
}

fn opset(mut case: Case, version: i64) -> Case {
    let old = case.node;
    case.node = Node::new(
        old.name,
        old.domain,
        old.op,
        version,
        old.attributes,
        old.inputs,
        old.outputs,
    )
    .unwrap();
    case
}

fn domain(mut case: Case) -> Case {
    let old = case.node;
    case.node = Node::new(
        old.name,
        "com.microsoft",
        old.op,
        old.opset,
        old.attributes,
        old.inputs,
        old.outputs,
    )
    .unwrap();
    case
}

fn int(v: i64) -> Attribute {
    Attribute::Int(v)
}

fn float(v: f32) -> Attribute {
    Attribute::Float(v)
}

fn ints(v: &[i64]) -> Attribute {
    Attribute::Ints(v.to_vec())
}

fn text(v: &str) -> Attribute {
    Attribute::String(v.to_owned())
}

fn call(case: &Case, tensors: &[In], tracked: bool) -> Vec<Item> {
    let inputs = tensors.iter().enumerate().map(|(k, input)| match input {
        In::Missing => None,
        In::Fixed(t) => Some(Item::host(t.clone())),
        In::Tracked(t) if tracked => Some(Item::Float(Var::leaf(to_array(t), k))),
        In::Tracked(t) => Some(Item::Float(Var::constant(to_array(t)))),
    });
    let call = Call {
        node: &case.node,
        inputs: inputs.collect(),
        mode: Mode::Training,
    };
    execute(&call).unwrap_or_else(|e| panic!("{}: {e}", case.node.op))
}

/// What each output is multiplied with in the loss.
fn cotangent(output: usize, n: usize) -> Vec<f32> {
    (0..n)
        .map(|k| ((k * 37 + output * 11 + 5) % 17) as f32 / 8.0 - 0.95)
        .collect()
}

fn loss(case: &Case, tensors: &[In]) -> f64 {
    let outputs = call(case, tensors, false);
    let mut total = 0.0;
    for (k, output) in outputs.iter().take(case.outputs).enumerate() {
        let Item::Float(v) = output else { continue };
        let data = Dense::new(v.array());
        total += data
            .iter()
            .zip(cotangent(k, data.len()))
            .map(|(&y, c)| f64::from(y) * f64::from(c))
            .sum::<f64>();
    }
    total
}

fn gradients(case: &Case) -> Vec<(usize, Vec<f32>)> {
    let outputs = call(case, &case.inputs, true);
    let floats: Vec<Var> = outputs
        .iter()
        .take(case.outputs)
        .filter_map(|o| match o {
            Item::Float(v) => Some(v.clone()),
            _ => None,
        })
        .collect();
    drop(outputs);
    let shapes: Vec<Vec<usize>> = floats.iter().map(Var::dims).collect();
    let total = record(
        &floats.iter().collect::<Vec<_>>(),
        array(&[1], vec![0.0]),
        move |_, _| {
            let each = shapes.iter().enumerate();
            each.map(|(k, s)| Some(array(s, cotangent(k, s.iter().product()))))
                .collect()
        },
    );
    drop(floats);
    let tracked = case.inputs.iter().enumerate();
    let tracked = tracked.filter(|(_, input)| matches!(input, In::Tracked(_)));
    let mut all: Vec<(usize, Vec<f32>)> = tracked.map(|(k, _)| (k, Vec::new())).collect();
    total.backward(array(&[1], vec![1.0]), |place, g| {
        let input = all.iter_mut().find(|(k, _)| *k == place);
        input.unwrap().1 = Dense::new(g).to_vec();
    });
    all
}

pub(super) fn check(case: &Case) {
    const STEP: f32 = 0.004;
    for (input, gradient) in gradients(case) {
        let In::Tracked(tensor) = &case.inputs[input] else {
            unreachable!()
        };
        let HostData::F32(values) = &tensor.data else {
            unreachable!()
        };
        assert_eq!(
            gradient.len(),
            values.len(),
            "{}: no gradient reached input {input}",
            case.node.op
        );
        let at = |k: usize, by: f32| {
            let mut moved = case.inputs.clone();
            let mut data = values.clone();
            data[k] += by;
            // The step that f32 really makes.
            let real = f64::from(data[k]) - f64::from(values[k]);
            moved[input] = In::Tracked(HostTensor::f32(tensor.shape.clone(), data).unwrap());
            (loss(case, &moved), real)
        };
        let slope = |k: usize, by: f32| {
            let ((up, a), (down, b)) = (at(k, by), at(k, -by));
            (up - down) / (a - b)
        };
        let expected: Vec<f64> = (0..values.len())
            .map(|k| (4.0 * slope(k, STEP) - slope(k, 2.0 * STEP)) / 3.0)
            .collect();
        let scale = expected.iter().map(|v| v.abs()).fold(0.05, f64::max);
        for (k, (&got, &want)) in gradient.iter().zip(&expected).enumerate() {
            assert!(
                (f64::from(got) - want).abs() <= 4e-3 * scale,
                "{} {:?}: gradient of input {input} at {k} is {got}, differences give {want}",
                case.node.op,
                case.node.attributes
            );
        }
    }
}

fn check_all(cases: Vec<Case>) {
    for case in cases {
        check(&case);
    }
}

#[test]
fn functions_of_one_value() {
    for op in [
        "Abs",
        "Neg",
        "Exp",
        "Erf",
        "Sin",
        "Cos",
        "Tan",
        "Atan",
        "Sinh",
        "Cosh",
        "Asinh",
        "Relu",
        "LeakyRelu",
        "Elu",
        "Selu",
        "Celu",
        "Gelu",
        "Mish",
        "Softplus",
        "Softsign",
        "Sigmoid",
        "Tanh",
        "HardSigmoid",
        "HardSwish",
        "Swish",
        "ThresholdedRelu",
        "Shrink",
        "Identity",
        "Dropout",
    ] {
        check(&case(op, &[], vec![t(&[3, 5], 1)]));
    }
    for op in ["Log", "Sqrt", "Reciprocal"] {
        check(&case(op, &[], vec![p(&[3, 5], 1)]));
    }
    for op in ["Asin", "Acos", "Atanh"] {
        check(&case(op, &[], vec![In::Tracked(small(&[3, 5], 1))]));
    }
    let mut above_one = positive(&[3, 5], 1);
    if let HostData::F32(v) = &mut above_one.data {
        v.iter_mut().for_each(|x| *x += 1.0);
    }
    check(&case("Acosh", &[], vec![In::Tracked(above_one)]));
    check_all(vec![
        case(
            "Gelu",
            &[("approximate", text("tanh"))],
            vec![t(&[3, 5], 1)],
        ),
        case("LeakyRelu", &[("alpha", float(0.3))], vec![t(&[3, 5], 2)]),
        case("Elu", &[("alpha", float(1.7))], vec![t(&[3, 5], 2)]),
        case("Celu", &[("alpha", float(0.6))], vec![t(&[3, 5], 2)]),
        case(
            "HardSigmoid",
            &[("alpha", float(0.45)), ("beta", float(0.4))],
            vec![t(&[3, 5], 2)],
        ),
        case("Swish", &[("alpha", float(1.3))], vec![t(&[3, 5], 2)]),
        case(
            "Shrink",
            &[("lambd", float(0.62)), ("bias", float(0.2))],
            vec![t(&[3, 5], 2)],
        ),
        domain(case("Gelu", &[], vec![t(&[3, 5], 3)])),
        domain(case("QuickGelu", &[], vec![t(&[3, 5], 3)])),
        domain(case("FastGelu", &[], vec![t(&[3, 5], 3), t(&[5], 4)])),
        domain(case("BiasGelu", &[], vec![t(&[3, 5], 3), t(&[5], 4)])),
    ]);
    let bound = |v: f32| In::Fixed(HostTensor::f32(vec![], vec![v]).unwrap());
    check(&case(
        "Clip",
        &[],
        vec![t(&[3, 5], 1), bound(-0.7), bound(0.9)],
    ));
}

#[test]
fn functions_of_two_values_that_broadcast() {
    for op in ["Add", "Sub", "Mul", "Max", "Min"] {
        check(&case(op, &[], vec![t(&[2, 3, 4], 1), t(&[3, 1], 2)]));
        check(&case(op, &[], vec![t(&[4], 1), t(&[2, 3, 4], 3)]));
        check(&case(op, &[], vec![t(&[2, 1, 4], 1), t(&[1, 3, 1], 3)]));
        check(&case(op, &[], vec![t(&[], 1), t(&[2, 3], 3)]));
    }
    check_all(vec![
        case("Div", &[], vec![t(&[2, 3, 4], 1), p(&[3, 1], 2)]),
        case("Pow", &[], vec![p(&[2, 3, 4], 1), t(&[3, 1], 2)]),
        case("PRelu", &[], vec![t(&[2, 3, 4], 1), t(&[3, 1], 2)]),
        case("Sum", &[], vec![t(&[2, 3], 1), t(&[3], 2), t(&[2, 1], 3)]),
        case("Mean", &[], vec![t(&[2, 3], 1), t(&[3], 2), t(&[2, 1], 3)]),
    ]);
    for e in [-1.0, -0.5, 0.5, 1.0, 1.7, 2.0, 3.0] {
        let exponent = In::Fixed(HostTensor::f32(vec![], vec![e]).unwrap());
        check(&case("Pow", &[], vec![p(&[3, 4], 1), exponent]));
    }
    let condition = HostTensor::new(
        vec![2, 1, 4],
        fanin_network::ElementType::Bool,
        HostData::Bool(vec![true, false, true, true, false, false, true, false]),
    );
    check(&case(
        "Where",
        &[],
        vec![
            In::Fixed(condition.unwrap()),
            t(&[2, 3, 4], 1),
            t(&[3, 1], 2),
        ],
    ));
    let divisor = In::Fixed(positive(&[3, 1], 2));
    check(&case(
        "Mod",
        &[("fmod", int(1))],
        vec![t(&[2, 3, 2], 1), divisor],
    ));
}

#[test]
fn moves() {
    check_all(vec![
        case(
            "Reshape",
            &[],
            vec![t(&[2, 3, 4], 1), integers(&[2], &[4, -1])],
        ),
        case("Flatten", &[("axis", int(2))], vec![t(&[2, 3, 4], 1)]),
        case(
            "Transpose",
            &[("perm", ints(&[2, 0, 1]))],
            vec![t(&[2, 3, 4], 1)],
        ),
        case("Squeeze", &[], vec![t(&[2, 1, 4], 1), integers(&[1], &[1])]),
        case(
            "Unsqueeze",
            &[],
            vec![t(&[2, 4], 1), integers(&[2], &[0, 3])],
        ),
        case(
            "Concat",
            &[("axis", int(1))],
            vec![t(&[2, 3, 2], 1), t(&[2, 1, 2], 2), t(&[2, 2, 2], 3)],
        ),
        with_outputs(
            "Split",
            &[("axis", int(1))],
            vec![t(&[2, 6, 2], 1), integers(&[3], &[1, 3, 2])],
            3,
        ),
        with_outputs(
            "Split",
            &[("axis", int(1))],
            vec![t(&[2, 6, 2], 1), integers(&[3], &[1, 3, 2])],
            1,
        ),
        case(
            "Expand",
            &[],
            vec![t(&[3, 1], 1), integers(&[3], &[2, 3, 4])],
        ),
        case("Tile", &[], vec![t(&[2, 3], 1), integers(&[2], &[2, 3])]),
        case(
            "DepthToSpace",
            &[("blocksize", int(2))],
            vec![t(&[1, 8, 2, 3], 1)],
        ),
        case(
            "DepthToSpace",
            &[("blocksize", int(2)), ("mode", text("CRD"))],
            vec![t(&[1, 8, 2, 3], 1)],
        ),
        case(
            "SpaceToDepth",
            &[("blocksize", int(2))],
            vec![t(&[1, 2, 4, 6], 1)],
        ),
        case("Trilu", &[("upper", int(0))], vec![t(&[2, 4, 4], 1)]),
        case(
            "CenterCropPad",
            &[],
            vec![t(&[5, 2], 1), integers(&[2], &[3, 5])],
        ),
        case(
            "ReverseSequence",
            &[],
            vec![t(&[4, 3, 2], 1), integers(&[3], &[2, 4, 1])],
        ),
        case(
            "CastLike",
            &[],
            vec![t(&[2, 2], 1), In::Fixed(spread(&[1], 2))],
        ),
    ]);
    let slice = |starts: &[i64], ends: &[i64], axes: &[i64], steps: &[i64]| {
        let n = [starts.len()];
        let list = |v: &[i64]| integers(&n, v);
        case(
            "Slice",
            &[],
            vec![
                t(&[5, 4, 3], 1),
                list(starts),
                list(ends),
                list(axes),
                list(steps),
            ],
        )
    };
    check_all(vec![
        slice(&[1], &[4], &[0], &[1]),
        slice(&[0, 3], &[5, -100], &[0, 1], &[2, -1]),
        slice(&[-2, 0], &[i64::MAX, 2], &[2, 1], &[1, 1]),
    ]);
    let pads = || integers(&[6], &[1, 2, 0, 0, 1, -1]);
    for mode in ["constant", "reflect", "edge", "wrap"] {
        check(&case(
            "Pad",
            &[("mode", text(mode))],
            vec![t(&[3, 4, 3], 1), pads()],
        ));
    }
}

#[test]
fn picks() {
    let pairs = || integers(&[2, 2], &[1, 0, 1, 2]);
    check_all(vec![
        case(
            "Gather",
            &[("axis", int(1))],
            vec![t(&[2, 4, 3], 1), integers(&[2, 2], &[0, 3, -1, 1])],
        ),
        case(
            "GatherElements",
            &[("axis", int(1))],
            vec![t(&[2, 4], 1), integers(&[2, 3], &[0, 3, 0, 1, 1, 2])],
        ),
        case("GatherND", &[], vec![t(&[2, 3, 4], 1), pairs()]),
        with_outputs(
            "TopK",
            &[("axis", int(0))],
            vec![t(&[5, 3], 1), integers(&[1], &[2])],
            2,
        ),
        with_outputs(
            "TopK",
            &[("largest", int(0))],
            vec![t(&[2, 6], 1), integers(&[1], &[3])],
            2,
        ),
        case(
            "Compress",
            &[("axis", int(1))],
            vec![
                t(&[2, 3], 1),
                In::Fixed(
                    HostTensor::new(
                        vec![3],
                        fanin_network::ElementType::Bool,
                        HostData::Bool(vec![true, false, true]),
                    )
                    .unwrap(),
                ),
            ],
        ),
    ]);
    for reduction in ["none", "add", "mul", "max", "min"] {
        let how = [("axis", int(1)), ("reduction", text(reduction))];
        check(&case(
            "ScatterElements",
            &how,
            vec![
                t(&[2, 4], 1),
                integers(&[2, 2], &[0, 3, 1, 2]),
                t(&[2, 2], 3),
            ],
        ));
        let how = [("reduction", text(reduction))];
        check(&case(
            "ScatterND",
            &how,
            vec![t(&[2, 3, 4], 1), pairs(), t(&[2, 4], 3)],
        ));
    }
    // Several updates at one place.
    for reduction in ["add", "mul"] {
        let how = [("reduction", text(reduction))];
        check(&case(
            "ScatterND",
            &how,
            vec![t(&[4], 1), integers(&[3, 1], &[1, 1, 3]), t(&[3], 3)],
        ));
    }
}

#[test]
fn reductions() {
    for op in [
        "ReduceSum",
        "ReduceMean",
        "ReduceSumSquare",
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSumExp",
        "ReduceMax",
        "ReduceMin",
    ] {
        check(&case(
            op,
            &[],
            vec![t(&[3, 4, 2], 1), integers(&[2], &[0, 2])],
        ));
        check(&case(
            op,
            &[("keepdims", int(0))],
            vec![t(&[3, 4, 2], 2), integers(&[1], &[1])],
        ));
        check(&case(op, &[], vec![t(&[3, 4], 2)]));
    }
    check_all(vec![
        case(
            "ReduceProd",
            &[],
            vec![p(&[3, 4, 2], 1), integers(&[1], &[1])],
        ),
        case(
            "ReduceLogSum",
            &[],
            vec![p(&[3, 4, 2], 1), integers(&[1], &[1])],
        ),
        case("CumSum", &[], vec![t(&[3, 4, 2], 1), integers(&[], &[1])]),
        case(
            "CumSum",
            &[("exclusive", int(1)), ("reverse", int(1))],
            vec![t(&[3, 4], 1), integers(&[], &[1])],
        ),
    ]);
    let zero = HostTensor::f32(vec![1, 3], vec![0.0, 0.7, -1.2]).unwrap();
    check(&case(
        "ReduceProd",
        &[],
        vec![In::Tracked(zero), integers(&[1], &[1])],
    ));
}

#[test]
fn softmax_and_kin() {
    for op in ["Softmax", "LogSoftmax"] {
        check(&case(op, &[], vec![t(&[2, 3, 4], 1)]));
        check(&case(op, &[("axis", int(1))], vec![t(&[2, 3, 4], 1)]));
        check(&opset(
            case(op, &[("axis", int(1))], vec![t(&[2, 3, 4], 1)]),
            11,
        ));
    }
    check(&case(
        "LpNormalization",
        &[("axis", int(1))],
        vec![t(&[2, 3, 4], 1)],
    ));
    check(&case(
        "LpNormalization",
        &[("p", int(1))],
        vec![t(&[2, 3, 4], 1)],
    ));
}

#[test]
fn matrix_products() {
    check_all(vec![
        case("MatMul", &[], vec![t(&[2, 3], 1), t(&[3, 4], 2)]),
        case("MatMul", &[], vec![t(&[2, 2, 3], 1), t(&[3, 4], 2)]),
        case("MatMul", &[], vec![t(&[2, 1, 2, 3], 1), t(&[3, 3, 2], 2)]),
        case("MatMul", &[], vec![t(&[2, 3], 1), t(&[2, 3, 2], 2)]),
        case("MatMul", &[], vec![t(&[3], 1), t(&[2, 3, 2], 2)]),
        case("MatMul", &[], vec![t(&[2, 3], 1), t(&[3], 2)]),
        case("MatMul", &[], vec![t(&[3], 1), t(&[3], 2)]),
        case(
            "Gemm",
            &[
                ("transB", int(1)),
                ("alpha", float(0.7)),
                ("beta", float(1.3)),
            ],
            vec![t(&[2, 3], 1), t(&[4, 3], 2), t(&[4], 3)],
        ),
        case(
            "Gemm",
            &[("transA", int(1))],
            vec![t(&[3, 2], 1), t(&[3, 4], 2), t(&[2, 1], 3)],
        ),
        case(
            "Einsum",
            &[("equation", text("bij,bjk->bik"))],
            vec![t(&[2, 2, 3], 1), t(&[2, 3, 2], 2)],
        ),
        case(
            "Einsum",
            &[("equation", text("bhqd,bkhd->bhqk"))],
            vec![t(&[2, 2, 3, 2], 1), t(&[2, 2, 2, 2], 2)],
        ),
        case(
            "Einsum",
            &[("equation", text("ij,kj,j->ki"))],
            vec![t(&[2, 3], 1), t(&[4, 3], 2), t(&[3], 3)],
        ),
        case(
            "Einsum",
            &[("equation", text("ii->i"))],
            vec![t(&[3, 3], 1)],
        ),
        case(
            "Einsum",
            &[("equation", text("...ij,...jk"))],
            vec![t(&[2, 2, 3], 1), t(&[1, 3, 2], 2)],
        ),
        case("Det", &[], vec![t(&[2, 3, 3], 1)]),
    ]);
}

#[test]
fn convolutions() {
    check_all(vec![
        case(
            Conv::NAME,
            &[],
            vec![t(&[2, 3, 5], 1), t(&[4, 3, 3], 2), t(&[4], 3)],
        ),
        case(
            Conv::NAME,
            &[("pads", ints(&[1, 0, 2, 1])), ("strides", ints(&[2, 1]))],
            vec![t(&[2, 2, 5, 4], 1), t(&[3, 2, 3, 2], 2), t(&[3], 3)],
        ),
        case(
            Conv::NAME,
            &[
                ("group", int(2)),
                ("dilations", ints(&[2, 1])),
                ("strides", ints(&[1, 2])),
            ],
            vec![t(&[1, 4, 6, 5], 1), t(&[4, 2, 2, 2], 2)],
        ),
        case(
            Conv::NAME,
            &[("group", int(3)), ("pads", ints(&[1, 1, 1, 1]))],
            vec![t(&[2, 3, 4, 4], 1), t(&[6, 1, 3, 3], 2), t(&[6], 3)],
        ),
        case(
            Conv::NAME,
            &[
                ("group", int(3)),
                ("strides", ints(&[2, 2])),
                ("auto_pad", text("SAME_UPPER")),
            ],
            vec![t(&[1, 3, 5, 5], 1), t(&[3, 1, 3, 3], 2)],
        ),
        case(
            Conv::NAME,
            &[],
            vec![t(&[2, 3, 2, 2], 1), t(&[4, 3, 1, 1], 2)],
        ),
        case(
            Conv::NAME,
            &[("pads", ints(&[0, 1, 1, 1, 0, 1]))],
            vec![t(&[1, 2, 3, 3, 3], 1), t(&[2, 2, 2, 2, 2], 2)],
        ),
        case(
            "ConvTranspose",
            &[],
            vec![t(&[2, 3, 4], 1), t(&[3, 2, 3], 2), t(&[2], 3)],
        ),
        case(
            "ConvTranspose",
            &[
                ("strides", ints(&[2, 2])),
                ("pads", ints(&[1, 0, 1, 1])),
                ("output_padding", ints(&[1, 0])),
            ],
            vec![t(&[1, 4, 3, 3], 1), t(&[4, 2, 3, 3], 2)],
        ),
        case(
            "ConvTranspose",
            &[
                ("strides", ints(&[2, 2])),
                ("group", int(2)),
                ("dilations", ints(&[1, 2])),
            ],
            vec![t(&[1, 4, 2, 3], 1), t(&[4, 2, 2, 2], 2)],
        ),
        case(
            "ConvTranspose",
            &[("strides", ints(&[2, 2])), ("group", int(4))],
            vec![t(&[1, 4, 2, 3], 1), t(&[4, 1, 2, 2], 2)],
        ),
        case(
            "ConvTranspose",
            &[("strides", ints(&[2, 2])), ("output_shape", ints(&[6, 7]))],
            vec![t(&[1, 2, 3, 3], 1), t(&[2, 1, 3, 3], 2)],
        ),
    ]);
}

#[test]
fn pooling() {
    let k = |v: &[i64]| ("kernel_shape", ints(v));
    check_all(vec![
        case(
            "MaxPool",
            &[k(&[2, 2]), ("strides", ints(&[2, 1]))],
            vec![t(&[1, 2, 4, 4], 1)],
        ),
        case(
            "MaxPool",
            &[
                k(&[3, 3]),
                ("pads", ints(&[1, 1, 1, 1])),
                ("strides", ints(&[2, 2])),
                ("ceil_mode", int(1)),
            ],
            vec![t(&[1, 2, 4, 5], 1)],
        ),
        case(
            "MaxPool",
            &[k(&[2]), ("dilations", ints(&[2]))],
            vec![t(&[1, 2, 6], 1)],
        ),
        case("MaxPool", &[k(&[2, 2, 2])], vec![t(&[1, 1, 3, 3, 3], 1)]),
        case(
            "AveragePool",
            &[
                k(&[3, 2]),
                ("pads", ints(&[1, 0, 1, 1])),
                ("strides", ints(&[2, 1])),
            ],
            vec![t(&[1, 2, 4, 4], 1)],
        ),
        case(
            "AveragePool",
            &[
                k(&[3, 2]),
                ("pads", ints(&[1, 0, 1, 1])),
                ("count_include_pad", int(1)),
                ("ceil_mode", int(1)),
                ("strides", ints(&[2, 2])),
            ],
            vec![t(&[1, 2, 4, 4], 1)],
        ),
        case(
            "LpPool",
            &[k(&[2, 2]), ("p", int(3))],
            vec![t(&[1, 2, 3, 3], 1)],
        ),
        case("GlobalAveragePool", &[], vec![t(&[2, 3, 2, 2], 1)]),
        case("GlobalMaxPool", &[], vec![t(&[2, 3, 2, 2], 1)]),
        case("GlobalLpPool", &[("p", int(2))], vec![t(&[2, 3, 2, 2], 1)]),
    ]);
}

#[test]
fn normalizations() {
    let moments = || [In::Fixed(spread(&[3], 8)), In::Fixed(positive(&[3], 9))];
    let [mean, variance] = moments();
    check_all(vec![
        case(
            "BatchNormalization",
            &[],
            vec![t(&[2, 3, 2, 2], 1), t(&[3], 2), t(&[3], 3), mean, variance],
        ),
        case(
            "InstanceNormalization",
            &[],
            vec![t(&[2, 3, 4], 1), t(&[3], 2), t(&[3], 3)],
        ),
        opset(
            case(
                "GroupNormalization",
                &[("num_groups", int(2))],
                vec![t(&[2, 4, 3], 1), t(&[4], 2), t(&[4], 3)],
            ),
            21,
        ),
        opset(
            case(
                "GroupNormalization",
                &[("num_groups", int(2))],
                vec![t(&[2, 4, 3], 1), t(&[2], 2), t(&[2], 3)],
            ),
            18,
        ),
        case(
            "LayerNormalization",
            &[],
            vec![t(&[2, 3, 4], 1), t(&[4], 2), t(&[4], 3)],
        ),
        case(
            "LayerNormalization",
            &[("axis", int(1))],
            vec![t(&[2, 3, 2], 1), t(&[3, 2], 2)],
        ),
        case("RMSNormalization", &[], vec![t(&[2, 3, 4], 1), t(&[4], 2)]),
        case("MeanVarianceNormalization", &[], vec![t(&[2, 3, 2, 2], 1)]),
        case(
            "LRN",
            &[("size", int(3)), ("alpha", float(0.4))],
            vec![t(&[1, 4, 2, 2], 1)],
        ),
        domain(case(
            "SkipLayerNormalization",
            &[],
            vec![
                t(&[2, 2, 4], 1),
                t(&[2, 2, 4], 5),
                t(&[4], 2),
                t(&[4], 3),
                t(&[4], 4),
            ],
        )),
        domain(case(
            "SkipSimplifiedLayerNormalization",
            &[],
            vec![t(&[2, 2, 4], 1), t(&[2, 2, 4], 5), t(&[4], 2)],
        )),
    ]);
}

#[test]
fn resizing() {
    let scales = |v: &[f32]| In::Fixed(HostTensor::f32(vec![v.len()], v.to_vec()).unwrap());
    for mode in ["nearest", "linear", "cubic"] {
        for coordinates in [
            "half_pixel",
            "align_corners",
            "asymmetric",
            "pytorch_half_pixel",
        ] {
            let how = [
                ("mode", text(mode)),
                ("coordinate_transformation_mode", text(coordinates)),
            ];
            check(&case(
                "Resize",
                &how,
                vec![
                    t(&[1, 1, 3, 4], 1),
                    In::Missing,
                    scales(&[1.0, 1.0, 2.0, 0.6]),
                ],
            ));
        }
    }
    let how = [("mode", text("linear")), ("antialias", int(1))];
    let sizes = integers(&[4], &[1, 1, 2, 3]);
    check(&case(
        "Resize",
        &how,
        vec![t(&[1, 1, 5, 7], 1), In::Missing, In::Missing, sizes],
    ));
    check(&opset(
        case(
            "Upsample",
            &[("mode", text("linear"))],
            vec![t(&[1, 1, 2, 3], 1), scales(&[1.0, 1.0, 2.0, 1.5])],
        ),
        9,
    ));
    let grid = In::Fixed(small(&[1, 2, 2, 2], 4));
    for mode in ["linear", "nearest", "cubic"] {
        check(&case(
            "GridSample",
            &[("mode", text(mode))],
            vec![t(&[1, 2, 3, 3], 1), grid.clone()],
        ));
    }
}

#[test]
fn recurrent_layers() {
    let layer = |op: &str, gates: usize, more: &[(&str, Attribute)], directions: usize| {
        let mut inputs = vec![
            t(&[3, 2, 2], 1),
            In::Tracked(small(&[directions, gates * 2, 2], 2)),
            In::Tracked(small(&[directions, gates * 2, 2], 3)),
            In::Tracked(small(&[directions, 2 * gates * 2], 4)),
            integers(&[2], &[3, 2]),
            t(&[directions, 2, 2], 5),
        ];
        if op == "LSTM" {
            inputs.push(t(&[directions, 2, 2], 6));
            inputs.push(In::Tracked(small(&[directions, 3 * 2], 7)));
        }
        let all = [&[("hidden_size", int(2))], more].concat();
        with_outputs(op, &all, inputs, if op == "LSTM" { 3 } else { 2 })
    };
    let both = ("direction", text("bidirectional"));
    check_all(vec![
        layer("LSTM", 4, &[], 1),
        layer("LSTM", 4, std::slice::from_ref(&both), 2),
        layer(
            "LSTM",
            4,
            &[("direction", text("reverse")), ("input_forget", int(1))],
            1,
        ),
        layer("GRU", 3, &[], 1),
        layer(
            "GRU",
            3,
            &[both.clone(), ("linear_before_reset", int(1))],
            2,
        ),
        layer("RNN", 1, &[both], 2),
        layer(
            "RNN",
            1,
            &[
                ("activations", Attribute::Strings(vec!["Affine".to_owned()])),
                ("activation_alpha", Attribute::Floats(vec![0.8])),
                ("activation_beta", Attribute::Floats(vec![0.1])),
            ],
            1,
        ),
    ]);
}

#[test]
fn attention_and_rotary_embedding() {
    let heads = [("q_num_heads", int(2)), ("kv_num_heads", int(1))];
    let mask = || t(&[3, 3], 4);
    check_all(vec![
        case(
            "Attention",
            &[],
            vec![
                t(&[1, 2, 3, 2], 1),
                t(&[1, 2, 3, 2], 2),
                t(&[1, 2, 3, 2], 3),
            ],
        ),
        case(
            "Attention",
            &heads,
            vec![t(&[1, 3, 4], 1), t(&[1, 3, 2], 2), t(&[1, 3, 2], 3), mask()],
        ),
        case(
            "Attention",
            &[("is_causal", int(1)), ("softcap", float(2.0))],
            vec![
                t(&[1, 1, 3, 2], 1),
                t(&[1, 1, 3, 2], 2),
                t(&[1, 1, 3, 2], 3),
            ],
        ),
        case(
            "RotaryEmbedding",
            &[],
            vec![
                t(&[1, 2, 3, 4], 1),
                t(&[5, 2], 2),
                t(&[5, 2], 3),
                integers(&[1, 3], &[0, 4, 2]),
            ],
        ),
        case(
            "RotaryEmbedding",
            &[
                ("interleaved", int(1)),
                ("num_heads", int(2)),
                ("rotary_embedding_dim", int(2)),
            ],
            vec![t(&[1, 3, 8], 1), t(&[1, 3, 1], 2), t(&[1, 3, 1], 3)],
        ),
    ]);
}

#[test]
fn a_choice_stops_the_nan_of_a_row_that_is_masked_out() {
    // What exporters write for attention that may mask a whole row: softmax, is it NaN, choose.
    let elements = vec![f32::NEG_INFINITY, f32::NEG_INFINITY, 0.3, -0.2];
    let x = Var::leaf(array(&[2, 2], elements), 0);
    let weights = crate::kernel::rows::softmax(&x);
    let mask = array(&[2, 1], vec![0.0, 1.0]);
    let chosen =
        crate::kernel::elementwise::select(&mask, &weights, &crate::kernel::shape::zeros(&[1]))
            .unwrap();
    assert!(Dense::new(chosen.array()).iter().all(|v| v.is_finite()));
    drop((x, weights));
    let mut seen = Vec::new();
    chosen.backward(array(&[2, 2], vec![1.0, 2.0, 3.0, 4.0]), |_, g| {
        seen = Dense::new(g).to_vec();
    });
    assert!(seen.iter().all(|v| v.is_finite()), "{seen:?}");
    assert_eq!(&seen[..2], &[0.0, 0.0]);
}

fn answer(case: &Case) -> Result<Vec<Item>, String> {
    let inputs = case.inputs.iter().map(|input| match input {
        In::Missing => None,
        In::Fixed(t) => Some(Item::host(t.clone())),
        In::Tracked(t) => Some(Item::Float(Var::leaf(to_array(t), 0))),
    });
    execute(&Call {
        node: &case.node,
        inputs: inputs.collect(),
        mode: Mode::AsWritten,
    })
}

/// What has no elements has a shape, takes no part in the backward pass, and upsets nobody. Found by
/// fuzzing.
#[test]
fn values_without_elements() {
    for p in [1, 2] {
        let rows = case("LpNormalization", &[("p", int(p))], vec![t(&[48, 0], 1)]);
        assert_eq!(answer(&rows).unwrap()[0].shape(), [48, 0]);
    }
    let nothing = || t(&[0, 1, 1, 1], 1);
    let joined = case(
        "Concat",
        &[("axis", int(3))],
        vec![nothing(), nothing(), nothing()],
    );
    let joined = answer(&joined).unwrap();
    assert_eq!(joined[0].shape(), [0, 1, 1, 3]);
    assert!(matches!(&joined[0], Item::Float(var) if !var.tracked()));

    let table = In::Fixed(HostTensor::f32(Vec::new(), vec![0.5]).unwrap());
    let inputs = vec![
        t(&[2, 4, 4, 2], 1),
        table.clone(),
        table,
        integers(&[0], &[]),
    ];
    let said = answer(&case("RotaryEmbedding", &[], inputs)).err().unwrap();
    assert!(said.contains("must have rows"), "{said}");

    let huge = In::Fixed(HostTensor::f32(vec![0, 1 << 62, 8], Vec::new()).unwrap());
    let said = answer(&case("LeakyRelu", &[], vec![huge])).err().unwrap();
    assert!(said.contains("larger than memory"), "{said}");
}
