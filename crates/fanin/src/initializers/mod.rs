//! The rules that turn a shape into values, one per file.
//!
//! Each file holds one idea: its formula, when to use it, where it comes from, an example, and its tests. The list of all
//! is the call of `initializers!` below; a new initializer is a file, its `pub mod` and its line there.

mod arguments;
pub mod array;
pub mod bilinear;
mod by_fans;
pub mod chrono;
pub mod concat;
pub mod constant;
pub mod deepnorm;
pub mod delta_orthogonal;
pub mod embedding;
mod error;
pub mod fixup;
pub mod forget_gate;
mod grid;
mod haar;
pub mod hadamard;
pub mod identity;
pub mod idinit;
pub mod kaiming;
pub mod layer_scale;
pub mod lecun;
pub mod log_uniform;
pub mod lora;
pub mod mimetic;
pub mod mirrored;
pub mod mup;
pub mod nguyen_widrow;
pub mod normal;
pub mod ones;
pub mod orthogonal;
pub mod orthogonal_conv;
mod pattern;
pub mod prior_bias;
pub mod random_walk;
pub mod residual;
mod resolve;
pub mod rezero;
mod rule;
pub mod scaled;
pub mod siren;
pub mod small_init;
pub mod sparse;
pub mod spectral;
mod structure;
mod structured;
mod syntax;
pub mod t_fixup;
pub mod truncated_normal;
pub mod truncated_normal_absolute;
pub mod uniform;
pub mod variance_scaling;
pub mod wang_init;
pub mod xavier;
pub mod zeros;

pub use error::InitError;
pub(crate) use haar::Haar;
pub(crate) use structured::Structured;
pub use variance_scaling::{Distribution, UnknownDistribution};

use self::arguments::Arguments;
use self::rule::{Rule, Unfit};
use crate::filler::Values;
use crate::text::{Call, ParseError};
use crate::{Element, Layout, Seed, Stream};

/// Makes [`Initializer`] and the catalogue from the list of rules: `module: Rule, …;`, with further types that the module
/// makes public, the words of an argument, in brackets.
macro_rules! initializers {
    ($( $module:ident: $($rule:ident),+ $(($($word:ident),+))?; )+) => {
        $(
            pub use $module::{$($rule,)+ $($($word),+)?};
        )+

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
        /// Every variant can also be written directly, as `Normal { mean: 0.0, std: 0.02 }.into()`; its numbers are then checked
        /// when it is resolved.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Initializer {
            $($(
                #[doc = concat!("See [`mod@", stringify!($module), "`].")]
                $rule($rule),
            )+)+
        }

        $($(
            impl From<$rule> for Initializer {
                fn from(rule: $rule) -> Self {
                    Self::$rule(rule)
                }
            }
        )+)+

        static CATALOGUE: &[Entry] = &[$($(<$rule as Rule>::ENTRY,)+)+];

        // What the rule within says of itself.
        impl Initializer {
            /// What there is to say about this initializer.
            pub fn describe(&self) -> &'static Entry {
                match self {
                    $($(Self::$rule(_) => &<$rule as Rule>::ENTRY,)+)+
                }
            }

            fn arguments(&self) -> Vec<String> {
                match self {
                    $($(Self::$rule(rule) => rule.arguments(),)+)+
                }
            }

            /// Reads the arguments of the initializer that is called `name` in the catalogue.
            fn read(name: &str, call: Call) -> Result<Self, ParseError> {
                $($(
                    if name == <$rule as Rule>::ENTRY.name {
                        return $rule::read(call).map(Self::from);
                    }
                )+)+
                Err(ParseError::new(call.position, format!("unknown initializer '{name}'")))
            }

            fn exact(&self) -> bool {
                match self {
                    $($(Self::$rule(rule) => rule.exact(),)+)+
                }
            }

            fn inner(&self) -> Vec<&Self> {
                match self {
                    $($(Self::$rule(rule) => rule.inner(),)+)+
                }
            }

            fn own_fault(&self) -> Option<&'static str> {
                match self {
                    $($(Self::$rule(rule) => rule.fault(),)+)+
                }
            }

            fn values(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
                match self {
                    $($(Self::$rule(rule) => rule.resolve(shape, layout),)+)+
                }
            }
        }
    };
}

initializers! {
    zeros: Zeros;
    ones: Ones;
    constant: Constant;
    uniform: Uniform;
    normal: Normal;
    truncated_normal: TruncatedNormal;
    variance_scaling: VarianceScaling;
    xavier: XavierUniform, XavierNormal, XavierTruncated;
    kaiming: KaimingUniform, KaimingNormal, KaimingTruncated;
    lecun: LecunUniform, LecunNormal, LecunTruncated;
    orthogonal: Orthogonal;
    identity: Identity;
    concat: Concat;
    array: Array;
    log_uniform: LogUniform;
    truncated_normal_absolute: TruncatedNormalAbsolute;
    random_walk: RandomWalk (Units);
    delta_orthogonal: DeltaOrthogonal;
    orthogonal_conv: OrthogonalConv;
    hadamard: Hadamard;
    idinit: Idinit;
    sparse: Sparse (Per);
    mirrored: Mirrored (Sides);
    mimetic: Mimetic;
    bilinear: Bilinear;
    scaled: Scaled;
    residual: Residual;
    fixup: Fixup;
    rezero: Rezero;
    layer_scale: LayerScale;
    t_fixup: TFixup (Half);
    deepnorm: Deepnorm;
    small_init: SmallInit;
    wang_init: WangInit;
    mup: Mup (MupRole);
    spectral: Spectral;
    prior_bias: PriorBias, LogPrior;
    forget_gate: ForgetGate (Gates);
    chrono: Chrono;
    siren: SirenFirst, Siren;
    lora: LoraA, LoraB;
    nguyen_widrow: NguyenWidrow;
    embedding: Embedding;
}

/// What there is to say about one initializer; see [`catalogue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

/// Every initializer: name, formula, when to use it, reference, example.
///
/// ```
/// let entry = fanin::catalogue().iter().find(|entry| entry.aliases.contains(&"he_normal"));
/// assert_eq!(entry.map(|entry| entry.name), Some("kaiming_normal"));
/// ```
pub fn catalogue() -> &'static [Entry] {
    CATALOGUE
}

impl Initializer {
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

    /// Mean, std and bounds, and the std after the cut, from mpmath (tools/fanin_peers.py).
    pub(super) const CUT: [(f64, f64, f64, f64, f64); 8] = [
        (0.0, 0.02, -2.0, 2.0, 0.02),
        (0.0, 0.5, -1.0, 1.0, 0.439_812_830_517_119_9),
        (1.0, 2.0, 0.0, 3.0, 0.831_320_056_504_095_8),
        (0.0, 1.0, 5.0, 7.0, 0.180_774_732_075_647_4),
        (-3.0, 0.5, -10.0, -6.0, 0.077_439_713_308_429_11),
        (0.2, 1.0, -0.5, 0.25, 0.214_173_728_927_764_84),
        (0.0, 1.0, 30.0, 31.0, 0.033_223_056_930_921_97),
        (0.0, 1.0, -37.0, -20.0, 0.049_631_256_432_334_69),
    ];

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
