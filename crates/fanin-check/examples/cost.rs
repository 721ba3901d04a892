//! What a checkup costs beside the run that it judges: `cost MODEL [ROUNDS]`.
//!
//! Plans and fills the model by recipe `auto`, runs it forward and backward, and judges the run.
//! Prints the medians in seconds and how many times the run alone a checkup takes.
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use std::error::Error;
use std::time::Instant;

use fanin::Seed;
use fanin_check::{Options, check};
use fanin_network::Dims;
use fanin_plan::{Request, plan};
use fanin_run::{RunOptions, run};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().ok_or("usage: cost MODEL [ROUNDS]")?;
    let rounds: usize = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let network = fanin_network::open(&model, &Dims::default())?;
    let plan = plan(&network, &Request::new(Seed::new(0)))?.plan;
    let weights = plan.fill_weights()?;
    let (mut runs, mut checks) = (Vec::new(), Vec::new());
    for _ in 0..rounds.max(1) {
        let start = Instant::now();
        let trace = run(&network, &weights, &RunOptions::new(Seed::new(0)))?;
        runs.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let checkup = check(&network, Some(&plan), &weights, trace, &Options::default());
        checks.push(start.elapsed().as_secs_f64());
        drop(checkup);
    }
    let median = |mut seconds: Vec<f64>| {
        seconds.sort_by(f64::total_cmp);
        seconds[seconds.len() / 2]
    };
    let (run, check) = (median(runs), median(checks));
    println!(
        "run {run:.3} s, prediction and rules {check:.3} s: {:.2} times the run",
        (run + check) / run
    );
    Ok(())
}
