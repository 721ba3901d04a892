//! Activation functions: value, derivative, gain.

use std::fmt;
use std::str::FromStr;

use crate::Gain;
use crate::expectation::expectation;
use crate::math::gauss::{cumulative, density, erf, mass, survival};
use crate::text::{Call, Number, ParseError, suggestion, write_call};

/// An activation function.
///
/// Prints as its lower-case name, with parameters where they differ from the usual ones, and parses back.
///
/// ```
/// # use fanin::Activation;
/// let leaky: Activation = "leaky_relu(slope=0.2)".parse()?;
/// assert_eq!(leaky.eval(-1.0), -0.2);
/// assert_eq!(Activation::Gelu.to_string(), "gelu");
/// # Ok::<(), fanin::ParseError>(())
/// ```
///
/// A match over it is exhaustive, on purpose: whoever gives each function an operator or a theory has to answer for a
/// further one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// x.
    Identity,
    /// max(x, 0).
    Relu,
    /// x, or `slope`·x for negative x.
    LeakyRelu {
        /// Factor on negative x.
        slope: f64,
    },
    /// As [`Activation::LeakyRelu`] with a trained slope, at its usual start of 0.25.
    PRelu,
    /// x, or `alpha`·(eˣ − 1) for negative x.
    Elu {
        /// Minus the limit at −∞.
        alpha: f64,
    },
    /// λ·x, or λα(eˣ − 1): the self-normalizing ELU of Klambauer et al. 2017.
    Selu,
    /// x, or `alpha`·(e^(x/alpha) − 1).
    Celu {
        /// Minus the limit at −∞, and the scale of x.
        alpha: f64,
    },
    /// x Φ(x).
    Gelu,
    /// The tanh approximation of GELU.
    GeluTanh,
    /// x σ(x), also called swish.
    Silu,
    /// x tanh(ln(1 + eˣ)).
    Mish,
    /// ln(1 + eˣ).
    Softplus,
    /// x / (1 + |x|).
    Softsign,
    /// tanh x.
    Tanh,
    /// x clipped to [−1, 1].
    HardTanh,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// alpha·x + beta clipped to [0, 1].
    HardSigmoid {
        /// Slope; 1/6 in PyTorch, 0.2 in ONNX.
        alpha: f64,
        /// Value at 0; usually 1/2.
        beta: f64,
    },
    /// x·clip(x/6 + 1/2, 0, 1).
    HardSwish,
    /// x clipped to [`low`, `high`]; ReLU6 is `clip(0, 6)`.
    Clip {
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
    },
    /// max(x, 0)².
    ReluSquared,
    /// The error function.
    Erf,
    /// sin x.
    Sin,
    /// a·σ(b), with independent a and b; as a function of one variable this is its gate, σ(b).
    Glu,
    /// a·max(b, 0); its gate is ReLU.
    ReGlu,
    /// a·gelu(b); its gate is GELU.
    GeGlu,
    /// a·silu(b); its gate is SiLU.
    SwiGlu,
}

use Activation as A;

const SELU_LAMBDA: f64 = 1.050_700_987_355_480_5;
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const PRELU_SLOPE: f64 = 0.25;
/// √(2/π) and the cubic term of the tanh approximation of GELU.
const GELU_TANH: (f64, f64) = (0.797_884_560_802_865_4, 0.044_715);

/// Every function without parameters, and those with parameters at their usual values.
const NAMED: [(&str, Activation); 26] = [
    ("identity", A::Identity),
    ("relu", A::Relu),
    ("leaky_relu", A::LeakyRelu { slope: 0.01 }),
    ("prelu", A::PRelu),
    ("elu", A::Elu { alpha: 1.0 }),
    ("selu", A::Selu),
    ("celu", A::Celu { alpha: 1.0 }),
    ("gelu", A::Gelu),
    ("gelu_tanh", A::GeluTanh),
    ("silu", A::Silu),
    ("mish", A::Mish),
    ("softplus", A::Softplus),
    ("softsign", A::Softsign),
    ("tanh", A::Tanh),
    ("hard_tanh", A::HardTanh),
    ("sigmoid", A::Sigmoid),
    (
        "hard_sigmoid",
        A::HardSigmoid {
            alpha: 0.2,
            beta: 0.5,
        },
    ),
    ("hard_swish", A::HardSwish),
    (
        "relu6",
        A::Clip {
            low: 0.0,
            high: 6.0,
        },
    ),
    ("relu_squared", A::ReluSquared),
    ("erf", A::Erf),
    ("sin", A::Sin),
    ("glu", A::Glu),
    ("reglu", A::ReGlu),
    ("geglu", A::GeGlu),
    ("swiglu", A::SwiGlu),
];

const ALIASES: [(&str, &str); 7] = [
    ("linear", "identity"),
    ("swish", "silu"),
    ("hardtanh", "hard_tanh"),
    ("hardsigmoid", "hard_sigmoid"),
    ("hardswish", "hard_swish"),
    ("leakyrelu", "leaky_relu"),
    ("relu2", "relu_squared"),
];

impl Activation {
    /// Every kind, with parameters at their usual values.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMED.into_iter().map(|(_, activation)| activation)
    }

    /// The function of the gate, for a gated unit; its output is a·gate(b) with independent a and b.
    pub fn gate(self) -> Option<Self> {
        match self {
            A::Glu => Some(A::Sigmoid),
            A::ReGlu => Some(A::Relu),
            A::GeGlu => Some(A::Gelu),
            A::SwiGlu => Some(A::Silu),
            _ => None,
        }
    }

    /// φ(x); of a gated unit, its gate.
    pub fn eval(self, x: f64) -> f64 {
        match self {
            A::Identity => x,
            A::Relu => x.max(0.0),
            A::LeakyRelu { slope } => leaky(x, slope),
            A::PRelu => leaky(x, PRELU_SLOPE),
            A::Elu { alpha } => {
                if x > 0.0 {
                    x
                } else {
                    alpha * x.exp_m1()
                }
            }
            A::Selu => SELU_LAMBDA * A::Elu { alpha: SELU_ALPHA }.eval(x),
            A::Celu { alpha } => {
                if x > 0.0 {
                    x
                } else {
                    alpha * (x / alpha).exp_m1()
                }
            }
            A::Gelu => x * cumulative(x),
            A::GeluTanh => 0.5 * x * (1.0 + gelu_tanh_inner(x).tanh()),
            A::Silu => x * sigmoid(x),
            A::Mish => x * softplus(x).tanh(),
            A::Softplus => softplus(x),
            A::Softsign => x / (1.0 + x.abs()),
            A::Tanh => x.tanh(),
            A::HardTanh => x.clamp(-1.0, 1.0),
            A::Sigmoid => sigmoid(x),
            A::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
            A::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            A::Clip { low, high } => x.max(low).min(high),
            A::ReluSquared => x.max(0.0).powi(2),
            A::Erf => erf(x),
            A::Sin => x.sin(),
            A::Glu | A::ReGlu | A::GeGlu | A::SwiGlu => {
                self.gate().map_or(f64::NAN, |gate| gate.eval(x))
            }
        }
    }

    /// φ′(x); at a kink, the value from the left. Of a gated unit, that of its gate.
    pub fn derivative(self, x: f64) -> f64 {
        let inside = |yes: bool| if yes { 1.0 } else { 0.0 };
        match self {
            A::Identity => 1.0,
            A::Relu => inside(x > 0.0),
            A::LeakyRelu { slope } => {
                if x > 0.0 {
                    1.0
                } else {
                    slope
                }
            }
            A::PRelu => {
                if x > 0.0 {
                    1.0
                } else {
                    PRELU_SLOPE
                }
            }
            A::Elu { alpha } => {
                if x > 0.0 {
                    1.0
                } else {
                    alpha * x.exp()
                }
            }
            A::Selu => SELU_LAMBDA * A::Elu { alpha: SELU_ALPHA }.derivative(x),
            A::Celu { alpha } => {
                if x > 0.0 {
                    1.0
                } else {
                    (x / alpha).exp()
                }
            }
            A::Gelu => cumulative(x) + x * density(x),
            A::GeluTanh => {
                let t = gelu_tanh_inner(x).tanh();
                let inner = GELU_TANH.0 * (1.0 + 3.0 * GELU_TANH.1 * x * x);
                0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner
            }
            A::Silu => {
                let s = sigmoid(x);
                s * (1.0 + x * (1.0 - s))
            }
            A::Mish => {
                let t = softplus(x).tanh();
                t + x * (1.0 - t * t) * sigmoid(x)
            }
            A::Softplus => sigmoid(x),
            A::Softsign => (1.0 + x.abs()).powi(-2),
            A::Tanh => 1.0 - x.tanh().powi(2),
            A::HardTanh => inside(x > -1.0 && x <= 1.0),
            A::Sigmoid => {
                let s = sigmoid(x);
                s * (1.0 - s)
            }
            A::HardSigmoid { alpha, beta } => {
                let y = alpha * x + beta;
                alpha * inside(y > 0.0 && y < 1.0)
            }
            A::HardSwish => {
                if x <= -3.0 {
                    0.0
                } else if x <= 3.0 {
                    x / 3.0 + 0.5
                } else {
                    1.0
                }
            }
            A::Clip { low, high } => inside(x > low && x <= high),
            A::ReluSquared => 2.0 * x.max(0.0),
            A::Erf => std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp(),
            A::Sin => x.cos(),
            A::Glu | A::ReGlu | A::GeGlu | A::SwiGlu => {
                self.gate().map_or(f64::NAN, |gate| gate.derivative(x))
            }
        }
    }

    /// 1 / √E[φ(z)²]: in closed form where one is known, otherwise by quadrature with E[φ(z)²] rounded to 12 digits, so that
    /// it is the same number on every platform.
    ///
    /// For a gated unit a·gate(b) with a and b of unit variance, E[(a·gate(b))²] = E[gate(b)²], so it is the gate's.
    pub fn gain(self) -> Gain {
        Gain::of_second_moment(self.second_moment())
    }

    /// E[φ(z)²] for z ~ N(0, 1).
    fn second_moment(self) -> f64 {
        use std::f64::consts::{FRAC_2_PI, PI};
        match self {
            A::Identity => 1.0,
            A::Relu | A::ReGlu => 0.5,
            A::LeakyRelu { slope } => 0.5 * (1.0 + slope * slope),
            A::PRelu => 0.5 * (1.0 + PRELU_SLOPE * PRELU_SLOPE),
            // λ and α are the numbers that make it so.
            A::Selu => 1.0,
            A::Gelu | A::GeGlu => 1.0 / 3.0 + 1.0 / (2.0 * 3f64.sqrt() * PI),
            // 2/π arcsin(2/3).
            A::Erf => FRAC_2_PI * 0.729_727_656_226_966_3,
            // (1 - e⁻²) / 2.
            A::Sin => 0.5 - 0.5 * 0.135_335_283_236_612_7,
            A::ReluSquared => 1.5,
            A::HardTanh => A::Clip {
                low: -1.0,
                high: 1.0,
            }
            .second_moment(),
            A::Clip { low, high } if low < high && low.is_finite() && high.is_finite() => {
                let below = cumulative(low) * low * low;
                let above = survival(high) * high * high;
                let between = mass(low, high) + low * density(low) - high * density(high);
                below + between + above
            }
            A::Elu { alpha } if alpha.is_finite() => {
                twelve_digits(0.5 + alpha * alpha * exponential_branch(1.0))
            }
            // For slow exponentials the closed form cancels.
            A::Celu { alpha } if (0.1..=10.0).contains(&alpha) => {
                twelve_digits(0.5 + alpha * alpha * exponential_branch(1.0 / alpha))
            }
            A::HardSigmoid { alpha, beta } if alpha != 0.0 && (alpha + beta).is_finite() => {
                // z is symmetric, and so is the sign of its factor.
                let alpha = alpha.abs();
                let (from, to) = (-beta / alpha, (1.0 - beta) / alpha);
                let [one, z, square, ..] = partial_moments(from, to);
                let inside = alpha * alpha * square + 2.0 * alpha * beta * z + beta * beta * one;
                twelve_digits(inside + survival(to))
            }
            A::HardSwish => {
                // (z²/6 + z/2)² on [−3, 3], whose odd part vanishes, and z² beyond.
                let [_, _, square, _, fourth] = partial_moments(-3.0, 3.0);
                let beyond = survival(3.0) + 3.0 * density(3.0);
                twelve_digits(fourth / 36.0 + square / 4.0 + beyond)
            }
            _ => twelve_digits(expectation(|x| self.eval(x).powi(2), 0.0, 1.0)),
        }
    }

    /// The lower-case name.
    pub fn name(self) -> &'static str {
        let same = |other: &Self| std::mem::discriminant(other) == std::mem::discriminant(&self);
        match self {
            A::Clip { low, high } if (low, high) != (0.0, 6.0) => "clip",
            _ => NAMED
                .iter()
                .find(|(_, activation)| same(activation))
                .map_or("", |(name, _)| name),
        }
    }

    pub(crate) fn from_call(call: Call) -> Result<Self, ParseError> {
        let position = call.position;
        let name = call.name.to_ascii_lowercase();
        let name = ALIASES
            .iter()
            .find(|(alias, _)| *alias == name)
            .map_or(name.as_str(), |(_, name)| name);
        if name == "clip" {
            let [low, high] = call.bind(["low", "high"])?;
            let number = |bound: Option<crate::text::Bound>| {
                bound
                    .ok_or_else(|| ParseError::new(position, "clip needs low and high"))?
                    .number()
            };
            let (low, high) = (number(low)?, number(high)?);
            if low > high {
                return Err(ParseError::new(
                    position,
                    format!("clip needs low <= high, not {low} and {high}"),
                ));
            }
            return Ok(A::Clip { low, high });
        }
        let Some((_, usual)) = NAMED.iter().find(|(known, _)| *known == name) else {
            let known = NAMED.iter().map(|(name, _)| *name).chain(["clip"]);
            let hint = suggestion(name, known);
            return Err(ParseError::new(
                position,
                format!("unknown activation '{}'{hint}", call.name),
            ));
        };
        let or =
            |bound: Option<crate::text::Bound>, usual: f64| bound.map_or(Ok(usual), |b| b.number());
        match *usual {
            A::LeakyRelu { slope } => {
                let [given] = call.bind(["slope"])?;
                Ok(A::LeakyRelu {
                    slope: or(given, slope)?,
                })
            }
            A::Elu { alpha } => {
                let [given] = call.bind(["alpha"])?;
                Ok(A::Elu {
                    alpha: or(given, alpha)?,
                })
            }
            A::Celu { alpha } => {
                let [given] = call.bind(["alpha"])?;
                let alpha = or(given, alpha)?;
                if alpha == 0.0 {
                    return Err(ParseError::new(
                        position,
                        "celu divides by alpha, which may not be 0",
                    ));
                }
                Ok(A::Celu { alpha })
            }
            A::HardSigmoid { alpha, beta } => {
                let [a, b] = call.bind(["alpha", "beta"])?;
                Ok(A::HardSigmoid {
                    alpha: or(a, alpha)?,
                    beta: or(b, beta)?,
                })
            }
            usual => {
                let [] = call.bind([])?;
                Ok(usual)
            }
        }
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        if NAMED.iter().any(|(_, usual)| usual == self) {
            return f.pad(name);
        }
        match *self {
            A::LeakyRelu { slope } => write_call(f, name, &[("slope", &Number(slope))]),
            A::Elu { alpha } | A::Celu { alpha } => {
                write_call(f, name, &[("alpha", &Number(alpha))])
            }
            A::HardSigmoid { alpha, beta } => write_call(
                f,
                name,
                &[("alpha", &Number(alpha)), ("beta", &Number(beta))],
            ),
            A::Clip { low, high } => {
                write_call(f, name, &[("low", &Number(low)), ("high", &Number(high))])
            }
            _ => f.pad(name),
        }
    }
}

impl FromStr for Activation {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_call(Call::parse(text)?)
    }
}

/// Rounded to 12 decimal digits: the standard library's functions differ between platforms in the last bits, and a gain
/// that is named in a text must be the same number everywhere.
fn twelve_digits(x: f64) -> f64 {
    format!("{x:.11e}").parse().unwrap_or(x)
}

/// ∫ (e^(c z) − 1)² φ(z) dz over negative z.
fn exponential_branch(c: f64) -> f64 {
    use crate::math::double::exp;
    exp(2.0 * c * c) * cumulative(-2.0 * c) - 2.0 * exp(0.5 * c * c) * cumulative(-c) + 0.5
}

/// ∫ zᵏ φ(z) dz over [a, b] for k = 0 … 4.
fn partial_moments(a: f64, b: f64) -> [f64; 5] {
    let edge = |z: f64, k: i32| {
        let density = density(z);
        // 0 beats any power.
        if density == 0.0 {
            0.0
        } else {
            z.powi(k) * density
        }
    };
    let mut m = [mass(a, b), edge(a, 0) - edge(b, 0), 0.0, 0.0, 0.0];
    for k in 2..5 {
        let power = k as i32 - 1;
        m[k] = (k - 1) as f64 * m[k - 2] + edge(a, power) - edge(b, power);
    }
    m
}

fn leaky(x: f64, slope: f64) -> f64 {
    if x > 0.0 { x } else { slope * x }
}

fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn gelu_tanh_inner(x: f64) -> f64 {
    GELU_TANH.0 * (x + GELU_TANH.1 * x * x * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varied() -> Vec<Activation> {
        let more = [
            A::LeakyRelu { slope: 0.2 },
            A::Elu { alpha: 0.5 },
            A::Celu { alpha: 2.0 },
            A::HardSigmoid {
                alpha: 1.0 / 6.0,
                beta: 0.5,
            },
            A::HardSigmoid {
                alpha: -0.7,
                beta: 1.2,
            },
            A::HardSigmoid {
                alpha: 1e-3,
                beta: 0.25,
            },
            A::Celu { alpha: 0.3 },
            A::Celu { alpha: 50.0 },
            A::Elu { alpha: -2.0 },
            A::Clip {
                low: -0.3,
                high: 2.0,
            },
            A::Clip {
                low: 1.0,
                high: 2.0,
            },
        ];
        Activation::all().chain(more).collect()
    }

    #[test]
    fn derivatives_are_those_of_the_values() {
        for activation in varied() {
            for i in -80..80 {
                let x = f64::from(i) / 10.0 + 0.0123;
                let h = 1e-6;
                let slope = (activation.eval(x + h) - activation.eval(x - h)) / (2.0 * h);
                assert!(
                    (slope - activation.derivative(x)).abs() < 1e-7,
                    "{activation} at {x}"
                );
            }
        }
    }

    #[test]
    fn closed_forms_are_the_quadrature() {
        for activation in varied() {
            let by_quadrature = Gain::of_fn(|x| activation.eval(x)).value();
            let gain = activation.gain().value();
            assert!(
                (gain / by_quadrature - 1.0).abs() < 1e-10,
                "{activation}: {gain} against {by_quadrature}"
            );
        }
    }

    #[test]
    fn gains_of_the_table() {
        for (text, gain) in [
            ("relu", std::f64::consts::SQRT_2),
            ("leaky_relu", 1.414_142_857),
            ("tanh", 1.592_537_42),
            ("sigmoid", 1.846_228_545),
            ("gelu", 1.533_530_441),
            ("gelu_tanh", 1.533_580_522),
            ("silu", 1.676_532_47),
            ("selu", 1.0),
            ("elu", 1.245_198_301),
            ("mish", 1.486_847_581),
            ("softplus", 1.041_866_836),
            ("softsign", 2.337_533_363),
            ("hard_tanh", 1.392_036_14),
            ("hard_swish", 1.736_657_213),
            ("relu_squared", 0.816_496_580_9),
            ("erf", 1.467_166_95),
            ("sin", 1.520_866_623),
            ("swiglu", 1.676_532_47),
        ] {
            let got = text.parse::<Activation>().unwrap().gain().value();
            assert!((got - gain).abs() < 1e-8, "{text}: {got} against {gain}");
        }
    }

    #[test]
    fn parses_what_it_prints() {
        for activation in varied() {
            assert_eq!(
                activation.to_string().parse(),
                Ok(activation),
                "{activation}"
            );
        }
        assert_eq!("Swish".parse(), Ok(A::Silu));
        assert_eq!(
            "clip(0, 6)".parse(),
            Ok(A::Clip {
                low: 0.0,
                high: 6.0
            })
        );
        assert_eq!(
            A::Clip {
                low: 0.0,
                high: 6.0
            }
            .to_string(),
            "relu6"
        );
    }

    #[test]
    fn errors_point_and_suggest() {
        let message = |text: &str| text.parse::<Activation>().unwrap_err().to_string();
        assert_eq!(
            message("rleu"),
            "character 1: unknown activation 'rleu'; did you mean 'relu'?"
        );
        assert_eq!(
            message("elu(slope=1)"),
            "character 5: elu has no argument 'slope'"
        );
        assert_eq!(
            message("clip(1, 0)"),
            "character 1: clip needs low <= high, not 1 and 0"
        );
        assert_eq!(
            message("relu(1)"),
            "character 6: relu takes at most 0 arguments"
        );
    }
}
