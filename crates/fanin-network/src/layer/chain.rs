//! The way from stored tensors to every value that is made of them alone.
//!
//! Between a stored tensor and the product that uses it lie casts, transposes, reshapes, slices, picks
//! from stacks, joins of parts, and reparametrizations: weight norm, spectral norm, factors, low-rank
//! pairs. All are followed at once, node by node in the order of the run: a value is made of parts, one
//! for each tensor, and a part knows which of the value's axes are which of the tensor's ([`Axes`]), by
//! which constants it was multiplied, and how it scales: c times the tensor makes it c^d times as large.
//! The degrees tell the reparametrizations apart without a list of their spellings. In g · v / ‖v‖ the
//! part of v has degree 1 - 1 = 0, so that only its direction counts, and g has degree 1; so has a matrix
//! divided by its own spectral norm the degree 0.

use super::axes::Axes;
use crate::number::number;
use crate::operator::{Binary, Variadic};
use crate::operator::{Class, Operator, ReduceKind, Setting, Unary};
use crate::parameter::is_float_only_by_type;
use crate::{Network, Node, NodeId, ValueId, ValueKind};

/// Parts that all values together may have: 64 for each value, and this many more. What is joined of
/// more parts than any real network joins is not followed further.
const PARTS_BESIDE: usize = 1 << 16;
/// Parts that one value may have.
const PARTS_OF_ONE: usize = 1 << 10;

/// What of a value comes from one stored tensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    /// The tensor: the value of a parameter.
    pub(crate) tensor: ValueId,
    /// Where its elements went.
    pub(crate) axes: Axes,
    /// d, where c times the tensor makes this part c^d times as large for every c > 0.
    pub(crate) degree: Option<f32>,
    /// What it was multiplied by.
    pub(crate) factor: f64,
    /// Axes of the tensor that a product with other tensors summed over.
    pub(crate) summed: Vec<usize>,
    /// Ids known before the run by which rows were picked on the way.
    pub(crate) picked_by: Option<ValueId>,
}

impl Part {
    fn with(&self, axes: Axes) -> Self {
        Self {
            axes,
            ..self.clone()
        }
    }

    /// Whether its elements are elements of the value, one for one, not factors that many of them
    /// share nor terms of sums.
    pub(crate) fn is_carrier(&self) -> bool {
        self.axes.is_carrier() && self.summed.is_empty()
    }

    fn powered(mut self, exponent: f32) -> Self {
        self.degree = self.degree.map(|degree| degree * exponent);
        self.factor = self.factor.abs().powf(exponent.into());
        self
    }
}

/// The parts of all values that are made of stored tensors alone.
#[derive(Debug)]
pub(crate) struct Chains {
    parts: Vec<Vec<Part>>,
}

impl Chains {
    /// Follows every parameter to the values that `signal` does not count among its own.
    pub(crate) fn of(network: &Network, signal: &[bool]) -> Self {
        let mut chains = Self {
            parts: vec![Vec::new(); network.values.len()],
        };
        let mut left = network.values.len().saturating_mul(64) + PARTS_BESIDE;
        for parameter in &network.parameters {
            if let Some(own) = chains.parts.get_mut(parameter.value.index()) {
                own.push(Part {
                    tensor: parameter.value,
                    axes: Axes::identity(&parameter.shape),
                    degree: Some(1.0),
                    factor: 1.0,
                    summed: Vec::new(),
                    picked_by: None,
                });
            }
        }
        let is_signal = |id: ValueId| signal.get(id.index()).copied().unwrap_or(false);
        for index in 0..network.nodes.len() {
            let id = NodeId::from(index);
            let node = network.node(id);
            let made = node
                .inputs
                .iter()
                .flatten()
                .any(|i| !chains.at(*i).is_empty());
            if !made
                || node
                    .outputs
                    .iter()
                    .flatten()
                    .any(|&output| is_signal(output))
            {
                continue;
            }
            for (k, output) in node.outputs.iter().enumerate() {
                let Some(output) = *output else { continue };
                let parts = chains.made(network, id, k, output);
                if parts.len() > left.min(PARTS_OF_ONE) {
                    continue;
                }
                left -= parts.len();
                if let Some(own) = chains.parts.get_mut(output.index())
                    && !matches!(network.value(output).kind, ValueKind::Parameter(_))
                {
                    *own = parts;
                }
            }
        }
        chains
    }

    /// The parts of a value; none for what depends on the network's input, and for constants.
    pub(crate) fn at(&self, id: ValueId) -> &[Part] {
        self.parts.get(id.index()).map_or(&[], Vec::as_slice)
    }

    /// What the k-th output of a node is made of.
    fn made(&self, network: &Network, id: NodeId, k: usize, output: ValueId) -> Vec<Part> {
        let node = network.node(id);
        let to = shape(network, output);
        let first = node.inputs.first().copied().flatten();
        let own = first.map_or(&[][..], |first| self.at(first));
        let from = first.map_or(&[][..], |first| shape(network, first));
        let along = |axis: i64| along(axis, from.len());
        let each = |map: &dyn Fn(&Part) -> Option<Axes>| -> Vec<Part> {
            let parts = own.iter();
            parts
                .filter_map(|part| Some(part.with(map(part)?)))
                .collect()
        };
        match &node.operator {
            Operator::Transpose { perm } => {
                let turned: Vec<usize> = (0..from.len()).rev().collect();
                let perm = perm.as_ref().map_or(turned, |perm| {
                    let axes = perm.iter();
                    axes.map(|&axis| usize::try_from(axis).unwrap_or(usize::MAX))
                        .collect()
                });
                each(&|part| Some(part.axes.transposed(&perm)))
            }
            Operator::Reshape(_)
            | Operator::Flatten { .. }
            | Operator::Squeeze { .. }
            | Operator::Unsqueeze { .. } => each(&|part| Some(part.axes.reshaped(from, to))),
            Operator::Identity
            | Operator::Cast { .. }
            | Operator::CastLike
            | Operator::Dropout(_)
            | Operator::QuantizeLinear(_)
            | Operator::DequantizeLinear(_) => each(&|part| Some(part.axes.clone())),
            Operator::Expand => each(&|part| Some(part.axes.broadcast(to))),
            Operator::Slice(slice) => match self::slice(network, node, slice, from) {
                Some(cuts) => each(&|part| {
                    let mut axes = part.axes.clone();
                    for (axis, range, step) in &cuts {
                        axes = axes.sliced(*axis, range.clone(), *step)?;
                    }
                    Some(axes)
                }),
                None => each(&|part| Some(part.axes.unfollowed(to))),
            },
            Operator::Split(split) => {
                let Some(axis) = along(split.axis) else {
                    return each(&|part| Some(part.axes.unfollowed(to)));
                };
                let before: usize = node
                    .outputs
                    .iter()
                    .take(k)
                    .map(|o| o.and_then(|o| shape(network, o).get(axis).copied()))
                    .try_fold(0usize, |sum, size| sum.checked_add(size?))
                    // An output left out is as long as this one, as far as one can tell.
                    .unwrap_or_else(|| k * to.get(axis).copied().unwrap_or(0));
                let own = before..before + to.get(axis).copied().unwrap_or(0);
                each(&|part| part.axes.sliced(axis, own.clone(), 1))
            }
            Operator::Gather { axis } => self.gathered(network, node, along(*axis), from),
            Operator::Concat { axis } => {
                let mut parts = Vec::new();
                let mut before = 0;
                for input in node.inputs.iter().flatten() {
                    let sizes = shape(network, *input);
                    let Some(axis) = self::along(*axis, sizes.len()) else {
                        continue;
                    };
                    let moved = self.at(*input).iter();
                    parts.extend(moved.map(|p| p.with(p.axes.clone().behind(axis, before))));
                    before += sizes.get(axis).copied().unwrap_or(0);
                }
                parts
            }
            Operator::Reduce(reduce) => {
                let degree = match reduce.kind {
                    ReduceKind::SumSquare => Some(2.0),
                    ReduceKind::Sum
                    | ReduceKind::Mean
                    | ReduceKind::Min
                    | ReduceKind::Max
                    | ReduceKind::L1
                    | ReduceKind::L2 => Some(1.0),
                    ReduceKind::Prod | ReduceKind::LogSum | ReduceKind::LogSumExp => None,
                };
                let reduced = |part: &Part| Part {
                    degree: part.degree.zip(degree).map(|(a, b)| a * b),
                    axes: if to.len() == from.len() {
                        part.axes.reduced(to)
                    } else {
                        part.axes.reduced(&vec![1; from.len()]).broadcast(to)
                    },
                    factor: match reduce.kind {
                        ReduceKind::SumSquare => part.factor * part.factor,
                        _ => part.factor,
                    },
                    ..part.clone()
                };
                own.iter().map(reduced).collect()
            }
            Operator::MatMul(_) | Operator::Gemm(_) | Operator::Einsum(_) => {
                self.product(network, node, to)
            }
            Operator::Binary(Binary::Mul | Binary::Div | Binary::Pow) => {
                self.multiplied(network, node, to)
            }
            Operator::Binary(Binary::Add | Binary::Sub) | Operator::Variadic(Variadic::Sum) => {
                self.added(node, to)
            }
            Operator::Unary(unary) => {
                let facts = node.operator.facts();
                let changed = |part: &Part| match (unary, facts.degree) {
                    (Unary::Sqrt, _) => part.clone().powered(0.5),
                    (Unary::Reciprocal, _) => part.clone().powered(-1.0),
                    (_, Some(degree)) if degree != 1.0 => part.clone().powered(degree),
                    (_, degree) => Part {
                        degree: degree.and(part.degree),
                        ..part.clone()
                    },
                };
                own.iter().map(changed).collect()
            }
            other => {
                let facts = other.facts();
                match facts.class {
                    Class::Looks | Class::Generates => Vec::new(),
                    // Nothing more is known than that axes match from the last one on.
                    _ => {
                        let mut parts = Vec::new();
                        for (slot, input) in node.inputs.iter().enumerate() {
                            let Some(input) = *input else { continue };
                            if is_float_only_by_type(other, slot) {
                                continue;
                            }
                            parts.extend(self.at(input).iter().map(|part| Part {
                                axes: part.axes.unfollowed(to),
                                degree: part.degree.filter(|_| facts.degree == Some(1.0)),
                                ..part.clone()
                            }));
                        }
                        parts
                    }
                }
            }
        }
    }

    /// Rows or a part picked along an axis by ids.
    fn gathered(
        &self,
        network: &Network,
        node: &Node,
        axis: Option<usize>,
        from: &[usize],
    ) -> Vec<Part> {
        let (Some(data), Some(ids)) = (
            node.inputs.first().copied().flatten(),
            node.inputs.get(1).copied().flatten(),
        ) else {
            return Vec::new();
        };
        let Some(axis) = axis else {
            return Vec::new();
        };
        let size = from.get(axis).copied().unwrap_or(0);
        let known: Option<Vec<usize>> = network.constant(ids).and_then(|ids| {
            let positions = ids.to_i64()?;
            let position = |id: i64| {
                let id = if id < 0 {
                    id.checked_add(i64::try_from(size).ok()?)?
                } else {
                    id
                };
                usize::try_from(id).ok()
            };
            positions.into_iter().map(position).collect()
        });
        let ids_shape = shape(network, ids);
        let parts = self.at(data).iter();
        parts
            .filter_map(|part| {
                let axes = match (&known, ids_shape) {
                    (Some(known), []) => part.axes.picked(axis, Some(*known.first()?))?,
                    (None, []) => part.axes.picked(axis, None)?,
                    (Some(known), [_]) if consecutive(known) => {
                        let first = *known.first()?;
                        part.axes.sliced(axis, first..first + known.len(), 1)?
                    }
                    _ => part.axes.looked_up(axis, ids_shape),
                };
                Some(Part {
                    picked_by: Some(ids),
                    ..part.with(axes)
                })
            })
            .collect()
    }

    /// The product of two tensors, or of two values made of them.
    fn product(&self, network: &Network, node: &Node, to: &[usize]) -> Vec<Part> {
        let mut parts = Vec::new();
        for (slot, input) in node.inputs.iter().enumerate().take(2) {
            let Some(input) = *input else { continue };
            let turned = match &node.operator {
                Operator::MatMul(product) if slot == 0 => product.transpose_a,
                Operator::MatMul(product) => product.transpose_b,
                Operator::Gemm(product) if slot == 0 => product.transpose_a,
                Operator::Gemm(product) => product.transpose_b,
                _ => false,
            };
            let rank = shape(network, input).len();
            for part in self.at(input) {
                if matches!(node.operator, Operator::Einsum(_)) {
                    parts.push(part.with(part.axes.unfollowed(to)));
                    continue;
                }
                let mut perm: Vec<usize> = (0..rank).collect();
                if turned && rank >= 2 {
                    perm.swap(rank - 1, rank - 2);
                }
                let (axes, summed) = part.axes.transposed(&perm).contracted(slot == 0, to);
                let mut part = part.with(axes);
                part.summed.extend(summed);
                parts.push(part);
            }
        }
        if let Some(added) = node.inputs.get(2).copied().flatten() {
            parts.extend(self.at(added).iter().map(|p| p.with(p.axes.broadcast(to))));
        }
        gathered_up(parts, true)
    }

    /// A product or quotient, element by element.
    fn multiplied(&self, network: &Network, node: &Node, to: &[usize]) -> Vec<Part> {
        let operand = |slot: usize| node.inputs.get(slot).copied().flatten();
        let number_at = |slot: usize| operand(slot).and_then(|id| number(network, id));
        if let Operator::Binary(Binary::Pow) = node.operator {
            let own = operand(0).map_or(&[][..], |id| self.at(id));
            let exponent = number_at(1).map(|x| x as f32);
            let powered = |part: &Part| {
                let part = part.with(part.axes.broadcast(to));
                match exponent {
                    Some(exponent) => part.powered(exponent),
                    None => Part {
                        degree: None,
                        ..part
                    },
                }
            };
            return own.iter().map(powered).collect();
        }
        let divides = matches!(node.operator, Operator::Binary(Binary::Div));
        let mut parts = Vec::new();
        for slot in [0, 1] {
            let Some(id) = operand(slot) else { continue };
            let other = number_at(1 - slot);
            for part in self.at(id) {
                let mut part = part.with(part.axes.broadcast(to));
                if divides && slot == 1 {
                    part.degree = part.degree.map(|degree| -degree);
                    part.factor = other.unwrap_or(1.0) / part.factor;
                } else if divides {
                    part.factor /= other.unwrap_or(1.0);
                } else {
                    part.factor *= other.unwrap_or(1.0);
                }
                parts.push(part);
            }
        }
        gathered_up(parts, true)
    }

    /// A sum, element by element.
    fn added(&self, node: &Node, to: &[usize]) -> Vec<Part> {
        let inputs = node.inputs.iter().flatten();
        let parts = inputs.flat_map(|&input| self.at(input));
        let parts = parts.map(|part| part.with(part.axes.broadcast(to)));
        gathered_up(parts.collect(), false)
    }
}

/// One part for those of one tensor that lie at the same place: where the tensor meets itself
/// (v · v, v / ‖v‖, W - mean(W)). Of such the one whose elements the value's are stays.
fn gathered_up(parts: Vec<Part>, multiplied: bool) -> Vec<Part> {
    let mut kept: Vec<Part> = Vec::new();
    for part in parts {
        let alike = kept.iter().position(|other| {
            other.tensor == part.tensor
                && (other.axes == part.axes || !other.is_carrier() || !part.is_carrier())
        });
        let Some(at) = alike else {
            kept.push(part);
            continue;
        };
        let Some(other) = kept.get_mut(at) else {
            continue;
        };
        let degree = other.degree.zip(part.degree);
        let degree = if multiplied {
            degree.map(|(a, b)| a + b)
        } else {
            degree.filter(|(a, b)| a == b).map(|(a, _)| a)
        };
        let factor = if multiplied {
            other.factor * part.factor
        } else {
            other.factor
        };
        if part.is_carrier() && !other.is_carrier() {
            *other = part;
        }
        other.degree = degree;
        other.factor = factor;
    }
    kept
}

fn shape(network: &Network, id: ValueId) -> &[usize] {
    network.value(id).shape.as_deref().unwrap_or_default()
}

/// An axis that may be counted from the end.
fn along(axis: i64, rank: usize) -> Option<usize> {
    let rank = i64::try_from(rank).ok()?;
    let axis = if axis < 0 { axis + rank } else { axis };
    usize::try_from(axis).ok().filter(|_| axis < rank)
}

fn consecutive(positions: &[usize]) -> bool {
    positions.windows(2).all(|pair| match pair {
        [a, b] => a.checked_add(1) == Some(*b),
        _ => true,
    }) && !positions.is_empty()
}

/// The elements of a setting, where they are known before the run.
fn known(network: &Network, node: &Node, setting: &Setting<Vec<i64>>) -> Option<Option<Vec<i64>>> {
    match setting {
        Setting::Given(list) => Some(Some(list.clone())),
        Setting::Absent => Some(None),
        Setting::Input(slot) => match node.inputs.get(*slot).copied().flatten() {
            None => Some(None),
            Some(id) => network.constant(id)?.to_i64().map(Some),
        },
    }
}

/// The cuts of a slice; `None` where they are not known or go backwards.
fn slice(
    network: &Network,
    node: &Node,
    slice: &crate::operator::Slice,
    from: &[usize],
) -> Option<Vec<(usize, std::ops::Range<usize>, usize)>> {
    let starts = known(network, node, &slice.starts)??;
    let ends = known(network, node, &slice.ends)??;
    let axes =
        known(network, node, &slice.axes)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = known(network, node, &slice.steps)?.unwrap_or_else(|| vec![1; starts.len()]);
    let mut cuts = Vec::new();
    for (((start, end), axis), step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
        let axis = along(*axis, from.len())?;
        let size = i64::try_from(*from.get(axis)?).ok()?;
        let step = usize::try_from(*step).ok().filter(|step| *step > 0)?;
        let place = |at: i64| {
            let at = if at < 0 { at.saturating_add(size) } else { at };
            usize::try_from(at.clamp(0, size)).ok()
        };
        let (start, end) = (place(*start)?, place(*end)?);
        cuts.push((axis, start..end.max(start), step));
    }
    Some(cuts)
}
