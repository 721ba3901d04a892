//! What there is to say about each one-line architecture, for whoever asks the command.

/// How one architecture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guide {
    /// Its name.
    pub name: &'static str,
    /// What it builds.
    pub what: &'static str,
    /// The form of its arguments.
    pub form: &'static str,
    /// Options with their values, the default first, one to a line.
    pub options: &'static str,
    /// Lines that parse.
    pub examples: &'static [&'static str],
}

const RECURRENT: &str = "time=16: the steps of a run
bidirectional=false, true";

static GUIDES: [Guide; 6] = [
    Guide {
        name: "mlp",
        what: "Linear layers with an activation after each but the last.",
        form: "mlp(INPUT, WIDTH or WIDTHxLAYERS, ..., OUTPUT, ACTIVATION)",
        options: "bias=true, false
norm=none, batch, layer: before the activation
residual=false, true: each layer of unchanged width adds to the stream",
        examples: &[
            "mlp(784, 256x20, 10, tanh)",
            "mlp(784, 512x4, 10, relu, norm=batch, residual=true)",
        ],
    },
    Guide {
        name: "conv",
        what: "Convolutions that keep the size, then the mean over positions and a linear head.",
        form: "conv(CHANNELSxSIZE or CHANNELSxHEIGHTxWIDTH, CHANNELSxLAYERS, ..., CLASSES, ACTIVATION)",
        options: "kernel=3: an odd number
norm=none, batch, group
pool=none, max, average: after each group of layers
bias=true, false: false before a batch norm unless given
residual=false, true",
        examples: &[
            "conv(3x32x32, 64x8, 10, relu)",
            "conv(3x32x32, 64x2, 128x2, 10, relu, norm=batch, pool=max)",
        ],
    },
    Guide {
        name: "transformer",
        what: "A language model: embeddings, attention and an MLP in each layer, a head over the vocabulary.",
        form: "transformer(layers=N, width=N, heads=N, vocab=N)",
        options: "context=64: the longest sequence, and the length of a run
mlp=4x, none: the width inside the MLP, a multiple of the model's or a number
activation=gelu; gated silu where gated=true
norm=pre, post, none
residual=true, false: without, each sublayer's output takes the stream's place
gated=false, true
tied=true, false: head and embedding are one matrix
causal=true, false
bias=true, false",
        examples: &[
            "transformer(layers=4, width=128, heads=4, vocab=1000)",
            "transformer(layers=12, width=768, heads=12, vocab=50257, context=256)",
        ],
    },
    Guide {
        name: "lstm",
        what: "LSTM layers over a sequence and a linear head on the last step.",
        form: "lstm(INPUT, WIDTHxLAYERS, OUTPUT)",
        options: RECURRENT,
        examples: &["lstm(24, 64x2, 10, time=32)"],
    },
    Guide {
        name: "gru",
        what: "GRU layers over a sequence and a linear head on the last step.",
        form: "gru(INPUT, WIDTHxLAYERS, OUTPUT)",
        options: RECURRENT,
        examples: &["gru(24, 64x2, 10, bidirectional=true)"],
    },
    Guide {
        name: "rnn",
        what: "Plain recurrent layers with tanh over a sequence and a linear head on the last step.",
        form: "rnn(INPUT, WIDTHxLAYERS, OUTPUT)",
        options: RECURRENT,
        examples: &["rnn(24, 64, 10, time=50)"],
    },
];

/// Every architecture: its form, its options, examples.
pub fn guides() -> &'static [Guide] {
    &GUIDES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dims;
    use crate::architecture::{NAMES, parse};

    #[test]
    fn every_architecture_has_its_guide_and_every_example_builds() {
        assert_eq!(GUIDES.map(|guide| guide.name), NAMES);
        for guide in guides() {
            for example in guide.examples {
                let network = parse(example, &Dims::default()).unwrap();
                assert!(!network.parameters.is_empty(), "{example}");
            }
        }
    }

    /// Each option parses with each value that the guide lists for it.
    #[test]
    fn the_options_are_those_that_parse() {
        for guide in guides() {
            let base = guide.examples[0].strip_suffix(')').unwrap();
            for line in guide.options.lines() {
                let (key, rest) = line.split_once('=').unwrap();
                if key == "activation" {
                    continue;
                }
                let values = rest.split([':', ';']).next().unwrap().split(", ");
                for value in values.filter(|value| !value.contains(' ')) {
                    if base.contains(&format!("{key}=")) {
                        continue;
                    }
                    let text = format!("{base}, {key}={value})");
                    assert!(parse(&text, &Dims::default()).is_ok(), "{text}");
                }
            }
        }
    }
}
