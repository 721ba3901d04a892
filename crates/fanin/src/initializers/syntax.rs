//! An initializer as text: the call that makes it.

use std::fmt;
use std::str::FromStr;

use super::{Initializer, catalogue};
use crate::text::{Call, ParseError, suggestion};

impl fmt::Display for Initializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments = self.arguments();
        if arguments.is_empty() {
            f.pad(self.name())
        } else {
            write!(f, "{}({})", self.name(), arguments.join(", "))
        }
    }
}

impl FromStr for Initializer {
    type Err = ParseError;

    /// Reads a call: arguments by name, or by position in the order they print; those with a usual value may be left
    /// out. A gain may be a number or an activation.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_call(Call::parse(text)?)
    }
}

impl Initializer {
    pub(super) fn from_call(call: Call) -> Result<Self, ParseError> {
        let position = call.position;
        let wanted = call.name.to_ascii_lowercase();
        let entry = catalogue()
            .iter()
            .find(|e| e.name == wanted || e.aliases.contains(&wanted.as_str()));
        let Some(entry) = entry else {
            let known = catalogue()
                .iter()
                .flat_map(|e| e.aliases.iter().chain([&e.name]).copied());
            let hint = suggestion(&wanted, known);
            return Err(ParseError::new(
                position,
                format!("unknown initializer '{}'{hint}", call.name),
            ));
        };
        Self::read(entry.name, call)?
            .validated()
            .map_err(|error| ParseError::new(position, error.to_string()))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Initializer {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Initializer {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::initializers as all;
    use crate::{Distribution, Mode};
    use proptest::prelude::*;

    fn mode() -> impl Strategy<Value = Mode> {
        prop::sample::select(&Mode::ALL[..])
    }

    fn positive() -> impl Strategy<Value = f64> {
        prop_oneof![1e-300..1e300f64, 1e-3..10f64, Just(1.0)]
    }

    fn finite() -> impl Strategy<Value = f64> {
        prop_oneof![
            prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
            -1f64..1.0
        ]
    }

    pub(super) fn any_initializer() -> impl Strategy<Value = Initializer> {
        use Initializer as I;
        let distribution = prop::sample::select(&Distribution::ALL[..]);
        let leaf = prop_oneof![
            Just(I::zeros()),
            Just(I::ones()),
            finite().prop_map(|value| all::Constant { value }.into()),
            (finite(), finite()).prop_map(|(a, b)| all::Uniform {
                low: a.min(b),
                high: a.max(b)
            }
            .into()),
            (finite(), finite()).prop_map(|(mean, std)| all::Normal {
                mean,
                std: std.abs()
            }
            .into()),
            (finite(), positive(), -4f64..0.0, 0.1f64..4.0, any::<bool>()).prop_map(
                |(mean, std, low, high, corrected)| {
                    all::TruncatedNormal {
                        mean,
                        std,
                        low,
                        high,
                        corrected,
                    }
                    .into()
                }
            ),
            (positive(), mode(), distribution).prop_map(|(scale, mode, distribution)| {
                all::VarianceScaling {
                    scale,
                    mode,
                    distribution,
                }
                .into()
            }),
            positive().prop_map(|gain| all::XavierUniform { gain }.into()),
            positive().prop_map(|gain| all::XavierNormal { gain }.into()),
            positive().prop_map(|gain| all::XavierTruncated { gain }.into()),
            (mode(), positive()).prop_map(|(mode, gain)| all::KaimingUniform { mode, gain }.into()),
            (mode(), positive()).prop_map(|(mode, gain)| all::KaimingNormal { mode, gain }.into()),
            (mode(), positive())
                .prop_map(|(mode, gain)| all::KaimingTruncated { mode, gain }.into()),
            positive().prop_map(|gain| all::LecunUniform { gain }.into()),
            positive().prop_map(|gain| all::LecunNormal { gain }.into()),
            positive().prop_map(|gain| all::LecunTruncated { gain }.into()),
            positive().prop_map(|gain| all::Orthogonal { gain }.into()),
            positive().prop_map(|gain| all::Identity {
                gain: -gain,
                shift: 0,
                offset: 0
            }
            .into()),
        ];
        let rules = prop_oneof![
            prop::collection::vec(finite(), 1..6).prop_map(|values| all::Array { values }.into()),
            prop::collection::vec(1e-3..1e3f64, 1..6)
                .prop_map(|weights| all::LogPrior { weights }.into()),
            (1e-300..1e3f64, 1.0..1e6f64).prop_map(|(low, factor)| all::LogUniform {
                low,
                high: low * factor
            }
            .into()),
            (-0.5..0.5f64, 0.1..2f64, any::<bool>()).prop_map(|(mean, std, corrected)| {
                let std = if corrected { 0.5 * std } else { std };
                all::TruncatedNormalAbsolute {
                    mean,
                    std,
                    low: -2.0,
                    high: 3.0,
                    corrected,
                }
                .into()
            }),
            (any::<i32>(), any::<i32>(), positive()).prop_map(|(shift, offset, gain)| {
                all::Identity {
                    gain,
                    shift: shift.into(),
                    offset: offset.into(),
                }
                .into()
            }),
            (words(all::Units::ALL), positive()).prop_map(|(units, gain)| all::RandomWalk {
                units,
                gain
            }
            .into()),
            positive().prop_map(|gain| all::DeltaOrthogonal { gain }.into()),
            positive().prop_map(|gain| all::OrthogonalConv { gain }.into()),
            positive().prop_map(|gain| all::Hadamard { gain }.into()),
            positive().prop_map(|tau| all::Idinit { tau: -tau }.into()),
            positive().prop_map(|gain| all::Bilinear { gain }.into()),
            positive().prop_map(|gain| all::Spectral { gain }.into()),
            positive().prop_map(|gain| all::LoraA { gain }.into()),
            positive().prop_map(|gain| all::NguyenWidrow { gain }.into()),
            positive().prop_map(|omega| all::Siren { omega }.into()),
            Just(I::siren_first()),
            Just(I::lora_b()),
            Just(I::rezero()),
            (
                1u64..1 << 53,
                finite(),
                words(all::Per::ALL),
                any::<bool>(),
                0.0..1f64
            )
                .prop_map(|(count, std, per, fraction, sparsity)| all::Sparse {
                    count: (!fraction).then_some(count),
                    sparsity: fraction.then_some(sparsity),
                    std: std.abs(),
                    per,
                }
                .into()),
            (1u64..1 << 53).prop_map(|blocks| all::LayerScale { blocks }.into()),
            (1u64..1 << 53).prop_map(|width| all::SmallInit { width }.into()),
            (1u64..1 << 53, 1u64..1 << 53).prop_map(|(layers, width)| all::WangInit {
                layers,
                width
            }
            .into()),
            (words(all::MupRole::ALL), finite(), 1u64..1 << 53).prop_map(|(role, std, base)| {
                all::Mup {
                    role,
                    std: std.abs(),
                    base,
                }
                .into()
            }),
            (1e-300..0.999_999f64).prop_map(|probability| all::PriorBias { probability }.into()),
            (finite(), words(all::Gates::ALL)).prop_map(|(value, order)| all::ForgetGate {
                value,
                order
            }
            .into()),
            (2.1..1e9f64, words(all::Gates::ALL)).prop_map(|(longest, order)| all::Chrono {
                longest,
                order
            }
            .into()),
            ("[a-z0-9./:-]{1,20}", 0.0..9f64, finite(), any::<bool>()).prop_map(
                |(of, alpha, beta, transposed)| all::Mimetic {
                    of,
                    alpha,
                    beta,
                    transposed
                }
                .into()
            ),
            (finite(), prop::option::of(0u64..1 << 53)).prop_map(|(std, padding)| all::Embedding {
                std: std.abs(),
                padding
            }
            .into()),
        ];
        prop_oneof![leaf, rules].prop_recursive(3, 8, 4, |part| {
            let boxed = part.clone().prop_map(Box::new);
            prop_oneof![
                (0usize..4, prop::collection::vec((0usize..1000, part), 1..4))
                    .prop_map(|(axis, parts)| all::Concat { axis, parts }.into()),
                (boxed.clone(), words(all::Sides::ALL)).prop_map(|(of, sides)| all::Mirrored {
                    of,
                    sides
                }
                .into()),
                (boxed.clone(), positive())
                    .prop_map(|(of, factor)| all::Scaled { of, factor }.into()),
                (boxed.clone(), 1u64..1 << 53).prop_map(|(of, branches)| all::Residual {
                    of,
                    branches
                }
                .into()),
                (boxed.clone(), 1u64..1 << 53, 2u64..9).prop_map(|(of, branches, layers)| {
                    all::Fixup {
                        of,
                        branches,
                        layers,
                    }
                    .into()
                }),
                (boxed.clone(), 1u64..1 << 53, words(all::Half::ALL))
                    .prop_map(|(of, layers, side)| all::TFixup { of, layers, side }.into()),
                (boxed, 1u64..99, 1u64..99, words(all::Half::ALL)).prop_map(
                    |(of, encoder, decoder, side)| all::Deepnorm {
                        of,
                        encoder,
                        decoder,
                        side
                    }
                    .into()
                ),
            ]
        })
    }

    fn words<T: Copy + std::fmt::Debug>(all: &'static [T]) -> impl Strategy<Value = T> {
        prop::sample::select(all)
    }

    proptest! {
        #[test]
        fn parses_what_it_prints(initializer in any_initializer()) {
            let text = initializer.to_string();
            prop_assert_eq!(text.parse::<Initializer>(), Ok(initializer.clone()), "{}", text);
            #[cfg(feature = "serde")]
            {
                let json = serde_json::to_string(&initializer).unwrap();
                prop_assert_eq!(json.clone(), format!("\"{text}\""));
                prop_assert_eq!(serde_json::from_str::<Initializer>(&json).unwrap(), initializer);
            }
        }

        #[test]
        fn no_text_panics(text in "[a-z_(),=:0-9.e+ -]{0,60}", any in ".{0,40}") {
            let _ = text.parse::<Initializer>();
            let _ = any.parse::<Initializer>();
        }

        #[test]
        fn no_mutilated_call_panics(initializer in any_initializer(), cut in 0usize..200) {
            let text: String = initializer.to_string().chars().take(cut).collect();
            let _ = text.parse::<Initializer>();
        }
    }

    #[test]
    fn text_as_in_the_documentation() {
        for (text, printed) in [
            ("zeros", "zeros"),
            ("zeros()", "zeros"),
            (" Glorot_Uniform ", "xavier_uniform"),
            ("xavier_uniform(gain = 2)", "xavier_uniform(gain=2)"),
            (
                "he_normal",
                "kaiming_normal(mode=fan_in, gain=1.4142135623730951)",
            ),
            (
                "msra_normal(fan_out, 1)",
                "kaiming_normal(mode=fan_out, gain=1)",
            ),
            ("normal(std=0.02)", "normal(mean=0, std=0.02)"),
            ("normal(0, 1e-10)", "normal(mean=0, std=1e-10)"),
            (
                "trunc_normal(std=.02)",
                "truncated_normal(mean=0, std=0.02, low=-2, high=2)",
            ),
            (
                "truncated_normal(0, 1, -1, 3, corrected=true)",
                "truncated_normal(mean=0, std=1, low=-1, high=3, corrected=true)",
            ),
            (
                "variance_scaling",
                "variance_scaling(scale=1, mode=fan_in, distribution=truncated_normal)",
            ),
            ("eye(gain=-1)", "identity(gain=-1)"),
            (
                "concat(axis=0, 64: zeros, 64:ones,128 : zeros)",
                "concat(axis=0, 64: zeros, 64: ones, 128: zeros)",
            ),
        ] {
            assert_eq!(text.parse::<Initializer>().unwrap().to_string(), printed);
        }
    }

    #[test]
    fn errors_point_at_the_character_and_suggest() {
        let message = |text: &str| text.parse::<Initializer>().unwrap_err().to_string();
        for (text, expected) in [
            (
                "kaimng_normal",
                "character 1: unknown initializer 'kaimng_normal'; did you mean 'kaiming_normal'?",
            ),
            ("spiral", "character 1: unknown initializer 'spiral'"),
            (
                "xavier_uniform(gian=2)",
                "character 16: xavier_uniform has no argument 'gian'; did you mean 'gain'?",
            ),
            (
                "kaiming_normal(mode=fanin)",
                "character 21: unknown mode 'fanin'; known are fan_in, fan_out, fan_avg and fan_geo_avg",
            ),
            (
                "kaiming_normal(gain=rleu)",
                "character 21: unknown activation 'rleu'; did you mean 'relu'?",
            ),
            (
                "normal(0, 1, 2)",
                "character 14: normal takes at most 2 arguments",
            ),
            (
                "normal(mean=0, mean=1)",
                "character 16: 'mean' is given twice",
            ),
            (
                "normal(std=1, 0)",
                "character 15: an argument without a name after one with a name",
            ),
            ("normal", "character 1: normal needs std"),
            (
                "normal(std=-1)",
                "character 1: normal(mean=0, std=-1): std must not be negative",
            ),
            (
                "normal(std=1e999)",
                "character 12: '1e999' is not a finite number",
            ),
            ("normal(std=1", "character 13: normal( is not closed"),
            (
                "normal(std=1))",
                "character 14: ')' after the end of normal",
            ),
            (
                "normal(std=1;2)",
                "character 13: expected ',' or ')', found ';'",
            ),
            ("concat(64: zeros)", "character 1: concat needs axis"),
            (
                "concat(axis=0, 64: zeroes)",
                "character 20: unknown initializer 'zeroes'; did you mean 'zeros'?",
            ),
            (
                "concat(axis=0, 1.5: zeros)",
                "character 16: a size must be a whole number",
            ),
            ("", "character 1: expected a name, found the end"),
        ] {
            assert_eq!(message(text), expected);
        }
        let deep = format!(
            "{}zeros{}",
            "concat(axis=0, 1: ".repeat(100_000),
            ")".repeat(100_000)
        );
        assert!(message(&deep).ends_with("more than 16 calls within calls"));
    }
}
