//! Where weights come from makes no difference.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::borrow::Cow;
use std::sync::Mutex;

use fanin::Seed;
use fanin_network::{Dims, Network, Parameter, Payload, Weights};
use fanin_plan::{Request, plan};
use fanin_run::{RunError, RunOptions, WeightSource, run};

const MODEL: &str = "conv(1x12x12, 8x2, 3, relu, norm=batch, pool=max)";

fn open() -> (Network, Weights) {
    let network = fanin_network::open(MODEL, &Dims::default()).unwrap();
    let plan = plan(&network, &Request::new(Seed::new(3))).unwrap().plan;
    let weights = plan.fill_weights().unwrap();
    (network, weights)
}

/// Makes each tensor when it is asked for, and notes which.
struct Made<'a>(&'a Weights, Mutex<Vec<String>>);

impl WeightSource for Made<'_> {
    fn elements<'a>(&'a self, parameter: &Parameter) -> Result<Cow<'a, [f32]>, RunError> {
        self.1.lock().unwrap().push(parameter.name.clone());
        Ok(Cow::Owned(self.0.elements(parameter)?.into_owned()))
    }
}

#[test]
fn stored_lent_and_made_weights_run_alike() {
    let (mut network, weights) = open();
    let options = RunOptions::new(Seed::new(1));
    let lent = run(&network, &weights, &options).unwrap();

    let made = Made(&weights, Mutex::default());
    assert_eq!(run(&network, &made, &options).unwrap(), lent);
    // Each once, in the order in which the network comes to them.
    let asked = made.1.into_inner().unwrap();
    let mut all: Vec<&str> = network.parameters.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(asked.len(), all.len());
    assert_eq!(asked[0], "layers.0.weight");
    all.retain(|name| !asked.iter().any(|a| a == name));
    assert!(all.is_empty(), "{all:?}");

    for parameter in &mut network.parameters {
        let tensor = weights.get(&parameter.name).unwrap().clone();
        parameter.payload = Payload::Held(tensor);
    }
    assert_eq!(run(&network, &network, &options).unwrap(), lent);
}

#[test]
fn a_source_of_too_few_elements_gets_a_sentence() {
    struct Short;
    impl WeightSource for Short {
        fn elements<'a>(&'a self, _: &Parameter) -> Result<Cow<'a, [f32]>, RunError> {
            Ok(Cow::Owned(vec![1.0; 3]))
        }
    }
    let (network, _) = open();
    let options = RunOptions::new(Seed::new(1));
    let error = run(&network, &Short, &options).unwrap_err().to_string();
    assert!(
        error.contains("`layers.0.weight`: has 3 elements"),
        "{error}"
    );
    let error = run(&network, &network, &options).unwrap_err().to_string();
    assert!(error.contains("has no elements yet"), "{error}");
}
