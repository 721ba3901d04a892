//! Depth curves: a value per layer on a logarithmic axis, as SVG and as a line of characters.

use std::fmt::Write as _;

use crate::html::escape;
use crate::number::short;

/// A logarithmic axis over positive finite values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LogScale {
    /// log10 of the lower and the upper end, whole decades.
    low: f64,
    high: f64,
}

impl LogScale {
    /// The smallest axis of whole decades, at least two, that holds all positive finite values.
    pub(crate) fn over(values: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for log in values.filter(|v| v.is_finite() && *v > 0.0).map(f64::log10) {
            low = low.min(log);
            high = high.max(log);
        }
        if low > high {
            (low, high) = (0.0, 0.0);
        }
        let (mut low, mut high) = ((low - 1e-9).floor(), (high + 1e-9).ceil());
        while high - low < 2.0 {
            // Grow towards the side that keeps the values near the middle.
            low -= 1.0;
            if high - low < 2.0 {
                high += 1.0;
            }
        }
        Self { low, high }
    }

    /// Where a value lies on the axis, 0 to 1; the ends hold what is beyond them (0, ∞, NaN).
    fn position(&self, value: f64) -> f64 {
        if value.is_nan() || value == f64::INFINITY {
            return 1.0;
        }
        if value <= 0.0 {
            return 0.0;
        }
        ((value.log10() - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// The ends of the axis in words, `width` characters: `1e-3      10`.
    pub(crate) fn label(&self, width: usize) -> String {
        let (low, high) = (power(self.low), power(self.high));
        let gap = width.saturating_sub(low.chars().count() + high.chars().count());
        format!("{low}{}{high}", " ".repeat(gap.max(1)))
    }

    /// A line of `width` characters with a dot at the measured and a ring at the predicted value.
    pub(crate) fn track(
        &self,
        measured: Option<f64>,
        predicted: Option<f64>,
        width: usize,
    ) -> String {
        let cell = |v: f64| (self.position(v) * (width - 1) as f64).round() as usize;
        let mut cells = vec!['·'; width];
        if let Some(value) = predicted {
            cells[cell(value)] = '○';
        }
        if let Some(value) = measured {
            cells[cell(value)] = '●';
        }
        cells.into_iter().collect()
    }
}

/// Bars of rising height, one per value; of more than `width` values, evenly picked ones.
pub(crate) fn sparkline(scale: LogScale, values: &[f64], width: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = values.len().min(width);
    (0..shown)
        .filter_map(|k| values.get(k * (values.len() - 1) / (shown - 1).max(1)))
        .filter_map(|&value| BARS.get((scale.position(value) * 7.0).round() as usize))
        .collect()
}

fn power(exponent: f64) -> String {
    let value = 10f64.powf(exponent);
    if (-3.0..=3.0).contains(&exponent) {
        format!("{value}")
    } else {
        format!("1e{exponent}")
    }
}

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
            Self::Log(scale) => {
                // At most about eight labelled decades.
                let decades = (scale.high - scale.low) as usize;
                let step = decades.div_ceil(8).max(1);
                (0..=decades)
                    .step_by(step)
                    .map(|k| scale.low + k as f64)
                    .map(|exponent| (10f64.powf(exponent), power(exponent)))
                    .collect()
            }
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

/// How large a curve is drawn; letters keep their size, so that a narrow one is for a narrow place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Frame {
    width: f64,
    height: f64,
    /// About how many layers get a number below them.
    numbers: usize,
}

/// As wide as the page.
pub(crate) const WIDE: Frame = Frame {
    width: 960.0,
    height: 300.0,
    numbers: 12,
};

/// Half as wide, for two side by side.
pub(crate) const HALF: Frame = Frame {
    width: 470.0,
    height: 240.0,
    numbers: 6,
};

const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;

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
pub(crate) fn depth_curve(label: &str, points: &[Point], scale: LogScale, frame: Frame) -> String {
    curve(label, points, Axis::Log(scale), frame)
}

/// The same of cosines, on a linear axis.
pub(crate) fn cosine_curve(label: &str, points: &[Point]) -> String {
    // A little below zero is luck and no reason for an axis that is half empty.
    let negative = points.iter().any(|p| p.measured < -0.1);
    let low = if negative { -1.0 } else { 0.0 };
    curve(label, points, Axis::Cosine { low }, WIDE)
}

fn curve(label: &str, points: &[Point], scale: Axis, frame: Frame) -> String {
    let Frame { width, height, .. } = frame;
    let x = |index: usize| {
        LEFT + (width - LEFT - RIGHT) * (index as f64 + 0.5) / points.len().max(1) as f64
    };
    let y = |value: f64| TOP + (height - TOP - BOTTOM) * (1.0 - scale.position(value));
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">",
        escape(label)
    );
    grid(&mut svg, scale, frame, y, points.len(), x);
    for (upper, lower) in bands(points, &x, &y) {
        let _ = write!(svg, "<path class=\"band\" d=\"M{upper}L{lower}Z\"/>");
    }
    for run in runs(points.iter().map(|p| p.predicted), &x, &y) {
        let _ = write!(svg, "<polyline class=\"predicted\" points=\"{run}\"/>");
    }
    for run in runs(
        points
            .iter()
            .map(|p| Some(p.measured).filter(|m| m.is_finite())),
        &x,
        &y,
    ) {
        let _ = write!(svg, "<polyline class=\"measured\" points=\"{run}\"/>");
    }
    for (index, point) in points.iter().enumerate() {
        if matches!(scale, Axis::Cosine { .. }) && point.measured.is_nan() {
            continue;
        }
        dot(
            &mut svg,
            [x(index), y(point.measured)],
            Some(index),
            point.blamed,
            &point.title,
        );
    }
    svg.push_str("</svg>");
    svg
}

/// A dot that says its title on hover and on focus, and leads to its layer's row.
pub(crate) fn dot(
    svg: &mut String,
    [x, y]: [f64; 2],
    layer: Option<usize>,
    blamed: bool,
    title: &str,
) {
    let (class, radius) = match blamed {
        true => ("dot blamed", 5.5),
        false => ("dot", 3.2),
    };
    let _ = write!(
        svg,
        "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\""
    );
    if let Some(layer) = layer {
        let _ = write!(svg, " data-layer=\"{layer}\"");
    }
    let _ = write!(svg, "><title>{}</title></circle>", escape(title));
}

fn grid(
    svg: &mut String,
    scale: Axis,
    frame: Frame,
    y: impl Fn(f64) -> f64,
    layers: usize,
    x: impl Fn(usize) -> f64,
) {
    let right = frame.width - RIGHT;
    for (value, label) in scale.ticks() {
        let height = y(value);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right:.1}\" y1=\"{height:.1}\" y2=\"{height:.1}\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            height + 4.0,
            label
        );
    }
    let step = layers.div_ceil(frame.numbers).max(1);
    for index in (0..layers).step_by(step) {
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x(index),
            frame.height - BOTTOM + 18.0,
            index + 1
        );
    }
    let _ = write!(
        svg,
        "<text class=\"tick\" x=\"{right:.1}\" y=\"{:.1}\" text-anchor=\"end\">layer →</text>",
        frame.height - 5.0
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
                let _ = write!(run, "{:.1},{:.1} ", x(index), y(value));
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
                format!("{:.1} {:.1}", x(index), y(value))
            };
            let upper: Vec<String> = stretch.clone().map(|i| edge(i, 1)).collect();
            let lower: Vec<String> = stretch.rev().map(|i| edge(i, 0)).collect();
            stretches.push((upper.join("L"), lower.join("L")));
        }
        start += length.max(1);
    }
    stretches
}

/// The words of a dot: `conv1: 0.7071 (expected 0.7071, band 0.61 to 0.82)`.
pub(crate) fn title(
    name: &str,
    measured: f64,
    predicted: Option<f64>,
    band: Option<[f64; 2]>,
) -> String {
    let mut text = format!("{name}: {}", short(measured));
    if let Some(predicted) = predicted {
        let _ = write!(text, ", expected {}", short(predicted));
    }
    if let Some([low, high]) = band {
        let _ = write!(text, " (band {} to {})", short(low), short(high));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_holds_all_values_in_whole_decades() {
        let scale = LogScale::over([0.3, 20.0, f64::NAN, 0.0].into_iter());
        assert_eq!((scale.low, scale.high), (-1.0, 2.0));
        assert_eq!(scale.position(0.0), 0.0);
        assert_eq!(scale.position(f64::INFINITY), 1.0);
        assert_eq!(
            LogScale::over(std::iter::empty()).label(10).chars().count(),
            10
        );
    }

    #[test]
    fn a_sparkline_keeps_both_ends() {
        let scale = LogScale {
            low: -7.0,
            high: 0.0,
        };
        assert_eq!(sparkline(scale, &[1e-7, 1e-4, 1.0, 0.0], 9), "▁▄█▁");
        assert_eq!(sparkline(scale, &[1e-7, 0.1, 0.1, 0.1, 1.0], 2), "▁█");
        assert_eq!(sparkline(scale, &[1.0], 9), "█");
        assert_eq!(sparkline(scale, &[], 9), "");
    }

    #[test]
    fn the_track_shows_measured_over_predicted() {
        let scale = LogScale {
            low: -1.0,
            high: 1.0,
        };
        assert_eq!(scale.track(Some(1.0), Some(0.1), 5), "○·●··");
        assert_eq!(scale.track(Some(1.0), Some(1.0), 5), "··●··");
        assert_eq!(scale.track(None, None, 3), "···");
    }
}
