//! What the axes of a weight are, which decides its fans.

use crate::Fans;

/// What one axis of a tensor counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Axis {
    /// Output units or channels.
    Output,
    /// Input units or channels.
    Input,
    /// Positions of the receptive field.
    Field,
    /// Independent copies of the weight: experts, scanned layers, the channels of a depthwise kernel.
    Stack,
    /// Rows of which one is looked up, as in an embedding: one input in the fans, many rows in a matrix.
    Lookup,
}

/// The meaning of every axis of a weight, and what else its fans depend on.
///
/// A shape alone does not give the fans: `[512, 512]` says nothing of which axis is the input, `[512, 1, 3, 3]`
/// nothing of its 512 groups, `[1536, 512]` nothing of the three matrices it holds.
///
/// ```
/// # use fanin::{Fans, Layout};
/// let depthwise = Layout::depthwise(2);
/// assert_eq!(depthwise.fans(&[512, 1, 3, 3])?, Fans { fan_in: 9.0, fan_out: 9.0 });
///
/// let qkv = Layout::linear_out_in().fused(&[512, 512, 512]);
/// assert_eq!(qkv.fans(&[1536, 512])?, Fans { fan_in: 512.0, fan_out: 512.0 });
/// # Ok::<(), fanin::LayoutError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// One entry per axis of the tensor.
    pub axes: Vec<Axis>,
    /// Groups of a grouped convolution; 1 for none, and 0 for as many as there are output channels (depthwise).
    pub groups: usize,
    /// Stride per [`Axis::Field`]; empty means 1 everywhere.
    pub stride: Vec<usize>,
    /// The kernel is applied transposed, so that stride divides the fan-in and groups split the input axis.
    pub transposed: bool,
    /// Sizes of the matrices that lie one after the other along the output axis; empty means one.
    pub fused: Vec<usize>,
    /// Inputs and outputs of the weight, where they are not the sizes of the tensor's own axes: where the tensor is
    /// one of several that make up the weight, or holds several weights side by side.
    pub sides: Option<[usize; 2]>,
}

/// Why a shape does not fit a layout, or has no fans.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The number of axes differs.
    #[error("shape {shape:?} has {} axes where the layout has {expected}", shape.len())]
    Rank {
        /// The shape given.
        shape: Vec<usize>,
        /// The layout's axes.
        expected: usize,
    },
    /// The tensor has only output axes.
    #[error(
        "shape {shape:?} is a vector, which has no fans; use zeros, ones, constant, uniform or normal with numbers"
    )]
    NoFans {
        /// The shape given.
        shape: Vec<usize>,
    },
    /// The channels cannot be split evenly.
    #[error("shape {shape:?}: {groups} groups do not divide {channels} channels")]
    Groups {
        /// The shape given.
        shape: Vec<usize>,
        /// The layout's groups.
        groups: usize,
        /// Size of the axis that the groups split.
        channels: usize,
    },
    /// The fused parts do not make up the output axis.
    #[error("shape {shape:?}: the fused parts {parts:?} do not add up to its {outputs} outputs")]
    Fused {
        /// The shape given.
        shape: Vec<usize>,
        /// The layout's parts.
        parts: Vec<usize>,
        /// Size of the output axis.
        outputs: usize,
    },
    /// Fused parts need exactly one output axis and no groups.
    #[error(
        "fused parts need exactly one output axis and no groups; write the parts as concat(…) or split the tensor"
    )]
    FusedAxes,
    /// Wrong number of strides, or a stride of 0.
    #[error(
        "strides {stride:?} do not fit {fields} field axes; give one positive stride per field axis, or none"
    )]
    Stride {
        /// The layout's strides.
        stride: Vec<usize>,
        /// The number of field axes.
        fields: usize,
    },
    /// More elements than a 64-bit index can count.
    #[error("shape {shape:?} has more elements than a 64-bit index can count")]
    TooLarge {
        /// The shape given.
        shape: Vec<usize>,
    },
}

impl Layout {
    /// A layout of these axes, with one group, no stride, not transposed, not fused.
    pub fn new(axes: impl Into<Vec<Axis>>) -> Self {
        Self {
            axes: axes.into(),
            groups: 1,
            stride: Vec::new(),
            transposed: false,
            fused: Vec::new(),
            sides: None,
        }
    }

    /// `[out, in]`: PyTorch's `Linear`, ONNX's `Gemm` with `transB`.
    pub fn linear_out_in() -> Self {
        Self::new([Axis::Output, Axis::Input])
    }

    /// `[in, out]`: Keras's `Dense`, Flax, ONNX's `MatMul`.
    pub fn linear_in_out() -> Self {
        Self::new([Axis::Input, Axis::Output])
    }

    /// `[out, in / groups, k…]` with `dims` field axes: PyTorch's and ONNX's convolution.
    pub fn conv(dims: usize, groups: usize) -> Self {
        Self {
            groups,
            ..Self::new([vec![Axis::Output, Axis::Input], vec![Axis::Field; dims]].concat())
        }
    }

    /// `[in, out / groups, k…]`: PyTorch's and ONNX's transposed convolution. An empty `stride` means 1.
    pub fn conv_transpose(dims: usize, groups: usize, stride: &[usize]) -> Self {
        let axes = [vec![Axis::Input, Axis::Output], vec![Axis::Field; dims]].concat();
        Self {
            groups,
            stride: stride.to_vec(),
            transposed: true,
            ..Self::new(axes)
        }
    }

    /// `[k…, in / groups, out]`: the convolution of Keras and Flax.
    pub fn conv_channels_last(dims: usize, groups: usize) -> Self {
        Self {
            groups,
            ..Self::new([vec![Axis::Field; dims], vec![Axis::Input, Axis::Output]].concat())
        }
    }

    /// `[channels · multiplier, 1, k…]` with one group per channel: PyTorch's and ONNX's depthwise convolution.
    ///
    /// The multiplier is taken as 1; with another, use [`Layout::conv`] with as many groups as input channels.
    pub fn depthwise(dims: usize) -> Self {
        Self::conv(dims, 0)
    }

    /// `[k…, channels, multiplier]`: Keras's depthwise convolution.
    pub fn depthwise_channels_last(dims: usize) -> Self {
        Self::new([vec![Axis::Field; dims], vec![Axis::Stack, Axis::Output]].concat())
    }

    /// `[k…, out, in]`: the transposed convolution of Keras. An empty `stride` means 1.
    pub fn conv_transpose_channels_last(dims: usize, stride: &[usize]) -> Self {
        let axes = [vec![Axis::Field; dims], vec![Axis::Output, Axis::Input]].concat();
        Self {
            stride: stride.to_vec(),
            transposed: true,
            ..Self::new(axes)
        }
    }

    /// `[in, heads, head dim]`: attention's query, key and value in Keras and Flax.
    pub fn into_heads() -> Self {
        Self::new([Axis::Input, Axis::Output, Axis::Output])
    }

    /// `[heads, head dim, out]`: attention's output in Keras and Flax.
    pub fn out_of_heads() -> Self {
        Self::new([Axis::Input, Axis::Input, Axis::Output])
    }

    /// `[out, in 1, in 2]`: PyTorch's `Bilinear`, whose outputs sum over all pairs of inputs.
    pub fn bilinear() -> Self {
        Self::new([Axis::Output, Axis::Input, Axis::Input])
    }

    /// `[vocabulary, dim]`. An id picks one row, so the fan-in is 1 and the fan-out `dim`.
    pub fn embedding() -> Self {
        Self::new([Axis::Lookup, Axis::Output])
    }

    /// `[n]`: a bias, a norm's scale. It has no fans.
    pub fn vector() -> Self {
        Self::new([Axis::Output])
    }

    /// The same weight many times, along `axes` new leading axes: `[experts, out, in]` is
    /// `linear_out_in().stack(1)`. Each copy is initialized on its own.
    #[must_use]
    pub fn stack(mut self, axes: usize) -> Self {
        self.axes
            .splice(0..0, std::iter::repeat_n(Axis::Stack, axes));
        self
    }

    /// Several matrices one after the other along the output axis: QKV, the gates of an LSTM, a gated unit.
    #[must_use]
    pub fn fused(mut self, parts: &[usize]) -> Self {
        self.fused = parts.to_vec();
        self
    }

    /// With strides, one per field axis.
    #[must_use]
    pub fn strided(mut self, stride: &[usize]) -> Self {
        self.stride = stride.to_vec();
        self
    }

    /// Of a weight with these inputs and outputs, of which the tensor is a part, or of which it holds several side by
    /// side.
    ///
    /// ```
    /// # use fanin::{Fans, Layout};
    /// // The left half of a weight of 512 inputs, stored on its own.
    /// let half = Layout::linear_out_in().sides(512, 64);
    /// assert_eq!(half.fans(&[64, 256])?, Fans { fan_in: 512.0, fan_out: 64.0 });
    /// # Ok::<(), fanin::LayoutError>(())
    /// ```
    #[must_use]
    pub fn sides(mut self, inputs: usize, outputs: usize) -> Self {
        self.sides = Some([inputs, outputs]);
        self
    }

    /// The fans of one output unit.
    ///
    /// With I inputs, O outputs and K field positions, g groups and stride s: a convolution `[O, I/g, K]` has fan-in
    /// `I/g · K` and fan-out `O/g · K/s`; a transposed one `[I, O/g, K]` has fan-in `I/g · K/s` and fan-out
    /// `O/g · K`. Along an axis whose stride exceeds its kernel, K/s counts as 1: the positions in the gaps have no
    /// terms at all, the others one. Fused parts divide the fan-out (of unequal parts, this gives the mean; see
    /// [`Layout::part_fans`]), and stacked axes do not count.
    ///
    /// # Errors
    /// When the shape does not fit the layout, or the tensor is a vector.
    pub fn fans(&self, shape: &[usize]) -> Result<Fans, LayoutError> {
        let whole = self.whole_fans(shape)?;
        let parts = self.fused.len().max(1) as f64;
        Ok(Fans {
            fan_out: whole.fan_out / parts,
            ..whole
        })
    }

    /// The fans of every fused part, one entry if there are none.
    ///
    /// # Errors
    /// As [`Layout::fans`].
    pub fn part_fans(&self, shape: &[usize]) -> Result<Vec<Fans>, LayoutError> {
        let whole = self.whole_fans(shape)?;
        if self.fused.is_empty() {
            return Ok(vec![whole]);
        }
        let outputs = self.fused.iter().sum::<usize>().max(1) as f64;
        let part = |&size: &usize| Fans {
            fan_out: whole.fan_out * (size as f64 / outputs),
            ..whole
        };
        Ok(self.fused.iter().map(part).collect())
    }

    /// The matrices that lie one after the other along the output axis; of a weight that is not fused, the weight.
    ///
    /// ```
    /// # use fanin::Layout;
    /// // Query, key and value of grouped-query attention, [in, out].
    /// let qkv = Layout::linear_in_out().fused(&[64, 16, 16]);
    /// let parts = qkv.parts(&[64, 96])?;
    /// assert_eq!(parts[1].range(), 64..80);
    /// assert_eq!(parts[1].shape(), [64, 16]);
    /// assert_eq!(parts[1].fans()?.fan_out, 16.0);
    /// // Its elements are 16 of every 96.
    /// assert_eq!(parts[1].runs().take(2).collect::<Vec<_>>(), [64..80, 160..176]);
    /// # Ok::<(), fanin::LayoutError>(())
    /// ```
    ///
    /// # Errors
    /// When the shape does not fit the layout.
    pub fn parts(&self, shape: &[usize]) -> Result<Vec<Part>, LayoutError> {
        self.check(shape)?;
        let output = self.axes.iter().position(|axis| *axis == Axis::Output);
        let axis = output.unwrap_or(0);
        let whole = [shape.get(axis).copied().unwrap_or(1)];
        let sizes = if self.fused.is_empty() {
            &whole[..]
        } else {
            &self.fused
        };
        let layout = Self {
            fused: Vec::new(),
            ..self.clone()
        };
        let mut first = 0;
        let mut part = |&size: &usize| {
            let range = first..first + size;
            first = range.end;
            let mut own = shape.to_vec();
            if let Some(n) = own.get_mut(axis) {
                *n = size;
            }
            Part {
                whole: shape.to_vec(),
                axis,
                range,
                shape: own,
                layout: layout.clone(),
            }
        };
        Ok(sizes.iter().map(&mut part).collect())
    }

    fn whole_fans(&self, shape: &[usize]) -> Result<Fans, LayoutError> {
        self.check(shape)?;
        let size = |axis| match (axis, self.sides) {
            (Axis::Input, Some([inputs, _])) => inputs as f64,
            (Axis::Output, Some([_, outputs])) => outputs as f64,
            _ => self.sizes(shape, axis).map(|n| n as f64).product::<f64>(),
        };
        if !self
            .axes
            .iter()
            .any(|axis| matches!(axis, Axis::Input | Axis::Field | Axis::Lookup))
        {
            return Err(LayoutError::NoFans {
                shape: shape.to_vec(),
            });
        }
        let field = size(Axis::Field);
        let strides = self.stride.iter().copied().chain(std::iter::repeat(1));
        let reached: f64 = self
            .sizes(shape, Axis::Field)
            .zip(strides)
            .map(|(k, s)| if k < s { 1.0 } else { k as f64 / s as f64 })
            .product();
        // A field of size 0 reaches nothing.
        let reached = if field == 0.0 { 0.0 } else { reached };
        let groups = self.group_count(shape).max(1) as f64;
        Ok(if self.transposed {
            Fans {
                fan_in: size(Axis::Input) / groups * reached,
                fan_out: size(Axis::Output) * field,
            }
        } else {
            Fans {
                fan_in: size(Axis::Input) * field,
                fan_out: size(Axis::Output) / groups * reached,
            }
        })
    }

    /// Whether the shape fits, whatever the fans.
    pub(crate) fn check(&self, shape: &[usize]) -> Result<(), LayoutError> {
        if shape.len() != self.axes.len() {
            return Err(LayoutError::Rank {
                shape: shape.to_vec(),
                expected: self.axes.len(),
            });
        }
        elements(shape)?;
        let fields = self.sizes(shape, Axis::Field).count();
        if !self.stride.is_empty() && (self.stride.len() != fields || self.stride.contains(&0)) {
            return Err(LayoutError::Stride {
                stride: self.stride.clone(),
                fields,
            });
        }
        let channels = self.split_channels(shape);
        let groups = self.group_count(shape);
        if groups != 0 && !channels.is_multiple_of(groups) {
            return Err(LayoutError::Groups {
                shape: shape.to_vec(),
                groups,
                channels,
            });
        }
        if !self.fused.is_empty() {
            let mut outputs = self.sizes(shape, Axis::Output);
            let (Some(outputs), None, 1) = (outputs.next(), outputs.next(), self.groups) else {
                return Err(LayoutError::FusedAxes);
            };
            if self
                .fused
                .iter()
                .try_fold(0usize, |sum, &part| sum.checked_add(part))
                != Some(outputs)
            {
                return Err(LayoutError::Fused {
                    shape: shape.to_vec(),
                    parts: self.fused.clone(),
                    outputs,
                });
            }
        }
        Ok(())
    }

    fn sizes(&self, shape: &[usize], axis: Axis) -> impl Iterator<Item = usize> {
        self.axes
            .iter()
            .zip(shape)
            .filter(move |(a, _)| **a == axis)
            .map(|(_, &n)| n)
    }

    /// The channels that the groups split: inputs of a transposed convolution, outputs of any other.
    fn split_channels(&self, shape: &[usize]) -> usize {
        self.sizes(
            shape,
            if self.transposed {
                Axis::Input
            } else {
                Axis::Output
            },
        )
        .product()
    }

    /// The number of groups; that of a depthwise layout depends on the shape.
    pub(crate) fn group_count(&self, shape: &[usize]) -> usize {
        if self.groups == 0 {
            self.split_channels(shape)
        } else {
            self.groups
        }
    }
}

/// One of the matrices of a fused weight; see [`Layout::parts`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part {
    whole: Vec<usize>,
    axis: usize,
    range: std::ops::Range<usize>,
    shape: Vec<usize>,
    layout: Layout,
}

impl Part {
    /// The axis along which the parts lie.
    pub fn axis(&self) -> usize {
        self.axis
    }

    /// Where it lies along that axis.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.range.clone()
    }

    /// Its shape as a tensor of its own.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its layout as a tensor of its own.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Its fans.
    ///
    /// # Errors
    /// When it is a vector.
    pub fn fans(&self) -> Result<Fans, LayoutError> {
        self.layout.fans(&self.shape)
    }

    /// The elements of the whole tensor that are its own, in ascending runs of neighbours; those of one part make up the
    /// tensor that it would be alone.
    pub fn runs(&self) -> impl Iterator<Item = std::ops::Range<u64>> + use<> {
        let product = |sizes: &[usize]| sizes.iter().map(|&n| n as u64).product::<u64>();
        let empty = self.shape.contains(&0);
        let outer = product(&self.whole[..self.axis.min(self.whole.len())]);
        let inner = self.whole.get(self.axis + 1..).map_or(1, product);
        let size = self.whole.get(self.axis).map_or(1, |&n| n as u64);
        let (from, to) = (self.range.start as u64, self.range.end as u64);
        (0..if empty { 0 } else { outer }).map(move |row| {
            let base = row * size;
            (base + from) * inner..(base + to) * inner
        })
    }
}

/// The number of elements of a shape.
pub(crate) fn elements(shape: &[usize]) -> Result<u64, LayoutError> {
    if shape.contains(&0) {
        return Ok(0);
    }
    shape
        .iter()
        .try_fold(1u64, |product, &n| product.checked_mul(n as u64))
        .ok_or_else(|| LayoutError::TooLarge {
            shape: shape.to_vec(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fans(layout: &Layout, shape: &[usize]) -> (f64, f64) {
        let fans = layout.fans(shape).unwrap();
        (fans.fan_in, fans.fan_out)
    }

    #[test]
    fn matrices() {
        assert_eq!(fans(&Layout::linear_out_in(), &[20, 30]), (30.0, 20.0));
        assert_eq!(fans(&Layout::linear_in_out(), &[30, 20]), (30.0, 20.0));
        assert_eq!(
            fans(&Layout::linear_out_in().stack(2), &[8, 4, 20, 30]),
            (30.0, 20.0)
        );
        assert_eq!(fans(&Layout::embedding(), &[50_257, 768]), (1.0, 768.0));
    }

    #[test]
    fn convolutions() {
        assert_eq!(fans(&Layout::conv(2, 1), &[64, 32, 3, 3]), (288.0, 576.0));
        assert_eq!(
            fans(&Layout::conv_channels_last(2, 1), &[3, 3, 32, 64]),
            (288.0, 576.0)
        );
        assert_eq!(fans(&Layout::conv(2, 4), &[64, 8, 3, 3]), (72.0, 144.0));
        assert_eq!(
            fans(&Layout::conv(2, 1).strided(&[2, 2]), &[64, 32, 4, 4]),
            (512.0, 256.0)
        );
        // A 1 × 1 kernel of stride 2 still feeds 64 outputs wherever it feeds any.
        assert_eq!(
            fans(&Layout::conv(2, 1).strided(&[2, 2]), &[64, 32, 1, 1]),
            (32.0, 64.0)
        );
    }

    // torch reports a fan-out of C k² = 4608 here, and Keras scales by it.
    #[test]
    fn depthwise_convolutions_have_both_fans_k_squared() {
        assert_eq!(fans(&Layout::depthwise(2), &[512, 1, 3, 3]), (9.0, 9.0));
        assert_eq!(fans(&Layout::conv(2, 512), &[512, 1, 3, 3]), (9.0, 9.0));
        assert_eq!(fans(&Layout::conv(2, 512), &[1024, 1, 3, 3]), (9.0, 18.0));
        assert_eq!(
            fans(&Layout::depthwise_channels_last(2), &[3, 3, 512, 2]),
            (9.0, 18.0)
        );
    }

    // torch takes out · k² as the fan-in here, which makes Kaiming's standard deviation 5.6 times too large.
    #[test]
    fn transposed_convolutions_count_inputs() {
        assert_eq!(
            fans(&Layout::conv_transpose(2, 1, &[]), &[512, 16, 3, 3]),
            (4608.0, 144.0)
        );
        assert_eq!(
            fans(&Layout::conv_transpose(2, 1, &[2, 2]), &[64, 32, 4, 4]),
            (256.0, 512.0)
        );
        assert_eq!(
            fans(&Layout::conv_transpose(2, 4, &[2, 2]), &[64, 8, 4, 4]),
            (64.0, 128.0)
        );
        assert_eq!(
            fans(&Layout::conv_transpose(1, 1, &[2]), &[64, 32, 3]),
            (96.0, 96.0)
        );
    }

    // torch's attention scales the packed weight by a fan-out of 3 E, and the separate ones by E.
    #[test]
    fn fused_parts_have_the_fans_of_separate_matrices() {
        let fused = Layout::linear_out_in().fused(&[512, 512, 512]);
        assert_eq!(
            fans(&fused, &[1536, 512]),
            fans(&Layout::linear_out_in(), &[512, 512])
        );
        let gates = Layout::linear_in_out().fused(&[128; 4]);
        assert_eq!(fans(&gates, &[64, 512]), (64.0, 128.0));
        let grouped_query = Layout::linear_out_in().fused(&[4096, 1024, 1024]);
        let parts = grouped_query.part_fans(&[6144, 4096]).unwrap();
        assert_eq!(
            parts.iter().map(|f| f.fan_out).collect::<Vec<_>>(),
            [4096.0, 1024.0, 1024.0]
        );
    }

    #[test]
    fn layouts_of_the_frameworks() {
        let heads = Layout::into_heads();
        assert_eq!(fans(&heads, &[512, 8, 64]), (512.0, 512.0));
        assert_eq!(fans(&Layout::out_of_heads(), &[8, 64, 256]), (512.0, 256.0));
        assert_eq!(fans(&Layout::bilinear(), &[10, 20, 30]), (600.0, 10.0));
        assert_eq!(
            fans(
                &Layout::conv_transpose_channels_last(2, &[2, 2]),
                &[4, 4, 32, 64]
            ),
            fans(&Layout::conv_transpose(2, 1, &[2, 2]), &[64, 32, 4, 4])
        );
    }

    #[test]
    fn parts_cover_the_tensor_once() {
        for (layout, shape) in [
            (Layout::linear_out_in().fused(&[4, 0, 2]), vec![6, 5]),
            (Layout::linear_in_out().fused(&[4, 0, 2]), vec![5, 6]),
            (
                Layout::linear_out_in().stack(1).fused(&[1, 2]),
                vec![4, 3, 5],
            ),
            (
                Layout::conv_channels_last(2, 1).fused(&[3, 3]),
                vec![2, 2, 4, 6],
            ),
            (Layout::vector().fused(&[2; 4]), vec![8]),
            (Layout::conv(1, 2), vec![4, 3, 2]),
            (Layout::new([]), vec![]),
        ] {
            let mut seen = vec![0; shape.iter().product()];
            let parts = layout.parts(&shape).unwrap();
            for part in &parts {
                let mut count = 0;
                for run in part.runs() {
                    count += run.end - run.start;
                    run.for_each(|i| seen[i as usize] += 1);
                }
                assert_eq!(elements(part.shape()), Ok(count), "{layout:?}");
                assert!(part.layout().check(part.shape()).is_ok());
            }
            assert!(seen.iter().all(|n| *n == 1), "{layout:?}");
            if let Ok(fans) = layout.part_fans(&shape) {
                let own: Vec<_> = parts.iter().map(|p| p.fans().unwrap()).collect();
                assert_eq!(own, fans);
            }
        }
    }

    #[test]
    fn zero_sizes_are_fine() {
        for shape in [[0, 3, 3, 3], [3, 0, 3, 3], [3, 3, 0, 3]] {
            let (fan_in, fan_out) = fans(&Layout::conv(2, 1), &shape);
            assert!(fan_in.is_finite() && fan_out.is_finite());
        }
        assert!(Layout::depthwise(1).fans(&[0, 1, 3]).is_ok());
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let message = |layout: Layout, shape: &[usize]| layout.fans(shape).unwrap_err().to_string();
        assert_eq!(
            message(Layout::conv(2, 1), &[3, 4]),
            "shape [3, 4] has 2 axes where the layout has 4"
        );
        assert!(
            message(Layout::vector(), &[3])
                .starts_with("shape [3] is a vector, which has no fans; use zeros")
        );
        assert_eq!(
            message(Layout::conv(1, 3), &[4, 1, 5]),
            "shape [4, 1, 5]: 3 groups do not divide 4 channels"
        );
        assert_eq!(
            message(Layout::linear_out_in().fused(&[1, 2]), &[4, 4]),
            "shape [4, 4]: the fused parts [1, 2] do not add up to its 4 outputs"
        );
        assert_eq!(
            message(Layout::conv(2, 2).fused(&[2, 2]), &[4, 1, 1, 1]),
            LayoutError::FusedAxes.to_string()
        );
        assert!(message(Layout::conv(2, 1).strided(&[0, 1]), &[1, 1, 1, 1]).contains("[0, 1]"));
        let large = [usize::MAX, 3];
        assert!(message(Layout::linear_out_in(), &large).ends_with("64-bit index can count"));
        assert!(
            message(Layout::linear_out_in().fused(&[usize::MAX, 2]), &[1, 1])
                .contains("do not add up")
        );
    }
}
