//! `fanin explain operators`: what is known of each operator, from the one table of them.
//!
//! `docs/operators.md` is what this prints; a test fails when they differ.

use std::fmt::Write as _;

use fanin_network::operator::{Entry, Facts, Slots, catalogue};
use fanin_network::{evaluate, infer};
use serde_json::Value;

use crate::output::{Printer, Status};

/// What stands above the table.
const HEAD: &str = "\
# Operators

Every operator that fanin reads, and what it makes of it. A model with others is read too, as long as what they do need not be known.

- **does**: what kind of thing it does with its signal; a word of `Class` in `crates/fanin-graph/src/operator/facts.rs`.
- **shape**: whether the sizes of its outputs follow from those of its inputs; **fold**: whether it is worked out before the run where
  its inputs are known.
- **run**: whether `fanin check` and `fanin compare` run it; **gradient**: whether a gradient comes back through it.
- **theory**: whether its outputs are predicted (`→`), and its gradients (`←`).
- **role**: the inputs that may hold a parameter, and what that is then for.

";

/// One row.
struct Row {
    entry: Entry,
    facts: Facts,
    shape: bool,
    folds: bool,
    runs: bool,
    theory: fanin_theory::Support,
}

impl Row {
    fn new(entry: Entry) -> Self {
        Self {
            facts: entry.example.facts(),
            shape: infer::has_rule(&entry.example),
            folds: evaluate::folds(&entry.example),
            runs: fanin_run::supports(&entry.example),
            theory: fanin_theory::supports(&entry.example),
            entry,
        }
    }

    /// Whether a gradient comes back: it runs, and passes elements on.
    fn gradient(&self) -> bool {
        self.runs && self.facts.signal != Slots::NONE
    }

    fn cells(&self) -> [String; 8] {
        let mark = |yes: bool| if yes { "yes" } else { "" }.to_owned();
        let theory = match (self.theory.forward, self.theory.backward) {
            (true, true) => "→ ←",
            (true, false) => "→",
            (false, true) => "←",
            (false, false) => "",
        };
        let role: Vec<String> = self
            .facts
            .weights
            .iter()
            .map(|weight| format!("{} {}", weight.slot, weight.holds.words()))
            .collect();
        [
            format!("`{}`", self.entry.title()),
            self.facts.class.word().to_owned(),
            mark(self.shape),
            mark(self.folds),
            mark(self.runs),
            mark(self.gradient()),
            theory.to_owned(),
            role.join(", "),
        ]
    }

    fn json(&self) -> Value {
        let parameters: Vec<Value> = self
            .facts
            .weights
            .iter()
            .map(
                |weight| serde_json::json!({ "input": weight.slot, "holds": weight.holds.words() }),
            )
            .collect();
        serde_json::json!({
            "domain": self.entry.domain,
            "name": self.entry.name,
            "does": self.facts.class.word(),
            "shape": self.shape,
            "folds": self.folds,
            "runs": self.runs,
            "gradient": self.gradient(),
            "theory": { "forward": self.theory.forward, "backward": self.theory.backward },
            "parameters": parameters,
        })
    }
}

/// The table.
pub(crate) fn run(printer: &Printer) -> anyhow::Result<Status> {
    let rows: Vec<Row> = catalogue().into_iter().map(Row::new).collect();
    if printer.json() {
        let all: Vec<Value> = rows.iter().map(Row::json).collect();
        printer.print(&format!("{:#}\n", serde_json::json!({ "operators": all })))?;
        return Ok(Status::Fine);
    }
    printer.print(&markdown(&rows))?;
    Ok(Status::Fine)
}

fn markdown(rows: &[Row]) -> String {
    let head = [
        "operator", "does", "shape", "fold", "run", "gradient", "theory", "role",
    ]
    .map(str::to_owned);
    let cells: Vec<[String; 8]> = rows.iter().map(Row::cells).collect();
    let width = |k: usize| {
        let all = cells.iter().chain([&head]);
        all.map(|row| row[k].chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; 8] = std::array::from_fn(width);
    let mut text = HEAD.to_owned();
    let mut line = |row: &[String; 8]| {
        for (cell, &width) in row.iter().zip(&widths) {
            // Writing into a String does not fail.
            let _ = write!(text, "| {cell:<width$} ");
        }
        text.push_str("|\n");
    };
    line(&head);
    line(&widths.map(|width| "-".repeat(width)));
    cells.iter().for_each(&mut line);
    text
}
