//! What several seeds say: a line for each verdict and each rule that fired.

use std::fmt::Write as _;

use fanin_check::{Repeats, SeedShare, Verdict};

pub(super) fn render(repeats: &Repeats) -> String {
    let percent = |share: &SeedShare| {
        let [low, high] = share.interval;
        format!(
            "{:>5.1} % ({:.1} to {:.1} %)",
            100.0 * share.share,
            100.0 * low,
            100.0 * high
        )
    };
    let mut text = format!("\nover {} seeds\n", repeats.seeds.len());
    for (verdict, share) in [
        (Verdict::Faulty, &repeats.faulty),
        (Verdict::Doubtful, &repeats.doubtful),
        (Verdict::Healthy, &repeats.healthy),
    ] {
        // Writing into a String does not fail.
        let _ = writeln!(text, "  {:<16} {}", verdict.to_string(), percent(share));
    }
    for found in &repeats.findings {
        let head = format!("{}[{}]", found.severity, found.code);
        let blamed = match &found.blamed {
            Some((name, _)) => format!("  mostly {name}"),
            None => String::new(),
        };
        let _ = writeln!(text, "  {head:<16} {}{blamed}", percent(&found.share));
    }
    text
}
