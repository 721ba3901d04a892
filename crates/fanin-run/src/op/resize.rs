//! Resizing: along each axis every result is a weighted sum of a few elements.

use fanin_network::operator::{
    Aspect, Coordinates, GridMode, GridPadding, GridSample, Interpolation, Nearest, Resize,
};

use super::{Answer, Call, axis, one, sizes};
use crate::array::{Dense, array, count};
use crate::kernel::index::{Picks, pick};
use crate::pool::Buffer;
use crate::tape::{Var, record};

/// How an axis is resized.
#[derive(Clone, Copy, Debug)]
struct Axis {
    /// Elements before.
    from: usize,
    /// Elements after.
    to: usize,
    /// Stated or implied factor.
    scale: f64,
    /// The region of interest, in shares of the axis.
    roi: (f64, f64),
}

/// The place among the elements that a result's place maps to.
fn place(coordinates: Coordinates, i: usize, axis: &Axis) -> f64 {
    let x = i as f64;
    // The standard goes by the stated scale, though the result has whole elements.
    let (from, to) = (axis.from as f64, axis.from as f64 * axis.scale);
    match coordinates {
        Coordinates::HalfPixel => (x + 0.5) / axis.scale - 0.5,
        Coordinates::HalfPixelSymmetric => {
            let adjustment = axis.to as f64 / to;
            from / 2.0 * (1.0 - adjustment) + (x + 0.5) / axis.scale - 0.5
        }
        Coordinates::PytorchHalfPixel => {
            if axis.to > 1 {
                (x + 0.5) / axis.scale - 0.5
            } else {
                0.0
            }
        }
        Coordinates::AlignCorners => {
            if axis.to > 1 && to != 1.0 {
                x * (from - 1.0) / (to - 1.0)
            } else {
                0.0
            }
        }
        Coordinates::Asymmetric => x / axis.scale,
        Coordinates::TfHalfPixelForNn => (x + 0.5) / axis.scale,
        Coordinates::TfCropAndResize => {
            let (start, end) = axis.roi;
            if axis.to > 1 {
                start * (from - 1.0) + x * (end - start) * (from - 1.0) / (to - 1.0)
            } else {
                0.5 * (start + end) * (from - 1.0)
            }
        }
    }
}

struct Plan {
    coordinates: Coordinates,
    mode: Interpolation,
    exclude_outside: bool,
    antialias: bool,
    /// What stands outside of the region, for `tf_crop_and_resize`.
    extrapolation: f32,
}

impl Plan {
    fn along(&self, x: &Var, k: usize, axis: &Axis) -> Var {
        pick(
            x,
            k,
            Picks::weighted((0..axis.to).map(|i| self.weights(i, axis))),
        )
    }

    /// Whether any result lies outside, so that it is the extrapolation value.
    fn is_outside(&self, i: usize, axis: &Axis) -> bool {
        let place = place(self.coordinates, i, axis);
        self.coordinates == Coordinates::TfCropAndResize
            && !(0.0..=(axis.from - 1) as f64).contains(&place)
    }

    fn weights(&self, i: usize, axis: &Axis) -> Vec<(usize, f32)> {
        let last = axis.from as i64 - 1;
        let place = place(self.coordinates, i, axis);
        if self.is_outside(i, axis) {
            return Vec::new();
        }
        // Shrinking with antialiasing stretches the kernel over the elements it skips.
        let stretch = if self.antialias {
            axis.scale.min(1.0)
        } else {
            1.0
        };
        let (reach, weigh): (f64, Box<dyn Fn(f64) -> f64>) = match self.mode {
            Interpolation::Nearest(mode) => {
                let at = match mode {
                    Nearest::Floor => place.floor(),
                    Nearest::Ceil => place.ceil(),
                    Nearest::RoundPreferFloor => (place - 0.5).ceil(),
                    Nearest::RoundPreferCeil => (place + 0.5).floor(),
                };
                return vec![((at as i64).clamp(0, last) as usize, 1.0)];
            }
            Interpolation::Linear => (1.0, Box::new(|d: f64| (1.0 - d.abs()).max(0.0))),
            Interpolation::Cubic { a } => {
                (2.0, Box::new(move |d: f64| cubic(d.abs(), f64::from(a))))
            }
        };
        let reach = reach / stretch;
        let low = (place - reach).ceil() as i64;
        let high = (place + reach).floor() as i64;
        let mut all: Vec<(usize, f64)> = Vec::new();
        let mut total = 0.0;
        for j in low..=high {
            let weight = weigh((j as f64 - place) * stretch);
            if self.exclude_outside && !(0..=last).contains(&j) {
                continue;
            }
            total += weight;
            let at = j.clamp(0, last) as usize;
            match all.iter_mut().find(|(i, _)| *i == at) {
                Some((_, w)) => *w += weight,
                None => all.push((at, weight)),
            }
        }
        let total = if total == 0.0 { 1.0 } else { total };
        all.into_iter()
            .filter(|&(_, w)| w != 0.0)
            .map(|(i, w)| (i, (w / total) as f32))
            .collect()
    }
}

/// Keys' cubic kernel.
fn cubic(d: f64, a: f64) -> f64 {
    if d <= 1.0 {
        ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
    } else if d < 2.0 {
        ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a
    } else {
        0.0
    }
}

pub(super) fn resize(operator: &Resize, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let rank = shape.len();
    let chosen = match &operator.axes {
        Some(list) => list
            .iter()
            .map(|&a| axis(a, rank))
            .collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    let roi = match operator.region.and_then(|slot| call.item(slot)) {
        Some(item) => item.tensor()?.to_f32(),
        None => Vec::new(),
    };
    let scales = call.numbers(&operator.scales)?.unwrap_or_default();
    let mut plan: Vec<Axis> = shape
        .iter()
        .map(|&d| Axis {
            from: d,
            to: d,
            scale: 1.0,
            roi: (0.0, 1.0),
        })
        .collect();
    if scales.is_empty() {
        let asked = sizes(
            &call
                .list(&operator.sizes)?
                .ok_or("neither scales nor sizes are given")?,
            "sizes",
        )?;
        if asked.len() != chosen.len() {
            return Err(format!(
                "sizes {asked:?} must have {} numbers",
                chosen.len()
            ));
        }
        let ratios = || {
            chosen
                .iter()
                .zip(&asked)
                .map(|(&k, &to)| to as f64 / shape[k].max(1) as f64)
        };
        let common = match operator.aspect {
            Aspect::NotLarger => Some(ratios().fold(f64::INFINITY, f64::min)),
            Aspect::NotSmaller => Some(ratios().fold(0.0, f64::max)),
            Aspect::Stretch => None,
        };
        for (&k, &to) in chosen.iter().zip(&asked) {
            let from = shape[k];
            plan[k].scale = common.unwrap_or(to as f64 / from.max(1) as f64);
            plan[k].to = match common {
                Some(scale) => (from as f64 * scale + 0.5).floor() as usize,
                None => to,
            };
        }
    } else {
        if scales.len() != chosen.len()
            || scales.iter().any(|s| s.is_nan() || *s <= 0.0 || *s > 1e6)
        {
            return Err(format!(
                "scales {scales:?} must be {} positive numbers",
                chosen.len()
            ));
        }
        for (&k, &s) in chosen.iter().zip(&scales) {
            plan[k].scale = f64::from(s);
            plan[k].to = (shape[k] as f64 * f64::from(s)).floor() as usize;
        }
    }
    if roi.len() == 2 * chosen.len() {
        for (j, &k) in chosen.iter().enumerate() {
            plan[k].roi = (f64::from(roi[j]), f64::from(roi[j + chosen.len()]));
        }
    }
    apply(
        &x,
        &plan,
        &Plan {
            coordinates: operator.coordinates,
            mode: operator.mode,
            exclude_outside: operator.exclude_outside,
            antialias: operator.antialias,
            extrapolation: operator.extrapolation,
        },
    )
}

fn apply(x: &Var, axes: &[Axis], plan: &Plan) -> Answer {
    count(&axes.iter().map(|a| a.to).collect::<Vec<_>>())?;
    if axes.iter().any(|a| a.from == 0 && a.to > 0) {
        return Err("an axis without elements cannot be resized".to_owned());
    }
    let mut y = x.clone();
    for (k, axis) in axes.iter().enumerate() {
        let moves = axis.to != axis.from
            || axis.scale != 1.0
            || plan.coordinates == Coordinates::TfCropAndResize;
        if moves {
            y = plan.along(&y, k, axis);
        }
    }
    if plan.coordinates == Coordinates::TfCropAndResize && plan.extrapolation != 0.0 {
        for (k, axis) in axes.iter().enumerate() {
            let mut shape = vec![1; axes.len()];
            shape[k] = axis.to;
            let outside: Vec<f32> = (0..axis.to)
                .map(|i| f32::from(u8::from(plan.is_outside(i, axis))))
                .collect();
            let value = Var::constant(crate::array::full(&[1], plan.extrapolation));
            y = crate::kernel::elementwise::select(&array(&shape, outside), &value, &y)?;
        }
    }
    one(y)
}

/// `GridSample` of maps: each result is a weighted sum of up to 16 elements at a given place.
///
/// The places are constants to the gradient unless they are on the tape themselves, which is refused.
pub(super) fn grid_sample(operator: &GridSample, call: &Call<'_>) -> Answer {
    let (x, grid) = (call.var(0)?, call.var(1)?);
    if grid.tracked() {
        return Err("a grid that depends on parameters or inputs has no gradient here; make the grid a constant".to_owned());
    }
    let (shape, places) = (x.dims(), grid.dims());
    let ([n, c, space @ ..], [gn, out @ .., r]) = (&shape[..], &places[..]) else {
        return Err(
            "the input needs a batch and a channel axis, the grid a last axis of coordinates"
                .to_owned(),
        );
    };
    if n != gn || *r != space.len() || out.len() != space.len() || space.contains(&0) {
        return Err(
            "input and grid must have one batch size and as many coordinates as spatial axes"
                .to_owned(),
        );
    }
    let (n, c) = (*n, *c);
    let (padding, aligned) = (operator.padding, operator.align_corners);
    let grid = Dense::new(grid.array());
    let points: usize = out.iter().product();
    // For every sample and point the elements of a channel and their weights.
    let mut picks: Vec<Vec<(usize, f32)>> = Vec::with_capacity(n * points);
    for point in grid.chunks(*r) {
        let mut taps = vec![(0usize, 1.0f32)];
        for (k, &size) in space.iter().enumerate() {
            // Coordinates are listed last axis first.
            let g = f64::from(point[r - 1 - k]);
            let d = size as f64;
            let mut at = if aligned {
                (g + 1.0) / 2.0 * (d - 1.0)
            } else {
                ((g + 1.0) * d - 1.0) / 2.0
            };
            let (low, high) = if aligned {
                (0.0, d - 1.0)
            } else {
                (-0.5, d - 0.5)
            };
            if operator.mode != GridMode::Cubic {
                at = match padding {
                    GridPadding::Border => at.clamp(0.0, d - 1.0),
                    GridPadding::Reflection => reflect(at, low, high).clamp(0.0, d - 1.0),
                    GridPadding::Zeros => at,
                };
            }
            let options: Vec<(i64, f64)> = match operator.mode {
                GridMode::Nearest => vec![(at.round_ties_even() as i64, 1.0)],
                GridMode::Linear => {
                    let f = at.floor();
                    vec![(f as i64, 1.0 - (at - f)), (f as i64 + 1, at - f)]
                }
                GridMode::Cubic => {
                    let f = at.floor();
                    (-1..=2)
                        .map(|j| (f as i64 + j, cubic((at - f - j as f64).abs(), -0.75)))
                        .collect()
                }
            };
            let mut next = Vec::new();
            for (i, w) in options {
                let i = match padding {
                    GridPadding::Border => i.clamp(0, size as i64 - 1),
                    GridPadding::Reflection => {
                        reflect(i as f64, low, high).clamp(0.0, d - 1.0) as i64
                    }
                    GridPadding::Zeros => i,
                };
                if (0..size as i64).contains(&i) && w != 0.0 {
                    next.extend(
                        taps.iter()
                            .map(|&(p, v)| (p * size + i as usize, v * w as f32)),
                    );
                }
            }
            taps = next;
        }
        picks.push(taps);
    }
    let s: usize = space.iter().product();
    let source = Dense::new(x.array());
    let mut result = Buffer::zeros(n * c * points);
    for (row, out) in result.chunks_mut(points.max(1)).enumerate() {
        let plane = &source[row * s..][..s];
        for (o, taps) in out.iter_mut().zip(&picks[row / c * points..]) {
            *o = taps.iter().map(|&(i, w)| w * plane[i]).sum();
        }
    }
    let result = array(&[&[n, c], out].concat(), result);
    one(record(&[&x], result, move |g, _| {
        let g = Dense::new(&g);
        let mut dx = Buffer::zeros(n * c * s);
        for (row, dx) in dx.chunks_mut(s).enumerate() {
            for (&g, taps) in g[row * points..][..points]
                .iter()
                .zip(&picks[row / c * points..])
            {
                for &(i, w) in taps {
                    dx[i] += w * g;
                }
            }
        }
        vec![Some(array(&shape, dx))]
    }))
}

/// A place folded back into `low..=high` as by mirrors.
fn reflect(x: f64, low: f64, high: f64) -> f64 {
    let span = high - low;
    if span <= 0.0 {
        return low;
    }
    let at = (x - low).rem_euclid(2.0 * span);
    low + if at > span { 2.0 * span - at } else { at }
}
