//! The guide: every command that a chapter shows is run, and what it prints is held against what the
//! chapter says it prints. Numbers may differ by 2 %, since sums are added in another order on other
//! machines; words may not. `tools/book.py` brings the chapters up to date.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// The guide's Rust, as a program would have it.
#[path = "../../../book/examples/fill.rs"]
#[allow(
    missing_docs,
    unreachable_pub,
    reason = "a program, which its chapter explains"
)]
mod fill;

/// Stands for lines that a chapter leaves out.
const GAP: &str = "…";

fn book() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../book")
}

/// A command of a chapter, and the lines shown below it.
struct Example {
    command: String,
    shown: Vec<String>,
    /// Whether every line is shown.
    whole: bool,
    /// Whether only a figure is made of it.
    figure: bool,
}

/// The commands of a chapter, in order.
fn examples(text: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        match fence {
            None => fence = line.strip_prefix("```"),
            Some(_) if line == "```" => fence = None,
            Some(info) if info.starts_with("console") => {
                if let Some(command) = line.strip_prefix("$ ") {
                    examples.push(Example {
                        command: command.to_owned(),
                        shown: Vec::new(),
                        whole: info == "console",
                        figure: info.contains("figure="),
                    });
                } else if let Some(example) = examples.last_mut()
                    && !line.trim().is_empty()
                {
                    example.shown.push(line.to_owned());
                }
            }
            Some(_) => {}
        }
    }
    examples
}

/// The words of a command line, with double quotes and a comment at the end.
fn words(command: &str) -> Vec<String> {
    let command = command.split(" # ").next().unwrap();
    let mut words = Vec::new();
    for (k, piece) in command.split('"').enumerate() {
        if k % 2 == 1 {
            words.push(piece.to_owned());
        } else {
            words.extend(piece.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// Words and numbers of a line; a digit that continues a name (`layers.3`) belongs to the name.
fn parts(line: &str) -> Vec<(String, Option<f64>)> {
    let mut parts: Vec<(String, Option<f64>)> = Vec::new();
    for word in line.split_whitespace() {
        if word.chars().all(|c| "·●○▁▂▃▄▅▆▇█".contains(c)) {
            // A dot may fall into the next cell.
            parts.push((format!("{} cells", word.chars().count()), None));
            continue;
        }
        let mut rest = word;
        let mut before: Option<char> = None;
        while let Some(c) = rest.chars().next() {
            let own = !before.is_some_and(|b| b.is_alphanumeric() || b == '.' || b == '_');
            let length = if c.is_ascii_digit() && own {
                (1..=rest.len())
                    .rev()
                    .filter(|&n| rest.is_char_boundary(n))
                    .find(|&n| {
                        rest[..n].ends_with(|c: char| c.is_ascii_digit())
                            && rest[..n].parse::<f64>().is_ok()
                    })
            } else {
                None
            };
            match length {
                Some(n) => {
                    parts.push((String::new(), rest[..n].parse().ok()));
                    before = rest[..n].chars().last();
                    rest = &rest[n..];
                }
                None => {
                    match parts.last_mut() {
                        Some((text, None)) if before.is_some() => text.push(c),
                        _ => parts.push((c.to_string(), None)),
                    }
                    before = Some(c);
                    rest = &rest[c.len_utf8()..];
                }
            }
        }
    }
    parts
}

/// Whether a line says the same, but for the last digits of its numbers.
fn agrees(shown: &str, printed: &str) -> bool {
    let (shown, printed) = (parts(shown), parts(printed));
    shown.len() == printed.len()
        && shown.iter().zip(&printed).all(|(a, b)| match (a.1, b.1) {
            (Some(a), Some(b)) => (a - b).abs() <= 0.02 * a.abs().max(b.abs()),
            (None, None) => a.0 == b.0,
            _ => false,
        })
}

/// Runs every command of a chapter in `folder`; what does not agree, in words.
fn check(chapter: &str, text: &str, folder: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    for example in examples(text) {
        let words = words(&example.command);
        assert_eq!(words[0], "fanin", "{chapter}: {}", example.command);
        let output = Command::cargo_bin("fanin")
            .unwrap()
            .args(&words[1..])
            .current_dir(folder)
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_ne!(
            output.status.code(),
            Some(2),
            "{}: {error}",
            example.command
        );
        if example.figure {
            continue;
        }
        let mut text = String::from_utf8(output.stdout).unwrap();
        if text.is_empty() {
            text = error;
        }
        let printed: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        let mut at = 0;
        for shown in &example.shown {
            if shown.trim() == GAP {
                continue;
            }
            let last = if example.whole { at + 1 } else { printed.len() };
            let found = (at..last.min(printed.len())).find(|&k| agrees(shown, printed[k]));
            match found {
                Some(k) => at = k + 1,
                None => wrong.push(format!("{chapter}: {}\n    {shown}", example.command)),
            }
        }
        if example.whole && at < printed.len() {
            wrong.push(format!(
                "{chapter}: {} prints more than the chapter shows",
                example.command
            ));
        }
    }
    wrong
}

#[test]
fn every_command_prints_what_its_chapter_says() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("scratch")).unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    for rule in std::fs::read_dir(book().join("rules")).unwrap() {
        let rule = rule.unwrap();
        let copy = folder.path().join("rules").join(rule.file_name());
        std::fs::copy(rule.path(), copy).unwrap();
    }
    let mut chapters: Vec<PathBuf> = std::fs::read_dir(book().join("src"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    chapters.sort();
    assert!(chapters.len() > 10);
    let mut wrong = Vec::new();
    for chapter in chapters {
        let text = std::fs::read_to_string(&chapter).unwrap();
        let name = chapter.file_name().unwrap().to_string_lossy().into_owned();
        wrong.extend(check(&name, &text, folder.path()));
    }
    assert!(
        wrong.is_empty(),
        "run `python3 tools/book.py`; not printed any more:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_guides_rust_runs_as_it_stands_there() {
    let chapter = std::fs::read_to_string(book().join("src/custom.md")).unwrap();
    let program = include_str!("../../../book/examples/fill.rs").replace("pub fn main", "fn main");
    assert!(chapter.contains(&format!("```rust\n{program}```\n")));
    fill::main().unwrap();
}

#[test]
fn chapters_link_to_what_is_there() {
    let source = book().join("src");
    let summary = std::fs::read_to_string(source.join("SUMMARY.md")).unwrap();
    for entry in std::fs::read_dir(&source).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".md") {
            continue;
        }
        assert!(
            name == "SUMMARY.md" || summary.contains(&format!("({name})")),
            "{name} is in no table of contents"
        );
        let text = std::fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            assert!(source.join(target).exists(), "{name} links to {target}");
        }
    }
}

#[test]
fn lines_agree_by_their_words_and_nearly_by_their_numbers() {
    assert!(agrees("a 0.1000  ··●·", "a   0.1001 ·●··"));
    assert!(!agrees("a 0.1000", "a 0.1100"));
    assert!(!agrees("layers.1 0.1", "layers.2 0.1"));
    assert!(!agrees("rms 1.0", "rms 1.0 more"));
    assert!(agrees("from 7.48e5-fold", "from 7.5e5-fold"));
    assert_eq!(
        words("fanin check \"mlp(1, 2)\" -o x # why"),
        ["fanin", "check", "mlp(1, 2)", "-o", "x"]
    );
}
