//! The terminal report: summary, one row per layer, findings like a compiler's.

mod changes;
mod seeds;

use std::fmt::Write as _;

use fanin_check::{Finding, Fix, Severity, Verdict};
use fanin_plan::ChosenBy;
use owo_colors::OwoColorize as _;

use crate::Report;
use crate::chart::{LogScale, sparkline};
use crate::layers::{Layer, layers};
use crate::number::{count, percent, short};
use crate::stages::stages;

/// Nothing is printed beyond this column.
const WIDTH: usize = 100;
/// Columns of a layer's name, of its operator, of a number and of a track.
const NAME: usize = 32;
const OP: usize = 13;
const NUMBER: usize = 9;
const TRACK: usize = 14;
/// Columns of a sparkline.
const SPARK: usize = 26;

pub(crate) fn render(report: &Report<'_>, rows: usize) -> String {
    let mut out = String::new();
    let checkup = report.checkup;
    // Writing into a String does not fail.
    let _ = writeln!(
        out,
        "{}  {}",
        checkup.model.bold(),
        summary(report).dimmed()
    );
    let layers = layers(report);
    if !layers.is_empty() {
        let scales = [
            LogScale::over(layers.iter().map(|l| l.row.forward.rms)),
            LogScale::over(
                layers
                    .iter()
                    .filter_map(|l| l.row.backward.as_ref().map(|b| b.rms)),
            ),
        ];
        overview(&mut out, &layers, scales);
        out.push('\n');
        table(&mut out, &layers, scales, rows);
    }
    out.push('\n');
    for finding in &checkup.findings {
        print_finding(&mut out, finding);
    }
    let verdict = match checkup.verdict {
        Verdict::Healthy => checkup.verdict.green().bold().to_string(),
        Verdict::Doubtful => checkup.verdict.yellow().bold().to_string(),
        Verdict::Faulty => checkup.verdict.red().bold().to_string(),
    };
    let _ = writeln!(out, "verdict: {verdict}{}", tally(&checkup.findings));
    if let Some(repeats) = &checkup.repeats {
        out.push_str(&seeds::render(repeats));
    }
    out
}

/// What was changed before the check, and the layers before and after; nothing if nothing was changed.
pub(crate) fn changes(report: &Report<'_>, rows: usize) -> String {
    let checkup = report.checkup;
    let fixed = checkup.fixed.as_ref();
    fixed.map_or_else(String::new, |fixed| {
        changes::render(fixed, checkup.verdict, &layers(report), rows)
    })
}

fn summary(report: &Report<'_>) -> String {
    let parameters: u64 = report
        .network
        .parameters
        .iter()
        .map(|p| p.len() as u64)
        .sum();
    let mut text = format!(
        "{} parameters in {} tensors, {} nodes, seed {}",
        count(parameters),
        report.network.parameters.len(),
        report.network.nodes.len(),
        report.checkup.seed
    );
    if let Some(plan) = report.plan {
        let _ = write!(text, ", recipe {}", plan.recipe);
        let ruled = plan
            .entries
            .iter()
            .filter(|entry| entry.chosen_by == ChosenBy::Rule)
            .count();
        if ruled > 0 {
            let _ = write!(text, " but for {ruled} by your rules");
        }
    }
    text
}

fn tally(findings: &[Finding]) -> String {
    let of = |severity| findings.iter().filter(|f| f.severity == severity).count();
    let mut parts = Vec::new();
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        match of(severity) {
            0 => {}
            1 => parts.push(format!("1 {severity}")),
            n => parts.push(format!("{n} {severity}s")),
        }
    }
    if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join(", "))
    }
}

/// A line per stage: how the signal and the gradient go through its layers.
fn overview(out: &mut String, layers: &[Layer<'_>], [forward, backward]: [LogScale; 2]) {
    let stages = stages(layers);
    if stages.is_empty() {
        return;
    }
    let line = |name: &str, layers: &str, ahead: &str, back: &str| {
        format!("{name:<NAME$} {layers:>6}   {ahead:<SPARK$}   {back:<SPARK$}")
    };
    let header = line(
        "stage",
        "layers",
        &format!("forward  {}", forward.label(SPARK - 9)),
        &format!("backward {}", backward.label(SPARK - 9)),
    );
    let _ = writeln!(out, "\n{}", header.trim_end().dimmed());
    for stage in stages {
        let layers = layers.get(stage.layers).unwrap_or(&[]);
        let ahead: Vec<f64> = layers.iter().map(|l| l.row.forward.rms).collect();
        let back: Vec<f64> = layers
            .iter()
            .map(|l| l.row.backward.as_ref().map_or(0.0, |b| b.rms))
            .collect();
        let text = line(
            &shorten(&stage.name, NAME),
            &layers.len().to_string(),
            &sparkline(forward, &ahead, SPARK),
            &sparkline(backward, &back, SPARK),
        );
        let text = text.trim_end();
        let blamed = layers.iter().filter_map(|l| l.blamed).max();
        let _ = match blamed {
            Some(Severity::Error) => writeln!(out, "{}", text.red()),
            Some(Severity::Warning) => writeln!(out, "{}", text.yellow()),
            _ => writeln!(out, "{text}"),
        };
    }
}

fn table(out: &mut String, layers: &[Layer<'_>], [forward, backward]: [LogScale; 2], rows: usize) {
    let header = format!(
        "{:<NAME$} {:<OP$}{:>NUMBER$}  {:<TRACK$} {:>NUMBER$}  {:<TRACK$}",
        "layer",
        "op",
        "forward",
        forward.label(TRACK),
        "backward",
        backward.label(TRACK),
    );
    let _ = writeln!(out, "{}", header.trim_end().dimmed());
    let mut shown = 0;
    for (index, layer) in layers.iter().enumerate() {
        if !spread(index, layers.len(), rows) && layer.blamed.is_none() {
            continue;
        }
        shown += 1;
        let row = layer.row;
        let backward_rms = row.backward.as_ref().map(|b| b.rms);
        let mut line = format!(
            "{:<NAME$} {:<OP$}{:>NUMBER$}  {:<TRACK$} {:>NUMBER$}  {:<TRACK$}",
            shorten(&layer.name, NAME),
            shorten(&row.op, OP - 1),
            short(row.forward.rms),
            forward.track(Some(row.forward.rms), row.forward.predicted_rms, TRACK),
            backward_rms.map_or_else(|| "-".to_owned(), short),
            backward.track(
                backward_rms,
                row.backward.as_ref().and_then(|b| b.predicted_rms),
                TRACK
            ),
        );
        line.truncate(line.trim_end().len());
        let _ = match layer.blamed {
            Some(Severity::Error) => writeln!(out, "{}", line.red()),
            Some(Severity::Warning) => writeln!(out, "{}", line.yellow()),
            _ => writeln!(out, "{line}"),
        };
    }
    if shown < layers.len() {
        let text = format!("{shown} of {} layers, --all lists every one", layers.len());
        let _ = writeln!(out, "{}", text.dimmed());
    }
    let _ = writeln!(
        out,
        "{}",
        "rms on a log axis: ● measured, ○ predicted for these weights where that differs".dimmed()
    );
    let shares: Vec<String> = [
        ("zeros", mean(layers.iter().filter_map(|l| l.zero))),
        ("saturated", mean(layers.iter().filter_map(|l| l.saturated))),
    ]
    .into_iter()
    .filter_map(|(name, share)| Some(format!("{name} {}", percent(share?))))
    .collect();
    if !shares.is_empty() {
        let _ = writeln!(
            out,
            "{}",
            format!("after activations, on average: {}", shares.join(", ")).dimmed()
        );
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0u32, 0.0), |(n, sum), x| (n + 1, sum + x));
    (n > 0).then(|| sum / f64::from(n))
}

/// Which rows to list when there are too many: the first and last, and evenly between.
fn spread(index: usize, total: usize, rows: usize) -> bool {
    if total <= rows || index == 0 || index + 1 == total {
        return true;
    }
    let rows = rows.max(2);
    // Listed where the rounded-down position on the shorter list changes.
    index * (rows - 1) / (total - 1) != (index - 1) * (rows - 1) / (total - 1)
}

fn print_finding(out: &mut String, finding: &Finding) {
    let head = format!("{}[{}]", finding.severity, finding.code);
    let head = match finding.severity {
        Severity::Error => head.red().bold().to_string(),
        Severity::Warning => head.yellow().bold().to_string(),
        Severity::Note => head.cyan().bold().to_string(),
    };
    let place = finding.parameter.as_deref().unwrap_or(&finding.node);
    let _ = writeln!(out, "{head} {}", shorten(place, WIDTH - 16).bold());
    for line in wrap(&finding.message, WIDTH - 2) {
        let _ = writeln!(out, "  {line}");
    }
    let evidence = &finding.evidence;
    let [low, high] = evidence.band;
    let _ = writeln!(
        out,
        "  {}",
        format!(
            "measured {}, expected {} (band {} to {})",
            short(evidence.measured),
            short(evidence.expected),
            short(low),
            short(high)
        )
        .dimmed()
    );
    if let Some(fix) = &finding.fix {
        let text = format!("{} = {}: {}", fix.parameter, fix.initializer, fix.why);
        for (index, line) in wrap(&text, WIDTH - 7).into_iter().enumerate() {
            let lead = if index == 0 { "fix:" } else { "    " };
            let _ = writeln!(out, "  {} {line}", lead.green());
        }
        for more in further(finding) {
            for line in wrap(&more, WIDTH - 7) {
                let _ = writeln!(out, "       {line}");
            }
        }
    }
    out.push('\n');
}

/// The changes beside the first that a finding proposes, a line for each initializer.
pub(crate) fn further(finding: &Finding) -> Vec<String> {
    let Some(first) = &finding.fix else {
        return Vec::new();
    };
    // Each initializer with the first parameter that gets it and how many others do.
    let mut groups: Vec<(&Fix, usize)> = vec![(first, 0)];
    for fix in &finding.further_fixes {
        let same = |(first, _): &&mut (&Fix, usize)| first.initializer == fix.initializer;
        match groups.iter_mut().find(same) {
            Some((_, more)) => *more += 1,
            None => groups.push((fix, 0)),
        }
    }
    let likewise = |more: usize| match more {
        1 => "the same for 1 more parameter".to_owned(),
        n => format!("the same for {n} more parameters"),
    };
    let mut lines: Vec<String> = Vec::new();
    for (k, (fix, more)) in groups.into_iter().enumerate() {
        let own = format!("{} = {}", fix.parameter, fix.initializer);
        match (k, more) {
            (0, 0) => {}
            (0, more) => lines.push(likewise(more)),
            (_, 0) => lines.push(own),
            (_, more) => lines.push(format!("{own}, {}", likewise(more))),
        }
    }
    if !lines.is_empty() {
        lines.push("--fix makes all of these changes".to_owned());
    }
    lines
}

/// Keeps the end of a name, which tells layers apart, in at most `width` characters. Control
/// characters of a hostile model never reach the terminal.
fn shorten(name: &str, width: usize) -> String {
    let clean: Vec<char> = name
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if clean.len() <= width {
        clean.into_iter().collect()
    } else {
        let tail = clean.len() - (width - 1);
        std::iter::once('…')
            .chain(clean[tail..].iter().copied())
            .collect()
    }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    for word in clean.split_whitespace() {
        let mut word: &str = word;
        loop {
            let line = lines.last_mut().map_or(0, |l| l.chars().count());
            let room = width.saturating_sub(if line == 0 { 0 } else { line + 1 });
            let length = word.chars().count();
            if length <= room {
                if let Some(last) = lines.last_mut() {
                    if line > 0 {
                        last.push(' ');
                    }
                    last.push_str(word);
                }
                break;
            }
            if line > 0 {
                lines.push(String::new());
                continue;
            }
            // One word longer than a line (a long parameter name) is cut.
            let cut = word
                .char_indices()
                .nth(width)
                .map_or(word.len(), |(i, _)| i);
            if let Some(last) = lines.last_mut() {
                last.push_str(&word[..cut]);
            }
            lines.push(String::new());
            word = &word[cut..];
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_lines_keep_every_word_within_the_width() {
        let text = "a signal that fades by 0.41 in every layer and a_very_long_parameter_name_indeed_it_is";
        let lines = wrap(text, 24);
        assert!(lines.iter().all(|l| l.chars().count() <= 24), "{lines:?}");
        assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
    }

    #[test]
    fn shortened_names_keep_their_end() {
        assert_eq!(shorten("encoder.layers.11.weight", 10), "…11.weight");
        assert_eq!(shorten("a\u{1b}[31m", 10), "a\u{fffd}[31m");
    }

    #[test]
    fn a_long_table_lists_about_as_many_rows_as_asked() {
        for (total, rows) in [(10, 20), (100, 20), (1000, 40), (21, 20)] {
            let listed = (0..total).filter(|&i| spread(i, total, rows)).count();
            assert!(listed <= rows.max(total.min(rows)), "{listed} of {total}");
            assert!(listed + 2 >= total.min(rows), "{listed} of {total}");
        }
    }
}
