//! An optimizer at work: what it remembers of each parameter, and its steps.

use rayon::prelude::*;

use super::optimizer::Optimizer;
use super::rule::{Piece, Rule};
use crate::array::{Array, CHUNK, Dense};

/// An optimizer and what it remembers of each parameter.
pub(super) struct State {
    optimizer: Optimizer,
    steps: i32,
    /// Per parameter, what its learning rate is multiplied by.
    factors: Vec<f64>,
    /// Per parameter: momentum, or Adam's two means. Empty until its first gradient.
    memory: Vec<[Vec<f32>; 2]>,
}

impl State {
    /// `factors` are those on the learning rate, one per parameter.
    pub(super) fn new(optimizer: Optimizer, factors: Vec<f64>) -> Self {
        Self {
            optimizer,
            steps: 0,
            memory: factors.iter().map(|_| [Vec::new(), Vec::new()]).collect(),
            factors,
        }
    }

    /// Changes every parameter that has a gradient; whether all of them are finite afterwards.
    pub(super) fn update(
        &mut self,
        weights: &mut [Array],
        gradients: &[Option<Array>],
        rate: f64,
        clip: Option<f64>,
    ) -> bool {
        self.steps = self.steps.saturating_add(1);
        let gradients: Vec<Option<Dense>> = gradients
            .iter()
            .map(|g| g.as_ref().map(Dense::new))
            .collect();
        let shrink = clip.map_or(1.0, |most| shrink(&gradients, most));
        let kept = self.optimizer.memory();
        let mut pieces = Vec::new();
        let mut elements = 0;
        let memories = self.memory.iter_mut().zip(&self.factors);
        for ((weight, gradient), (memory, factor)) in
            weights.iter_mut().zip(&gradients).zip(memories)
        {
            let Some(gradient) = gradient else { continue };
            let rule = Rule::new(self.optimizer, self.steps, rate * factor, shrink);
            // Parameters are made dense and stay so; nothing else holds them between two passes.
            let weight = weight.elements_mut();
            elements += weight.len();
            for array in memory.iter_mut().take(kept) {
                array.resize(weight.len(), 0.0);
            }
            let [first, second] = memory;
            let (mut first, mut second) = (first.chunks_mut(CHUNK), second.chunks_mut(CHUNK));
            let chunks = weight.chunks_mut(CHUNK).zip(gradient.chunks(CHUNK));
            pieces.extend(chunks.map(|(weight, gradient)| Piece {
                rule,
                weight,
                gradient,
                memory: [&mut first, &mut second].map(|m| m.next().unwrap_or_default()),
            }));
        }
        if elements < PARALLEL {
            pieces.into_iter().fold(true, |all, p| all & p.update())
        } else {
            let pieces = pieces.into_par_iter().map(Piece::update);
            pieces.reduce(|| true, |a, b| a & b)
        }
    }
}

/// Elements from which the parameters are shared out over threads; of fewer, a change takes no longer
/// than waking a thread.
const PARALLEL: usize = 1 << 16;

/// The factor that brings the norm of all gradients together down to `most`, as
/// `torch.nn.utils.clip_grad_norm_` does (Pascanu et al. 2013).
fn shrink(gradients: &[Option<Dense>], most: f64) -> f64 {
    let square = |c: &[f32]| -> f64 { c.iter().map(|&v| f64::from(v) * f64::from(v)).sum() };
    let pieces: Vec<&[f32]> = gradients
        .iter()
        .flatten()
        .flat_map(|g| g.chunks(CHUNK))
        .collect();
    let elements: usize = pieces.iter().map(|p| p.len()).sum();
    let squares: Vec<f64> = if elements < PARALLEL {
        pieces.into_iter().map(square).collect()
    } else {
        pieces.into_par_iter().map(square).collect()
    };
    (most / (squares.iter().sum::<f64>().sqrt() + 1e-6)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::array;

    /// The weights after three steps on parameters of these sizes.
    fn steps(optimizer: Optimizer, sizes: &[usize]) -> Vec<Vec<f32>> {
        let wave = |n: usize, f: f32| {
            array(
                &[n],
                (0..n).map(|k| (k as f32 * f).sin()).collect::<Vec<_>>(),
            )
        };
        let mut weights: Vec<Array> = sizes.iter().map(|&n| wave(n, 0.3)).collect();
        let mut state = State::new(optimizer, vec![1.0; sizes.len()]);
        for t in 1..=3 {
            let gradients: Vec<_> = sizes.iter().map(|&n| Some(wave(n, t as f32))).collect();
            assert!(state.update(&mut weights, &gradients, 0.01, None));
        }
        weights.iter().map(|w| Dense::new(w).to_vec()).collect()
    }

    #[test]
    fn sharing_parameters_out_changes_no_bit() {
        let (large, small) = (PARALLEL + 123, CHUNK + 5);
        for optimizer in [Optimizer::SGD, Optimizer::ADAM] {
            let both = steps(optimizer, &[large, small]);
            let alone = steps(optimizer, &[small]);
            assert_eq!(both[1], alone[0], "{optimizer:?}");
            assert_eq!(both[0][..small], alone[0], "{optimizer:?}");
        }
    }

    #[test]
    fn clipping_brings_the_common_norm_down() {
        // A norm of 5 over two parameters, to be 1: a fifth of each gradient is left.
        let gradients = [Some(array(&[1], vec![3.0])), Some(array(&[1], vec![4.0]))];
        let mut weights = vec![array(&[1], vec![0.0]), array(&[1], vec![0.0])];
        let mut state = State::new(Optimizer::SGD, vec![1.0; 2]);
        assert!(state.update(&mut weights, &gradients, 1.0, Some(1.0)));
        for (weight, expected) in weights.iter().zip([-0.6, -0.8]) {
            assert!((Dense::new(weight)[0] - expected).abs() < 1e-6);
        }
    }
}
