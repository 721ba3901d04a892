//! Measured against predicted: findings, blame, fixes.
//!
//! [`check`] holds what was observed in one run against what theory expects, and every rule says
//! where the two part. A rule is a file under `rules`, with a stable code and a page that explains
//! it ([`pages`]). [`fix`] writes the proposed changes into a plan.

mod check;
mod checkup;
mod fix;
mod page;
mod proposal;
mod rules;
mod scene;
mod spine;
mod walk;

pub use check::{Options, check};
pub use checkup::{
    BackwardRow, Checkup, Code, Evidence, Finding, Fix, ForwardRow, ParameterRow, Severity,
    ValueRow, Verdict,
};
pub use fix::{apply_fixes, fix};
pub use page::{Page, page, pages};
