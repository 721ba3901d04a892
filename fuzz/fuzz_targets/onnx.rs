//! The bytes of an ONNX file: read or refused in a sentence; what reads is planned, and where its
//! weights are small, stripped, written back with those weights and read again as the same network.
#![no_main]

mod model;

use fanin::Seed;
use fanin_network::{Dims, Network, Weights, onnx};
use fanin_plan::{Recipe, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let path = model::write(data);
    let sentence = |error: &dyn std::fmt::Display| {
        let text = error.to_string();
        assert!(!text.is_empty());
    };
    let network = match fanin_network::open(&path.to_string_lossy(), &Dims::default()) {
        Ok(network) => network,
        Err(error) => return sentence(&error),
    };
    let request = Request {
        recipe: Recipe::Auto,
        ..Request::new(Seed::new(0))
    };
    if let Err(error) = fanin_plan::plan(&network, &request) {
        sentence(&error);
    }
    if !model::is_small(&network) {
        return;
    }
    let weights = match Weights::from_model(&network) {
        Ok(weights) => weights,
        Err(error) => return sentence(&error),
    };
    let out = model::folder().join("out.onnx");
    if let Err(error) = onnx::strip(&network, &out) {
        sentence(&error);
    }
    match onnx::write_weights(&network, &weights, &out) {
        Ok(()) => {
            let again = fanin_network::open(&out.to_string_lossy(), &Dims::default())
                .expect("what was written reads");
            let names = |n: &Network| -> Vec<(String, Vec<usize>)> {
                let all = n.parameters.iter();
                all.map(|p| (p.name.clone(), p.shape.clone())).collect()
            };
            assert_eq!(names(&again), names(&network));
        }
        Err(error) => sentence(&error),
    }
    if let Err(error) = onnx::encode(&network, Some(&weights)) {
        sentence(&error);
    }
});
