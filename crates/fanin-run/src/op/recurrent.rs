//! Recurrent layers, unrolled over time.

use fanin_network::operator::{Cell, CellActivation, Direction as Way, Recurrent};

use super::unary::{
    elu, hard_sigmoid, leaky_relu, relu, sigmoid, softplus, softsign, tanh, thresholded_relu,
};
use super::{Answer, Call};
use crate::array::{array, count};
use crate::kernel::elementwise::{add, affine, multiply, select, subtract, unary};
use crate::kernel::linear::matmul;
use crate::kernel::shape::{concat, narrow, permute, reshape, split, zeros};
use crate::tape::Var;
use crate::value::Item;

fn activated(activation: CellActivation, x: &Var) -> Var {
    use CellActivation as A;
    match activation {
        A::Sigmoid => sigmoid(x),
        A::Tanh => tanh(x),
        A::Relu => relu(x),
        A::Affine { alpha, beta } => affine(x, alpha, beta),
        A::LeakyRelu { alpha } => leaky_relu(x, alpha),
        A::ThresholdedRelu { alpha } => thresholded_relu(x, alpha),
        A::ScaledTanh { alpha, beta } => affine(&tanh(&affine(x, beta, 0.0)), alpha, 0.0),
        A::HardSigmoid { alpha, beta } => hard_sigmoid(x, alpha, beta),
        A::Elu { alpha } => elu(x, alpha),
        A::Softsign => softsign(x),
        A::Softplus => softplus(x),
    }
}

/// One direction of a layer: its weights and how it steps.
struct Direction {
    cell: Cell,
    hidden: usize,
    /// Input weights, transposed: `[input, gates * hidden]`.
    input: Var,
    /// State weights, transposed: `[hidden, gates * hidden]`.
    state: Var,
    input_bias: Option<Var>,
    state_bias: Option<Var>,
    /// Peephole weights of the gates i, o, f.
    peepholes: Option<Vec<Var>>,
    activations: Vec<CellActivation>,
    clip: Option<f32>,
}

impl Direction {
    fn act(&self, k: usize, x: &Var) -> Result<Var, String> {
        let clipped = match self.clip {
            Some(c) => unary(
                x,
                move |x| x.min(c).max(-c),
                move |x| if x.abs() <= c { 1.0 } else { 0.0 },
            ),
            None => x.clone(),
        };
        let activation = self.activations.get(k).ok_or("an activation is missing")?;
        Ok(activated(*activation, &clipped))
    }

    fn state_product(&self, h: &Var) -> Result<Var, String> {
        let product = matmul(h, &self.state)?;
        match &self.state_bias {
            Some(b) => add(&product, b),
            None => Ok(product),
        }
    }

    /// One step: the projected input, state and cell state before; state and cell state after.
    fn step(&self, x: &Var, h: &Var, c: &Var) -> Result<(Var, Var), String> {
        let n = self.hidden;
        match self.cell {
            Cell::Rnn => Ok((self.act(0, &add(x, &self.state_product(h)?)?)?, c.clone())),
            Cell::Lstm { input_forget } => {
                let gates = add(x, &self.state_product(h)?)?;
                let parts = split(&gates, 1, &[n; 4]);
                let peep = |k: usize, gate: &Var, c: &Var| match &self.peepholes {
                    Some(p) => add(gate, &multiply(&p[k], c)?),
                    None => Ok(gate.clone()),
                };
                let i = self.act(0, &peep(0, &parts[0], c)?)?;
                let f = match input_forget {
                    true => affine(&i, -1.0, 1.0),
                    false => self.act(0, &peep(2, &parts[2], c)?)?,
                };
                let candidate = self.act(1, &parts[3])?;
                let c = add(&multiply(&f, c)?, &multiply(&i, &candidate)?)?;
                let o = self.act(0, &peep(1, &parts[1], &c)?)?;
                let last = self.activations.get(2).ok_or("an activation is missing")?;
                Ok((multiply(&o, &activated(*last, &c))?, c))
            }
            Cell::Gru {
                linear_before_reset,
            } => {
                let xs = split(x, 1, &[2 * n, n]);
                let (update_reset, candidate) = if linear_before_reset {
                    let hs = split(&self.state_product(h)?, 1, &[2 * n, n]);
                    let gates = split(&self.act(0, &add(&xs[0], &hs[0])?)?, 1, &[n, n]);
                    let candidate = self.act(1, &add(&xs[1], &multiply(&gates[1], &hs[1])?)?)?;
                    (gates, candidate)
                } else {
                    let weights = [
                        narrow(&self.state, 1, 0, 2 * n),
                        narrow(&self.state, 1, 2 * n, n),
                    ];
                    let bias = |k: usize, v: Var| match &self.state_bias {
                        Some(b) if k == 0 => add(&v, &narrow(b, 0, 0, 2 * n)),
                        Some(b) => add(&v, &narrow(b, 0, 2 * n, n)),
                        None => Ok(v),
                    };
                    let first = bias(0, matmul(h, &weights[0])?)?;
                    let gates = split(&self.act(0, &add(&xs[0], &first)?)?, 1, &[n, n]);
                    let reset = multiply(&gates[1], h)?;
                    let second = bias(1, matmul(&reset, &weights[1])?)?;
                    let candidate = self.act(1, &add(&xs[1], &second)?)?;
                    (gates, candidate)
                };
                // (1 - z) * candidate + z * h
                let moved = multiply(&update_reset[0], &subtract(h, &candidate)?)?;
                Ok((add(&candidate, &moved)?, c.clone()))
            }
        }
    }
}

pub(super) fn recurrent(operator: &Recurrent, call: &Call<'_>) -> Answer {
    let (cell, batch_first) = (operator.cell, operator.batch_first);
    let lstm = matches!(cell, Cell::Lstm { .. });
    let mut x = call.var(0)?;
    if x.dims().len() != 3 {
        return Err("the input must have the axes time, batch and features".to_owned());
    }
    if batch_first {
        x = permute(&x, &[1, 0, 2]);
    }
    let [time, batch, features] = x.dims()[..] else {
        return Err("the input must have three axes".to_owned());
    };
    let (w, r) = (call.var(1)?, call.var(2)?);
    let gates = cell.gates();
    let (directions, hidden) = match (&w.dims()[..], &r.dims()[..]) {
        (&[d, gw, f], &[e, gr, h])
            if d == e && gw == gates * h && gr == gates * h && f == features =>
        {
            (d, h)
        }
        _ => {
            return Err(format!(
                "input weights must have shape [directions, {gates} * hidden, {features}] and state weights [directions, {gates} * hidden, hidden]"
            ));
        }
    };
    let reversed: &[bool] = match operator.direction {
        Way::Forward => &[false],
        Way::Reverse => &[true],
        Way::Bidirectional => &[false, true],
    };
    if reversed.len() != directions {
        return Err(format!(
            "weights of {directions} directions do not fit a layer of {}",
            reversed.len()
        ));
    }
    count(&[time, directions, batch, hidden])?;
    let expect = |v: Option<Var>, shape: &[usize], what: &str| match v {
        Some(v) if v.dims() != shape => Err(format!(
            "the {what} must have shape {shape:?}, not {:?}",
            v.dims()
        )),
        v => Ok(v),
    };
    let bias = expect(call.optional(3)?, &[directions, 2 * gates * hidden], "bias")?;
    let lengths = call.integers(4)?;
    if let Some(lengths) = &lengths
        && (lengths.len() != batch || lengths.iter().any(|&l| l < 0 || l as usize > time))
    {
        return Err(format!(
            "sequence lengths {lengths:?} must be {batch} numbers up to {time}"
        ));
    }
    let state_shape = if batch_first {
        [batch, directions, hidden]
    } else {
        [directions, batch, hidden]
    };
    let initial = |k: usize, what: &str| -> Result<Option<Var>, String> {
        let v = expect(call.optional(k)?, &state_shape, what)?;
        Ok(v.map(|v| {
            if batch_first {
                permute(&v, &[1, 0, 2])
            } else {
                v
            }
        }))
    };
    let h0 = initial(5, "initial state")?;
    let (c0, peepholes) = match lstm {
        true => (
            initial(6, "initial cell state")?,
            expect(call.optional(7)?, &[directions, 3 * hidden], "peepholes")?,
        ),
        false => (None, None),
    };
    let mut outputs = Vec::new();
    let mut last_h = Vec::new();
    let mut last_c = Vec::new();
    for (d, &reverse) in reversed.iter().enumerate() {
        let of = |v: &Var| {
            let part = narrow(v, 0, d, 1);
            let shape = part.dims();
            reshape(&part, &shape[1..])
        };
        let biases = bias
            .as_ref()
            .map(|b| split(&of(b), 0, &[gates * hidden, gates * hidden]));
        let layer = Direction {
            cell,
            hidden,
            input: permute(&of(&w), &[1, 0]),
            state: permute(&of(&r), &[1, 0]),
            input_bias: biases.as_ref().map(|b| b[0].clone()),
            state_bias: biases.as_ref().map(|b| b[1].clone()),
            peepholes: peepholes.as_ref().map(|p| split(&of(p), 0, &[hidden; 3])),
            activations: operator.activations_of(d).to_vec(),
            clip: operator.clip,
        };
        // All time steps meet the input weights in one product.
        let mut projected = matmul(&reshape(&x, &[time * batch, features]), &layer.input)?;
        if let Some(b) = &layer.input_bias {
            projected = add(&projected, b)?;
        }
        let steps = split(&projected, 0, &vec![batch; time]);
        let start = |v: &Option<Var>| v.as_ref().map_or_else(|| zeros(&[batch, hidden]), of);
        let (mut h, mut c) = (start(&h0), start(&c0));
        let mut all: Vec<Option<Var>> = vec![None; time];
        let order: Vec<usize> = if reverse {
            (0..time).rev().collect()
        } else {
            (0..time).collect()
        };
        for t in order {
            let (next_h, next_c) = layer.step(&steps[t], &h, &c)?;
            let mut seen = next_h.clone();
            match &lengths {
                Some(lengths) if lengths.iter().any(|&l| t >= l as usize) => {
                    // Past its end a sample keeps its state and puts out zeros.
                    let inside: Vec<f32> = lengths
                        .iter()
                        .map(|&l| f32::from(u8::from(t < l as usize)))
                        .collect();
                    let mask = array(&[batch, 1], inside);
                    seen = select(&mask, &next_h, &zeros(&[1]))?;
                    h = select(&mask, &next_h, &h)?;
                    c = select(&mask, &next_c, &c)?;
                }
                _ => {
                    h = next_h;
                    c = next_c;
                }
            }
            all[t] = Some(reshape(&seen, &[1, 1, batch, hidden]));
        }
        let all: Vec<Var> = all.into_iter().flatten().collect();
        outputs.push(match all.is_empty() {
            true => zeros(&[0, 1, batch, hidden]),
            false => concat(&all.iter().collect::<Vec<_>>(), 0),
        });
        last_h.push(reshape(&h, &[1, batch, hidden]));
        last_c.push(reshape(&c, &[1, batch, hidden]));
    }
    let join = |v: &[Var], axis: usize| concat(&v.iter().collect::<Vec<_>>(), axis);
    let mut y = join(&outputs, 1);
    let (mut h, mut c) = (join(&last_h, 0), join(&last_c, 0));
    if batch_first {
        y = permute(&y, &[2, 0, 1, 3]);
        h = permute(&h, &[1, 0, 2]);
        c = permute(&c, &[1, 0, 2]);
    }
    let mut results = vec![Item::Float(y), Item::Float(h)];
    if lstm {
        results.push(Item::Float(c));
    }
    Ok(results)
}
