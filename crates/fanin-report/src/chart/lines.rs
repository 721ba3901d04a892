//! A picture of one line per start, with its name at its end, that fits any width.

use std::fmt::Write as _;

use super::axis::share;
use crate::markup::{Html, escape};

/// Colours and dashes there are for lines; further starts take them round again.
pub(crate) const HUES: usize = 8;

/// Pixels from the lowest to the highest value; `svg.lines` in the style sheet says the same.
const HEIGHT: f64 = 270.0;
/// The side of the square that lines are drawn in before they are stretched over the picture.
const SQUARE: f64 = 1000.0;

/// A mark on an axis: its place from 0 to 1, and its label.
pub(crate) type Tick = (f64, String);

/// One start's line; places run from 0 to 1, to the right and up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line<'a> {
    /// The start's name.
    pub(crate) name: &'a str,
    /// Along the line.
    pub(crate) points: Vec<[f64; 2]>,
    /// Lowest and highest beside each point; empty for none.
    pub(crate) spread: Vec<[f64; 2]>,
    /// What each point says on hover, where each has a dot; empty for none.
    pub(crate) titles: Vec<String>,
    /// Where numbers ran away.
    pub(crate) away: Option<[f64; 2]>,
}

/// The picture.
#[derive(Clone, Debug)]
pub(crate) struct Picture<'a> {
    /// What it shows, for those who do not see it.
    pub(crate) label: &'a str,
    /// In the order of the starts.
    pub(crate) lines: Vec<Line<'a>>,
    /// Upwards.
    pub(crate) heights: Vec<Tick>,
    /// To the right.
    pub(crate) ticks: Vec<Tick>,
    /// What the ticks to the right count.
    pub(crate) along: &'a str,
    /// A level that is drawn across, and its name.
    pub(crate) level: Option<(f64, &'a str)>,
    /// Whether the keyboard stops here, for the readout.
    pub(crate) stops: bool,
}

impl Picture<'_> {
    pub(crate) fn draw(&self) -> Html {
        let mut svg = format!(
            "<svg class=\"plot lines\" role=\"img\"{} aria-label=\"{}\">",
            if self.stops { " tabindex=\"0\"" } else { "" },
            escape(self.label)
        );
        self.axes(&mut svg);
        // Writing into a String does not fail.
        let _ = write!(
            svg,
            "<svg viewBox=\"0 0 {SQUARE} {SQUARE}\" preserveAspectRatio=\"none\">"
        );
        for (k, line) in self.lines.iter().enumerate() {
            stretched(&mut svg, k, line);
        }
        svg.push_str("</svg>");
        for (k, line) in self.lines.iter().enumerate() {
            marks(&mut svg, k, line);
        }
        self.level_name(&mut svg);
        self.names(&mut svg);
        svg.push_str("<line class=\"cursor\" y1=\"0\" y2=\"100%\" x1=\"0\" x2=\"0\"/></svg>");
        Html::trusted(svg)
    }

    fn axes(&self, svg: &mut String) {
        for (height, label) in &self.heights {
            let y = share(1.0 - height.clamp(0.0, 1.0));
            let _ = write!(
                svg,
                "<line class=\"grid\" x2=\"100%\" y1=\"{y}\" y2=\"{y}\"/>\
                 <text class=\"tick\" x=\"-8\" y=\"{y}\" dy=\"4\" text-anchor=\"end\">{label}</text>"
            );
        }
        for (x, label) in &self.ticks {
            let _ = write!(
                svg,
                "<text class=\"tick\" x=\"{}\" y=\"100%\" dy=\"18\" text-anchor=\"middle\">{label}</text>",
                share(x.clamp(0.0, 1.0))
            );
        }
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"100%\" y=\"100%\" dy=\"35\" text-anchor=\"end\">{} →</text>",
            self.along
        );
        if let Some((height, _)) = self.level {
            let y = share(1.0 - height.clamp(0.0, 1.0));
            let _ = write!(
                svg,
                "<line class=\"level\" x2=\"100%\" y1=\"{y}\" y2=\"{y}\"/>"
            );
        }
    }

    fn level_name(&self, svg: &mut String) {
        if let Some((height, name)) = self.level {
            let _ = write!(
                svg,
                "<text class=\"tick over\" x=\"100%\" dx=\"-6\" y=\"{}\" dy=\"-6\" text-anchor=\"end\">{name}</text>",
                share(1.0 - height.clamp(0.0, 1.0))
            );
        }
    }

    /// Names where the lines end, pushed apart where they would lie on each other.
    fn names(&self, svg: &mut String) {
        let ends = self.lines.iter().enumerate().filter_map(|(k, line)| {
            let [x, y] = line.away.or_else(|| line.points.last().copied())?;
            Some((k, x, HEIGHT * (1.0 - y.clamp(0.0, 1.0))))
        });
        // A line that ends early has its name there.
        let (early, late): (Vec<_>, Vec<_>) = ends.partition(|(_, x, _)| *x < 0.8);
        for (names, at_end) in [(early, false), (late, true)] {
            for (k, x, y, label) in apart(names) {
                let x = if at_end { 1.0 } else { x };
                let _ = write!(
                    svg,
                    "<svg class=\"series s{}\" data-start=\"{k}\" x=\"{}\"><path class=\"lead-line\" d=\"M2 {y:.1}L11 {label:.1}\"/>\
                     <text class=\"name\" x=\"14\" y=\"{:.1}\">{}</text></svg>",
                    k % HUES,
                    share(x.clamp(0.0, 1.0)),
                    label + 4.0,
                    escape(&clipped(self.lines[k].name))
                );
            }
        }
    }
}

/// Line, place and height of each name, and the height at which there is room for it.
fn apart(mut names: Vec<(usize, f64, f64)>) -> Vec<(usize, f64, f64, f64)> {
    const LINE: f64 = 15.0;
    names.sort_by(|a, b| a.2.total_cmp(&b.2));
    let mut below = f64::NEG_INFINITY;
    let mut placed: Vec<(usize, f64, f64, f64)> = Vec::new();
    for (k, x, y) in names {
        below = y.max(below + LINE);
        placed.push((k, x, y, below));
    }
    // Those that were pushed below the axis come up again.
    let mut above = HEIGHT + LINE;
    for name in placed.iter_mut().rev() {
        name.3 = name.3.min(above - LINE);
        above = name.3;
    }
    placed
}

/// The shade over the seeds and the line of their middle.
fn stretched(svg: &mut String, k: usize, line: &Line<'_>) {
    let at = |x: f64, y: f64| format!("{:.0} {:.0}", SQUARE * x, SQUARE * (1.0 - y));
    let _ = write!(svg, "<g class=\"series s{}\" data-start=\"{k}\">", k % HUES);
    if line.points.len() > 1 && !line.spread.is_empty() {
        let pairs = || line.points.iter().zip(&line.spread);
        let upper: Vec<String> = pairs().map(|(p, s)| at(p[0], s[1])).collect();
        let lower: Vec<String> = pairs().rev().map(|(p, s)| at(p[0], s[0])).collect();
        let _ = write!(
            svg,
            "<path class=\"spread\" d=\"M{}L{}Z\"/>",
            upper.join("L"),
            lower.join("L")
        );
    }
    let points: Vec<String> = line.points.iter().map(|p| at(p[0], p[1])).collect();
    let _ = write!(svg, "<polyline points=\"{}\"/></g>", points.join(" "));
}

/// Dots, and a cross where numbers ran away.
fn marks(svg: &mut String, k: usize, line: &Line<'_>) {
    if line.titles.is_empty() && line.away.is_none() {
        return;
    }
    let _ = write!(svg, "<g class=\"series s{}\" data-start=\"{k}\">", k % HUES);
    for ([x, y], title) in line.points.iter().zip(&line.titles) {
        let _ = write!(
            svg,
            "<circle cx=\"{}\" cy=\"{}\" r=\"3.5\"><title>{}</title></circle>",
            share(x.clamp(0.0, 1.0)),
            share(1.0 - y.clamp(0.0, 1.0)),
            escape(title)
        );
    }
    if let Some([x, y]) = line.away {
        let _ = write!(
            svg,
            "<text class=\"away\" x=\"{}\" y=\"{}\" dy=\"8\" text-anchor=\"middle\">×<title>{}: numbers ran away</title></text>",
            share(x.clamp(0.0, 1.0)),
            share(1.0 - y.clamp(0.0, 1.0)),
            escape(line.name)
        );
    }
    svg.push_str("</g>");
}

fn clipped(name: &str) -> String {
    const ROOM: usize = 11;
    if name.chars().count() <= ROOM {
        return name.to_owned();
    }
    let start: String = name.chars().take(ROOM - 1).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_lie_on_each_other_or_below_the_axis() {
        let names = (0..9).map(|k| (k, 1.0, HEIGHT - 3.0)).collect();
        let placed = apart(names);
        for pair in placed.windows(2) {
            assert!(pair[1].3 - pair[0].3 >= 14.9, "{placed:?}");
        }
        assert!(placed.iter().all(|name| name.3 <= HEIGHT));
    }

    #[test]
    fn a_line_that_runs_away_ends_in_a_cross_with_its_name() {
        let line = Line {
            name: "<wild>",
            points: vec![[0.0, 0.5]],
            away: Some([0.1, 1.0]),
            ..Line::default()
        };
        let svg = Picture {
            label: "a label",
            lines: vec![line],
            heights: vec![(0.0, "0".to_owned())],
            ticks: Vec::new(),
            along: "step",
            level: None,
            stops: false,
        }
        .draw()
        .into_string();
        assert!(svg.contains("&lt;wild&gt;: numbers ran away"), "{svg}");
        assert!(svg.contains("x=\"10.00%\""), "{svg}");
    }
}
