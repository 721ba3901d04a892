//! What the layers did: gradients over the first steps, units that no longer answer.

use fanin_run::train::{Look, UnitLook};
use fanin_train::{Comparison, StartResult};

/// Gradients of one start: a row per layer, a column per step that was looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Gradients {
    /// The steps.
    pub(super) steps: Vec<usize>,
    /// The weights, and the rms of the gradient at each step: the median over the seeds; 0 where no
    /// gradient reaches, `None` where nothing was seen.
    pub(super) rows: Vec<(String, Vec<Option<f64>>)>,
}

impl Gradients {
    pub(super) fn of(comparison: &Comparison, start: &StartResult) -> Self {
        let mut steps: Vec<usize> = looks(start).map(|(step, _)| step).collect();
        steps.sort_unstable();
        steps.dedup();
        let rows = comparison.weights.iter().map(|name| {
            let at = |&step: &usize| {
                median(
                    looks(start)
                        .filter(|(at, _)| *at == step)
                        .filter_map(|(_, look)| {
                            let seen = look.parameters.iter().find(|p| p.parameter == *name)?;
                            Some(seen.gradient_rms.unwrap_or(0.0))
                        }),
                )
            };
            (name.clone(), steps.iter().map(at).collect())
        });
        Self {
            rows: rows.collect(),
            steps,
        }
    }

    /// The gradients at one step, from the first layer to the last.
    pub(super) fn at(&self, step: usize) -> Vec<f64> {
        let Some(k) = self.steps.iter().position(|&s| s == step) else {
            return Vec::new();
        };
        let rows = self.rows.iter();
        rows.filter_map(|(_, values)| values.get(k).copied().flatten())
            .collect()
    }
}

/// What the units of one activation did at the start and at the end: medians over the seeds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Units {
    pub(super) node: String,
    pub(super) op: String,
    /// Share of dead units, at the first and at the last look.
    pub(super) dead: [Option<f64>; 2],
    /// Share of saturated outputs likewise.
    pub(super) saturated: [Option<f64>; 2],
}

/// Every activation that has dead or saturated units to speak of, in the order of execution.
pub(super) fn units(start: &StartResult) -> Vec<Units> {
    let Some((_, first)) = looks(start).next() else {
        return Vec::new();
    };
    let both = |k: usize, read: fn(&UnitLook) -> Option<f64>| -> [Option<f64>; 2] {
        let ends = start.runs.iter().filter_map(|run| {
            let (_, first) = run.looks.first()?;
            let (_, last) = run.looks.last()?;
            Some([first, last])
        });
        let ends: Vec<[&Look; 2]> = ends.collect();
        [0, 1].map(|end| median(ends.iter().filter_map(|l| read(l[end].units.get(k)?))))
    };
    first
        .units
        .iter()
        .enumerate()
        .map(|(k, unit)| Units {
            node: unit.node.clone(),
            op: unit.op.clone(),
            dead: both(k, |u| u.dead),
            saturated: both(k, |u| u.saturated),
        })
        .collect()
}

/// Which share of the units is meant.
pub(super) type Share = fn(&Units) -> [Option<f64>; 2];

/// Mean over the layers of a share at one end.
pub(super) fn mean(units: &[Units], end: usize, read: Share) -> Option<f64> {
    let all: Vec<f64> = units.iter().filter_map(|u| read(u)[end]).collect();
    (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
}

fn looks(start: &StartResult) -> impl Iterator<Item = (usize, &Look)> {
    let runs = start.runs.iter();
    runs.flat_map(|run| run.looks.iter().map(|(step, look)| (*step, look)))
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut all: Vec<f64> = values.collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied()
}

/// A logarithmic scale over all sizes that are above zero and finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sizes {
    low: f64,
    high: f64,
}

impl Sizes {
    pub(super) fn over(values: impl Iterator<Item = f64>) -> Self {
        let logs = values.filter(|v| *v > 0.0 && v.is_finite()).map(f64::log10);
        let (low, high) = logs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
            (low.min(v), high.max(v))
        });
        if low > high {
            Self {
                low: 0.0,
                high: 1.0,
            }
        } else {
            // Sizes within a decade are alike, and must not look as if they were not.
            let middle = f64::midpoint(low, high);
            Self {
                low: low.min(middle - 0.5),
                high: high.max(middle + 0.5),
            }
        }
    }

    /// Over the gradients of all starts whose numbers stayed finite: one that runs away would leave
    /// no room for the others.
    pub(super) fn shared<'g>(
        comparison: &Comparison,
        all: impl Iterator<Item = &'g Gradients>,
    ) -> Self {
        let away = |start: &StartResult| start.runs.iter().any(|run| run.diverged_at.is_some());
        let every = comparison.starts.iter().all(away);
        let pairs = comparison.starts.iter().zip(all);
        let values = pairs
            .filter(|(start, _)| every || !away(start))
            .flat_map(|(_, gradients)| gradients.rows.iter())
            .flat_map(|(_, values)| values.iter().copied().flatten());
        Self::over(values)
    }

    /// From 0 at the smallest to 1 at the largest; `None` for zero.
    pub(super) fn place(self, value: f64) -> Option<f64> {
        if value == 0.0 {
            return None;
        }
        if !value.is_finite() {
            return Some(1.0);
        }
        Some(((value.log10() - self.low) / (self.high - self.low)).clamp(0.0, 1.0))
    }

    /// A character per size, a dot for zero, a cross where numbers ran away; at most `width` of
    /// them, evenly chosen with the first and the last.
    pub(super) fn bars(self, values: &[f64], width: usize) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        chosen(values.len(), width)
            .map(|k| match self.place(values[k]) {
                _ if !values[k].is_finite() => '×',
                None => '·',
                Some(place) => BARS[(8.0 * place).min(7.0) as usize],
            })
            .collect()
    }
}

/// At most `most` places of `count`, evenly spread, the first and the last among them.
pub(super) fn chosen(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let n = count.min(most.max(1));
    (0..n).map(move |k| match n {
        1 => 0,
        n => k * (count - 1) / (n - 1),
    })
}

/// A size in two or three characters more than its exponent: `3e-4`, `0`, `∞`.
pub(super) fn brief(x: f64) -> String {
    if x == 0.0 {
        "0".to_owned()
    } else if x.is_finite() {
        format!("{x:.0e}")
    } else {
        "∞".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_become_bars_and_zero_a_dot() {
        let sizes = Sizes::over([1e-4, 1.0, 0.0, f64::NAN].into_iter());
        assert_eq!(
            sizes.bars(&[1e-4, 1e-2, 1.0, 0.0, f64::INFINITY], 9),
            "▁▅█·×"
        );
        // Two sizes that are nearly the same look the same.
        let alike = Sizes::over([1.0, 1.1].into_iter());
        assert_eq!(alike.bars(&[1.0, 1.1], 9), "▄▅");
        assert_eq!(Sizes::over(std::iter::empty()).bars(&[0.0], 9), "·");
    }

    #[test]
    fn chosen_places_hold_both_ends() {
        assert_eq!(chosen(20, 4).collect::<Vec<_>>(), [0, 6, 12, 19]);
        assert_eq!(chosen(3, 12).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(chosen(0, 12).count(), 0);
        assert_eq!(chosen(9, 1).collect::<Vec<_>>(), [0]);
    }
}
