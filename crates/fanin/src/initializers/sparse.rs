//! `sparse(count | sparsity, std, per)`: a fixed number of connections for each unit, the rest 0.
//!
//! # Contract
//!
//! The values are those of `normal(0, std)`; which of them are kept is a function of the unit alone. Units are numbered
//! over the tensor: with per=output by stacked copy, then output; with per=input by copy, group or fused part, input. Of
//! a unit's n places, in the order input, position of the field (per=output) or output, position (per=input), Floyd's
//! algorithm draws m = min(k, n − k): for j = n − m … n − 1 a place t of 0 … j, and takes j where t is taken already.
//! t is the upper half of the 128-bit product of j + 1 and a 64-bit number, the d-th of the unit: words 0 and 1 (2 and 3
//! for odd d), lower word first, of block `unit · ceil(m / 2) + d div 2` of the sub-stream `sparse`. If k > n / 2, the
//! places drawn are the zeros.

use std::fmt;

use super::arguments::{Usual, words};
use super::grid::{Grid, PerUnit, Place, Side};
use super::rule::{Rule, Unfit, rule, std_fault};
use super::structure::Structure;
use super::{Entry, identity};
use crate::filler::Values;
use crate::sampler::{Normal, Sampler};
use crate::text::Number;
use crate::{Element, Layout, Stream};

words! {
    /// The side whose every unit has the same number of connections.
    Per {
        /// Every output has that many inputs (rows of PyTorch's `Linear`).
        Output = "output",
        /// Every input has that many outputs (columns of PyTorch's `Linear`).
        Input = "input",
    }
}

rule! {
    /// N(0, `std`²) at a fixed number of places of each unit, 0 elsewhere.
    Sparse as sparse {
        /// Connections of each unit; give this or `sparsity`.
        count: Option<u64> = Usual::Silent(None),
        /// The fraction of a unit's places that are 0, rounded up to whole places.
        sparsity: Option<f64> = Usual::Silent(None),
        /// Standard deviation of the values that are not 0.
        std: f64 = Usual::Shown(1.0),
        /// Whose connections are counted.
        per: Per = Usual::Shown(Per::Output),
    }
}

impl Rule for Sparse {
    const ENTRY: Entry = Entry {
        name: "sparse",
        aliases: &["sparse_normal"],
        formula: "k places of each unit, drawn without replacement, are N(0, std²), the rest 0; k = count, or n - \
                  ceil(sparsity n) of n places",
        when: "Networks trained by Hessian-free methods, echo state networks: units stay different however wide the \
               layer, and do not saturate. count=15 is Martens's. PyTorch's sparse_ is sparsity with per=input.",
        reference: "Martens, Deep Learning via Hessian-free Optimization, ICML 2010; Floyd's algorithm: Bentley, \
                    Programming Pearls, Commun. ACM 30, 1987",
        example: "sparse(count=15, std=1, per=output)",
    };

    fn fault(&self) -> Option<&'static str> {
        match (self.count, self.sparsity) {
            (None, None) => return Some("give count or sparsity"),
            (Some(_), Some(_)) => return Some("give count or sparsity, not both"),
            (Some(0), None) => return Some("count must be positive; for zeros write zeros"),
            (None, Some(sparsity)) if !(0.0..1.0).contains(&sparsity) => {
                return Some("sparsity must be at least 0 and below 1");
            }
            _ => {}
        }
        std_fault(self.std)
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        identity::matrix(layout)?;
        let grid = Grid::new(shape, layout);
        let side = match self.per {
            Per::Output => Side::Output,
            Per::Input => Side::Input,
        };
        let empty = shape.contains(&0);
        let mut kept = Vec::with_capacity(grid.blocks());
        for block in 0..grid.blocks() {
            let n = places(&grid, side, block);
            let k = match (self.count, self.sparsity) {
                (Some(k), _) if k > n && !empty && n > 0 => {
                    return Err(format!("{k} connections, but a unit has {n} places").into());
                }
                (Some(k), _) => k.min(n),
                // A hair less, so that 0.1 of 10 places is 1 and not 2.
                (None, sparsity) => {
                    let zeros = (sparsity.unwrap_or(0.0) * n as f64 * (1.0 - 1e-15)).ceil();
                    n - (zeros as u64).min(n)
                }
            };
            kept.push(k);
        }
        Ok(Few {
            values: Sampler::Normal(Normal {
                mean: 0.0,
                std: self.std,
            }),
            grid,
            side,
            kept,
        }
        .into())
    }
}

/// Places of one unit.
fn places(grid: &Grid, side: Side, block: usize) -> u64 {
    let others = match side {
        Side::Output => grid.inputs(),
        Side::Input => grid.outputs(block),
    };
    others * grid.taps()
}

/// A tensor of which each unit keeps a few values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Few {
    values: Sampler,
    grid: Grid,
    side: Side,
    /// Values that a unit of each block keeps.
    kept: Vec<u64>,
}

impl Few {
    fn place_in_unit(&self, place: &Place) -> u64 {
        let other = match self.side {
            Side::Output => place.input,
            Side::Input => place.output,
        };
        other * self.grid.taps() + place.tap
    }

    /// The places drawn for a unit, as bits.
    fn draw(&self, positions: &Stream, unit: u64, block: usize) -> Vec<u64> {
        let n = places(&self.grid, self.side, block);
        let m = self.kept[block].min(n - self.kept[block]);
        let mut bits = vec![0u64; n.div_ceil(64) as usize];
        let blocks = m.div_ceil(2);
        let mut words = [0; 4];
        for (d, j) in (n - m..n).enumerate() {
            if d % 2 == 0 {
                words = positions.block(unit * blocks + d as u64 / 2);
            }
            let at = d % 2 * 2;
            let number = u64::from(words[at + 1]) << 32 | u64::from(words[at]);
            let t = ((u128::from(number) * u128::from(j + 1)) >> 64) as u64;
            let taken = bits[(t / 64) as usize] >> (t % 64) & 1 == 1;
            let place = if taken { j } else { t };
            bits[(place / 64) as usize] |= 1 << (place % 64);
        }
        bits
    }
}

impl Structure for Few {
    fn fill<T: Element>(&self, stream: &Stream, start: u64, out: &mut [T]) {
        let positions = stream.substream("sparse");
        let drawn = PerUnit::new(&self.grid, self.side, start, out.len());
        crate::parallel::pieces(start, out, |start, out| {
            self.values.fill_serially(stream, start, out);
            for (i, x) in (start..).zip(out) {
                let place = self.grid.place(i);
                let n = places(&self.grid, self.side, place.block);
                let bits = drawn.of(&self.grid, &place, |unit| {
                    self.draw(&positions, unit, place.block)
                });
                let at = self.place_in_unit(&place);
                let drawn = bits[(at / 64) as usize] >> (at % 64) & 1 == 1;
                let zeros_are_drawn = self.kept[place.block] > n / 2;
                if drawn == zeros_are_drawn {
                    *x = T::default();
                }
            }
        });
    }

    fn scaled(self, factor: f64) -> Self {
        Self {
            values: self.values.scaled(factor),
            ..self
        }
    }

    fn moments(&self) -> Option<(f64, f64)> {
        let (mut kept, mut all) = (0.0, 0.0);
        for (block, k) in self.kept.iter().enumerate() {
            let units = match self.side {
                Side::Output => self.grid.outputs(block),
                Side::Input => self.grid.inputs(),
            } as f64;
            kept += units * *k as f64;
            all += units * places(&self.grid, self.side, block) as f64;
        }
        Some((0.0, self.values.std().powi(2) * kept / f64::max(all, 1.0)))
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let std = Number(self.values.std());
        write!(f, "normal, mean 0, std {std}, at {} places", self.kept[0])?;
        f.write_str(match self.side {
            Side::Output => " of each output",
            Side::Input => " of each input",
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    fn draw(text: &str, shape: &[usize], layout: &Layout, seed: u64) -> Vec<f32> {
        let mut out = vec![9f32; shape.iter().product()];
        text.parse::<Initializer>()
            .unwrap()
            .fill(Seed::new(seed), "w", shape, layout, &mut out)
            .unwrap();
        out
    }

    #[test]
    fn every_unit_has_exactly_as_many_connections() {
        let layout = Layout::linear_out_in();
        let count = |row: &mut dyn Iterator<Item = f32>| row.filter(|x| *x != 0.0).count();
        for k in [1, 15, 49, 50, 51, 99, 100] {
            let text = format!("sparse(count={k}, std=2)");
            let out = draw(&text, &[40, 100], &layout, 0);
            for row in out.chunks(100) {
                assert_eq!(count(&mut row.iter().copied()), k);
            }
            let out = draw(
                &format!("sparse(count={k}, per=input)"),
                &[100, 40],
                &layout,
                0,
            );
            for i in 0..40 {
                assert_eq!(count(&mut out.iter().skip(i).step_by(40).copied()), k);
            }
        }
        // torch: ceil(sparsity · rows) zeros in every column.
        let out = draw("sparse(sparsity=0.1, per=input)", &[33, 7], &layout, 0);
        for i in 0..7 {
            assert_eq!(count(&mut out.iter().skip(i).step_by(7).copied()), 33 - 4);
        }
        let grouped = draw("sparse(count=2)", &[8, 3, 5], &Layout::conv(1, 2), 0);
        for unit in grouped.chunks(15) {
            assert_eq!(count(&mut unit.iter().copied()), 2);
        }
    }

    #[test]
    fn values_are_those_of_the_normal_distribution() {
        let layout = Layout::linear_out_in();
        let sparse = draw("sparse(count=3, std=0.5)", &[20, 30], &layout, 1);
        let normal = draw("normal(0, 0.5)", &[20, 30], &layout, 1);
        assert!(sparse.iter().zip(&normal).all(|(s, n)| *s == 0.0 || s == n));
    }

    /// Every place is taken equally often, every pair as well, and the two ways to draw (zeros or not) alike.
    #[test]
    fn places_are_drawn_without_favour() {
        let units = 20_000;
        for (k, n) in [(2u64, 7u64), (5, 7), (1, 3), (3, 6)] {
            let n = n as usize;
            let layout = Layout::linear_out_in();
            let out = draw(&format!("sparse(count={k})"), &[units, n], &layout, 5);
            let p = k as f64 / n as f64;
            let pair = p * (k as f64 - 1.0) / (n as f64 - 1.0);
            let deviation = |p: f64| 5.0 * (p * (1.0 - p) / units as f64).sqrt();
            for a in 0..n {
                for b in 0..=a {
                    let both = out
                        .chunks(n)
                        .filter(|row| row[a] != 0.0 && row[b] != 0.0)
                        .count() as f64
                        / units as f64;
                    let expected = if a == b { p } else { pair };
                    assert!(
                        (both - expected).abs() <= deviation(expected),
                        "{k} of {n}, places {a} and {b}: {both} for {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn arguments_are_checked() {
        let message = |text: &str| text.parse::<Initializer>().unwrap_err().to_string();
        assert!(message("sparse").contains("give count or sparsity"));
        assert!(message("sparse(count=1, sparsity=0.5)").contains("not both"));
        assert!(message("sparse(sparsity=1)").contains("below 1"));
        assert!(message("sparse(count=1.5)").contains("count must be a whole number"));
        let error = Initializer::sparse(Some(5), None, 1.0, super::Per::Output)
            .unwrap()
            .resolve(&[3, 4], &Layout::linear_out_in())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "sparse(count=5, std=1, per=output) for shape [3, 4]: 5 connections, but a unit has 4 places"
        );
    }
}
