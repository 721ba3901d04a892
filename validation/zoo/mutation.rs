//! What is done to a healthy start to spoil it.

use std::fmt;

use fanin::initializers::{Normal, Uniform};
use fanin::{Initializer, Layout, Seed, Stream};
use fanin_network::{HostData, Network, Parameter, Role, Weights};
use fanin_train::TrainError;

/// What is done to a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    Zeros,
    Ones,
    /// 0.1 in every element.
    Constant,
    Hundredth,
    Tenth,
    Tenfold,
    Hundredfold,
    /// U(±0.05), whatever the fans.
    Uniform,
    /// N(0, 1), whatever the fans.
    Normal,
    /// The scale that it would have if fan_in were the number of all its elements.
    WrongFans,
}

/// Which weights it is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// One: the first (0), the one in the middle (1), the last before the head (2).
    Layer(usize),
    /// All.
    All,
}

impl Mutation {
    /// Those done to one layer.
    pub(crate) const ONE: [Self; 9] = [
        Self::Zeros,
        Self::Tenfold,
        Self::Ones,
        Self::Tenth,
        Self::Constant,
        Self::Hundredfold,
        Self::Uniform,
        Self::Hundredth,
        Self::WrongFans,
    ];

    /// Those done to all layers.
    pub(crate) const ALL: [Self; 8] = [
        Self::Zeros,
        Self::Tenfold,
        Self::Uniform,
        Self::Constant,
        Self::Normal,
        Self::Tenth,
        Self::Ones,
        Self::WrongFans,
    ];

    /// Spoils the named weights.
    pub(crate) fn apply(
        self,
        network: &Network,
        names: &[String],
        weights: &mut Weights,
        seed: Seed,
    ) -> Result<(), TrainError> {
        for name in names {
            let parameter = network.parameters.iter().find(|p| p.name == *name);
            let tensor = weights.tensors.get_mut(name);
            let (Some(parameter), Some(tensor)) = (parameter, tensor) else {
                continue;
            };
            let HostData::F32(values) = &mut tensor.data else {
                continue;
            };
            let mut scale = |factor: f32| values.iter_mut().for_each(|v| *v *= factor);
            match self {
                Self::Zeros => values.fill(0.0),
                Self::Ones => values.fill(1.0),
                Self::Constant => values.fill(0.1),
                Self::Hundredth => scale(0.01),
                Self::Tenth => scale(0.1),
                Self::Tenfold => scale(10.0),
                Self::Hundredfold => scale(100.0),
                Self::WrongFans => {
                    let fans = parameter.layout.fans(&parameter.shape);
                    let fans = fans.map_err(|e| TrainError::Request(e.to_string()))?;
                    scale((fans.fan_in / parameter.len() as f64).sqrt() as f32);
                }
                Self::Uniform => {
                    let (low, high) = (-0.05, 0.05);
                    redraw(
                        &Initializer::from(Uniform { low, high }),
                        seed,
                        name,
                        values,
                    )?;
                }
                Self::Normal => {
                    let (mean, std) = (0.0, 1.0);
                    redraw(&Initializer::from(Normal { mean, std }), seed, name, values)?;
                }
            }
        }
        Ok(())
    }
}

fn redraw(
    initializer: &Initializer,
    seed: Seed,
    name: &str,
    values: &mut [f32],
) -> Result<(), TrainError> {
    let request = |e: String| TrainError::Request(e);
    let filler = initializer
        .resolve(&[values.len()], &Layout::vector())
        .map_err(|e| request(e.to_string()))?;
    let stream = Stream::new(seed, &format!("mutant:{name}"));
    filler
        .fill(&stream, 0, values)
        .map_err(|e| request(e.to_string()))
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zeros => "zeros",
            Self::Ones => "ones",
            Self::Constant => "0.1",
            Self::Hundredth => "x0.01",
            Self::Tenth => "x0.1",
            Self::Tenfold => "x10",
            Self::Hundredfold => "x100",
            Self::Uniform => "U(±0.05)",
            Self::Normal => "N(0, 1)",
            Self::WrongFans => "wrong fans",
        })
    }
}

impl Reach {
    /// The names of the weights it means; tables, biases and norms are never among them.
    pub(crate) fn names(self, network: &Network) -> Vec<String> {
        let weights: Vec<String> = network
            .parameters
            .iter()
            .filter(|p| is_weight(p))
            .map(|p| p.name.clone())
            .collect();
        let hidden = weights.len().saturating_sub(1).max(1);
        match self {
            Self::All => weights,
            Self::Layer(third) => {
                let at = [0, hidden / 2, hidden - 1][third.min(2)];
                weights.into_iter().skip(at).take(1).collect()
            }
        }
    }
}

fn is_weight(parameter: &Parameter) -> bool {
    let other = matches!(
        parameter.purpose.role,
        Role::Bias
            | Role::RecurrentBias
            | Role::AttentionBias
            | Role::NormScale
            | Role::NormShift
            | Role::Embedding
            | Role::PositionEmbedding
    );
    parameter.shape.len() >= 2 && !other
}
