//! The innermost loop of the matrix product: one tile of the result from two packed panels.
//!
//! Every element of a tile is a sum over the depth in order, so its bits depend neither on the size of
//! the tile nor on its place in it. AVX2 and AVX-512 fuse each multiplication with its addition and agree
//! bit for bit; elsewhere the two are rounded one after the other unless the processor always fuses.

/// The most rows of a tile.
pub(super) const MOST_ROWS: usize = 14;
/// The most columns of a tile.
pub(super) const MOST_COLUMNS: usize = 32;

/// Computes a tile: `rows` packed as `[depth][R]`, `columns` as `[depth][width]`, the result written (or
/// added, where the last argument says so) to rows `stride` apart.
///
/// Unsafe to call where the processor lacks the instructions it was compiled for.
pub(super) type Tile = unsafe fn(&[f32], &[f32], &mut [f32], usize, bool);

/// What a processor can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instructions {
    /// 32 registers of 16 elements.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 16 registers of 8 elements.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Plain loops.
    Portable,
}

impl Instructions {
    /// The best of this processor.
    pub(super) fn here() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// Columns of a tile.
    pub(super) const fn columns(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 32,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 16,
            Self::Portable => 8,
        }
    }

    /// Rows of a tile for a product of so many rows, of those that keep the multipliers busy: few rows of the
    /// last tile are to stay empty, and few tiles to be loaded.
    pub(super) fn rows(self, rows: usize) -> usize {
        let (least, most) = match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => (8, MOST_ROWS),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => (4, 6),
            Self::Portable => (4, 4),
        };
        if rows <= most {
            return rows.max(1);
        }
        let cost = |r: &usize| rows.div_ceil(*r) * (r + 1);
        (least..=most).min_by_key(cost).unwrap_or(most)
    }

    /// The loop for tiles of so many rows, and of half the columns where that is enough.
    pub(super) fn tile(self, rows: usize, half: bool) -> Tile {
        macro_rules! of_rows {
            ($function:ident, $vectors:literal, $($r:literal)*) => {
                match rows {
                    $($r => $function::<$r, $vectors>,)*
                    _ => $function::<1, $vectors>,
                }
            };
        }
        match (self, half) {
            #[cfg(target_arch = "x86_64")]
            (Self::Avx512, false) => of_rows!(avx512, 2, 2 3 4 5 6 7 8 9 10 11 12 13 14),
            #[cfg(target_arch = "x86_64")]
            (Self::Avx512, true) => of_rows!(avx512, 1, 2 3 4 5 6 7 8 9 10 11 12 13 14),
            #[cfg(target_arch = "x86_64")]
            (Self::Avx2, false) => of_rows!(avx2, 2, 2 3 4 5 6),
            #[cfg(target_arch = "x86_64")]
            (Self::Avx2, true) => of_rows!(avx2, 1, 2 3 4 5 6),
            (Self::Portable, _) => of_rows!(portable, 8, 2 3 4),
        }
    }
}

/// A tile of `R` rows and `V` registers of columns in the registers of one instruction set.
#[cfg(target_arch = "x86_64")]
macro_rules! vector_tile {
    ($name:ident, $feature:literal, $lanes:literal, $zero:ident, $load:ident, $spread:ident,
     $fused:ident, $sum:ident, $store:ident) => {
        #[target_feature(enable = $feature)]
        fn $name<const R: usize, const V: usize>(
            rows: &[f32],
            columns: &[f32],
            to: &mut [f32],
            stride: usize,
            add: bool,
        ) {
            use std::arch::x86_64::{$fused, $load, $spread, $store, $sum, $zero};
            const WIDTH: usize = 2 * $lanes;
            let depth = rows.len() / R;
            assert!(V * $lanes <= WIDTH && columns.len() >= depth * WIDTH);
            assert!(to.len() >= (R - 1) * stride + V * $lanes);
            let mut total = [[$zero(); V]; R];
            let (mut row, mut column) = (rows.as_ptr(), columns.as_ptr());
            for _ in 0..depth {
                // SAFETY: `depth` steps of R and of WIDTH elements lie in `rows` and `columns`, as
                // asserted above; loads need no alignment.
                unsafe {
                    let mut b = [$zero(); V];
                    for (v, b) in b.iter_mut().enumerate() {
                        *b = $load(column.add(v * $lanes));
                    }
                    for (r, total) in total.iter_mut().enumerate() {
                        let a = $spread(*row.add(r));
                        for (total, &b) in total.iter_mut().zip(&b) {
                            *total = $fused(a, b, *total);
                        }
                    }
                    row = row.add(R);
                    column = column.add(WIDTH);
                }
            }
            for (r, total) in total.iter().enumerate() {
                for (v, &total) in total.iter().enumerate() {
                    // SAFETY: the last element written is (R - 1) * stride + V * lanes - 1 at most,
                    // which lies in `to` as asserted above.
                    unsafe {
                        let to = to.as_mut_ptr().add(r * stride + v * $lanes);
                        let total = if add { $sum($load(to), total) } else { total };
                        $store(to, total);
                    }
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
vector_tile!(
    avx512,
    "avx512f",
    16,
    _mm512_setzero_ps,
    _mm512_loadu_ps,
    _mm512_set1_ps,
    _mm512_fmadd_ps,
    _mm512_add_ps,
    _mm512_storeu_ps
);
#[cfg(target_arch = "x86_64")]
vector_tile!(
    avx2,
    "avx2,fma",
    8,
    _mm256_setzero_ps,
    _mm256_loadu_ps,
    _mm256_set1_ps,
    _mm256_fmadd_ps,
    _mm256_add_ps,
    _mm256_storeu_ps
);

/// The same in plain loops, of `R` rows and `C` columns.
fn portable<const R: usize, const C: usize>(
    rows: &[f32],
    columns: &[f32],
    to: &mut [f32],
    stride: usize,
    add: bool,
) {
    let mut total = [[0.0f32; C]; R];
    for (a, b) in rows.chunks_exact(R).zip(columns.chunks_exact(C)) {
        for (total, &a) in total.iter_mut().zip(a) {
            for (total, &b) in total.iter_mut().zip(b) {
                // Where it is an instruction of every processor; as a function it would be slow.
                *total = if cfg!(target_arch = "aarch64") {
                    a.mul_add(b, *total)
                } else {
                    *total + a * b
                };
            }
        }
    }
    for (to, total) in to.chunks_mut(stride).zip(&total) {
        for (to, &total) in to.iter_mut().zip(total) {
            *to = if add { *to + total } else { total };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, step: f32) -> Vec<f32> {
        (0..n).map(|k| (k as f32 * step).sin()).collect()
    }

    /// The tile by one plain loop per element, each product fused with its addition.
    fn plain(rows: &[f32], columns: &[f32], r: usize, width: usize, at: (usize, usize)) -> f32 {
        let pairs = rows.chunks(r).zip(columns.chunks(width));
        pairs.fold(0.0, |total, (a, b)| a[at.0].mul_add(b[at.1], total))
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn vectors_give_the_bits_of_the_plain_loop() {
        let sets = [
            (Instructions::Avx512, is_x86_feature_detected!("avx512f")),
            (Instructions::Avx2, is_x86_feature_detected!("fma")),
        ];
        for (set, _) in sets.into_iter().filter(|&(_, there)| there) {
            let (width, stride, depth) = (set.columns(), 41, 37);
            let columns = wave(depth * width, 0.37);
            for (r, half) in (1..=MOST_ROWS).flat_map(|r| [(r, false), (r, true)]) {
                if r > set.rows(usize::MAX / 64) && set == Instructions::Avx2 && r > 6 {
                    continue;
                }
                let rows = wave(depth * r, 0.73);
                let tile = set.tile(r, half);
                let mut to = vec![0.5f32; MOST_ROWS * stride];
                // SAFETY: the processor has the instructions, see above.
                unsafe { tile(&rows, &columns, &mut to, stride, false) };
                // SAFETY: the same.
                unsafe { tile(&rows, &columns, &mut to, stride, true) };
                for (i, j) in (0..MOST_ROWS).flat_map(|i| (0..stride).map(move |j| (i, j))) {
                    let inside = i < r && j < if half { width / 2 } else { width };
                    let want = match inside {
                        true => 2.0 * plain(&rows, &columns, r, width, (i, j)),
                        false => 0.5,
                    };
                    assert_eq!(
                        to[i * stride + j].to_bits(),
                        want.to_bits(),
                        "{set:?} {r} {i} {j}"
                    );
                }
            }
        }
    }

    #[test]
    fn plain_loops_give_the_product() {
        let set = Instructions::Portable;
        let (width, stride) = (set.columns(), 11);
        let (rows, columns) = (wave(29 * 3, 0.73), wave(29 * width, 0.37));
        let mut to = vec![0.0f32; 3 * stride];
        // SAFETY: plain loops run everywhere.
        unsafe { set.tile(3, false)(&rows, &columns, &mut to, stride, false) };
        for (i, j) in (0..3).flat_map(|i| (0..width).map(move |j| (i, j))) {
            let want = plain(&rows, &columns, 3, width, (i, j));
            assert!((to[i * stride + j] - want).abs() < 1e-4);
        }
    }

    #[test]
    fn tiles_leave_few_rows_empty() {
        #[cfg(target_arch = "x86_64")]
        {
            assert_eq!(Instructions::Avx512.rows(64), 13);
            assert_eq!(Instructions::Avx512.rows(3), 3);
            assert_eq!(Instructions::Avx2.rows(64), 6);
        }
        assert_eq!(Instructions::Portable.rows(64), 4);
    }
}
