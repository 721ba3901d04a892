//! The text of a plan: TOML in a fixed order, one block per parameter, so that a diff shows what
//! changed. What is written reads back to the same plan, and any TOML reader can read it.

pub(crate) mod fields;
mod layout;
mod read;
mod write;

pub(crate) use layout::axes_text;
