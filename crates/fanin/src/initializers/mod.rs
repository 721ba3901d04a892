//! The rules that turn a shape into values, one per file.
//!
//! Each file holds one idea: its formula, when to use it, where it comes from, an example, and its tests.

pub mod array;
pub mod bilinear;
pub mod chrono;
pub mod concat;
pub mod constant;
pub mod deepnorm;
pub mod delta_orthogonal;
pub mod embedding;
pub mod fixup;
pub mod forget_gate;
mod grid;
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

pub use array::Array;
pub use bilinear::Bilinear;
pub use chrono::Chrono;
pub(crate) use concat::Spans;
pub use deepnorm::Deepnorm;
pub use delta_orthogonal::DeltaOrthogonal;
pub use embedding::Embedding;
pub use fixup::Fixup;
pub use forget_gate::{ForgetGate, Gates};
pub use hadamard::Hadamard;
pub use idinit::Idinit;
pub use layer_scale::LayerScale;
pub use log_uniform::LogUniform;
pub use lora::{LoraA, LoraB};
pub use mimetic::Mimetic;
pub use mirrored::{Mirrored, Sides};
pub use mup::{Mup, MupRole};
pub use nguyen_widrow::NguyenWidrow;
pub(crate) use orthogonal::Orthogonal;
pub use orthogonal_conv::OrthogonalConv;
pub use prior_bias::{LogPrior, PriorBias};
pub use random_walk::{RandomWalk, Units};
pub use residual::Residual;
pub use resolve::InitError;
pub use rezero::Rezero;
pub use scaled::Scaled;
pub use siren::{Siren, SirenFirst};
pub use small_init::SmallInit;
pub use sparse::{Per, Sparse};
pub use spectral::Spectral;
pub(crate) use structured::Structured;
pub use t_fixup::{Half, TFixup};
pub use truncated_normal_absolute::TruncatedNormalAbsolute;
pub use variance_scaling::{Distribution, UnknownDistribution};
pub use wang_init::WangInit;

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
        /// By how much outputs are moved against inputs.
        shift: i64,
        /// Positions from the centre of the field.
        offset: i64,
    },
    /// See [`mod@concat`].
    Concat {
        /// The axis along which the parts lie.
        axis: usize,
        /// Size along the axis, and initializer, of each part.
        parts: Vec<(usize, Initializer)>,
    },
    /// See [`mod@array`].
    Array(Array),
    /// See [`mod@log_uniform`].
    LogUniform(LogUniform),
    /// See [`mod@truncated_normal_absolute`].
    TruncatedNormalAbsolute(TruncatedNormalAbsolute),
    /// See [`mod@random_walk`].
    RandomWalk(RandomWalk),
    /// See [`mod@delta_orthogonal`].
    DeltaOrthogonal(DeltaOrthogonal),
    /// See [`mod@orthogonal_conv`].
    OrthogonalConv(OrthogonalConv),
    /// See [`mod@hadamard`].
    Hadamard(Hadamard),
    /// See [`mod@idinit`].
    Idinit(Idinit),
    /// See [`mod@sparse`].
    Sparse(Sparse),
    /// See [`mod@mirrored`].
    Mirrored(Mirrored),
    /// See [`mod@mimetic`].
    Mimetic(Mimetic),
    /// See [`mod@bilinear`].
    Bilinear(Bilinear),
    /// See [`mod@scaled`].
    Scaled(Scaled),
    /// See [`mod@residual`].
    Residual(Residual),
    /// See [`mod@fixup`].
    Fixup(Fixup),
    /// See [`mod@rezero`].
    Rezero(Rezero),
    /// See [`mod@layer_scale`].
    LayerScale(LayerScale),
    /// See [`mod@t_fixup`].
    TFixup(TFixup),
    /// See [`mod@deepnorm`].
    Deepnorm(Deepnorm),
    /// See [`mod@small_init`].
    SmallInit(SmallInit),
    /// See [`mod@wang_init`].
    WangInit(WangInit),
    /// See [`mod@mup`].
    Mup(Mup),
    /// See [`mod@spectral`].
    Spectral(Spectral),
    /// See [`mod@prior_bias`].
    PriorBias(PriorBias),
    /// See [`mod@prior_bias`].
    LogPrior(LogPrior),
    /// See [`mod@forget_gate`].
    ForgetGate(ForgetGate),
    /// See [`mod@chrono`].
    Chrono(Chrono),
    /// See [`mod@siren`].
    SirenFirst(SirenFirst),
    /// See [`mod@siren`].
    Siren(Siren),
    /// See [`mod@lora`].
    LoraA(LoraA),
    /// See [`mod@lora`].
    LoraB(LoraB),
    /// See [`mod@nguyen_widrow`].
    NguyenWidrow(NguyenWidrow),
    /// See [`mod@embedding`].
    Embedding(Embedding),
}

/// Runs a piece of code for the rule in an initializer, or another for the variants without one.
macro_rules! with_rule {
    ($initializer:expr, $rule:ident => $body:expr, _ => $other:expr) => {
        match $initializer {
            $crate::Initializer::Array($rule) => $body,
            $crate::Initializer::LogUniform($rule) => $body,
            $crate::Initializer::TruncatedNormalAbsolute($rule) => $body,
            $crate::Initializer::RandomWalk($rule) => $body,
            $crate::Initializer::DeltaOrthogonal($rule) => $body,
            $crate::Initializer::OrthogonalConv($rule) => $body,
            $crate::Initializer::Hadamard($rule) => $body,
            $crate::Initializer::Idinit($rule) => $body,
            $crate::Initializer::Sparse($rule) => $body,
            $crate::Initializer::Mirrored($rule) => $body,
            $crate::Initializer::Mimetic($rule) => $body,
            $crate::Initializer::Bilinear($rule) => $body,
            $crate::Initializer::Scaled($rule) => $body,
            $crate::Initializer::Residual($rule) => $body,
            $crate::Initializer::Fixup($rule) => $body,
            $crate::Initializer::Rezero($rule) => $body,
            $crate::Initializer::LayerScale($rule) => $body,
            $crate::Initializer::TFixup($rule) => $body,
            $crate::Initializer::Deepnorm($rule) => $body,
            $crate::Initializer::SmallInit($rule) => $body,
            $crate::Initializer::WangInit($rule) => $body,
            $crate::Initializer::Mup($rule) => $body,
            $crate::Initializer::Spectral($rule) => $body,
            $crate::Initializer::PriorBias($rule) => $body,
            $crate::Initializer::LogPrior($rule) => $body,
            $crate::Initializer::ForgetGate($rule) => $body,
            $crate::Initializer::Chrono($rule) => $body,
            $crate::Initializer::SirenFirst($rule) => $body,
            $crate::Initializer::Siren($rule) => $body,
            $crate::Initializer::LoraA($rule) => $body,
            $crate::Initializer::LoraB($rule) => $body,
            $crate::Initializer::NguyenWidrow($rule) => $body,
            $crate::Initializer::Embedding($rule) => $body,
            _ => $other,
        }
    };
}
use with_rule;

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

/// Calls a macro with the types of all rules.
macro_rules! all_rules {
    ($with:ident) => {
        $with! {
            Array,
            LogUniform,
            TruncatedNormalAbsolute,
            RandomWalk,
            DeltaOrthogonal,
            OrthogonalConv,
            Hadamard,
            Idinit,
            Sparse,
            Mirrored,
            Mimetic,
            Bilinear,
            Scaled,
            Residual,
            Fixup,
            Rezero,
            LayerScale,
            TFixup,
            Deepnorm,
            SmallInit,
            WangInit,
            Mup,
            Spectral,
            PriorBias,
            LogPrior,
            ForgetGate,
            Chrono,
            SirenFirst,
            Siren,
            LoraA,
            LoraB,
            NguyenWidrow,
            Embedding,
        }
    };
}
use all_rules;

macro_rules! whole_catalogue {
    ($($rule:ident),* $(,)?) => {
        static CATALOGUE: &[Entry] = &[
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
            $(<$rule as rule::Rule>::ENTRY),*
        ];
    };
}
all_rules!(whole_catalogue);

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
    /// What there is to say about this initializer.
    pub fn describe(&self) -> &'static Entry {
        match self {
            Self::Zeros => &zeros::ENTRY,
            Self::Ones => &ones::ENTRY,
            Self::Constant { .. } => &constant::ENTRY,
            Self::Uniform { .. } => &uniform::ENTRY,
            Self::Normal { .. } => &normal::ENTRY,
            Self::TruncatedNormal { .. } => &truncated_normal::ENTRY,
            Self::VarianceScaling { .. } => &variance_scaling::ENTRY,
            Self::XavierUniform { .. } => &xavier::UNIFORM,
            Self::XavierNormal { .. } => &xavier::NORMAL,
            Self::XavierTruncated { .. } => &xavier::TRUNCATED,
            Self::KaimingUniform { .. } => &kaiming::UNIFORM,
            Self::KaimingNormal { .. } => &kaiming::NORMAL,
            Self::KaimingTruncated { .. } => &kaiming::TRUNCATED,
            Self::LecunUniform { .. } => &lecun::UNIFORM,
            Self::LecunNormal { .. } => &lecun::NORMAL,
            Self::LecunTruncated { .. } => &lecun::TRUNCATED,
            Self::Orthogonal { .. } => &orthogonal::ENTRY,
            Self::Identity { .. } => &identity::ENTRY,
            Self::Concat { .. } => &concat::ENTRY,
            Self::Array(_) => &<Array as rule::Rule>::ENTRY,
            Self::LogUniform(_) => &<LogUniform as rule::Rule>::ENTRY,
            Self::TruncatedNormalAbsolute(_) => &<TruncatedNormalAbsolute as rule::Rule>::ENTRY,
            Self::RandomWalk(_) => &<RandomWalk as rule::Rule>::ENTRY,
            Self::DeltaOrthogonal(_) => &<DeltaOrthogonal as rule::Rule>::ENTRY,
            Self::OrthogonalConv(_) => &<OrthogonalConv as rule::Rule>::ENTRY,
            Self::Hadamard(_) => &<Hadamard as rule::Rule>::ENTRY,
            Self::Idinit(_) => &<Idinit as rule::Rule>::ENTRY,
            Self::Sparse(_) => &<Sparse as rule::Rule>::ENTRY,
            Self::Mirrored(_) => &<Mirrored as rule::Rule>::ENTRY,
            Self::Mimetic(_) => &<Mimetic as rule::Rule>::ENTRY,
            Self::Bilinear(_) => &<Bilinear as rule::Rule>::ENTRY,
            Self::Scaled(_) => &<Scaled as rule::Rule>::ENTRY,
            Self::Residual(_) => &<Residual as rule::Rule>::ENTRY,
            Self::Fixup(_) => &<Fixup as rule::Rule>::ENTRY,
            Self::Rezero(_) => &<Rezero as rule::Rule>::ENTRY,
            Self::LayerScale(_) => &<LayerScale as rule::Rule>::ENTRY,
            Self::TFixup(_) => &<TFixup as rule::Rule>::ENTRY,
            Self::Deepnorm(_) => &<Deepnorm as rule::Rule>::ENTRY,
            Self::SmallInit(_) => &<SmallInit as rule::Rule>::ENTRY,
            Self::WangInit(_) => &<WangInit as rule::Rule>::ENTRY,
            Self::Mup(_) => &<Mup as rule::Rule>::ENTRY,
            Self::Spectral(_) => &<Spectral as rule::Rule>::ENTRY,
            Self::PriorBias(_) => &<PriorBias as rule::Rule>::ENTRY,
            Self::LogPrior(_) => &<LogPrior as rule::Rule>::ENTRY,
            Self::ForgetGate(_) => &<ForgetGate as rule::Rule>::ENTRY,
            Self::Chrono(_) => &<Chrono as rule::Rule>::ENTRY,
            Self::SirenFirst(_) => &<SirenFirst as rule::Rule>::ENTRY,
            Self::Siren(_) => &<Siren as rule::Rule>::ENTRY,
            Self::LoraA(_) => &<LoraA as rule::Rule>::ENTRY,
            Self::LoraB(_) => &<LoraB as rule::Rule>::ENTRY,
            Self::NguyenWidrow(_) => &<NguyenWidrow as rule::Rule>::ENTRY,
            Self::Embedding(_) => &<Embedding as rule::Rule>::ENTRY,
        }
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
