//! Where a chain of equal layers lies between order and chaos.
//!
//! A layer h' = W φ(h) + b with Var W = σw²/fan-in and Var b = σb² maps the second moment q of h and
//! the correlation c of two samples' h by the length map q' = σw² E[φ(√q z)²] + σb² and the
//! correlation map c' = (σw² E[φ(u) φ(v)] + σb²)/q* (Poole et al. 2016). How fast they settle says
//! how deep a signal reaches (Schoenholz et al. 2017): on the critical line χ⊥ = 1, and only there,
//! at any depth.

mod chain;

pub use chain::{Chain, ChainLayer, CriticalLine, PhaseDiagram, chains, phase_diagram};

use fanin::moments::expectation;
use serde::Serialize;

use crate::dual::Dual;
use crate::quadrature::Grid;

/// Correlation scales a signal can be told apart over: a network trains up to about this many
/// (Schoenholz et al. 2017).
pub const TRAINABLE_SCALES: f64 = 6.0;

/// Above this second moment a length map is taken to grow without bound.
const UNBOUNDED: f64 = 1e8;

/// Below this a length map is taken to vanish.
const VANISHED: f64 = 1e-12;

/// The elementwise function of a chain with its weights: the maps of one layer.
pub struct LayerMap<'a> {
    /// φ.
    pub activation: Box<dyn Fn(f64) -> f64 + 'a>,
    /// φ′.
    pub derivative: Box<dyn Fn(f64) -> f64 + 'a>,
    /// σw², the variance of a weight times fan-in.
    pub weight: f64,
    /// σb², the variance of a bias.
    pub bias: f64,
}

impl std::fmt::Debug for LayerMap<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LayerMap")
            .field("weight", &self.weight)
            .field("bias", &self.bias)
            .finish_non_exhaustive()
    }
}

impl LayerMap<'_> {
    /// The maps of a named activation.
    pub fn of(activation: fanin::Activation, weight: f64, bias: f64) -> LayerMap<'static> {
        LayerMap {
            activation: Box::new(move |x| activation.eval(x)),
            derivative: Box::new(move |x| activation.derivative(x)),
            weight,
            bias,
        }
    }

    /// E[f(x)] for x ~ N(0, q).
    fn over(&self, q: f64, f: impl Fn(f64) -> f64) -> f64 {
        let grid = Grid::new(0.0, q.max(0.0).sqrt());
        let values: Vec<f64> = grid.nodes.iter().map(|&x| f(x)).collect();
        grid.moment(&values, 1)
    }

    /// The length map: the second moment of the next pre-activation.
    pub fn length(&self, q: f64) -> f64 {
        self.weight * self.over(q, |x| (self.activation)(x).powi(2)) + self.bias
    }

    /// χ⊥ = σw² E[φ′(√q z)²]: the factor on the squared gradient, and the slope of the correlation
    /// map at c = 1 when q is settled.
    pub fn chi(&self, q: f64) -> f64 {
        self.weight * self.over(q, |x| (self.derivative)(x).powi(2))
    }

    /// χ∥, the slope of the length map: σw²/(2q²) E[φ(x)² (x² − q)] for x ~ N(0, q).
    pub fn chi_parallel(&self, q: f64) -> f64 {
        let lean = self.over(q, |x| (self.activation)(x).powi(2) * (x * x - q));
        self.weight / (2.0 * q * q) * lean
    }

    /// The correlation map at a settled q.
    pub fn correlation(&self, q: f64, c: f64) -> f64 {
        self.correlation_map(q)(c)
    }

    fn dual(&self, q: f64, f: &dyn Fn(f64) -> f64) -> Dual {
        let grid = Grid::new(0.0, q.max(0.0).sqrt());
        let values: Vec<f64> = grid.nodes.iter().map(|&x| f(x)).collect();
        Dual::new(&grid, &values)
    }

    fn correlation_map(&self, q: f64) -> impl Fn(f64) -> f64 + use<> {
        let dual = self.dual(q, &self.activation);
        let (weight, bias) = (self.weight, self.bias);
        let all = weight * dual.at(1.0) + bias;
        move |c| (weight * dual.at(c) + bias) / all
    }

    /// The settled second moment q*, from a start of 1; `None` where it vanishes or grows without
    /// bound.
    pub fn fixed_point(&self) -> Option<f64> {
        let mut q = 1.0;
        // Plain steps first, so that the fixed point is the one the chain runs into.
        for _ in 0..200 {
            let next = self.length(q);
            if !(next.is_finite() && next < UNBOUNDED && next > VANISHED) {
                return None;
            }
            let change = (next / q - 1.0).abs();
            q = next;
            if change <= 1e-3 {
                break;
            }
        }
        // Then Newton's.
        for _ in 0..60 {
            let off = self.length(q) - q;
            if off.abs() <= 1e-14 * q {
                return Some(q);
            }
            let next = q - off / (self.chi_parallel(q) - 1.0);
            if !(next.is_finite() && next > 0.25 * q && next < 4.0 * q && next > VANISHED) {
                return None;
            }
            if (next - q).abs() <= 1e-13 * q {
                return Some(next);
            }
            q = next;
        }
        None
    }

    /// Whether the length map multiplies any second moment by the same factor, as ReLU's does
    /// without biases: then no second moment is settled and every one is as good as another.
    pub fn is_homogeneous(&self) -> bool {
        let gain = |q: f64| self.length(q) / q;
        (gain(2.0) / gain(1.0) - 1.0).abs() < 1e-9 && (gain(0.1) / gain(1.0) - 1.0).abs() < 1e-9
    }

    /// The settled correlation c* at a settled q, from a start of 0.
    pub fn correlation_fixed_point(&self, q: f64) -> f64 {
        if self.chi(q) * q <= self.length(q) {
            return 1.0;
        }
        let map = self.correlation_map(q);
        // The map is convex on [0, 1] and steeper than 1 at its upper end: one crossing below.
        let (mut low, mut high) = (0.0, 1.0 - 1e-12);
        if map(high) > high {
            return 1.0;
        }
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            if map(middle) > middle {
                low = middle;
            } else {
                high = middle;
            }
        }
        0.5 * (low + high)
    }

    /// Everything about the chain of equal layers of these weights; `None` where q does not settle.
    pub fn criticality(&self) -> Option<Criticality> {
        Some(self.criticality_at(self.fixed_point()?))
    }

    /// The same at a given second moment, for chains that scale any second moment alike
    /// ([`LayerMap::is_homogeneous`]).
    pub fn criticality_at(&self, q: f64) -> Criticality {
        let (chi, chi_parallel) = (self.chi(q), self.chi_parallel(q));
        let settled = self.correlation_fixed_point(q);
        let slopes = if settled < 1.0 {
            self.weight * self.dual(q, &self.derivative).at(settled)
        } else {
            chi
        };
        let slope = slopes * q / self.length(q);
        Criticality {
            weight: self.weight,
            bias: self.bias,
            second_moment: q,
            chi,
            chi_parallel,
            correlation: settled,
            length_scale: scale(chi_parallel),
            correlation_scale: scale(slope),
            gradient_scale: scale(chi),
        }
    }
}

/// The layers over which a factor per layer shrinks or grows by e.
fn scale(factor: f64) -> f64 {
    if (factor - 1.0).abs() < 1e-10 {
        f64::INFINITY
    } else {
        1.0 / factor.ln().abs()
    }
}

/// Where a chain of equal layers lies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Criticality {
    /// σw², the variance of a weight times fan-in.
    pub weight: f64,
    /// σb², the variance of a bias.
    pub bias: f64,
    /// q*, the second moment that pre-activations settle at.
    pub second_moment: f64,
    /// χ⊥, the factor per layer on the squared gradient: below 1 order, above 1 chaos.
    pub chi: f64,
    /// χ∥, the factor per layer on a departure from q*.
    pub chi_parallel: f64,
    /// c*, the correlation that two samples settle at; 1 in order.
    pub correlation: f64,
    /// ξq, the layers over which a departure from q* shrinks by e.
    pub length_scale: f64,
    /// ξc, the layers over which a departure from c* shrinks by e; infinite on the critical line.
    pub correlation_scale: f64,
    /// The layers over which the squared gradient changes by e.
    pub gradient_scale: f64,
}

impl Criticality {
    /// The depth up to which a network of such layers trains: 6 ξc (Schoenholz et al. 2017).
    pub fn trainable_depth(&self) -> f64 {
        TRAINABLE_SCALES * self.correlation_scale
    }

    /// Order or chaos, or the line between them.
    pub fn phase(&self) -> Phase {
        if (self.chi - 1.0).abs() < 1e-4 {
            Phase::Critical
        } else if self.chi < 1.0 {
            Phase::Ordered
        } else {
            Phase::Chaotic
        }
    }
}

/// The two phases of a chain, and the line between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Samples become alike and gradients vanish.
    Ordered,
    /// Neither, to 1 in 10⁴ per layer.
    Critical,
    /// Samples part and gradients explode.
    Chaotic,
}

/// The critical (σw², σb²) whose settled second moment is q: σw² = 1/E φ′², σb² = q − σw² E φ².
///
/// `None` where that asks for a negative variance, as for softplus at every q and for sigmoid unless
/// q is very large (some 40): they have no critical point at a scale that is used.
pub fn critical_point(activation: fanin::Activation, q: f64) -> Option<(f64, f64)> {
    let std = q.sqrt();
    let slopes = expectation(|x| activation.derivative(x).powi(2), 0.0, std);
    let weight = 1.0 / slopes;
    let bias = q - weight * expectation(|x| activation.eval(x).powi(2), 0.0, std);
    // ReLU has 0 exactly.
    let bias = if bias.abs() < 1e-12 * q { 0.0 } else { bias };
    (weight.is_finite() && bias >= 0.0).then_some((weight, bias))
}

/// The critical point of a given bias variance, by bisection over q in [10⁻⁸, 10⁴].
pub fn critical_weight(activation: fanin::Activation, bias: f64) -> Option<(f64, f64)> {
    let (mut low, mut high) = (1e-8f64, 1e4f64);
    let excess = |q: f64| critical_point(activation, q).map(|(_, b)| b - bias);
    if excess(low).is_none_or(|e| e > 0.0) {
        return None;
    }
    for _ in 0..100 {
        let middle = (low * high).sqrt();
        match excess(middle) {
            Some(e) if e < 0.0 => low = middle,
            _ => high = middle,
        }
    }
    let q = (low * high).sqrt();
    let (weight, found) = critical_point(activation, q)?;
    ((found - bias).abs() <= 1e-6 * bias.max(1e-12)).then_some((weight, q))
}
