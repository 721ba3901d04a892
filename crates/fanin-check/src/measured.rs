//! From a run to what a prediction starts from.

use fanin_run::{Observation, Trace};
use fanin_theory::{Measured, Moments};

/// What a prediction may know of a run.
pub(crate) fn measured(trace: &Trace, drawn: bool) -> Measured {
    let observations = || trace.inputs.iter().chain(&trace.values);
    let forward = |observation: &Observation| Moments {
        mean: observation.forward.mean,
        rms: observation.forward.rms,
        sample_cosine: observation.forward.sample_cosine,
    };
    Measured {
        values: observations()
            .map(|observation| (observation.value.clone(), forward(observation)))
            .collect(),
        gradients: observations()
            .filter_map(|observation| {
                let backward = observation.backward.as_ref()?;
                Some((observation.value.clone(), backward.rms))
            })
            .collect(),
        parameters: trace
            .parameters
            .iter()
            .map(|p| (p.name.clone(), Moments::new(p.mean, p.rms)))
            .collect(),
        output: Some(trace.output.value.clone()),
        drawn,
    }
}
