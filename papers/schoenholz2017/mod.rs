//! Schoenholz, Gilmer, Ganguli & Sohl-Dickstein 2017; see the README beside.

use fanin::Activation;
use fanin_run::train::Optimizer;
use fanin_theory::criticality::LayerMap;

use crate::measure::{at, fill, observe, open, over_seeds, table};
use crate::training::{Enough, Schedule, course, digits, side_by_side};
use crate::{Claim, Fault, Found, Paper, Sample, Tolerance, claim::short, sample::slope};

pub(crate) const PAPER: Paper = Paper {
    name: "schoenholz2017",
    citation: "Schoenholz, Gilmer, Ganguli & Sohl-Dickstein 2017, Deep information propagation",
    at_start: Some(at_start),
    by_training: Some(by_training),
};

/// σb² of the paper's experiments.
const BIAS: f64 = 0.05;
/// The σw² of the critical line at that σb².
const CRITICAL: f64 = 1.760_954_64;

/// ξc by the integrals of `fanin-theory`.
fn scale(weight: f64) -> Result<f64, Fault> {
    let map = LayerMap::of(Activation::Tanh, weight, BIAS);
    Ok(map
        .criticality()
        .ok_or("a settled second moment")?
        .correlation_scale)
}

fn at_start() -> Result<Found, Fault> {
    let mut found = Found::default();
    measured_scale(&mut found)?;
    Ok(found)
}

/// How fast the cosine between samples settles in networks of width 300, against ξc.
fn measured_scale(found: &mut Found) -> Result<(), Fault> {
    let mut rows = Vec::new();
    for weight in [1.0, 1.3] {
        let expected = scale(weight)?;
        // From three scales on 1 − c is small enough for the exponential to be all of it.
        let (from, to) = ((3.0 * expected) as usize, (5.0 * expected).ceil() as usize);
        let network = open(&format!("mlp(300, 300x{}, 10, tanh)", to + 1), 8)?;
        let rules = rules(weight);
        let scales = over_seeds(10, |seed| {
            let weights = fill(&network, &borrowed(&rules), seed)?;
            let trace = observe(&network, &weights, seed)?;
            // In order, 1 − c shrinks by e^(−1/ξ) per layer.
            let cosines = at(&trace, "Gemm")
                .into_iter()
                .map(|o| o.forward.sample_cosine);
            let points: Vec<(f64, f64)> = cosines
                .enumerate()
                .take(to)
                .skip(from)
                .filter_map(|(l, c)| Some((l as f64, (1.0 - c?).ln())))
                .collect();
            Ok(-1.0 / slope(&points))
        })?;
        let seen = Sample::of(scales);
        found.claims.push(Claim::near(
            format!("σw² = {weight}: depth scale ξc of the correlation, seen from 3 to 5 ξc (equation 9)"),
            expected,
            &seen,
            Tolerance::Sampling(0.05),
        ));
        rows.push(vec![short(weight), short(expected), short(seen.mean())]);
    }
    found.figures = table(&["σw²", "ξc", "seen"], &rows);
    Ok(())
}

fn rules(weight: f64) -> Vec<(String, String)> {
    vec![
        (
            "*.weight".to_owned(),
            format!("variance_scaling(scale={weight}, mode=fan_in, distribution=normal)"),
        ),
        (
            "*.bias".to_owned(),
            format!("normal(mean=0, std={})", BIAS.sqrt()),
        ),
    ]
}

fn borrowed(rules: &[(String, String)]) -> Vec<(&str, &str)> {
    rules
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect()
}

/// Half way between chance, 0.1, and all right.
const HALF: f64 = 0.55;

/// The highest accuracy over 20 steps at the end of 500, or as soon as it is above a half, at the best of
/// four rates. Rates go down to 10⁻⁴: with momentum 0.9 the largest that deep networks stand falls as one
/// over depth.
fn accuracy(weight: f64, layers: usize) -> Result<f64, Fault> {
    let network = open(&format!("mlp(64, 100x{layers}, 10, tanh)"), 32)?;
    let dataset = digits(&network)?;
    let weights = fill(&network, &borrowed(&rules(weight)), 1)?;
    let mut best: f64 = 0.0;
    for rate in [0.001, 0.0003, 0.003, 0.0001] {
        let schedule = Schedule {
            enough: Some(Enough::Accuracy(HALF)),
            ..Schedule::new(Optimizer::SGD, rate, 500)
        };
        let done = course(&network, &weights, &dataset, &schedule)?;
        best = best.max(done.last_accuracy());
        if best > HALF {
            break;
        }
    }
    Ok(best)
}

fn by_training() -> Result<Found, Fault> {
    let mut found = Found::default();
    let shares = [0.5, 1.0, 2.0];
    let mut jobs = Vec::new();
    for weight in [1.0, 1.3, 2.5, 4.0] {
        let reach = 6.0 * scale(weight)?;
        jobs.extend(shares.map(|share| (weight, (share * reach).round() as usize)));
    }
    jobs.push((CRITICAL, 150));
    // Long ones first, so that no processor waits.
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|&k| std::cmp::Reverse(jobs[k].1));
    let sorted: Vec<(f64, usize)> = order.iter().map(|&k| jobs[k]).collect();
    let done = side_by_side(&sorted, |&(weight, layers)| accuracy(weight, layers))?;
    let mut seen = vec![0.0; jobs.len()];
    for (place, accuracy) in order.into_iter().zip(done) {
        seen[place] = accuracy;
    }
    let mut rows = Vec::new();
    let column = |k: usize| -> Vec<f64> { (0..4).map(|w| seen[3 * w + k]).collect() };
    for (w, cells) in jobs.chunks(3).take(4).enumerate() {
        let text = cells
            .iter()
            .zip(&seen[3 * w..])
            .map(|((_, layers), a)| format!("{} ({layers})", short(*a)));
        rows.push([short(cells[0].0)].into_iter().chain(text).collect());
    }
    rows.push(vec![
        format!("{} (critical)", short(CRITICAL)),
        String::new(),
        String::new(),
        format!("{} (150)", short(seen[12])),
    ]);
    let list = |v: &[f64]| v.iter().map(|&x| short(x)).collect::<Vec<_>>().join(", ");
    let (within, beyond) = (column(0), column(2));
    found.claims.push(Claim::holds(
        "at half of 6 ξc networks train (figure 5): accuracy at σw² = 1, 1.3, 2.5, 4",
        "trained",
        list(&within),
        "above 0.55, half way from chance to 1, within 500 steps at the best of four rates",
        within.iter().all(|&a| a > HALF),
    ));
    found.claims.push(Claim::holds(
        "at twice 6 ξc they do not",
        "chance",
        list(&beyond),
        "below 0.55",
        beyond.iter().all(|&a| a < HALF),
    ));
    found.claims.push(
        Claim::holds(
            "on the critical line they train at a depth at which none of the others does: 150 layers",
            "trained",
            short(seen[12]),
            "above 0.55",
            seen[12] > HALF,
        )
        .but("500 steps are too few at 150 layers: it leads the other deep ones and has not come half of the way"),
    );
    found.figures = table(
        &["accuracy (layers) at σw²", "6 ξc / 2", "6 ξc", "12 ξc"],
        &rows,
    );
    Ok(found)
}
