//! How fanin is held to its word.
//!
//! [`zoo`] asks whether the verdicts of the check hold against what training came to; `docs/zoo.md` has what it found.

pub mod zoo;
