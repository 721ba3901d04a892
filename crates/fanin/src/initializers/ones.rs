//! `ones`: every value 1.

use super::Entry;
use super::rule::{Rule, Unfit, rule};
use crate::Layout;
use crate::filler::Values;
use crate::sampler::Sampler;

rule! {
    /// Every value 1.
    Ones as ones {}
}

impl Rule for Ones {
    const ENTRY: Entry = Entry {
        name: "ones",
        aliases: &["one"],
        formula: "w = 1",
        when: "Scales of normalization layers; the forget gate's bias of an LSTM.",
        reference: "Ioffe and Szegedy, Batch Normalization, ICML 2015; Jozefowicz, Zaremba and Sutskever, An Empirical \
                    Exploration of Recurrent Network Architectures, ICML 2015",
        example: "ones",
    };

    fn resolve(&self, _: &[usize], _: &Layout) -> Result<Values, Unfit> {
        Ok(Values::Each(Sampler::Constant(1.0)))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    #[test]
    fn all_one() {
        let mut out = [0f64; 4];
        Initializer::ones()
            .fill(Seed::new(0), "g", &[4], &Layout::vector(), &mut out)
            .unwrap();
        assert_eq!(out, [1.0; 4]);
    }
}
