//! Rows and cells of the tables.

use fanin_train::StartResult;

use crate::chart::HUES;
use crate::markup::{Html, template};

/// The name of the start at a place in the comparison, at the head of a row, with the colour of its line.
pub(super) fn name(place: usize, start: &StartResult) -> Html {
    template!(
        "comparison/name.html",
        hue = place % HUES,
        name = start.name
    )
}

pub(super) fn row(cells: impl IntoIterator<Item = Html>) -> Html {
    let cells: Html = cells.into_iter().collect();
    template!("comparison/row.html", cells = cells)
}

pub(super) fn head(text: &str) -> Html {
    template!("comparison/head.html", text = text)
}

pub(super) fn head_of_numbers(text: &str) -> Html {
    template!("comparison/head_of_numbers.html", text = text)
}

pub(super) fn row_name(name: &str) -> Html {
    template!("comparison/row_name.html", name = name)
}

pub(super) fn number(text: &str) -> Html {
    template!("comparison/number.html", text = text)
}
