//! `forget_gate(value, order)`: a recurrent bias whose forget gate starts open, the other gates at 0.
//!
//! The gates lie one after the other along the output axis, as the layout's fused parts or in equal parts, in an order
//! that frameworks do not agree on. Parts beyond the order, such as the second bias of ONNX's `B`, are 0: two biases
//! that are added must not both open the gate. (PyTorch has two such tensors; give one of them zeros.)

use super::Entry;
use super::arguments::{Usual, words};
use super::rule::{Rule, Unfit, rule};
use crate::filler::Values;
use crate::sampler::Sampler;
use crate::spans::Spans;
use crate::{Axis, Layout};

words! {
    /// The gates of a recurrent bias in the order they lie.
    Gates {
        /// LSTM of PyTorch and Flax: input, forget, cell, output.
        Ifgo = "ifgo",
        /// The same in the letters of Keras.
        Ifco = "ifco",
        /// LSTM of ONNX: input, output, forget, cell.
        Iofc = "iofc",
        /// LSTM of Haiku and TensorFlow 1: input, cell, forget, output.
        Igfo = "igfo",
        /// GRU of PyTorch: reset, update, new.
        Rzn = "rzn",
        /// GRU of Keras and ONNX: update, reset, new.
        Zrh = "zrh",
    }
}

impl Gates {
    /// For each gate, 1 where it keeps the state (forget, or a GRU's update gate), −1 where it admits the input, or 0.
    pub(super) fn signs(self) -> impl Iterator<Item = f64> {
        self.name().chars().map(|gate| match gate {
            'f' | 'z' => 1.0,
            'i' => -1.0,
            _ => 0.0,
        })
    }

    /// The parts of a bias, and the sign of each.
    pub(super) fn parts(
        self,
        shape: &[usize],
        layout: &Layout,
    ) -> Result<(Spans, Vec<f64>), Unfit> {
        let mut outputs = (0..shape.len()).filter(|&axis| layout.axes[axis] == Axis::Output);
        let (Some(axis), None) = (outputs.next(), outputs.next()) else {
            return Err("gates need exactly one output axis".into());
        };
        let count = self.name().len();
        let sizes = if layout.fused.is_empty() {
            if !shape[axis].is_multiple_of(count) {
                return Err(format!("{} values are not {count} gates", shape[axis]).into());
            }
            vec![shape[axis] / count; count]
        } else {
            layout.fused.clone()
        };
        if sizes.len() < count || sizes.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err(format!("its parts {sizes:?} are not {count} gates of one size").into());
        }
        let signs = self.signs().chain(std::iter::repeat(0.0));
        let signs = signs.take(sizes.len()).collect();
        Ok((Spans::new(shape, axis, sizes), signs))
    }
}

rule! {
    /// `value` for the gate that keeps the state, 0 for the others.
    ForgetGate as forget_gate {
        /// The forget gate's bias.
        value: f64 = Usual::Shown(1.0),
        /// The order of the gates.
        order: Gates = Usual::Shown(Gates::Ifgo),
    }
}

impl Rule for ForgetGate {
    const ENTRY: Entry = Entry {
        name: "forget_gate",
        aliases: &["lstm_bias", "unit_forget_bias"],
        formula: "b = value in the forget gate (of a GRU, the update gate), 0 elsewhere; order: ifgo (PyTorch, Flax), \
                  ifco (Keras), iofc (ONNX), igfo (Haiku), rzn (PyTorch's GRU), zrh (Keras's and ONNX's)",
        when: "LSTM biases: an open forget gate lets the gradient through time from the first step. 1 is usual, 2 for \
               long memories; for known time scales see chrono.",
        reference: "Gers, Schmidhuber and Cummins, Learning to Forget, 2000; Jozefowicz, Zaremba and Sutskever, An \
                    Empirical Exploration of Recurrent Network Architectures, ICML 2015",
        example: "forget_gate(value=1, order=ifgo)",
    };

    fn fault(&self) -> Option<&'static str> {
        (!self.value.is_finite()).then_some("value must be finite")
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        let (spans, signs) = self.order.parts(shape, layout)?;
        let value = |sign: &f64| Sampler::Constant(if *sign > 0.0 { self.value } else { 0.0 });
        Ok(Values::Parts(spans, signs.iter().map(value).collect()))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    fn draw(text: &str, shape: &[usize], layout: &Layout) -> Vec<f32> {
        let mut out = vec![9f32; shape.iter().product()];
        text.parse::<Initializer>()
            .unwrap()
            .fill(Seed::new(0), "b", shape, layout, &mut out)
            .unwrap();
        out
    }

    #[test]
    fn the_gate_is_where_the_framework_has_it() {
        let vector = Layout::vector();
        for (text, expected) in [
            ("forget_gate", [0.0, 1.0, 0.0, 0.0]),
            ("forget_gate(order=ifco)", [0.0, 1.0, 0.0, 0.0]),
            ("forget_gate(order=iofc)", [0.0, 0.0, 1.0, 0.0]),
            ("forget_gate(order=igfo)", [0.0, 0.0, 1.0, 0.0]),
        ] {
            let out = draw(text, &[12], &vector);
            let gates: Vec<f32> = out.iter().step_by(3).copied().collect();
            assert_eq!(gates, expected, "{text}");
            assert_eq!(
                out,
                expected.iter().flat_map(|x| [*x; 3]).collect::<Vec<_>>()
            );
        }
        assert_eq!(
            draw("forget_gate(2, zrh)", &[6], &vector),
            [2.0, 2.0, 0.0, 0.0, 0.0, 0.0]
        );
    }

    // ONNX's B of a bidirectional LSTM: [directions, 8 hidden], the second four added to the first.
    #[test]
    fn the_second_bias_of_onnx_is_zero() {
        let layout = Layout::vector().fused(&[2; 8]).stack(1);
        let out = draw("forget_gate(order=iofc)", &[2, 16], &layout);
        let expected = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0];
        let direction = [expected, [0.0; 8]].concat();
        assert_eq!(out, [direction.clone(), direction].concat());
    }

    #[test]
    fn what_has_no_gates_is_refused() {
        let bias = Initializer::forget_gate(1.0, super::Gates::Rzn).unwrap();
        let error = bias.resolve(&[8], &Layout::vector()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "forget_gate(value=1, order=rzn) for shape [8]: 8 values are not 3 gates"
        );
        let layout = Layout::vector().fused(&[2, 4, 2]);
        assert!(bias.resolve(&[8], &layout).is_err());
    }
}
