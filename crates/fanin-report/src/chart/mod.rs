//! Pictures as SVG, and as a line of characters: they fit any width, take their colours from the style sheet, and say in
//! words what they show.

mod axis;
mod bars;
mod depth;
mod interval;
mod lines;
mod phases;

use std::fmt::Write as _;

pub(crate) use axis::{LogScale, plain, round_numbers, sparkline};
pub(crate) use bars::bars;
pub(crate) use depth::{HALF, Point, WIDE, cosine_curve, depth_curve, scale_of, title};
pub(crate) use interval::interval;
pub(crate) use lines::{HUES, Line, Picture};
pub(crate) use phases::{PhaseDot, ends, phases};

use crate::markup::escape;

/// A dot that says its title on hover and on focus, and leads to its layer's row.
fn dot(svg: &mut String, [x, y]: [String; 2], layer: Option<usize>, blamed: bool, title: &str) {
    let (class, radius) = match blamed {
        true => ("dot blamed", 5.5),
        false => ("dot", 3.2),
    };
    let _ = write!(
        svg,
        "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{radius}\""
    );
    if let Some(layer) = layer {
        let _ = write!(svg, " data-layer=\"{layer}\"");
    }
    let _ = write!(svg, "><title>{}</title></circle>", escape(title));
}
