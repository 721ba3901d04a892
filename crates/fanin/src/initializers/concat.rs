//! `concat(axis, size: initializer, …)`: blocks one after the other along an axis.
//!
//! Each block is a tensor of its own, with the fans of its own shape and a sub-stream `concat/k` of the tensor's
//! stream, so the block's values depend neither on the other blocks nor on their sizes.

use super::arguments::Arguments;
use super::rule::{Rule, Unfit};
use super::{Entry, InitError, Initializer};
use crate::filler::Values;
use crate::spans::Spans;
use crate::text::{Call, ParseError, Value};
use crate::{Axis, Layout};

/// Blocks of the given sizes along an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Concat {
    /// The axis along which the parts lie.
    pub axis: usize,
    /// Size along the axis, and initializer, of each part.
    pub parts: Vec<(usize, Initializer)>,
}

impl Initializer {
    /// Blocks of the given sizes along `axis`.
    ///
    /// # Errors
    /// When a part is not valid, or there is none.
    pub fn concat(axis: usize, parts: impl Into<Vec<(usize, Self)>>) -> Result<Self, InitError> {
        let parts = parts.into();
        Self::Concat(Concat { axis, parts }).validated()
    }
}

impl Arguments for Concat {
    fn arguments(&self) -> Vec<String> {
        let parts = self
            .parts
            .iter()
            .map(|(size, part)| format!("{size}: {part}"));
        std::iter::once(format!("axis={}", self.axis))
            .chain(parts)
            .collect()
    }

    fn read(call: Call) -> Result<Self, ParseError> {
        let position = call.position;
        let (mut axis, mut parts) = (None, Vec::new());
        for argument in call.arguments {
            match (argument.key.as_deref(), argument.size, argument.value) {
                (Some("axis"), None, Value::Number(number)) if axis.is_none() => {
                    let whole = number as usize;
                    if whole as f64 != number {
                        return Err(ParseError::new(
                            argument.position,
                            "axis must be a whole number",
                        ));
                    }
                    axis = Some(whole);
                }
                (None, Some(size), Value::Call(part)) => {
                    parts.push((size, Initializer::from_call(part)?));
                }
                _ => {
                    return Err(ParseError::new(
                        argument.position,
                        "expected axis=number or size: initializer",
                    ));
                }
            }
        }
        let axis = axis.ok_or_else(|| ParseError::new(position, "concat needs axis"))?;
        Ok(Self { axis, parts })
    }
}

impl Rule for Concat {
    const ENTRY: Entry = Entry {
        name: "concat",
        aliases: &["concatenate"],
        formula: "w = [w1 | w2 | …] along axis, each of the given size and by its own initializer",
        when: "Tensors whose parts have different jobs: an LSTM's biases with the forget gate open, packed QKV with a \
               smaller query.",
        reference: "Gers, Schmidhuber and Cummins, Learning to Forget: Continual Prediction with LSTM, 2000",
        example: "concat(axis=0, 64: zeros, 64: ones, 128: zeros)",
    };

    fn fault(&self) -> Option<&'static str> {
        self.parts
            .is_empty()
            .then_some("there must be at least one part")
    }

    fn inner(&self) -> Vec<&Initializer> {
        self.parts.iter().map(|(_, part)| part).collect()
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        let axis = self.axis;
        let Some(&size) = shape.get(axis) else {
            return Err(format!("there is no axis {axis}").into());
        };
        let sizes: Vec<usize> = self.parts.iter().map(|(size, _)| *size).collect();
        let sum = sizes
            .iter()
            .try_fold(0usize, |sum, &size| sum.checked_add(size));
        if sum != Some(size) {
            let sum = sum.map_or("too much".to_owned(), |sum| sum.to_string());
            return Err(
                format!("the parts add up to {sum} along axis {axis}, which has {size}").into(),
            );
        }
        let mut fillers = Vec::with_capacity(self.parts.len());
        for (k, (size, part)) in self.parts.iter().enumerate() {
            let Some(layout) = part_layout(layout, shape, axis, &sizes, k) else {
                return Err(format!(
                    "part {k} along axis {axis} cuts through a group or a fused part"
                )
                .into());
            };
            let mut shape = shape.to_vec();
            shape[axis] = *size;
            fillers.push(part.resolve_valid(&shape, &layout)?);
        }
        Ok(Values::Concat(Spans::new(shape, axis, sizes), fillers))
    }
}

/// The layout of block `k`, of `sizes` along `axis`; `None` if the blocks cut through groups or fused parts.
pub(super) fn part_layout(
    layout: &Layout,
    shape: &[usize],
    axis: usize,
    sizes: &[usize],
    k: usize,
) -> Option<Layout> {
    let mut part = layout.clone();
    let first: usize = sizes[..k].iter().sum();
    let last = first + sizes[k];
    if layout.axes[axis] == Axis::Output && !layout.fused.is_empty() {
        let mut offset = 0;
        part.fused.clear();
        for &size in &layout.fused {
            let (from, to) = (offset, offset + size);
            offset = to;
            if first <= from && to <= last {
                part.fused.push(size);
            } else if from < last && first < to {
                return None;
            }
        }
        if part.fused.len() == 1 {
            part.fused.clear();
        }
    }
    let split = if layout.transposed {
        Axis::Input
    } else {
        Axis::Output
    };
    if layout.groups > 1 && layout.axes[axis] == split {
        let group = shape[axis] / layout.groups;
        if group == 0 || !first.is_multiple_of(group) || !sizes[k].is_multiple_of(group) {
            return None;
        }
        part.groups = (sizes[k] / group).max(1);
    }
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Seed, Stream};

    #[test]
    fn an_lstm_bias() {
        let bias: Initializer = Concat::ENTRY.example.parse().unwrap();
        let mut out = vec![7f32; 256];
        bias.fill(Seed::new(0), "b", &[256], &Layout::vector(), &mut out)
            .unwrap();
        assert_eq!(out, [vec![0.0; 64], vec![1.0; 64], vec![0.0; 128]].concat());
    }

    #[test]
    fn blocks_along_any_axis_are_the_tensors_they_would_be_alone() {
        let normal = Initializer::kaiming_normal(crate::Mode::FanIn, 1.0).unwrap();
        let concat = Initializer::concat(
            1,
            [
                (3, normal.clone()),
                (0, Initializer::ones()),
                (5, normal.clone()),
            ],
        )
        .unwrap();
        let layout = Layout::linear_in_out();
        let mut out = vec![0f32; 10 * 8];
        concat
            .fill(Seed::new(4), "w", &[10, 8], &layout, &mut out)
            .unwrap();
        let stream = Stream::new(Seed::new(4), "w").substream("concat/2");
        let mut alone = vec![0f32; 50];
        normal
            .resolve(&[10, 5], &layout)
            .unwrap()
            .fill(&stream, 0, &mut alone)
            .unwrap();
        for r in 0..10 {
            assert_eq!(out[r * 8 + 3..r * 8 + 8], alone[r * 5..r * 5 + 5]);
        }
    }

    #[test]
    fn fused_layouts_are_taken_apart() {
        let layout = Layout::linear_out_in().fused(&[4, 4, 4]);
        let shape = [12, 4];
        assert_eq!(
            part_layout(&layout, &shape, 0, &[4, 8], 0),
            Some(Layout::linear_out_in())
        );
        assert_eq!(
            part_layout(&layout, &shape, 0, &[4, 8], 1),
            Some(Layout::linear_out_in().fused(&[4, 4]))
        );
        assert_eq!(part_layout(&layout, &shape, 0, &[6, 6], 1), None);
        assert_eq!(
            part_layout(&Layout::conv(1, 4), &[8, 1, 1], 0, &[4, 4], 1),
            Some(Layout::conv(1, 2))
        );
        assert_eq!(
            part_layout(&Layout::conv(1, 4), &[8, 1, 1], 0, &[3, 5], 1),
            None
        );
    }

    #[test]
    fn errors_say_what_does_not_fit() {
        let bias: Initializer = Concat::ENTRY.example.parse().unwrap();
        let message = bias
            .resolve(&[200], &Layout::vector())
            .unwrap_err()
            .to_string();
        assert!(
            message
                .ends_with("for shape [200]: the parts add up to 256 along axis 0, which has 200"),
            "{message}"
        );
        let message = bias.resolve(&[], &Layout::new([])).unwrap_err().to_string();
        assert!(
            message.ends_with("for shape []: there is no axis 0"),
            "{message}"
        );
    }
}
