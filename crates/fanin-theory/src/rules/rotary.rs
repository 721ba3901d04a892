//! Rotary embedding: pairs of features turned by an angle per place.
//!
//! A rotation keeps every second moment. What two places have in common it turns by the difference of
//! their angles: of a product w of unturned values Σ cos(θ_t − θ_s)/pairs is left, read off the tables
//! where they are known.

use fanin_network::operator::Rotary;
use fanin_network::{Node, ValueId};

use super::back::{Arrival, Back, Flow};
use super::{Context, Rule};
use crate::cross::Cross;
use crate::signal::{Shape, Signal};

impl Rule for Rotary {
    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        let x = context.signal(node, 0)?;
        let kept = kept(self, context, node);
        let turned = |product: Option<f64>| match (product, kept) {
            (Some(0.0), _) => Some(0.0),
            (product, kept) => Some(product? * kept?),
        };
        let mut signal = x.clone();
        // Pairs that lie all round have no mean.
        signal.mean = 0.0;
        signal.cross = Cross {
            within: turned(x.cross.within),
            between: x.cross.between,
            far: turned(x.cross.far),
        };
        signal.shape = Shape::base(output);
        Some(signal)
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        if arrival.slot != 0 {
            return None;
        }
        let kept = kept(self, arrival.context, arrival.node);
        Some(arrival.gaussian(Flow {
            alike: arrival.flow.alike.and_then(|alike| match alike {
                0.0 => Some(0.0),
                alike => Some(alike * kept?),
            }),
            ..arrival.flow.clone()
        }))
    }
}

/// The mean over pairs of places and of features of cos(θ_t − θ_s); `None` where the angles are not
/// known.
fn kept(rotary: &Rotary, context: &Context<'_>, node: &Node) -> Option<f64> {
    let shape = context.shape(node, 0)?;
    let width = match (shape.len(), rotary.heads) {
        (3, heads) if heads > 0 => shape.last()? / heads,
        _ => *shape.last()?,
    };
    let [cosines, sines] = rotary.tables.map(|slot| {
        let table = context.network.constant(context.id(node, slot)?)?;
        Some((table.to_f32(), *table.shape.last()?))
    });
    let ((cosines, pairs), (sines, _)) = (cosines?, sines?);
    let places = *shape.get(shape.len().checked_sub(2)?)?;
    let positions = match context.id(node, rotary.positions) {
        Some(id) => {
            let list = context.network.constant(id)?.to_i64()?;
            // One sequence for all samples, or copies of it.
            let first = list.get(..places)?.to_vec();
            if list.chunks(places.max(1)).any(|other| other != first) {
                return None;
            }
            first
        }
        // A row per place of each sample; the first stands for all.
        None => (0..i64::try_from(places).ok()?).collect(),
    };
    let n = positions.len() as f64;
    let mut sum = 0.0;
    for pair in 0..pairs {
        let (mut real, mut imaginary) = (0.0, 0.0);
        for &place in &positions {
            let at = usize::try_from(place).ok()? * pairs + pair;
            real += f64::from(*cosines.get(at)?);
            imaginary += f64::from(*sines.get(at)?);
        }
        sum += real * real + imaginary * imaginary - n;
    }
    let turned = (2 * pairs) as f64 / width.max(1) as f64;
    let mean = sum / (n * (n - 1.0) * pairs as f64).max(1.0);
    Some((turned * mean + 1.0 - turned).clamp(-1.0, 1.0))
}
