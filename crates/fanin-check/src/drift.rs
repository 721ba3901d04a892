//! The drift of a log scale along the main path, and where it leaves what luck allows.
//!
//! With weights of critical scale each layer preserves the second moment of its signal forward, and
//! the squared length of its gradient backward, in the mean over draws; what is left is a random
//! walk of ln rms with variance ¼ Σ layer variance. A stretch of layers whose change of level exceeds
//! that walk's band by more than a factor is a fault of scale. Since levels are logs, the change
//! over a stretch is exactly the sum of its layers' changes, which is what blame is shared by.

use fanin_theory::band::{DEVIATIONS, TOLERANCE};

use crate::Severity;
use crate::context::Context;
use crate::main_path::{Place, Step};

/// Over a stretch of layers, a change of the signal by this factor slows training.
///
/// A signal or gradient smaller by A makes the function's response to a step of gradient descent
/// smaller by A², so that A² times as many steps are needed (larger by A: steps A² times smaller).
/// A² = 1,000 is slow.
const SLOW: f64 = 31.6;
/// A² = 1,000,000 is beyond the length of any training run.
const HOPELESS: f64 = 1000.0;
/// In a single layer a factor this large comes from no scheme: known ones differ from the critical
/// scale by at most √6 (PyTorch's default before ReLU) and by the root of the fans' ratio.
const ODD: f64 = 10.0;

/// A point of the drift: the end of a layer.
#[derive(Clone, Debug)]
pub(crate) struct Point<'a, 'b> {
    pub(crate) place: &'b Place<'a>,
    /// Log of the scale against what critical weights leave.
    pub(crate) level: f64,
    /// Only points of one stretch compare.
    pub(crate) stretch: u32,
    /// The layer that leads here from the point before; `None` at a start.
    pub(crate) layer: Option<&'b Place<'a>>,
}

/// Which way a level departs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Down,
    Up,
}

/// A stretch of a drift that departs from what luck allows.
#[derive(Clone, Debug)]
pub(crate) struct Departure<'a, 'b> {
    pub(crate) severity: Severity,
    /// The point it starts from.
    pub(crate) from: Point<'a, 'b>,
    /// The point it ends at.
    pub(crate) to: Point<'a, 'b>,
    /// Change of level, negative going down.
    pub(crate) change: f64,
    /// Half the width of what luck allows, as a log.
    pub(crate) band: f64,
    /// The layer that contributes most.
    pub(crate) blamed: &'b Place<'a>,
    /// Its share of the change.
    pub(crate) share: f64,
    /// All layers of the stretch, from its start on.
    pub(crate) layers: Vec<&'b Place<'a>>,
    /// The change that each makes; the changes add up to the whole.
    pub(crate) shares: Vec<(&'b Place<'a>, f64)>,
    /// Whether the change is spread evenly, so that no layer is worse than the others.
    pub(crate) even: bool,
}

/// Forward: the rms of the signal against that of the last reset, layer by layer.
pub(crate) fn forward<'a, 'b>(context: &'b Context<'a>) -> Vec<Point<'a, 'b>> {
    let mut points = Vec::new();
    for End { place, layer, .. } in layer_ends(context.main_path.trunk()) {
        let rms = place.seen.forward.rms;
        if place.scale_free || !(rms > 0.0 && place.reference > 0.0) {
            continue;
        }
        points.push(Point {
            place,
            level: (rms / place.reference).ln(),
            stretch: place.stretch,
            layer: layer.filter(|layer| layer.stretch == place.stretch),
        });
    }
    points
}

/// Backward: the length of the gradient times the scale it acts on, from the last hidden layer to
/// the first.
///
/// Where the scale of a value makes no difference (a normalization follows), the gradient there is
/// as large as the value is small, and only their product says anything; elsewhere the scale that
/// counts is that of a healthy signal.
pub(crate) fn backward<'a, 'b>(context: &'b Context<'a>) -> Vec<Point<'a, 'b>> {
    let trunk = context.main_path.trunk();
    let neutral = neutral_changes(trunk);
    let mut points: Vec<Point<'a, 'b>> = Vec::new();
    let (mut stretch, mut pending) = (0, None);
    for End { at, place, layer } in layer_ends(trunk).into_iter().rev() {
        match level_backward(place) {
            Some(level) => points.push(Point {
                place,
                level: level - neutral.get(at).copied().unwrap_or(0.0),
                stretch,
                layer: pending,
            }),
            // A gradient of exactly zero is another rule's matter.
            None => stretch += 1,
        }
        // What leads from this point to the next one, nearer the input, is this point's own layer.
        pending = layer;
    }
    points
}

fn level_backward(place: &Place<'_>) -> Option<f64> {
    let gradient = place.seen.backward.as_ref()?.rms;
    let scale = if place.scale_free {
        place.seen.forward.rms
    } else {
        place.reference
    };
    let elements: f64 = place.seen.shape.iter().map(|&size| size as f64).product();
    (gradient > 0.0 && scale > 0.0).then(|| (gradient * scale).ln() + 0.5 * elements.ln())
}

/// For each place of the trunk how much of the backward level there is due to pooling and the like
/// between it and the trunk's end.
fn neutral_changes(trunk: &[Place<'_>]) -> Vec<f64> {
    let mut changes = vec![0.0];
    let mut total = 0.0;
    for pair in trunk.windows(2).rev() {
        if let [before, after] = pair
            && after.step == Step::Neutral
            && let (Some(a), Some(b)) = (level_backward(before), level_backward(after))
        {
            total += a - b;
        }
        changes.push(total);
    }
    changes.reverse();
    changes
}

/// The last place of a layer.
struct End<'a, 'b> {
    /// Its position in the trunk.
    at: usize,
    place: &'b Place<'a>,
    /// The place where the layer begins; `None` for what comes before the first.
    layer: Option<&'b Place<'a>>,
}

fn layer_ends<'a, 'b>(trunk: &'b [Place<'a>]) -> Vec<End<'a, 'b>> {
    let begins = |place: &Place<'_>| matches!(place.step, Step::Layer | Step::Joint);
    let mut ends = Vec::new();
    let mut layer = None;
    for (at, place) in trunk.iter().enumerate() {
        if begins(place) {
            layer = Some(place);
        }
        if trunk.get(at + 1).is_none_or(begins) {
            ends.push(End { at, place, layer });
            layer = None;
        }
    }
    ends
}

/// The gravest departure of a drift in one direction.
pub(crate) fn departure<'a, 'b>(
    points: &[Point<'a, 'b>],
    direction: Direction,
) -> Option<Departure<'a, 'b>> {
    let sign = match direction {
        Direction::Down => -1.0,
        Direction::Up => 1.0,
    };
    let mut worst: Option<(Severity, f64, usize, usize)> = None;
    for (i, from) in points.iter().enumerate() {
        let (mut before, mut largest) = (from.level, 0.0f64);
        for (j, to) in points.iter().enumerate().skip(i + 1) {
            if to.stretch != from.stretch {
                break;
            }
            largest = largest.max(sign * (to.level - before));
            before = to.level;
            let excess = sign * (to.level - from.level) - band(from, to);
            let single = j == i + 1 && to.layer.is_some_and(|layer| layer.step == Step::Layer);
            let stays = match direction {
                Direction::Down => excess - largest,
                Direction::Up => excess,
            };
            let Some(severity) = severity(excess, stays, single) else {
                continue;
            };
            if worst.is_none_or(|(s, e, ..)| (severity, excess) > (s, e)) {
                worst = Some((severity, excess, i, j));
            }
        }
    }
    let (severity, _, i, j) = worst?;
    let stretch = points.get(i..=j)?;
    let (from, to) = (stretch.first()?.clone(), stretch.last()?.clone());
    let (mut layers, mut shares) = (Vec::new(), Vec::new());
    let mut blamed: Option<(f64, &'b Place<'a>)> = None;
    for pair in stretch.windows(2) {
        let [before, after] = pair else { continue };
        let share = after.level - before.level;
        shares.push((after.layer.unwrap_or(after.place), share));
        let Some(layer) = after.layer else { continue };
        layers.push(layer);
        if blamed.is_none_or(|(most, _)| sign * share > sign * most) {
            blamed = Some((share, layer));
        }
    }
    let (share, worst_layer) = blamed?;
    let change = to.level - from.level;
    let even = layers.len() >= 3 && share.abs() <= 2.0 * change.abs() / layers.len() as f64;
    let first = *layers.first()?;
    Some(Departure {
        severity,
        band: band(&from, &to),
        from,
        to,
        change,
        blamed: if even { first } else { worst_layer },
        share,
        layers,
        shares,
        even,
    })
}

/// `stays` is what is left of an excess once the layer that does most of it has learned.
///
/// The gradient of a faint weight is as large as all others are, only theirs is faint: the weight
/// grows first, as a zero end of a residual branch does (F302), and frees the rest. So one faint
/// layer slows training but does not stop it; two faint ones stop each other. One loud layer is made
/// up for by the layers behind it, which shrink in some tens of steps of a rate that suits them; that
/// it reaches the output as loud as it is, is F601's matter.
fn severity(excess: f64, stays: f64, single: bool) -> Option<Severity> {
    let slow = if single { ODD } else { SLOW };
    if stays > HOPELESS.ln() {
        Some(Severity::Error)
    } else if excess > slow.ln() {
        Some(Severity::Warning)
    } else {
        None
    }
}

/// How far ln rms walks by luck between two points.
pub(crate) fn band(from: &Point<'_, '_>, to: &Point<'_, '_>) -> f64 {
    let variance = (to.place.variance - from.place.variance).abs();
    0.5 * DEVIATIONS * variance.sqrt() + TOLERANCE
}
