//! Comparisons: what they find, that they repeat, that they end when asked to.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fanin::Seed;
use fanin_network::{Dims, Network};
use fanin_plan::Recipe;
use fanin_train::{
    Comparison, Dataset, Form, Outcome, Rate, Settings, Start, Task, TrainError, compare,
};

fn open(model: &str) -> Network {
    let dims = Dims {
        batch: Some(16),
        ..Dims::default()
    };
    fanin_network::open(model, &dims).unwrap()
}

fn dataset(network: &Network) -> Dataset {
    let form = Form::of(network).unwrap();
    Task::fitting(&form).generate(&form, Seed::new(0)).unwrap()
}

fn run(network: &Network, recipes: &[Recipe], settings: &Settings) -> Comparison {
    let starts: Vec<Start<'_>> = recipes.iter().map(|&r| Start::recipe(network, r)).collect();
    let stop = AtomicBool::new(false);
    compare(
        network,
        &starts,
        &dataset(network),
        settings,
        &|_, _| (),
        &stop,
    )
    .unwrap()
}

/// Everything but the times.
fn timeless(mut comparison: Comparison) -> Comparison {
    comparison.seconds = 0.0;
    for run in comparison.starts.iter_mut().flat_map(|s| &mut s.runs) {
        run.seconds = 0.0;
    }
    comparison
}

#[test]
fn zeros_fail_and_he_trains_a_deep_relu_network() {
    let network = open("mlp(64, 32x6, 10, relu)");
    let settings = Settings {
        steps: 240,
        seeds: 2,
        workers: Some(2),
        ..Settings::default()
    };
    let found = run(&network, &[Recipe::Zeros, Recipe::He], &settings);
    assert!(found.complete);
    let outcome = |k: usize| found.starts[k].verdict.unwrap().outcome;
    assert_eq!(outcome(0), Outcome::Fails);
    assert_eq!(outcome(1), Outcome::Trains);
    // Eight rates, the better four again, the better two again.
    assert_eq!(found.starts[1].tried.len(), 14);
    let rate = found.starts[1].rate.unwrap();
    assert!((1e-3..=0.4).contains(&rate), "{rate}");
    let look = &found.starts[0].runs[0].looks[0];
    assert_eq!(look.0, 0);
    // Behind weights of zero no gradient reaches the first layer.
    assert_eq!(look.1.parameters[0].gradient_rms, Some(0.0));
    // The same comparison on one thread gives the same bits.
    let alone = Settings {
        workers: Some(1),
        ..settings
    };
    let again = run(&network, &[Recipe::Zeros, Recipe::He], &alone);
    assert_eq!(timeless(found.clone()), timeless(again));
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["starts"][1]["verdict"]["outcome"], "trains");
    assert_eq!(
        json["starts"][1]["runs"][0]["losses"]
            .as_array()
            .unwrap()
            .len(),
        240
    );
}

#[test]
fn numbers_that_run_away_fail() {
    let network = open("mlp(16, 256x8, 4, relu)");
    let settings = Settings {
        rate: Rate::Fixed(0.1),
        steps: 30,
        seeds: 1,
        ..Settings::default()
    };
    let found = run(&network, &[Recipe::Random], &settings);
    assert!(found.starts[0].runs[0].diverged_at.is_some());
    assert_eq!(found.starts[0].verdict.unwrap().outcome, Outcome::Fails);
    assert!(found.complete);
}

#[test]
fn the_budget_and_the_stop_flag_end_it_with_what_there_is() {
    let network = open("mlp(64, 128x4, 10, relu)");
    let settings = Settings {
        steps: 1_000_000,
        seeds: 2,
        budget: Some(Duration::from_millis(1500)),
        ..Settings::default()
    };
    let begun = Instant::now();
    let found = run(&network, &[Recipe::Auto, Recipe::Torch], &settings);
    // Far from exact, because machines are busy; without a budget it would be hours.
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert!(found.steps < 1_000_000);
    assert_eq!(found.starts.len(), 2);

    let stop = AtomicBool::new(false);
    let jobs = AtomicUsize::new(0);
    let starts = [Start::recipe(&network, Recipe::Auto)];
    let settings = Settings {
        rate: Rate::Fixed(0.01),
        steps: 5,
        seeds: 1000,
        workers: Some(1),
        ..Settings::default()
    };
    let progress = |done: usize, all: usize| {
        assert_eq!(all, 1000);
        jobs.store(done, Ordering::Relaxed);
        if done == 3 {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let data = dataset(&network);
    let found = compare(&network, &starts, &data, &settings, &progress, &stop).unwrap();
    assert_eq!(jobs.load(Ordering::Relaxed), 3);
    assert_eq!(found.starts[0].runs.len(), 3);
    assert!(!found.complete);
    assert!(found.starts[0].verdict.is_some());
}

#[test]
fn trainings_cut_short_are_compared_over_the_steps_they_all_had() {
    let network = open("mlp(64, 16, 10, relu)");
    let data = dataset(&network);
    let calls = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    // The second start asks for the end when its weights are made: it gets no step.
    let starts = [
        Start::recipe(&network, Recipe::He),
        Start::new("late", |seed| {
            calls.fetch_add(1, Ordering::Relaxed);
            stop.store(true, Ordering::Relaxed);
            Start::recipe(&network, Recipe::He).weights(seed)
        }),
    ];
    let settings = Settings {
        rate: Rate::Fixed(0.05),
        steps: 60,
        seeds: 1,
        workers: Some(1),
        ..Settings::default()
    };
    let found = compare(&network, &starts, &data, &settings, &|_, _| (), &stop).unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert!(!found.complete && !found.starts[1].runs[0].complete);
    assert_eq!(found.starts[0].verdict.unwrap().outcome, Outcome::Trains);
    assert_eq!(found.starts[1].verdict, None);
}

#[test]
fn ended_among_the_tries_the_best_of_them_is_what_there_is() {
    let network = open("mlp(64, 16, 10, relu)");
    let data = dataset(&network);
    let starts = [
        Start::recipe(&network, Recipe::He),
        Start::recipe(&network, Recipe::Zeros),
    ];
    let settings = Settings {
        rate: Rate::Sweep(Some(vec![1e-4, 0.03, 0.1])),
        steps: 200,
        seeds: 1,
        workers: Some(1),
        ..Settings::default()
    };
    let stop = AtomicBool::new(false);
    // Three tries of each start and no more.
    let progress = |done: usize, _: usize| stop.store(done >= 6, Ordering::Relaxed);
    let found = compare(&network, &starts, &data, &settings, &progress, &stop).unwrap();
    assert!(!found.complete);
    let [he, zeros] = &found.starts[..] else {
        panic!("two starts")
    };
    assert_eq!((he.tried.len(), he.runs.len()), (3, 1));
    let lowest = he
        .tried
        .iter()
        .map(|t| t.loss)
        .fold(f64::INFINITY, f64::min);
    assert_eq!(he.final_loss, Some(lowest));
    assert_eq!(he.rate, Some(he.runs[0].rate));
    assert!(he.verdict.is_some() && zeros.verdict.is_some());
}

#[test]
fn settings_without_sense_get_a_sentence() {
    let network = open("mlp(64, 8, 10)");
    let data = dataset(&network);
    let stop = AtomicBool::new(false);
    let starts = [Start::recipe(&network, Recipe::Auto)];
    let fails = |starts: &[Start<'_>], settings: &Settings| -> TrainError {
        compare(&network, starts, &data, settings, &|_, _| (), &stop).unwrap_err()
    };
    let error = fails(&[], &Settings::default()).to_string();
    assert!(error.contains("at least one start"), "{error}");
    let settings = Settings {
        rate: Rate::Fixed(f64::NAN),
        ..Settings::default()
    };
    let error = fails(&starts, &settings).to_string();
    assert!(error.contains("positive numbers"), "{error}");
    // Data of another network.
    let other = open("mlp(32, 8, 10)");
    let starts = [Start::recipe(&other, Recipe::Auto)];
    let result = compare(
        &other,
        &starts,
        &data,
        &Settings::default(),
        &|_, _| (),
        &stop,
    );
    let error = result.unwrap_err().to_string();
    assert!(error.contains("the data have shape [16, 64]"), "{error}");
}

#[test]
fn a_tight_budget_tries_fewer_rates_rather_than_ending_in_the_sweep() {
    let network = open("mlp(64, 512x4, 10, relu)");
    let settings = Settings {
        steps: 100_000,
        seeds: 1,
        budget: Some(Duration::from_millis(500)),
        workers: Some(1),
        ..Settings::default()
    };
    let found = run(&network, &[Recipe::He], &settings);
    let start = &found.starts[0];
    // Eight rates would be fourteen tries, of which each had a step or two.
    assert!(start.tried.len() < 14, "{:?}", start.tried.len());
    if start.tried.is_empty() {
        let rate = start.rate.unwrap();
        assert!((0.01..0.4).contains(&rate), "{rate}");
    }
}
