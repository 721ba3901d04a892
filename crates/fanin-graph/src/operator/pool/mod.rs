//! Pools, and maps cut out by regions.

pub(crate) mod shape;

use super::Operator;
use super::facts::{Class, Facts, Slots, UnitAxis};
use super::read::{Given, Row, onnx};
use super::window::Window;

/// One number for every place of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// What is taken of the window.
    pub kind: PoolKind,
    /// How the window slides.
    pub window: Window,
}

/// What a pool takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// The largest.
    Max {
        /// Whether the places in the second output are counted with the first axis fastest.
        column_major: bool,
    },
    /// The mean.
    Average {
        /// Whether padding counts.
        count_include_pad: bool,
    },
    /// The p-norm.
    Lp {
        /// The exponent.
        p: i64,
    },
}

/// One number for all places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalPool {
    /// The largest.
    Max,
    /// The mean.
    Average,
    /// The p-norm.
    Lp {
        /// The exponent.
        p: i64,
    },
}

/// `RoiAlign`: means of places in regions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoiAlign {
    /// Whether a bin takes the largest of its samples, not their mean.
    pub max: bool,
    /// Rows of bins.
    pub height: usize,
    /// Columns of bins.
    pub width: usize,
    /// Samples of a bin along each axis; 0 where the region's size says.
    pub sampling_ratio: usize,
    /// Factor from the regions' coordinates to the map's.
    pub spatial_scale: f32,
    /// Whether coordinates are shifted by half a pixel: since operator set 16, unless stated.
    pub half_pixel: bool,
}

/// `MaxRoiPool`: the largest of each bin of regions.
#[derive(Clone, Debug, PartialEq)]
pub struct MaxRoiPool {
    /// Rows and columns of bins.
    pub pooled_shape: Vec<usize>,
    /// Factor from the regions' coordinates to the map's.
    pub spatial_scale: f32,
}

impl Pool {
    /// ONNX's name.
    pub fn name(&self) -> &'static str {
        match self.kind {
            PoolKind::Max { .. } => "MaxPool",
            PoolKind::Average { .. } => "AveragePool",
            PoolKind::Lp { .. } => "LpPool",
        }
    }

    pub(super) fn facts(&self) -> Facts {
        match self.kind {
            PoolKind::Max { .. } => pool_facts(),
            PoolKind::Average { .. } => pool_facts().linear(),
            PoolKind::Lp { .. } => norm_facts(),
        }
    }
}

impl GlobalPool {
    /// ONNX's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Max => "GlobalMaxPool",
            Self::Average => "GlobalAveragePool",
            Self::Lp { .. } => "GlobalLpPool",
        }
    }

    pub(super) fn facts(self) -> Facts {
        match self {
            Self::Max => pool_facts(),
            Self::Average => pool_facts().linear(),
            Self::Lp { .. } => norm_facts(),
        }
    }
}

fn pool_facts() -> Facts {
    Facts::new(Class::Pools, Slots::FIRST)
        .of_degree(1.0)
        .units(UnitAxis::Channel)
}

fn norm_facts() -> Facts {
    pool_facts()
        .of_parity(super::facts::Parity::Even)
        .between(0.0, f64::INFINITY)
}

/// `MaxUnpool`: elements go where input 1 says, the rest is zero.
pub(super) fn unpool_facts() -> Facts {
    Facts::new(Class::Resamples, Slots::FIRST)
        .linear()
        .units(UnitAxis::Channel)
}

impl RoiAlign {
    pub(super) fn facts(self) -> Facts {
        let facts = Facts::new(Class::Resamples, Slots::FIRST)
            .of_degree(1.0)
            .units(UnitAxis::Channel);
        if self.max { facts } else { facts.linear() }
    }
}

pub(super) fn max_roi_facts() -> Facts {
    pool_facts()
}

fn pool(g: &Given<'_>, kind: PoolKind) -> Result<Operator, String> {
    let window = Window::parse(g)?;
    if window.kernel.is_none() {
        return Err("attribute `kernel_shape` is missing".to_owned());
    }
    Ok(Operator::Pool(Pool { kind, window }))
}

pub(super) const ROWS: &[Row] = &[
    onnx("MaxPool", |g| {
        let column_major = g.flag("storage_order", false);
        pool(g, PoolKind::Max { column_major })
    }),
    onnx("AveragePool", |g| {
        let count_include_pad = g.flag("count_include_pad", false);
        pool(g, PoolKind::Average { count_include_pad })
    }),
    onnx("LpPool", |g| {
        let p = g.int("p", 2);
        pool(g, PoolKind::Lp { p })
    }),
    onnx("GlobalMaxPool", |_| {
        Ok(Operator::GlobalPool(GlobalPool::Max))
    }),
    onnx("GlobalAveragePool", |_| {
        Ok(Operator::GlobalPool(GlobalPool::Average))
    }),
    onnx("GlobalLpPool", |g| {
        let p = g.int("p", 2);
        Ok(Operator::GlobalPool(GlobalPool::Lp { p }))
    }),
    onnx("MaxUnpool", |g| Ok(Operator::MaxUnpool(Window::parse(g)?))),
    onnx("RoiAlign", |g| {
        // Before operator set 16 there was no such shift.
        let default = if g.opset >= 16 {
            "half_pixel"
        } else {
            "output_half_pixel"
        };
        let words = [("half_pixel", true), ("output_half_pixel", false)];
        Ok(Operator::RoiAlign(RoiAlign {
            max: g.word("mode", "avg", &[("avg", false), ("max", true)])?,
            height: g.size("output_height")?.unwrap_or(1),
            width: g.size("output_width")?.unwrap_or(1),
            sampling_ratio: g.size("sampling_ratio")?.unwrap_or(0),
            spatial_scale: g.float("spatial_scale", 1.0),
            half_pixel: g.word("coordinate_transformation_mode", default, &words)?,
        }))
    }),
    onnx("MaxRoiPool", |g| {
        Ok(Operator::MaxRoiPool(MaxRoiPool {
            pooled_shape: g
                .sizes("pooled_shape", 1)?
                .ok_or("attribute `pooled_shape` is missing")?,
            spatial_scale: g.float("spatial_scale", 1.0),
        }))
    }),
];
