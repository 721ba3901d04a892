//! The pinned bits for machines without a test harness: a module with C exports, which `tools/bits.mjs` runs in Node.
//!
//! `cases()` is the number of cases, `case_is_right(i)` 1 or 0, `first_word(i)` a word of the stream.

#![allow(clippy::unwrap_used, reason = "a program for tests")]
#![allow(
    unsafe_code,
    reason = "exported names are unsafe to choose; these are only in this module"
)]

#[path = "../tests/cases/mod.rs"]
mod cases;

use cases::{CASES, NAME, SEED, hashes};

/// The number of cases.
#[unsafe(no_mangle)]
pub extern "C" fn cases() -> u32 {
    CASES.len() as u32
}

/// Whether case `i` has the pinned bits in every format: 1 or 0.
#[unsafe(no_mangle)]
pub extern "C" fn case_is_right(i: u32) -> u32 {
    let (text, shape, layout, expected) = CASES[i as usize];
    u32::from(hashes(text, shape, &layout()) == expected)
}

/// The word of element `i` of the stream, for comparison with one that is known.
#[unsafe(no_mangle)]
pub extern "C" fn first_word(i: u32) -> u32 {
    fanin::Stream::new(SEED, NAME).word(i.into())
}
