//! What a network takes and gives.

use fanin_network::{ElementType, Network, ValueId};
use fanin_run::{Use, first_floating, use_of};

use crate::TrainError;

/// The input that carries the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// `[batch, width]`.
    Vector {
        /// Numbers of one sample.
        width: usize,
    },
    /// `[batch, channels, height, width]`, or with the channels last.
    Image {
        /// Channels.
        channels: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// Whether the channels are the last axis.
        channels_last: bool,
    },
    /// `[batch, time, width]`.
    Sequence {
        /// Steps.
        time: usize,
        /// Numbers of one step.
        width: usize,
    },
    /// `[batch, time]` of integers below `vocabulary`.
    Tokens {
        /// Steps.
        time: usize,
        /// Ids from 0 up to here.
        vocabulary: usize,
    },
    /// Any other floating shape.
    Other,
}

/// The output that the loss is taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// `[batch, classes]`: one class per sample.
    Classes(usize),
    /// One score per sample, squashed to a probability: yes or no.
    Binary,
    /// `[batch, time, classes]`: one class per step.
    StepClasses {
        /// Steps.
        time: usize,
        /// Classes.
        classes: usize,
    },
    /// Numbers.
    Values,
}

/// What a network takes and gives, as far as a task must know it.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// The input that carries the samples.
    pub input: Input,
    /// Its name.
    pub input_name: String,
    /// Its shape, batch axis first.
    pub input_shape: Vec<usize>,
    /// The output that the loss is taken of.
    pub output: Output,
    /// Its shape, batch axis first.
    pub output_shape: Vec<usize>,
    /// Lowest and highest value it can take, where the last operator bounds it.
    pub range: Option<(f64, f64)>,
}

impl Form {
    /// Reads the form of a network off its first sample-carrying input (tokens where a table of
    /// embeddings is read, else the first floating one) and its first floating output.
    ///
    /// # Errors
    ///
    /// One sentence where there is no such input or output, or their batch axes differ.
    pub fn of(network: &Network) -> Result<Self, TrainError> {
        let (id, tokens) = carrier(network)?;
        let output_id = first_floating(network)?;
        let input_shape = shape(network, id, "input")?;
        let output_shape = shape(network, output_id, "output")?;
        let batch = input_shape.first().copied().unwrap_or(0);
        if batch == 0 || output_shape.first() != Some(&batch) {
            return Err(TrainError::Request(format!(
                "input `{}` has shape {input_shape:?} and output `{}` has {output_shape:?}: both need a first axis that counts the samples",
                network.value(id).name,
                network.value(output_id).name
            )));
        }
        let input = match (tokens, &input_shape[1..]) {
            (Some(vocabulary), &[time]) => Input::Tokens { time, vocabulary },
            (None, &[width]) => Input::Vector { width },
            (None, &[time, width]) => Input::Sequence { time, width },
            (None, &[height, width, channels]) if channels <= 4 && height > 4 => Input::Image {
                channels,
                height,
                width,
                channels_last: true,
            },
            (None, &[channels, height, width]) => Input::Image {
                channels,
                height,
                width,
                channels_last: false,
            },
            _ => Input::Other,
        };
        let range = range(network, output_id);
        let output = match (range, &output_shape[1..]) {
            (Some((low, _)), _) if low < 0.0 => Output::Values,
            (Some((0.0, 1.0)), [] | [1]) => Output::Binary,
            (_, &[classes]) if classes > 1 => Output::Classes(classes),
            (_, &[time, classes])
                if classes > 1 && input_shape.get(1) == Some(&time) && input_shape.len() <= 3 =>
            {
                Output::StepClasses { time, classes }
            }
            _ => Output::Values,
        };
        Ok(Self {
            input,
            input_name: network.value(id).name.clone(),
            input_shape,
            output,
            output_shape,
            range,
        })
    }

    /// Samples of one run.
    pub fn batch(&self) -> usize {
        self.input_shape.first().copied().unwrap_or(1)
    }

    /// Elements of one sample of the input.
    pub fn input_len(&self) -> usize {
        self.input_shape.iter().skip(1).product()
    }

    /// Elements of one sample of the output.
    pub fn output_len(&self) -> usize {
        self.output_shape.iter().skip(1).product()
    }
}

fn carrier(network: &Network) -> Result<(ValueId, Option<usize>), TrainError> {
    let inputs = || network.inputs.iter().copied();
    let floating = |id: &ValueId| network.value(*id).element.is_none_or(ElementType::is_float);
    let tokens = inputs()
        .filter(|id| !floating(id))
        .find_map(|id| match use_of(network, id) {
            Use::Rows(rows) => Some((id, Some(rows))),
            _ => None,
        });
    tokens
        .or_else(|| inputs().find(floating).map(|id| (id, None)))
        .ok_or_else(|| {
            TrainError::Request(
                "the model has neither a floating input nor one of token ids; there is nothing to feed a task through"
                    .to_owned(),
            )
        })
}

fn shape(network: &Network, id: ValueId, what: &str) -> Result<Vec<usize>, TrainError> {
    let value = network.value(id);
    value.shape.clone().ok_or_else(|| {
        TrainError::Request(format!(
            "the shape of {what} `{}` is not known; give the sizes of the model's free axes",
            value.name
        ))
    })
}

/// Lowest and highest value that the last operator leaves, where it bounds both.
fn range(network: &Network, id: ValueId) -> Option<(f64, f64)> {
    let producer = network.value(id).producer?;
    let facts = network.facts(network.node(producer));
    facts.bounded().then_some(facts.range)
}
