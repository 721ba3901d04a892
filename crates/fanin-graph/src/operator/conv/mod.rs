//! Convolutions.

pub(crate) mod shape;

use super::Operator;
use super::facts::{Class, Facts, Holds, Slots, UnitAxis, WeightAxes};
use super::product::with_activation;
use super::read::{Given, Row, microsoft, onnx};
use super::unary::{Fused, Unary};
use super::window::{Spread, Window};

/// `Conv`, `ConvTranspose`, and onnxruntime's with a sum and an activation.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// How the kernel slides.
    pub window: Window,
    /// Number of groups of channels; at least one.
    pub group: usize,
    /// What a transposed convolution states besides.
    pub transposed: Option<Spread>,
    /// What the output meets in the same operator, after a signal in input 3 is added, if one is
    /// there.
    pub activation: Option<Fused>,
    /// Whether this is onnxruntime's operator, which takes a signal to add in input 3.
    pub fused: bool,
}

/// `DeformConv`: every tap is taken at a place that input 2 says.
#[derive(Clone, Debug, PartialEq)]
pub struct DeformConv {
    /// How the kernel slides.
    pub window: Window,
    /// Number of groups of channels; at least one.
    pub group: usize,
    /// Number of groups of channels that share their offsets; at least one.
    pub offset_group: usize,
}

impl Conv {
    /// ONNX's name of the plain convolution.
    pub const NAME: &'static str = "Conv";

    /// ONNX's name, or onnxruntime's where ONNX has none.
    pub fn name(&self) -> &'static str {
        match (&self.transposed, self.fused) {
            (Some(_), _) => "ConvTranspose",
            (None, true) => "FusedConv",
            (None, false) => Self::NAME,
        }
    }

    pub(super) fn facts(&self) -> Facts {
        let facts = kernel_facts(&self.window, self.group, self.transposed.is_some()).weight(
            2,
            Holds::Bias,
            WeightAxes::PerUnit,
            UnitAxis::Channel,
        );
        let mut facts = with_activation(facts, self.activation);
        if self.fused {
            facts.signal = Slots::These(&[0, 3]);
        }
        facts
    }
}

impl DeformConv {
    pub(super) fn facts(&self) -> Facts {
        kernel_facts(&self.window, self.group, false).weight(
            3,
            Holds::Bias,
            WeightAxes::PerUnit,
            UnitAxis::Channel,
        )
    }
}

fn kernel_facts(window: &Window, groups: usize, transposed: bool) -> Facts {
    Facts::new(Class::Linear, Slots::FIRST)
        .linear()
        .units(UnitAxis::Channel)
        .weight(
            1,
            Holds::Weight,
            WeightAxes::Kernel {
                groups,
                transposed,
                strides: window.strides.clone(),
            },
            UnitAxis::Channel,
        )
}

/// `ConvInteger`: integers with zero points in inputs 2 and 3.
pub(super) fn integer_facts(conv: &Conv) -> Facts {
    kernel_facts(&conv.window, conv.group, false)
}

/// `Col2Im`: blocks put back into an image, where they overlap added up.
pub(super) fn col2im_facts() -> Facts {
    Facts::new(Class::Resamples, Slots::FIRST)
        .linear()
        .units(UnitAxis::Channel)
}

fn conv(g: &Given<'_>) -> Result<Conv, String> {
    Ok(Conv {
        window: Window::parse(g)?,
        group: g.count("group")?,
        transposed: None,
        activation: None,
        fused: false,
    })
}

pub(super) const ROWS: &[Row] = &[
    onnx(Conv::NAME, |g| Ok(Operator::Conv(conv(g)?))),
    onnx("ConvTranspose", |g| {
        Ok(Operator::Conv(Conv {
            transposed: Some(Spread {
                output_padding: g.sizes("output_padding", 0)?.unwrap_or_default(),
                output_shape: g.sizes("output_shape", 0)?,
            }),
            ..conv(g)?
        }))
    }),
    onnx("ConvInteger", |g| Ok(Operator::ConvInteger(conv(g)?))),
    onnx("DeformConv", |g| {
        Ok(Operator::DeformConv(DeformConv {
            window: Window::parse(g)?,
            group: g.count("group")?,
            offset_group: g.count("offset_group")?,
        }))
    }),
    onnx("Col2Im", |g| Ok(Operator::Col2Im(Window::parse(g)?))),
    microsoft("FusedConv", |g| {
        let parameters = g.attributes.floats("activation_params").unwrap_or(&[]);
        Ok(Operator::Conv(Conv {
            activation: Unary::fused(&g.text("activation", ""), parameters)?,
            fused: true,
            ..conv(g)?
        }))
    }),
];
