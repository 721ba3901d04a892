//! The same check with several seeds: what depends on luck is a probability.

use std::collections::BTreeMap;

use crate::{Checkup, Code, Repeated, Repeats, SeedShare, Severity, Verdict};

/// Checks with every seed and counts what is found; `check` draws the weights, runs and judges.
///
/// # Errors
///
/// The first that `check` returns.
pub fn repeat<E>(
    seeds: impl IntoIterator<Item = u64>,
    mut check: impl FnMut(u64) -> Result<Checkup, E>,
) -> Result<Repeats, E> {
    let mut done = Vec::new();
    let mut verdicts: BTreeMap<Verdict, usize> = BTreeMap::new();
    let mut fired: BTreeMap<Code, Vec<(Severity, Vec<String>)>> = BTreeMap::new();
    for seed in seeds {
        let checkup = check(seed)?;
        done.push(seed);
        *verdicts.entry(checkup.verdict).or_default() += 1;
        // One entry per rule and seed: the gravest, with all it blames.
        let mut by_code: BTreeMap<Code, (Severity, Vec<String>)> = BTreeMap::new();
        for finding in &checkup.findings {
            let entry = by_code
                .entry(finding.code)
                .or_insert((finding.severity, Vec::new()));
            entry.0 = entry.0.max(finding.severity);
            entry.1.extend(finding.parameter.clone());
        }
        for (code, entry) in by_code {
            fired.entry(code).or_default().push(entry);
        }
    }
    let total = done.len();
    let verdict = |verdict| SeedShare::new(verdicts.get(&verdict).copied().unwrap_or(0), total);
    Ok(Repeats {
        faulty: verdict(Verdict::Faulty),
        doubtful: verdict(Verdict::Doubtful),
        healthy: verdict(Verdict::Healthy),
        findings: fired
            .into_iter()
            .filter_map(|(code, entries)| repeated(code, &entries, total))
            .collect(),
        seeds: done,
    })
}

fn repeated(code: Code, entries: &[(Severity, Vec<String>)], total: usize) -> Option<Repeated> {
    let severity = entries.iter().map(|(severity, _)| *severity).max()?;
    let count = entries.iter().filter(|(s, _)| *s == severity).count();
    let mut blamed: BTreeMap<&str, usize> = BTreeMap::new();
    for name in entries.iter().flat_map(|(_, names)| names) {
        *blamed.entry(name).or_default() += 1;
    }
    let most = blamed.into_iter().max_by_key(|(_, times)| *times);
    Some(Repeated {
        code,
        severity,
        share: SeedShare::new(count, total),
        blamed: most.map(|(name, times)| (name.to_owned(), times)),
    })
}
