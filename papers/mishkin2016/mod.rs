//! Mishkin & Matas 2016; see the README beside.

use fanin::Seed;
use fanin_check::{Basis, rescale};
use fanin_network::Weights;

use crate::measure::{fill, forward, observe, open, table};
use crate::{Claim, Fault, Found, Paper, claim::short};

pub(crate) const PAPER: Paper = Paper {
    name: "mishkin2016",
    citation: "Mishkin & Matas 2016, All you need is a good init",
    at_start: Some(at_start),
    by_training: None,
};

/// The paper's tolerance on the variance, Tol_var.
const TOLERANCE: f64 = 0.1;

/// The thin deep shape of FitNet-4, 17 convolutions, on smaller pictures.
fn line(activation: &str) -> String {
    format!("conv(3x16x16, 16x6, 24x6, 32x5, 10, {activation}, pool=max)")
}

fn range(values: &[f64]) -> String {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    format!("{} to {}", short(low), short(high))
}

fn at_start() -> Result<Found, Fault> {
    let mut found = Found::default();
    let mut rows = Vec::new();
    for activation in ["relu", "leaky_relu(slope=0.333)", "tanh", "elu"] {
        let network = open(&line(activation), 32)?;
        let mut weights = fill(
            &network,
            &[("*.weight", "orthogonal"), ("*.bias", "zeros")],
            1,
        )?;
        let variances = |weights: &Weights, seed| -> Result<Vec<f64>, Fault> {
            let trace = observe(&network, weights, seed)?;
            Ok(forward(&trace, "Conv").into_iter().map(|r| r * r).collect())
        };
        let before = variances(&weights, 2)?;
        let changed = rescale(
            &network,
            &mut weights,
            Basis::Measurement,
            Seed::new(2),
            None,
        )?;
        let after = variances(&weights, 2)?;
        // Another batch than the one the scales were taken from.
        let fresh = variances(&weights, 3)?;
        found.claims.push(Claim::holds(
            format!("{activation}: variance of all 17 convolutions' outputs on the batch LSUV saw"),
            "1",
            range(&after),
            "± 0.1, the paper's Tol_var",
            after.len() == 17 && after.iter().all(|v| (v - 1.0).abs() <= TOLERANCE),
        ));
        found.claims.push(Claim::holds(
            format!("{activation}: the same on a batch that it did not see"),
            "1",
            range(&fresh),
            "± 0.2: Tol_var, and as much for 32 other samples",
            fresh.iter().all(|v| (v - 1.0).abs() <= 2.0 * TOLERANCE),
        ));
        rows.push(vec![
            activation.to_owned(),
            range(&before),
            range(&after),
            range(&fresh),
            changed.factors.len().to_string(),
        ]);
    }
    found.figures = table(
        &[
            "activation",
            "orthonormal",
            "LSUV",
            "LSUV, another batch",
            "weights changed",
        ],
        &rows,
    );
    Ok(found)
}
