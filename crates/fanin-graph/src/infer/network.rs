//! Inference and folding over a whole network.

use super::operands::{Inferred, Operand, Operands};
use super::prune::prune;
use super::rules::output_shapes;
use super::sequence::lower;
use crate::evaluate::evaluate_within;
use crate::host::element_count;
use crate::operator::{Operator, Sequence, generate};
use crate::shape::geometry;
use crate::{
    ElementType, HostData, HostTensor, Network, NetworkError, Node, Origin, Payload, ValueId,
    ValueKind,
};

/// A folded result has at most this many elements; a larger one is computed in the run.
const LARGEST_FOLDED: usize = 1 << 22;

/// Folded results that are still in use have together at most this many elements.
const LARGEST_HELD: usize = 1 << 25;

/// All folded results, dropped ones included, have together at most this many elements, so that no
/// model keeps the reader busy for long.
const LARGEST_FOLDING: usize = 1 << 30;

/// What a user can do about a contradiction between sizes.
const WAY_OUT: &str =
    "check the sizes given with --batch, --dim or --data, or export the model again";

/// Gives every value its element type and shape as far as they are known before the run, and turns
/// values with known inputs into constants.
///
/// Values of parameters are never folded, their shapes are: `Shape` of a parameter is a constant.
/// Nodes whose outputs became constants, or whose outputs nobody reads, are dropped together with
/// the values that only they used; ids change. Outputs of the network stay, as constants perhaps.
/// Shapes that the file declares for intermediate values are overwritten.
///
/// # Errors
///
/// [`NetworkError::Node`] where the inputs of a node contradict its operator.
pub fn infer_and_fold(network: &mut Network) -> Result<(), NetworkError> {
    prune(network, &[]);
    state_given(network);
    let mut needless = vec![false; network.nodes.len()];
    let mut budget = Budget::new(network);
    for k in 0..network.nodes.len() {
        if matches!(
            network.nodes[k].operator,
            Operator::Sequence(Sequence::Split { .. })
        ) {
            let lowered =
                lower(network, k).map_err(|message| contradiction(network, k, &message))?;
            if let Some(lowered) = lowered {
                for node in lowered.needless {
                    needless[node.index()] = true;
                }
                if let Some((value, more)) = lowered.more_uses {
                    budget.use_more(value, more);
                }
            }
        }
        if needless[k] {
            continue;
        }
        read_buffers(network, k, &mut budget)?;
        let node = &network.nodes[k];
        let (outputs, results) = visit(network, node, budget.left())
            .map_err(|message| contradiction(network, k, &message))?;
        let ids = node.outputs.clone();
        needless[k] = results.is_some()
            || ids
                .iter()
                .flatten()
                .all(|&id| network.value(id).kind != ValueKind::Computed);
        let mut results = results.unwrap_or_default().into_iter();
        for (id, inferred) in ids.into_iter().zip(outputs) {
            let result = results.next();
            let Some(value) = id.and_then(|id| network.values.get_mut(id.index())) else {
                continue;
            };
            if value.kind != ValueKind::Computed {
                continue;
            }
            value.element = inferred.element;
            value.shape = inferred.shape;
            if let Some(tensor) = result {
                value.element = Some(tensor.element);
                value.shape = Some(tensor.shape.clone());
                budget.hold(tensor.len());
                value.kind = ValueKind::Constant(tensor);
                value.origin = Origin::Made;
            }
        }
        if needless[k] {
            budget.release_inputs(network, k);
        }
    }
    prune(network, &needless);
    Ok(())
}

fn contradiction(network: &Network, k: usize, message: &str) -> NetworkError {
    let node = &network.nodes[k];
    NetworkError::Node {
        node: node.name.clone(),
        op: node.op.clone(),
        message: format!("{message}; {WAY_OUT}"),
    }
}

/// States element type and shape of everything that is not computed.
fn state_given(network: &mut Network) {
    for value in &mut network.values {
        match &value.kind {
            ValueKind::Constant(tensor) | ValueKind::Buffer(Payload::Held(tensor)) => {
                value.element = Some(tensor.element);
                value.shape = Some(tensor.shape.clone());
            }
            // What the file declares for these may be wrong, or carry other sizes.
            ValueKind::Computed => {
                value.element = None;
                value.shape = None;
            }
            ValueKind::Parameter(id) => {
                if let Some(parameter) = network.parameters.get(id.index()) {
                    value.element = Some(parameter.element);
                    value.shape = Some(parameter.shape.clone());
                }
            }
            ValueKind::Input | ValueKind::Buffer(_) => {}
        }
    }
}

/// Reads the small buffers that a node needs for folding or for its rule, if they are still in the
/// file: all inputs of a node that nothing but stored tensors feeds, and scales of a `Resize`.
fn read_buffers(network: &mut Network, k: usize, budget: &mut Budget) -> Result<(), NetworkError> {
    let node = &network.nodes[k];
    let stored = |id: &ValueId| {
        matches!(
            network.value(*id).kind,
            ValueKind::Constant(_) | ValueKind::Buffer(_)
        )
    };
    let scales = matches!(node.operator, Operator::Resize(_) | Operator::OneHot { .. });
    if !scales && !node.inputs.iter().flatten().all(stored) {
        return Ok(());
    }
    let ids: Vec<ValueId> = node.inputs.iter().copied().flatten().collect();
    for id in ids {
        let value = network.value(id);
        let (ValueKind::Buffer(payload), Some(element), Some(shape)) =
            (&value.kind, value.element, &value.shape)
        else {
            continue;
        };
        if matches!(payload, Payload::Held(_) | Payload::Absent)
            || element_count(shape).is_none_or(|n| n > budget.left())
        {
            continue;
        }
        let tensor = network.elements(payload, shape, element)?;
        budget.hold(tensor.len());
        network.values[id.index()].kind = ValueKind::Buffer(Payload::Held(tensor));
    }
    Ok(())
}

/// What the rules and the evaluator say about one node.
fn visit(
    network: &Network,
    node: &Node,
    room: usize,
) -> Result<(Vec<Inferred>, Option<Vec<HostTensor>>), String> {
    let inputs: Vec<Option<Operand<'_>>> = node
        .inputs
        .iter()
        .map(|id| id.map(|id| operand(network, id)))
        .collect();
    let operands = Operands {
        inputs: &inputs,
        outputs: node.outputs.len(),
    };
    let outputs = output_shapes(&node.operator, &operands)?;
    let results = fold(&node.operator, &operands, room)?;
    // An operator may leave out what the node does not use, never what it does.
    let complete = results.filter(|results| {
        node.outputs
            .iter()
            .enumerate()
            .all(|(k, id)| id.is_none() || k < results.len())
    });
    Ok((outputs, complete))
}

fn operand(network: &Network, id: ValueId) -> Operand<'_> {
    let value = network.value(id);
    Operand {
        element: value.element,
        shape: value.shape.as_deref(),
        constant: network.constant(id),
    }
}

/// The results, if they are known before the run.
fn fold(
    operator: &Operator,
    operands: &Operands<'_>,
    room: usize,
) -> Result<Option<Vec<HostTensor>>, String> {
    if let Some(tensor) = from_shape(operator, operands) {
        return Ok((tensor.len() <= room).then(|| vec![tensor]));
    }
    let constants: Option<Vec<Option<&HostTensor>>> = operands
        .inputs
        .iter()
        .map(|input| match input {
            Some(input) => input.constant.map(Some),
            None => Some(None),
        })
        .collect();
    let Some(constants) = constants else {
        return Ok(None);
    };
    evaluate_within(room, operator, &constants, operands.outputs)
}

/// Operators that look at the shape of their input and not at its elements.
fn from_shape(operator: &Operator, operands: &Operands<'_>) -> Option<HostTensor> {
    let input = operands.input(0)?;
    let shape = input.shape?;
    match operator {
        Operator::Shape { start, end } => {
            let sizes = geometry::axes_between(shape, *start, *end);
            HostTensor::i64(vec![sizes.len()], sizes)
        }
        Operator::Size => {
            let count = i64::try_from(element_count(shape)?).ok()?;
            HostTensor::new(vec![], ElementType::I64, HostData::I64(vec![count]))
        }
        Operator::EyeLike { to, shift } => {
            let &[rows, columns] = shape else {
                return None;
            };
            if element_count(shape)? > LARGEST_FOLDED {
                return None;
            }
            let element = to.or(input.element)?;
            generate::fold::eye(rows, columns, *shift, element)
        }
        _ => None,
    }
}

/// Keeps the memory and the time of folding within bounds.
struct Budget {
    /// How often each value is still read by nodes that have not been folded, outputs included.
    uses: Vec<usize>,
    /// Elements of folded results in use.
    held: usize,
    /// Elements of all folded results.
    made: usize,
}

impl Budget {
    fn new(network: &Network) -> Self {
        let mut uses: Vec<usize> = network.values.iter().map(|v| v.consumers.len()).collect();
        for output in &network.outputs {
            if let Some(count) = uses.get_mut(output.index()) {
                *count += 1;
            }
        }
        Self {
            uses,
            held: 0,
            made: 0,
        }
    }

    /// Largest result that may still be folded.
    fn left(&self) -> usize {
        LARGEST_FOLDED
            .min(LARGEST_HELD.saturating_sub(self.held))
            .min(LARGEST_FOLDING.saturating_sub(self.made))
    }

    fn use_more(&mut self, value: ValueId, more: usize) {
        if let Some(count) = self.uses.get_mut(value.index()) {
            *count = count.saturating_add(more);
        }
    }

    fn hold(&mut self, elements: usize) {
        self.held = self.held.saturating_add(elements);
        self.made = self.made.saturating_add(elements);
    }

    /// Frees folded inputs of a folded node that nobody else reads; pruning drops them.
    fn release_inputs(&mut self, network: &mut Network, node: usize) {
        let inputs = network.nodes[node].inputs.clone();
        for id in inputs.into_iter().flatten() {
            let Some(count) = self.uses.get_mut(id.index()) else {
                continue;
            };
            *count = count.saturating_sub(1);
            let Some(value) = network.values.get_mut(id.index()) else {
                continue;
            };
            if *count == 0
                && value.producer.is_some()
                && let ValueKind::Constant(tensor) = &value.kind
            {
                self.held = self.held.saturating_sub(tensor.len());
                value.kind = ValueKind::Computed;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Attribute;
    use crate::infer::testing::{Graph, attributes};

    fn value<'a>(network: &'a Network, name: &str) -> &'a crate::Value {
        network.values.iter().find(|v| v.name == name).unwrap()
    }

    fn ops(network: &Network) -> Vec<&str> {
        network.nodes.iter().map(|n| n.op.as_str()).collect()
    }

    /// Producers, consumers and parameters point at each other.
    fn consistent(network: &Network) {
        for (k, node) in network.nodes.iter().enumerate() {
            for id in node.outputs.iter().flatten() {
                assert_eq!(network.value(*id).producer, Some(NodeId::from(k)));
            }
        }
        let uses: usize = network
            .nodes
            .iter()
            .map(|n| n.inputs.iter().flatten().count())
            .sum();
        let listed: usize = network.values.iter().map(|v| v.consumers.len()).sum();
        assert_eq!(uses, listed);
        for (k, parameter) in network.parameters.iter().enumerate() {
            assert_eq!(
                network.value(parameter.value).kind,
                ValueKind::Parameter(crate::ParameterId::from(k))
            );
            assert_eq!(network.value(parameter.value).name, parameter.name);
        }
    }

    use crate::NodeId;

    /// `x.view(x.size(0), -1)` as torch exports it.
    fn flattening() -> Graph {
        Graph::new()
            .input("x", &[2, 3, 4])
            .int("zero", 0)
            .ints("axes", &[0])
            .ints("rest", &[-1])
            .parameter("w", &[12, 5])
            .node("Shape", &["x"], &["shape"])
            .node("Gather", &["shape", "zero"], &["batch"])
            .node("Unsqueeze", &["batch", "axes"], &["row"])
            .node_with(
                "Concat",
                attributes([("axis", Attribute::Int(0))]),
                &["row", "rest"],
                &["target"],
            )
            .node("Reshape", &["x", "target"], &["flat"])
            .node("MatMul", &["flat", "w"], &["y"])
            .output("y")
    }

    #[test]
    fn shape_arithmetic_becomes_a_constant() {
        let mut network = flattening().build();
        infer_and_fold(&mut network).unwrap();
        assert_eq!(ops(&network), ["Reshape", "MatMul"]);
        assert_eq!(value(&network, "flat").shape, Some(vec![2, 12]));
        assert_eq!(value(&network, "y").shape, Some(vec![2, 5]));
        let target = value(&network, "target");
        assert_eq!(
            target.kind,
            ValueKind::Constant(HostTensor::i64(vec![2], vec![2, -1]).unwrap())
        );
        assert_eq!(target.origin, Origin::Made);
        assert!(
            network
                .values
                .iter()
                .all(|v| v.name != "shape" && v.name != "zero")
        );
        consistent(&network);
    }

    #[test]
    fn parameters_are_not_folded_but_their_shapes_are() {
        let mut network = Graph::new()
            .input("x", &[2, 4])
            .parameter("w", &[3, 4])
            .node("Transpose", &["w"], &["turned"])
            .node("MatMul", &["x", "turned"], &["y"])
            .node("Shape", &["w"], &["size"])
            .output("y")
            .output("size")
            .build();
        infer_and_fold(&mut network).unwrap();
        assert_eq!(ops(&network), ["Transpose", "MatMul"]);
        assert_eq!(
            network.constant(network.outputs[1]),
            HostTensor::i64(vec![2], vec![3, 4]).as_ref()
        );
        consistent(&network);
    }

    #[test]
    fn what_nobody_reads_is_dropped() {
        let mut network = Graph::new()
            .input("x", &[2, 4])
            .input("unread", &[1])
            .parameter("w", &[4])
            .parameter("lonely", &[7])
            .node("Mul", &["x", "lonely"], &["nowhere"])
            .node("Exp", &["nowhere"], &["nowhere_else"])
            .node("Mul", &["x", "w"], &["y"])
            .output("y")
            .build();
        // The first multiplication does not even broadcast, but nobody asks for it.
        infer_and_fold(&mut network).unwrap();
        assert_eq!(ops(&network), ["Mul"]);
        assert_eq!(network.inputs.len(), 2);
        assert_eq!(network.parameters.len(), 2);
        consistent(&network);
    }

    #[test]
    fn a_contradiction_names_the_node_and_both_shapes() {
        let mut network = Graph::new()
            .input("x", &[2, 4])
            .parameter("w", &[5, 3])
            .node("MatMul", &["x", "w"], &["product"])
            .output("product")
            .build();
        let message = infer_and_fold(&mut network).unwrap_err().to_string();
        for part in ["`product`", "MatMul", "[2, 4]", "[5, 3]", "--dim"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn rotary_tables_are_folded_from_buffers() {
        let frequencies = HostTensor::f32(vec![1, 2], vec![1.0, 0.5]).unwrap();
        let mut network = Graph::new()
            .input("x", &[3, 4])
            .constant("start", HostTensor::i64(vec![], vec![0]).unwrap())
            .int("end", 3)
            .int("one", 1)
            .ints("last", &[1])
            .buffer("frequencies", &[1, 2], Payload::Held(frequencies))
            .node("Range", &["start", "end", "one"], &["positions"])
            .node_with(
                "Cast",
                attributes([("to", Attribute::Int(1))]),
                &["positions"],
                &["floats"],
            )
            .node("Unsqueeze", &["floats", "last"], &["column"])
            .node("MatMul", &["column", "frequencies"], &["angles"])
            .node_with(
                "Concat",
                attributes([("axis", Attribute::Int(-1))]),
                &["angles", "angles"],
                &["both"],
            )
            .node("Cos", &["both"], &["table"])
            .node("Mul", &["x", "table"], &["y"])
            .output("y")
            .build();
        infer_and_fold(&mut network).unwrap();
        assert_eq!(ops(&network), ["Mul"]);
        let ValueKind::Constant(table) = &value(&network, "table").kind else {
            panic!("not folded")
        };
        assert_eq!(table.shape, [3, 4]);
        let wanted: Vec<f32> = (0..3)
            .flat_map(|p| [1.0, 0.5, 1.0, 0.5].map(|f| (p as f32 * f).cos()))
            .collect();
        assert_eq!(table.to_f32(), wanted);
    }

    #[test]
    fn large_results_keep_their_shape_and_wait_for_the_run() {
        let mut network = Graph::new()
            .ints("huge", &[1 << 20, 1 << 20])
            .int("zero", 0)
            .node("ConstantOfShape", &["huge"], &["zeros"])
            .node("Shape", &["zeros"], &["sizes"])
            .node("Gather", &["sizes", "zero"], &["rows"])
            .output("zeros")
            .output("rows")
            .build();
        infer_and_fold(&mut network).unwrap();
        assert_eq!(ops(&network), ["ConstantOfShape"]);
        assert_eq!(value(&network, "zeros").shape, Some(vec![1 << 20, 1 << 20]));
        assert_eq!(
            network.constant(network.outputs[1]),
            HostTensor::i64(vec![], vec![1 << 20]).as_ref()
        );
    }

    #[test]
    fn folded_results_together_stay_within_bounds() {
        // Each is small enough alone; all are outputs, so none may be dropped.
        let mut graph = Graph::new().ints("size", &[LARGEST_FOLDED as i64]);
        let names: Vec<String> = (0..20).map(|k| format!("zeros_{k}")).collect();
        for name in &names {
            graph = graph.node("ConstantOfShape", &["size"], &[name.as_str()]);
        }
        for name in &names {
            graph = graph.output(name);
        }
        let mut network = graph.build();
        infer_and_fold(&mut network).unwrap();
        let held: usize = network
            .outputs
            .iter()
            .filter_map(|&id| network.constant(id))
            .map(HostTensor::len)
            .sum();
        assert!(held <= LARGEST_HELD, "{held}");
        assert_eq!(network.nodes.len(), 20 - LARGEST_HELD / LARGEST_FOLDED);
        consistent(&network);
    }

    #[test]
    fn sizes_that_cannot_be_counted_are_refused() {
        let mut network = Graph::new()
            .ints("huge", &[i64::MAX, i64::MAX])
            .node("ConstantOfShape", &["huge"], &["zeros"])
            .output("zeros")
            .build();
        let message = infer_and_fold(&mut network).unwrap_err().to_string();
        assert!(
            message.contains("more elements than can be counted"),
            "{message}"
        );
    }

    #[test]
    fn declared_shapes_of_computed_values_are_ignored() {
        let mut network = flattening().build();
        for value in &mut network.values {
            if value.kind == ValueKind::Computed {
                value.shape = Some(vec![99]);
            }
        }
        infer_and_fold(&mut network).unwrap();
        assert_eq!(value(&network, "y").shape, Some(vec![2, 5]));
    }

    #[test]
    fn operators_without_a_rule_leave_shapes_open() {
        let mut network = Graph::new()
            .input("x", &[2, 4])
            .node("Mystery", &["x"], &["y"])
            .node("Relu", &["y"], &["z"])
            .output("z")
            .build();
        infer_and_fold(&mut network).unwrap();
        assert_eq!(ops(&network), ["Mystery", "Relu"]);
        assert_eq!(value(&network, "z").shape, None);
    }

    #[test]
    fn a_sequence_of_parts_becomes_a_split() {
        let mut network = Graph::new()
            .input("x", &[2, 7])
            .int("chunk", 3)
            .int("first", 0)
            .int("last", -1)
            .node_with(
                "SplitToSequence",
                attributes([("axis", Attribute::Int(1))]),
                &["x", "chunk"],
                &["parts"],
            )
            .node("SequenceAt", &["parts", "first"], &["a"])
            .node("SequenceAt", &["parts", "last"], &["b"])
            .node("SequenceAt", &["parts", "first"], &["c"])
            .output("a")
            .output("b")
            .output("c")
            .build();
        infer_and_fold(&mut network).unwrap();
        assert_eq!(ops(&network), ["Split", "Identity"]);
        assert_eq!(network.nodes[0].outputs.len(), 3);
        assert_eq!(network.nodes[0].outputs[1], None);
        let shapes: Vec<_> = ["a", "b", "c"]
            .map(|n| value(&network, n).shape.clone().unwrap())
            .into();
        assert_eq!(shapes, [[2, 3], [2, 1], [2, 3]]);
        consistent(&network);
    }

    #[test]
    fn a_sequence_without_end_stays_as_it_is() {
        let mut network = Graph::new()
            .ints("sizes", &[1 << 50])
            .int("first", 0)
            .node("ConstantOfShape", &["sizes"], &["x"])
            .node("SplitToSequence", &["x"], &["parts"])
            .node("SequenceAt", &["parts", "first"], &["a"])
            .output("a")
            .build();
        infer_and_fold(&mut network).unwrap();
        assert_eq!(
            ops(&network),
            ["ConstantOfShape", "SplitToSequence", "SequenceAt"]
        );
    }

    #[test]
    fn an_unbound_tensor_becomes_gathers() {
        let mut network = Graph::new()
            .input("x", &[3, 2, 5])
            .int("first", 0)
            .int("last", 2)
            .node_with(
                "SplitToSequence",
                attributes([("keepdims", Attribute::Int(0))]),
                &["x"],
                &["parts"],
            )
            .node("SequenceAt", &["parts", "first"], &["a"])
            .node("SequenceAt", &["parts", "last"], &["b"])
            .output("a")
            .output("b")
            .build();
        infer_and_fold(&mut network).unwrap();
        assert_eq!(ops(&network), ["Gather", "Gather"]);
        assert_eq!(value(&network, "b").shape, Some(vec![2, 5]));
        consistent(&network);
    }

    #[test]
    fn a_place_outside_the_sequence_is_an_error() {
        let mut network = Graph::new()
            .input("x", &[2, 6])
            .ints("sizes", &[2, 4])
            .int("third", 2)
            .node_with(
                "SplitToSequence",
                attributes([("axis", Attribute::Int(1))]),
                &["x", "sizes"],
                &["parts"],
            )
            .node("SequenceAt", &["parts", "third"], &["a"])
            .output("a")
            .build();
        let message = infer_and_fold(&mut network).unwrap_err().to_string();
        assert!(message.contains("outside the sequence of 2"), "{message}");
    }

    #[test]
    fn a_random_operator_is_never_folded() {
        let mut network = Graph::new()
            .constant("like", HostTensor::f32(vec![2], vec![0.0, 0.0]).unwrap())
            .node("RandomNormalLike", &["like"], &["noise"])
            .output("noise")
            .build();
        infer_and_fold(&mut network).unwrap();
        assert_eq!(ops(&network), ["RandomNormalLike"]);
        assert_eq!(value(&network, "noise").shape, Some(vec![2]));
    }
}
