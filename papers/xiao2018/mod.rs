//! Xiao, Bahri, Sohl-Dickstein, Schoenholz & Pennington 2018; see the README beside.

use fanin::Activation;
use fanin_run::train::Optimizer;
use fanin_theory::criticality::critical_point;

use crate::measure::{fill, forward, observe, open, over_seeds, table};
use crate::training::{Enough, Schedule, course, digits, side_by_side};
use crate::{Claim, Fault, Found, Paper, Sample, Tolerance, claim::short};

pub(crate) const PAPER: Paper = Paper {
    name: "xiao2018",
    citation: "Xiao, Bahri, Sohl-Dickstein, Schoenholz & Pennington 2018, Dynamical isometry and a mean field theory of CNNs: how to train 10,000-layer vanilla convolutional neural networks",
    at_start: Some(at_start),
    by_training: Some(by_training),
};

/// Rules for a tanh network on the critical line at q*, its filters of this kind.
fn rules(filters: &str, q: f64) -> Result<Vec<(String, String)>, Fault> {
    let (weight, bias) = critical_point(Activation::Tanh, q).ok_or("a critical point of tanh")?;
    let gain = weight.sqrt();
    let filter = match filters {
        "delta" => format!("delta_orthogonal(gain={gain})"),
        _ => format!("lecun_normal(gain={gain})"),
    };
    Ok(vec![
        ("layers.*.weight".to_owned(), filter),
        // The first layer's fan-in is one channel: it is the same for both.
        (
            "layers.0.weight".to_owned(),
            format!("lecun_normal(gain={gain})"),
        ),
        (
            "*.bias".to_owned(),
            format!("normal(mean=0, std={})", bias.sqrt()),
        ),
        ("head.weight".to_owned(), "lecun_normal".to_owned()),
        ("head.bias".to_owned(), "zeros".to_owned()),
    ])
}

fn borrowed(rules: &[(String, String)]) -> Vec<(&str, &str)> {
    rules
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect()
}

/// The norm of signals through linear layers: delta-orthogonal filters keep it exactly, padding and
/// all.
fn at_start() -> Result<Found, Fault> {
    let mut found = Found::default();
    let network = open("conv(16x8x8, 16x32, 10, identity, bias=false)", 4)?;
    let ratio = |filters: &str| -> Result<Sample, Fault> {
        let ratios = over_seeds(8, |seed| {
            let weights = fill(&network, &[("layers.*.weight", filters)], seed)?;
            let trace = observe(&network, &weights, seed)?;
            let rms = forward(&trace, "Conv");
            Ok(rms[31] / trace.inputs[0].forward.rms)
        })?;
        Ok(Sample::of(ratios))
    };
    let (delta, gaussian) = (ratio("delta_orthogonal")?, ratio("lecun_normal")?);
    found.claims.push(Claim::near(
        "delta-orthogonal, linear, 32 layers of 16 channels: norm after over before (section 2.4)",
        1.0,
        &delta,
        Tolerance::Absolute(1e-4, "rounding of f32"),
    ));
    found.claims.push(Claim::holds(
        "Gaussian filters with zero padding lose what the padding takes",
        "< 1",
        short(gaussian.mean()),
        "below 0.5",
        gaussian.mean() < 0.5,
    ));
    found.figures = table(
        &["32 linear layers", "norm after over before"],
        &[
            vec!["delta-orthogonal".to_owned(), short(delta.mean())],
            vec!["Gaussian".to_owned(), short(gaussian.mean())],
        ],
    );
    Ok(found)
}

/// Steps until the loss is under four fifths of chance, at the best of three rates; the lowest loss seen
/// at the end of any.
fn by_training() -> Result<Found, Fault> {
    const STEPS: usize = 150;
    const LAYERS: usize = 128;
    const LEARNED: f64 = 0.8 * std::f64::consts::LN_10;
    let mut found = Found::default();
    let rates = [0.001, 0.003, 0.01];
    let jobs: Vec<(&str, f64)> = ["delta", "Gaussian"]
        .into_iter()
        .flat_map(|filters| rates.map(|rate| (filters, rate)))
        .collect();
    let done = side_by_side(&jobs, |&(filters, rate)| {
        let network = open(&format!("conv(1x8x8, 16x{LAYERS}, 10, tanh)"), 16)?;
        let dataset = digits(&network)?;
        // The paper's demonstration takes q* = 1/depth.
        let rules = rules(filters, 1.0 / LAYERS as f64)?;
        let weights = fill(&network, &borrowed(&rules), 0)?;
        let momentum = Optimizer::Sgd {
            momentum: 0.95,
            decay: 0.0,
        };
        let schedule = Schedule {
            enough: Some(Enough::Loss(LEARNED)),
            ..Schedule::new(momentum, rate, STEPS)
        };
        let done = course(&network, &weights, &dataset, &schedule)?;
        let steps = (done.last_loss() < LEARNED).then_some(done.losses.len());
        Ok((steps, done.last_loss()))
    })?;
    let best = |part: &[(Option<usize>, f64)]| {
        let steps = part.iter().filter_map(|(steps, _)| *steps).min();
        let loss = part.iter().map(|(_, l)| *l).fold(f64::INFINITY, f64::min);
        (steps, loss)
    };
    let (delta, gaussian) = (best(&done[..3]), best(&done[3..]));
    let say = |(steps, loss): (Option<usize>, f64)| match steps {
        Some(steps) => format!("{steps} steps"),
        None => format!("not within {STEPS} steps, loss {}", short(loss)),
    };
    found.claims.push(
        Claim::holds(
            "128 plain tanh layers, delta-orthogonal: train (to 10,000 layers)",
            "trains",
            say(delta),
            "the loss gets under four fifths of chance, 1.84, within 150 steps at one of three rates",
            delta.0.is_some(),
        )
        .but("150 steps are too few to get as far: the loss has left chance, 2.30, and is falling"),
    );
    found.claims.push(Claim::holds(
        "the same with Gaussian filters on the same critical line: slower",
        "slower",
        format!("{} against {}", short(gaussian.1), short(delta.1)),
        "a higher loss after as many steps at the best of three rates",
        gaussian.1 > delta.1,
    ));
    let rows: Vec<Vec<String>> = jobs
        .iter()
        .zip(&done)
        .map(|((filters, rate), (steps, loss))| {
            let steps = steps.map_or(format!("> {STEPS}"), |s| s.to_string());
            vec![(*filters).to_owned(), short(*rate), steps, short(*loss)]
        })
        .collect();
    found.figures = table(&["128 layers", "rate", "steps to 1.84", "loss then"], &rows);
    Ok(found)
}
