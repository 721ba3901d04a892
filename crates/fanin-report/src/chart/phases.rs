//! A phase diagram: dots by the scale of weights and biases, with the line that parts order from chaos.

use std::fmt::Write as _;

use fanin_theory::criticality::CriticalLine;

use super::axis::{plain, round_above};
use super::dot;
use crate::markup::{Html, escape};

const WIDTH: f64 = 470.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 44.0;

/// A layer of a diagram.
pub(crate) struct PhaseDot {
    /// σw and σb: the roots of the variance of its weights times fan-in, and of its biases.
    pub(crate) place: [f64; 2],
    /// Its place in the list of layers.
    pub(crate) layer: Option<usize>,
    /// Whether a finding blames it.
    pub(crate) blamed: bool,
    /// What the dot says on hover.
    pub(crate) title: String,
}

/// Where the axes end: behind all layers, and behind the beginning of the line unless that is far off.
pub(crate) fn ends(line: &CriticalLine, dots: &[PhaseDot]) -> [f64; 2] {
    let largest = |axis: usize| {
        let sizes = dots.iter().map(|dot| dot.place[axis]);
        sizes.filter(|x| x.is_finite()).fold(0.0, f64::max)
    };
    let layers = largest(0);
    let start = line.points.first().map_or(1.0, |[weight, _]| weight.sqrt());
    let right = round_above((1.25 * layers).max((1.6 * start).min((5.0 * layers).max(2.0))));
    [right, round_above((1.4 * largest(1)).max(0.2 * right))]
}

/// The diagram of one function.
pub(crate) fn phases(line: &CriticalLine, dots: &[PhaseDot]) -> Html {
    let critical: Vec<[f64; 2]> = line
        .points
        .iter()
        .map(|[weight, bias]| [weight.sqrt(), bias.sqrt()])
        .collect();
    let start = critical.first().map_or(1.0, |[weight, _]| *weight);
    let [right, above] = ends(line, dots);
    let x = |weight: f64| LEFT + (WIDTH - LEFT - RIGHT) * (weight / right).clamp(0.0, 1.0);
    let y = |bias: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - (bias / above).clamp(0.0, 1.0));

    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Phase diagram of {}\">",
        escape(&line.function)
    );
    axes(&mut svg, right, above, x, y);
    let edge = match line.any_bias {
        true => vec![[start, 0.0], [start, above]],
        false => within(&critical, right, above),
    };
    if edge.len() > 1 {
        let points: Vec<String> = edge
            .iter()
            .map(|[weight, bias]| format!("{:.1},{:.1}", x(*weight), y(*bias)))
            .collect();
        let ([first, _], [_, top]) = (edge[0], edge[edge.len() - 1]);
        let _ = write!(
            svg,
            "<polygon class=\"chaos\" points=\"{:.1},{:.1} {} {:.1},{:.1} {:.1},{:.1}\"/><polyline class=\"critical\" points=\"{}\"/>",
            x(first),
            y(0.0),
            points.join(" "),
            x(right),
            y(top),
            x(right),
            y(0.0),
            points.join(" ")
        );
    }
    for (text, weight, anchor) in [("order", 0.0, "start"), ("chaos", right, "end")] {
        if text == "chaos" && edge.len() < 2 {
            continue;
        }
        let inset = if anchor == "start" { 8.0 } else { -8.0 };
        let _ = write!(
            svg,
            "<text class=\"phase\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{text}</text>",
            x(weight) + inset,
            if anchor == "start" {
                TOP + 16.0
            } else {
                y(0.0) - 10.0
            },
        );
    }
    for PhaseDot {
        place: [weight, bias],
        layer,
        blamed,
        title,
    } in dots
    {
        let place = [x(*weight), y(*bias)].map(|at| format!("{at:.1}"));
        dot(&mut svg, place, *layer, *blamed, title);
    }
    svg.push_str("</svg>");
    Html::trusted(svg)
}

/// The part of the line that the diagram shows, its ends on the border.
fn within(line: &[[f64; 2]], right: f64, above: f64) -> Vec<[f64; 2]> {
    let mut shown: Vec<[f64; 2]> = Vec::new();
    for &[weight, bias] in line {
        let inside = weight <= right && bias <= above;
        if let Some(&[w, b]) = shown.last()
            && !inside
        {
            // Where the step towards this point crosses the border.
            let part = |now: f64, next: f64, end: f64| match next > end {
                true => (end - now) / (next - now),
                false => 1.0,
            };
            let t = part(w, weight, right).min(part(b, bias, above));
            shown.push([w + t * (weight - w), b + t * (bias - b)]);
            break;
        }
        if inside {
            shown.push([weight, bias]);
        }
    }
    shown
}

fn axes(svg: &mut String, right: f64, above: f64, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) {
    for k in 0..=4 {
        let (weight, bias) = (right * f64::from(k) / 4.0, above * f64::from(k) / 4.0);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            WIDTH - RIGHT,
            y(bias),
            y(bias),
            LEFT - 8.0,
            y(bias) + 4.0,
            plain(bias),
            x(weight),
            HEIGHT - BOTTOM + 18.0,
            plain(weight),
        );
    }
    let _ = write!(
        svg,
        "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">σw →</text>\
         <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">σb ↑</text>",
        WIDTH - RIGHT,
        HEIGHT - 6.0,
        LEFT - 8.0,
        TOP - 12.0,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_cut_where_it_leaves_the_diagram() {
        let line = [[1.0, 0.0], [1.5, 0.2], [2.5, 0.4]];
        let shown = within(&line, 2.0, 1.0);
        assert_eq!(shown.len(), 3);
        assert!((shown[2][0] - 2.0).abs() < 1e-12 && (shown[2][1] - 0.3).abs() < 1e-12);
        let shown = within(&line, 9.0, 0.3);
        assert!((shown[2][0] - 2.0).abs() < 1e-12, "{shown:?}");
    }
}
