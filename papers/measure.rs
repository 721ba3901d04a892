//! From a line that describes a network to what is seen in it.

use std::collections::BTreeMap;

use fanin::initializers::Normal;
use fanin::{Initializer, Layout, Seed};
use fanin_network::{Dims, HostTensor, Network, Weights};
use fanin_plan::{Recipe, Request, Rules};
use fanin_run::{Data, Observation, RunOptions, Trace, input_gradients, run};

use crate::Fault;

/// The network of a one-line architecture, for so many samples at a time.
pub fn open(line: &str, batch: usize) -> Result<Network, Fault> {
    let dims = Dims {
        batch: Some(batch),
        ..Dims::default()
    };
    Ok(fanin_network::open(line, &dims)?)
}

/// Weights by rules, pairs of a name glob and an initializer, the last that matches; what no rule
/// matches gets recipe `he`, whose biases are zero.
pub fn fill(network: &Network, rules: &[(&str, &str)], seed: u64) -> Result<Weights, Fault> {
    let text: String = rules
        .iter()
        .map(|(glob, initializer)| {
            format!("[[rule]]\nmatch = \"{glob}\"\ninitializer = \"{initializer}\"\n")
        })
        .collect();
    let request = Request {
        recipe: Recipe::He,
        rules: Rules::parse(&text)?,
        ..Request::new(Seed::new(seed))
    };
    Ok(fanin_plan::plan(network, &request)?.plan.fill_weights()?)
}

/// What happens in one run forward and backward on standard normal inputs.
pub fn observe(network: &Network, weights: &Weights, seed: u64) -> Result<Trace, Fault> {
    Ok(run(network, weights, &RunOptions::new(Seed::new(seed)))?)
}

/// The same on a given input.
pub fn observe_on(
    network: &Network,
    weights: &Weights,
    input: HostTensor,
    seed: u64,
) -> Result<Trace, Fault> {
    let options = RunOptions {
        data: Some(Data::new(BTreeMap::from([("input".to_owned(), input)]))),
        ..RunOptions::new(Seed::new(seed))
    };
    Ok(run(network, weights, &options)?)
}

/// So many standard normal numbers.
pub fn standard_normal(count: usize, seed: u64) -> Vec<f32> {
    let mut numbers = vec![0.0; count];
    let normal = Initializer::from(Normal {
        mean: 0.0,
        std: 1.0,
    });
    // Neither the initializer nor the shape can be refused.
    let _ = normal.fill(
        Seed::new(seed),
        "sample",
        &[count],
        &Layout::vector(),
        &mut numbers,
    );
    numbers
}

/// The Jacobian of the output with respect to the input at one sample, a row per output: of a network
/// that is opened for as many samples as it has outputs and does not mix them.
pub fn jacobian(network: &Network, weights: &Weights, sample: &[f32]) -> Result<Vec<f64>, Fault> {
    let outputs = network
        .outputs
        .first()
        .and_then(|&id| network.value(id).shape.as_ref())
        .and_then(|shape| shape.last().copied())
        .ok_or("the network has an output of known shape")?;
    let input = HostTensor::f32(vec![outputs, sample.len()], sample.repeat(outputs));
    let mut identity = vec![0.0; outputs * outputs];
    identity
        .iter_mut()
        .step_by(outputs + 1)
        .for_each(|x| *x = 1.0);
    let cotangent = HostTensor::f32(vec![outputs, outputs], identity);
    let data = Data::new(BTreeMap::from([
        ("input".to_owned(), input.ok_or("samples fit their shape")?),
        ("cotangent".to_owned(), cotangent.ok_or("a square")?),
    ]));
    let gradients = input_gradients(network, weights, &data, Seed::new(0))?;
    let rows = gradients.get("input").ok_or("a gradient at the input")?;
    Ok(rows.to_f32().into_iter().map(f64::from).collect())
}

/// What was seen at the outputs of one operator, in the order of execution.
pub fn at<'a>(trace: &'a Trace, op: &str) -> Vec<&'a Observation> {
    trace.values.iter().filter(|o| o.op == op).collect()
}

/// Root mean squares of the outputs of one operator.
pub fn forward(trace: &Trace, op: &str) -> Vec<f64> {
    at(trace, op).iter().map(|o| o.forward.rms).collect()
}

/// Root mean squares of the gradient at the outputs of one operator; NaN where none arrives.
pub fn backward(trace: &Trace, op: &str) -> Vec<f64> {
    let rms = |o: &&Observation| o.backward.as_ref().map_or(f64::NAN, |b| b.rms);
    at(trace, op).iter().map(rms).collect()
}

/// Figures of networks that differ in their seed only.
pub fn over_seeds<T>(
    seeds: u64,
    measure: impl Fn(u64) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    (0..seeds).map(measure).collect()
}

/// A Markdown table.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let mut text = line(&mut head.iter().copied());
    text += &format!("|{}\n", "---|".repeat(head.len()));
    for row in rows {
        text += &line(&mut row.iter().map(String::as_str));
    }
    text
}
