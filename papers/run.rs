//! Runs the papers and writes what came of it: `cargo run --release --example papers [NAME...] [--start]`.
//!
//! Without a name all of them run, and `docs/papers.md` is written anew; with names only those run, and
//! nothing is written. `--start` leaves the trainings out. Ends with status 1 where a claim comes out
//! otherwise than expected.
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use fanin_papers::measure::table;
use fanin_papers::{Fault, Found, PAPERS, Paper};

fn main() -> Result<ExitCode, Fault> {
    let (options, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|a| a.starts_with('-'));
    if let Some(unknown) = options.iter().find(|o| *o != "--start") {
        return Err(format!("there is no option `{unknown}`; there is --start").into());
    }
    if let Some(unknown) = names.iter().find(|n| !PAPERS.iter().any(|p| p.name == **n)) {
        let known: Vec<&str> = PAPERS.iter().map(|p| p.name).collect();
        return Err(format!(
            "there is no paper `{unknown}`; there are {}",
            known.join(", ")
        )
        .into());
    }
    let begun = Instant::now();
    let mut results = Vec::new();
    for paper in PAPERS {
        if !names.is_empty() && !names.iter().any(|n| n == paper.name) {
            continue;
        }
        let since = Instant::now();
        let mut parts: Vec<(&str, Found)> = Vec::new();
        if let Some(measure) = paper.at_start {
            parts.push(("At initialization", measure()?));
        }
        if let (Some(measure), true) = (paper.by_training, options.is_empty()) {
            parts.push(("By training", measure()?));
        }
        println!("{} ({})", paper.citation, time(since.elapsed()));
        for (_, found) in &parts {
            for claim in &found.claims {
                println!("  {claim}");
            }
        }
        results.push((*paper, parts, since.elapsed()));
    }
    let claims = || {
        results
            .iter()
            .flat_map(|(_, parts, _)| parts)
            .flat_map(|(_, f)| &f.claims)
    };
    let passed = claims().filter(|c| c.pass).count();
    let summary = format!(
        "{passed} of {} claims pass, {}",
        claims().count(),
        time(begun.elapsed())
    );
    println!("\n{}{summary}", overview(&results));
    if names.is_empty() && options.is_empty() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/papers.md");
        std::fs::write(&path, page(&results, &summary)?)?;
        println!("written to docs/papers.md");
    }
    Ok(match claims().all(|c| c.as_expected()) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

type Results = [(Paper, Vec<(&'static str, Found)>, Duration)];

/// One line per paper.
fn overview(results: &Results) -> String {
    let rows: Vec<Vec<String>> = results
        .iter()
        .map(|(paper, parts, spent)| {
            let claims = || parts.iter().flat_map(|(_, f)| &f.claims);
            let passed = claims().filter(|c| c.pass).count();
            vec![
                format!("[{0}](../papers/{0}/README.md)", paper.name),
                paper.citation.to_owned(),
                format!("{passed} of {}", claims().count()),
                time(*spent),
            ]
        })
        .collect();
    table(&["folder", "paper", "pass", "time"], &rows)
}

/// The whole page.
fn page(results: &Results, summary: &str) -> Result<String, Fault> {
    let mut text = format!(
        "# Published results, reproduced\n\nWritten by `cargo run --release --example papers` on {}, {}.\n{summary}.\n\n\
         What was claimed, how it is measured and why the tolerances are what they are stands in each paper's folder. \
         A claim that differs says why.\n\n{}",
        date(SystemTime::now())?,
        machine(),
        overview(results),
    );
    for (paper, parts, _) in results {
        write!(text, "\n## {}\n", paper.citation)?;
        for (kind, found) in parts {
            let rows: Vec<Vec<String>> = found
                .claims
                .iter()
                .map(|c| {
                    let verdict = match (c.pass, c.differs) {
                        (true, _) => "pass".to_owned(),
                        (false, Some(reason)) => format!("differs: {reason}"),
                        (false, None) => "**fails**".to_owned(),
                    };
                    [&c.what, &c.published, &c.seen, &c.tolerance, &verdict]
                        .map(|cell| cell.replace('|', "\\|"))
                        .to_vec()
                })
                .collect();
            write!(
                text,
                "\n### {kind}\n\n{}",
                table(
                    &["claim", "published", "seen", "tolerance", "verdict"],
                    &rows
                )
            )?;
            if !found.figures.is_empty() {
                write!(text, "\n{}", found.figures)?;
            }
        }
    }
    Ok(text)
}

fn time(spent: Duration) -> String {
    match spent.as_secs() {
        0..=99 => format!("{:.1} s", spent.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// The day in UTC, as 2026-01-31 (Hinnant's civil-from-days).
fn date(now: SystemTime) -> Result<String, Fault> {
    let days = (now.duration_since(SystemTime::UNIX_EPOCH)?.as_secs() / 86_400) as i64 + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    Ok(format!("{year}-{month:02}-{day_of_month:02}"))
}

/// The processor's name, where the system tells it, and how many there are.
fn machine() -> String {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
    format!(
        "{count} processors of {} ({})",
        model.map_or("a kind the system does not tell", str::trim),
        std::env::consts::OS
    )
}
