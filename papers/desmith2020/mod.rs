//! De & Smith 2020; see the README beside.

use crate::measure::{at, fill, observe, open, over_seeds, table};
use crate::training::{Enough, PLAIN, Schedule, course, digits, side_by_side};
use crate::{Claim, Fault, Found, Paper, Sample, Tolerance, claim::short};

pub(crate) const PAPER: Paper = Paper {
    name: "desmith2020",
    citation: "De & Smith 2020, Batch normalization biases residual blocks towards the identity function in deep networks",
    at_start: Some(at_start),
    by_training: Some(by_training),
};

const BLOCKS: usize = 16;

/// The variance of the stream after the first layer and after every block.
fn stream(options: &str, branch: &str) -> Result<Vec<Sample>, Fault> {
    let layers = BLOCKS + 1;
    let line = format!("mlp(256, 256x{layers}, 10, relu, residual=true, bias=false{options})");
    let network = open(&line, 64)?;
    // The first layer is linear in its input; it hands the stream a variance of one.
    let rules = [
        ("layers.*.weight", branch),
        ("layers.0.weight", "lecun_normal"),
    ];
    let networks = over_seeds(20, |seed| {
        let weights = fill(&network, &rules, seed)?;
        let trace = observe(&network, &weights, seed)?;
        let first = at(&trace, "Gemm")[0];
        let sums = at(&trace, "Add");
        let all = [first].into_iter().chain(sums);
        Ok(all.map(|o| o.forward.rms.powi(2)).collect::<Vec<f64>>())
    })?;
    Ok(Sample::columns(&networks))
}

fn at_start() -> Result<Found, Fault> {
    let mut found = Found::default();
    let places = [0, 1, 2, 4, 8, 16];
    let chosen = |samples: &[Sample]| places.map(|k| samples[k].clone());
    let tolerance = Tolerance::Sampling(0.02);
    let plain = stream("", "he_normal")?;
    found.claims.push(Claim::series(
        "without normalization: variance after 0, 1, 2, 4, 8, 16 blocks is 2^l (section 2)",
        &places.map(|l| 2f64.powi(l as i32)),
        &chosen(&plain),
        tolerance,
    ));
    let normed = stream(", norm=batch", "he_normal")?;
    found.claims.push(Claim::series(
        "with batch norm: l + 1, so that block l adds 1 to a stream of l (section 2)",
        &places.map(|l| l as f64 + 1.0),
        &chosen(&normed),
        tolerance,
    ));
    let scaled = stream("", &format!("residual(branches={BLOCKS}, of=he_normal)"))?;
    found.claims.push(Claim::series(
        "without normalization, branches times 1/√16: (1 + 1/16)^l",
        &places.map(|l| (1.0 + 1.0 / BLOCKS as f64).powi(l as i32)),
        &chosen(&scaled),
        tolerance,
    ));
    let closed = stream("", "zeros")?;
    found.claims.push(Claim::series(
        "SkipInit, branches closed: 1",
        &[1.0; 6],
        &chosen(&closed),
        tolerance,
    ));
    let row = |name: &str, samples: &[Sample]| {
        let cells = chosen(samples).map(|s| short(s.mean()));
        [name.to_owned()].into_iter().chain(cells).collect()
    };
    found.figures = table(
        &["variance after block", "0", "1", "2", "4", "8", "16"],
        &[
            row("plain", &plain),
            row("batch norm", &normed),
            row("branches times 1/√16", &scaled),
            row("SkipInit", &closed),
        ],
    );
    Ok(found)
}

/// Half of ln 10, the loss of a guess.
const TRAINED: f64 = 0.5 * std::f64::consts::LN_10;

/// The loss after 200 steps, or as soon as it is under half of chance, at the best of a wide range of rates,
/// and that rate.
fn best_loss(blocks: usize, options: &str, branch: &str) -> Result<(f64, f64), Fault> {
    let layers = blocks + 1;
    let network = open(
        &format!("mlp(64, 64x{layers}, 10, relu, residual=true{options})"),
        32,
    )?;
    let dataset = digits(&network)?;
    let head = format!("layers.{layers}.weight");
    let rules = [
        ("layers.*.weight", branch),
        ("layers.0.weight", "lecun_normal"),
        (head.as_str(), "lecun_normal"),
    ];
    let weights = fill(&network, &rules, 0)?;
    let rates: Vec<f64> = (-5..=0).map(|k| 10f64.powi(k)).collect();
    let losses = side_by_side(&rates, |&rate| {
        let schedule = Schedule {
            enough: Some(Enough::Loss(TRAINED)),
            ..Schedule::new(PLAIN, rate, 200)
        };
        Ok(course(&network, &weights, &dataset, &schedule)?.last_loss())
    })?;
    let best = rates.iter().zip(losses).min_by(|a, b| a.1.total_cmp(&b.1));
    Ok(best.map_or((f64::NAN, f64::INFINITY), |(&r, l)| (l, r)))
}

fn by_training() -> Result<Found, Fault> {
    const DEEP: usize = 100;
    let mut found = Found::default();
    let chance = 10f64.ln();
    let mut rows = Vec::new();
    let scaled = format!("residual(branches={DEEP}, of=he_normal)");
    for (name, options, branch, trains) in [
        ("without normalization", "", "he_normal", false),
        ("batch norm", ", norm=batch", "he_normal", true),
        (
            "without normalization, branches times 1/√100",
            "",
            scaled.as_str(),
            true,
        ),
        ("SkipInit, branches closed", "", "zeros", true),
    ] {
        let (loss, rate) = best_loss(DEEP, options, branch)?;
        found.claims.push(Claim::holds(
            format!("100 blocks, {name}: {} (table 1)", if trains { "trains" } else { "does not train" }),
            if trains { "trains" } else { "fails" },
            format!("loss {} of chance {}", short(loss), short(chance)),
            "trains: under half of chance after 200 steps at the best of 6 rates; fails: above four fifths of it",
            if trains { loss < TRAINED } else { loss > 0.8 * chance },
        ));
        rows.push(vec![name.to_owned(), short(loss), short(rate)]);
    }
    found.figures = table(
        &["100 blocks", "lowest loss within 200 steps", "best rate"],
        &rows,
    );
    Ok(found)
}
