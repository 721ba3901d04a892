//! The raw words of one tensor, or of several taken in turn, for test batteries: little-endian, without end.
//!
//! `words SEED NAME [NAME…] | testu01 …`; see `tools/testu01.sh`.

#![allow(clippy::print_stderr, reason = "a program: it says what it takes")]

use std::io::Write;
use std::process::ExitCode;

use fanin::{Seed, Stream};

/// Tiles per piece written.
const TILES: u64 = 64;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (seed, names) = match arguments.split_first() {
        Some((seed, names)) if !names.is_empty() => (seed.parse(), names),
        _ => (Ok(0), &[][..]),
    };
    let (Ok(seed), false) = (seed, names.is_empty()) else {
        eprintln!("usage: words SEED NAME [NAME…]; the seed is a number, a name that of a tensor");
        return ExitCode::from(2);
    };
    let streams: Vec<Stream> = names
        .iter()
        .map(|name| Stream::new(Seed::new(seed), name))
        .collect();
    let mut out = std::io::stdout().lock();
    let mut piece = vec![0u8; TILES as usize * 64 * 4 * streams.len()];
    for first in (0..).step_by(TILES as usize) {
        for (s, stream) in streams.iter().enumerate() {
            for tile in 0..TILES {
                for lane in 0..16 {
                    let block = stream.block((first + tile) * 16 + lane);
                    for (j, word) in (0..).zip(block) {
                        let element = tile * 64 + j * 16 + lane;
                        let at = (element as usize * streams.len() + s) * 4;
                        piece[at..at + 4].copy_from_slice(&word.to_le_bytes());
                    }
                }
            }
        }
        // The reader has seen enough when it closes the pipe.
        if out.write_all(&piece).is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}
