//! Every lesson shows the effect that it tells of. Each test runs the lesson as a user would.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use fanin_train::lesson::{Demonstration, Trial};
use fanin_train::{Lesson, Outcome};

fn run(lesson: Lesson) -> Demonstration {
    let shown = lesson.run(0, &|_, _| (), &AtomicBool::new(false)).unwrap();
    assert!(shown.complete);
    for trial in &shown.trials {
        assert_eq!(trial.starts.len(), trial.comparison.starts.len());
        for text in &trial.seen {
            // Nothing was left out of a sentence.
            assert!(
                !text.contains("NaN") && !text.contains("not a number"),
                "{text}"
            );
            assert!(!text.contains("  "), "{text}");
        }
        for figure in &trial.figures {
            assert_eq!(figure.values.len(), trial.starts.len(), "{}", figure.what);
        }
    }
    shown
}

/// The figure whose name begins so, of one start.
fn figure(trial: &Trial, what: &str, start: &str) -> f64 {
    let row = trial.figures.iter().find(|f| f.what.starts_with(what));
    let place = trial.comparison.starts.iter().position(|s| s.name == start);
    row.unwrap_or_else(|| panic!("no figure {what}")).values[place.unwrap()].unwrap()
}

fn outcome(trial: &Trial, start: &str) -> Outcome {
    let start = trial.comparison.starts.iter().find(|s| s.name == start);
    start.unwrap().verdict.unwrap().outcome
}

#[test]
fn symmetry_units_stay_equal_and_are_worth_one() {
    let shown = run(Lesson::Symmetry);
    let trial = &shown.trials[0];
    for start in ["zeros", "equal"] {
        assert_eq!(figure(trial, "hidden units that differ", start), 1.0);
        assert!(figure(trial, "largest difference", start) <= 1e-6);
    }
    assert_eq!(figure(trial, "hidden units that differ", "drawn"), 32.0);
    // Not one of ten digits is told from another.
    let chance = 10f64.ln();
    assert!((figure(trial, "loss at the first step", "zeros") - chance).abs() < 1e-6);
    assert!((figure(trial, "loss at the end", "zeros") - chance).abs() < 0.03);
    // 32 equal units are worth one.
    let alone = figure(&shown.trials[1], "loss at the end", "one unit");
    let equal = figure(trial, "loss at the end", "equal");
    assert!((equal - alone).abs() < 0.15, "{equal} {alone}");
    assert!(figure(trial, "loss at the end", "drawn") < 0.5 * equal);
}

#[test]
fn vanishing_shrinks_by_the_factor_that_theory_gives() {
    let shown = run(Lesson::Vanishing);
    let [tanh, sigmoid, relu] = &shown.trials[..] else {
        panic!("three networks");
    };
    let per_layer = |trial: &Trial, start, layers: i32| {
        let first = figure(trial, "signal behind the first", start);
        let last = figure(trial, "signal behind the last", start);
        (last / first).powf(1.0 / f64::from(layers - 1))
    };
    // 0.02 √64, and √(1/2); finite width makes the geometric mean a little smaller.
    assert!((per_layer(tanh, "small", 8) - 0.16).abs() < 0.01);
    assert!((per_layer(relu, "xavier", 16) - 0.5f64.sqrt()).abs() < 0.06);
    assert!((per_layer(relu, "he", 16) - 1.0).abs() < 0.06);
    for (trial, bad, good) in [
        (tanh, "small", "lecun"),
        (sigmoid, "xavier", "auto"),
        (relu, "xavier", "he"),
    ] {
        assert_eq!(outcome(trial, bad), Outcome::Fails);
        assert_eq!(outcome(trial, good), Outcome::Trains);
        let chance = trial.comparison.chance;
        let end = figure(trial, "loss at the end", bad);
        assert!((end - chance).abs() < 0.02, "{end}");
        let gradient = |start| figure(trial, "gradient of the first layer", start);
        assert!(gradient(bad) < gradient(good));
    }
    let gradient = |start| figure(tanh, "gradient of the first layer", start);
    assert!(gradient("small") < 1e-5 * gradient("lecun"));
}

#[test]
fn exploding_grows_until_numbers_run_away() {
    let shown = run(Lesson::Exploding);
    let trial = &shown.trials[0];
    let first = figure(trial, "signal behind the first", "random");
    let last = figure(trial, "signal behind the last", "random");
    let factor = (last / first).powf(1.0 / 9.0);
    // √(64 / 2), less what finite width takes.
    assert!((factor / 32f64.sqrt() - 1.0).abs() < 0.1, "{factor}");
    assert!(figure(trial, "loss at the first step", "random") > 1e6);
    assert!(figure(trial, "loss at the end", "random").is_infinite());
    assert_eq!(outcome(trial, "he"), Outcome::Trains);
    assert!(shown.trials[0].seen[1].contains("they run away at step"));
}

#[test]
fn slow_comes_there_late() {
    let shown = run(Lesson::Slow);
    let trial = &shown.trials[0];
    let steps = |start| figure(trial, "steps until the loss is", start);
    assert!(steps("small") > 2.0 * steps("lecun"));
    let gradient = |step: &str| {
        figure(
            trial,
            &format!("gradient of the first layer at step {step},"),
            "small",
        )
    };
    assert!(gradient("0") < 0.1 * figure(trial, "gradient of the first layer at step 0,", "lecun"));
    assert!(gradient("100") > 2.0 * gradient("0"));
    assert!(figure(trial, "loss at the end", "small") < 0.7 * trial.comparison.chance);
}

#[test]
fn saturation_is_there_from_the_start_and_stays() {
    let shown = run(Lesson::Saturation);
    let trial = &shown.trials[0];
    let share =
        |when: &str, start| figure(trial, &format!("saturated outputs at the {when}"), start);
    assert!(share("start", "random") > 0.6 && share("end", "random") > 0.6);
    assert!(share("start", "lecun") < 0.05);
    let right = |start| figure(trial, "digits it has never seen", start);
    assert!(right("random") < 0.35 && right("lecun") > 0.55);
}

#[test]
fn dead_units_stay_dead_and_narrow_networks_are_born_so() {
    let shown = run(Lesson::Dead);
    let [biases, narrow, wide] = &shown.trials[..] else {
        panic!("three networks");
    };
    assert!(figure(biases, "dead units at the start", "negative") > 0.7);
    assert!(figure(biases, "dead units at the end", "negative") > 0.7);
    assert!(figure(biases, "dead units at the start", "he") < 0.15);
    assert_eq!(
        figure(biases, "gradient of the first layer", "negative"),
        0.0
    );
    assert_eq!(outcome(biases, "negative"), Outcome::Fails);
    assert_eq!(outcome(biases, "he"), Outcome::Trains);
    // Less often for a batch of 32 than for one sample, which is 1 - (7/8)^12 = 0.80.
    let born = figure(narrow, "networks born dead", "he");
    assert!((0.4..0.8).contains(&born), "{born}");
    assert_eq!(figure(wide, "networks born dead", "he"), 0.0);
}

#[test]
fn plateau_grows_with_the_logarithm_of_the_noise() {
    let shown = run(Lesson::Plateau);
    let trial = &shown.trials[0];
    let steps = |start| figure(trial, "steps until the loss is", start);
    let waits = ["lecun", "noise1e-2", "noise1e-4", "noise1e-6"].map(steps);
    assert!(waits.windows(2).all(|pair| pair[0] < pair[1]), "{waits:?}");
    let (first, second) = (waits[2] - waits[1], waits[3] - waits[2]);
    assert!((0.5..2.0).contains(&(second / first)), "{waits:?}");
    assert!(figure(trial, "loss around step", "noise1e-6") > 1.9);
    assert!(figure(trial, "loss at the end", "noise1e-6") < 1.0);
}

#[test]
fn bias_of_zero_begins_far_above_what_counting_gives() {
    let shown = run(Lesson::Bias);
    let trial = &shown.trials[0];
    let first = |start| figure(trial, "loss at the first step", start);
    let entropy = trial.comparison.chance;
    assert!((first("zero") - 2f64.ln()).abs() < 0.03);
    // A batch of 32 holds 0, 1 or 2 of the rare class, each of which costs ln 50.
    assert!(first("prior") < 3.0 * entropy);
    assert!((entropy - 0.098).abs() < 0.03, "{entropy}");
    let steps = |start| figure(trial, "steps until it is", start);
    assert!(steps("prior") < steps("zero"));
}

#[test]
fn names_read_back_and_an_unknown_one_lists_them() {
    for lesson in Lesson::ALL {
        assert_eq!(lesson.name().parse::<Lesson>().unwrap(), lesson);
        let page = lesson.page();
        for text in [page.title, page.why, page.mend, page.source] {
            assert!(!text.is_empty() && !text.contains("  "), "{lesson}: {text}");
        }
    }
    let error = "explode".parse::<Lesson>().unwrap_err().to_string();
    assert_eq!(
        error,
        "there is no lesson `explode`; known are symmetry, vanishing, exploding, slow, saturation, dead, plateau, bias"
    );
}

#[test]
fn progress_rises_to_its_end_and_stop_ends_it() {
    let told = Mutex::new(Vec::new());
    let progress = |done: usize, all: usize| told.lock().unwrap().push((done, all));
    let stop = AtomicBool::new(false);
    Lesson::Symmetry.run(1, &progress, &stop).unwrap();
    let told = told.into_inner().unwrap();
    assert!(
        told.windows(2)
            .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 == pair[1].1)
    );
    let (done, all) = told.last().unwrap();
    assert_eq!(done, all);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let shown = Lesson::Symmetry.run(1, &|_, _| (), &stop).unwrap();
    assert!(!shown.complete && shown.trials.iter().all(|t| t.figures.is_empty()));
}
