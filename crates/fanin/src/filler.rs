//! An initializer resolved for one tensor: ready to write any slice of it.

use std::fmt;

use crate::initializers::{Haar, Structured};
use crate::sampler::Sampler;
use crate::spans::Spans;
use crate::text::Number;
use crate::{Element, Stream, parallel};

/// The slice asked for is not within the tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("elements {start}..{} asked for, but the tensor has {len}", u128::from(*start) + *count as u128)]
pub struct RangeError {
    /// First element asked for.
    pub start: u64,
    /// Number of elements asked for.
    pub count: usize,
    /// Elements of the tensor.
    pub len: u64,
}

/// Writes the values of one tensor, or any part of them.
///
/// Made by [`Initializer::resolve`](crate::Initializer::resolve). Element `i` (row-major) is a function of the stream
/// and `i`, whatever slice it is written with, on however many threads.
///
/// ```
/// # use fanin::{Initializer, Layout, Seed, Stream};
/// let filler = Initializer::orthogonal(1.0)?.resolve(&[64, 64], &Layout::linear_out_in())?;
/// let stream = Stream::new(Seed::new(7), "rnn.weight_hh");
/// let mut whole = vec![0f32; 4096];
/// filler.fill(&stream, 0, &mut whole)?;
/// let mut shard = vec![0f32; 1024];
/// filler.fill(&stream, 2048, &mut shard)?;
/// assert_eq!(shard, whole[2048..3072]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Filler {
    len: u64,
    pub(crate) values: Values,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values {
    /// Every element by the same rule.
    Each(Sampler),
    /// Fused parts, each by its own rule, all of one stream.
    Parts(Spans, Vec<Sampler>),
    Orthogonal(Haar),
    Structured(Structured),
    /// Blocks with a sub-stream each.
    Concat(Spans, Vec<Filler>),
}

impl Filler {
    pub(crate) fn new(len: u64, values: Values) -> Self {
        Self { len, values }
    }

    pub(crate) fn into_values(self) -> Values {
        self.values
    }

    /// The same values times a positive factor, which goes into the numbers of the distributions.
    pub(crate) fn scaled(&self, factor: f64) -> Self {
        let values = match self.values.clone() {
            Values::Each(sampler) => Values::Each(sampler.scaled(factor)),
            Values::Parts(spans, samplers) => {
                let scaled = samplers.iter().map(|sampler| sampler.scaled(factor));
                Values::Parts(spans, scaled.collect())
            }
            Values::Orthogonal(orthogonal) => Values::Orthogonal(orthogonal.scaled(factor)),
            Values::Structured(structured) => Values::Structured(structured.scaled(factor)),
            Values::Concat(spans, parts) => {
                let scaled = parts.iter().map(|part| part.scaled(factor));
                Values::Concat(spans, scaled.collect())
            }
        };
        Self::new(self.len, values)
    }

    /// Elements of the whole tensor.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing to fill.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes elements `start .. start + out.len()` of the tensor whose stream this is.
    ///
    /// Large slices are shared between rayon's threads (feature `rayon`).
    ///
    /// # Errors
    /// When the slice reaches beyond the tensor.
    pub fn fill<T: Element>(
        &self,
        stream: &Stream,
        start: u64,
        out: &mut [T],
    ) -> Result<(), RangeError> {
        let fits = start
            .checked_add(out.len() as u64)
            .is_some_and(|end| end <= self.len);
        if !fits {
            return Err(RangeError {
                start,
                count: out.len(),
                len: self.len,
            });
        }
        if !out.is_empty() {
            self.write(stream, start, out);
        }
        Ok(())
    }

    pub(crate) fn write<T: Element>(&self, stream: &Stream, start: u64, out: &mut [T]) {
        match &self.values {
            Values::Each(sampler) => sampler.fill(stream, start, out),
            Values::Parts(spans, samplers) => parallel::pieces(start, out, |start, out| {
                spans.runs(start, out.len(), |part, _, range| {
                    let begin = start + range.start as u64;
                    samplers[part].fill_serially(stream, begin, &mut out[range]);
                });
            }),
            Values::Orthogonal(orthogonal) => orthogonal.fill(stream, start, out),
            Values::Structured(structured) => structured.fill(stream, start, out),
            Values::Concat(spans, parts) => {
                let streams: Vec<Stream> = (0..parts.len())
                    .map(|k| stream.substream(&format!("concat/{k}")))
                    .collect();
                spans.runs(start, out.len(), |part, local, range| {
                    parts[part].write(&streams[part], local, &mut out[range]);
                });
            }
        }
    }

    /// Standard deviation of the values before they are rounded to the element type; of an orthogonal matrix, the root
    /// mean square of its entries. `None` for what is not drawn at all, as an identity, and what contains it.
    pub fn expected_std(&self) -> Option<f64> {
        if let Values::Each(sampler) = &self.values {
            return Some(sampler.std());
        }
        let (mean, square) = self.moments()?;
        Some((square - mean * mean).max(0.0).sqrt())
    }

    /// Whether slices share work that is done once if they are filled upwards, one after the other, such as the reflections
    /// of an orthogonal matrix. Others may as well be filled in any order.
    pub fn shares_work(&self) -> bool {
        match &self.values {
            Values::Each(_) | Values::Parts(..) => false,
            Values::Orthogonal(_) => true,
            Values::Structured(structured) => structured.shares_work(),
            Values::Concat(_, parts) => parts.iter().any(Self::shares_work),
        }
    }

    /// Mean and mean square.
    pub(crate) fn moments(&self) -> Option<(f64, f64)> {
        let of = |sampler: &Sampler| {
            (
                sampler.mean(),
                sampler.mean().powi(2) + sampler.std().powi(2),
            )
        };
        let mix = |spans: &Spans, moments: Vec<(f64, f64)>| {
            let total = spans.sizes().sum::<u64>().max(1) as f64;
            spans
                .sizes()
                .zip(moments)
                .fold((0.0, 0.0), |(mean, square), (size, (m, s))| {
                    let share = size as f64 / total;
                    (mean + share * m, square + share * s)
                })
        };
        match &self.values {
            Values::Each(sampler) => Some(of(sampler)),
            Values::Parts(spans, samplers) => Some(mix(spans, samplers.iter().map(of).collect())),
            Values::Orthogonal(orthogonal) => Some((0.0, orthogonal.rms().powi(2))),
            Values::Structured(structured) => structured.moments(),
            Values::Concat(spans, parts) => Some(mix(
                spans,
                parts.iter().map(Self::moments).collect::<Option<_>>()?,
            )),
        }
    }
}

impl fmt::Display for Filler {
    /// What the values are, with the numbers settled.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.values {
            Values::Each(sampler) => sampler.fmt(f),
            Values::Parts(spans, samplers) => {
                for (i, (size, sampler)) in spans.sizes().zip(samplers).enumerate() {
                    write!(f, "{}{size}: {sampler}", if i == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
            Values::Orthogonal(orthogonal) => {
                write!(
                    f,
                    "orthogonal, gain {}, rms {}",
                    Number(orthogonal.gain()),
                    Number(orthogonal.rms())
                )
            }
            Values::Structured(structured) => structured.fmt(f),
            Values::Concat(spans, parts) => {
                for (i, (size, part)) in spans.sizes().zip(parts).enumerate() {
                    write!(f, "{}{size}: {part}", if i == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(value) => write!(f, "constant {}", Number(*value)),
            Self::Uniform(uniform) => write!(
                f,
                "uniform in [{}, {}], std {}",
                Number(uniform.low),
                Number(uniform.high),
                Number(uniform.std())
            ),
            Self::Normal(normal) => write!(
                f,
                "normal, mean {}, std {}",
                Number(normal.mean),
                Number(normal.std)
            ),
            Self::TruncatedNormal(truncated) => {
                let (low, high) = truncated.bounds();
                let (mean, std) = (Number(truncated.mean()), Number(truncated.std()));
                write!(
                    f,
                    "truncated normal in [{}, {}], mean {mean}, std {std}",
                    Number(low),
                    Number(high)
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed, Stream};

    fn resolved(text: &str, shape: &[usize], layout: &Layout) -> super::Filler {
        text.parse::<Initializer>()
            .unwrap()
            .resolve(shape, layout)
            .unwrap()
    }

    #[test]
    fn prints_the_numbers_settled() {
        let layout = Layout::linear_out_in();
        assert_eq!(
            resolved("kaiming_normal(gain=2)", &[3, 16], &layout).to_string(),
            "normal, mean 0, std 0.5"
        );
        assert_eq!(
            resolved("uniform(-3, 3)", &[2, 2], &layout).to_string(),
            "uniform in [-3, 3], std 1.7320508075688774"
        );
        assert_eq!(
            resolved("orthogonal", &[4, 16], &layout).to_string(),
            "orthogonal, gain 1, rms 0.25"
        );
        assert_eq!(
            resolved("concat(axis=0, 1: zeros, 3: ones)", &[4], &Layout::vector()).to_string(),
            "1: constant 0; 3: constant 1"
        );
    }

    #[test]
    fn expected_std_of_a_mixture() {
        let filler = resolved("concat(axis=0, 1: zeros, 3: ones)", &[4], &Layout::vector());
        assert!((filler.expected_std().unwrap() - 0.1875f64.sqrt()).abs() < 1e-15);
        assert_eq!(
            resolved("identity", &[2, 2], &Layout::linear_out_in()).expected_std(),
            None
        );
    }

    #[test]
    fn a_slice_beyond_the_tensor_is_refused() {
        let filler = resolved("ones", &[5], &Layout::vector());
        let stream = Stream::new(Seed::new(0), "x");
        let error = filler.fill(&stream, 3, &mut [0f32; 3]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "elements 3..6 asked for, but the tensor has 5"
        );
        assert!(filler.fill(&stream, u64::MAX, &mut [0f32; 3]).is_err());
        assert!(filler.fill(&stream, 5, &mut [0f32; 0]).is_ok());
    }

    // JAX divides by zero here.
    #[test]
    fn shapes_with_a_zero_are_empty() {
        for text in [
            "kaiming_normal",
            "xavier_truncated",
            "orthogonal",
            "identity",
            "lecun_uniform",
            "zeros",
        ] {
            for shape in [[0, 4], [4, 0], [0, 0]] {
                let filler = resolved(text, &shape, &Layout::linear_out_in());
                assert!(filler.is_empty());
                assert_eq!(
                    filler.fill(&Stream::new(Seed::new(0), "x"), 0, &mut [0f32; 0]),
                    Ok(())
                );
                assert!(filler.expected_std().is_none_or(|std| std.is_finite()));
            }
        }
    }
}
