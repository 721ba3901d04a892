//! What a check is expected to take of memory: `cargo run --release -p fanin-run --example memory -- MODEL...`
//!
//! Beside it `/usr/bin/time -v fanin check MODEL` shows what it takes.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use fanin_network::memory::Bytes;
use fanin_network::{Dims, NetworkError};
use fanin_run::Need;

fn main() -> Result<(), NetworkError> {
    for model in std::env::args().skip(1) {
        let network = fanin_network::open(&model, &Dims::default())?;
        let need = Need::check(&network);
        println!(
            "{model}: {} (weights {}, values {}, gradients {})",
            need.bytes()
                .map_or_else(|| "∞".to_owned(), |all| all.to_string()),
            Bytes(need.weights),
            Bytes(need.values),
            Bytes(need.gradients)
        );
    }
    Ok(())
}
