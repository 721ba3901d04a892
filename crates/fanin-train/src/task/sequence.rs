//! Sequences: recall, copy, adding.

use fanin::Seed;

use super::made::{Made, classes};
use crate::random::Draw;
use crate::{Form, Input, Output, Samples};

/// Deviation of the noise on steps of numbers.
const NOISE: f64 = 0.3;

/// How symbols look on the way in: ids, or a pattern of ±1 per symbol.
enum Alphabet {
    Ids,
    Patterns(Vec<Vec<f64>>),
}

impl Alphabet {
    fn new(form: &Form, symbols: usize, draw: &mut Draw) -> Self {
        match form.input {
            Input::Sequence { width, .. } => {
                let sign = |draw: &mut Draw| if draw.below(2) == 0 { -1.0 } else { 1.0 };
                let pattern = |k: usize, draw: &mut Draw| -> Vec<f64> {
                    // One number can tell symbols apart by its size alone.
                    if width == 1 {
                        vec![2.0 * k as f64 / (symbols - 1).max(1) as f64 - 1.0]
                    } else {
                        (0..width).map(|_| sign(draw)).collect()
                    }
                };
                Self::Patterns((0..symbols).map(|k| pattern(k, draw)).collect())
            }
            _ => Self::Ids,
        }
    }

    /// Writes sequences of symbols, `None` being a step without one.
    fn write(&self, steps: &[Option<usize>], symbols: usize, draw: &mut Draw) -> Samples {
        match self {
            // The id after the last symbol stands for none.
            Self::Ids => {
                Samples::Integers(steps.iter().map(|s| s.unwrap_or(symbols) as i64).collect())
            }
            Self::Patterns(patterns) => {
                let width = patterns.first().map_or(0, Vec::len);
                let none = vec![0.0; width];
                let mut out = Vec::with_capacity(steps.len() * width);
                for step in steps {
                    let pattern = step.map_or(&none, |s| &patterns[s]);
                    out.extend(pattern.iter().map(|v| (v + NOISE * draw.normal()) as f32));
                }
                Samples::Floats(out)
            }
        }
    }
}

fn time(form: &Form) -> usize {
    match form.input {
        Input::Sequence { time, .. } | Input::Tokens { time, .. } => time,
        _ => 1,
    }
}

/// Symbols a network can both read and name, one id being kept for "none".
fn symbols(form: &Form) -> usize {
    let named = classes(form, 8);
    match form.input {
        Input::Tokens { vocabulary, .. } => named.min(vocabulary - 1),
        Input::Sequence { width, .. } if width < 4 => named.min(1 << width),
        _ => named,
    }
}

/// Which symbol stood at the first step.
pub(super) fn recall(form: &Form, count: usize, seed: Seed) -> Made {
    let mut draw = Draw::new(seed, "recall");
    let (symbols, time) = (symbols(form), time(form));
    let alphabet = Alphabet::new(form, symbols, &mut draw);
    let firsts: Vec<usize> = (0..count).map(|_| draw.below(symbols)).collect();
    let steps: Vec<Option<usize>> = firsts
        .iter()
        .flat_map(|&first| (0..time).map(move |t| (t == 0).then_some(first)))
        .collect();
    let inputs = alphabet.write(&steps, symbols, &mut draw);
    Made {
        inputs,
        ..Made::classes(form, Vec::new(), firsts)
    }
}

/// At every step which symbol stood a quarter of the sequence before; the first steps do not count.
pub(super) fn copy(form: &Form, count: usize, seed: Seed) -> Made {
    let mut draw = Draw::new(seed, "copy");
    let (symbols, time) = (symbols(form), time(form));
    let alphabet = Alphabet::new(form, symbols, &mut draw);
    let delay = (time / 4).max(1);
    let steps: Vec<usize> = (0..count * time).map(|_| draw.below(symbols)).collect();
    let targets = steps
        .chunks(time)
        .flat_map(|row| (0..time).map(|t| t.checked_sub(delay).map_or(-1, |from| row[from] as i64)))
        .collect();
    let steps: Vec<Option<usize>> = steps.into_iter().map(Some).collect();
    Made {
        inputs: alphabet.write(&steps, symbols, &mut draw),
        targets: Samples::Integers(targets),
        target_shape: vec![time],
    }
}

/// Numbers between 0 and 1, two of which are marked in the second place: their sum, standardized.
/// Further places are noise.
pub(super) fn adding(form: &Form, count: usize, seed: Seed) -> Made {
    let mut draw = Draw::new(seed, "adding");
    let Input::Sequence { time, width } = form.input else {
        // `Task::misfit` has refused everything else.
        return Made::classes(form, Vec::new(), Vec::new());
    };
    let mut inputs = Vec::with_capacity(count * time * width);
    let mut targets = Vec::with_capacity(count);
    let (low, high) = form.range.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
    for _ in 0..count {
        // One in each half, as in the paper.
        let marked = [draw.below(time / 2), time / 2 + draw.below(time - time / 2)];
        let mut sum = 0.0;
        for t in 0..time {
            let value = draw.unit();
            let mark = marked.contains(&t);
            if mark {
                sum += value;
            }
            inputs.push(value as f32);
            inputs.push(f32::from(u8::from(mark)));
            inputs.extend((2..width).map(|_| (NOISE * draw.normal()) as f32));
        }
        // Two uniform numbers: mean 1, variance 1/6.
        let target = match form.output {
            Output::Values if low.is_finite() => low + (high - low) * (0.1 + 0.4 * sum),
            _ => (sum - 1.0) * 6.0f64.sqrt(),
        };
        targets.push(target as f32);
    }
    Made {
        inputs: Samples::Floats(inputs),
        targets: Samples::Floats(targets),
        target_shape: form.output_shape[1..].to_vec(),
    }
}
