//! One operation of a graph.

use crate::{Attributes, Operator, ValueId};

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The name in the model, or `Op_k` where it has none. Unique.
    pub name: String,
    /// Operator domain; empty for ONNX's own.
    pub domain: String,
    /// Operator, as the model spells it: `Conv`, `Gemm`, `FusedMatMul`. For messages and for files
    /// that are written back; what it means is [`Self::operator`].
    pub op: String,
    /// The version of the operator set the model asks for in this domain.
    pub opset: i64,
    /// Attributes as the model states them.
    pub attributes: Attributes,
    /// What the node does: name, operator set and attributes read once.
    pub operator: Operator,
    /// Inputs in order; `None` for an optional one left out.
    pub inputs: Vec<Option<ValueId>>,
    /// Outputs in order; `None` for an optional one left out.
    pub outputs: Vec<Option<ValueId>>,
}

impl Node {
    /// A node whose operator is parsed.
    ///
    /// # Errors
    ///
    /// One sentence without the node's name, where an attribute means nothing for its operator.
    pub fn new(
        name: impl Into<String>,
        domain: impl Into<String>,
        op: impl Into<String>,
        opset: i64,
        attributes: Attributes,
        inputs: Vec<Option<ValueId>>,
        outputs: Vec<Option<ValueId>>,
    ) -> Result<Self, String> {
        let (domain, op) = (domain.into(), op.into());
        let operator = Operator::parse(
            &domain,
            &op,
            opset,
            &attributes,
            inputs.len(),
            outputs.len(),
        )?;
        Ok(Self {
            name: name.into(),
            domain,
            op,
            opset,
            attributes,
            operator,
            inputs,
            outputs,
        })
    }

    /// Makes it another operator of the same domain and operator set at the same place.
    ///
    /// # Errors
    ///
    /// As [`Self::new`]; the node is unchanged then.
    pub fn set_operator(
        &mut self,
        op: &str,
        attributes: Attributes,
        inputs: Vec<Option<ValueId>>,
        outputs: Vec<Option<ValueId>>,
    ) -> Result<(), String> {
        let name = self.name.clone();
        let domain = self.domain.clone();
        *self = Self::new(name, domain, op, self.opset, attributes, inputs, outputs)?;
        Ok(())
    }

    /// The operator as the model spells it, for messages.
    pub fn op_name(&self) -> &str {
        &self.op
    }

    /// The k-th input, if it is there.
    pub fn input(&self, k: usize) -> Option<ValueId> {
        self.inputs.get(k).copied().flatten()
    }

    /// The k-th output, if it is there.
    pub fn output(&self, k: usize) -> Option<ValueId> {
        self.outputs.get(k).copied().flatten()
    }
}
