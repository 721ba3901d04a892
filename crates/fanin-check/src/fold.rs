//! One finding where many parameters have the same fault.

use crate::Finding;
use crate::rules::holds;

/// Makes one finding of those of one rule and severity, which have the first one's place and words and
/// the changes of all. What proposes no change stays as it is.
pub(crate) fn fold(findings: Vec<Finding>) -> Vec<Finding> {
    let mut folded: Vec<(Finding, usize)> = Vec::new();
    for finding in findings {
        let alike = |(first, _): &&mut (Finding, usize)| {
            holds(first.code, |rule| rule.folds)
                && (first.code, first.severity) == (finding.code, finding.severity)
                && first.fix.is_some()
                && finding.fix.is_some()
        };
        match folded.iter_mut().find(alike) {
            Some((first, more)) => {
                first.further_fixes.extend(finding.fix);
                first.further_fixes.extend(finding.further_fixes);
                *more += 1;
            }
            None => folded.push((finding, 0)),
        }
    }
    let told = folded.into_iter().map(|(mut finding, more)| {
        if more > 0 {
            let verb = if more == 1 {
                "weight is"
            } else {
                "weights are"
            };
            finding
                .message
                .push_str(&format!("; {more} more {verb} like it"));
        }
        finding
    });
    told.collect()
}
