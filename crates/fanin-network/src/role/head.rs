//! The output head: the last layer before an output of the network.

use fanin::Activation;

use super::Feeds;
use super::view::View;
use super::walk::{Encounter, What, trace};
use crate::ValueId;

/// What the head feeds if a layer that meets this is one: nothing after it but a softmax, a sigmoid
/// or nothing at all.
pub(super) fn head(view: &View<'_>, met: &[Encounter]) -> Option<Feeds> {
    let mut feeds = None;
    for encounter in met {
        let here = match encounter.what {
            What::Output => Feeds::Linear,
            What::Softmax(node) => {
                let output = view.network.output(node)?;
                only_output(view, output).then_some(Feeds::Softmax)?
            }
            What::Activation(Activation::Sigmoid, output) => {
                only_output(view, output).then_some(Feeds::Activation(Activation::Sigmoid))?
            }
            _ => return None,
        };
        // Logits and probabilities may both be put out.
        if feeds.is_none() || feeds == Some(Feeds::Linear) {
            feeds = Some(here);
        }
    }
    feeds
}

/// Whether a value meets nothing but outputs.
fn only_output(view: &View<'_>, value: ValueId) -> bool {
    let met = trace(view, &Default::default(), value);
    !met.is_empty() && met.iter().all(|e| e.what == What::Output)
}
