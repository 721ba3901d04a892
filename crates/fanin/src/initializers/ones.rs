//! `ones`: every value 1.

use super::Entry;

pub(super) const ENTRY: Entry = Entry {
    name: "ones",
    aliases: &["one"],
    formula: "w = 1",
    when: "Scales of normalization layers; the forget gate's bias of an LSTM.",
    reference: "Ioffe and Szegedy, Batch Normalization, ICML 2015; Jozefowicz, Zaremba and Sutskever, An Empirical \
                Exploration of Recurrent Network Architectures, ICML 2015",
    example: "ones",
};

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    #[test]
    fn all_one() {
        let mut out = [0f64; 4];
        Initializer::Ones
            .fill(Seed::new(0), "g", &[4], &Layout::vector(), &mut out)
            .unwrap();
        assert_eq!(out, [1.0; 4]);
    }
}
