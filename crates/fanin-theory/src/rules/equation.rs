//! The letters of a product of two operands: which axes it sums over, and what that makes of it in attention.

use fanin_network::Operator;
use fanin_network::operator::Einsum;

/// The equation of a product of two operands, whose letters occur once in each.
pub(crate) struct Equation<'a> {
    pub(crate) a: &'a str,
    pub(crate) b: &'a str,
    pub(crate) result: &'a str,
}

/// An ellipsis.
const REST: &str = "...";

impl<'a> Equation<'a> {
    pub(crate) fn of(einsum: &'a Einsum) -> Option<Self> {
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

    pub(crate) fn term(&self, slot: usize) -> &'a str {
        if slot == 0 { self.a } else { self.b }
    }

    /// Letters that both operands have and the result has not.
    pub(crate) fn contracted(&self) -> impl Iterator<Item = char> {
        let letters = self.a.chars().filter(|&letter| letter != '.');
        letters.filter(|&letter| self.b.contains(letter) && !self.result.contains(letter))
    }

    /// Letters of one operand alone that the result has not.
    pub(crate) fn summed(&self, slot: usize) -> impl Iterator<Item = char> {
        let other = self.term(1 - slot);
        let letters = self.term(slot).chars().filter(|&letter| letter != '.');
        letters.filter(move |&letter| !other.contains(letter) && !self.result.contains(letter))
    }

    /// Letters of one operand alone that the result has.
    pub(crate) fn free(&self, slot: usize) -> impl Iterator<Item = char> {
        let other = self.term(1 - slot);
        let letters = self.term(slot).chars().filter(|&letter| letter != '.');
        letters.filter(move |&letter| !other.contains(letter) && self.result.contains(letter))
    }
}

/// The size of a letter's axis.
pub(crate) fn size(term: &str, shape: &[usize], letter: char) -> Option<usize> {
    match term.find(REST) {
        Some(rest) if term.find(letter)? > rest => {
            let behind = term.chars().rev().position(|other| other == letter)?;
            shape.iter().rev().nth(behind).copied()
        }
        _ => shape.get(term.find(letter)?).copied(),
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
