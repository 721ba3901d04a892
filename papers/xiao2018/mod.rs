//! Xiao, Bahri, Sohl-Dickstein, Schoenholz & Pennington 2018; see the README beside.

use fanin::Activation;
use fanin_run::train::Optimizer;
use fanin_theory::criticality::critical_point;

use crate::measure::{fill, forward, observe, open, over_seeds, table};
use crate::training::{Schedule, course, digits, side_by_side};
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

fn by_training() -> Result<Found, Fault> {
    const STEPS: usize = 150;
    let mut found = Found::default();
    // The deepest first, so that no processor waits for it.
    let jobs: Vec<(usize, &str, f64)> = [128, 32]
        .into_iter()
        .flat_map(|layers| {
            ["delta", "Gaussian"]
                .into_iter()
                .flat_map(move |filters| [0.01, 0.03].map(|rate| (layers, filters, rate)))
        })
        .collect();
    let losses = side_by_side(&jobs, |&(layers, filters, rate)| {
        let network = open(&format!("conv(1x8x8, 16x{layers}, 10, tanh)"), 32)?;
        let dataset = digits(&network)?;
        // The paper's demonstration takes q* = 1/depth.
        let rules = rules(filters, 1.0 / layers as f64)?;
        let weights = fill(&network, &borrowed(&rules), 0)?;
        let momentum = Optimizer::Sgd {
            momentum: 0.95,
            decay: 0.0,
        };
        let done = course(
            &network,
            &weights,
            &dataset,
            &Schedule::new(momentum, rate, STEPS),
        )?;
        Ok(done.last_loss(20))
    })?;
    let best: Vec<f64> = losses.chunks(2).map(|l| l[0].min(l[1])).collect();
    let [delta_deep, gaussian_deep, delta, gaussian] =
        <[f64; 4]>::try_from(best).map_err(|_| "four networks")?;
    let chance = 10f64.ln();
    found.claims.push(Claim::holds(
        "128 plain tanh layers, delta-orthogonal: trains",
        "trains (to 10,000 layers)",
        format!("loss {} of chance {}", short(delta_deep), short(chance)),
        "under four fifths of chance after 150 steps",
        delta_deep < 0.8 * chance,
    ));
    found.claims.push(Claim::holds(
        "the same with Gaussian filters on the same critical line: slower",
        "slower",
        short(gaussian_deep),
        "a higher loss after as many steps at the better of two rates",
        gaussian_deep > delta_deep,
    ));
    found.figures = table(
        &["loss after 150 steps", "32 layers", "128 layers"],
        &[
            vec![
                "delta-orthogonal".to_owned(),
                short(delta),
                short(delta_deep),
            ],
            vec!["Gaussian".to_owned(), short(gaussian), short(gaussian_deep)],
        ],
    );
    Ok(found)
}
