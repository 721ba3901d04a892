//! Regions of maps, and grids of places.

use fanin_network::operator::RoiAlign;
use rayon::prelude::*;

use super::{Answer, Call, one, sizes};
use crate::array::{Dense, array, count};
use crate::kernel::linear::matmul;
use crate::kernel::shape::{permute, reshape};
use crate::pool::Buffer;
use crate::tape::{Var, record};

/// Samples of one bin and axis; a model that asks for more is refused.
const MOST_SAMPLES: f32 = 4096.0;

/// The elements of a map that one bin is made of, with their weights; samples one after the other, each of
/// four.
type Bin = Vec<(usize, f32)>;

/// `RoiAlign` (He et al. 2017): the mean (or the largest) of samples in each bin of each region. As in torch, no
/// gradient goes to the regions.
pub(super) fn roi_align(align: &RoiAlign, call: &Call<'_>) -> Answer {
    let (x, regions) = (call.var(0)?, call.var(1)?);
    let maps = call
        .integers(2)?
        .ok_or("the index of each region's map is missing")?;
    let (&[n, c, h, w], &[r, 4]) = (x.array().shape(), regions.array().shape()) else {
        return Err("maps of four axes and regions of four numbers are needed".to_owned());
    };
    let maps: Vec<usize> = maps
        .iter()
        .filter_map(|&m| usize::try_from(m).ok())
        .collect();
    if maps.len() != r || maps.iter().any(|&m| m >= n) || h * w == 0 {
        return Err(format!(
            "there must be one index of the {n} maps for each of {r} regions"
        ));
    }
    let (rows, columns) = (align.height, align.width);
    let shape = [r, c, rows, columns];
    count(&shape)?;
    let boxes = Dense::new(regions.array());
    let bins = boxes
        .chunks(4)
        .map(|corners| bins(align, corners, [h, w]))
        .collect::<Result<Vec<_>, _>>()?;
    let (area, places) = (h * w, rows * columns);
    let data = Dense::new(x.array());
    let max = align.max;
    let mut out = Buffer::unwritten(shape.iter().product());
    if out.is_empty() {
        return one(Var::constant(array(&shape, out)));
    }
    let plane = |k: usize| (maps[k / c] * c + k % c) * area;
    out.par_chunks_mut(places).enumerate().for_each(|(k, out)| {
        let data = &data[plane(k)..][..area];
        for (out, bin) in out.iter_mut().zip(&bins[k / c]) {
            *out = match max {
                true => largest(bin, data).map_or(0.0, |(_, v)| v),
                false => mean(bin, data),
            };
        }
    });
    let from = x.dims();
    one(record(&[&x], array(&shape, out), move |g, _| {
        let g = Dense::new(&g);
        let mut dx = Buffer::zeros(data.len());
        for (k, g) in g.chunks(places).enumerate() {
            let at = (maps[k / c] * c + k % c) * area;
            let (data, dx) = (&data[at..][..area], &mut dx[at..][..area]);
            for (&g, bin) in g.iter().zip(&bins[k / c]) {
                if max {
                    if let Some((chosen, _)) = largest(bin, data) {
                        let (at, w) = bin[chosen];
                        dx[at] += g * w;
                    }
                } else {
                    let share = g / (bin.len() / 4).max(1) as f32;
                    for &(at, w) in bin {
                        dx[at] += share * w;
                    }
                }
            }
        }
        vec![Some(array(&from, dx))]
    }))
}

fn mean(bin: &Bin, data: &[f32]) -> f32 {
    let total: f32 = bin.iter().map(|&(at, w)| w * data[at]).sum();
    total / (bin.len() / 4).max(1) as f32
}

/// The largest weighted element, as onnxruntime and the reference of ONNX take it.
fn largest(bin: &Bin, data: &[f32]) -> Option<(usize, f32)> {
    let values = bin.iter().map(|&(at, w)| w * data[at]).enumerate();
    values.reduce(|a, b| if b.1 > a.1 { b } else { a })
}

/// The bins of one region, row by row.
fn bins(align: &RoiAlign, corners: &[f32], [h, w]: [usize; 2]) -> Result<Vec<Bin>, String> {
    let shift = if align.half_pixel { 0.5 } else { 0.0 };
    let at = |k: usize| corners[k] * align.spatial_scale - shift;
    let (left, top) = (at(0), at(1));
    let (mut width, mut height) = (at(2) - left, at(3) - top);
    if !align.half_pixel {
        // Regions that are too small count as one element.
        (width, height) = (width.max(1.0), height.max(1.0));
    }
    let (bin_h, bin_w) = (height / align.height as f32, width / align.width as f32);
    let samples = |bin: f32| match align.sampling_ratio {
        0 => bin.ceil(),
        n => n as f32,
    };
    let (ny, nx) = (samples(bin_h), samples(bin_w));
    if !(ny <= MOST_SAMPLES && nx <= MOST_SAMPLES) {
        return Err(format!("a region {corners:?} is too large"));
    }
    let (ny, nx) = (ny.max(0.0) as usize, nx.max(0.0) as usize);
    let mut all = Vec::with_capacity(align.height * align.width);
    for row in 0..align.height {
        for column in 0..align.width {
            let mut bin = Vec::with_capacity(4 * ny * nx);
            for iy in 0..ny {
                let y = top + row as f32 * bin_h + (iy as f32 + 0.5) * bin_h / ny as f32;
                for ix in 0..nx {
                    let x = left + column as f32 * bin_w + (ix as f32 + 0.5) * bin_w / nx as f32;
                    bin.extend(sample(y, x, [h, w]));
                }
            }
            all.push(bin);
        }
    }
    Ok(all)
}

/// The four elements around a place, which count as one sample; without weight where it lies outside.
fn sample(y: f32, x: f32, [h, w]: [usize; 2]) -> [(usize, f32); 4] {
    let outside = |v: f32, size: usize| !(v >= -1.0 && v <= size as f32);
    if outside(y, h) || outside(x, w) {
        return [(0, 0.0); 4];
    }
    let along = |v: f32, size: usize| {
        let v = v.max(0.0);
        let low = v as usize;
        if low >= size - 1 {
            (size - 1, size - 1, 0.0)
        } else {
            (low, low + 1, v - low as f32)
        }
    };
    let ((y0, y1, fy), (x0, x1, fx)) = (along(y, h), along(x, w));
    [
        (y0 * w + x0, (1.0 - fy) * (1.0 - fx)),
        (y0 * w + x1, (1.0 - fy) * fx),
        (y1 * w + x0, fy * (1.0 - fx)),
        (y1 * w + x1, fy * fx),
    ]
}

/// `AffineGrid`: the places of an image's elements, -1 to 1 along each axis, turned by a matrix per sample.
pub(super) fn affine_grid(aligned: bool, call: &Call<'_>) -> Answer {
    let theta = call.var(0)?;
    let size = call
        .integers(1)?
        .ok_or("the sizes of the image are missing")?;
    let size = sizes(&size, "the image's sizes")?;
    let [n, _, space @ ..] = &size[..] else {
        return Err("the image needs a batch and a channel axis".to_owned());
    };
    let rank = space.len();
    if !(2..=3).contains(&rank) || theta.dims() != [*n, rank, rank + 1] {
        return Err(format!(
            "matrices of shape {:?} do not fit an image of {size:?}",
            theta.dims()
        ));
    }
    let places = count(space)?;
    count(&[*n, places, rank])?;
    // Coordinates are listed last axis first, and a one stands behind them.
    let mut base = Vec::with_capacity(places * (rank + 1));
    for place in 0..places {
        let mut rest = place;
        for &d in space.iter().rev() {
            let i = (rest % d) as f32;
            rest /= d;
            base.push(match (aligned, d) {
                (true, 1) => 0.0,
                (true, d) => 2.0 * i / (d - 1) as f32 - 1.0,
                (false, d) => (2.0 * i + 1.0) / d as f32 - 1.0,
            });
        }
        base.push(1.0);
    }
    let base = Var::constant(array(&[1, places, rank + 1], base));
    let grid = matmul(&base, &permute(&theta, &[0, 2, 1]))?;
    one(reshape(&grid, &[&[*n], space, &[rank]].concat()))
}
