//! Layer by layer: gradients over the first steps, units that no longer answer.

use fanin_train::Comparison;

use super::super::layers::{Gradients, Sizes, Units, brief, chosen, units};
use super::cells::{head, head_of_numbers, number, row};
use crate::chart::{HUES, Line, LogScale, Picture};
use crate::markup::{Html, template};
use crate::number::{percent, short};
use crate::page::{curve, subheading};

/// Rows of a table of gradients.
const ROWS: usize = 24;

/// The first gradients as a picture, if asked for; a card per start. Nothing where nobody looked inside.
pub(super) fn section(comparison: &Comparison, id: &str, picture: bool) -> Option<Html> {
    let all: Vec<(Gradients, Vec<Units>)> = comparison
        .starts
        .iter()
        .map(|start| (Gradients::of(comparison, start), units(start)))
        .collect();
    if all.iter().all(|(gradients, _)| gradients.steps.is_empty()) {
        return None;
    }
    let sizes = Sizes::shared(comparison, all.iter().map(|(gradients, _)| gradients));
    let heading = "The gradient of each layer's weights at the first step";
    let picture = picture.then(|| first_gradients(comparison, heading));
    let cards = comparison.starts.iter().zip(&all).enumerate();
    let cards = cards.map(|(k, (start, (gradients, units)))| {
        let body = heat(gradients, sizes, &start.name);
        let units = unit_table(units, &start.name);
        template!(
            "comparison/card.html",
            hue = k % HUES,
            name = start.name,
            body = body.then(&units.unwrap_or_default()),
        )
    });
    let cards = template!("comparison/cards.html", cards = cards.collect::<Html>());
    Some(crate::page::section(
        &format!("{id}-layers"),
        "Inside: layer by layer",
        picture.flatten().unwrap_or_default().then(&cards),
    ))
}

/// The gradient of each layer's weights at the first step, a line per start; nothing for fewer than
/// three layers, which are no curve.
pub(super) fn first_gradients(comparison: &Comparison, heading: &str) -> Option<Html> {
    /// About how many layers get a number below them.
    const NUMBERS: usize = 10;
    let starts = comparison.starts.iter();
    let all: Vec<Gradients> = starts.map(|s| Gradients::of(comparison, s)).collect();
    let first = all.iter().flat_map(|g| g.steps.first().copied()).min()?;
    let layers = comparison.weights.len();
    let curves: Vec<Vec<f64>> = all.iter().map(|g| g.at(first)).collect();
    if layers < 3 || curves.iter().all(|curve| curve.len() < layers) {
        return None;
    }
    let scale = LogScale::over(curves.iter().flatten().copied());
    // Zero has a line of its own below the axis.
    let none = curves.iter().flatten().any(|value| *value == 0.0);
    let lift = if none { 0.15 } else { 0.0 };
    let height = |value: f64| match value == 0.0 {
        true => 0.0,
        false => lift + (1.0 - lift) * scale.position(value),
    };
    let x = |layer: usize| (layer as f64 + 0.5) / layers as f64;
    let lines = comparison.starts.iter().zip(&curves).map(|(start, curve)| {
        let titles = curve.iter().zip(&comparison.weights);
        Line {
            name: &start.name,
            points: (0..)
                .zip(curve)
                .map(|(k, value)| [x(k), height(*value)])
                .collect(),
            titles: titles
                .map(|(value, name)| format!("{}, {name}: {}", start.name, short(*value)))
                .collect(),
            ..Line::default()
        }
    });
    let ticks = (0..layers).step_by(layers.div_ceil(NUMBERS).max(1));
    let picture = Picture {
        label: "Gradient of each layer's weights at the first step, a line per start; a table below holds the numbers",
        lines: lines.collect(),
        heights: none
            .then(|| (0.0, "0".to_owned()))
            .into_iter()
            .chain(scale.ticks())
            .map(|(value, label)| (height(value), label))
            .collect(),
        ticks: ticks.map(|k| (x(k), (k + 1).to_string())).collect(),
        along: "layer",
        level: None,
        stops: false,
    };
    let parts = [
        subheading(heading),
        template!("comparison/gradients_note.html"),
        curve(picture.draw(), Html::EMPTY),
    ];
    Some(parts.into_iter().collect())
}

fn heat(gradients: &Gradients, sizes: Sizes, start: &str) -> Html {
    let steps = gradients
        .steps
        .iter()
        .map(|step| head_of_numbers(&step.to_string()));
    let rows = chosen(gradients.rows.len(), ROWS).map(|k| {
        let (parameter, values) = &gradients.rows[k];
        let cells = values.iter().map(|value| match value {
            None => number(""),
            Some(value) => {
                let depth = sizes.place(*value).map_or(0.0, |place| 45.0 * place);
                shade("", depth, &brief(*value))
            }
        });
        row(std::iter::once(clipped(parameter)).chain(cells))
    });
    let table = template!(
        "comparison/heat.html",
        label = format!("Gradients of {start}"),
        caption = "gradient rms",
        head = std::iter::once(head("step")).chain(steps).collect::<Html>(),
        rows = rows.collect::<Html>(),
    );
    let note = (gradients.rows.len() > ROWS).then(|| {
        let text = format!(
            "{ROWS} of {} layers; the JSON has all.",
            gradients.rows.len()
        );
        template!("note.html", text = text)
    });
    table.then(&note.unwrap_or_default())
}

/// A number on a ground that is deeper the more of it there is.
fn shade(class: &str, depth: f64, text: &str) -> Html {
    template!(
        "comparison/number_with_heat.html",
        class = class,
        depth = format!("{depth:.0}"),
        text = text,
    )
}

/// Dead and saturated units; nothing where no activation can have any.
fn unit_table(units: &[Units], start: &str) -> Option<Html> {
    let dead = units.iter().any(|u| u.dead[0].is_some());
    let saturated = units.iter().any(|u| u.saturated[0].is_some());
    if !dead && !saturated {
        return None;
    }
    let columns = [(dead, "dead"), (saturated, "saturated")].into_iter();
    let columns = columns.filter(|(there, _)| *there).flat_map(|(_, label)| {
        [
            head_of_numbers(&format!("{label}, start")),
            head_of_numbers("end"),
        ]
    });
    let rows = chosen(units.len(), ROWS).map(|k| {
        let unit = &units[k];
        let pairs = [(dead, unit.dead), (saturated, unit.saturated)].into_iter();
        let shares = pairs.filter(|(there, _)| *there).flat_map(|(_, pair)| pair);
        let cells = shares.map(|share| match share {
            None => number("–"),
            Some(share) => shade(" bad", 45.0 * share, &percent(share)),
        });
        row(std::iter::once(clipped(&unit.node)).chain(cells))
    });
    Some(template!(
        "comparison/heat.html",
        label = format!("Units of {start}"),
        caption = "units, at the start and at the end",
        head = std::iter::once(head("activation"))
            .chain(columns)
            .collect::<Html>(),
        rows = rows.collect::<Html>(),
    ))
}

/// The head of a row: the end of a long name, which is what tells layers apart; the whole of it on hover.
fn clipped(name: &str) -> Html {
    const ROOM: usize = 26;
    let length = name.chars().count();
    if length <= ROOM {
        return template!("comparison/row_name.html", name = name);
    }
    let end: String = name.chars().skip(length - ROOM + 1).collect();
    let short = template!("comparison/clipped_name.html", name = name, end = end);
    template!("comparison/row_name.html", name = short)
}
