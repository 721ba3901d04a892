//! `normal(mean, std)`: the normal distribution.

use super::Entry;
use super::arguments::Usual;
use super::rule::{Rule, Unfit, normal_fault, rule};
use crate::Layout;
use crate::filler::Values;
use crate::sampler::{self, Sampler};

rule! {
    /// N(`mean`, `std`²).
    Normal as normal {
        /// Mean.
        mean: f64 = Usual::Shown(0.0),
        /// Standard deviation.
        std: f64,
    }
}

impl Rule for Normal {
    const ENTRY: Entry = Entry {
        name: "normal",
        aliases: &["random_normal", "gaussian"],
        formula: "w ~ N(mean, std²), by the Box-Muller transformation; |w - mean| <= 6.66 std",
        when: "When a standard deviation is given: 0.02 of GPT-2, √(2/(5 d)) of small init, embeddings.",
        reference: "Box and Muller, A Note on the Generation of Random Normal Deviates, Ann. Math. Statist. 29, 1958",
        example: "normal(mean=0, std=0.02)",
    };

    fn fault(&self) -> Option<&'static str> {
        normal_fault(self.mean, self.std)
    }

    fn resolve(&self, _: &[usize], _: &Layout) -> Result<Values, Unfit> {
        let Self { mean, std } = *self;
        Ok(Values::Each(Sampler::Normal(sampler::Normal { mean, std })))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    #[test]
    fn mean_and_std_shift_and_scale() {
        let draw = |mean, std| {
            let mut out = vec![0f64; 1000];
            let normal = Initializer::normal(mean, std).unwrap();
            normal
                .fill(Seed::new(1), "n", &[1000], &Layout::vector(), &mut out)
                .unwrap();
            out
        };
        let standard = draw(0.0, 1.0);
        for (x, z) in draw(3.0, 0.5).iter().zip(&standard) {
            assert_eq!(*x, 3.0 + 0.5 * z);
        }
        assert_eq!(draw(3.0, 0.0), [3.0; 1000]);
    }

    #[test]
    fn negative_std_is_refused() {
        let error = Initializer::normal(0.0, -0.02).unwrap_err().to_string();
        assert_eq!(error, "normal(mean=0, std=-0.02): std must not be negative");
    }
}
