//! Rounding to a grid and back.
//!
//! What is on the grid stays in f32 and on the tape: integers of up to 16 bits are exact there. Going
//! backward, rounding is passed over, and what was cut off gets nothing (the straight-through
//! estimator; Bengio et al. 2013, arXiv:1308.3432).

use fanin_network::ElementType;
use fanin_network::operator::Quantize;

use super::{Answer, Call, axis, one};
use crate::array::Array;
use crate::kernel::elementwise::{multiply, subtract};
use crate::kernel::index::{Picks, pick};
use crate::kernel::map::{broadcast_map, map, zip_over};
use crate::kernel::shape::reshape;
use crate::tape::{Var, record};

/// A scale or a zero point in a form that broadcasts to the input: one number, one per index of the axis, or
/// one per block of it.
fn spread(v: &Var, grid: &Quantize, shape: &[usize]) -> Result<Var, String> {
    let own = v.dims();
    if v.len() == 1 {
        return Ok(reshape(v, &vec![1; shape.len()]));
    }
    let at = axis(grid.axis, shape.len())?;
    if own == [shape[at]] {
        let mut wide = vec![1; shape.len()];
        wide[at] = shape[at];
        return Ok(reshape(v, &wide));
    }
    let block = grid.block_size;
    let blocked = own.len() == shape.len()
        && block > 0
        && (0..own.len()).all(|k| match k == at {
            true => own[k] == shape[k].div_ceil(block),
            false => own[k] == shape[k],
        });
    if blocked {
        return Ok(pick(
            v,
            at,
            Picks::single((0..shape[at]).map(|i| i / block)),
        ));
    }
    Err(format!(
        "a scale of shape {own:?} does not fit axis {at} of {shape:?} in blocks of {block}"
    ))
}

/// The smallest and the largest number of an integer type.
fn ends(element: ElementType) -> Option<(f32, f32)> {
    Some(match element {
        ElementType::U8 => (0.0, 255.0),
        ElementType::I8 => (-128.0, 127.0),
        ElementType::U16 => (0.0, 65535.0),
        ElementType::I16 => (-32768.0, 32767.0),
        _ => return None,
    })
}

pub(super) fn quantize(grid: &Quantize, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let scale = spread(&call.var(1)?, grid, &shape)?;
    let (zero, element) = match call.item(2) {
        None => (None, grid.to.unwrap_or(ElementType::U8)),
        Some(_) => {
            let zero = call.tensor(2)?;
            let element = zero.element;
            (Some(spread(&call.var(2)?, grid, &shape)?), element)
        }
    };
    let (low, high) = ends(element)
        .ok_or_else(|| format!("quantization to {element} is not run; 8 and 16 bits are"))?;
    let on_grid = broadcast_map(&shape, x.array(), scale.array(), |x, s| {
        (x / s).round_ties_even()
    });
    let shifted: Array = match &zero {
        Some(zero) => broadcast_map(&shape, &on_grid, zero.array(), |x, z| x + z),
        None => on_grid,
    };
    let output = map(&shifted, |q| q.max(low).min(high));
    let (step, sizes) = (scale.array().clone(), shape);
    one(record(&[&x], output, move |g, _| {
        let passed = zip_over(
            g,
            &shifted,
            |g, q| if q < low || q > high { 0.0 } else { g },
        );
        vec![Some(broadcast_map(&sizes, &passed, &step, |g, s| g / s))]
    }))
}

pub(super) fn dequantize(grid: &Quantize, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let scale = spread(&call.var(1)?, grid, &shape)?;
    let shifted = match call.optional(2)? {
        Some(zero) => subtract(&x, &spread(&zero, grid, &shape)?)?,
        None => x,
    };
    one(multiply(&shifted, &scale)?)
}
