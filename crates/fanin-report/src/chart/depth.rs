//! Depth curves: a value per layer.

use std::fmt::Write as _;

use super::axis::{LogScale, share};
use super::dot;
use crate::markup::{Html, escape};
use crate::number::short;

/// The axis of a depth curve.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Axis {
    /// Of sizes.
    Log(LogScale),
    /// From -1 or 0 to 1, of cosines.
    Cosine {
        /// -1 or 0.
        low: f64,
    },
}

impl Axis {
    fn position(self, value: f64) -> f64 {
        match self {
            Self::Log(scale) => scale.position(value),
            Self::Cosine { low } => ((value - low) / (1.0 - low)).clamp(0.0, 1.0),
        }
    }

    /// Labelled values, from below.
    fn ticks(self) -> Vec<(f64, String)> {
        match self {
            Self::Log(scale) => scale.ticks(),
            Self::Cosine { low } => (0..=4)
                .map(|k| low + (1.0 - low) * f64::from(k) / 4.0)
                .map(|value| (value, format!("{value}")))
                .collect(),
        }
    }
}

/// One dot of a depth curve.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    /// What the dot says on hover.
    pub title: String,
    /// What was measured; NaN where nothing was.
    pub measured: f64,
    /// What is expected.
    pub predicted: Option<f64>,
    /// What luck alone would leave.
    pub band: Option<[f64; 2]>,
    /// Whether a finding blames it.
    pub blamed: bool,
}

/// How large a curve is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Frame {
    /// The class that gives its height.
    class: &'static str,
    /// About how many layers get a number below them.
    numbers: usize,
}

/// As wide as the page.
pub(crate) const WIDE: Frame = Frame {
    class: "plot",
    numbers: 12,
};

/// For two side by side.
pub(crate) const HALF: Frame = Frame {
    class: "plot half",
    numbers: 8,
};

/// The side of the square that lines are drawn in before they are stretched over the picture.
const SQUARE: f64 = 1000.0;
/// Points that are named beside their dot, where no more than these are blamed.
const NAMED: usize = 6;

/// The axis that holds all of these points.
pub(crate) fn scale_of<'a>(points: impl Iterator<Item = &'a Point>) -> LogScale {
    LogScale::over(points.flat_map(|p| {
        [Some(p.measured), p.predicted]
            .into_iter()
            .flatten()
            .chain(p.band.into_iter().flatten())
    }))
}

/// A depth curve of sizes as an SVG element: the band as an area, the prediction as a dashed line, the
/// measurement as a line with one focusable dot per layer.
pub(crate) fn depth_curve(label: &str, points: &[Point], scale: LogScale, frame: Frame) -> Html {
    curve(label, points, Axis::Log(scale), frame)
}

/// The same of cosines, on a linear axis.
pub(crate) fn cosine_curve(label: &str, points: &[Point]) -> Html {
    // A little below zero is luck and no reason for an axis that is half empty.
    let negative = points.iter().any(|p| p.measured < -0.1);
    let low = if negative { -1.0 } else { 0.0 };
    curve(label, points, Axis::Cosine { low }, WIDE)
}

/// Places are shares of the picture, so that it fits any width and letters and dots keep their size:
/// lines lie in a square that is stretched, everything else at percentages.
fn curve(label: &str, points: &[Point], scale: Axis, frame: Frame) -> Html {
    let x = |index: usize| (index as f64 + 0.5) / points.len().max(1) as f64;
    let y = |value: f64| 1.0 - scale.position(value);
    let mut svg = format!(
        "<svg class=\"{}\" role=\"img\" aria-label=\"{}\">",
        frame.class,
        escape(label)
    );
    grid(&mut svg, scale, frame, y, points.len(), x);
    let _ = write!(
        svg,
        "<svg viewBox=\"0 0 {SQUARE} {SQUARE}\" preserveAspectRatio=\"none\">"
    );
    let (wide, high) = (|index| SQUARE * x(index), |value| SQUARE * y(value));
    for (upper, lower) in bands(points, &wide, &high) {
        let _ = write!(svg, "<path class=\"band\" d=\"M{upper}L{lower}Z\"/>");
    }
    for run in runs(points.iter().map(|p| p.predicted), &wide, &high) {
        let _ = write!(svg, "<polyline class=\"predicted\" points=\"{run}\"/>");
    }
    for run in runs(
        points
            .iter()
            .map(|p| Some(p.measured).filter(|m| m.is_finite())),
        &wide,
        &high,
    ) {
        let _ = write!(svg, "<polyline class=\"measured\" points=\"{run}\"/>");
    }
    svg.push_str("</svg>");
    let blamed = points.iter().filter(|point| point.blamed).count();
    let mut names = Names::default();
    for (index, point) in points.iter().enumerate() {
        if matches!(scale, Axis::Cosine { .. }) && point.measured.is_nan() {
            continue;
        }
        let place = [x(index), y(point.measured)];
        dot(
            &mut svg,
            place.map(share),
            Some(index),
            point.blamed,
            &point.title,
        );
        if point.blamed && blamed <= NAMED {
            let before = index.checked_sub(1).and_then(|k| points.get(k));
            let rises = before.is_none_or(|p| p.measured <= point.measured);
            names.beside(&mut svg, place, rises, &point.title);
        }
    }
    svg.push_str("</svg>");
    Html::trusted(svg)
}

/// Names beside dots, above and below by turns, so that neighbours do not lie on each other.
#[derive(Default)]
struct Names {
    /// Where the last name above and the last name below belong.
    last: [Option<f64>; 2],
}

impl Names {
    /// Writes the name of a layer where there is room; the title and the tables have it anyway.
    fn beside(&mut self, svg: &mut String, [x, y]: [f64; 2], rises: bool, title: &str) {
        /// What a name takes of the width of a picture on a phone.
        const ROOM: f64 = 0.25;
        let free = |side: usize| self.last[side].is_none_or(|last| x - last > ROOM);
        let sides = if y < 0.06 { [1, 1] } else { [0, 1] };
        let Some(side) = sides.into_iter().find(|&side| free(side)) else {
            return;
        };
        self.last[side] = Some(x);
        let (name, _) = title.split_once(": ").unwrap_or((title, ""));
        // Above a curve that rises there is room on the left, below it on the right.
        let left = match x {
            x if x < ROOM => false,
            x if x > 1.0 - ROOM => true,
            _ => rises == (side == 0),
        };
        let (anchor, away) = if left { ("end", -7) } else { ("start", 7) };
        let _ = write!(
            svg,
            "<text class=\"who\" x=\"{}\" y=\"{}\" dx=\"{away}\" dy=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            share(x),
            share(y),
            if side == 0 { -11 } else { 20 },
            escape(name)
        );
    }
}

fn grid(
    svg: &mut String,
    scale: Axis,
    frame: Frame,
    y: impl Fn(f64) -> f64,
    layers: usize,
    x: impl Fn(usize) -> f64,
) {
    for (value, label) in scale.ticks() {
        let height = share(y(value));
        let _ = write!(
            svg,
            "<line class=\"grid\" x2=\"100%\" y1=\"{height}\" y2=\"{height}\"/>\
             <text class=\"tick\" x=\"-8\" y=\"{height}\" dy=\"4\" text-anchor=\"end\">{label}</text>",
        );
    }
    let step = layers.div_ceil(frame.numbers).max(1);
    for index in (0..layers).step_by(step) {
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{}\" y=\"100%\" dy=\"18\" text-anchor=\"middle\">{}</text>",
            share(x(index)),
            index + 1
        );
    }
    svg.push_str(
        "<text class=\"tick\" x=\"100%\" y=\"100%\" dy=\"35\" text-anchor=\"end\">layer →</text>",
    );
}

/// The unbroken stretches of a line.
fn runs(
    values: impl Iterator<Item = Option<f64>>,
    x: &impl Fn(usize) -> f64,
    y: &impl Fn(f64) -> f64,
) -> Vec<String> {
    let mut runs = Vec::new();
    let mut run = String::new();
    for (index, value) in values.enumerate() {
        match value {
            Some(value) => {
                let _ = write!(run, "{:.0},{:.0} ", x(index), y(value));
            }
            None if run.is_empty() => {}
            None => runs.push(std::mem::take(&mut run)),
        }
    }
    if !run.is_empty() {
        runs.push(run);
    }
    runs
}

/// The unbroken stretches of the band, each as its upper edge and its lower edge backwards.
fn bands(
    points: &[Point],
    x: &impl Fn(usize) -> f64,
    y: &impl Fn(f64) -> f64,
) -> Vec<(String, String)> {
    let mut stretches = Vec::new();
    let mut start = 0;
    while start < points.len() {
        let length = points[start..]
            .iter()
            .take_while(|p| p.band.is_some())
            .count();
        if length > 1 {
            let stretch = start..start + length;
            let edge = |index: usize, end: usize| {
                let value = points[index].band.map_or(0.0, |band| band[end]);
                format!("{:.0} {:.0}", x(index), y(value))
            };
            let upper: Vec<String> = stretch.clone().map(|i| edge(i, 1)).collect();
            let lower: Vec<String> = stretch.rev().map(|i| edge(i, 0)).collect();
            stretches.push((upper.join("L"), lower.join("L")));
        }
        start += length.max(1);
    }
    stretches
}

/// The words of a dot: `conv1: 0.7071, predicted 0.7071 (band 0.61 to 0.82)`.
pub(crate) fn title(
    name: &str,
    measured: f64,
    predicted: Option<f64>,
    band: Option<[f64; 2]>,
) -> String {
    let mut text = format!("{name}: {}", short(measured));
    if let Some(predicted) = predicted {
        let _ = write!(text, ", predicted {}", short(predicted));
    }
    if let Some([low, high]) = band {
        let _ = write!(text, " (band {} to {})", short(low), short(high));
    }
    text
}
