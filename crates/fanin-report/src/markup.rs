//! Markup, and the templates that it is made from: one file each in `templates/`, with places in braces.

use std::fmt;

/// Markup: what came out of a template, or was drawn here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Html(String);

impl Html {
    /// Nothing.
    pub(crate) const EMPTY: Self = Self(String::new());

    /// What is markup already; nothing that comes from a model.
    pub(crate) fn trusted(markup: impl Into<String>) -> Self {
        Self(markup.into())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }

    /// Both, one after the other.
    pub(crate) fn then(mut self, next: &Self) -> Self {
        self.0.push_str(&next.0);
        self
    }
}

impl FromIterator<Html> for Html {
    fn from_iter<I: IntoIterator<Item = Self>>(parts: I) -> Self {
        Self(parts.into_iter().map(|part| part.0).collect())
    }
}

/// What can stand in a place of a template: markup as it is, text with all that could be markup escaped.
pub(crate) trait Show {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl Show for Html {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Show for str {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(self))
    }
}

impl Show for String {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().show(f)
    }
}

impl Show for usize {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<T: Show + ?Sized> Show for &T {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).show(f)
    }
}

/// Nothing where there is nothing.
impl<T: Show> Show for Option<T> {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().map_or(Ok(()), |value| value.show(f))
    }
}

/// Lets [`template!`] print what can be shown.
pub(crate) struct Shown<T>(pub(crate) T);

impl<T: Show> fmt::Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show(f)
    }
}

/// A template with every place filled; the compiler knows the places.
macro_rules! template {
    ($file:literal $(, $place:ident = $value:expr)* $(,)?) => {
        $crate::markup::Html::trusted(format!(
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/", $file)),
            $($place = $crate::markup::Shown(&$value)),*
        ))
    };
}
pub(crate) use template;

/// Text with what stands between backquotes as code.
pub(crate) fn prose(text: &str) -> Html {
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(k, part)| match k % 2 {
        0 => escape(part),
        _ => format!("<code>{}</code>", escape(part)),
    });
    Html(parts.collect())
}

/// Text as HTML text or attribute; names come from files that nobody vouches for.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_text() {
        assert_eq!(
            escape("<script>alert('x')</script>\u{0}"),
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;\u{fffd}"
        );
        let link = template!("checkup/link.html", id = "\"><b>", name = "{id}");
        assert_eq!(
            link.into_string(),
            "<a href=\"#&quot;&gt;&lt;b&gt;\">{id}</a>\n"
        );
        let code = prose("a `<b>` c");
        assert_eq!(code, Html::trusted("a <code>&lt;b&gt;</code> c"));
    }

    #[test]
    fn markup_is_not_escaped_twice_and_nothing_shows_nothing() {
        let text = template!("paragraph.html", text = prose("a & b"));
        assert_eq!(text, Html::trusted("<p>a &amp; b</p>\n"));
        let text = template!("paragraph.html", text = None::<&str>);
        assert_eq!(text, Html::trusted("<p></p>\n"));
    }
}
