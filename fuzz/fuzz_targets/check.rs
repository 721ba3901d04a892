//! The whole check: a model is opened, planned, filled, run forward and backward, judged, mended
//! and reported. The first byte says what the others are: a model built of them, the bytes of a
//! file, or an architecture's text.
#![no_main]

mod model;

use fanin::{DType, Seed};
use fanin_check::{Basis, Checkup, Optimizer, Options};
use fanin_network::{Dims, Network, Weights};
use fanin_plan::{Plan, Recipe, Request};
use fanin_report::Report;
use fanin_run::RunOptions;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [kind, choices, rest @ ..] = data else {
        return;
    };
    let dims = Dims::default();
    let opened = match kind % 8 {
        0 => {
            let Ok(text) = std::str::from_utf8(rest) else {
                return;
            };
            if !text.contains('(') {
                return;
            }
            fanin_network::open(text, &dims)
        }
        1 => fanin_network::open(&model::write(rest).to_string_lossy(), &dims),
        _ => {
            let bytes = model::build::model(&mut model::build::Bytes(rest));
            fanin_network::open(&model::write(&bytes).to_string_lossy(), &dims)
        }
    };
    if let Ok(network) = opened
        && model::is_small(&network)
    {
        judge(&network, *choices);
    }
});

/// A run's error, which must not be a panic that it caught.
fn said(error: impl std::fmt::Display) {
    let text = error.to_string();
    assert!(!text.contains("defect of fanin"), "{text}");
}

fn judge(network: &Network, choices: u8) {
    let recipe = match choices % 4 {
        0 => Recipe::Torch,
        1 => Recipe::Keras,
        _ => Recipe::Auto,
    };
    let request = Request {
        recipe,
        ..Request::new(Seed::new(1))
    };
    let plan = fanin_plan::plan(network, &request);
    let (plan, weights) = match (choices / 4 % 2, plan) {
        (0, Ok(outcome)) => {
            let weights = outcome.plan.fill_weights().expect("a plan that was made fills");
            (Some(outcome.plan), weights)
        }
        _ => match Weights::from_model(network) {
            Ok(weights) => (None, weights),
            Err(error) => return said(error),
        },
    };
    let options = Options {
        model: "m".to_owned(),
        seed: 1,
        drawn: true,
        dtype: (choices & 8 > 0).then_some(DType::F16),
        optimizer: (choices & 16 > 0).then_some(Optimizer::Adam { rate: 1e-3 }),
        class_counts: None,
    };
    let check = |plan: Option<&Plan>, weights: &Weights| -> Option<Checkup> {
        match fanin_run::run(network, weights, &RunOptions::new(Seed::new(1))) {
            Ok(trace) => Some(fanin_check::check(network, plan, weights, trace, &options)),
            Err(error) => {
                said(error);
                None
            }
        }
    };
    let Some(checkup) = check(plan.as_ref(), &weights) else {
        return;
    };
    if choices & 32 > 0 {
        let report = Report {
            network,
            plan: plan.as_ref(),
            checkup: &checkup,
        };
        let _ = (report.terminal(5), report.json(), report.html(), report.sarif());
    }
    if choices & 64 > 0 {
        let mut mended = weights.clone();
        if let Err(error) = fanin_check::apply_fixes(network, &checkup, Seed::new(1), &mut mended) {
            said(error);
        }
        check(plan.as_ref(), &mended);
    }
    if choices & 128 > 0 {
        let basis = match choices & 16 {
            0 => Basis::Measurement,
            _ => Basis::Prediction,
        };
        let mut scaled = weights.clone();
        if let Err(error) = fanin_check::rescale(network, &mut scaled, basis, Seed::new(1), None) {
            said(error);
        }
    }
}
