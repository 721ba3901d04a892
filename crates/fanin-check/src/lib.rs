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
mod finding;
mod fix;
mod fold;
mod labels;
mod main_path;
mod measured;
mod optimizer;
mod options;
mod page;
mod proposal;
mod repeat;
mod repeats;
mod rescale;
mod rules;
mod session;
mod verdict;

pub use check::check;
pub use checkup::{BackwardRow, Change, Checkup, Fixed, ForwardRow, ParameterRow, ValueRow};
pub use error::CheckError;
pub use finding::{Code, Evidence, Finding, Fix, Severity, Share};
pub use fix::{Mended, apply, apply_fixes, fix, mend, redraw_broken};
pub use labels::class_counts;
pub use optimizer::Optimizer;
pub use options::Options;
pub use page::Page;
pub use repeat::repeat;
pub use repeats::{Repeated, Repeats, SeedShare};
pub use rescale::{Basis, Rescaled, rescale};
pub use rules::{page, pages};
pub use session::{Manner, Mending, Origin, Progress, Session};
pub use verdict::Verdict;
