//! Lu, Shin, Su & Karniadakis 2019; see the README beside.

use std::collections::BTreeMap;

use fanin_network::HostTensor;
use fanin_run::evaluate;
use fanin_theory::units::born_dead_bound;

use crate::measure::{fill, open, over_seeds, table};
use crate::{Claim, Fault, Found, Paper, Sample, Tolerance, claim::short};

pub(crate) const PAPER: Paper = Paper {
    name: "lu2019",
    citation: "Lu, Shin, Su & Karniadakis 2019, Dying ReLU and initialization: theory and numerical examples",
    at_start: Some(at_start),
    by_training: None,
};

const NETWORKS: u64 = 500;

/// Per network, 1 where it is zero for x > 0, and 1 where it is zero everywhere: without biases it is
/// linear on either side of zero, so that 1 and −1 tell all.
fn dead(width: usize, hidden: usize) -> Result<[Sample; 2], Fault> {
    let network = open(&format!("mlp(1, {width}x{hidden}, 1, relu)"), 2)?;
    let points = HostTensor::f32(vec![2, 1], vec![1.0, -1.0]).ok_or("two points")?;
    let inputs = BTreeMap::from([("input".to_owned(), points)]);
    let dead = over_seeds(NETWORKS, |seed| {
        let weights = fill(&network, &[("*.weight", "he_normal")], seed)?;
        let values = evaluate(&network, &weights, &inputs)?;
        let y = values.first().ok_or("an output")?.to_f32();
        let share = |dead: bool| f64::from(u8::from(dead));
        Ok((share(y[0] == 0.0), share(y.iter().all(|&y| y == 0.0))))
    })?;
    let (ray, whole) = dead.into_iter().unzip();
    Ok([Sample::of(ray), Sample::of(whole)])
}

fn at_start() -> Result<Found, Fault> {
    let mut found = Found::default();
    let mut rows = Vec::new();
    for (width, hidden) in [(2, 4), (2, 9), (3, 9), (4, 9), (8, 9)] {
        let bound = born_dead_bound(&vec![width; hidden]);
        let [ray, whole] = dead(width, hidden)?;
        let name = format!("width {width}, {hidden} hidden layers");
        found.claims.push(Claim::near(
            format!("{name}: share that is zero for all x > 0, 1 − Π (1 − 2^−N)"),
            bound,
            &ray,
            Tolerance::Sampling(0.0),
        ));
        found.claims.push(Claim::holds(
            format!("{name}: share born dead is under the bound (theorem 3.3)"),
            format!("≤ {}", short(bound)),
            short(whole.mean()),
            format!("3.3 standard errors of {NETWORKS} networks"),
            whole.mean() <= bound + 3.3 * whole.error(),
        ));
        rows.push(vec![
            width.to_string(),
            hidden.to_string(),
            short(bound),
            short(ray.mean()),
            short(whole.mean()),
        ]);
    }
    let depths = [4, 9, 19, 39];
    let shares: Vec<f64> = depths
        .iter()
        .map(|&hidden| Ok(dead(2, hidden)?[1].mean()))
        .collect::<Result<_, Fault>>()?;
    found.claims.push(Claim::holds(
        "width 2: the share born dead tends to 1 with depth (theorem 3.1), 4, 9, 19, 39 hidden layers",
        "growing to 1",
        shares.iter().map(|&s| short(s)).collect::<Vec<_>>().join(", "),
        "growing, and at least 0.99 at the last",
        shares.windows(2).all(|w| w[0] < w[1]) && shares[3] >= 0.99,
    ));
    found.figures = table(
        &[
            "width",
            "hidden layers",
            "1 − Π (1 − 2^−N)",
            "zero for x > 0",
            "born dead",
        ],
        &rows,
    );
    Ok(found)
}
