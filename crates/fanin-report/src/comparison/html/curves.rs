//! Loss and accuracy over the steps, a line per start.

use fanin_train::{Comparison, StartResult};

use super::super::curve::{Spot, accuracies, losses};
use super::super::{loss, top};
use super::cells::{head, head_of_numbers, number, row, row_name};
use crate::chart::{HUES, Line, Picture, plain, round_numbers};
use crate::markup::{Html, template};
use crate::page::details;

/// Stretches of a curve.
const STRETCHES: usize = 50;

/// The section of all curves; `id` keeps its elements apart from those of another comparison on the page.
pub(super) fn section(comparison: &Comparison, id: &str) -> Html {
    let several = comparison.starts.iter().any(|s| s.runs.len() > 1);
    let spread = if several {
        " The line is the median of the trainings, the shade reaches from the lowest to the highest."
    } else {
        ""
    };
    let text = format!(
        "Of the batches trained on, from the first step to the last; lower is better.{spread}{}",
        beyond(comparison)
    );
    let body = [
        template!("comparison/heading.html", text = "Loss"),
        template!("paragraph.html", text = text),
        legend(comparison, id).unwrap_or_default(),
        loss_figure(comparison),
    ];
    let body = body
        .into_iter()
        .chain(accuracy(comparison))
        .chain(numbers(comparison));
    template!(
        "comparison/curves.html",
        id = id,
        body = body.collect::<Html>()
    )
}

/// All but the loss, which has been shown.
pub(super) fn further(comparison: &Comparison, id: &str) -> Html {
    let body = accuracy(comparison).into_iter().chain(numbers(comparison));
    template!(
        "comparison/curves.html",
        id = id,
        body = body.collect::<Html>()
    )
}

/// That a line leaves the picture, where one does.
pub(super) fn beyond(comparison: &Comparison) -> &'static str {
    let above = |s: &Spot| s.middle.is_finite() && s.middle > top(comparison);
    let starts = comparison.starts.iter();
    match starts.flat_map(|s| losses(s, STRETCHES)).any(|s| above(&s)) {
        true => " Where a line runs along the upper edge the loss is higher still.",
        false => "",
    }
}

/// A chart over the steps.
struct Chart<'a> {
    label: &'a str,
    steps: usize,
    /// The upper end of the axis; the lower is 0.
    top: f64,
    /// A level that is drawn across, and its name.
    level: Option<(f64, &'a str)>,
    percent: bool,
}

impl Chart<'_> {
    /// How far up a value lies, at most at the upper end.
    fn height(&self, value: f64) -> f64 {
        if value.is_finite() {
            (value / self.top).clamp(0.0, 1.0)
        } else {
            1.0
        }
    }

    fn draw(&self, curves: &[(&StartResult, Vec<Spot>)]) -> Html {
        let steps = self.steps.max(1) as f64;
        let heights = round_numbers(self.top).into_iter().map(|value| {
            let label = match self.percent {
                true => format!("{:.0} %", 100.0 * value),
                false => plain(value),
            };
            (value / self.top, label)
        });
        let ticks = round_numbers(steps).into_iter();
        let lines = curves.iter().map(|(start, spots)| {
            let finite = || spots.iter().take_while(|s| s.middle.is_finite());
            let away = spots.iter().find(|s| !s.middle.is_finite());
            Line {
                name: &start.name,
                points: finite()
                    .map(|s| [s.step / steps, self.height(s.middle)])
                    .collect(),
                spread: match start.runs.len() {
                    0 | 1 => Vec::new(),
                    _ => finite()
                        .map(|s| [self.height(s.low), self.height(s.high)])
                        .collect(),
                },
                titles: Vec::new(),
                away: away.map(|s| [s.step / steps, 1.0]),
            }
        });
        Picture {
            label: self.label,
            lines: lines.collect(),
            heights: heights.collect(),
            ticks: ticks.map(|step| (step / steps, plain(step))).collect(),
            along: "step",
            level: self.level.map(|(value, name)| (self.height(value), name)),
            stops: true,
        }
        .draw()
    }

    /// The picture with its numbers, which the script reads.
    fn figure(&self, curves: &[(&StartResult, Vec<Spot>)]) -> Html {
        let starts: Vec<serde_json::Value> = curves
            .iter()
            .map(|(start, spots)| {
                let values: Vec<Option<f64>> = spots
                    .iter()
                    .map(|s| s.middle.is_finite().then(|| (s.middle * 1e4).round() / 1e4))
                    .collect();
                serde_json::json!({ "name": start.name, "values": values })
            })
            .collect();
        let steps: Vec<f64> = curves
            .iter()
            .map(|(_, spots)| spots)
            .max_by_key(|spots| spots.len())
            .map(|spots| spots.iter().map(|s| s.step).collect())
            .unwrap_or_default();
        let data = serde_json::json!({
            "steps": steps,
            "starts": starts,
            "last": self.steps,
            "percent": self.percent,
        });
        template!(
            "comparison/chart.html",
            data = data.to_string(),
            picture = self.draw(curves),
        )
    }
}

/// All starts with a curve each.
fn all(
    comparison: &Comparison,
    read: fn(&StartResult, usize) -> Vec<Spot>,
) -> Vec<(&StartResult, Vec<Spot>)> {
    let starts = comparison.starts.iter();
    starts
        .map(|start| (start, read(start, STRETCHES)))
        .collect()
}

pub(super) fn loss_figure(comparison: &Comparison) -> Html {
    let chart = Chart {
        label: "Loss over the steps, a line per start; a table below holds the numbers",
        steps: comparison.steps,
        top: top(comparison),
        level: Some((comparison.chance, "knowing nothing")),
        percent: false,
    };
    chart.figure(&all(comparison, losses))
}

fn accuracy(comparison: &Comparison) -> Option<Html> {
    let chart = Chart {
        label: "Accuracy over the steps, a line per start",
        steps: comparison.steps,
        top: 1.0,
        level: Some((comparison.chance_accuracy?, "knowing nothing")),
        percent: true,
    };
    let text = "Share of the batches told right; higher is better.";
    let parts = [
        template!("comparison/heading.html", text = "Accuracy"),
        template!("paragraph.html", text = text),
        chart.figure(&all(comparison, accuracies)),
    ];
    Some(parts.into_iter().collect())
}

/// Boxes that take lines out of the picture and put them back; they work without a script.
fn legend(comparison: &Comparison, id: &str) -> Option<Html> {
    let lines = comparison.starts.iter().enumerate().map(|(k, start)| {
        template!(
            "comparison/legend_line.html",
            id = id,
            index = k,
            hue = k % HUES,
            name = start.name,
        )
    });
    (comparison.starts.len() > 1)
        .then(|| template!("comparison/legend.html", lines = lines.collect::<Html>()))
}

/// The curves in numbers, for those who do not see them.
fn numbers(comparison: &Comparison) -> Option<Html> {
    const COLUMNS: usize = 10;
    let all: Vec<Vec<Spot>> = comparison
        .starts
        .iter()
        .map(|s| losses(s, COLUMNS))
        .collect();
    let longest = all.iter().max_by_key(|spots| spots.len())?;
    let steps = longest
        .iter()
        .map(|spot| head_of_numbers(&format!("{:.0}", spot.step)));
    let rows = comparison.starts.iter().zip(&all).map(|(start, spots)| {
        let cells = (0..longest.len())
            .map(|k| number(&spots.get(k).map_or_else(String::new, |s| loss(s.middle))));
        row(std::iter::once(row_name(&start.name)).chain(cells))
    });
    let table = template!(
        "table.html",
        label = "Losses",
        head = std::iter::once(head("around step"))
            .chain(steps)
            .collect::<Html>(),
        rows = rows.collect::<Html>(),
    );
    Some(details("The losses in numbers", table))
}
