//! Windows that slide over one to three spatial axes.

/// A window sliding over space, always in three axes; missing ones have size 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Size of the input.
    pub(crate) input: [usize; 3],
    /// Size of the output.
    pub(crate) output: [usize; 3],
    /// Size of the window.
    pub(crate) kernel: [usize; 3],
    /// From one window to the next.
    pub(crate) stride: [usize; 3],
    /// From one element of the window to the next.
    pub(crate) dilation: [usize; 3],
    /// Elements before the input; what lies after it follows from the output's size.
    pub(crate) pad: [usize; 3],
}

impl Window {
    /// A window over one to three axes, between an input and an output of these sizes.
    pub(crate) fn new(
        input: &[usize],
        output: &[usize],
        kernel: &[usize],
        stride: &[usize],
        dilation: &[usize],
        pad: &[usize],
    ) -> Self {
        Self {
            input: three(input, 1),
            output: three(output, 1),
            kernel: three(kernel, 1),
            stride: three(stride, 1),
            dilation: three(dilation, 1),
            pad: three(pad, 0),
        }
    }

    /// Elements of the input per channel.
    pub(crate) fn input_len(&self) -> usize {
        self.input.iter().product()
    }

    /// Elements of the output per channel.
    pub(crate) fn output_len(&self) -> usize {
        self.output.iter().product()
    }

    /// Elements of the window.
    pub(crate) fn kernel_len(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Whether input and output are the same elements: a 1x1 window without stride.
    pub(crate) fn is_pointwise(&self) -> bool {
        self.kernel == [1; 3]
            && self.stride == [1; 3]
            && self.pad == [0; 3]
            && self.input == self.output
    }

    /// The window over the outputs that leads back to the inputs, its elements from the last to the first;
    /// `None` where the windows step over elements or more is padded than they reach.
    pub(crate) fn mirrored(&self) -> Option<Self> {
        let mut pad = [0; 3];
        for (k, pad) in pad.iter_mut().enumerate() {
            let reach = (self.kernel[k] - 1) * self.dilation[k];
            *pad = reach.checked_sub(self.pad[k])?;
        }
        (self.stride == [1; 3]).then_some(Self {
            input: self.output,
            output: self.input,
            pad,
            ..*self
        })
    }

    /// The outputs along `axis` whose element `k` of the window lies inside the input, and the
    /// input of the first of them.
    pub(crate) fn valid(&self, axis: usize, k: usize) -> (std::ops::Range<usize>, usize) {
        let (stride, pad) = (self.stride[axis], self.pad[axis]);
        let offset = k * self.dilation[axis];
        // o * stride + offset >= pad  and  o * stride + offset - pad < input
        let first = pad.saturating_sub(offset).div_ceil(stride);
        let end = (self.input[axis] + pad)
            .saturating_sub(offset)
            .div_ceil(stride);
        let end = end.min(self.output[axis]);
        if first >= end {
            return (0..0, 0);
        }
        (first..end, first * stride + offset - pad)
    }

    /// The input at window element `k` of output `o` along `axis`, if it is inside.
    pub(crate) fn source(&self, axis: usize, o: usize, k: usize) -> Option<usize> {
        (o * self.stride[axis] + k * self.dilation[axis])
            .checked_sub(self.pad[axis])
            .filter(|&i| i < self.input[axis])
    }
}

/// Three axes from at most three; missing ones lead.
pub(crate) fn three(values: &[usize], missing: usize) -> [usize; 3] {
    let mut all = [missing; 3];
    let lead = 3usize.saturating_sub(values.len());
    for (slot, &v) in all[lead..].iter_mut().zip(values) {
        *slot = v;
    }
    all
}
