//! Shapes of resizing and of sampling by a grid.

use super::{Aspect, Resize};
use crate::HostTensor;
use crate::infer::{Found, Inferred, Operands, known};
use crate::operator::Setting;
use crate::shape::{geometry, normalize_axis};

/// `Resize` and `Upsample`.
pub(crate) fn resize(resize: &Resize, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "X")?;
    let shape = known!(x.shape, x.element);
    let axes: Vec<usize> = match &resize.axes {
        Some(axes) => axes
            .iter()
            .map(|&axis| normalize_axis(axis, shape.len()))
            .collect::<Result<_, _>>()?,
        None => (0..shape.len()).collect(),
    };
    let mut out = shape.to_vec();

    // An input that is there but empty counts as left out.
    let sizes_at = resize.sizes.slot().filter(|&at| operands.has(at));
    if sizes_at.is_some_and(|at| operands.shape(at) != Some(&[0])) {
        let sizes = known!(
            operands.setting(&resize.sizes, "sizes")?.flatten(),
            x.element
        );
        let sizes = geometry::sizes(&sizes, "sizes")?;
        if sizes.len() != axes.len() {
            return Err(format!(
                "sizes {sizes:?} do not fit axes {axes:?} of {shape:?}"
            ));
        }
        let ratios = axes
            .iter()
            .zip(&sizes)
            .map(|(&axis, &size)| size as f64 / shape[axis] as f64);
        let common = match resize.aspect {
            Aspect::Stretch => None,
            Aspect::NotLarger => Some(ratios.fold(f64::INFINITY, f64::min)),
            Aspect::NotSmaller => Some(ratios.fold(0.0, f64::max)),
        };
        for (&axis, &size) in axes.iter().zip(&sizes) {
            out[axis] = match common {
                // Halves go up.
                Some(scale) => (scale * shape[axis] as f64 + 0.5).floor() as usize,
                None => size,
            };
        }
        return Ok(vec![Inferred::known(x.element, out)]);
    }

    let scales = match &resize.scales {
        Setting::Given(scales) => scales.clone(),
        Setting::Input(at) if operands.has(*at) => {
            let constant = operands.input(*at).and_then(|input| input.constant);
            known!(constant.map(HostTensor::to_f32), x.element)
        }
        Setting::Input(_) | Setting::Absent => {
            return Err("has neither scales nor sizes".to_owned());
        }
    };
    if scales.len() != axes.len() {
        return Err(format!(
            "scales {scales:?} do not fit axes {axes:?} of {shape:?}"
        ));
    }
    for (&axis, &scale) in axes.iter().zip(&scales) {
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(format!("scales {scales:?} are not all positive"));
        }
        // In f32, as the standard's own shape inference rounds.
        out[axis] = (shape[axis] as f32 * scale).floor() as usize;
    }
    Ok(vec![Inferred::known(x.element, out)])
}

/// `GridSample`: the grid's places of the input's channels.
pub(crate) fn grid_sample(operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "X")?;
    let grid = operands.required(1, "grid")?;
    let (shape, grid) = known!(x.shape.zip(grid.shape), x.element);
    let fits = shape.len() >= 3
        && grid.len() == shape.len()
        && grid[0] == shape[0]
        && grid[grid.len() - 1] == shape.len() - 2;
    if !fits {
        return Err(format!("grid {grid:?} does not fit the input {shape:?}"));
    }
    let mut out = shape[..2].to_vec();
    out.extend(&grid[1..grid.len() - 1]);
    Ok(vec![Inferred::known(x.element, out)])
}

/// `AffineGrid`: a grid for images of `size` `[batch, channels, …]`.
pub(crate) fn affine_grid(operands: &Operands<'_>) -> Found {
    let theta = operands.required(0, "theta")?;
    operands.required(1, "size")?;
    let size = known!(operands.integers(1, "size")?.flatten(), theta.element);
    let size = geometry::sizes(&size, "size")?;
    let [batch, _, spatial @ ..] = size.as_slice() else {
        return Err(format!(
            "`size` is {size:?} where [batch, channels, …] is wanted"
        ));
    };
    let mut out = vec![*batch];
    out.extend(spatial);
    out.push(spatial.len());
    Ok(vec![Inferred::known(theta.element, out)])
}

#[cfg(test)]
mod tests {
    use crate::infer::testing::{Given, attributes, first, floats, ints, known_floats};
    use crate::{Attribute, Attributes};

    #[test]
    fn scales_and_sizes_of_each_version() {
        let x = || floats(&[1, 3, 5, 4]);
        let scales = || known_floats(&[1.0, 1.0, 1.5, 0.6]);
        let none = Attributes::default;
        assert_eq!(
            first("Upsample", 9, none(), &[x(), scales()]).unwrap(),
            [1, 3, 7, 2]
        );
        assert_eq!(
            first("Resize", 10, none(), &[x(), scales()]).unwrap(),
            [1, 3, 7, 2]
        );
        assert_eq!(
            first("Resize", 13, none(), &[x(), Given::Absent, scales()]).unwrap(),
            [1, 3, 7, 2]
        );
        let inputs = [x(), Given::Absent, known_floats(&[]), ints(&[1, 3, 9, 9])];
        assert_eq!(first("Resize", 11, none(), &inputs).unwrap(), [1, 3, 9, 9]);
        let stated = attributes([("scales", Attribute::Floats(vec![1.0, 1.0, 2.0, 2.0]))]);
        assert_eq!(first("Upsample", 7, stated, &[x()]).unwrap(), [1, 3, 10, 8]);
        assert!(first("Resize", 13, none(), &[x()]).is_err());
        assert!(first("Resize", 10, none(), &[x(), known_floats(&[2.0])]).is_err());
        assert!(
            first(
                "Resize",
                10,
                none(),
                &[x(), known_floats(&[1.0, 1.0, f32::NAN, 1.0])]
            )
            .is_err()
        );
    }

    #[test]
    fn aspect_ratio_policies() {
        let resize = |policy: &str| {
            let attributes = attributes([
                ("axes", Attribute::Ints(vec![2, 3])),
                (
                    "keep_aspect_ratio_policy",
                    Attribute::String(policy.to_owned()),
                ),
            ]);
            let inputs = [
                floats(&[1, 3, 2, 4]),
                Given::Absent,
                Given::Absent,
                ints(&[7, 8]),
            ];
            first("Resize", 18, attributes, &inputs).unwrap()
        };
        assert_eq!(resize("stretch"), [1, 3, 7, 8]);
        assert_eq!(resize("not_larger"), [1, 3, 4, 8]);
        assert_eq!(resize("not_smaller"), [1, 3, 7, 14]);
    }
}
