//! `chrono(longest, order)`: a recurrent bias whose gates remember for times up to `longest` steps.
//!
//! A forget gate with bias b forgets after about e^b steps, so that biases of ln U(1, T − 1) spread the memories of the
//! units over all times up to T; the input gate has the opposite bias, unit by unit.
//!
//! # Contract
//!
//! Unit j of copy c uses element c · units + j of the sub-stream `chrono`, as a uniform value on [1, T − 1] in double
//! precision; its logarithm is rounded once.

use std::fmt;

use super::Entry;
use super::arguments::Usual;
use super::forget_gate::Gates;
use super::log_uniform::each_double;
use super::rule::{Rule, Unfit, rule};
use super::structure::Structure;
use crate::filler::Values;
use crate::math::double::ln;
use crate::spans::Spans;
use crate::text::Number;
use crate::{Element, Layout, Stream};

rule! {
    /// ln U(1, `longest` − 1) for the gate that keeps the state, minus the same for the input gate, 0 for the others.
    Chrono as chrono {
        /// The longest dependency, in steps.
        longest: f64,
        /// The order of the gates.
        order: Gates = Usual::Shown(Gates::Ifgo),
    }
}

impl Rule for Chrono {
    const ENTRY: Entry = Entry {
        name: "chrono",
        aliases: &["chrono_bias"],
        formula: "forget gate (of a GRU, update gate): ln U(1, longest - 1); input gate: minus that, unit by unit; \
                  other gates 0; order as forget_gate's",
        when: "Recurrent biases when dependencies of a known length matter: copying, adding, long sequences.",
        reference: "Tallec and Ollivier, Can Recurrent Neural Networks Warp Time?, ICLR 2018",
        example: "chrono(longest=784, order=ifgo)",
    };

    fn fault(&self) -> Option<&'static str> {
        if !self.longest.is_finite() {
            Some("longest must be finite")
        } else {
            (self.longest <= 2.0).then_some("longest must be above 2 steps")
        }
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        let (spans, signs) = self.order.parts(shape, layout)?;
        Ok(Timescales {
            spans,
            factors: signs,
            longest: self.longest,
        }
        .into())
    }
}

/// Gates that are a factor times the logarithm of a time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Timescales {
    spans: Spans,
    /// The factor of each gate.
    factors: Vec<f64>,
    longest: f64,
}

impl Structure for Timescales {
    fn fill<T: Element>(&self, stream: &Stream, start: u64, out: &mut [T]) {
        let stream = stream.substream("chrono");
        let times = (1.0, self.longest - 1.0);
        self.spans.runs(start, out.len(), |gate, local, range| {
            let (out, factor) = (&mut out[range], self.factors[gate]);
            if factor == 0.0 {
                out.fill(T::default());
            } else {
                each_double(times, &stream, local, out, |time| factor * ln(time));
            }
        });
    }

    fn scaled(self, factor: f64) -> Self {
        Self {
            factors: self.factors.iter().map(|x| factor * x).collect(),
            ..self
        }
    }

    fn moments(&self) -> Option<(f64, f64)> {
        let b = self.longest - 1.0;
        let l = ln(b);
        let mean = (b * l - b + 1.0) / (b - 1.0);
        let square = (b * l * l - 2.0 * b * l + 2.0 * b - 2.0) / (b - 1.0);
        let gates = self.factors.len().max(1) as f64;
        let sum: f64 = self.factors.iter().sum();
        let squares: f64 = self.factors.iter().map(|x| x * x).sum();
        Some((mean * sum / gates, square * squares / gates))
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gates for times up to {}", Number(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    fn draw(text: &str, n: usize) -> Vec<f64> {
        let mut out = vec![9f64; n];
        text.parse::<Initializer>()
            .unwrap()
            .fill(Seed::new(0), "b", &[n], &Layout::vector(), &mut out)
            .unwrap();
        out
    }

    #[test]
    fn forget_and_input_gates_are_opposite_logarithms_of_uniform_times() {
        let h = 1 << 14;
        let out = draw("chrono(longest=100)", 4 * h);
        let (input, forget) = (&out[..h], &out[h..2 * h]);
        assert!(input.iter().zip(forget).all(|(i, f)| *i == -f));
        assert!(out[2 * h..].iter().all(|x| *x == 0.0));
        let mut times: Vec<f64> = forget.iter().map(|b| (b.exp() - 1.0) / 98.0).collect();
        times.sort_by(f64::total_cmp);
        let distance = times.iter().enumerate().fold(0f64, |worst, (i, t)| {
            worst.max((t - (i as f64 + 0.5) / h as f64).abs())
        });
        // Kolmogorov-Smirnov, false positives 0.001.
        assert!(distance * (h as f64).sqrt() < 1.949, "{distance}");
        let filler = "chrono(longest=100)"
            .parse::<Initializer>()
            .unwrap()
            .resolve(&[4 * h], &Layout::vector())
            .unwrap();
        let square = out.iter().map(|x| x * x).sum::<f64>() / out.len() as f64;
        assert!((filler.expected_std().unwrap() / square.sqrt() - 1.0).abs() < 0.01);
    }

    #[test]
    fn too_short_a_time_is_refused() {
        let message = "chrono(2)".parse::<Initializer>().unwrap_err().to_string();
        assert!(
            message.ends_with("longest must be above 2 steps"),
            "{message}"
        );
    }
}
