//! Verdicts against outcomes, and the tables of them.

use std::error::Error;
use std::fmt::{self, Write as _};

use fanin_check::Verdict;
use fanin_train::Outcome;

use crate::judging;
use crate::set::{Architecture, Origin, Part};
use crate::training::{self, Archive, by_start, outcomes};

/// One start: what was said of it and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    family: &'static str,
    part: Part,
    network: String,
    start: String,
    outcome: Outcome,
    progress: Option<f64>,
    rate: f64,
    verdict: Verdict,
    codes: Vec<String>,
    blamed: Option<String>,
    /// The spoilt weights; none for a recipe.
    mutated: Vec<String>,
    mutant: bool,
    /// What training came to after the fix; `None` where none is proposed or was trained.
    fixed: Option<Outcome>,
    proposed: bool,
    /// Whether any start of the network trains, so that a better start is possible.
    possible: bool,
}

impl Row {
    fn hit(&self) -> bool {
        let blamed = self.blamed.as_ref();
        blamed.is_some_and(|name| self.mutated.contains(name))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = word(self.verdict);
        let wrong = match (self.verdict, self.outcome) {
            (Verdict::Faulty, Outcome::Trains) => "FALSE",
            (Verdict::Healthy | Verdict::Doubtful, Outcome::Fails) => "MISS ",
            (Verdict::Doubtful, Outcome::Trains) => "doubt",
            (Verdict::Healthy, Outcome::Slow) => "mild ",
            _ => "     ",
        };
        let fixed = match (self.verdict, self.fixed, self.proposed) {
            (Verdict::Faulty, Some(outcome), _) => outcome_word(outcome),
            (Verdict::Faulty, None, false) => "no-fix",
            (Verdict::Faulty, None, true) => "untried",
            _ => "-",
        };
        let blame = match (&self.blamed, self.mutant) {
            (Some(name), true) if self.hit() => format!("{name} (hit)"),
            (Some(name), true) => format!("{name} NOT {}", self.mutated.join(",")),
            (Some(name), false) => name.clone(),
            (None, _) => "-".to_owned(),
        };
        write!(
            f,
            "{wrong} {:<46} {:<32} {:<6} {:>6.2} @{:<7.0e} {verdict:<8} fix {fixed:<7} {} {blame}",
            self.network,
            self.start,
            outcome_word(self.outcome),
            self.progress.unwrap_or(f64::NAN),
            self.rate,
            self.codes.join(","),
        )
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Healthy => "healthy",
        Verdict::Doubtful => "doubtful",
        Verdict::Faulty => "faulty",
    }
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Trains => "trains",
        Outcome::Slow => "slow",
        Outcome::Fails => "fails",
    }
}

/// Checks every start that was trained and holds the verdict against the outcome.
pub(crate) fn rows(
    archive: &Archive,
    chosen: &[Architecture],
) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut rows = Vec::new();
    for architecture in chosen {
        let trained = archive.of(&architecture.line, false);
        if trained.is_empty() {
            continue;
        }
        let network = training::open(architecture)?;
        let by_start = by_start(&trained);
        let again = archive.of(&architecture.line, true);
        let labels = outcomes(&trained, &trained);
        let possible = labels.iter().any(|(outcome, _)| *outcome == Outcome::Trains);
        for member in architecture.members() {
            let Some(line) = by_start.get(member.name.as_str()) else {
                continue;
            };
            let (start, mutated) = training::start(&network, &member);
            let weights = judging::first_weights(&start)?;
            let checkup = judging::checkup(&network, &member, &weights)?;
            let (outcome, progress) = outcomes(&trained, &[line])
                .pop()
                .unwrap_or((Outcome::Fails, None));
            let mut row = Row {
                family: architecture.family,
                part: architecture.part,
                network: architecture.line.clone(),
                start: member.name.clone(),
                outcome,
                progress,
                rate: line.rate,
                verdict: checkup.verdict,
                codes: judging::codes(&checkup),
                blamed: judging::leading(&checkup).and_then(|f| f.parameter.clone()),
                mutated,
                mutant: matches!(member.origin, Origin::Mutant(..)),
                fixed: None,
                proposed: false,
                possible,
            };
            if row.verdict == Verdict::Faulty
                && let Some((_, text)) = judging::fixed(&network, start, checkup)?
            {
                row.proposed = true;
                let same = again.iter().find(|line| {
                    line.start == row.start && line.fix.as_deref() == Some(text.as_str())
                });
                row.fixed = same.and_then(|line| {
                    let outcome = outcomes(&trained, &[line]).pop();
                    outcome.map(|(outcome, _)| outcome)
                });
            }
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Counts over some of the rows.
struct Counts {
    /// Outcome (trains, slow, fails) by verdict (healthy, doubtful, faulty).
    table: [[usize; 3]; 3],
    fixed: usize,
    fixable: usize,
    hits: usize,
    blamed: usize,
}

impl Counts {
    fn of<'a>(rows: impl Iterator<Item = &'a Row>) -> Self {
        let mut counts = Self {
            table: [[0; 3]; 3],
            fixed: 0,
            fixable: 0,
            hits: 0,
            blamed: 0,
        };
        for row in rows {
            counts.table[row.outcome as usize][row.verdict as usize] += 1;
            if row.verdict != Verdict::Faulty {
                continue;
            }
            if row.possible {
                counts.fixable += 1;
                counts.fixed += usize::from(row.fixed == Some(Outcome::Trains));
            }
            if row.mutant {
                counts.blamed += 1;
                counts.hits += usize::from(row.hit());
            }
        }
        counts
    }

    fn line(&self, name: &str) -> String {
        let [trains, slow, fails] = self.table;
        let faulty = trains[2] + slow[2] + fails[2];
        let cells = |row: [usize; 3]| format!("{} / {} / {}", row[0], row[1], row[2]);
        format!(
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            cells(trains),
            cells(slow),
            cells(fails),
            share(slow[2] + fails[2], faulty),
            share(fails[2], faulty),
            share(fails[2], fails.iter().sum()),
            share(self.fixed, self.fixable),
            share(self.hits, self.blamed),
        )
    }
}

fn share(part: usize, whole: usize) -> String {
    match whole {
        0 => "–".to_owned(),
        _ => format!("{:.1} % ({part}/{whole})", 100.0 * part as f64 / whole as f64),
    }
}

/// The tables and the lists of failures.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::new();
    for part in [Part::HeldOut, Part::Tuning] {
        let of_part: Vec<&Row> = rows.iter().filter(|row| row.part == part).collect();
        if of_part.is_empty() {
            continue;
        }
        let mut networks: Vec<&str> = of_part.iter().map(|row| row.network.as_str()).collect();
        networks.dedup();
        // Writing into a String does not fail.
        let _ = writeln!(
            text,
            "### The {part} part: {} starts of {} networks\n",
            of_part.len(),
            networks.len()
        );
        text.push_str("| family | trains | slow | fails | precision | (strict) | recall | trains after fix | blame |\n");
        text.push_str("|---|---|---|---|---|---|---|---|---|\n");
        let mut families: Vec<&str> = of_part.iter().map(|row| row.family).collect();
        families.dedup();
        for family in families {
            let rows = of_part.iter().copied().filter(|row| row.family == family);
            text.push_str(&Counts::of(rows).line(family));
        }
        let all = Counts::of(of_part.iter().copied());
        text.push_str(&all.line("**all**"));
        text.push('\n');
        failures(&mut text, &of_part);
    }
    text
}

/// Every start on which something did not hold, by name.
fn failures(text: &mut String, rows: &[&Row]) {
    let lists: [(&str, &dyn Fn(&Row) -> bool); 6] = [
        ("Called faulty, but trains", &|row| {
            row.verdict == Verdict::Faulty && row.outcome == Outcome::Trains
        }),
        ("Fails, but not called faulty", &|row| {
            row.verdict != Verdict::Faulty && row.outcome == Outcome::Fails
        }),
        ("Faulty, and does not train after the fix", &|row| {
            let bad = row.verdict == Verdict::Faulty && row.fixed != Some(Outcome::Trains);
            bad && row.possible
        }),
        ("Faulty, but the blamed weight is not a spoilt one", &|row| {
            row.verdict == Verdict::Faulty && row.mutant && !row.hit()
        }),
        ("Slow, but called healthy", &|row| {
            row.verdict == Verdict::Healthy && row.outcome == Outcome::Slow
        }),
        ("Trains, but called doubtful", &|row| {
            row.verdict == Verdict::Doubtful && row.outcome == Outcome::Trains
        }),
    ];
    for (title, wanted) in lists {
        let found: Vec<&&Row> = rows.iter().filter(|row| wanted(row)).collect();
        if found.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{title}:\n");
        for row in found {
            let fixed = match (row.verdict, row.fixed, row.proposed) {
                (Verdict::Faulty, Some(outcome), _) => {
                    format!("; after the fix: {}", outcome_word(outcome))
                }
                (Verdict::Faulty, None, false) => "; no change proposed".to_owned(),
                (Verdict::Faulty, None, true) => "; the fix was not trained".to_owned(),
                _ => String::new(),
            };
            let blamed = row.blamed.as_deref().unwrap_or("nothing");
            let _ = writeln!(
                text,
                "- `{}`, {}: {} ({:.2} of the way), {} {}, blames {blamed}{fixed}",
                row.network,
                row.start,
                outcome_word(row.outcome),
                row.progress.unwrap_or(f64::NAN),
                word(row.verdict),
                row.codes.join(" "),
            );
        }
        text.push('\n');
    }
}
