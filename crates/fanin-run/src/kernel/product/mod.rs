//! The product of two matrices: packed panels, tiles in registers.
//!
//! Both factors are packed block by block into panels that the innermost loop reads in order
//! (Goto & van de Geijn 2008, "Anatomy of high-performance matrix multiplication"). How a factor comes
//! to its panels is its own affair ([`Panels`]): a matrix may lie in memory in any order, and the windows
//! of a convolution are packed straight from its input.
//!
//! The depth is cut at the same places whatever the number of threads, and every element of the
//! result is one sum in the order of the depth within each part: the bits do not depend on how the work is
//! shared out.

mod tile;

use std::cell::Cell;
use std::ops::Range;

use rayon::prelude::*;

use tile::{Instructions, MOST_COLUMNS, MOST_ROWS};

/// One factor of a product: an outer axis, that of the result, and the depth that is summed over.
pub(crate) trait Panels: Sync {
    /// Writes the part of the factor at `outer` and `depth` as `[depth][width]`; `width` is at least the
    /// length of `outer`, and what is beyond that is zero.
    fn pack(&self, outer: Range<usize>, depth: Range<usize>, width: usize, to: &mut [f32]);
}

/// A factor that lies in memory: element `(outer, depth)` is `data[outer * step + depth * ...]`, where the
/// depth may be cut into pieces that lie apart, as the samples of a batch do.
#[derive(Clone, Copy)]
pub(crate) struct Strided<'a> {
    /// The elements.
    pub(crate) data: &'a [f32],
    /// From one index of the outer axis to the next.
    pub(crate) outer: usize,
    /// From one index of the depth to the next.
    pub(crate) depth: usize,
    /// The depth of one piece, and how far the next lies from it; `None` where all is one piece.
    pub(crate) pieces: Option<(usize, usize)>,
}

impl Panels for Strided<'_> {
    fn pack(&self, outer: Range<usize>, depth: Range<usize>, width: usize, to: &mut [f32]) {
        let Some((piece, apart)) = self.pieces else {
            return pack_piece(self, outer, depth, width, to);
        };
        let mut at = depth.start;
        while at < depth.end {
            let (k, first) = (at / piece, at % piece);
            let n = (piece - first).min(depth.end - at);
            let part = Strided {
                data: &self.data[k * apart..],
                ..*self
            };
            let to = &mut to[(at - depth.start) * width..][..n * width];
            pack_piece(&part, outer.clone(), first..first + n, width, to);
            at += n;
        }
    }
}

fn pack_piece(
    from: &Strided<'_>,
    outer: Range<usize>,
    depth: Range<usize>,
    width: usize,
    to: &mut [f32],
) {
    let count = outer.len();
    let first = outer.start * from.outer;
    if from.outer == 1 || count == 1 {
        let rows = |d: usize| &from.data[first + d * from.depth..];
        // Whole panels of the usual widths are copied register by register.
        match (count, width) {
            (32, 32) => copy_rows::<32>(to, depth.map(rows)),
            (16, 16) => copy_rows::<16>(to, depth.map(rows)),
            _ => {
                for (to, row) in to.chunks_exact_mut(width).zip(depth.map(rows)) {
                    let (to, rest) = to.split_at_mut(count);
                    to.copy_from_slice(&row[..count]);
                    rest.fill(0.0);
                }
            }
        }
        return;
    }
    if count < width {
        to.fill(0.0);
    }
    // A few cache lines of the panel at a time, so that rows along the depth are read in runs.
    const RUN: usize = 16;
    for (to, start) in to.chunks_mut(RUN * width).zip(depth.step_by(RUN)) {
        let n = to.len() / width;
        for k in 0..count {
            let row = &from.data[first + k * from.outer + start * from.depth..];
            if from.depth == 1 {
                for (to, &v) in to[k..].iter_mut().step_by(width).zip(&row[..n]) {
                    *to = v;
                }
            } else {
                let row = row.iter().step_by(from.depth);
                for (to, &v) in to[k..].iter_mut().step_by(width).zip(row) {
                    *to = v;
                }
            }
        }
    }
}

/// Copies the first `W` elements of each row.
fn copy_rows<'a, const W: usize>(to: &mut [f32], rows: impl Iterator<Item = &'a [f32]>) {
    for (to, row) in to.as_chunks_mut::<W>().0.iter_mut().zip(rows) {
        if let Some((row, _)) = row.split_first_chunk::<W>() {
            *to = *row;
        }
    }
}

/// The sizes of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Rows of the result.
    pub(crate) rows: usize,
    /// Columns of the result.
    pub(crate) columns: usize,
    /// Elements that are summed.
    pub(crate) depth: usize,
}

impl Sizes {
    /// Multiplications that the product takes.
    pub(crate) fn multiplications(self) -> usize {
        let result = self.rows.saturating_mul(self.columns);
        result.saturating_mul(self.depth)
    }
}

/// Depth that is packed at once: a panel of columns lies in the first cache.
const DEPTH: usize = 256;
/// Columns that are packed at once.
const COLUMNS: usize = 2048;
/// Rows that one task packs at once.
const ROWS: usize = 112;
/// Multiplications from which a product is shared out over threads.
pub(crate) const PARALLEL: usize = 1 << 19;

/// `left * right` in rows one after the other, written to `to` or added to it.
pub(crate) fn multiply(
    sizes: Sizes,
    left: &dyn Panels,
    right: &dyn Panels,
    to: &mut [f32],
    add: bool,
) {
    let threads = match sizes.multiplications() < PARALLEL {
        true => 1,
        false => rayon::current_num_threads(),
    };
    by(Instructions::here(), threads, sizes, left, right, to, add);
}

/// The same by this thread alone: for one of many products that are shared out over threads.
pub(crate) fn multiply_alone(
    sizes: Sizes,
    left: &dyn Panels,
    right: &dyn Panels,
    to: &mut [f32],
    add: bool,
) {
    by(Instructions::here(), 1, sizes, left, right, to, add);
}

fn by(
    set: Instructions,
    threads: usize,
    sizes: Sizes,
    left: &dyn Panels,
    right: &dyn Panels,
    to: &mut [f32],
    add: bool,
) {
    let Sizes {
        rows,
        columns,
        depth,
    } = sizes;
    assert_eq!(to.len(), rows * columns);
    if to.is_empty() {
        return;
    }
    if depth == 0 {
        if !add {
            to.fill(0.0);
        }
        return;
    }
    let product = Product {
        set,
        sizes,
        left,
        right,
        tile_rows: set.rows(rows),
    };
    // Few rows leave nothing to share out but the columns, which do not lie together in the result.
    if threads > 1
        && rows < 4 * product.tile_rows * threads
        && columns >= 4 * set.columns() * threads
    {
        let width = columns
            .div_ceil(2 * threads)
            .next_multiple_of(set.columns());
        let parts: Vec<Vec<f32>> = (0..columns.div_ceil(width))
            .into_par_iter()
            .map(|k| {
                let range = k * width..((k + 1) * width).min(columns);
                let mut part = vec![0.0; rows * range.len()];
                if add {
                    let rows = part.chunks_mut(range.len()).zip(to.chunks(columns));
                    rows.for_each(|(part, to)| part.copy_from_slice(&to[range.clone()]));
                }
                product.run(range, &mut part, add, 1);
                part
            })
            .collect();
        let mut first = 0;
        for part in parts {
            let n = part.len() / rows;
            for (to, from) in to.chunks_mut(columns).zip(part.chunks(n)) {
                to[first..first + n].copy_from_slice(from);
            }
            first += n;
        }
        return;
    }
    product.run(0..columns, to, add, threads);
}

struct Product<'a> {
    set: Instructions,
    sizes: Sizes,
    left: &'a dyn Panels,
    right: &'a dyn Panels,
    tile_rows: usize,
}

impl Product<'_> {
    /// The columns in `range` of the result, which are all that `to` holds.
    fn run(&self, range: Range<usize>, to: &mut [f32], add: bool, threads: usize) {
        let (rows, depth, width) = (self.sizes.rows, self.sizes.depth, self.set.columns());
        let stride = range.len();
        // Even parts, so that none is too short to be worth its packing.
        let step = depth.div_ceil(depth.div_ceil(DEPTH));
        // Enough tasks for all threads, each of whole tiles.
        let each = rows.div_ceil(2 * threads).next_multiple_of(self.tile_rows);
        let each = each.min(ROWS / self.tile_rows * self.tile_rows);
        for start in range.clone().step_by(COLUMNS) {
            let columns = start..(start + COLUMNS).min(range.end);
            for k in (0..depth).step_by(step) {
                let depth = k..(k + step).min(depth);
                let panel = depth.len() * width;
                let mut packed = Scratch::new(columns.len().div_ceil(width) * panel);
                let pack = |(p, to): (usize, &mut [f32])| {
                    let first = columns.start + p * width;
                    let outer = first..(first + width).min(columns.end);
                    self.right.pack(outer, depth.clone(), width, to);
                };
                let panels = packed.elements();
                match threads {
                    1 => panels.chunks_mut(panel).enumerate().for_each(pack),
                    _ => panels.par_chunks_mut(panel).enumerate().for_each(pack),
                }
                let panels = &*panels;
                let part = Part {
                    depth: depth.clone(),
                    panels,
                    columns: columns.len(),
                    first: columns.start - range.start,
                    stride,
                    add: add || k > 0,
                };
                let block = |(b, to): (usize, &mut [f32])| {
                    let first = b * each;
                    self.block(first..(first + each).min(rows), &part, to);
                };
                match threads {
                    1 => to.chunks_mut(each * stride).enumerate().for_each(block),
                    _ => to.par_chunks_mut(each * stride).enumerate().for_each(block),
                }
            }
        }
    }

    /// Some rows of the result, of one part of the depth and the columns.
    fn block(&self, rows: Range<usize>, part: &Part<'_>, to: &mut [f32]) {
        let (width, tile_rows, depth) = (self.set.columns(), self.tile_rows, part.depth.len());
        let mut packed = Scratch::new(rows.len().div_ceil(tile_rows) * tile_rows * depth);
        let packed = packed.elements();
        for (k, to) in packed.chunks_mut(tile_rows * depth).enumerate() {
            let first = rows.start + k * tile_rows;
            let outer = first..(first + tile_rows).min(rows.end);
            self.left.pack(outer, part.depth.clone(), tile_rows, to);
        }
        let mut edge = [0.0f32; MOST_ROWS * MOST_COLUMNS];
        for (p, columns) in part.panels.chunks(width * depth).enumerate() {
            let wide = (part.columns - p * width).min(width);
            let tile = self.set.tile(tile_rows, wide <= width / 2);
            for (k, panel) in packed.chunks(tile_rows * depth).enumerate() {
                let high = (rows.len() - k * tile_rows).min(tile_rows);
                let at = k * tile_rows * part.stride + part.first + p * width;
                let to = &mut to[at..];
                if high == tile_rows && wide == width {
                    // SAFETY: `set` is what this processor can do.
                    unsafe { tile(panel, columns, to, part.stride, part.add) };
                    continue;
                }
                // SAFETY: the same.
                unsafe { tile(panel, columns, &mut edge, width, false) };
                let rows = to
                    .chunks_mut(part.stride)
                    .zip(edge.chunks(width))
                    .take(high);
                for (to, from) in rows {
                    let pairs = to.iter_mut().zip(&from[..wide]);
                    if part.add {
                        pairs.for_each(|(to, &v)| *to += v);
                    } else {
                        pairs.for_each(|(to, &v)| *to = v);
                    }
                }
            }
        }
    }
}

/// One part of the depth and of the columns: the right factor packed, and where its product goes.
struct Part<'a> {
    depth: Range<usize>,
    panels: &'a [f32],
    columns: usize,
    /// The first of the columns in a row of the result.
    first: usize,
    /// From one row of the result to the next.
    stride: usize,
    add: bool,
}

thread_local! {
    /// Room for panels, kept from one product to the next.
    static ROOM: Cell<[Vec<f32>; 2]> = const { Cell::new([Vec::new(), Vec::new()]) };
}

/// Room for packed panels; what it holds at first is of no account.
struct Scratch {
    room: Vec<f32>,
    len: usize,
}

impl Scratch {
    fn new(len: usize) -> Self {
        // A task may be taken up while another of the same thread waits: what is in use is not in the cell.
        let [first, second] = ROOM.take();
        let (mut room, other) = match first.len() >= len && first.len() <= second.len().max(len) {
            true => (first, second),
            false if second.len() >= len || first.is_empty() => (second, first),
            false => (first, second),
        };
        ROOM.set([other, Vec::new()]);
        if room.len() < len {
            room = vec![0.0; len];
        }
        Self { room, len }
    }

    fn elements(&mut self) -> &mut [f32] {
        &mut self.room[..self.len]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let [first, second] = ROOM.take();
        let mut all = [first, second, std::mem::take(&mut self.room)];
        all.sort_by_key(|room| std::cmp::Reverse(room.len()));
        let [first, second, _] = all;
        ROOM.set([first, second]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, step: f32) -> Vec<f32> {
        (0..n).map(|k| (k as f32 * step).sin()).collect()
    }

    /// A factor of which both axes may be the one that lies together.
    fn strided(data: &[f32], outer: usize, depth: usize, transposed: bool) -> Strided<'_> {
        let (outer, depth) = if transposed { (1, outer) } else { (depth, 1) };
        Strided {
            data,
            outer,
            depth,
            pieces: None,
        }
    }

    fn at(factor: &Strided<'_>, outer: usize, depth: usize) -> f64 {
        f64::from(factor.data[outer * factor.outer + depth * factor.depth])
    }

    fn sets() -> Vec<Instructions> {
        let mut sets = vec![Instructions::Portable, Instructions::here()];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("fma") {
            sets.push(Instructions::Avx2);
        }
        sets
    }

    #[test]
    fn products_of_all_sizes_and_orders() {
        for (rows, columns, depth) in [
            (1, 1, 1),
            (1, 40, 7),
            (3, 31, 300),
            (14, 32, 256),
            (29, 65, 257),
            (130, 2100, 20),
            (5, 0, 3),
        ] {
            let (a, b) = (wave(rows * depth, 0.37), wave(columns * depth, 0.73));
            for (set, flags) in sets().into_iter().flat_map(|s| (0..4).map(move |f| (s, f))) {
                let left = strided(&a, rows, depth, flags & 1 != 0);
                let right = strided(&b, columns, depth, flags & 2 != 0);
                let sizes = Sizes {
                    rows,
                    columns,
                    depth,
                };
                let mut to = vec![1.0; rows * columns];
                by(set, 1, sizes, &left, &right, &mut to, false);
                let once = to.clone();
                by(set, 1, sizes, &left, &right, &mut to, true);
                for (k, (&twice, &once)) in to.iter().zip(&once).enumerate() {
                    let (i, j) = (k / columns, k % columns);
                    let want: f64 = (0..depth).map(|d| at(&left, i, d) * at(&right, j, d)).sum();
                    let near = |x: f32, want: f64| (f64::from(x) - want).abs() < 1e-4;
                    assert!(
                        near(once, want) && near(twice, 2.0 * want),
                        "{set:?} {sizes:?} {i} {j}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_depth_in_pieces_is_one_depth() {
        // Two samples of [3 rows, 5], each after a gap of 2.
        let data = wave(2 * 17, 0.91);
        let left = Strided {
            data: &data,
            outer: 5,
            depth: 1,
            pieces: Some((5, 17)),
        };
        let mut packed = vec![0.0; 4 * 6];
        left.pack(0..3, 3..9, 4, &mut packed);
        for (d, row) in packed.chunks(4).enumerate() {
            let k = d + 3;
            for (i, &v) in row.iter().enumerate() {
                let want = if i < 3 {
                    data[k / 5 * 17 + i * 5 + k % 5]
                } else {
                    0.0
                };
                assert_eq!(v, want);
            }
        }
    }

    #[test]
    fn threads_change_no_bit() {
        for (rows, columns) in [(200, 300), (6, 5000), (500, 33)] {
            let (depth, sizes) = (600, (rows, columns));
            let (a, b) = (wave(rows * depth, 0.37), wave(columns * depth, 0.73));
            let product = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                pool.unwrap().install(|| {
                    let mut to = vec![0.0; rows * columns];
                    let (left, right) = (
                        strided(&a, rows, depth, false),
                        strided(&b, columns, depth, true),
                    );
                    let sizes = Sizes {
                        rows,
                        columns,
                        depth,
                    };
                    multiply(sizes, &left, &right, &mut to, false);
                    multiply(sizes, &left, &right, &mut to, true);
                    to.into_iter().map(f32::to_bits).collect::<Vec<_>>()
                })
            };
            let one = product(1);
            assert!(one == product(2) && one == product(5), "{sizes:?}");
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn wider_registers_change_no_bit() {
        if Instructions::here() != Instructions::Avx512 || !is_x86_feature_detected!("fma") {
            return;
        }
        let (rows, columns, depth) = (50, 70, 300);
        let (a, b) = (wave(rows * depth, 0.37), wave(columns * depth, 0.73));
        let (left, right) = (
            strided(&a, rows, depth, false),
            strided(&b, columns, depth, true),
        );
        let product = |set| {
            let mut to = vec![0.0f32; rows * columns];
            by(
                set,
                1,
                Sizes {
                    rows,
                    columns,
                    depth,
                },
                &left,
                &right,
                &mut to,
                false,
            );
            to.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        assert!(product(Instructions::Avx512) == product(Instructions::Avx2));
    }
}
