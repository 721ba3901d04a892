//! Elements per second of every kind of fill: `cargo run -p fanin --release --example throughput`.
//!
//! `RAYON_NUM_THREADS` sets the threads. Each figure is the median of nine fills of memory that was touched before.

#![allow(clippy::print_stdout, reason = "it prints its figures")]

use std::hint::black_box;
use std::time::Instant;

use fanin::{Element, Initializer, Layout, Seed};
use half::bf16;

fn rate<T: Element>(text: &str, shape: &[usize]) -> Result<f64, Box<dyn std::error::Error>> {
    let initializer: Initializer = text.parse()?;
    let layout = if shape.len() == 1 {
        Layout::vector()
    } else {
        Layout::linear_out_in()
    };
    let mut out = vec![T::from_f64(1.0); shape.iter().product()];
    let mut seconds = Vec::new();
    for seed in 0..9 {
        let begun = Instant::now();
        initializer.fill(Seed::new(seed), "w", shape, &layout, black_box(&mut out))?;
        black_box(&out);
        seconds.push(begun.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(out.len() as f64 / seconds[4] / 1e6)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let n = [1 << 22];
    println!(
        "{:<34}{:>10}{:>10}{:>10}   million elements per second",
        "", "f32", "bf16", "f64"
    );
    for text in [
        "uniform(-1, 1)",
        "normal(0, 1)",
        "truncated_normal(0, 1)",
        "truncated_normal(0, 1, -4, 4)",
    ] {
        let (single, half, double) = (
            rate::<f32>(text, &n)?,
            rate::<bf16>(text, &n)?,
            rate::<f64>(text, &n)?,
        );
        println!("{text:<34}{single:>10.1}{half:>10.1}{double:>10.1}");
    }
    for shape in [[1024, 1024], [512, 2048], [2048, 512]] {
        let [rows, columns] = shape;
        let name = format!("orthogonal {rows} × {columns}");
        println!("{name:<34}{:>10.2}", rate::<f32>("orthogonal", &shape)?);
    }
    Ok(())
}
