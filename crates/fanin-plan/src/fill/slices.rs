//! Which part of which tensor is written.

use fanin::Slice;

use super::fault;
use crate::glob::Glob;
use crate::{Entry, Plan, PlanError};

/// Parts of tensors, by name: what one rank of a tensor-parallel or sharded model holds.
///
/// ```
/// # use fanin_plan::Slices;
/// let mut rank = Slices::default();
/// rank.add("*.c_fc.weight", "3/8")?; // rows: the third of eight shards
/// rank.add("*.c_proj.weight", ":, 3/8")?; // columns
/// # Ok::<(), fanin_plan::PlanError>(())
/// ```
///
/// A name is a glob as in [`Rules`](crate::Rules), and the last one that matches decides; the ranges
/// are those of [`Slice::parse`]. Tensors that nothing matches are written whole.
#[derive(Clone, Debug, Default)]
pub struct Slices {
    parts: Vec<(String, Glob, String)>,
}

impl Slices {
    /// Adds the ranges for the tensors whose name matches.
    ///
    /// # Errors
    ///
    /// [`PlanError::Request`] where the glob does not read. The ranges are read when the shape is known.
    pub fn add(&mut self, name: &str, ranges: &str) -> Result<(), PlanError> {
        let glob = Glob::new(name).map_err(|error| {
            PlanError::Request(format!("the name `{name}` of a slice: {error}"))
        })?;
        self.parts.push((name.to_owned(), glob, ranges.to_owned()));
        Ok(())
    }

    /// Whether all tensors are whole.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The part of each entry, in the plan's order.
    pub(super) fn of<'a>(&self, plan: &'a Plan) -> Result<Vec<Part<'a>>, PlanError> {
        if let Some((name, ..)) = self
            .parts
            .iter()
            .find(|part| !plan.entries.iter().any(|entry| matches(part, entry)))
        {
            return Err(PlanError::Request(format!(
                "no parameter of this plan is called `{name}`, of which a slice is asked for"
            )));
        }
        plan.entries
            .iter()
            .map(|entry| {
                let ranges = self.parts.iter().rev().find(|part| matches(part, entry));
                Part::new(entry, ranges.map_or("", |(_, _, ranges)| ranges))
            })
            .collect()
    }
}

/// A name is also itself, whatever characters of globs it has.
fn matches((name, glob, _): &(String, Glob, String), entry: &Entry) -> bool {
    *name == entry.name || glob.is_match(&entry.name)
}

/// An entry and what of it goes into the file.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    pub(super) entry: &'a Entry,
    pub(super) slice: Slice,
}

impl<'a> Part<'a> {
    /// The ranges of [`Slice::parse`]; none is all.
    pub(super) fn new(entry: &'a Entry, ranges: &str) -> Result<Self, PlanError> {
        let slice = Slice::parse(&entry.shape, ranges)
            .map_err(|error| fault(entry, format!("the slice `{ranges}`: {error}")))?;
        Ok(Self { entry, slice })
    }

    /// Bytes it takes when written, `None` if more than can be counted.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.slice
            .len()
            .checked_mul(self.entry.dtype.size_of() as u64)
    }
}
