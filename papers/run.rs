//! Runs the papers and keeps what came of it: `cargo run --release --example papers [NAME...] [--start]`.
//!
//! Without a name all of them run. Each one's section of `docs/papers.md` is written anew as soon as
//! it is done, so that a run that was ended has not been in vain. `--start` leaves the trainings out and
//! writes nothing. Ends with status 1 where a claim comes out otherwise than expected.
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use fanin_papers::measure::table;
use fanin_papers::page::{Result as Outcome, page, processor_time};
use fanin_papers::{Claim, Fault, PAPERS};

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
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/papers.md");
    let mut results = Vec::new();
    for paper in PAPERS {
        if !names.is_empty() && !names.iter().any(|n| n == paper.name) {
            continue;
        }
        println!("{}", paper.citation);
        let (since, computed) = (Instant::now(), processor_time());
        let mut parts = Vec::new();
        if let Some(measure) = paper.at_start {
            parts.push(("At initialization", measure()?));
        }
        if let (Some(measure), true) = (paper.by_training, options.is_empty()) {
            parts.push(("By training", measure()?));
        }
        let result = Outcome {
            paper: *paper,
            parts,
            wall: since.elapsed(),
            processors: processor_time().zip(computed).map(|(now, then)| now - then),
        };
        for (_, found) in &result.parts {
            let lines: Vec<String> = found.claims.iter().map(Claim::to_string).collect();
            println!("  {}\n{}", lines.join("\n  "), found.figures);
        }
        if options.is_empty() {
            let old = std::fs::read_to_string(&path).unwrap_or_default();
            std::fs::write(&path, page(&old, std::slice::from_ref(&result))?)?;
        }
        results.push(result);
    }
    let rows: Vec<Vec<String>> = results
        .iter()
        .map(|r| vec![r.paper.name.to_owned(), r.score(), r.time()])
        .collect();
    println!("{}", table(&["paper", "pass", "time"], &rows));
    let mut claims = results.iter().flat_map(Outcome::claims);
    Ok(match claims.all(Claim::as_expected) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
