//! What `--seeds K` found: shares of the seeds, each with the interval its probability lies in.

use fanin_check::{Repeats, SeedShare};

use super::Section;
use crate::Report;
use crate::chart::interval;
use crate::markup::{Html, template};
use crate::number::percent;
use crate::page::{Column, subheading};

/// The section; nothing if one seed was asked.
pub(super) fn section(report: &Report<'_>) -> Option<Section> {
    let repeats = report.checkup.repeats.as_ref()?;
    let text = "The same check with weights and inputs drawn anew. The line at each bar spans where the probability \
                lies, with 95 % confidence.";
    let fixed = report.checkup.fixed.as_ref();
    let tables = match fixed.and_then(|fixed| fixed.repeats_before.as_ref()) {
        Some(before) => [
            subheading("Before the fix"),
            table("Over seeds, before the fix", before),
            subheading("After the fix"),
            table("Over seeds, after the fix", repeats),
        ]
        .into_iter()
        .collect(),
        None => table("Over seeds", repeats),
    };
    Some(Section {
        id: "seeds",
        name: "Seeds",
        heading: format!("Over {} seeds", repeats.seeds.len()),
        body: template!("paragraph.html", text = text).then(&tables),
    })
}

fn table(label: &str, repeats: &Repeats) -> Html {
    let verdicts = [
        ("faulty", &repeats.faulty),
        ("doubtful", &repeats.doubtful),
        ("healthy", &repeats.healthy),
    ];
    let verdicts = verdicts
        .into_iter()
        .map(|(name, share)| row(name, &format!("verdict {name}"), share, None));
    let findings = repeats.findings.iter().map(|found| {
        let severity = found.severity.name();
        let blamed = found.blamed.as_ref();
        let blamed = blamed.map(|(name, times)| format!("{name} ({times}×)"));
        let name = format!("{} {severity}", found.code);
        row(severity, &name, &found.share, blamed)
    });
    let columns = [
        Column::Text("outcome"),
        Column::Numbers("seeds"),
        Column::Numbers("share"),
        Column::Text("0 % to 100 %"),
        Column::Text("mostly blamed"),
    ];
    crate::page::table(label, &columns, verdicts.chain(findings).collect())
}

fn row(class: &str, name: &str, share: &SeedShare, blamed: Option<String>) -> Html {
    template!(
        "checkup/seed_row.html",
        class = class,
        name = name,
        count = share.count.to_string(),
        share = percent(share.share),
        picture = interval(class, share.share, share.interval),
        blamed = blamed,
    )
}
