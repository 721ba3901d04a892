//! Measured against predicted: findings, blame, fixes.
//!
//! A [`Session`] judges a network's start: it checks, repeats over seeds, fixes, and tells what was before
//! and after. [`check`] holds what was observed in one run against what theory expects, and every rule says
//! where the two part. A rule is a file under `rules`, with a stable code and a page that explains
//! it ([`pages`]). [`fix`] writes the proposed changes into a plan.

mod cause;
mod check;
mod checkup;
mod context;
mod drift;
mod error;
mod family;
mod fix;
mod fold;
mod labels;
mod main_path;
mod optimizer;
mod page;
mod proposal;
mod repeat;
mod rescale;
mod rules;
mod session;

pub use check::{Options, check};
pub use checkup::{
    BackwardRow, Change, Checkup, Code, Evidence, Finding, Fix, Fixed, ForwardRow, ParameterRow,
    Severity, Share, ValueRow, Verdict,
};
pub use error::CheckError;
pub use fix::{Mended, apply, apply_fixes, fix, mend, redraw_broken};
pub use labels::class_counts;
pub use optimizer::Optimizer;
pub use page::{Page, page, pages};
pub use repeat::{Repeated, Repeats, SeedShare, repeat};
pub use rescale::{Basis, Rescaled, rescale};
pub use session::{Manner, Mending, Origin, Progress, Session};
