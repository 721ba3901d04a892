//! Walks strided tensors row by row.

/// Visits every row of `shape` in C order, following N tensors at once.
///
/// `strides` gives for each tensor the step along each axis (0 along broadcast axes), `base` the
/// offset of its first element. `row` gets each tensor's offset, the row's length and the steps
/// within the row. Axes that lie regularly behind each other in all tensors are taken as one, so
/// rows are as long as they can be.
pub(crate) fn rows<const N: usize>(
    shape: &[usize],
    strides: [&[isize]; N],
    base: [isize; N],
    mut row: impl FnMut([isize; N], usize, [isize; N]),
) {
    if shape.contains(&0) {
        return;
    }
    let mut axes: Vec<(usize, [isize; N])> = Vec::with_capacity(shape.len());
    for (k, &length) in shape.iter().enumerate() {
        if length == 1 {
            continue;
        }
        let step: [isize; N] = std::array::from_fn(|n| strides[n][k]);
        match axes.last_mut() {
            Some((merged, outer)) if (0..N).all(|n| outer[n] == step[n] * length as isize) => {
                *merged *= length;
                *outer = step;
            }
            _ => axes.push((length, step)),
        }
    }
    let (length, step) = axes.pop().unwrap_or((1, [1; N]));
    let mut at = base;
    let mut counter = vec![0usize; axes.len()];
    loop {
        row(at, length, step);
        let mut k = axes.len();
        loop {
            if k == 0 {
                return;
            }
            k -= 1;
            let (count, step) = axes[k];
            counter[k] += 1;
            for n in 0..N {
                at[n] += step[n];
            }
            if counter[k] < count {
                break;
            }
            counter[k] = 0;
            for n in 0..N {
                at[n] -= step[n] * count as isize;
            }
        }
    }
}

/// Copies `shape` elements out of `source`, starting at `base` and stepping by `strides`.
pub(crate) fn copy<T: Copy>(
    source: &[T],
    base: isize,
    shape: &[usize],
    strides: &[isize],
) -> Vec<T> {
    let mut out = Vec::with_capacity(shape.iter().product());
    rows(shape, [strides], [base], |[at], length, [step]| {
        let start = at as usize;
        match step {
            1 => out.extend_from_slice(&source[start..start + length]),
            0 => out.extend(std::iter::repeat_n(source[start], length)),
            _ => out.extend((0..length as isize).map(|k| source[(at + k * step) as usize])),
        }
    });
    out
}

/// C-order strides for walking.
pub(crate) fn steps(shape: &[usize]) -> Vec<isize> {
    crate::shape::strides(shape)
        .into_iter()
        .map(|s| s as isize)
        .collect()
}

/// The product of the axes before `axis`, its own size, and the product of those after it.
pub(crate) fn lanes(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (
        shape[..axis].iter().product(),
        shape[axis],
        shape[axis + 1..].iter().product(),
    )
}
