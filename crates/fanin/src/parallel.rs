//! Work shared between threads. What comes out does not depend on how it is shared.

/// Elements per piece: 256 tiles, some tens of microseconds.
#[cfg(feature = "rayon")]
const PIECE: usize = 1 << 14;

/// Elements that one thread fills sooner than it wakes others.
#[cfg(feature = "rayon")]
const ALONE: usize = 4 * PIECE;

/// Calls `fill(start of the piece, piece)` for pieces of `out` that end at multiples of [`PIECE`].
#[cfg(feature = "rayon")]
pub(crate) fn pieces<T: Send>(start: u64, out: &mut [T], fill: impl Fn(u64, &mut [T]) + Sync) {
    use rayon::prelude::*;
    if out.len() <= ALONE {
        return fill(start, out);
    }
    let head = PIECE - (start % PIECE as u64) as usize;
    let (first, rest) = out.split_at_mut(head.min(out.len()));
    let after = start + first.len() as u64;
    rayon::join(
        || fill(start, first),
        || {
            rest.par_chunks_mut(PIECE)
                .enumerate()
                .for_each(|(i, piece)| fill(after + (i * PIECE) as u64, piece));
        },
    );
}

/// Without threads the whole is one piece.
#[cfg(not(feature = "rayon"))]
pub(crate) fn pieces<T: Send>(start: u64, out: &mut [T], fill: impl Fn(u64, &mut [T]) + Sync) {
    fill(start, out);
}

/// Calls `work(index, item)` for every chunk of `size` elements.
pub(crate) fn chunks<T: Send>(out: &mut [T], size: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    #[cfg(feature = "rayon")]
    {
        use rayon::prelude::*;
        out.par_chunks_mut(size)
            .enumerate()
            .for_each(|(i, chunk)| work(i, chunk));
    }
    #[cfg(not(feature = "rayon"))]
    out.chunks_mut(size)
        .enumerate()
        .for_each(|(i, chunk)| work(i, chunk));
}

/// Calls `work(memory, index, chunk)` for the first `first` elements and for every `size` after them; `memory` is used
/// again from one chunk to the next.
pub(crate) fn chunks_from<T: Send, M>(
    out: &mut [T],
    first: usize,
    size: usize,
    memory: impl Fn() -> M + Sync + Send,
    work: impl Fn(&mut M, usize, &mut [T]) + Sync,
) {
    let (head, rest) = out.split_at_mut(first.min(out.len()));
    if rest.is_empty() {
        return work(&mut memory(), 0, head);
    }
    #[cfg(feature = "rayon")]
    {
        use rayon::prelude::*;
        rest.par_chunks_mut(size)
            .enumerate()
            .map(|(i, chunk)| (i + 1, chunk))
            .chain([(0, head)])
            .for_each_init(memory, |memory, (i, chunk)| work(memory, i, chunk));
    }
    #[cfg(not(feature = "rayon"))]
    {
        let mut memory = memory();
        work(&mut memory, 0, head);
        for (i, chunk) in rest.chunks_mut(size).enumerate() {
            work(&mut memory, i + 1, chunk);
        }
    }
}
