//! Recurrent layers, unrolled over time.

use super::activation::{
    elu, hard_sigmoid, leaky_relu, relu, sigmoid, softplus, softsign, tanh, thresholded_relu,
};
use super::{Answer, Call, Operator};
use crate::array::{array, count};
use crate::kernel::elementwise::{add, affine, multiply, select, subtract, unary};
use crate::kernel::linear::matmul;
use crate::kernel::shape::{concat, narrow, permute, reshape, split, zeros};
use crate::tape::Var;
use crate::value::Item;

pub(super) fn find(op: &str) -> Option<Operator> {
    Some(match op {
        "LSTM" => |call| run(call, Cell::Lstm),
        "GRU" => |call| run(call, Cell::Gru),
        "RNN" => |call| run(call, Cell::Rnn),
        _ => return None,
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Lstm,
    Gru,
    Rnn,
}

impl Cell {
    fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
            Self::Rnn => 1,
        }
    }

    fn default_activations(self) -> &'static [&'static str] {
        match self {
            Self::Lstm => &["Sigmoid", "Tanh", "Tanh"],
            Self::Gru => &["Sigmoid", "Tanh"],
            Self::Rnn => &["Tanh"],
        }
    }
}

/// An activation with its parameters.
#[derive(Clone, Debug)]
struct Activation {
    name: String,
    alpha: Option<f32>,
    beta: Option<f32>,
}

impl Activation {
    fn apply(&self, x: &Var) -> Result<Var, String> {
        let alpha = |default: f32| self.alpha.unwrap_or(default);
        let beta = |default: f32| self.beta.unwrap_or(default);
        Ok(match self.name.to_ascii_lowercase().as_str() {
            "sigmoid" => sigmoid(x),
            "tanh" => tanh(x),
            "relu" => relu(x),
            "affine" => affine(x, alpha(1.0), beta(0.0)),
            "leakyrelu" => leaky_relu(x, alpha(0.01)),
            "thresholdedrelu" => thresholded_relu(x, alpha(1.0)),
            "scaledtanh" => affine(&tanh(&affine(x, beta(1.0), 0.0)), alpha(1.0), 0.0),
            "hardsigmoid" => hard_sigmoid(x, alpha(0.2), beta(0.5)),
            "elu" => elu(x, alpha(1.0)),
            "softsign" => softsign(x),
            "softplus" => softplus(x),
            other => {
                return Err(format!(
                    "activation `{other}` of a recurrent layer is not known"
                ));
            }
        })
    }

    /// Whether the activation takes a parameter from `activation_alpha`.
    fn takes_alpha(name: &str) -> bool {
        matches!(
            name.to_ascii_lowercase().as_str(),
            "affine" | "leakyrelu" | "thresholdedrelu" | "scaledtanh" | "hardsigmoid" | "elu"
        )
    }

    fn takes_beta(name: &str) -> bool {
        matches!(
            name.to_ascii_lowercase().as_str(),
            "affine" | "scaledtanh" | "hardsigmoid"
        )
    }
}

/// The activations of each direction.
fn activations(
    call: &Call<'_>,
    cell: Cell,
    directions: usize,
) -> Result<Vec<Vec<Activation>>, String> {
    let defaults = cell.default_activations();
    let names: Vec<String> = match call.attributes().strings("activations") {
        Some(list) => list.to_vec(),
        None => defaults
            .iter()
            .cycle()
            .take(defaults.len() * directions)
            .map(|&s| s.to_owned())
            .collect(),
    };
    if names.len() != defaults.len() * directions {
        return Err(format!(
            "{} activations are needed, {} are given",
            defaults.len() * directions,
            names.len()
        ));
    }
    let mut alphas = call
        .attributes()
        .floats("activation_alpha")
        .unwrap_or_default()
        .iter()
        .copied();
    let mut betas = call
        .attributes()
        .floats("activation_beta")
        .unwrap_or_default()
        .iter()
        .copied();
    let all: Vec<Activation> = names
        .into_iter()
        .map(|name| Activation {
            alpha: Activation::takes_alpha(&name)
                .then(|| alphas.next())
                .flatten(),
            beta: Activation::takes_beta(&name)
                .then(|| betas.next())
                .flatten(),
            name,
        })
        .collect();
    Ok(all
        .chunks(defaults.len())
        .map(<[Activation]>::to_vec)
        .collect())
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
    activations: Vec<Activation>,
    clip: Option<f32>,
    coupled: bool,
    linear_before_reset: bool,
}

impl Direction {
    fn act(&self, k: usize, x: &Var) -> Result<Var, String> {
        let clipped = match self.clip {
            Some(c) => unary(
                x,
                move |x| x.clamp(-c, c),
                move |x| if x.abs() <= c { 1.0 } else { 0.0 },
            ),
            None => x.clone(),
        };
        self.activations[k].apply(&clipped)
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
            Cell::Lstm => {
                let gates = add(x, &self.state_product(h)?)?;
                let parts = split(&gates, 1, &[n; 4]);
                let peep = |k: usize, gate: &Var, c: &Var| match &self.peepholes {
                    Some(p) => add(gate, &multiply(&p[k], c)?),
                    None => Ok(gate.clone()),
                };
                let i = self.act(0, &peep(0, &parts[0], c)?)?;
                let f = match self.coupled {
                    true => affine(&i, -1.0, 1.0),
                    false => self.act(0, &peep(2, &parts[2], c)?)?,
                };
                let candidate = self.act(1, &parts[3])?;
                let c = add(&multiply(&f, c)?, &multiply(&i, &candidate)?)?;
                let o = self.act(0, &peep(1, &parts[1], &c)?)?;
                Ok((multiply(&o, &self.activations[2].apply(&c)?)?, c))
            }
            Cell::Gru => {
                let xs = split(x, 1, &[2 * n, n]);
                let (update_reset, candidate) = if self.linear_before_reset {
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

fn run(call: &Call<'_>, cell: Cell) -> Answer {
    let batch_first = call.attributes().int("layout", 0) != 0;
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
    let direction = call.attributes().str("direction", "forward");
    let reversed: &[bool] = match direction {
        "forward" => &[false],
        "reverse" => &[true],
        "bidirectional" => &[false, true],
        other => return Err(format!("direction `{other}` is not known")),
    };
    if reversed.len() != directions {
        return Err(format!(
            "direction `{direction}` does not fit weights of {directions} directions"
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
    let c0 = if cell == Cell::Lstm {
        initial(6, "initial cell state")?
    } else {
        None
    };
    let peepholes = match cell {
        Cell::Lstm => expect(call.optional(7)?, &[directions, 3 * hidden], "peepholes")?,
        _ => None,
    };
    let activations = activations(call, cell, directions)?;
    let clip = call.number_or(usize::MAX, "clip")?;
    let mut outputs = Vec::new();
    let mut last_h = Vec::new();
    let mut last_c = Vec::new();
    for (d, (&reverse, activations)) in reversed.iter().zip(activations).enumerate() {
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
            activations,
            clip,
            coupled: call.attributes().int("input_forget", 0) != 0,
            linear_before_reset: call.attributes().int("linear_before_reset", 0) != 0,
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
    if cell == Cell::Lstm {
        results.push(Item::Float(c));
    }
    Ok(results)
}
