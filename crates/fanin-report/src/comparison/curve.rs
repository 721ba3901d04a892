//! Curves over the steps: means over equal stretches, the middle and the spread over the seeds.

use fanin_train::{Run, StartResult};

/// One stretch of the steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spot {
    /// The step in the stretch's middle.
    pub(super) step: f64,
    /// Median over the seeds of the mean over the stretch; infinite where most ran away.
    pub(super) middle: f64,
    /// Lowest and highest over the seeds.
    pub(super) low: f64,
    pub(super) high: f64,
}

/// The loss of a start in at most so many stretches.
pub(super) fn losses(start: &StartResult, stretches: usize) -> Vec<Spot> {
    spots(start, stretches, |run| &run.losses)
}

/// The accuracy likewise; empty where targets are values.
pub(super) fn accuracies(start: &StartResult, stretches: usize) -> Vec<Spot> {
    spots(start, stretches, |run| &run.accuracies)
}

fn spots(start: &StartResult, stretches: usize, series: impl Fn(&Run) -> &Vec<f32>) -> Vec<Spot> {
    // A training that ran away early still has its place on the axis that the longest gives.
    let steps = start.runs.iter().map(|run| series(run).len()).max();
    let steps = steps.unwrap_or(0);
    let stretches = stretches.min(steps);
    (0..stretches)
        .filter_map(|k| {
            let (from, to) = (k * steps / stretches, (k + 1) * steps / stretches);
            let means = start.runs.iter().filter_map(|run| {
                let series = series(run);
                let part = series.get(from..to.min(series.len())).unwrap_or(&[]);
                match (part, run.diverged_at) {
                    ([], None) => None,
                    ([], Some(_)) => Some(f64::INFINITY),
                    (part, _) => {
                        let sum: f64 = part.iter().map(|&v| f64::from(v)).sum();
                        let mean = sum / part.len() as f64;
                        Some(if mean.is_nan() { f64::INFINITY } else { mean })
                    }
                }
            });
            let mut means: Vec<f64> = means.collect();
            means.sort_by(f64::total_cmp);
            Some(Spot {
                step: (from + to) as f64 / 2.0,
                middle: middle(&means)?,
                low: *means.first()?,
                high: *means.last()?,
            })
        })
        .collect()
}

/// The median of sorted numbers.
fn middle(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

/// A curve in eighths of a line's height, from `top` down to 0; a cross where numbers ran away.
pub(super) fn bars(start: &StartResult, top: f64, width: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let mut line: String = losses(start, width)
        .into_iter()
        .map(|spot| {
            if spot.middle.is_finite() {
                BARS[(8.0 * spot.middle / top).clamp(0.0, 7.0) as usize]
            } else {
                '×'
            }
        })
        .collect();
    let away = start.runs.iter().filter(|run| run.diverged_at.is_some());
    if 2 * away.count() > start.runs.len() && !line.ends_with('×') {
        line.push('×');
    }
    line
}
