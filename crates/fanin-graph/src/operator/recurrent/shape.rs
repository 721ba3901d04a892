//! Shapes of recurrent layers.

use super::Recurrent;
use crate::infer::{Found, Inferred, Operands};

/// Weights `[directions, gates * hidden, …]`; outputs `Y`, `Y_h` and for `LSTM` `Y_c`.
pub(crate) fn recurrent(layer: &Recurrent, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "X")?;
    let w = operands.required(1, "W")?;
    let r = operands.required(2, "R")?;
    let gates = layer.cell.gates();
    let directions = layer.direction.count();
    let count = operands.outputs;
    let untold = vec![Inferred::typed(x.element); count];
    let hidden = layer
        .hidden
        .or_else(|| r.shape.and_then(|shape| shape.get(2).copied()));
    let (Some(shape), Some(hidden)) = (x.shape, hidden) else {
        return Ok(untold);
    };
    let &[first, second, size] = shape else {
        return Err(format!("wants an input of three axes, got {shape:?}"));
    };
    let batch_first = layer.batch_first;
    let (steps, batch) = if batch_first {
        (second, first)
    } else {
        (first, second)
    };
    let stacked = hidden
        .checked_mul(gates)
        .ok_or_else(|| format!("hidden size {hidden} is too large to count"))?;
    for (found, name, wanted) in [
        (w.shape, "W", [directions, stacked, size]),
        (r.shape, "R", [directions, stacked, hidden]),
    ] {
        if let Some(found) = found
            && found != wanted
        {
            return Err(format!(
                "`{name}` has shape {found:?} where {wanted:?} is wanted for input {shape:?} and \
                 hidden size {hidden}"
            ));
        }
    }
    let both = stacked
        .checked_mul(2)
        .ok_or_else(|| format!("hidden size {hidden} is too large to count"))?;
    operands.expect_shape(3, "B", &[directions, both])?;

    let (all, last) = if batch_first {
        (
            vec![batch, steps, directions, hidden],
            vec![batch, directions, hidden],
        )
    } else {
        (
            vec![steps, directions, batch, hidden],
            vec![directions, batch, hidden],
        )
    };
    for (k, name) in [(5, "initial_h"), (6, "initial_c")] {
        operands.expect_shape(k, name, &last)?;
    }
    Ok(vec![
        Inferred::known(x.element, all),
        Inferred::known(x.element, last.clone()),
        Inferred::known(x.element, last),
    ])
}

#[cfg(test)]
mod tests {
    use crate::infer::testing::{all, attributes, floats};
    use crate::{Attribute, Attributes};

    fn shapes(
        op: &str,
        attributes: Attributes,
        x: &[usize],
        w: &[usize],
        r: &[usize],
    ) -> Result<Vec<Vec<usize>>, String> {
        let found = all(op, 14, attributes, &[floats(x), floats(w), floats(r)], 3)?;
        Ok(found.into_iter().filter_map(|o| o.shape).collect())
    }

    #[test]
    fn directions_and_layout() {
        let both = attributes([
            ("hidden_size", Attribute::Int(5)),
            ("direction", Attribute::String("bidirectional".to_owned())),
        ]);
        let found = shapes("LSTM", both, &[7, 2, 3], &[2, 20, 3], &[2, 20, 5]).unwrap();
        assert_eq!(found, [vec![7, 2, 2, 5], vec![2, 2, 5], vec![2, 2, 5]]);
        let layout = attributes([("layout", Attribute::Int(1))]);
        let found = shapes("GRU", layout, &[2, 7, 3], &[1, 15, 3], &[1, 15, 5]).unwrap();
        assert_eq!(found[..2], [vec![2, 7, 1, 5], vec![2, 1, 5]]);
    }

    #[test]
    fn weights_fit_input_and_state() {
        let error = shapes(
            "GRU",
            Attributes::default(),
            &[7, 2, 4],
            &[1, 15, 3],
            &[1, 15, 5],
        )
        .unwrap_err();
        assert!(
            error.contains("`W` has shape [1, 15, 3]") && error.contains("[1, 15, 4]"),
            "{error}"
        );
        assert!(
            shapes(
                "LSTM",
                Attributes::default(),
                &[7, 2, 3],
                &[1, 15, 3],
                &[1, 15, 5]
            )
            .is_err()
        );
        assert!(
            shapes(
                "RNN",
                Attributes::default(),
                &[7, 2],
                &[1, 5, 3],
                &[1, 5, 5]
            )
            .is_err()
        );
    }
}
