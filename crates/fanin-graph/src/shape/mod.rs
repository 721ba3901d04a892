//! Broadcasting, axes and strides.

pub(crate) mod geometry;

/// The shape that both broadcast to, `None` where two sizes differ and neither is 1.
///
/// ```
/// use fanin_graph::shape::broadcast_shape;
///
/// assert_eq!(broadcast_shape(&[8, 1, 3], &[5, 1]), Some(vec![8, 5, 3]));
/// assert_eq!(broadcast_shape(&[2], &[3]), None);
/// ```
pub fn broadcast_shape(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], k: usize| {
        (k + shape.len())
            .checked_sub(rank)
            .and_then(|i| shape.get(i).copied())
            .unwrap_or(1)
    };
    (0..rank)
        .map(|k| match (at(a, k), at(b, k)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

/// [`broadcast_shape`] of any number of shapes, with an error that shows the two that differ.
pub(crate) fn broadcast_all<'a>(
    shapes: impl IntoIterator<Item = &'a [usize]>,
) -> Result<Vec<usize>, String> {
    let mut all: Vec<usize> = Vec::new();
    for shape in shapes {
        all = broadcast_shape(&all, shape)
            .ok_or_else(|| format!("shapes {all:?} and {shape:?} do not broadcast"))?;
    }
    Ok(all)
}

/// The axis counted from the front.
///
/// # Errors
///
/// An axis outside `-rank..rank`.
pub fn normalize_axis(axis: i64, rank: usize) -> Result<usize, String> {
    let from_front = if axis < 0 {
        i64::try_from(rank).ok().and_then(|r| axis.checked_add(r))
    } else {
        Some(axis)
    };
    from_front
        .and_then(|a| usize::try_from(a).ok())
        .filter(|&a| a < rank)
        .ok_or_else(|| format!("axis {axis} is out of range for a tensor of {rank} axes"))
}

/// Which axes a list names.
///
/// # Errors
///
/// An axis out of range or named twice.
pub(crate) fn axis_mask(axes: &[i64], rank: usize) -> Result<Vec<bool>, String> {
    let mut mask = vec![false; rank];
    for &axis in axes {
        let axis = normalize_axis(axis, rank)?;
        if std::mem::replace(&mut mask[axis], true) {
            return Err(format!("axes {axes:?} name axis {axis} twice"));
        }
    }
    Ok(mask)
}

/// How many elements apart neighbours along each axis lie in C order.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for k in (1..shape.len()).rev() {
        // Saturates only for shapes that no memory can hold.
        strides[k - 1] = strides[k].saturating_mul(shape[k]);
    }
    strides
}

/// Strides of a tensor of `shape` read as `target`, to which it broadcasts: 0 along repeated axes.
pub fn broadcast_strides(shape: &[usize], target: &[usize]) -> Vec<isize> {
    let own = strides(shape);
    (0..target.len())
        .map(|k| match (k + shape.len()).checked_sub(target.len()) {
            Some(i) if shape[i] != 1 => own[i] as isize,
            _ => 0,
        })
        .collect()
}
