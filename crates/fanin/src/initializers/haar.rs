//! Haar matrices, filled row by row; [`orthogonal`](super::orthogonal) says how they are made and what is promised.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use crate::element::private::Real;
use crate::parallel;
use crate::sampler::{Normal, Sampler};
use crate::simd::{self, Floats, Kernel, Simd};
use crate::stream::Stream;
use crate::{Axis, Element, Layout};

/// Reflections per block.
const BLOCK: usize = 32;
/// Rows computed together, one per lane.
const ROWS: usize = 16;
/// Times as many rows are computed side by side, so that a piece of the vectors is fetched once for all of them.
const GROUPS: usize = 2;

/// A resolved orthogonal tensor: a grid of matrices, each with its own reflections.
#[derive(Debug)]
pub(crate) struct Haar {
    gain: f64,
    /// Sizes of the blocks of rows and of columns.
    rows: Vec<usize>,
    columns: Vec<usize>,
    /// The reflections of the matrix filled last, kept while it is filled piece by piece.
    last: Mutex<Option<Kept>>,
}

/// Reflections, and what they are of: stream, number of reflections, element format.
#[derive(Debug)]
struct Kept {
    key: Key,
    factors: Arc<dyn std::any::Any + Send + Sync>,
}

type Key = (([u32; 2], [u32; 2]), usize, crate::DType);

impl Clone for Haar {
    fn clone(&self) -> Self {
        Self {
            gain: self.gain,
            rows: self.rows.clone(),
            columns: self.columns.clone(),
            last: Mutex::new(None),
        }
    }
}

impl PartialEq for Haar {
    fn eq(&self, other: &Self) -> bool {
        (self.gain, &self.rows, &self.columns) == (other.gain, &other.rows, &other.columns)
    }
}

impl Haar {
    /// The grid of matrices in a tensor, or what keeps it from being one.
    pub(super) fn new(gain: f64, shape: &[usize], layout: &Layout) -> Result<Self, &'static str> {
        let is_output = |axis: Axis| match axis {
            Axis::Output => true,
            Axis::Field => layout.transposed,
            Axis::Input | Axis::Lookup | Axis::Stack => false,
        };
        let stack = layout
            .axes
            .iter()
            .take_while(|axis| **axis == Axis::Stack)
            .count();
        let axes: Vec<(Axis, usize)> = layout
            .axes
            .iter()
            .copied()
            .zip(shape.iter().copied())
            .skip(stack)
            .collect();
        let Some(&(first, _)) = axes.first() else {
            return Err("there is no matrix; write zeros, constant or normal");
        };
        let leading = axes
            .iter()
            .take_while(|(axis, _)| is_output(*axis) == is_output(first))
            .count();
        let (rows, columns) = axes.split_at(leading);
        if columns.is_empty() {
            return Err("a vector is no matrix; write zeros, constant or normal");
        }
        if axes.iter().any(|(axis, _)| *axis == Axis::Stack)
            || columns
                .iter()
                .any(|(axis, _)| is_output(*axis) == is_output(first))
        {
            return Err("its axes are not [stack…, one side…, other side…]; transpose the tensor");
        }
        let split = if layout.transposed {
            Axis::Input
        } else {
            Axis::Output
        };
        let groups = layout.group_count(shape).max(1);
        let blocks = |side: &[(Axis, usize)]| -> Result<Vec<usize>, &'static str> {
            let total: usize = side.iter().map(|(_, n)| n).product();
            let of_groups = groups > 1 && side.iter().any(|(axis, _)| *axis == split);
            let of_parts =
                !layout.fused.is_empty() && side.iter().any(|(axis, _)| *axis == Axis::Output);
            let wanted = if of_groups { split } else { Axis::Output };
            let major = side
                .iter()
                .find(|(_, n)| *n != 1)
                .is_none_or(|(axis, _)| *axis == wanted);
            if (of_groups || of_parts) && !major {
                return Err(
                    "its groups or fused parts are not blocks of rows or columns; transpose the tensor",
                );
            }
            Ok(if of_groups {
                vec![total / groups; groups]
            } else if of_parts {
                let whole: usize = layout.fused.iter().sum();
                layout
                    .fused
                    .iter()
                    .map(|part| part * (total / whole.max(1)))
                    .collect()
            } else {
                vec![total]
            })
        };
        Ok(Self {
            gain,
            rows: blocks(rows)?,
            columns: blocks(columns)?,
            last: Mutex::new(None),
        })
    }

    /// Root mean square of all elements.
    pub(crate) fn rms(&self) -> f64 {
        // A matrix of r × c has squared norm min(r, c).
        let pairs = || {
            self.rows
                .iter()
                .flat_map(|&r| self.columns.iter().map(move |&c| (r, c)))
        };
        let norm: f64 = pairs().map(|(r, c)| r.min(c) as f64).sum();
        let count: f64 = pairs().map(|(r, c)| r as f64 * c as f64).sum();
        if count == 0.0 {
            0.0
        } else {
            self.gain * (norm / count).sqrt()
        }
    }

    /// The same matrices times a positive factor.
    pub(crate) fn scaled(self, factor: f64) -> Self {
        Self {
            gain: factor * self.gain,
            ..self
        }
    }

    pub(crate) fn gain(&self) -> f64 {
        self.gain
    }

    /// Writes elements `start ..`.
    pub(crate) fn fill<T: Element>(&self, stream: &Stream, start: u64, out: &mut [T]) {
        let width: usize = self.columns.iter().sum();
        let height: usize = self.rows.iter().sum();
        let (mut index, mut rest) = (start, out);
        while !rest.is_empty() {
            let row = index / width as u64;
            let stacked = row / height as u64;
            let mut within = (row % height as u64) as usize;
            let mut block = 0;
            while within >= self.rows[block] {
                within -= self.rows[block];
                block += 1;
            }
            // The rows of this block that the rest of the slice touches.
            let skip = (index % width as u64) as usize;
            let touched = (skip + rest.len()).div_ceil(width);
            let some = touched.min(self.rows[block] - within);
            let take = rest.len().min(some * width - skip);
            let (now, later) = rest.split_at_mut(take);
            let matrix =
                (stacked * self.rows.len() as u64 + block as u64) * self.columns.len() as u64;
            self.fill_rows(stream, matrix, block, within..within + some, skip, now);
            (index, rest) = (index + take as u64, later);
        }
    }

    /// Rows of one block of rows, from its column `skip` of the first row on.
    fn fill_rows<T: Element>(
        &self,
        stream: &Stream,
        matrix: u64,
        block: usize,
        rows: std::ops::Range<usize>,
        skip: usize,
        out: &mut [T],
    ) {
        let width: usize = self.columns.iter().sum();
        let mut first = 0;
        for (i, &columns) in self.columns.iter().enumerate() {
            if columns == 0 {
                continue;
            }
            let stream = stream.substream(&format!("orthogonal/{}", matrix + i as u64));
            let factors = self.factors::<T::Real>(&stream, self.rows[block], columns, rows.end);
            let piece = GROUPS * ROWS * width;
            parallel::chunks_from(out, piece - skip, piece, Vec::new, |scratch, i, out| {
                let skip = if i == 0 { skip } else { 0 };
                simd::dispatch(Rows {
                    factors: &factors,
                    first: rows.start + i * GROUPS * ROWS,
                    gain: self.gain,
                    place: Place { width, first, skip },
                    scratch,
                    out,
                });
            });
            first += columns;
        }
    }

    /// The reflections that rows `.. end` of a matrix need.
    fn factors<F: Real>(
        &self,
        stream: &Stream,
        rows: usize,
        columns: usize,
        end: usize,
    ) -> Arc<Factors<F>> {
        let needed = if rows <= columns { end } else { columns };
        // The lock is not held while the reflections are made: a thread that waits for its share of that work may be
        // given another piece of this very tensor.
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = &*last()
            && kept.key.0 == stream.identity()
            && kept.key.1 >= needed
            && kept.key.2 == F::DTYPE
            && let Ok(factors) = Arc::clone(&kept.factors).downcast()
        {
            return factors;
        }
        // A fill in pieces goes upwards: leave room, so that the reflections are not made anew for every piece.
        let count = if end < rows {
            (2 * needed).min(rows.min(columns))
        } else {
            needed
        };
        let factors = Arc::new(Factors::<F>::new(stream, rows, columns, count));
        *last() = (end < rows).then(|| Kept {
            key: (stream.identity(), count, F::DTYPE),
            factors: Arc::clone(&factors) as Arc<dyn std::any::Any + Send + Sync>,
        });
        factors
    }
}

/// The reflections of one matrix.
#[derive(Debug)]
struct Factors<F> {
    rows: usize,
    columns: usize,
    blocks: Vec<Panel<F>>,
    /// Γ, for more rows than columns: `products[b][a · 32 + k]` is v_a · v_{32 b + k} for all a < 32 b.
    products: Vec<Vec<F>>,
}

/// 32 reflections; the last block of a matrix is filled up with reflections that do nothing.
#[derive(Debug)]
struct Panel<F> {
    /// Coordinate `first + r` of vector k at `r · 32 + k`.
    vectors: Vec<F>,
    /// T, upper triangular, row-major.
    t: Vec<F>,
    signs: [f64; BLOCK],
}

impl<F: Real> Factors<F> {
    /// The first `count` reflections of a matrix.
    fn new(stream: &Stream, rows: usize, columns: usize, count: usize) -> Self {
        let length = rows.max(columns);
        let mut blocks: Vec<Option<Panel<F>>> = Vec::new();
        blocks.resize_with(count.div_ceil(BLOCK), || None);
        parallel::chunks(&mut blocks, 1, |b, panel| {
            panel[0] = Some(simd::dispatch(NewPanel {
                stream,
                length,
                first: b * BLOCK,
                count: BLOCK.min(rows.min(columns) - b * BLOCK),
                of: PhantomData,
            }));
        });
        let blocks: Vec<Panel<F>> = blocks.into_iter().flatten().collect();
        let mut products = Vec::new();
        if rows > columns {
            products.resize_with(blocks.len(), Vec::new);
            parallel::chunks(&mut products, 1, |b, products| {
                products[0] = (0..b)
                    .flat_map(|a| {
                        simd::dispatch(Products {
                            early: &blocks[a],
                            offset: (b - a) * BLOCK,
                            late: &blocks[b],
                        })
                    })
                    .collect();
            });
        }
        Self {
            rows,
            columns,
            blocks,
            products,
        }
    }
}

/// Calls the function for as many sums at a time as fit the registers of the instruction set, which changes no sum's
/// order.
macro_rules! by_registers {
    ($function:ident::<$type:ty>($s:expr, $($argument:expr),* $(,)?)) => {
        if S::LANES == ROWS {
            $function::<8, $type, S>($s, $($argument),*)
        } else if <$type as Real>::Lanes::<S>::LANES == 4 {
            $function::<2, $type, S>($s, $($argument),*)
        } else {
            $function::<4, $type, S>($s, $($argument),*)
        }
    };
}

/// Where the rows of a matrix lie in a slice of a tensor.
#[derive(Clone, Copy)]
struct Place {
    /// Elements of a row of the tensor, and the column of it where the matrix begins.
    width: usize,
    first: usize,
    /// Elements of the first row that lie before the slice.
    skip: usize,
}

impl Place {
    /// Writes `value(j)` to columns `columns` of a row, as far as they lie in the slice.
    #[inline(always)]
    fn put<T>(
        self,
        out: &mut [T],
        row: usize,
        columns: std::ops::Range<usize>,
        value: impl Fn(usize) -> T,
    ) {
        let start = row * self.width + self.first;
        let from = columns.start.max(self.skip.saturating_sub(start));
        let to = columns
            .end
            .min((out.len() + self.skip).saturating_sub(start));
        if from < to {
            let out = &mut out[start + from - self.skip..start + to - self.skip];
            for (out, j) in out.iter_mut().zip(from..) {
                *out = value(j);
            }
        }
    }
}

/// At most [`GROUPS`] · [`ROWS`] rows of a matrix, from `first` on, as many as the slice touches.
struct Rows<'a, T: Element> {
    factors: &'a Factors<T::Real>,
    first: usize,
    gain: f64,
    place: Place,
    /// Memory that is used again.
    scratch: &'a mut Vec<T::Real>,
    out: &'a mut [T],
}

impl<T: Element> Kernel for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let count = (self.place.skip + self.out.len()).div_ceil(self.place.width);
        if self.factors.rows <= self.factors.columns {
            self.wide(s, count);
        } else {
            self.tall(s, count);
        }
    }
}

impl<T: Element> Rows<'_, T> {
    #[inline(always)]
    fn wide<S: Simd>(self, s: S, count: usize) {
        let Self {
            factors,
            first,
            gain,
            place,
            scratch,
            out,
        } = self;
        let columns = factors.columns;
        let groups = count.div_ceil(ROWS);
        let zeros = [[T::Real::default(); ROWS]; BLOCK];
        // One lane per row: x[r][lane], group after group.
        scratch.clear();
        scratch.resize(groups * columns * ROWS, T::Real::default());
        let (x, _) = scratch.as_chunks_mut::<ROWS>();
        for lane in 0..count {
            x[lane / ROWS * columns + first + lane][lane % ROWS] = T::Real::from_f64(1.0);
        }
        for b in (0..=(first + count - 1) / BLOCK).rev() {
            let panel = &factors.blocks[b];
            let mut c = [zeros; GROUPS];
            let stripes = || {
                (b * BLOCK..columns)
                    .step_by(STRIPE)
                    .zip(panel.vectors.chunks(STRIPE * BLOCK))
            };
            for (from, vectors) in stripes() {
                for (c, x) in c.iter_mut().zip(x.chunks(columns)) {
                    let x = &x[from..columns.min(from + STRIPE)];
                    by_registers!(dot::<T::Real>(s, vectors, x, c));
                }
            }
            let mut y = [zeros; GROUPS];
            for (y, c) in y.iter_mut().zip(&c).take(groups) {
                for a in 0..BLOCK {
                    for k in a..BLOCK {
                        add_product(&mut y[a], panel.t[a * BLOCK + k], &c[k]);
                    }
                }
            }
            for (from, vectors) in stripes() {
                for (y, x) in y.iter().zip(x.chunks_mut(columns)) {
                    let x = &mut x[from..columns.min(from + STRIPE)];
                    by_registers!(subtract::<T::Real>(s, x, vectors, y));
                }
            }
        }
        for from in (0..columns).step_by(STRIPE) {
            for lane in 0..count {
                let row = first + lane;
                let sign = factors.blocks[row / BLOCK].signs[row % BLOCK];
                let factor = T::Real::from_f64(gain * sign);
                let x = &x[lane / ROWS * columns..][..columns];
                let columns = from..columns.min(from + STRIPE);
                place.put(out, lane, columns, |j| T::round(factor * x[j][lane % ROWS]));
            }
        }
    }

    #[inline(always)]
    fn tall<S: Simd>(self, s: S, count: usize) {
        let Self {
            factors,
            first,
            gain,
            place,
            scratch,
            out,
        } = self;
        let columns = factors.columns;
        let groups = count.div_ceil(ROWS);
        let zeros = [[T::Real::default(); ROWS]; BLOCK];
        // y of block b and group g at b · GROUPS + g.
        scratch.clear();
        scratch.resize(
            factors.blocks.len() * GROUPS * BLOCK * ROWS,
            T::Real::default(),
        );
        let (y, _) = scratch.as_chunks_mut::<ROWS>();
        let (y, _) = y.as_chunks_mut::<BLOCK>();
        let (y, _) = y.as_chunks_mut::<GROUPS>();
        for (b, (panel, products)) in factors.blocks.iter().zip(&factors.products).enumerate() {
            let mut c = [zeros; GROUPS];
            for lane in 0..count {
                if let Some(r) = (first + lane).checked_sub(b * BLOCK) {
                    let vectors = &panel.vectors[r * BLOCK..(r + 1) * BLOCK];
                    for (c, v) in c[lane / ROWS].iter_mut().zip(vectors) {
                        c[lane % ROWS] = *v;
                    }
                }
            }
            let (earlier, now) = y.split_at_mut(b);
            for (products, y) in products.chunks_exact(BLOCK * BLOCK).zip(&*earlier) {
                for (c, y) in c.iter_mut().zip(y).take(groups) {
                    by_registers!(subtract_transposed::<T::Real>(s, c, products, y));
                }
            }
            for (y, c) in now[0].iter_mut().zip(&c).take(groups) {
                for k in 0..BLOCK {
                    for m in 0..=k {
                        add_product(&mut y[k], panel.t[m * BLOCK + k], &c[m]);
                    }
                }
            }
        }
        // w[j], for the columns of one block at a time.
        for (first_column, block) in (0..columns).step_by(BLOCK).zip(0..) {
            let some = BLOCK.min(columns - first_column);
            let mut w = [zeros; GROUPS];
            for j in 0..some {
                let lane = (first_column + j).checked_sub(first);
                if let Some(lane) = lane.filter(|lane| *lane < count) {
                    w[lane / ROWS][j][lane % ROWS] = T::Real::from_f64(1.0);
                }
            }
            for (b, y) in y[..=block].iter().enumerate() {
                let rows = (first_column - b * BLOCK) * BLOCK;
                let vectors = &factors.blocks[b].vectors[rows..];
                for (w, y) in w.iter_mut().zip(y).take(groups) {
                    by_registers!(subtract::<T::Real>(s, &mut w[..some], vectors, y));
                }
            }
            let signs = &factors.blocks[block].signs;
            let factors = signs.map(|sign| T::Real::from_f64(gain * sign));
            for lane in 0..count {
                let w = &w[lane / ROWS];
                let columns = first_column..first_column + some;
                place.put(out, lane, columns, |j| {
                    let j = j - first_column;
                    T::round(factors[j] * w[j][lane % ROWS])
                });
            }
        }
    }
}

/// `sum += factor · x`, lane by lane.
#[inline(always)]
fn add_product<F: Real>(sum: &mut [F; ROWS], factor: F, x: &[F; ROWS]) {
    for (sum, x) in sum.iter_mut().zip(x) {
        *sum = *sum + factor * *x;
    }
}

/// Coordinates whose piece of the vectors stays in the innermost cache while it is used again and again.
const STRIPE: usize = 64;

/// `c_k += Σ_r v_k[r] x[r]`, r ascending, lane by lane.
#[inline(always)]
fn dot<const SOME: usize, F: Real, S: Simd>(
    s: S,
    vectors: &[F],
    x: &[[F; ROWS]],
    c: &mut [[F; ROWS]; BLOCK],
) {
    let lanes = F::Lanes::<S>::LANES;
    for (x, vectors) in x.chunks(STRIPE).zip(vectors.chunks(STRIPE * BLOCK)) {
        for (group, c) in c.as_chunks_mut::<SOME>().0.iter_mut().enumerate() {
            let mut sums = [[F::Lanes::splat(s, F::default()); ROWS]; SOME];
            for k in 0..SOME {
                for i in 0..ROWS / lanes {
                    sums[k][i] = F::Lanes::load(s, &c[k][i * lanes..]);
                }
            }
            for (x, v) in x.iter().zip(vectors.as_chunks::<BLOCK>().0) {
                for k in 0..SOME {
                    let v = F::Lanes::splat(s, v[group * SOME + k]);
                    for i in 0..ROWS / lanes {
                        let x = F::Lanes::load(s, &x[i * lanes..]);
                        sums[k][i] = sums[k][i] + v * x;
                    }
                }
            }
            for k in 0..SOME {
                for i in 0..ROWS / lanes {
                    sums[k][i].store(&mut c[k][i * lanes..]);
                }
            }
        }
    }
}

/// `x[r] −= v_k[r] y_k` for k ascending, lane by lane.
#[inline(always)]
fn subtract<const SOME: usize, F: Real, S: Simd>(
    s: S,
    x: &mut [[F; ROWS]],
    vectors: &[F],
    y: &[[F; ROWS]; BLOCK],
) {
    let lanes = F::Lanes::<S>::LANES;
    let (fours, rest) = x.as_chunks_mut::<SOME>();
    let (vectors, _) = vectors.as_chunks::<BLOCK>();
    let done = fours.len() * SOME;
    for (x, vectors) in fours.iter_mut().zip(vectors.as_chunks::<SOME>().0) {
        let mut sums = [[F::Lanes::splat(s, F::default()); ROWS]; SOME];
        for r in 0..SOME {
            for i in 0..ROWS / lanes {
                sums[r][i] = F::Lanes::load(s, &x[r][i * lanes..]);
            }
        }
        for (k, y) in y.iter().enumerate() {
            for r in 0..SOME {
                let v = F::Lanes::splat(s, vectors[r][k]);
                for i in 0..ROWS / lanes {
                    sums[r][i] = sums[r][i] - v * F::Lanes::load(s, &y[i * lanes..]);
                }
            }
        }
        for r in 0..SOME {
            for i in 0..ROWS / lanes {
                sums[r][i].store(&mut x[r][i * lanes..]);
            }
        }
    }
    for (x, v) in rest.iter_mut().zip(&vectors[done..]) {
        for (v, y) in v.iter().zip(y) {
            for (x, y) in x.iter_mut().zip(y) {
                *x = *x - *v * *y;
            }
        }
    }
}

/// `c_k −= Γ[a,k] y_a` for a ascending, lane by lane; Γ of one earlier block.
#[inline(always)]
fn subtract_transposed<const SOME: usize, F: Real, S: Simd>(
    s: S,
    c: &mut [[F; ROWS]; BLOCK],
    products: &[F],
    y: &[[F; ROWS]; BLOCK],
) {
    let lanes = F::Lanes::<S>::LANES;
    for (group, c) in c.as_chunks_mut::<SOME>().0.iter_mut().enumerate() {
        let mut sums = [[F::Lanes::splat(s, F::default()); ROWS]; SOME];
        for k in 0..SOME {
            for i in 0..ROWS / lanes {
                sums[k][i] = F::Lanes::load(s, &c[k][i * lanes..]);
            }
        }
        for (y, products) in y.iter().zip(products.as_chunks::<BLOCK>().0) {
            for k in 0..SOME {
                let product = F::Lanes::splat(s, products[group * SOME + k]);
                for i in 0..ROWS / lanes {
                    sums[k][i] = sums[k][i] - product * F::Lanes::load(s, &y[i * lanes..]);
                }
            }
        }
        for k in 0..SOME {
            for i in 0..ROWS / lanes {
                sums[k][i].store(&mut c[k][i * lanes..]);
            }
        }
    }
}

/// `count` reflections of `length` coordinates from reflection `first` on.
struct NewPanel<'a, F> {
    stream: &'a Stream,
    length: usize,
    first: usize,
    count: usize,
    of: PhantomData<F>,
}

impl<F: Real> Kernel for NewPanel<'_, F> {
    type Output = Panel<F>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Panel<F> {
        let Self {
            stream,
            length,
            first,
            count,
            of: _,
        } = self;
        let gaussian = Sampler::Normal(Normal {
            mean: 0.0,
            std: 1.0,
        });
        let length_left = length - first;
        let mut signs = [1.0; BLOCK];
        // One vector after the other.
        let mut v = vec![F::default(); length_left * BLOCK];
        for (k, v) in v.chunks_exact_mut(length_left).take(count).enumerate() {
            let v = &mut v[k..];
            gaussian.fill_serially(stream, ((first + k) * length + first + k) as u64, v);
            let norm = v
                .iter()
                .fold(0.0, |sum, x| sum + x.to_f64() * x.to_f64())
                .sqrt();
            if norm == 0.0 {
                continue;
            }
            let start = v[0].to_f64();
            let sign = if start < 0.0 { -1.0 } else { 1.0 };
            signs[k] = -sign;
            // ‖x + sign ‖x‖ e₁‖² = 2 ‖x‖ (‖x‖ + |x₁|).
            let scale = 1.0 / (2.0 * norm * (norm + sign * start)).sqrt();
            for x in v.iter_mut() {
                *x = F::from_f64(x.to_f64() * scale);
            }
            v[0] = F::from_f64((start + sign * norm) * scale);
        }
        let mut vectors = vec![F::default(); length_left * BLOCK];
        let (rows, _) = vectors.as_chunks_mut::<BLOCK>();
        for (r, row) in rows.iter_mut().enumerate() {
            for (k, to) in row.iter_mut().enumerate() {
                *to = v[k * length_left + r];
            }
        }
        let dots = gram(s, rows);
        // T grows by one column: −τ T (Vᵀ v), and τ on the diagonal.
        let mut t = vec![0f64; BLOCK * BLOCK];
        for k in (0..count).filter(|k| dots[*k][*k] > 0.0) {
            let tau = 2.0 / dots[k][k];
            for a in 0..k {
                let mut sum = 0.0;
                for m in a..k {
                    sum += t[a * BLOCK + m] * dots[m][k];
                }
                t[a * BLOCK + k] = -tau * sum;
            }
            t[k * BLOCK + k] = tau;
        }
        Panel {
            vectors,
            t: t.into_iter().map(F::from_f64).collect(),
            signs,
        }
    }
}

/// Vᵀ V in double precision; of every pair twice, because a fixed number of sums is faster than the fewer that are needed.
#[inline(always)]
fn gram<F: Real, S: Simd>(s: S, vectors: &[[F; BLOCK]]) -> [[f64; BLOCK]; BLOCK] {
    let mut products = [[0.0; BLOCK]; BLOCK];
    let mut rows = [[0f64; BLOCK]; STRIPE];
    let mut columns = [[0f64; ROWS]; STRIPE];
    for half in 0..BLOCK / ROWS {
        let mut sums = [[0.0; ROWS]; BLOCK];
        for vectors in vectors.chunks(STRIPE) {
            for ((from, row), column) in vectors.iter().zip(&mut rows).zip(&mut columns) {
                *row = from.map(F::to_f64);
                column.copy_from_slice(&row[half * ROWS..][..ROWS]);
            }
            let rows = rows[..vectors.len()].as_flattened();
            let columns = &columns[..vectors.len()];
            by_registers!(dot::<f64>(s, rows, columns, &mut sums));
        }
        for (products, sums) in products.iter_mut().zip(&sums) {
            products[half * ROWS..][..ROWS].copy_from_slice(sums);
        }
    }
    products
}

/// All v_a · v_k of one block and a later one that starts `offset` coordinates on, a-major.
struct Products<'a, F> {
    early: &'a Panel<F>,
    offset: usize,
    late: &'a Panel<F>,
}

impl<F: Real> Kernel for Products<'_, F> {
    type Output = Vec<F>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<F> {
        let (early, _) = self.early.vectors.as_chunks::<BLOCK>();
        let (late, _) = self.late.vectors.as_chunks::<BLOCK>();
        let mut products = vec![F::default(); BLOCK * BLOCK];
        // All sums of 16 k at a time, r ascending as for the rows of a matrix.
        for half in 0..BLOCK / ROWS {
            let columns: Vec<[F; ROWS]> = late
                .iter()
                .map(|row| {
                    *row.as_chunks::<ROWS>()
                        .0
                        .get(half)
                        .unwrap_or(&[F::default(); ROWS])
                })
                .collect();
            let vectors = early[self.offset..].as_flattened();
            let mut sums = [[F::default(); ROWS]; BLOCK];
            by_registers!(dot::<F>(s, vectors, &columns, &mut sums));
            for (to, from) in products.chunks_exact_mut(BLOCK).zip(&sums) {
                to[half * ROWS..][..ROWS].copy_from_slice(from);
            }
        }
        products
    }
}
