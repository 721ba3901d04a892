//! The pages for those who change fanin: every path that they name is there.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

use std::fs;
use std::path::Path;

/// Words with a slash that are no paths of the repository.
const NO_PATHS: [&str; 2] = ["philox4x32-10/v2", "target/release/fanin"];

/// Folders that are not part of the source.
const NOT_SOURCE: [&str; 3] = ["target", ".git", "node_modules"];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Every file and folder below the root, each as the names on the way to it.
fn everything() -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    let mut open: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(root().join(folder.join("/"))).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            if NOT_SOURCE.contains(&name.as_str()) {
                continue;
            }
            let way = [folder.as_slice(), &[name]].concat();
            if entry.file_type().unwrap().is_dir() {
                open.push(way.clone());
            }
            found.push(way);
        }
    }
    found
}

/// The words with a slash in a page's code.
fn paths(page: &str) -> Vec<&str> {
    page.split('`')
        .skip(1)
        .step_by(2)
        .flat_map(str::split_whitespace)
        .filter(|word| word.contains('/') && !word.starts_with('/'))
        .filter(|word| !NO_PATHS.contains(word))
        .collect()
}

/// Whether a name is what is written; `*`, NAME and FAMILY stand for any.
fn is(name: &str, written: &str) -> bool {
    let (stem, ending) = written.split_once('.').unwrap_or((written, ""));
    match stem {
        "*" | "NAME" | "FAMILY" => ending.is_empty() || name.ends_with(&format!(".{ending}")),
        _ => name == written,
    }
}

/// Whether a path ends as written: pages leave out what comes before, where the sentence says it.
fn ends_as(way: &[String], written: &str) -> bool {
    let written: Vec<&str> = written.trim_end_matches('/').split('/').collect();
    let from = way.len().checked_sub(written.len());
    from.is_some_and(|from| {
        way[from..]
            .iter()
            .zip(&written)
            .all(|(name, w)| is(name, w))
    })
}

#[test]
fn every_path_that_a_page_names_is_there() {
    let everything = everything();
    let mut gone = Vec::new();
    for page in ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        assert!(
            text.matches('`').count().is_multiple_of(2),
            "{page}: a backtick is left open"
        );
        for path in paths(&text) {
            if !everything.iter().any(|way| ends_as(way, path)) {
                gone.push(format!("{page}: {path}"));
            }
        }
    }
    assert!(gone.is_empty(), "named, but not there: {gone:#?}");
}

#[test]
fn a_path_that_is_not_there_is_noticed() {
    let everything = everything();
    let there = |path: &str| everything.iter().any(|way| ends_as(way, path));
    assert!(there("fanin-cli/tests/pages.rs") && there("recipe/*.rs") && there("FAMILY/shape.rs"));
    assert!(!there("fanin-cli/tests/no_page.rs") && !there("recipe/*.txt"));
    assert_eq!(
        paths("see `src/a.rs`, `b` and `x > c/d`"),
        ["src/a.rs", "c/d"]
    );
}
