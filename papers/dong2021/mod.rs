//! Dong, Cordonnier & Loukas 2021; see the README beside.

use std::collections::BTreeMap;

use fanin_network::{HostTensor, Network, Weights};
use fanin_run::evaluate;

use crate::measure::{fill, open, over_seeds, table};
use crate::{Claim, Fault, Found, Paper, Sample, Tolerance, claim::short, sample::slope};

pub(crate) const PAPER: Paper = Paper {
    name: "dong2021",
    citation: "Dong, Cordonnier & Loukas 2021, Attention is not all you need: pure attention loses rank doubly exponentially with depth",
    at_start: Some(at_start),
    by_training: None,
};

const WIDTH: usize = 64;
const TOKENS: usize = 32;
const LAYERS: usize = 8;

fn transformer(layers: usize, options: &str) -> String {
    format!(
        "transformer(layers={layers}, width={WIDTH}, heads=4, vocab={TOKENS}, context={TOKENS}, norm=none, \
         causal=false, bias=false, relu{options})"
    )
}

/// How far the tokens of a sample are from being all the same: ‖X − 1 x̄ᵀ‖/‖X‖.
fn residual(x: &HostTensor) -> f64 {
    let numbers = x.to_f32();
    let (mut away, mut all) = (0.0, 0.0);
    for d in 0..WIDTH {
        let column = || numbers.iter().skip(d).step_by(WIDTH).map(|&v| f64::from(v));
        let mean = column().sum::<f64>() / TOKENS as f64;
        away += column().map(|v| (v - mean).powi(2)).sum::<f64>();
        all += column().map(|v| v * v).sum::<f64>();
    }
    (away / all).sqrt()
}

/// The residual of the stream after the embedding and after every layer.
fn residuals(network: &Network, weights: &Weights, ends: &[String]) -> Result<Vec<f64>, Fault> {
    let mut watched = network.clone();
    for name in ends {
        let node = network.nodes.iter().find(|n| n.name == *name);
        let value = node.and_then(|n| n.outputs.first().copied().flatten());
        watched
            .outputs
            .push(value.ok_or("a node of the transformer")?);
    }
    let ids = HostTensor::i64(vec![1, TOKENS], (0..TOKENS as i64).collect());
    let inputs = BTreeMap::from([("input_ids".to_owned(), ids.ok_or("one id per token")?)]);
    let values = evaluate(&watched, weights, &inputs)?;
    Ok(values[1..].iter().map(residual).collect())
}

/// The residual by layer of a transformer with these options.
fn by_layer(options: &str, end: &str) -> Result<Vec<Sample>, Fault> {
    let network = open(&transformer(LAYERS, options), 1)?;
    let ends: Vec<String> = ["embedding".to_owned()]
        .into_iter()
        .chain((0..LAYERS).map(|k| format!("blocks.{k}.{end}")))
        .collect();
    let rules = [
        ("*", "xavier_normal"),
        ("token_embedding.weight", "normal(mean=0, std=1)"),
        ("position_embedding.weight", "zeros"),
        ("*.mlp.up.weight", "he_normal"),
    ];
    let networks = over_seeds(10, |seed| {
        let weights = fill(&network, &rules, seed)?;
        residuals(&network, &weights, &ends)
    })?;
    Ok(Sample::columns(&networks))
}

fn at_start() -> Result<Found, Fault> {
    let mut found = Found::default();
    let pure = by_layer(", mlp=none, residual=false", "attention.output")?;
    let mlp = by_layer(", residual=false", "mlp.down")?;
    let skip = by_layer(", mlp=none", "attention/residual")?;
    // Below some 1e-6 the residual is the rounding of f32.
    let means = |samples: &[Sample]| -> Vec<f64> { samples.iter().map(Sample::mean).collect() };
    let (p, m, s) = (means(&pure), means(&mlp), means(&skip));
    let list = |v: &[f64]| v.iter().map(|&x| short(x)).collect::<Vec<_>>().join(", ");
    found.claims.push(Claim::holds(
        "attention alone loses rank: ‖res‖/‖x‖ after 0, 1, 2, 3, 4 layers",
        "to 0, faster than any exponential",
        list(&p[..5]),
        "each ratio of successive residuals below the one before, until f32 rounds (1e-6); under 1e-3 after 4",
        {
            let above: Vec<f64> = p.iter().copied().take_while(|&r| r > 1e-6).collect();
            let ratios: Vec<f64> = above.windows(2).map(|w| w[1] / w[0]).collect();
            ratios.windows(2).all(|w| w[1] < w[0]) && p[4] < 1e-3
        },
    ));
    cubic(&mut found)?;
    // After four layers both are the rounding of f32.
    found.claims.push(
        Claim::holds(
            "MLPs slow the collapse (without skips): ‖res‖/‖x‖ after 3 layers over that of attention alone",
            "> 1",
            short(m[3] / p[3]),
            "> 10",
            m[3] > 10.0 * p[3],
        )
        .but(
            "the theorem slows by the Lipschitz constant of the MLP, which at He's scale is about 1, and ReLU brings tokens nearer each other itself",
        ),
    );
    found.claims.push(Claim::holds(
        "skip connections prevent it: ‖res‖/‖x‖ after 4 and 8 layers, attention with skips",
        "stays",
        list(&[s[4], s[8]]),
        "above 0.1 at both",
        s[4] > 0.1 && s[8] > 0.1,
    ));
    let row = |name: &str, v: &[f64]| {
        let cells = v.iter().map(|&x| short(x));
        [name.to_owned()].into_iter().chain(cells).collect()
    };
    found.figures = table(
        &[
            "‖res‖/‖x‖ after layer",
            "0",
            "1",
            "2",
            "3",
            "4",
            "5",
            "6",
            "7",
            "8",
        ],
        &[
            row("attention alone", &p),
            row("attention and MLP", &m),
            row("attention with skips", &s),
        ],
    );
    Ok(found)
}

/// One layer takes a small residual r to about its cube: tokens m + ε·noise, for several ε.
fn cubic(found: &mut Found) -> Result<(), Fault> {
    let network = open(&transformer(1, ", mlp=none, residual=false"), 1)?;
    let ends = [
        "embedding".to_owned(),
        "blocks.0.attention.output".to_owned(),
    ];
    let slopes = over_seeds(10, |seed| {
        let points = [0.2f64, 0.1, 0.05]
            .iter()
            .map(|&epsilon| {
                // What all tokens share comes from the token table, which repeats one row.
                let noise = format!("normal(mean=0, std={epsilon})");
                let rules = [
                    ("*", "xavier_normal"),
                    ("token_embedding.weight", "zeros"),
                    ("position_embedding.weight", noise.as_str()),
                ];
                let mut weights = fill(&network, &rules, seed)?;
                let shared = crate::measure::standard_normal(WIDTH, seed);
                let table = HostTensor::f32(vec![TOKENS, WIDTH], shared.repeat(TOKENS));
                let table = table.ok_or("a row per token")?;
                weights
                    .tensors
                    .insert("token_embedding.weight".to_owned(), table);
                let r = residuals(&network, &weights, &ends)?;
                Ok((r[0].ln(), r[1].ln()))
            })
            .collect::<Result<Vec<_>, Fault>>()?;
        Ok(slope(&points))
    })?;
    found.claims.push(Claim::near(
        "one layer takes a small residual to its cube (theorem 2.2): slope of ln r′ against ln r",
        3.0,
        &Sample::of(slopes),
        Tolerance::Absolute(
            0.15,
            "what residuals of 0.05 to 0.2 leave of the next order",
        ),
    ));
    Ok(())
}
