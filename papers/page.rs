//! `docs/papers.md`: the last result of every paper.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use crate::measure::table;
use crate::{Claim, Fault, Found, PAPERS, Paper};

/// What one run of a paper came to.
#[derive(Clone, Debug)]
pub struct Result {
    /// The paper.
    pub paper: Paper,
    /// What was measured, under its heading.
    pub parts: Vec<(&'static str, Found)>,
    /// Wall-clock time.
    pub wall: Duration,
    /// Time of all processors, where the system tells it.
    pub processors: Option<Duration>,
}

impl Result {
    /// All claims.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.parts.iter().flat_map(|(_, found)| &found.claims)
    }

    /// How many claims pass, of how many.
    pub fn score(&self) -> String {
        let passed = self.claims().filter(|c| c.pass).count();
        format!("{passed} of {}", self.claims().count())
    }

    /// The time it took.
    pub fn time(&self) -> String {
        match self.processors {
            Some(all) => format!(
                "{} of processors, {} of the clock",
                time(all),
                time(self.wall)
            ),
            None => time(self.wall),
        }
    }
}

/// What stands before the list of papers.
const HEAD: &str = "# Published results, reproduced

Written by `cargo run --release --example papers`. What was claimed, how it is measured and where the tolerances
come from stands in each paper's folder. A claim that differs says why.
";

/// The page with these results in the place of those it had of the same papers.
pub fn page(old: &str, results: &[Result]) -> std::result::Result<String, Fault> {
    let mut text = HEAD.to_owned();
    let mut rows = Vec::new();
    let mut sections = String::new();
    for paper in PAPERS {
        let head = format!("## {}\n", paper.name);
        let new = results.iter().find(|r| r.paper.name == paper.name);
        let section = match new {
            Some(result) => section(result)?,
            None => match old.split("\n## ").find(|s| s.starts_with(&head[3..])) {
                Some(kept) => format!("## {}\n", kept.trim_end()),
                None => continue,
            },
        };
        // The line in italics says the score, the times, the day and the machine.
        let line = section
            .lines()
            .find_map(|l| l.strip_prefix('*')?.strip_suffix('*'));
        let mut cells = line.unwrap_or_default().splitn(2, "; ");
        let mut cell = || cells.next().unwrap_or_default().to_owned();
        rows.push(vec![
            format!("[{0}](#{0})", paper.name),
            paper.citation.to_owned(),
            cell(),
            cell(),
        ]);
        write!(sections, "\n{section}")?;
    }
    write!(
        text,
        "\n{}",
        table(&["folder", "paper", "pass", "time, day, machine"], &rows)
    )?;
    text += &sections;
    Ok(text)
}

fn section(result: &Result) -> std::result::Result<String, Fault> {
    let paper = result.paper;
    let mut text = format!(
        "## {0}\n\n{1}. [Claims and tolerances](../papers/{0}/README.md).\n\n*{2}; {3}; {4}; {5}*\n",
        paper.name,
        paper.citation,
        result.score(),
        result.time(),
        date(SystemTime::now())?,
        machine(),
    );
    for (kind, found) in &result.parts {
        let rows: Vec<Vec<String>> = found.claims.iter().map(row).collect();
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
    Ok(text)
}

fn row(claim: &Claim) -> Vec<String> {
    let verdict = match (claim.pass, claim.differs) {
        (true, _) => "pass".to_owned(),
        (false, Some(reason)) => format!("differs: {reason}"),
        (false, None) => "**fails**".to_owned(),
    };
    [
        &claim.what,
        &claim.published,
        &claim.seen,
        &claim.tolerance,
        &verdict,
    ]
    .map(|cell| cell.replace('|', "\\|"))
    .to_vec()
}

fn time(spent: Duration) -> String {
    match spent.as_secs() {
        0..=99 => format!("{:.1} s", spent.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// The day in UTC, as 2026-01-31 (Hinnant's civil-from-days).
fn date(now: SystemTime) -> std::result::Result<String, Fault> {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let days = i64::try_from(seconds / 86_400)? + 719_468;
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
        "{count} processors, {}",
        model.map_or(std::env::consts::ARCH, str::trim)
    )
}

/// What all threads of this process have computed for so far; Linux only.
pub fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the program's name in parentheses: state is field 3, utime and stime are 14 and 15, in
    // hundredths of a second on every Linux that Rust runs on.
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis(10 * (ticks()? + ticks()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(paper: usize, what: &str) -> Result {
        Result {
            paper: PAPERS[paper],
            parts: vec![(
                "At initialization",
                Found {
                    claims: vec![Claim::holds(what, "1 | 2", "1", "none", true)],
                    figures: String::new(),
                },
            )],
            wall: Duration::from_secs(200),
            processors: None,
        }
    }

    #[test]
    fn a_new_result_takes_the_old_ones_place_and_the_others_stay() {
        let first = page("", &[result(0, "old claim"), result(1, "other claim")]).unwrap();
        assert!(first.contains("| 1 of 1 | 3 min 20 s; "), "{first}");
        assert!(first.contains("1 \\| 2"));
        let second = page(&first, &[result(0, "new claim")]).unwrap();
        assert!(!second.contains("old claim") && second.contains("new claim"));
        assert!(second.contains("other claim"));
        assert_eq!(second.len(), first.len());
        assert_eq!(page(&second, &[]).unwrap(), second);
    }

    #[test]
    fn days_are_told() {
        let day = |days: u64| date(SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 * days));
        assert_eq!(day(0).unwrap(), "1970-01-01");
        assert_eq!(day(19_782).unwrap(), "2024-02-29");
        assert_eq!(day(20_088).unwrap(), "2024-12-31");
    }
}
