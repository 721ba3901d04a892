//! Sliding windows: what convolutions and pools have in common.

use super::operation::Operation;

/// Attribute values past this are no kernel, stride or padding of anything that can run.
const LARGEST: i64 = 1 << 31;

/// How a window slides over the spatial axes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Window {
    pub(super) kernel: Vec<usize>,
    pub(super) strides: Vec<usize>,
    pub(super) dilations: Vec<usize>,
    /// Padding before and after each axis; not used where `auto` is.
    pub(super) pads: Vec<(i64, i64)>,
    pub(super) auto: AutoPad,
    pub(super) ceil: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AutoPad {
    /// By the `pads` attribute.
    No,
    /// No padding.
    Valid,
    /// As much padding as keeps one output per stride.
    Same,
}

impl Window {
    /// Reads the attributes for `kernel.len()` spatial axes.
    pub(super) fn read(operation: &Operation<'_>, kernel: Vec<usize>) -> Result<Self, String> {
        let axes = kernel.len();
        let list = |name: &str, lowest: i64, length: usize, default: i64| {
            let Some(list) = operation.attributes.ints(name) else {
                return Ok(vec![default; length]);
            };
            if list.len() != length || list.iter().any(|v| !(lowest..LARGEST).contains(v)) {
                return Err(format!(
                    "attribute `{name}` is {list:?} where {length} numbers of at least {lowest} \
                     are wanted"
                ));
            }
            Ok(list.to_vec())
        };
        let positive = |name: &str| -> Result<Vec<usize>, String> {
            Ok(list(name, 1, axes, 1)?
                .into_iter()
                .map(|v| v as usize)
                .collect())
        };
        let pads = list("pads", -LARGEST + 1, 2 * axes, 0)?;
        let auto = match operation.attributes.str("auto_pad", "NOTSET") {
            "NOTSET" | "" => AutoPad::No,
            "VALID" => AutoPad::Valid,
            "SAME_UPPER" | "SAME_LOWER" => AutoPad::Same,
            other => return Err(format!("does not know auto_pad `{other}`")),
        };
        if let Some(&size) = kernel
            .iter()
            .find(|&&k| k == 0 || k as i128 >= LARGEST as i128)
        {
            return Err(format!(
                "has a kernel {kernel:?}, and {size} is no kernel size"
            ));
        }
        Ok(Self {
            strides: positive("strides")?,
            dilations: positive("dilations")?,
            pads: (0..axes).map(|k| (pads[k], pads[k + axes])).collect(),
            auto,
            ceil: operation.attributes.int("ceil_mode", 0) != 0,
            kernel,
        })
    }

    /// The kernel with its holes along an axis.
    fn span(&self, axis: usize) -> i128 {
        (self.kernel[axis] as i128 - 1) * self.dilations[axis] as i128 + 1
    }

    /// Number of places the window takes along each axis of these sizes.
    pub(super) fn slide(&self, spatial: &[usize]) -> Result<Vec<usize>, String> {
        (0..spatial.len())
            .map(|axis| {
                let size = spatial[axis] as i128;
                let stride = self.strides[axis] as i128;
                let (before, after) = match self.auto {
                    AutoPad::No => self.pads[axis],
                    AutoPad::Valid => (0, 0),
                    AutoPad::Same => return Ok(spatial[axis].div_ceil(self.strides[axis])),
                };
                let (before, after) = (i128::from(before), i128::from(after));
                let room = size + before + after - self.span(axis);
                if room < 0 {
                    return Err(format!(
                        "kernel {:?} (dilations {:?}) does not fit spatial sizes {spatial:?} with \
                         pads {:?}",
                        self.kernel, self.dilations, self.pads
                    ));
                }
                let mut places = if self.ceil {
                    (room + stride - 1) / stride + 1
                } else {
                    room / stride + 1
                };
                // A window that would start in the padding behind the last element is left out.
                if self.ceil && (places - 1) * stride >= size + before {
                    places -= 1;
                }
                usize::try_from(places).map_err(|_| format!("slides over nothing in {spatial:?}"))
            })
            .collect()
    }

    /// The sizes that a transposed window spreads these to.
    pub(super) fn spread(&self, spatial: &[usize], extra: &[i64]) -> Result<Vec<usize>, String> {
        (0..spatial.len())
            .map(|axis| {
                let size = spatial[axis] as i128;
                let stride = self.strides[axis] as i128;
                let extra = i128::from(extra.get(axis).copied().unwrap_or(0));
                let (before, after) = self.pads[axis];
                let out = match self.auto {
                    AutoPad::Same => size * stride,
                    AutoPad::Valid => (size - 1) * stride + extra + self.span(axis),
                    AutoPad::No => {
                        (size - 1) * stride + extra + self.span(axis)
                            - i128::from(before)
                            - i128::from(after)
                    }
                };
                usize::try_from(out).map_err(|_| {
                    format!(
                        "pads {:?} cut off all that kernel {:?} with strides {:?} makes of \
                         {spatial:?}",
                        self.pads, self.kernel, self.strides
                    )
                })
            })
            .collect()
    }
}
