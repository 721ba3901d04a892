//! Elements at other places: resizing and sampling by a grid.

pub(crate) mod shape;

use super::facts::{Class, Facts, Slots, UnitAxis};
use super::read::{Given, Row, onnx};
use super::{Operator, Setting};

/// `Resize` and `Upsample`.
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    /// How elements between places are worked out.
    pub mode: Interpolation,
    /// How places of the output map to those of the input.
    pub coordinates: Coordinates,
    /// Factors per axis; absent, or an empty list, where sizes are given.
    pub scales: Setting<Vec<f32>>,
    /// Sizes per axis.
    pub sizes: Setting<Vec<i64>>,
    /// The input of the region that is cropped to.
    pub region: Option<usize>,
    /// The axes that scales, sizes and region speak of; all where absent.
    pub axes: Option<Vec<i64>>,
    /// How sizes become factors.
    pub aspect: Aspect,
    /// Whether weights of places outside are set to zero and the rest made to sum to one.
    pub exclude_outside: bool,
    /// Whether the filter widens where the size shrinks.
    pub antialias: bool,
    /// What lies outside of the region that is cropped to.
    pub extrapolation: f32,
}

/// How elements between places are worked out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Interpolation {
    /// The nearest.
    Nearest(Nearest),
    /// Of the two neighbours.
    Linear,
    /// Of four neighbours.
    Cubic {
        /// The filter's parameter.
        a: f32,
    },
}

/// Which place is nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are ONNX's")]
pub enum Nearest {
    RoundPreferFloor,
    RoundPreferCeil,
    Floor,
    Ceil,
}

/// How places of the output map to those of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are ONNX's")]
pub enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    TfHalfPixelForNn,
    TfCropAndResize,
}

/// How sizes become factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are ONNX's")]
pub enum Aspect {
    Stretch,
    NotLarger,
    NotSmaller,
}

/// `GridSample`: the input at places that a grid gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridSample {
    /// How elements between places are worked out.
    pub mode: GridMode,
    /// What lies outside.
    pub padding: GridPadding,
    /// Whether -1 and 1 are the middles of the outer elements, not their edges.
    pub align_corners: bool,
}

/// How `GridSample` works out elements between places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are ONNX's")]
pub enum GridMode {
    Nearest,
    Linear,
    Cubic,
}

/// What lies outside of the input of `GridSample`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are ONNX's")]
pub enum GridPadding {
    Zeros,
    Border,
    Reflection,
}

/// Resizing is a weighted mean of neighbours.
pub(super) fn resample_facts() -> Facts {
    Facts::new(Class::Resamples, Slots::FIRST)
        .linear()
        .units(UnitAxis::Channel)
}

/// `AffineGrid`: the places of an image turned by a matrix.
pub(super) fn affine_facts() -> Facts {
    Facts::new(Class::Generates, Slots::FIRST).linear()
}

fn coordinates(g: &Given<'_>, default: &str) -> Result<Coordinates, String> {
    g.word(
        "coordinate_transformation_mode",
        default,
        &[
            ("half_pixel", Coordinates::HalfPixel),
            ("half_pixel_symmetric", Coordinates::HalfPixelSymmetric),
            ("pytorch_half_pixel", Coordinates::PytorchHalfPixel),
            ("align_corners", Coordinates::AlignCorners),
            ("asymmetric", Coordinates::Asymmetric),
            ("tf_half_pixel_for_nn", Coordinates::TfHalfPixelForNn),
            ("tf_crop_and_resize", Coordinates::TfCropAndResize),
        ],
    )
}

/// Before operator set 11 places are scaled as they are and the nearest is the one before.
fn resize(g: &Given<'_>, old: bool) -> Result<Operator, String> {
    let nearest = g.word(
        "nearest_mode",
        "round_prefer_floor",
        &[
            ("round_prefer_floor", Nearest::RoundPreferFloor),
            ("round_prefer_ceil", Nearest::RoundPreferCeil),
            ("floor", Nearest::Floor),
            ("ceil", Nearest::Ceil),
        ],
    )?;
    let nearest = if old { Nearest::Floor } else { nearest };
    let cubic = Interpolation::Cubic {
        a: g.float("cubic_coeff_a", -0.75),
    };
    let mode = g.word(
        "mode",
        "nearest",
        &[
            ("nearest", Interpolation::Nearest(nearest)),
            ("linear", Interpolation::Linear),
            ("bilinear", Interpolation::Linear),
            ("cubic", cubic),
        ],
    )?;
    let scales = match g.attributes.floats("scales") {
        Some(scales) => Setting::Given(scales.to_vec()),
        None => g.input(if old { 1 } else { 2 }),
    };
    Ok(Operator::Resize(Resize {
        mode,
        coordinates: coordinates(g, if old { "asymmetric" } else { "half_pixel" })?,
        scales,
        sizes: if old { Setting::Absent } else { g.input(3) },
        region: if old { None } else { g.input::<()>(1).slot() },
        axes: g.attributes.ints("axes").map(<[i64]>::to_vec),
        aspect: g.word(
            "keep_aspect_ratio_policy",
            "stretch",
            &[
                ("stretch", Aspect::Stretch),
                ("not_larger", Aspect::NotLarger),
                ("not_smaller", Aspect::NotSmaller),
            ],
        )?,
        exclude_outside: g.flag("exclude_outside", false),
        antialias: g.flag("antialias", false),
        extrapolation: g.float("extrapolation_value", 0.0),
    }))
}

pub(super) const ROWS: &[Row] = &[
    onnx("Resize", |g| resize(g, g.opset < 11)),
    onnx("Upsample", |g| resize(g, true)),
    onnx("GridSample", |g| {
        Ok(Operator::GridSample(GridSample {
            mode: g.word(
                "mode",
                "linear",
                &[
                    ("linear", GridMode::Linear),
                    ("bilinear", GridMode::Linear),
                    ("nearest", GridMode::Nearest),
                    ("cubic", GridMode::Cubic),
                    ("bicubic", GridMode::Cubic),
                ],
            )?,
            padding: g.word(
                "padding_mode",
                "zeros",
                &[
                    ("zeros", GridPadding::Zeros),
                    ("border", GridPadding::Border),
                    ("reflection", GridPadding::Reflection),
                ],
            )?,
            align_corners: g.flag("align_corners", false),
        }))
    }),
    onnx("AffineGrid", |g| {
        let align_corners = g.flag("align_corners", false);
        Ok(Operator::AffineGrid { align_corners })
    }),
];
