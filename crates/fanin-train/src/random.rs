//! Random numbers of a named stream, in order. The same on every machine.

use std::f64::consts::TAU;

use fanin::{Seed, Stream};

/// Draws from one stream, one after the other.
pub(crate) struct Draw {
    stream: Stream,
    block: u64,
    words: [u32; 4],
    used: usize,
}

impl Draw {
    pub(crate) fn new(seed: Seed, name: &str) -> Self {
        Self {
            stream: Stream::new(seed, name),
            block: 0,
            words: [0; 4],
            used: 4,
        }
    }

    fn word(&mut self) -> u32 {
        if self.used == 4 {
            self.words = self.stream.block(self.block);
            self.block += 1;
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// Uniform in (0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (f64::from(self.word()) + 0.5) / 4_294_967_296.0
    }

    /// Uniform in (low, high).
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform among 0, 1, … n - 1; 0 where n is 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.word()) * n as u64) >> 32) as usize
    }

    /// Standard normal (Box & Muller 1958); libm, because the standard library's functions differ
    /// between systems.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(self.unit())).sqrt();
        radius * libm::cos(TAU * self.unit())
    }

    /// So many normal numbers of this deviation.
    pub(crate) fn normals(&mut self, n: usize, std: f64) -> Vec<f64> {
        (0..n).map(|_| std * self.normal()).collect()
    }

    /// 0, 1, … n - 1 in random order (Fisher & Yates).
    pub(crate) fn order(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for k in (1..n).rev() {
            order.swap(k, self.below(k + 1));
        }
        order
    }
}
