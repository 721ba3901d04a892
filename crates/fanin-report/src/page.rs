//! What all pages share: the head, with style and script inside, so that a page needs no other file and no network, and
//! the parts that more than one of them has.

use crate::markup::{Html, template};

/// Of every page; the others follow it.
const STYLE: &str = include_str!("../templates/style.css");
const SCRIPT: &str = include_str!("../templates/script.js");

/// One page.
pub(crate) struct Page<'a> {
    /// What it is about, before the colon of the title.
    pub(crate) title: &'a str,
    /// What comes of it, after the colon.
    pub(crate) subtitle: &'a str,
    /// Which kind of page, for its own style.
    pub(crate) class: &'a str,
    /// Its own style and script.
    pub(crate) style: &'a str,
    pub(crate) script: &'a str,
    /// Above the sections.
    pub(crate) header: Html,
    /// The sections.
    pub(crate) main: Html,
}

impl Page<'_> {
    pub(crate) fn render(self) -> String {
        template!(
            "page.html",
            title = self.title,
            subtitle = self.subtitle,
            class = self.class,
            style = Html::trusted([STYLE, self.style].concat()),
            script = Html::trusted([SCRIPT, self.script].concat()),
            header = self.header,
            main = self.main,
            version = env!("CARGO_PKG_VERSION"),
        )
        .into_string()
    }
}

/// The name of a model's file without its folders, which are nobody else's business; a one-line
/// architecture as it is.
pub(crate) fn file_name(model: &str) -> &str {
    match model.contains('(') {
        true => model,
        false => model.rsplit(['/', '\\']).next().unwrap_or(model),
    }
}

/// Names with their values, in a row.
pub(crate) fn facts(facts: &[(&str, String)]) -> Html {
    let facts = facts
        .iter()
        .map(|(name, value)| template!("fact.html", name = name, value = value));
    template!("facts.html", facts = facts.collect::<Html>())
}

/// One heading of a table.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    Text(&'static str),
    /// Aligned by its digits.
    Numbers(&'static str),
}

/// A table that scrolls where there is no room for it.
pub(crate) fn table(label: &str, columns: &[Column], rows: Html) -> Html {
    let head = columns.iter().map(|column| match column {
        Column::Text(name) => template!("column.html", name = name),
        Column::Numbers(name) => template!("column_of_numbers.html", name = name),
    });
    let head: Html = head.collect();
    template!("table.html", label = label, head = head, rows = rows)
}

/// What is folded until somebody asks; paper shows it open.
pub(crate) fn details(summary: &str, body: Html) -> Html {
    template!("details.html", summary = summary, body = body)
}

pub(crate) fn section(id: &str, heading: &str, body: Html) -> Html {
    template!("section.html", id = id, heading = heading, body = body)
}

pub(crate) fn subheading(text: &str) -> Html {
    template!("subheading.html", text = text)
}

pub(crate) fn curve(picture: Html, caption: Html) -> Html {
    template!("curve.html", picture = picture, caption = caption)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_passed_on_keeps_folders_to_itself() {
        assert_eq!(file_name("/home/me/secret/net.onnx"), "net.onnx");
        assert_eq!(file_name("C:\\models\\net.onnx"), "net.onnx");
        assert_eq!(file_name("mlp(4, 8/2)"), "mlp(4, 8/2)");
    }
}
