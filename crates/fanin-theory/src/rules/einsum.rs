//! `Einsum` of two operands: a linear map where one of them is a weight, scores or mixtures of
//! attention where none is.

use fanin_network::operator::Einsum;
use fanin_network::{Node, Operator, ValueId};

use super::back::{Arrival, Back};
use super::linear::{self, Map};
use super::{Context, Rule, Support, attention, count};
use crate::signal::Signal;

/// The equation of a product of two operands, whose letters occur once in each.
struct Equation<'a> {
    a: &'a str,
    b: &'a str,
    result: &'a str,
}

/// An ellipsis.
const REST: &str = "...";

impl<'a> Equation<'a> {
    fn of(einsum: &'a Einsum) -> Option<Self> {
        let (terms, result) = einsum.terms()?;
        let [a, b] = terms.as_slice() else {
            return None;
        };
        let once = |term: &str| {
            let letters = term.replacen(REST, "", 1);
            let mut each = letters.chars().enumerate();
            each.all(|(k, letter)| letter.is_alphabetic() && letters.find(letter) == Some(k))
        };
        let all = once(a) && once(b) && once(result);
        all.then_some(Self { a, b, result })
    }

    fn term(&self, slot: usize) -> &'a str {
        if slot == 0 { self.a } else { self.b }
    }

    /// Letters that both operands have and the result has not.
    fn contracted(&self) -> impl Iterator<Item = char> {
        let letters = self.a.chars().filter(|&letter| letter != '.');
        letters.filter(|&letter| self.b.contains(letter) && !self.result.contains(letter))
    }

    /// Letters of one operand alone that the result has not.
    fn summed(&self, slot: usize) -> impl Iterator<Item = char> {
        let other = self.term(1 - slot);
        let letters = self.term(slot).chars().filter(|&letter| letter != '.');
        letters.filter(move |&letter| !other.contains(letter) && !self.result.contains(letter))
    }

    /// Letters of one operand alone that the result has.
    fn free(&self, slot: usize) -> impl Iterator<Item = char> {
        let other = self.term(1 - slot);
        let letters = self.term(slot).chars().filter(|&letter| letter != '.');
        letters.filter(move |&letter| !other.contains(letter) && self.result.contains(letter))
    }
}

/// The size of a letter's axis.
fn size(term: &str, shape: &[usize], letter: char) -> Option<usize> {
    match term.find(REST) {
        Some(rest) if term.find(letter)? > rest => {
            let behind = term.chars().rev().position(|other| other == letter)?;
            shape.iter().rev().nth(behind).copied()
        }
        _ => shape.get(term.find(letter)?).copied(),
    }
}

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

/// Whether a product can be that of queries and keys: one query per row of its matrices, one key per
/// column.
pub(crate) fn scores(operator: &Operator) -> bool {
    match operator {
        Operator::MatMul(_) => true,
        Operator::Einsum(einsum) => Equation::of(einsum).is_some_and(|equation| {
            let mut last = equation.result.chars().rev();
            let (key, query) = (last.next(), last.next());
            equation.contracted().count() == 1
                && key.is_some_and(|key| equation.free(1).any(|letter| letter == key))
                && query.is_some_and(|query| equation.free(0).any(|letter| letter == query))
        }),
        _ => false,
    }
}

/// Whether a product can be a mixture of the values in its second operand by weights in its first,
/// whose last axis counts the values.
pub(crate) fn mixes(operator: &Operator) -> bool {
    match operator {
        Operator::MatMul(product) => {
            !product.transpose_a && !product.transpose_b && product.alpha == 1.0
        }
        Operator::Einsum(einsum) => Equation::of(einsum).is_some_and(|equation| {
            let last = equation.b.chars().next_back();
            equation.contracted().eq(equation.a.chars().next_back())
                && equation
                    .summed(0)
                    .chain(equation.summed(1))
                    .next()
                    .is_none()
                && last.is_some_and(|last| equation.free(1).any(|letter| letter == last))
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn einsum(equation: &str) -> Operator {
        Operator::Einsum(Einsum {
            equation: equation.to_owned(),
        })
    }

    #[test]
    fn attention_is_told_by_its_letters() {
        assert!(scores(&einsum("bhqd,bhkd->bhqk")));
        assert!(scores(&einsum("bqhd,bkhd->bhqk")));
        assert!(!scores(&einsum("bqhd,bkhd->bhkq")));
        assert!(mixes(&einsum("bhqk,bhkd->bhqd")));
        assert!(mixes(&einsum("bhqk,bkhd->bqhd")));
        assert!(!mixes(&einsum("bhqk,bhkd->bhd")));
    }

    #[test]
    fn letters_behind_an_ellipsis_count_from_the_end() {
        let shape = [2, 3, 5, 7];
        assert_eq!(size("a...i", &shape, 'i'), Some(7));
        assert_eq!(size("a...i", &shape, 'a'), Some(2));
        assert_eq!(size("abci", &shape, 'c'), Some(5));
    }
}
