//! What `--seeds K` found: shares of the seeds, each with the interval its probability lies in.

use std::fmt::Write as _;

use fanin_check::{Repeats, SeedShare};

use super::escape;
use crate::Report;
use crate::number::percent;
use crate::terminal::severity_name;

const WIDTH: f64 = 240.0;

/// The section; nothing if one seed was asked.
pub(crate) fn section(page: &mut String, report: &Report<'_>) {
    let Some(repeats) = &report.checkup.repeats else {
        return;
    };
    // Writing into a String does not fail.
    let _ = write!(
        page,
        "<section id=\"seeds\"><h2>Over {} seeds</h2><p>The same check with weights and inputs drawn anew. \
         The line at each bar spans where the probability lies, with 95 % confidence.</p>",
        repeats.seeds.len()
    );
    let fixed = report.checkup.fixed.as_ref();
    match fixed.and_then(|fixed| fixed.repeats_before.as_ref()) {
        Some(before) => {
            page.push_str("<h3 class=\"sub\">Before the fix</h3>");
            table(page, before, "Over seeds, before the fix");
            page.push_str("<h3 class=\"sub\">After the fix</h3>");
            table(page, repeats, "Over seeds, after the fix");
        }
        None => table(page, repeats, "Over seeds"),
    }
    page.push_str("</section>");
}

fn table(page: &mut String, repeats: &Repeats, label: &str) {
    let _ = write!(
        page,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\"><table><thead><tr>\
         <th scope=\"col\">outcome</th><th scope=\"col\" class=\"n\">seeds</th><th scope=\"col\" class=\"n\">share</th>\
         <th scope=\"col\">0 % to 100 %</th><th scope=\"col\">mostly blamed</th></tr></thead><tbody>"
    );
    for (name, share) in [
        ("faulty", &repeats.faulty),
        ("doubtful", &repeats.doubtful),
        ("healthy", &repeats.healthy),
    ] {
        row(page, name, &format!("verdict {name}"), share, "");
    }
    findings(page, repeats);
    page.push_str("</tbody></table></div>");
}

fn findings(page: &mut String, repeats: &Repeats) {
    for found in &repeats.findings {
        let severity = severity_name(found.severity);
        let blamed = match &found.blamed {
            Some((name, times)) => format!("{} ({times}×)", escape(name)),
            None => String::new(),
        };
        let name = format!("{} {severity}", found.code);
        row(page, severity, &name, &found.share, &blamed);
    }
}

fn row(page: &mut String, class: &str, name: &str, share: &SeedShare, blamed: &str) {
    let [low, high] = share.interval;
    let at = |share: f64| (WIDTH * share.clamp(0.0, 1.0)).round();
    let _ = write!(
        page,
        "<tr><th scope=\"row\"><span class=\"{class}\">{name}</span></th><td class=\"n\">{}</td><td class=\"n\">{}</td>\
         <td><svg class=\"share {class}\" viewBox=\"0 0 {WIDTH} 18\" role=\"img\" aria-label=\"{}, between {} and {}\">\
         <rect class=\"all\" width=\"{WIDTH}\" height=\"9\"/><rect class=\"part\" width=\"{}\" height=\"9\"/>\
         <path d=\"M{} 11V17M{} 14H{}M{} 11V17\"/></svg></td><td>{blamed}</td></tr>",
        share.count,
        percent(share.share),
        percent(share.share),
        percent(low),
        percent(high),
        at(share.share),
        at(low),
        at(low),
        at(high),
        at(high),
    );
}
