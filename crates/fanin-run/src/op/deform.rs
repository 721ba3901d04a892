//! Deformable convolution and columns put back into an image.

use fanin_network::operator::{DeformConv, Sliding, Window};
use rayon::prelude::*;

use super::convolution::{CUT, window, with_bias};
use super::{Answer, Call, one, sizes};
use crate::array::{Dense, array, count};
use crate::kernel::convolution::{fold, unfold};
use crate::kernel::linear::matmul;
use crate::kernel::shape::reshape;
use crate::pool::Buffer;
use crate::tape::{Var, record};

/// Deformable convolution of maps (Dai et al. 2017, with the mask of Zhu et al. 2019): every element of a
/// window is taken at a place of its own, between elements by bilinear interpolation, zero outside.
pub(super) fn deform_conv(conv: &DeformConv, call: &Call<'_>) -> Answer {
    let (x, w, offset) = (call.var(0)?, call.var(1)?, call.var(2)?);
    let mask = call.optional(4)?;
    let ([n, c, h, width], [f, each, kh, kw]) = (four(&x)?, four(&w)?);
    let (groups, offset_groups) = (conv.group, conv.offset_group);
    let divides = |all: usize, parts: usize| parts > 0 && all.is_multiple_of(parts);
    if !divides(f, groups) || each.checked_mul(groups) != Some(c) || !divides(c, offset_groups) {
        return Err(format!(
            "weights {:?} in {groups} groups and {offset_groups} groups of offsets do not fit {c} channels",
            w.dims()
        ));
    }
    let sliding = conv.window.resolve(&[kh, kw], &[h, width])?;
    let [oh, ow] = sliding.output[..] else {
        return Err("two spatial axes are needed".to_owned());
    };
    let taps = kh * kw;
    count(&[n, c, taps, oh, ow])?;
    for (v, k, channels) in [
        (Some(&offset), 2, 2 * offset_groups * taps),
        (mask.as_ref(), 4, offset_groups * taps),
    ] {
        if let Some(v) = v
            && v.dims() != [n, channels, oh, ow]
        {
            return Err(format!(
                "input {k} must have shape {:?}, not {:?}",
                [n, channels, oh, ow],
                v.dims()
            ));
        }
    }
    let plan = Places {
        input: [h, width],
        output: [oh, ow],
        kernel: [kh, kw],
        channels: c,
        offset_groups,
        sliding,
    };
    let columns = plan.columns(&x, &offset, mask.as_ref());
    let left = reshape(&w, &[1, groups, f / groups, each * taps]);
    let right = reshape(&columns, &[n, groups, each * taps, oh * ow]);
    let y = reshape(&matmul(&left, &right)?, &[n, f, oh, ow]);
    one(with_bias(call.optional(3)?, y, f)?)
}

fn four(v: &Var) -> Result<[usize; 4], String> {
    v.dims()
        .try_into()
        .map_err(|d| format!("four axes are needed, not {d:?}"))
}

/// Where the elements of the windows are taken.
struct Places {
    input: [usize; 2],
    output: [usize; 2],
    kernel: [usize; 2],
    channels: usize,
    offset_groups: usize,
    sliding: Sliding,
}

/// The four elements around a place: each with its weight and what that changes by along both axes.
type Corners = [(usize, f32, [f32; 2]); 4];

impl Places {
    /// The elements around a place; those outside have no weight.
    fn corners(&self, y: f32, x: f32) -> Corners {
        let [h, w] = self.input;
        let (y0, x0) = (y.floor(), x.floor());
        let (fy, fx) = (y - y0, x - x0);
        let corner = |dy: usize, dx: usize| {
            let (py, px) = (y0 + dy as f32, x0 + dx as f32);
            let inside = py >= 0.0 && px >= 0.0 && py < h as f32 && px < w as f32;
            if !inside {
                return (0, 0.0, [0.0; 2]);
            }
            let along = |d: usize, f: f32| if d == 1 { (f, 1.0) } else { (1.0 - f, -1.0) };
            let ((wy, sy), (wx, sx)) = (along(dy, fy), along(dx, fx));
            (py as usize * w + px as usize, wy * wx, [sy * wx, wy * sx])
        };
        [corner(0, 0), corner(0, 1), corner(1, 0), corner(1, 1)]
    }

    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    fn places(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Calls `work(output, corners, mask)` for each output of one element of the windows; `offsets` are those
    /// of the sample and group of channels.
    fn each(
        &self,
        tap: usize,
        offsets: &[f32],
        mask: Option<&[f32]>,
        mut work: impl FnMut(usize, &Corners, f32),
    ) {
        let (ky, kx) = (tap / self.kernel[1], tap % self.kernel[1]);
        let n = self.places();
        let start = |axis: usize, o: usize, k: usize| {
            let s = &self.sliding;
            (o * s.strides[axis] + k * s.dilations[axis]) as f32 - s.pads[axis].0 as f32
        };
        for o in 0..n {
            let y = start(0, o / self.output[1], ky) + offsets[2 * tap * n + o];
            let x = start(1, o % self.output[1], kx) + offsets[(2 * tap + 1) * n + o];
            let m = mask.map_or(1.0, |m| m[tap * n + o]);
            work(o, &self.corners(y, x), m);
        }
    }

    /// The elements of all windows, `[batch, channels, window, output]`.
    fn columns(self, x: &Var, offset: &Var, mask: Option<&Var>) -> Var {
        let n = x.dims()[0];
        let (taps, places, area) = (self.taps(), self.places(), self.input[0] * self.input[1]);
        let per_group = self.channels / self.offset_groups;
        let shape = [n, self.channels, taps, places];
        let data = Dense::new(x.array());
        let offsets = Dense::new(offset.array());
        let masks = mask.map(|m| Dense::new(m.array()));
        let mut out = Buffer::unwritten(shape.iter().product());
        if out.is_empty() {
            return Var::constant(array(&shape, out));
        }
        out.par_chunks_mut(taps * places)
            .enumerate()
            .for_each(|(plane, out)| {
                let group = plane / per_group;
                let data = &data[plane * area..][..area];
                let offsets = &offsets[group * 2 * taps * places..];
                let mask = masks.as_ref().map(|m| &m[group * taps * places..]);
                for tap in 0..taps {
                    self.each(tap, offsets, mask, |o, corners, m| {
                        let value: f32 = corners.iter().map(|&(at, w, _)| w * data[at]).sum();
                        out[tap * places + o] = m * value;
                    });
                }
            });
        let mut inputs = vec![x, offset];
        inputs.extend(mask);
        let (offset_shape, mask_shape) = (offset.dims(), mask.map(Var::dims));
        record(&inputs, array(&shape, out), move |g, _| {
            let g = Dense::new(&g);
            let groups = n * self.offset_groups;
            // One task per group of channels, which share their offsets.
            let mut dx = Buffer::zeros(data.len());
            let mut doffset = Buffer::zeros(offsets.len());
            let mut dmask = Buffer::zeros(groups * taps * places);
            dx.par_chunks_mut(per_group * area)
                .zip(doffset.par_chunks_mut(2 * taps * places))
                .zip(dmask.par_chunks_mut(taps * places))
                .enumerate()
                .for_each(|(group, ((dx, doffset), dmask))| {
                    let offsets = &offsets[group * 2 * taps * places..];
                    let mask = masks.as_ref().map(|m| &m[group * taps * places..]);
                    for tap in 0..taps {
                        self.each(tap, offsets, mask, |o, corners, m| {
                            for c in 0..per_group {
                                let plane = group * per_group + c;
                                let g = g[(plane * taps + tap) * places + o];
                                let data = &data[plane * area..][..area];
                                let dx = &mut dx[c * area..][..area];
                                for &(at, w, slope) in corners {
                                    dx[at] += g * m * w;
                                    dmask[tap * places + o] += g * w * data[at];
                                    doffset[2 * tap * places + o] += g * m * slope[0] * data[at];
                                    doffset[(2 * tap + 1) * places + o] +=
                                        g * m * slope[1] * data[at];
                                }
                            }
                        });
                    }
                });
            let shape = [n, self.channels, self.input[0], self.input[1]];
            let mut all = vec![Some(array(&shape, dx)), Some(array(&offset_shape, doffset))];
            all.extend(mask_shape.map(|shape| Some(array(&shape, dmask))));
            all
        })
    }
}

/// `Col2Im`: blocks put where a window would take them, added up where they overlap.
pub(super) fn col2im(operator: &Window, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let list = |k: usize, what: &str| -> Result<Vec<usize>, String> {
        let list = call
            .integers(k)?
            .ok_or_else(|| format!("{what} are missing"))?;
        sizes(&list, what)
    };
    let (image, block) = (list(1, "the image's sizes")?, list(2, "the block's sizes")?);
    if !(1..=3).contains(&image.len()) {
        return Err("one to three spatial axes are needed".to_owned());
    }
    let sliding = operator.resolve(&block, &image)?;
    let [n, rows, columns] = x.dims()[..] else {
        return Err("the input must have three axes: batch, elements of blocks, blocks".to_owned());
    };
    let (area, places) = (count(&block)?, count(&sliding.output)?);
    if area == 0 || !rows.is_multiple_of(area) || columns != places {
        return Err(format!(
            "{rows} rows and {columns} columns do not fit blocks of {area} elements at {places} places"
        ));
    }
    let channels = rows / area;
    let shape = [&[n, channels], &image[..]].concat();
    count(&shape)?;
    let window = window(&sliding, &image, &sliding.output).ok_or(CUT)?;
    let out = fold(&window, n * channels, &Dense::new(x.array()));
    one(record(&[&x], array(&shape, out), move |g, _| {
        let columns = unfold(&window, n * channels, &Dense::new(&g));
        vec![Some(array(&[n, rows, places], columns))]
    }))
}
