//! Activations as operators.

use fanin::Activation;

use super::builder::{Builder, none};
use crate::{Attribute, NetworkError, ValueId};

/// Applies an activation; those without an operator in opset 20 are spelled out.
pub(super) fn activate(
    builder: &mut Builder<'_>,
    name: &str,
    activation: Activation,
    x: ValueId,
) -> Result<ValueId, NetworkError> {
    let float = |key: &str, x: f64| none().set(key, Attribute::Float(x as f32));
    let (op, attributes) = match activation {
        Activation::Identity => return Ok(x),
        Activation::Relu => ("Relu", none()),
        Activation::LeakyRelu { slope } => ("LeakyRelu", float("alpha", slope)),
        Activation::Elu { alpha } => ("Elu", float("alpha", alpha)),
        Activation::Selu => ("Selu", none()),
        Activation::Celu { alpha } => ("Celu", float("alpha", alpha)),
        Activation::Gelu => ("Gelu", none()),
        Activation::GeluTanh => (
            "Gelu",
            none().set("approximate", Attribute::String(String::from("tanh"))),
        ),
        Activation::Mish => ("Mish", none()),
        Activation::Softplus => ("Softplus", none()),
        Activation::Softsign => ("Softsign", none()),
        Activation::Tanh => ("Tanh", none()),
        Activation::Sigmoid => ("Sigmoid", none()),
        Activation::HardSigmoid { alpha, beta } => (
            "HardSigmoid",
            float("alpha", alpha).set("beta", Attribute::Float(beta as f32)),
        ),
        Activation::HardSwish => ("HardSwish", none()),
        Activation::Erf => ("Erf", none()),
        Activation::Sin => ("Sin", none()),
        Activation::PRelu => {
            let slope = builder.parameter(&format!("{name}.weight"), &[1])?;
            return Ok(builder.node(name, "PRelu", &[x, slope], none()));
        }
        Activation::HardTanh => return clip(builder, name, x, -1.0, 1.0),
        Activation::Clip { low, high } => return clip(builder, name, x, low, high),
        Activation::Silu => {
            let gate = builder.node(&format!("{name}/Sigmoid"), "Sigmoid", &[x], none());
            return Ok(builder.node(name, "Mul", &[x, gate], none()));
        }
        Activation::ReluSquared => {
            let relu = builder.node(&format!("{name}/Relu"), "Relu", &[x], none());
            return Ok(builder.node(name, "Mul", &[relu, relu], none()));
        }
        Activation::Glu | Activation::ReGlu | Activation::GeGlu | Activation::SwiGlu => {
            return Err(NetworkError::Request(format!(
                "`{activation}` gates one half of a layer by the other; use gated=true in a transformer"
            )));
        }
    };
    Ok(builder.node(name, op, &[x], attributes))
}

fn clip(
    builder: &mut Builder<'_>,
    name: &str,
    x: ValueId,
    low: f64,
    high: f64,
) -> Result<ValueId, NetworkError> {
    let low = builder.float(low)?;
    let high = builder.float(high)?;
    Ok(builder.node(name, "Clip", &[x, low, high], none()))
}
