//! The arithmetic of one step of an optimizer on one parameter.
//!
//! Each rule follows its `torch.optim` namesake, in f32 with the step's factors reckoned in f64, so
//! that curves can be held against PyTorch's. A piece is read and written once: gradient, memory and
//! weight together.

use super::optimizer::Optimizer;

/// Elements of one parameter that lie together in memory, and what changes them.
pub(super) struct Piece<'a> {
    pub(super) rule: Rule,
    pub(super) weight: &'a mut [f32],
    pub(super) gradient: &'a [f32],
    /// What the optimizer remembers of them; empty where it does not.
    pub(super) memory: [&'a mut [f32]; 2],
}

impl Piece<'_> {
    /// Changes the elements; whether all are finite afterwards. The same bits on every processor: no
    /// multiplication and addition are fused.
    pub(super) fn update(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: this processor has AVX2.
            return unsafe { self.update_avx2() };
        }
        self.elements()
    }

    /// Eight elements at a time: roots and quotients, which Adam waits for, take half the time.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn update_avx2(self) -> bool {
        self.elements()
    }

    /// Inlined, so that each caller compiles it for its own instructions.
    #[inline(always)]
    fn elements(self) -> bool {
        let pairs = self.weight.iter_mut().zip(self.gradient);
        let [first, second] = self.memory;
        let mut bad = 0;
        match self.rule {
            Rule::Descent(r) => {
                for (w, &g) in pairs {
                    *w -= r.rate * (g * r.shrink + r.decay * *w);
                    bad |= not_finite(*w);
                }
            }
            Rule::Momentum(r) => {
                for ((w, &g), b) in pairs.zip(first) {
                    // The first gradient is taken whole; from zeros, this gives just that.
                    *b = *b * r.momentum + (g * r.shrink + r.decay * *w);
                    *w -= r.rate * *b;
                    bad |= not_finite(*w);
                }
            }
            Rule::Adam(r) => {
                for ((w, &g), (m, v)) in pairs.zip(first.iter_mut().zip(second)) {
                    let g = g * r.shrink;
                    *m = *m * r.beta[0] + g * r.rest[0];
                    *v = *v * r.beta[1] + g * g * r.rest[1];
                    *w = *w * r.keep - r.step * *m / (v.sqrt() * r.scale + r.epsilon);
                    bad |= not_finite(*w);
                }
            }
        }
        bad == 0
    }
}

/// All bits set where a number is NaN or infinite: no branch, so that a loop over it stays in vectors.
fn not_finite(x: f32) -> u32 {
    const EXPONENT: u32 = 0x7f80_0000;
    u32::from(x.to_bits() & EXPONENT == EXPONENT).wrapping_neg()
}

/// An optimizer's factors for one parameter in one step.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// Gradient descent that remembers nothing.
    Descent(Descent),
    Momentum(Descent),
    Adam(Adam),
}

#[derive(Clone, Copy)]
pub(super) struct Descent {
    rate: f32,
    momentum: f32,
    decay: f32,
    shrink: f32,
}

#[derive(Clone, Copy)]
pub(super) struct Adam {
    /// What is left of a weight after its decay.
    keep: f32,
    beta: [f32; 2],
    /// 1 − β.
    rest: [f32; 2],
    /// The rate, the first mean's bias corrected.
    step: f32,
    /// What corrects the bias of the second mean's root.
    scale: f32,
    epsilon: f32,
    shrink: f32,
}

impl Rule {
    /// `steps` counts from 1; gradients are multiplied by `shrink`.
    pub(super) fn new(optimizer: Optimizer, steps: i32, rate: f64, shrink: f64) -> Self {
        match optimizer {
            Optimizer::Sgd { momentum, decay } => {
                let descent = Descent {
                    rate: rate as f32,
                    momentum: momentum as f32,
                    decay: decay as f32,
                    shrink: shrink as f32,
                };
                match momentum {
                    0.0 => Self::Descent(descent),
                    _ => Self::Momentum(descent),
                }
            }
            Optimizer::Adam {
                beta1,
                beta2,
                epsilon,
                decay,
            } => Self::Adam(Adam {
                keep: (1.0 - rate * decay) as f32,
                beta: [beta1 as f32, beta2 as f32],
                // 1 − β is exact only when taken before rounding to f32.
                rest: [(1.0 - beta1) as f32, (1.0 - beta2) as f32],
                step: (rate / (1.0 - beta1.powi(steps))) as f32,
                scale: (1.0 / (1.0 - beta2.powi(steps)).sqrt()) as f32,
                epsilon: epsilon as f32,
                shrink: shrink as f32,
            }),
        }
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    /// Weights, both memories and the verdict after three steps on 1003 elements.
    fn steps(
        optimizer: Optimizer,
        update: impl Fn(Piece<'_>) -> bool,
    ) -> ([Vec<u32>; 3], Vec<bool>) {
        let wave = |k: usize, f: f32| ((k as f32 + 0.5) * f).sin();
        let mut weight: Vec<f32> = (0..1003).map(|k| wave(k, 0.37)).collect();
        let (mut first, mut second) = (vec![0.0; 1003], vec![0.0; 1003]);
        let verdicts = (1..=3).map(|t| {
            let mut gradient: Vec<f32> = (0..1003).map(|k| wave(k, t as f32)).collect();
            if t == 3 {
                gradient[77] = f32::INFINITY;
            }
            update(Piece {
                rule: Rule::new(optimizer, t, 0.01, 0.75),
                weight: &mut weight,
                gradient: &gradient,
                memory: [&mut first, &mut second],
            })
        });
        let verdicts = verdicts.collect();
        let bits = |x: Vec<f32>| x.into_iter().map(f32::to_bits).collect();
        ([weight, first, second].map(bits), verdicts)
    }

    #[test]
    fn vectors_change_nothing_but_the_speed() {
        if !is_x86_feature_detected!("avx2") {
            return;
        }
        let plain = Optimizer::Sgd {
            momentum: 0.0,
            decay: 0.1,
        };
        for optimizer in [plain, Optimizer::SGD, Optimizer::ADAM, Optimizer::ADAM_W] {
            let portable = steps(optimizer, |piece| piece.elements());
            // SAFETY: this processor has AVX2, see above.
            let vectors = steps(optimizer, |piece| unsafe { piece.update_avx2() });
            assert_eq!(portable, vectors, "{optimizer:?}");
            assert_eq!(portable.1, [true, true, false], "{optimizer:?}");
        }
    }
}
