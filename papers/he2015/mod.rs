//! He, Zhang, Ren & Sun 2015; see the README beside.

use std::sync::atomic::AtomicBool;

use fanin::{Initializer, Layout, Seed};
use fanin_plan::Recipe;
use fanin_train::{Outcome, Settings, Start, StartResult, compare};

use crate::measure::{fill, forward, observe, open, over_seeds, table};
use crate::training::digits;
use crate::{Claim, Fault, Found, Paper, Sample, Tolerance, claim::short, sample::slope};

pub(crate) const PAPER: Paper = Paper {
    name: "he2015",
    citation: "He, Zhang, Ren & Sun 2015, Delving deep into rectifiers",
    at_start: Some(at_start),
    by_training: Some(by_training),
};

/// The deviation of 3×3 filters with so many input channels.
fn filter_deviation(channels: usize) -> Result<f64, Fault> {
    let he: Initializer = "he_normal".parse()?;
    let shape = [64, channels, 3, 3];
    let mut filters = vec![0f32; shape.iter().product()];
    he.fill(
        Seed::new(0),
        "conv",
        &shape,
        &Layout::conv(2, 1),
        &mut filters,
    )?;
    let square: f64 = filters.iter().map(|&w| f64::from(w).powi(2)).sum();
    Ok((square / filters.len() as f64).sqrt())
}

fn at_start() -> Result<Found, Fault> {
    let mut found = Found::default();
    let deviations = [64, 128, 256, 512]
        .map(filter_deviation)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let samples: Vec<Sample> = deviations.iter().map(|&d| Sample::one(d)).collect();
    found.claims.push(Claim::series(
        "deviation of 3×3 filters on 64, 128, 256, 512 channels (section 2.2)",
        &[0.059, 0.042, 0.029, 0.021],
        &samples,
        Tolerance::Absolute(
            0.0008,
            "half the last digit, and 3.3 standard errors of 36,864 weights or more",
        ),
    ));
    // With 0.01 everywhere, the gradient from conv10 to conv2 of the paper's model B.
    let [a, b, c, d] = [0, 1, 2, 3].map(|k| deviations[k] / 0.01);
    found.claims.push(Claim::near(
        "what a deviation of 0.01 takes from the gradient between conv10 and conv2 (section 2.2)",
        1.7e4,
        &Sample::one(a * b.powi(2) * c.powi(2) * d.powi(4)),
        Tolerance::Relative(0.05, "the paper multiplies factors of two digits"),
    ));
    let mut rows = Vec::new();
    for (name, initializer, expected) in
        [("Xavier", "xavier_normal", -1.0), ("He", "he_normal", 0.0)]
    {
        let network = open("mlp(256, 256x30, 10, relu)", 32)?;
        let curves = over_seeds(10, |seed| {
            let weights = fill(&network, &[("*.weight", initializer)], seed)?;
            Ok(forward(&observe(&network, &weights, seed)?, "Relu"))
        })?;
        let per_layer = Sample::of(
            curves
                .iter()
                .map(|rms| {
                    let points: Vec<(f64, f64)> = rms
                        .iter()
                        .enumerate()
                        .map(|(l, r)| (l as f64, 2.0 * r.log2()))
                        .collect();
                    slope(&points)
                })
                .collect(),
        );
        // A single network's logarithm lies below that of the mean, by half of 5/256 per layer; that is
        // put back.
        let luck = 2.5 / 256.0 / std::f64::consts::LN_2;
        found.claims.push(Claim::near(
            format!("{name}, 30 layers of ReLU: log₂ of the second moment's factor per layer"),
            expected,
            &per_layer.map(|log| log + luck),
            Tolerance::Sampling(0.01),
        ));
        let mean = Sample::columns(&curves);
        let cells = [0, 9, 19, 29].map(|l| short(mean[l].mean()));
        rows.push([name.to_owned()].into_iter().chain(cells).collect());
    }
    found.figures = table(&["rms after layer", "1", "10", "20", "30"], &rows);
    Ok(found)
}

/// Xavier and He at their own best rates.
fn trained(layers: usize) -> Result<(Vec<StartResult>, f64), Fault> {
    let network = open(&format!("mlp(64, 64x{layers}, 10, relu)"), 32)?;
    let starts = [Recipe::Xavier, Recipe::He].map(|r| Start::recipe(&network, r));
    let settings = Settings {
        steps: 400,
        looks: Vec::new(),
        ..Settings::default()
    };
    let dataset = digits(&network)?;
    let stop = AtomicBool::new(false);
    let found = compare(&network, &starts, &dataset, &settings, &|_, _| (), &stop)?;
    Ok((found.starts, found.chance))
}

fn by_training() -> Result<Found, Fault> {
    let mut found = Found::default();
    let mut rows = Vec::new();
    for layers in [22, 30] {
        let (starts, chance) = trained(layers)?;
        let [xavier, he] = <[StartResult; 2]>::try_from(starts).map_err(|_| "two starts")?;
        let loss = |s: &StartResult| s.final_loss.unwrap_or(f64::NAN);
        let outcome = |s: &StartResult| s.verdict.map(|v| v.outcome);
        let seen = format!(
            "He {}, Xavier {} (chance {})",
            short(loss(&he)),
            short(loss(&xavier)),
            short(chance)
        );
        found.claims.push(if layers == 22 {
            Claim::holds(
                "22 layers: He learns earlier than Xavier (figure 2): loss after 400 steps at the best rate of each",
                "He lower",
                seen,
                "He's loss under Xavier's, and He trains by fanin's rule (four fifths of the way)",
                outcome(&he) == Some(Outcome::Trains) && loss(&he) < loss(&xavier),
            )
        } else {
            Claim::holds(
                "30 layers: He trains, Xavier stalls (figure 3): the same",
                "He learns, Xavier stays",
                seen,
                "by fanin's rule: He trains; Xavier fails, less than a fifth of the way at any of 8 rates",
                outcome(&he) == Some(Outcome::Trains) && outcome(&xavier) == Some(Outcome::Fails),
            )
        });
        for s in [&xavier, &he] {
            rows.push(vec![
                layers.to_string(),
                s.name.clone(),
                short(s.rate.unwrap_or(f64::NAN)),
                short(loss(s)),
                s.spread.map_or(String::new(), |(l, h)| {
                    format!("{} to {}", short(l), short(h))
                }),
            ]);
        }
    }
    found.figures = table(
        &["layers", "start", "best rate", "loss", "over 3 seeds"],
        &rows,
    );
    Ok(found)
}
