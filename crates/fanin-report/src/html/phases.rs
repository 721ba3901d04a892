//! The phase diagram: the layers of the network's chains by the scale of their weights and biases,
//! with the line that parts order from chaos.

use std::fmt::Write as _;

use fanin_check::Severity;
use fanin_theory::criticality::{Chain, ChainLayer, CriticalLine, PhaseDiagram, TRAINABLE_SCALES};

use super::Section;
use crate::Report;
use crate::chart::{self, PhaseDot};
use crate::layers::Layer;
use crate::markup::{Html, template};
use crate::number::{percent, short};
use crate::page::{Column, details, table};

/// Functions that get a diagram of their own.
const DIAGRAMS: usize = 4;
/// Chains that get a sentence.
const SENTENCES: usize = 8;

/// The section; nothing for a network without chains.
pub(super) fn section(report: &Report<'_>, layers: &[Layer<'_>]) -> Option<Section> {
    let diagram = report.checkup.phase_diagram(report.network);
    if diagram.chains.is_empty() {
        return None;
    }
    let diagrams = by_line(&diagram, layers).into_iter().take(DIAGRAMS);
    let diagrams = diagrams.map(|(line, dots)| {
        template!(
            "checkup/diagram.html",
            picture = chart::phases(line, &dots),
            function = line.function,
            key = key(line, &dots),
        )
    });
    Some(Section {
        id: "phases",
        name: "Order and chaos",
        heading: "Order and chaos".to_owned(),
        body: template!(
            "checkup/phases.html",
            scales = TRAINABLE_SCALES.to_string(),
            chains = sentences(&diagram.chains),
            diagrams = diagrams.collect::<Html>(),
            table = numbers(&diagram.chains),
        ),
    })
}

/// What the line of a diagram is, or why there is none.
fn key(line: &CriticalLine, dots: &[PhaseDot]) -> Html {
    let [right, _] = chart::ends(line, dots);
    match line.points.first().map(|[weight, _]| weight.sqrt()) {
        None => template!(
            "span.html",
            text = "no weights are critical: every start lies in order"
        ),
        Some(start) if start > right => template!(
            "span.html",
            text = format!(
                "critical weights begin at σw {}, far off: all of this is order",
                short(start)
            )
        ),
        Some(_) => template!("checkup/key_critical.html"),
    }
}

/// The dots in numbers, for those who have no pointer, or paper.
fn numbers(chains: &[Chain]) -> Html {
    let layers = chains.iter().flat_map(|chain| &chain.layers);
    let rows = layers.map(|layer| {
        template!(
            "checkup/phase_row.html",
            layer = layer.node,
            function = layer.function,
            weight = short(layer.weight.sqrt()),
            bias = short(layer.bias.sqrt()),
            chi = short(layer.chi),
            depth = match layer.criticality.map(|found| found.trainable_depth()) {
                Some(depth) if depth.is_finite() && depth < 1e4 =>
                    format!("{depth:.0} such layers"),
                Some(_) => "any number of such layers".to_owned(),
                None => "its size does not settle".to_owned(),
            },
        )
    });
    let columns = [
        Column::Text("layer"),
        Column::Text("reads"),
        Column::Numbers("σw"),
        Column::Numbers("σb"),
        Column::Numbers("χ"),
        Column::Text("a signal reaches"),
    ];
    details(
        "The dots in numbers",
        table("Layers between order and chaos", &columns, rows.collect()),
    )
}

/// The lines, those with most layers first, and the layers of each.
fn by_line<'a>(
    diagram: &'a PhaseDiagram,
    layers: &[Layer<'_>],
) -> Vec<(&'a CriticalLine, Vec<PhaseDot>)> {
    let mut all: Vec<(&CriticalLine, Vec<PhaseDot>)> = diagram
        .lines
        .iter()
        .map(|line| (line, Vec::new()))
        .collect();
    for (chain, lines) in diagram.chains.iter().zip(&diagram.line_of) {
        for (layer, line) in chain.layers.iter().zip(lines) {
            let index = layers.iter().position(|l| l.row.node == layer.node);
            let known = index.and_then(|index| layers.get(index));
            if let Some((_, dots)) = all.get_mut(*line) {
                dots.push(PhaseDot {
                    place: [layer.weight.sqrt(), layer.bias.sqrt()],
                    layer: index,
                    blamed: known.is_some_and(|l| l.blamed >= Some(Severity::Warning)),
                    title: words(layer),
                });
            }
        }
    }
    all.sort_by_key(|(_, dots)| std::cmp::Reverse(dots.len()));
    all
}

/// What the longest chains make of the depth that a signal reaches.
fn sentences(chains: &[Chain]) -> Option<Html> {
    let mut longest: Vec<&Chain> = chains.iter().filter(|c| c.layers.len() > 1).collect();
    longest.sort_by_key(|chain| std::cmp::Reverse(chain.layers.len()));
    let shown: Html = longest
        .into_iter()
        .take(SENTENCES)
        .filter_map(sentence)
        .collect();
    (!shown.is_empty()).then(|| template!("checkup/chains.html", chains = shown))
}

fn sentence(chain: &Chain) -> Option<Html> {
    let (first, last) = (chain.layers.first()?, chain.layers.last()?);
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
    Some(template!(
        "checkup/chain.html",
        layers = chain.layers.len(),
        first = first.node,
        last = last.node,
        each = short(each),
        all = short(factor),
        depth = depth,
    ))
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
