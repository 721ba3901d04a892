//! Picking elements by index along an axis, and weighted picks (interpolation).

use rayon::prelude::*;

use crate::array::{Dense, array};
use crate::pool::Buffer;
use crate::tape::{Var, record};

/// Which elements of an axis make each element of the result: `(index, weight)` pairs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Picks {
    /// Where each result's pairs start in `pairs`; one more than there are results.
    starts: Vec<usize>,
    pairs: Vec<(usize, f32)>,
}

impl Picks {
    /// Each result is one element, unchanged.
    pub(crate) fn single(indices: impl IntoIterator<Item = usize>) -> Self {
        Self::weighted(indices.into_iter().map(|i| vec![(i, 1.0)]))
    }

    /// Each result is a weighted sum of elements; of none, zero.
    pub(crate) fn weighted(results: impl IntoIterator<Item = Vec<(usize, f32)>>) -> Self {
        let mut picks = Self {
            starts: vec![0],
            pairs: Vec::new(),
        };
        for result in results {
            picks.pairs.extend(result);
            picks.starts.push(picks.pairs.len());
        }
        picks
    }

    /// Number of results.
    pub(crate) fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    fn of(&self, result: usize) -> &[(usize, f32)] {
        &self.pairs[self.starts[result]..self.starts[result + 1]]
    }
}

/// Applies picks along one axis; every index must be below the axis' size.
pub(crate) fn pick(x: &Var, axis: usize, picks: Picks) -> Var {
    let from = x.dims();
    let mut shape = from.clone();
    shape[axis] = picks.len();
    let inner: usize = from[axis + 1..].iter().product();
    let outer: usize = from[..axis].iter().product();
    let (size, len) = (from[axis], picks.len());
    let source = Dense::new(x.array());
    let mut out = Buffer::zeros(outer * len * inner);
    if !out.is_empty() {
        let one = |k: usize, out: &mut [f32]| {
            let (o, r) = (k / len, k % len);
            for &(i, w) in picks.of(r) {
                let row = &source[(o * size + i) * inner..][..inner];
                if w == 1.0 && picks.of(r).len() == 1 {
                    out.copy_from_slice(row);
                } else {
                    for (o, &v) in out.iter_mut().zip(row) {
                        *o += w * v;
                    }
                }
            }
        };
        crate::array::for_chunks(&mut out, inner, one);
    }
    record(&[x], array(&shape, out), move |g, _| {
        let g = Dense::new(&g);
        let mut dx = Buffer::zeros(from.iter().product());
        if size * inner > 0 {
            dx.par_chunks_mut(size * inner)
                .enumerate()
                .for_each(|(o, dx)| {
                    for r in 0..len {
                        let row = &g[(o * len + r) * inner..][..inner];
                        for &(i, w) in picks.of(r) {
                            for (d, &v) in dx[i * inner..][..inner].iter_mut().zip(row) {
                                *d += w * v;
                            }
                        }
                    }
                });
        }
        vec![Some(array(&from, dx))]
    })
}

/// The elements at these flat positions, in the given shape; gradients add up where they repeat.
pub(crate) fn take(x: &Var, shape: &[usize], positions: Vec<usize>) -> Var {
    let from = x.dims();
    let source = Dense::new(x.array());
    let out = crate::array::filled(positions.len(), |start, out| {
        for (o, &p) in out.iter_mut().zip(&positions[start..]) {
            *o = source[p];
        }
    });
    record(&[x], array(shape, out), move |g, _| {
        let g = Dense::new(&g);
        let mut dx = Buffer::zeros(from.iter().product());
        for (&p, &v) in positions.iter().zip(g.iter()) {
            dx[p] += v;
        }
        vec![Some(array(&from, dx))]
    })
}

/// How [`scatter`] combines an update with what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Combine {
    /// The last update wins.
    Replace,
    /// Updates are added.
    Add,
    /// Updates are multiplied.
    Multiply,
    /// The largest wins.
    Max,
    /// The smallest wins.
    Min,
}

/// `x` with updates written to flat positions, one update element per position.
pub(crate) fn scatter(x: &Var, positions: Vec<usize>, updates: &Var, combine: Combine) -> Var {
    let shape = x.dims();
    let update_shape = updates.dims();
    let (data, news) = (Dense::new(x.array()), Dense::new(updates.array()));
    let mut out = data.to_vec();
    // The update that is seen at each place for those rules by which one element wins.
    let mut winner: Vec<Option<usize>> = Vec::new();
    let wins = !matches!(combine, Combine::Add | Combine::Multiply);
    if wins {
        winner.resize(out.len(), None);
    }
    for (k, (&p, &v)) in positions.iter().zip(news.iter()).enumerate() {
        let replace = match combine {
            Combine::Replace => true,
            Combine::Max => v > out[p],
            Combine::Min => v < out[p],
            Combine::Add => {
                out[p] += v;
                false
            }
            Combine::Multiply => {
                out[p] *= v;
                false
            }
        };
        if replace {
            out[p] = v;
            winner[p] = Some(k);
        }
    }
    record(&[x, updates], array(&shape.clone(), out), move |g, _| {
        let g = Dense::new(&g);
        let mut dx = g.to_vec();
        let mut du = Buffer::zeros(positions.len());
        match combine {
            Combine::Add => {
                for (d, &p) in du.iter_mut().zip(&positions) {
                    *d = g[p];
                }
            }
            Combine::Multiply => {
                // Product over the others, from scratch per place: exact where factors are zero.
                let mut factors: std::collections::BTreeMap<usize, Vec<usize>> = Default::default();
                for (k, &p) in positions.iter().enumerate() {
                    factors.entry(p).or_default().push(k);
                }
                for (p, ks) in factors {
                    let all: f32 = ks.iter().map(|&k| news[k]).product();
                    dx[p] = g[p] * all;
                    for &k in &ks {
                        let others: f32 =
                            ks.iter().filter(|&&j| j != k).map(|&j| news[j]).product();
                        du[k] = g[p] * data[p] * others;
                    }
                }
            }
            Combine::Replace | Combine::Max | Combine::Min => {
                for (p, k) in winner.iter().enumerate() {
                    if let Some(k) = *k {
                        du[k] = g[p];
                        dx[p] = 0.0;
                    }
                }
            }
        }
        vec![Some(array(&shape, dx)), Some(array(&update_shape, du))]
    })
}
