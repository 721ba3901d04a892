//! The pages that explain the rules.

use std::fmt;

use crate::Code;
use crate::rules::RULES;

/// What a rule looks for and what to do about it: the page of one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The code.
    pub code: Code,
    /// A short name.
    pub title: &'static str,
    /// What the rule found when it fires.
    pub what: &'static str,
    /// Why that matters.
    pub why: &'static str,
    /// What is measured, and against which expectation.
    pub judged: &'static str,
    /// What to change.
    pub fix: &'static str,
    /// Where the theory comes from.
    pub reference: &'static str,
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.title)?;
        for (heading, text) in [
            ("What it found", self.what),
            ("Why it matters", self.why),
            ("How it is judged", self.judged),
            ("How to mend it", self.fix),
            ("Reference", self.reference),
        ] {
            write!(f, "\n\n{heading}\n{text}")?;
        }
        Ok(())
    }
}

/// The pages of all rules, by code.
pub fn pages() -> &'static [Page] {
    static PAGES: std::sync::LazyLock<Vec<Page>> =
        std::sync::LazyLock::new(|| RULES.iter().map(|rule| *rule.page).collect());
    &PAGES
}

/// The page of a code as it is printed, `F101`; letter case does not matter.
pub fn page(code: &str) -> Option<&'static Page> {
    pages()
        .iter()
        .find(|page| page.code.to_string().eq_ignore_ascii_case(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_ascending_and_found_by_name() {
        assert!(pages().windows(2).all(|pair| pair[0].code < pair[1].code));
        for entry in pages() {
            assert_eq!(page(&entry.code.to_string().to_lowercase()), Some(entry));
        }
        assert_eq!(page("F999"), None);
    }

    #[test]
    fn pages_are_whole() {
        for page in pages() {
            for text in [
                page.title,
                page.what,
                page.why,
                page.judged,
                page.fix,
                page.reference,
            ] {
                assert!(text.len() > 10, "{page}");
                assert!(!text.contains("  "), "{page}");
            }
        }
    }
}
