//! Verdicts against outcomes, and the tables of them.

use std::error::Error;
use std::fmt::{self, Write as _};

use fanin_check::{SeedShare, Verdict};
use fanin_train::Outcome;

use super::judging;
use super::set::{Architecture, Origin, Part};
use super::training::{self, Archive, by_start, outcomes, tells};

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
}

/// All rows, and the networks of which no start learned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    pub(crate) judged: Vec<Row>,
    unlearned: Vec<(Part, String)>,
}

impl Row {
    fn hit(&self) -> bool {
        let blamed = self.blamed.as_ref();
        blamed.is_some_and(|name| self.mutated.contains(name))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = self.verdict.name();
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

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Trains => "trains",
        Outcome::Slow => "slow",
        Outcome::Fails => "fails",
        Outcome::TooEarly => "too early",
    }
}

/// Checks every start that was trained and holds the verdict against the outcome.
pub(crate) fn rows(archive: &Archive, chosen: &[Architecture]) -> Result<Rows, Box<dyn Error>> {
    let mut rows = Rows::default();
    for architecture in chosen {
        let trained = archive.of(&architecture.line, false);
        if trained.is_empty() {
            continue;
        }
        let network = training::open(architecture)?;
        let by_start = by_start(&trained);
        let again = archive.of(&architecture.line, true);
        // Where no start learns well within the steps, a failure is not the start's fault.
        if !tells(&trained) {
            let name = architecture.line.clone();
            rows.unlearned.push((architecture.part, name));
            continue;
        }
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
            };
            if row.verdict == Verdict::Faulty
                && let Some((_, text)) = judging::fixed(&network, &member, start, &checkup)?
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
            rows.judged.push(row);
        }
    }
    Ok(rows)
}

/// Counts over some of the rows.
struct Counts {
    /// Outcome (trains, slow, fails) by verdict (healthy, doubtful, faulty).
    table: [[usize; 3]; 3],
    fixed: usize,
    hits: usize,
    blamed: usize,
}

impl Counts {
    fn of<'a>(rows: impl Iterator<Item = &'a Row>) -> Self {
        let mut counts = Self {
            table: [[0; 3]; 3],
            fixed: 0,
            hits: 0,
            blamed: 0,
        };
        for row in rows {
            counts.table[row.outcome as usize][row.verdict as usize] += 1;
            if row.verdict != Verdict::Faulty {
                continue;
            }
            counts.fixed += usize::from(row.fixed == Some(Outcome::Trains));
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
            share(self.fixed, faulty),
            share(self.hits, self.blamed),
        )
    }
}

fn share(part: usize, whole: usize) -> String {
    match whole {
        0 => "–".to_owned(),
        _ => format!(
            "{:.1} % ({part}/{whole})",
            100.0 * part as f64 / whole as f64
        ),
    }
}

/// Which of the aims a part reaches, with the interval that so few starts leave.
fn aims(counts: &Counts) -> String {
    let [trains, slow, fails] = counts.table;
    let faulty = trains[2] + slow[2] + fails[2];
    let aims = [
        ("precision", slow[2] + fails[2], faulty),
        ("recall", fails[2], fails.iter().sum()),
        ("trains after fix", counts.fixed, faulty),
        ("blame", counts.hits, counts.blamed),
    ];
    let told = aims.map(|(name, count, total)| {
        let share = SeedShare::new(count, total);
        let [low, high] = share.interval.map(|end| 100.0 * end);
        let verb = if share.share >= 0.95 {
            "reached"
        } else {
            "**not reached**"
        };
        format!("{name} {verb} (95 % interval {low:.0} to {high:.0} %)")
    });
    format!("The aim is 95 % each: {}.\n\n", told.join(", "))
}

/// What stands above the tables.
const INTRODUCTION: &str = "\
# Does the verdict hold?

`fanin check` says before training whether a start is healthy, doubtful or faulty. Here it is held
against what training came to, for 202 networks of seven families (plain, normalized and residual
MLPs, convolutions with and without residual branches, transformers, LSTM, GRU and RNN) with 12
activations, 2 to 100 layers, 5 to 512 wide. Each is trained from recipe `auto`, two more recipes
that people use, and seven mutants of `auto`: three with one spoilt weight (zeros, ones, 0.1, x0.01,
x0.1, x10, x100, U(±0.05), wrong fans), four with all weights spoilt (also N(0, 1)).

- **Training.** By Adam, which of all optimizers in use minds scales least, in batches of 16 (MLPs
  without a norm or residual branches: 32), at the best of up to nine rates from 0.00001 to 0.1 for
  each start, so that a failure is the start's fault; 300 steps; two seeds, where they
  disagree a third, and where they disagree much the next lower rates with as many. The tasks are generated: clouds for MLPs, drawn digits for convolutions, an invented
  language for transformers, recalling the first symbol for recurrent networks.
- **Outcome**, the rule of `fanin compare`, by the run of median final loss (the worse of two): a
  start *fails* if it comes less than 0.2 of the way from the chance level to the best start of the same network, *trains*
  from 0.8 on if it is half way within 4 times the steps of the fastest, and is *slow* in between.
  A network counts if its best start gets a fifth below the chance level and half of its way within
  half of the steps, so that a start twice as slow could still be seen to learn; the others, for which
  300 steps are too few, say nothing about starts and are listed.
- **Verdict against outcome.** *Precision* is the share of faulty verdicts whose start does not train
  (fails or is slow); *strict*, the share that fails. *Recall* is the share of failing starts that are
  called faulty; doubtful is not enough. Doubtful means that training may be slowed: right for slow
  starts, and counted neither way in these two. Cells list healthy / doubtful / faulty.
- **Fix.** The share of faulty starts that train (not slowly) after the changes that `--fix` makes.
- **Blame.** The share of faulty mutants whose gravest finding names a spoilt weight.

The split is by architecture, in three lists (`validation/zoo/set.rs`), each written
down before any of it was trained. The rules were tuned on the first. The second was held out until
they stood, counted once, and then looked at to amend four of them. The third, the held-out part, was
counted with the rules as they are now; nothing was changed for it. No architecture is in two lists.
";

/// The tables and the lists of failures; `note` says when and on what machine.
pub(crate) fn markdown(rows: &Rows, note: &str) -> String {
    let mut text = INTRODUCTION.to_owned();
    // Writing into a String does not fail.
    let _ = writeln!(
        text,
        "\nMade by\n\n```sh\ncargo build --release --workspace --example zoo\nzoo=target/release/examples/zoo\n$zoo train zoo.jsonl && $zoo fix zoo.jsonl && $zoo report zoo.jsonl docs/zoo.md\n```\n\n{note}\n"
    );
    for part in [Part::HeldOut, Part::Validation, Part::Tuning] {
        let of_part: Vec<&Row> = rows.judged.iter().filter(|row| row.part == part).collect();
        if of_part.is_empty() {
            continue;
        }
        let mut networks: Vec<&str> = of_part.iter().map(|row| row.network.as_str()).collect();
        networks.dedup();
        let _ = writeln!(
            text,
            "## The {part} part: {} starts of {} networks\n",
            of_part.len(),
            networks.len()
        );
        text.push_str("| family | trains | slow | fails | precision | strict | recall | trains after fix | blame |\n");
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
        text.push_str(&aims(&all));
        failures(&mut text, &of_part);
        let unlearned = rows.unlearned.iter().filter(|(p, _)| *p == part);
        let names: Vec<String> = unlearned.map(|(_, name)| format!("`{name}`")).collect();
        if !names.is_empty() {
            let _ = writeln!(
                text,
                "Not counted, because no start learns well within the steps: {}.\n",
                names.join(", ")
            );
        }
    }
    text
}

type Wanted<'a> = &'a dyn Fn(&Row) -> bool;

/// Every start on which something did not hold, by name.
fn failures(text: &mut String, rows: &[&Row]) {
    let lists: [(&str, Wanted); 4] = [
        ("Called faulty, but trains", &|row| {
            row.verdict == Verdict::Faulty && row.outcome == Outcome::Trains
        }),
        ("Fails, but not called faulty", &|row| {
            row.verdict != Verdict::Faulty && row.outcome == Outcome::Fails
        }),
        ("Faulty, and does not train after the fix", &|row| {
            row.verdict == Verdict::Faulty && row.fixed != Some(Outcome::Trains)
        }),
        (
            "Faulty, but the blamed weight is not a spoilt one",
            &|row| row.verdict == Verdict::Faulty && row.mutant && !row.hit(),
        ),
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
                "- `{}`, {}: {} ({:.2} of the way), {}{}, blames {blamed}{fixed}",
                row.network,
                row.start,
                outcome_word(row.outcome),
                row.progress.unwrap_or(f64::NAN),
                row.verdict.name(),
                row.codes
                    .iter()
                    .fold(String::new(), |all, code| all + " " + code),
            );
        }
        text.push('\n');
    }
}
