//! Where a run takes the weights from.

use std::borrow::Cow;

use fanin_network::{HostData, HostTensor, Network, Parameter, Weights};

use crate::error::RunError;

/// Gives the elements of parameters, one after the other, as a run comes to need them.
///
/// What is borrowed is read where it lies; what is owned is dropped after its last use. So a file may be
/// mapped, and a plan may make each tensor when it is asked for.
pub trait WeightSource: Sync {
    /// The elements of a parameter in C order, as many as its shape has.
    ///
    /// # Errors
    ///
    /// Where there is no such tensor, or of another shape.
    fn elements<'a>(&'a self, parameter: &Parameter) -> Result<Cow<'a, [f32]>, RunError>;
}

impl WeightSource for Weights {
    fn elements<'a>(&'a self, parameter: &Parameter) -> Result<Cow<'a, [f32]>, RunError> {
        let fail = |message: String| RunError::Parameter {
            name: parameter.name.clone(),
            message,
        };
        let tensor = self.get(&parameter.name).ok_or_else(|| {
            fail("has no weights; give a file that has a tensor of this name".to_owned())
        })?;
        if tensor.shape != parameter.shape {
            return Err(fail(format!(
                "the weights have shape {:?}, the model needs {:?}",
                tensor.shape, parameter.shape
            )));
        }
        Ok(match &tensor.data {
            HostData::F32(data) => Cow::Borrowed(data),
            _ => Cow::Owned(tensor.to_f32()),
        })
    }
}

/// The weights that a model stores itself, each read from its file when it is needed: no more of them are held
/// than the run has not done with.
impl WeightSource for Network {
    fn elements<'a>(&'a self, parameter: &Parameter) -> Result<Cow<'a, [f32]>, RunError> {
        let tensor = self.elements_of(parameter);
        let tensor = tensor.map_err(|e| RunError::Network(e.to_string()))?;
        Ok(Cow::Owned(match tensor {
            HostTensor {
                data: HostData::F32(data),
                ..
            } => data,
            other => other.to_f32(),
        }))
    }
}
