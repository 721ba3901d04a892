//! fanin for [burn](burn_core): tensors of initial weights, and whole modules.
//!
//! ```
//! use burn_core::tensor::{Device, Tensor};
//! use fanin::{Initializer, Layout, Seed};
//! use fanin_burn::FillTensor as _;
//!
//! let he: Initializer = "kaiming_normal".parse()?;
//! // burn's Linear keeps [inputs, outputs].
//! let w: Tensor<2> =
//!     he.tensor(Seed::new(42), "fc1.weight", [784, 256], &Layout::linear_in_out(), &Device::default())?;
//! assert_eq!(w.dims(), [784, 256]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A shard is [`FillTensor::tensor_slice`], a whole module [`fill_module`].
//!
//! Values are computed on the host in the tensor's own format and then moved to its device, so they are the same bits on
//! every backend.

use burn_core::module::{Module, ModuleMapper, Param};
use burn_core::tensor::{DType, Device, Tensor, TensorCreationOptions, TensorData};
use fanin::{Element, InitError, Initializer, Layout, Seed, Slice, SliceError, Stream};
use half::{bf16, f16};

/// What keeps a tensor from being filled.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FillError {
    /// The initializer does not suit the shape.
    #[error("`{name}`: {source}")]
    Init {
        /// The tensor.
        name: String,
        /// What is wrong.
        source: InitError,
    },
    /// The shape cannot be counted.
    #[error("`{name}`: {source}")]
    Slice {
        /// The tensor.
        name: String,
        /// What is wrong.
        source: SliceError,
    },
    /// The tensor has another number of axes than its type.
    #[error("`{name}`: a slice of {slice} axes does not make a tensor of {tensor}")]
    Rank {
        /// The tensor.
        name: String,
        /// Axes of the slice.
        slice: usize,
        /// Axes of the tensor's type.
        tensor: usize,
    },
    /// A format in which fanin has no values.
    #[error("`{name}` is {dtype:?}; fanin fills f64, f32, f16 and bf16")]
    Format {
        /// The tensor.
        name: String,
        /// Its format.
        dtype: DType,
    },
    /// There is no memory for it.
    #[error("`{name}` {shape:?} does not fit in memory; fill slices of it")]
    Memory {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
}

/// [`Initializer`]s that make tensors.
pub trait FillTensor {
    /// The tensor called `name`, on a device: `&device`, or `(&device, dtype)` for another format than the device's own.
    ///
    /// # Errors
    /// When the initializer does not suit shape and layout, or the format is none of fanin's.
    fn tensor<const D: usize>(
        &self,
        seed: Seed,
        name: &str,
        shape: [usize; D],
        layout: &Layout,
        options: impl Into<TensorCreationOptions>,
    ) -> Result<Tensor<D>, FillError>;

    /// A part of the tensor called `name`, on a device.
    ///
    /// ```
    /// # use burn_core::tensor::{Device, Tensor};
    /// # use fanin::{Initializer, Layout, Seed, Slice};
    /// # use fanin_burn::FillTensor as _;
    /// let he: Initializer = "kaiming_normal".parse()?;
    /// // Rank 1 of 4, the outputs sharded.
    /// let slice = Slice::shard(&[784, 256], 1, 1, 4)?;
    /// let device = Device::default();
    /// let part: Tensor<2> =
    ///     he.tensor_slice(Seed::new(42), "fc1.weight", &slice, &Layout::linear_in_out(), &device)?;
    /// assert_eq!(part.dims(), [784, 64]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Also when the slice has another number of axes than the tensor.
    fn tensor_slice<const D: usize>(
        &self,
        seed: Seed,
        name: &str,
        slice: &Slice,
        layout: &Layout,
        options: impl Into<TensorCreationOptions>,
    ) -> Result<Tensor<D>, FillError>;
}

impl FillTensor for Initializer {
    fn tensor<const D: usize>(
        &self,
        seed: Seed,
        name: &str,
        shape: [usize; D],
        layout: &Layout,
        options: impl Into<TensorCreationOptions>,
    ) -> Result<Tensor<D>, FillError> {
        let slice = Slice::whole(&shape).map_err(|source| FillError::Slice {
            name: name.to_owned(),
            source,
        })?;
        self.tensor_slice(seed, name, &slice, layout, options)
    }

    fn tensor_slice<const D: usize>(
        &self,
        seed: Seed,
        name: &str,
        slice: &Slice,
        layout: &Layout,
        options: impl Into<TensorCreationOptions>,
    ) -> Result<Tensor<D>, FillError> {
        let TensorCreationOptions { device, dtype } = options.into();
        if slice.shape().len() != D {
            return Err(FillError::Rank {
                name: name.to_owned(),
                slice: slice.shape().len(),
                tensor: D,
            });
        }
        // What the device makes of a tensor without a format.
        let dtype = dtype.unwrap_or_else(|| Tensor::<1>::zeros([1], &device).dtype());
        let target = (seed, name, slice, layout);
        let data = match dtype {
            DType::F64 => data::<f64>(self, target),
            DType::F32 => data::<f32>(self, target),
            DType::F16 => data::<f16>(self, target),
            DType::BF16 => data::<bf16>(self, target),
            dtype => Err(FillError::Format {
                name: name.to_owned(),
                dtype,
            }),
        }?;
        Ok(Tensor::from_data(data, (&device, dtype)))
    }
}

fn data<T: Element + burn_core::tensor::Element>(
    initializer: &Initializer,
    (seed, name, slice, layout): (Seed, &str, &Slice, &Layout),
) -> Result<TensorData, FillError> {
    let init = |source| FillError::Init {
        name: name.to_owned(),
        source,
    };
    let memory = || FillError::Memory {
        name: name.to_owned(),
        shape: slice.shape(),
    };
    let filler = initializer
        .resolve(slice.tensor_shape(), layout)
        .map_err(init)?;
    let len = usize::try_from(slice.len()).map_err(|_| memory())?;
    let mut values: Vec<T> = Vec::new();
    values.try_reserve_exact(len).map_err(|_| memory())?;
    values.resize(len, <T as Default>::default());
    filler
        .fill_slice(&Stream::new(seed, name), slice, 0, &mut values)
        .map_err(|error| init(error.into()))?;
    Ok(TensorData::new(values, slice.shape()))
}

/// A parameter of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// Its path, such as `layers.0.weight`, which is also the name of its random stream.
    pub path: &'a str,
    /// Its shape.
    pub shape: &'a [usize],
    /// The type of the module that has it, such as `Linear`.
    pub module: &'a str,
}

/// Fills the parameters of a module. `choose` says how each one starts, and its layout; where it gives `None` a
/// parameter stays as it is.
///
/// ```
/// use burn_core as burn; // what burn's derive looks for
/// use burn_core::module::{Module, Param};
/// use burn_core::tensor::{Device, Tensor};
/// use fanin::{Initializer, Layout, Seed};
///
/// #[derive(Module, Debug)]
/// struct Linear {
///     weight: Param<Tensor<2>>,
///     bias: Param<Tensor<1>>,
/// }
///
/// let device = Device::default();
/// let model = Linear {
///     weight: Param::from_tensor(Tensor::zeros([784, 256], &device)),
///     bias: Param::from_tensor(Tensor::ones([256], &device)),
/// };
/// let he: Initializer = "kaiming_normal".parse()?;
/// let model = fanin_burn::fill_module(model, Seed::new(42), |parameter| match parameter.path {
///     "weight" => Some((he.clone(), Layout::linear_in_out())),
///     _ => Some((Initializer::zeros(), Layout::vector())),
/// })?;
/// assert_eq!(model.bias.val().sum().into_scalar::<f32>(), 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// For the first parameter whose initializer does not suit it.
pub fn fill_module<M: Module>(
    module: M,
    seed: Seed,
    choose: impl FnMut(Parameter<'_>) -> Option<(Initializer, Layout)>,
) -> Result<M, FillError> {
    let mut filling = Filling {
        seed,
        choose,
        path: Vec::new(),
        modules: Vec::new(),
        failure: None,
    };
    let module = module.map(&mut filling);
    match filling.failure {
        None => Ok(module),
        Some(error) => Err(error),
    }
}

struct Filling<F> {
    seed: Seed,
    choose: F,
    path: Vec<String>,
    modules: Vec<String>,
    failure: Option<FillError>,
}

impl<F: FnMut(Parameter<'_>) -> Option<(Initializer, Layout)>> Filling<F> {
    fn fill<const D: usize>(
        &mut self,
        param: Param<Tensor<D>>,
    ) -> Result<Param<Tensor<D>>, FillError> {
        let path = self.path.join(".");
        // Of a parameter that is not chosen nothing is computed.
        let shape: Vec<usize> = param.lazy_shape().as_slice().to_vec();
        let chosen = (self.choose)(Parameter {
            path: &path,
            shape: &shape,
            module: self.modules.last().map_or("", String::as_str),
        });
        let Some((initializer, layout)) = chosen else {
            return Ok(param);
        };
        let (id, old, mapper) = param.consume();
        let device: Device = old.device();
        let new = initializer.tensor(
            self.seed,
            &path,
            old.dims(),
            &layout,
            (&device, old.dtype()),
        )?;
        let new = if old.is_require_grad() {
            new.require_grad()
        } else {
            new
        };
        Ok(Param::from_mapped_value(id, new, mapper))
    }
}

impl<F: FnMut(Parameter<'_>) -> Option<(Initializer, Layout)>> ModuleMapper for Filling<F> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.push(name.to_owned());
        if let Some((_, module)) = container_type.split_once(':') {
            self.modules.push(module.to_owned());
        }
    }

    fn exit_module(&mut self, _: &str, container_type: &str) {
        self.path.pop();
        if container_type.contains(':') {
            self.modules.pop();
        }
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.failure.is_some() {
            return param;
        }
        let kept = param.clone();
        self.fill(param).unwrap_or_else(|error| {
            self.failure = Some(error);
            kept
        })
    }
}

#[cfg(test)]
mod tests {
    use burn_core as burn;
    use burn_core::tensor::DType;

    use super::*;

    const SEED: Seed = Seed::new(7);

    fn he() -> Initializer {
        "kaiming_normal".parse().unwrap()
    }

    fn plain<T: Element>(name: &str, shape: &[usize], layout: &Layout) -> Vec<T> {
        let mut plain = vec![<T as Default>::default(); shape.iter().product()];
        he().fill(SEED, name, shape, layout, &mut plain).unwrap();
        plain
    }

    #[test]
    fn equal_to_the_plain_slice_in_every_format() {
        let device = Device::default();
        let layout = Layout::conv(2, 1);
        let shape = [8, 6, 3, 3];
        let made: Tensor<4> = he().tensor(SEED, "w", shape, &layout, &device).unwrap();
        assert_eq!(
            made.to_data().try_to_vec::<f32>().unwrap(),
            plain::<f32>("w", &shape, &layout)
        );
        for dtype in [DType::F64, DType::F16, DType::BF16] {
            let made: Tensor<4> = he()
                .tensor(SEED, "w", shape, &layout, (&device, dtype))
                .unwrap();
            assert_eq!(made.dtype(), dtype);
            let data = made.to_data();
            match dtype {
                DType::F64 => assert_eq!(
                    data.try_to_vec::<f64>().unwrap(),
                    plain::<f64>("w", &shape, &layout)
                ),
                DType::F16 => assert_eq!(
                    data.try_to_vec::<f16>().unwrap(),
                    plain::<f16>("w", &shape, &layout)
                ),
                _ => assert_eq!(
                    data.try_to_vec::<bf16>().unwrap(),
                    plain::<bf16>("w", &shape, &layout)
                ),
            }
        }
    }

    #[test]
    fn parts_are_parts_of_the_whole() {
        let device = Device::default();
        let layout = Layout::linear_in_out();
        let whole: Tensor<2> = he().tensor(SEED, "w", [20, 30], &layout, &device).unwrap();
        let slice = Slice::parse(&[20, 30], "3:17, 2/3").unwrap();
        let part: Tensor<2> = he()
            .tensor_slice(SEED, "w", &slice, &layout, &device)
            .unwrap();
        assert_eq!(part.to_data(), whole.slice([3..17, 10..20]).to_data());
    }

    #[derive(Module, Debug)]
    struct Layer {
        weight: Param<Tensor<2>>,
        bias: Option<Param<Tensor<1>>>,
    }

    #[derive(Module, Debug)]
    struct Model {
        layers: Vec<Layer>,
        scale: Param<Tensor<1>>,
    }

    fn model(device: &Device) -> Model {
        let layer = |bias| Layer {
            weight: Param::from_tensor(Tensor::zeros([6, 5], device)),
            bias,
        };
        Model {
            layers: vec![
                layer(None),
                layer(Some(Param::from_tensor(Tensor::ones([5], device)))),
            ],
            scale: Param::from_tensor(Tensor::ones([3], device)),
        }
    }

    #[test]
    fn a_module_is_filled_by_path() {
        let device = Device::default();
        let mut seen = Vec::new();
        let filled = fill_module(model(&device), SEED, |parameter| {
            seen.push(format!(
                "{} {:?} of {}",
                parameter.path, parameter.shape, parameter.module
            ));
            match parameter.shape {
                [_, _] => Some((he(), Layout::linear_in_out())),
                [5] => Some((Initializer::zeros(), Layout::vector())),
                _ => None,
            }
        })
        .unwrap();
        assert_eq!(
            seen,
            [
                "layers.0.weight [6, 5] of Layer",
                "layers.1.weight [6, 5] of Layer",
                "layers.1.bias [5] of Layer",
                "scale [3] of Model",
            ]
        );
        let layout = Layout::linear_in_out();
        for k in 0..2 {
            assert_eq!(
                filled.layers[k]
                    .weight
                    .val()
                    .to_data()
                    .try_to_vec::<f32>()
                    .unwrap(),
                plain::<f32>(&format!("layers.{k}.weight"), &[6, 5], &layout)
            );
        }
        let bias = filled.layers[1].bias.as_ref().unwrap().val();
        assert_eq!(bias.to_data().try_to_vec::<f32>().unwrap(), [0.0; 5]);
        assert_eq!(
            filled.scale.val().to_data().try_to_vec::<f32>().unwrap(),
            [1.0; 3]
        );
    }

    #[test]
    fn what_does_not_fit_gets_a_sentence() {
        let device = Device::default();
        let error = fill_module(model(&device), SEED, |_| {
            Some((he(), Layout::linear_in_out()))
        })
        .unwrap_err()
        .to_string();
        assert!(error.starts_with("`layers.1.bias`: "), "{error}");
        let slice = Slice::parse(&[4, 4], "0:2").unwrap();
        let error = he()
            .tensor_slice::<3>(SEED, "w", &slice, &Layout::linear_in_out(), &device)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "`w`: a slice of 2 axes does not make a tensor of 3"
        );
        let error = he()
            .tensor(
                SEED,
                "w",
                [2, 2],
                &Layout::linear_in_out(),
                (&device, DType::I32),
            )
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "`w` is I32; fanin fills f64, f32, f16 and bf16"
        );
    }
}
