//! The phase diagram: the layers of the network's chains by the scale of their weights and biases,
//! with the line that parts order from chaos.

use std::fmt::Write as _;

use fanin_check::Severity;
use fanin_theory::criticality::{Chain, ChainLayer, CriticalLine, PhaseDiagram, TRAINABLE_SCALES};

use super::escape;
use crate::Report;
use crate::chart::dot;
use crate::layers::Layer;
use crate::number::{percent, short};

const WIDTH: f64 = 470.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 44.0;
/// Functions that get a diagram of their own.
const DIAGRAMS: usize = 4;
/// Chains that get a sentence.
const SENTENCES: usize = 8;

/// A layer of a diagram, with its place in the report's list of layers.
struct Placed<'a> {
    layer: &'a ChainLayer,
    index: Option<usize>,
    blamed: bool,
}

/// The section; nothing for a network without chains.
pub(crate) fn section(page: &mut String, report: &Report<'_>, layers: &[Layer<'_>]) {
    let diagram = report.checkup.phase_diagram(report.network);
    if diagram.chains.is_empty() {
        return;
    }
    // Writing into a String does not fail.
    let _ = write!(
        page,
        "<section id=\"phases\"><h2>Order and chaos</h2><p>Each dot is a layer that reads an activation's output: \
         σw² is the variance of its weights times fan-in, σb² that of its biases. Left of the line, in \
         order, inputs become alike with depth and gradients vanish; right of it, in chaos, inputs part \
         and gradients explode. A plain chain of layers trains up to about {TRAINABLE_SCALES} times the depth \
         over which correlations settle; on the line that depth has no end.</p>"
    );
    sentences(page, &diagram.chains);
    page.push_str("<div class=\"pair\">");
    for (line, placed) in by_line(&diagram, layers).into_iter().take(DIAGRAMS) {
        let [right, _] = ends(line, &placed);
        let key = match line.points.first().map(|[weight, _]| weight.sqrt()) {
            None => "<span>no weights are critical: every start lies in order</span>".to_owned(),
            Some(start) if start > right => format!(
                "<span>critical weights begin at σw {}, far off: all of this is order</span>",
                short(start)
            ),
            Some(_) => "<span class=\"key critical\">critical line</span>".to_owned(),
        };
        let _ = write!(
            page,
            "<figure class=\"curve diagram\">{}<figcaption><b>{}</b> {key}</figcaption></figure>",
            plot(line, &placed),
            escape(&line.function),
        );
    }
    page.push_str("</div>");
    numbers(page, &diagram.chains);
    page.push_str("</section>");
}

/// The dots in numbers, for those who have no pointer, or paper.
fn numbers(page: &mut String, chains: &[Chain]) {
    page.push_str(
        "<details><summary>The dots in numbers</summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" \
         aria-label=\"Layers between order and chaos\"><table><thead><tr><th scope=\"col\">layer</th>\
         <th scope=\"col\">reads</th><th scope=\"col\" class=\"n\">σw</th><th scope=\"col\" class=\"n\">σb</th>\
         <th scope=\"col\" class=\"n\">χ</th><th scope=\"col\">a signal reaches</th></tr></thead><tbody>",
    );
    for layer in chains.iter().flat_map(|chain| &chain.layers) {
        let _ = write!(
            page,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
            escape(&layer.node),
            escape(&layer.function),
            short(layer.weight.sqrt()),
            short(layer.bias.sqrt()),
            short(layer.chi),
            match layer.criticality.map(|found| found.trainable_depth()) {
                Some(depth) if depth.is_finite() && depth < 1e4 =>
                    format!("{depth:.0} such layers"),
                Some(_) => "any number of such layers".to_owned(),
                None => "its size does not settle".to_owned(),
            }
        );
    }
    page.push_str("</tbody></table></div></details>");
}

/// The lines, those with most layers first, and the layers of each.
fn by_line<'a>(
    diagram: &'a PhaseDiagram,
    layers: &[Layer<'_>],
) -> Vec<(&'a CriticalLine, Vec<Placed<'a>>)> {
    let mut all: Vec<(&CriticalLine, Vec<Placed<'_>>)> = diagram
        .lines
        .iter()
        .map(|line| (line, Vec::new()))
        .collect();
    for (chain, lines) in diagram.chains.iter().zip(&diagram.line_of) {
        for (layer, line) in chain.layers.iter().zip(lines) {
            let index = layers.iter().position(|l| l.row.node == layer.node);
            let known = index.and_then(|index| layers.get(index));
            if let Some((_, placed)) = all.get_mut(*line) {
                placed.push(Placed {
                    layer,
                    index,
                    blamed: known.is_some_and(|l| l.blamed >= Some(Severity::Warning)),
                });
            }
        }
    }
    all.sort_by_key(|(_, placed)| std::cmp::Reverse(placed.len()));
    all
}

/// What the longest chains make of the depth that a signal reaches.
fn sentences(page: &mut String, chains: &[Chain]) {
    let mut longest: Vec<&Chain> = chains.iter().filter(|c| c.layers.len() > 1).collect();
    longest.sort_by_key(|chain| std::cmp::Reverse(chain.layers.len()));
    if longest.is_empty() {
        return;
    }
    page.push_str("<ul class=\"chains\">");
    for chain in longest.into_iter().take(SENTENCES) {
        let (Some(first), Some(last)) = (chain.layers.first(), chain.layers.last()) else {
            continue;
        };
        // χ is a factor on the mean square of a gradient, its root one on the root mean square.
        let factor: f64 = chain.layers.iter().map(|l| l.chi.sqrt()).product();
        let each = factor.powf(1.0 / chain.layers.len() as f64);
        let settled = chain.layers.iter().all(|l| l.criticality.is_some());
        let depth = match chain.depth_used {
            _ if !settled || chain.depth_used < 0.0005 => String::new(),
            used if !used.is_finite() => "; inputs become alike at once".to_owned(),
            used if used > 1.0 => {
                format!("; that is {used:.1} times as deep as inputs stay apart")
            }
            used => format!(
                "; that is {} of the depth over which inputs stay apart",
                percent(used)
            ),
        };
        let _ = write!(
            page,
            "<li>{} layers from <code>{}</code> to <code>{}</code>: each multiplies a gradient by {} on \
             average, all of them by {}{depth}.</li>",
            chain.layers.len(),
            escape(&first.node),
            escape(&last.node),
            short(each),
            short(factor),
        );
    }
    page.push_str("</ul>");
}

/// Where the axes end: behind all layers, and behind the beginning of the line unless that is far off.
fn ends(line: &CriticalLine, placed: &[Placed<'_>]) -> [f64; 2] {
    let largest = |pick: fn(&ChainLayer) -> f64| {
        let sizes = placed.iter().map(|p| pick(p.layer).sqrt());
        sizes.filter(|x| x.is_finite()).fold(0.0, f64::max)
    };
    let layers = largest(|l| l.weight);
    let start = line.points.first().map_or(1.0, |[weight, _]| weight.sqrt());
    let right = nice((1.25 * layers).max((1.6 * start).min((5.0 * layers).max(2.0))));
    [right, nice((1.4 * largest(|l| l.bias)).max(0.2 * right))]
}

fn plot(line: &CriticalLine, placed: &[Placed<'_>]) -> String {
    let critical: Vec<[f64; 2]> = line
        .points
        .iter()
        .map(|[weight, bias]| [weight.sqrt(), bias.sqrt()])
        .collect();
    let start = critical.first().map_or(1.0, |[weight, _]| *weight);
    let [right, above] = ends(line, placed);
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
    for Placed {
        layer,
        index,
        blamed,
    } in placed
    {
        let place = [x(layer.weight.sqrt()), y(layer.bias.sqrt())];
        let place = place.map(|at| format!("{at:.1}"));
        dot(&mut svg, place, *index, *blamed, &words(layer));
    }
    svg.push_str("</svg>");
    svg
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

/// `layers.3: σw 0.577, σb 0.036, χ 0.34, in order; a signal reaches 5.6 layers of this kind`.
fn words(layer: &ChainLayer) -> String {
    let mut text = format!(
        "{}: σw {}, σb {}, χ {}",
        layer.node,
        short(layer.weight.sqrt()),
        short(layer.bias.sqrt()),
        short(layer.chi)
    );
    let depth = layer.criticality.map(|found| found.trainable_depth());
    let _ = match depth {
        Some(depth) if depth.is_finite() && depth < 1e4 => {
            write!(text, "; a signal reaches {depth:.0} such layers")
        }
        Some(_) => write!(text, "; a signal reaches any number of such layers"),
        None => write!(text, "; the size of a signal does not settle"),
    };
    text
}

/// A round number at least as large.
fn nice(x: f64) -> f64 {
    if !(x.is_finite() && x > 0.0) {
        return 1.0;
    }
    let power = 10f64.powf(x.log10().floor());
    let steps = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let found = steps.into_iter().find(|step| step * power >= x);
    found.unwrap_or(10.0) * power
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
            tick(bias),
            x(weight),
            HEIGHT - BOTTOM + 18.0,
            tick(weight),
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

/// A tick in the fewest digits that tell four steps apart.
fn tick(x: f64) -> String {
    let text = format!("{x:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() { "0" } else { text }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (x, end) in [
            (0.9, 1.0),
            (1.1, 1.5),
            (2.0, 2.0),
            (0.034, 0.04),
            (0.0, 1.0),
        ] {
            assert!((nice(x) - end).abs() < 1e-12, "{x}");
        }
        assert_eq!(tick(0.0), "0");
        assert_eq!(tick(0.375), "0.375");
    }

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
