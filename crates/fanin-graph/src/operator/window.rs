//! Sliding windows: what convolutions and pools have in common.
//!
//! Strides, dilations, padding and rounding are read here and nowhere else.

use super::read::{Given, LARGEST};

/// How a window slides over the spatial axes, as a node states it. Lists that are empty stand for
/// ones (strides, dilations) or zeros (padding) along every axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Size per axis, where the node states it; a convolution's also follows from its weight.
    pub kernel: Option<Vec<usize>>,
    /// Step per axis.
    pub strides: Vec<usize>,
    /// Distance of taps per axis.
    pub dilations: Vec<usize>,
    /// What is added around the input.
    pub pads: Pads,
    /// Whether a last place that the window only partly fills counts.
    pub ceil: bool,
}

/// What is added around the input of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pads {
    /// Before and after each axis; negative ones cut.
    Explicit(Vec<(i64, i64)>),
    /// As much as gives one place per stride, the odd one behind.
    SameUpper,
    /// As much as gives one place per stride, the odd one before.
    SameLower,
    /// Nothing.
    Valid,
}

/// What a transposed convolution states beyond its window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// Added to one side of the output per axis; empty for zeros.
    pub output_padding: Vec<usize>,
    /// The size of the output, where it is stated; some models state batch and channels too.
    pub output_shape: Option<Vec<usize>>,
}

/// A window over an input of known sizes; every list has one entry per spatial axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sliding {
    /// Size.
    pub kernel: Vec<usize>,
    /// Step.
    pub strides: Vec<usize>,
    /// Distance of taps.
    pub dilations: Vec<usize>,
    /// Added before and after the wide side: the input, or the output of a transposed convolution.
    /// Negative where it is cut, or where an output that is stated larger is filled with zeros.
    pub pads: Vec<(i64, i64)>,
    /// Sizes of the output.
    pub output: Vec<usize>,
}

impl Window {
    /// A window that takes one element at a time.
    pub fn plain() -> Self {
        Self {
            kernel: None,
            strides: Vec::new(),
            dilations: Vec::new(),
            pads: Pads::Explicit(Vec::new()),
            ceil: false,
        }
    }

    pub(super) fn parse(given: &Given<'_>) -> Result<Self, String> {
        let kernel = given.sizes("kernel_shape", 1)?;
        let strides = given.sizes("strides", 1)?.unwrap_or_default();
        let dilations = given.sizes("dilations", 1)?.unwrap_or_default();
        let stated = given.numbers("pads", 1 - LARGEST)?.unwrap_or_default();
        if !stated.len().is_multiple_of(2) {
            return Err(format!(
                "attribute `pads` is {stated:?} where a number before and one after each axis is \
                 wanted"
            ));
        }
        let (before, after) = stated.split_at(stated.len() / 2);
        let explicit = || before.iter().copied().zip(after.iter().copied()).collect();
        let pads = match given.attributes.str("auto_pad", "NOTSET") {
            "NOTSET" | "" => Pads::Explicit(explicit()),
            "VALID" => Pads::Valid,
            "SAME_UPPER" => Pads::SameUpper,
            "SAME_LOWER" => Pads::SameLower,
            other => return Err(format!("does not know auto_pad `{other}`")),
        };
        Ok(Self {
            kernel,
            strides,
            dilations,
            pads,
            ceil: given.flag("ceil_mode", false),
        })
    }

    /// Lists of one entry per axis for a kernel; the padding only where it is explicit.
    fn over(&self, kernel: &[usize]) -> Result<Sliding, String> {
        let axes = kernel.len();
        if let Some(&size) = kernel
            .iter()
            .find(|&&k| k == 0 || i64::try_from(k).map_or(true, |k| k >= LARGEST))
        {
            return Err(format!(
                "has a kernel {kernel:?}, and {size} is no kernel size"
            ));
        }
        if let Some(stated) = &self.kernel
            && stated.as_slice() != kernel
        {
            return Err(format!(
                "attribute `kernel_shape` is {stated:?} but the weight's kernel is {kernel:?}"
            ));
        }
        let list = |name: &str, list: &[usize]| match list.len() {
            0 => Ok(vec![1; axes]),
            n if n == axes => Ok(list.to_vec()),
            _ => Err(format!(
                "attribute `{name}` is {list:?} where {axes} numbers of at least 1 are wanted"
            )),
        };
        let pads = match &self.pads {
            Pads::Explicit(pads) if pads.is_empty() => vec![(0, 0); axes],
            Pads::Explicit(pads) if pads.len() == axes => pads.clone(),
            Pads::Explicit(pads) => {
                return Err(format!(
                    "attribute `pads` is {pads:?} (before and after each axis) where {axes} axes \
                     are padded"
                ));
            }
            Pads::SameUpper | Pads::SameLower | Pads::Valid => vec![(0, 0); axes],
        };
        Ok(Sliding {
            kernel: kernel.to_vec(),
            strides: list("strides", &self.strides)?,
            dilations: list("dilations", &self.dilations)?,
            pads,
            output: Vec::new(),
        })
    }

    /// The kernel that the attribute states, for pools.
    ///
    /// # Errors
    ///
    /// Where it is missing or does not fit the number of axes.
    pub fn stated_kernel(&self, axes: usize) -> Result<&[usize], String> {
        let kernel = self
            .kernel
            .as_deref()
            .ok_or("attribute `kernel_shape` is missing")?;
        if kernel.len() != axes {
            return Err(format!(
                "attribute `kernel_shape` is {kernel:?} but there are {axes} spatial axes"
            ));
        }
        Ok(kernel)
    }

    /// The window over an input of these sizes: its padding and the sizes of the output.
    ///
    /// # Errors
    ///
    /// One sentence, where lists have the wrong length or the window does not fit.
    pub fn resolve(&self, kernel: &[usize], input: &[usize]) -> Result<Sliding, String> {
        same_axes(kernel, input)?;
        let mut sliding = self.over(kernel)?;
        for (axis, &size) in input.iter().enumerate() {
            let stride = sliding.strides[axis];
            let span = sliding.span(axis);
            let places = match self.pads {
                Pads::SameUpper | Pads::SameLower => {
                    let places = size.div_ceil(stride);
                    let reach = (places.max(1) as i128 - 1) * stride as i128 + span;
                    let total = (reach - size as i128).max(0);
                    sliding.pads[axis] = self.halves(total)?;
                    places
                }
                Pads::Explicit(_) | Pads::Valid => {
                    let (before, after) = sliding.pads[axis];
                    let size = size as i128;
                    let room = size + i128::from(before) + i128::from(after) - span;
                    if room < 0 {
                        return Err(format!(
                            "kernel {kernel:?} (dilations {:?}) does not fit spatial sizes \
                             {input:?} with pads {:?}",
                            sliding.dilations, sliding.pads
                        ));
                    }
                    let stride = stride as i128;
                    let mut places = room / stride + 1;
                    if self.ceil {
                        places = (room + stride - 1) / stride + 1;
                        // A window that would start in the padding behind the last element is left
                        // out.
                        if (places - 1) * stride >= size + i128::from(before) {
                            places -= 1;
                        }
                    }
                    usize::try_from(places)
                        .map_err(|_| format!("slides over nothing in {input:?}"))?
                }
            };
            sliding.output.push(places);
        }
        Ok(sliding)
    }

    /// The window of a transposed convolution over an input of these sizes: what is cut of, or added
    /// to, the full result, and the sizes of the output.
    ///
    /// # Errors
    ///
    /// One sentence, where lists have the wrong length or nothing is left of the result.
    pub fn resolve_transposed(
        &self,
        kernel: &[usize],
        input: &[usize],
        spread: &Spread,
    ) -> Result<Sliding, String> {
        same_axes(kernel, input)?;
        let axes = kernel.len();
        let mut sliding = self.over(kernel)?;
        let extra = match spread.output_padding.len() {
            0 => vec![0; axes],
            n if n >= axes => spread.output_padding.clone(),
            _ => {
                return Err(format!(
                    "attribute `output_padding` is {:?} where {axes} numbers are wanted",
                    spread.output_padding
                ));
            }
        };
        // Some exporters state the whole shape, batch and channels included.
        let stated = match &spread.output_shape {
            Some(stated) => Some(
                stated
                    .len()
                    .checked_sub(axes)
                    .and_then(|from| stated.get(from..))
                    .ok_or_else(|| {
                        format!(
                            "attribute `output_shape` is {stated:?} where {axes} numbers are wanted"
                        )
                    })?,
            ),
            None => None,
        };
        for (axis, &size) in input.iter().enumerate() {
            let stride = sliding.strides[axis] as i128;
            let full = (size as i128 - 1) * stride + sliding.span(axis) + extra[axis] as i128;
            let asked = match (stated, &self.pads) {
                (Some(stated), _) => stated.get(axis).map(|&n| n as i128),
                (None, Pads::SameUpper | Pads::SameLower) => Some(size as i128 * stride),
                (None, Pads::Explicit(_) | Pads::Valid) => None,
            };
            let output = match asked {
                // Too much is cut, as padding; too little is left zero at the end.
                Some(asked) if asked <= full => {
                    sliding.pads[axis] = self.halves(full - asked)?;
                    asked
                }
                Some(asked) => {
                    let missing = i64::try_from(asked - full)
                        .map_err(|_| format!("an output of {asked} is too large"))?;
                    sliding.pads[axis] = (0, -missing);
                    asked
                }
                None => {
                    let (before, after) = sliding.pads[axis];
                    full - i128::from(before) - i128::from(after)
                }
            };
            sliding.output.push(usize::try_from(output).map_err(|_| {
                format!(
                    "pads {:?} cut off all that kernel {kernel:?} with strides {:?} makes of \
                     {input:?}",
                    sliding.pads, sliding.strides
                )
            })?);
        }
        Ok(sliding)
    }

    /// An amount of padding before and after.
    fn halves(&self, total: i128) -> Result<(i64, i64), String> {
        let total =
            i64::try_from(total).map_err(|_| format!("a padding of {total} is too large"))?;
        Ok(match self.pads {
            Pads::SameLower => (total - total / 2, total / 2),
            Pads::Explicit(_) | Pads::SameUpper | Pads::Valid => (total / 2, total - total / 2),
        })
    }
}

impl Sliding {
    /// The kernel with its holes along an axis.
    fn span(&self, axis: usize) -> i128 {
        (self.kernel[axis] as i128 - 1) * self.dilations[axis] as i128 + 1
    }
}

fn same_axes(kernel: &[usize], input: &[usize]) -> Result<(), String> {
    if kernel.len() == input.len() {
        Ok(())
    } else {
        Err(format!(
            "a kernel {kernel:?} does not fit spatial sizes {input:?}"
        ))
    }
}
