//! Published results on initialization, reproduced by running them.
//!
//! One folder per paper: its README says what was claimed and how it is measured here, its module
//! measures it. What holds at initialization takes seconds and is a test; what needs training is run by
//!
//! ```text
//! cargo run --release --example papers
//! ```
//!
//! which writes the claims and figures of every paper to `docs/papers.md`.

pub mod claim;
pub mod matrix;
pub mod measure;
pub mod page;
pub mod sample;
pub mod training;

mod desmith2020;
mod dong2021;
mod fixup2019;
mod glorot2010;
mod hanin2018;
mod he2015;
mod lu2019;
mod makemore;
mod mishkin2016;
mod pennington2017;
mod saxe2014;
mod schoenholz2017;
mod siren2020;
mod sussillo2014;
mod xiao2018;
mod yang2019;
mod yang2021;

pub use claim::{Claim, Tolerance};
pub use sample::Sample;

/// What may go wrong on the way: a network, a plan, a run or a training that is refused.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// What one measurement of a paper came to.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The paper's claims, each with its verdict.
    pub claims: Vec<Claim>,
    /// Figures to look at: Markdown tables.
    pub figures: String,
}

/// A paper and how its claims are measured.
#[derive(Clone, Copy, Debug)]
pub struct Paper {
    /// Its folder.
    pub name: &'static str,
    /// Authors, title, year.
    pub citation: &'static str,
    /// What holds at initialization: seconds, and the same on every run.
    pub at_start: Option<fn() -> Result<Found, Fault>>,
    /// What needs training: minutes.
    pub by_training: Option<fn() -> Result<Found, Fault>>,
}

/// Every paper, by year.
pub const PAPERS: &[Paper] = &[
    glorot2010::PAPER,
    saxe2014::PAPER,
    sussillo2014::PAPER,
    he2015::PAPER,
    mishkin2016::PAPER,
    pennington2017::PAPER,
    schoenholz2017::PAPER,
    hanin2018::PAPER,
    xiao2018::PAPER,
    lu2019::PAPER,
    yang2019::PAPER,
    fixup2019::PAPER,
    desmith2020::PAPER,
    siren2020::PAPER,
    dong2021::PAPER,
    yang2021::PAPER,
    makemore::PAPER,
];
