//! The rules that turn a shape into values, one per file.
//!
//! Each file holds one idea: its formula, when to use it, where it comes from, an example, and its tests.

pub mod concat;
pub mod constant;
pub mod identity;
pub mod kaiming;
pub mod lecun;
pub mod normal;
pub mod ones;
pub mod orthogonal;
mod resolve;
mod syntax;
pub mod truncated_normal;
pub mod uniform;
pub mod variance_scaling;
pub mod xavier;
pub mod zeros;

pub(crate) use concat::Spans;
pub(crate) use identity::Identity;
pub(crate) use orthogonal::Orthogonal;
pub use resolve::InitError;
pub use variance_scaling::{Distribution, UnknownDistribution};

use crate::{Element, Layout, Mode, Seed, Stream};

/// A rule that turns a shape and its layout into values.
///
/// It is data: it prints as its call, parses back to an equal value, and serialises as that text. Plans hold the text,
/// so the numbers in it decide the bits.
///
/// ```
/// # use fanin::{Initializer, Layout, Seed};
/// let he: Initializer = "kaiming_normal(gain=gelu)".parse()?;
/// assert_eq!(he.to_string(), "kaiming_normal(mode=fan_in, gain=1.5335304411955353)");
///
/// let mut weight = vec![0f32; 256 * 784];
/// he.fill(Seed::new(42), "layers.0.weight", &[256, 784], &Layout::linear_out_in(), &mut weight)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Every variant can also be written directly; its numbers are then checked when it is resolved.
#[derive(Clone, Debug, PartialEq)]
pub enum Initializer {
    /// See [`zeros`].
    Zeros,
    /// See [`ones`].
    Ones,
    /// See [`constant`].
    Constant {
        /// The value.
        value: f64,
    },
    /// See [`uniform`].
    Uniform {
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
    },
    /// See [`normal`].
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        std: f64,
    },
    /// See [`truncated_normal`].
    TruncatedNormal {
        /// Mean: of the normal distribution that is cut, or if `corrected` of the result.
        mean: f64,
        /// Standard deviation, likewise.
        std: f64,
        /// Lower bound, in standard deviations from the mean of the distribution that is cut.
        low: f64,
        /// Upper bound, likewise.
        high: f64,
        /// Whether `mean` and `std` are those of the result.
        corrected: bool,
    },
    /// See [`variance_scaling`].
    VarianceScaling {
        /// Variance times fan.
        scale: f64,
        /// Which fan.
        mode: Mode,
        /// Which family.
        distribution: Distribution,
    },
    /// See [`xavier`].
    XavierUniform {
        /// Factor on the standard deviation.
        gain: f64,
    },
    /// See [`xavier`].
    XavierNormal {
        /// Factor on the standard deviation.
        gain: f64,
    },
    /// See [`xavier`].
    XavierTruncated {
        /// Factor on the standard deviation.
        gain: f64,
    },
    /// See [`kaiming`].
    KaimingUniform {
        /// Which fan.
        mode: Mode,
        /// Factor on the standard deviation.
        gain: f64,
    },
    /// See [`kaiming`].
    KaimingNormal {
        /// Which fan.
        mode: Mode,
        /// Factor on the standard deviation.
        gain: f64,
    },
    /// See [`kaiming`].
    KaimingTruncated {
        /// Which fan.
        mode: Mode,
        /// Factor on the standard deviation.
        gain: f64,
    },
    /// See [`lecun`].
    LecunUniform {
        /// Factor on the standard deviation.
        gain: f64,
    },
    /// See [`lecun`].
    LecunNormal {
        /// Factor on the standard deviation.
        gain: f64,
    },
    /// See [`lecun`].
    LecunTruncated {
        /// Factor on the standard deviation.
        gain: f64,
    },
    /// See [`orthogonal`].
    Orthogonal {
        /// Factor on the matrix.
        gain: f64,
    },
    /// See [`identity`].
    Identity {
        /// The value on the diagonal.
        gain: f64,
    },
    /// See [`mod@concat`].
    Concat {
        /// The axis along which the parts lie.
        axis: usize,
        /// Size along the axis, and initializer, of each part.
        parts: Vec<(usize, Initializer)>,
    },
}

/// What there is to say about one initializer; see [`catalogue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name it prints as.
    pub name: &'static str,
    /// Other names that parse.
    pub aliases: &'static [&'static str],
    /// What it draws, as plain text.
    pub formula: &'static str,
    /// When to use it.
    pub when: &'static str,
    /// Where it comes from.
    pub reference: &'static str,
    /// A text that parses.
    pub example: &'static str,
}

static CATALOGUE: [Entry; 19] = [
    zeros::ENTRY,
    ones::ENTRY,
    constant::ENTRY,
    uniform::ENTRY,
    normal::ENTRY,
    truncated_normal::ENTRY,
    variance_scaling::ENTRY,
    xavier::UNIFORM,
    xavier::NORMAL,
    xavier::TRUNCATED,
    kaiming::UNIFORM,
    kaiming::NORMAL,
    kaiming::TRUNCATED,
    lecun::UNIFORM,
    lecun::NORMAL,
    lecun::TRUNCATED,
    orthogonal::ENTRY,
    identity::ENTRY,
    concat::ENTRY,
];

/// Every initializer: name, formula, when to use it, reference, example.
///
/// ```
/// let entry = fanin::catalogue().iter().find(|entry| entry.aliases.contains(&"he_normal"));
/// assert_eq!(entry.map(|entry| entry.name), Some("kaiming_normal"));
/// ```
pub fn catalogue() -> &'static [Entry] {
    &CATALOGUE
}

impl Initializer {
    /// What there is to say about this initializer.
    pub fn describe(&self) -> &'static Entry {
        let index = match self {
            Self::Zeros => 0,
            Self::Ones => 1,
            Self::Constant { .. } => 2,
            Self::Uniform { .. } => 3,
            Self::Normal { .. } => 4,
            Self::TruncatedNormal { .. } => 5,
            Self::VarianceScaling { .. } => 6,
            Self::XavierUniform { .. } => 7,
            Self::XavierNormal { .. } => 8,
            Self::XavierTruncated { .. } => 9,
            Self::KaimingUniform { .. } => 10,
            Self::KaimingNormal { .. } => 11,
            Self::KaimingTruncated { .. } => 12,
            Self::LecunUniform { .. } => 13,
            Self::LecunNormal { .. } => 14,
            Self::LecunTruncated { .. } => 15,
            Self::Orthogonal { .. } => 16,
            Self::Identity { .. } => 17,
            Self::Concat { .. } => 18,
        };
        &CATALOGUE[index]
    }

    /// The name, without arguments.
    pub fn name(&self) -> &'static str {
        self.describe().name
    }

    /// Fills the whole tensor called `name`; `out` must have exactly its elements.
    ///
    /// # Errors
    /// When the numbers, the shape or the layout do not fit the initializer, or `out` does not fit the shape.
    pub fn fill<T: Element>(
        &self,
        seed: Seed,
        name: &str,
        shape: &[usize],
        layout: &Layout,
        out: &mut [T],
    ) -> Result<(), InitError> {
        let filler = self.resolve(shape, layout)?;
        if filler.len() != out.len() as u64 {
            return Err(InitError::Length {
                shape: shape.to_vec(),
                elements: filler.len(),
                given: out.len(),
            });
        }
        filler
            .fill(&Stream::new(seed, name), 0, out)
            .map_err(InitError::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_complete_and_its_examples_parse() {
        for entry in catalogue() {
            let parsed: Initializer = entry.example.parse().unwrap();
            assert_eq!(parsed.name(), entry.name);
            for text in [entry.formula, entry.when, entry.reference] {
                assert!(
                    !text.is_empty() && !text.contains("  "),
                    "{}: {text}",
                    entry.name
                );
            }
        }
        let mut names: Vec<_> = catalogue()
            .iter()
            .flat_map(|e| e.aliases.iter().chain([&e.name]))
            .collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "a name is used twice");
    }
}
