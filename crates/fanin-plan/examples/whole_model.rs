//! A whole model, from one line to a file: what it is, what each parameter gets, and the weights.
//!
//! `cargo run --release -p fanin-plan --example whole_model -- gpt2.safetensors bf16 \
//!     "transformer(layers=12, width=768, heads=12, vocab=50257, context=1024)"`

use std::path::Path;
use std::time::Instant;

use fanin::Seed;
use fanin_network::Dims;
use fanin_plan::{FillOptions, Request};

#[allow(clippy::print_stdout, reason = "a program for people")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, dtype, model] = &arguments[..] else {
        return Err("usage: whole_model FILE DTYPE MODEL".into());
    };
    let begin = Instant::now();
    let network = fanin_network::open(model, &Dims::default())?;
    let plan = fanin_plan::plan(
        &network,
        &Request {
            dtype: Some(dtype.parse()?),
            ..Request::new(Seed::new(42))
        },
    )?
    .plan;
    let planned = begin.elapsed().as_secs_f64();
    let filled = plan.fill_file(
        Path::new(path),
        &FillOptions {
            replace: true,
            ..FillOptions::default()
        },
    )?;
    println!(
        "{} tensors, {} bytes; planned in {planned:.2} s, written in {:.2} s",
        filled.tensors,
        filled.bytes,
        begin.elapsed().as_secs_f64() - planned
    );
    Ok(())
}
