//! `zeros`: every value 0.

use super::Entry;

pub(super) const ENTRY: Entry = Entry {
    name: "zeros",
    aliases: &["zero"],
    formula: "w = 0",
    when: "Biases; the last weight of a residual branch that should start as the identity. Not for a weight between \
           hidden units: all of them would stay equal.",
    reference: "Goodfellow, Bengio and Courville, Deep Learning, 2016, section 8.4",
    example: "zeros",
};

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed, Stream};

    #[test]
    fn all_zero_in_every_dtype_and_layout() {
        let filler = Initializer::Zeros
            .resolve(&[3, 5], &Layout::linear_out_in())
            .unwrap();
        let mut out = [half::f16::ONE; 15];
        filler
            .fill(&Stream::new(Seed::new(0), "b"), 0, &mut out)
            .unwrap();
        assert!(out.iter().all(|x| x.to_bits() == 0));
        assert_eq!(filler.expected_std(), Some(0.0));
    }
}
