//! The speed of filling memory.
//!
//! `cargo bench -p fanin --bench fill` prints million elements per second for every kind of fill, with each
//! instruction set, and beside it those per second of processor time and thread, which other programs on the machine
//! disturb less; `-- normal` those whose initializer contains that word. `RAYON_NUM_THREADS` sets the threads. All memory was touched before it is timed.
//!
//! With the argument `serve` it reads lines `initializer;dtype;shape;calls` and answers each with the seconds one call
//! took on average; `memset` is an initializer there. `init_speed.py` talks to it.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for measurements: it prints, and stops where it is used wrongly"
)]

use std::collections::HashMap;
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::time::Instant;

use fanin::isa::Isa;
use fanin::{DType, Element, F8E4M3, F8E5M2, Initializer, Layout, Seed};
use half::{bf16, f16};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "serve") {
        serve();
    } else {
        table(
            arguments
                .iter()
                .find(|a| !a.starts_with("--"))
                .map_or("", String::as_str),
        );
    }
}

/// Buffers that stay between calls, so that their pages are there.
#[derive(Default)]
struct Buffers(HashMap<(DType, usize), Box<dyn std::any::Any>>);

impl Buffers {
    fn get<T: Element>(&mut self, n: usize) -> &mut Vec<T> {
        self.0
            .entry((T::DTYPE, n))
            .or_insert_with(|| Box::new(vec![T::from_f64(1.0); n]))
            .downcast_mut()
            .unwrap()
    }
}

/// Wall-clock seconds and processor seconds of one call, on average.
fn time<T: Element>(
    buffers: &mut Buffers,
    text: &str,
    shape: &[usize],
    calls: usize,
) -> (f64, f64) {
    let layout = if shape.len() == 1 {
        Layout::vector()
    } else {
        Layout::linear_out_in()
    };
    let out = buffers.get::<T>(shape.iter().product());
    let initializer: Option<Initializer> = (text != "memset").then(|| text.parse().unwrap());
    let (begun, used) = (Instant::now(), processor_seconds());
    for call in 0..calls {
        let out = black_box(&mut out[..]);
        match &initializer {
            Some(initializer) => initializer
                .fill(Seed::new(call as u64), "w", shape, &layout, out)
                .unwrap(),
            None => memset(out),
        }
        black_box(&out);
    }
    let calls = calls as f64;
    (
        begun.elapsed().as_secs_f64() / calls,
        (processor_seconds() - used) / calls,
    )
}

/// All threads of the pool write zeros.
fn memset<T: Element>(out: &mut [T]) {
    use rayon::prelude::*;
    let share = out.len().div_ceil(rayon::current_num_threads());
    out.par_chunks_mut(share)
        .for_each(|part| part.fill(T::default()));
}

/// Time all threads of this process have run, where Linux tells it.
fn processor_seconds() -> f64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return 0.0;
    };
    tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<f64>().ok())
        .sum::<f64>()
        / 1e9
}

fn time_as(
    dtype: DType,
    buffers: &mut Buffers,
    text: &str,
    shape: &[usize],
    calls: usize,
) -> (f64, f64) {
    match dtype {
        DType::F64 => time::<f64>(buffers, text, shape, calls),
        DType::F32 => time::<f32>(buffers, text, shape, calls),
        DType::F16 => time::<f16>(buffers, text, shape, calls),
        DType::BF16 => time::<bf16>(buffers, text, shape, calls),
        DType::F8E4M3 => time::<F8E4M3>(buffers, text, shape, calls),
        DType::F8E5M2 => time::<F8E5M2>(buffers, text, shape, calls),
    }
}

fn serve() {
    let mut buffers = Buffers::default();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let mut fields = line.split(';');
        let mut field = || fields.next().unwrap().trim();
        let (text, dtype) = (field().to_owned(), field().parse().unwrap());
        let shape: Vec<usize> = field().split('x').map(|n| n.parse().unwrap()).collect();
        let calls = field().parse().unwrap();
        println!("{}", time_as(dtype, &mut buffers, &text, &shape, calls).0);
        std::io::stdout().flush().unwrap();
    }
}

fn table(only: &str) {
    const ROUNDS: usize = 5;
    let mut buffers = Buffers::default();
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let mut row = |text: &str, dtype: DType, shape: &[usize]| {
        if !text.contains(only) {
            return;
        }
        let n: usize = shape.iter().product();
        let calls = (1usize << 22).div_ceil(n);
        let isas = if text == "memset" { 1 } else { 3 };
        print!("{:<34}{dtype:>5}  ", format!("{text} {shape:?}"));
        for isa in Isa::available().take(isas) {
            isa.choose().unwrap();
            let rounds: Vec<(f64, f64)> = (0..ROUNDS)
                .map(|_| time_as(dtype, &mut buffers, text, shape, calls))
                .collect();
            let rate = |seconds: f64| n as f64 / seconds / 1e6;
            let wall = rate(median(rounds.iter().map(|r| r.0).collect()));
            let used = rate(median(rounds.iter().map(|r| r.1).collect()));
            print!("{wall:>10.1}{:>10}", format!("({used:.0})"));
        }
        println!();
    };
    print!("{:41}", "");
    for isa in Isa::available() {
        print!("{:>20}", isa.to_string());
    }
    println!("   M elements/s (per thread)");
    let n = [1 << 24];
    for dtype in [DType::F32, DType::BF16] {
        row("memset", dtype, &n);
    }
    for text in [
        "uniform(-1, 1)",
        "normal(0, 1)",
        "truncated_normal(0, 1)",
        "truncated_normal(0, 1, -4, 4)",
        "truncated_normal(0, 1, 3, 9)",
    ] {
        for dtype in DType::ALL {
            row(text, dtype, &n);
        }
    }
    for length in [64, 1024, 4096] {
        row("normal(0, 1)", DType::F32, &[length]);
        row("truncated_normal(0, 1)", DType::F32, &[length]);
    }
    for shape in [[1024, 1024], [512, 2048], [2048, 512]] {
        row("orthogonal", DType::F32, &shape);
        row("orthogonal", DType::F64, &shape);
    }
}
