//! `Einsum` of two operands: a linear map where one of them is a weight, scores or mixtures of
//! attention where none is.

use fanin_network::operator::Einsum;
use fanin_network::{Node, ValueId};

use super::back::{Arrival, Back};
use super::equation::{Equation, scores, size};
use super::linear;
use super::map::Map;
use super::{Context, Rule, Support, attention, count};
use crate::signal::Signal;

impl Rule for Einsum {
    fn support(&self) -> Support {
        let known = Equation::of(self).is_some();
        Support {
            forward: known,
            backward: known,
        }
    }

    fn map(&self, context: &Context<'_>, node: &Node) -> Option<Map> {
        let equation = Equation::of(self)?;
        let (data, weight) = linear::weight_side(context, node)?;
        let shapes = [context.shape(node, 0)?, context.shape(node, 1)?];
        let sizes = |slot: usize, letters: Vec<char>| -> Option<f64> {
            let shape = shapes.get(slot)?;
            let mut product = 1.0;
            for letter in letters {
                product *= size(equation.term(slot), shape, letter)? as f64;
            }
            Some(product)
        };
        // What the signal is summed over alone adds up places, of which a map knows nothing.
        if equation.summed(data).next().is_some() {
            return None;
        }
        let terms = sizes(0, equation.contracted().collect())?;
        let (terms, units) = if context.signal(node, weight)?.parameter {
            let summed = sizes(weight, equation.summed(weight).collect())?;
            (
                terms * summed,
                sizes(weight, equation.free(weight).collect())?,
            )
        } else {
            if equation.summed(weight).next().is_some() || !scores(&node.operator) {
                return None;
            }
            (terms, linear::heads_of_scores(context, node, data, weight)?)
        };
        let output = context.output_shape(node)?;
        Some(Map {
            data,
            weight,
            edges: count(output) * terms,
            outputs: count(output),
            inputs: count(context.shape(node, data)?),
            units,
            factor: 1.0,
            bias: None,
            added: None,
            activation: None,
            window: None,
        })
    }

    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        let linear = || linear::of_input(context, node, &self.map(context, node)?, output);
        linear().or_else(|| attention::mixture(context, node, output))
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        match self.map(arrival.context, arrival.node) {
            Some(map) => linear::backward(arrival, &map),
            None => attention::mixture_back(arrival),
        }
    }
}
