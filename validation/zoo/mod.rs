//! Does the verdict hold? Many networks, trained from many starts, and what `fanin check` had said.
//!
//! ```text
//! zoo verdicts    [PART] [WORD]           one line per start: verdict, findings, blame; no training
//! zoo show        [PART] [WORD] [START]   every finding of the starts whose name contains START
//! zoo train  FILE [PART] [WORD]           trains every start of every network; hours on a slow machine
//! zoo fix    FILE [PART] [WORD]           checks every start, trains the faulty ones after `--fix`
//! zoo list   FILE [PART] [WORD]           one line per start: outcome, verdict, findings, blame
//! zoo report FILE [OUT.md] [NOTE]         the tables of docs/zoo.md; NOTE says when and where
//! ```
//!
//! FILE is JSON lines: what each training came to, which does not depend on any rule of the check.
//! It is added to, so a run that was ended goes on where it was, and judging anew with other rules
//! costs no training but that of changed fixes. PART is `tuning`, `validation`, `held-out` or `all`; WORD picks
//! the networks that contain it.
//!
//! What `verdicts` prints is kept in `validation/verdicts.txt`, so that a change of the rules shows which starts it judges
//! otherwise.
#![allow(clippy::print_stdout, reason = "it is a command, and prints")]

mod judging;
mod mutation;
mod report;
mod set;
mod training;

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use fanin_check::Verdict;
use fanin_plan::Recipe;
use fanin_train::Start;

use self::set::{Architecture, Part, architectures};
use self::training::Archive;

/// Does what the arguments say, and prints it.
///
/// # Errors
/// Says which argument is wrong, or why a network cannot be judged or trained.
pub fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let usage = "usage: zoo verdicts [PART] [WORD], zoo show [PART] [WORD] [START], zoo train|fix|list FILE [PART] [WORD], zoo report FILE [OUT.md] [NOTE]";
    match arguments {
        ["verdicts", rest @ ..] => return print_verdicts(&chosen(rest)?),
        ["show", rest @ ..] => {
            return show(&chosen(rest)?, rest.get(2).copied().unwrap_or_default());
        }
        _ => {}
    }
    let [command, path, rest @ ..] = arguments else {
        return Err(usage.into());
    };
    let mut archive = Archive::open(Path::new(path))?;
    if *command == "report" {
        let rows = report::rows(&archive, &architectures())?;
        let text = report::markdown(&rows, rest.get(1).copied().unwrap_or_default());
        return match rest.first() {
            Some(out) => Ok(std::fs::write(out, text)?),
            None => {
                print!("{text}");
                Ok(())
            }
        };
    }
    let chosen = chosen(rest)?;
    match *command {
        "train" => train(&mut archive, &chosen),
        "fix" => fix(&mut archive, &chosen),
        "list" => {
            for row in report::rows(&archive, &chosen)?.judged {
                println!("{row}");
            }
            Ok(())
        }
        _ => Err(usage.into()),
    }
}

/// What the check says of every start of the networks that contain a word, as `zoo verdicts` prints it: a line each.
///
/// # Errors
/// When a network cannot be read, filled or run.
pub fn verdicts(word: &str) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    for architecture in chosen(&["all", word])? {
        text += &verdicts_of(&architecture)?;
    }
    Ok(text)
}

fn print_verdicts(chosen: &[Architecture]) -> Result<(), Box<dyn Error>> {
    for architecture in chosen {
        print!("{}", verdicts_of(architecture)?);
    }
    Ok(())
}

/// The lines of one network.
fn verdicts_of(architecture: &Architecture) -> Result<String, Box<dyn Error>> {
    let network = training::open(architecture)?;
    let mut text = String::new();
    for member in architecture.members() {
        let (start, _) = training::start(&network, &member);
        let weights = judging::first_weights(&start)?;
        let checkup = judging::checkup(&network, &member, &weights)?;
        // Writing into a String does not fail.
        let _ = write!(
            text,
            "{}, {}: {}",
            architecture.line, member.name, checkup.verdict
        );
        let codes = judging::codes(&checkup);
        if !codes.is_empty() {
            let _ = write!(text, " {}", codes.join(" "));
        }
        if let Some(finding) = judging::leading(&checkup) {
            let blamed = finding.parameter.as_deref().unwrap_or(&finding.node);
            let _ = write!(text, ", blames {blamed}");
        }
        text.push('\n');
    }
    Ok(text)
}

/// The networks of a part, or all, that contain a word.
fn chosen(rest: &[&str]) -> Result<Vec<Architecture>, String> {
    let part = match rest.first() {
        None | Some(&"all") => None,
        Some(text) => Some(text.parse::<Part>()?),
    };
    let word = rest.get(1).copied().unwrap_or_default();
    let all = architectures().into_iter();
    Ok(all
        .filter(|one| part.is_none_or(|part| one.part == part) && one.line.contains(word))
        .collect())
}

fn show(chosen: &[Architecture], word: &str) -> Result<(), Box<dyn Error>> {
    for architecture in chosen {
        let network = training::open(architecture)?;
        let members = architecture.members().into_iter();
        for member in members.filter(|member| member.name.contains(word)) {
            let (start, _) = training::start(&network, &member);
            let weights = judging::first_weights(&start)?;
            let checkup = judging::checkup(&network, &member, &weights)?;
            println!(
                "{}, {}: {:?}",
                architecture.line, member.name, checkup.verdict
            );
            for finding in &checkup.findings {
                println!(
                    "  {} {:?} at {} ({}): {}",
                    finding.code,
                    finding.severity,
                    finding.node,
                    finding.parameter.as_deref().unwrap_or("-"),
                    finding.message
                );
                for fix in finding.fix.iter().chain(&finding.further_fixes) {
                    println!("      {} = {}", fix.parameter, fix.initializer);
                }
            }
        }
    }
    Ok(())
}

fn train(archive: &mut Archive, chosen: &[Architecture]) -> Result<(), Box<dyn Error>> {
    for (k, architecture) in chosen.iter().enumerate() {
        println!("{} of {}: {}", k + 1, chosen.len(), architecture.line);
        let network = training::open(architecture)?;
        let members = architecture.members();
        let starts = members.iter();
        let starts = starts.map(|member| (training::start(&network, member).0, None));
        archive.train(architecture, &network, starts.collect())?;
    }
    Ok(())
}

/// Trains what is called faulty once more, after the changes that the check proposes. Where these
/// make it recipe `auto`, bit by bit, that has been trained already.
fn fix(archive: &mut Archive, chosen: &[Architecture]) -> Result<(), Box<dyn Error>> {
    for (k, architecture) in chosen.iter().enumerate() {
        println!("{} of {}: {}", k + 1, chosen.len(), architecture.line);
        let network = training::open(architecture)?;
        let auto = judging::first_weights(&Start::recipe(&network, Recipe::Auto))?;
        let mut fixed = Vec::new();
        for member in architecture.members() {
            let (start, _) = training::start(&network, &member);
            let weights = judging::first_weights(&start)?;
            let checkup = judging::checkup(&network, &member, &weights)?;
            if checkup.verdict != Verdict::Faulty {
                continue;
            }
            if let Some((start, text)) = judging::fixed(&network, &member, start, &checkup)? {
                let same = judging::first_weights(&start)?.tensors == auto.tensors;
                if !(same && archive.copy(&architecture.line, Recipe::Auto, &member.name, &text)?) {
                    fixed.push((start, Some(text)));
                }
            }
        }
        archive.train(architecture, &network, fixed)?;
    }
    Ok(())
}
