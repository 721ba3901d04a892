//! fanin for [candle](candle_core): tensors of initial weights, and whole models that start from a seed.
//!
//! ```
//! use candle_core::{DType, Device};
//! use fanin::{Initializer, Layout, Seed};
//! use fanin_candle::FillTensor as _;
//!
//! let he: Initializer = "kaiming_normal".parse()?;
//! let w = he.tensor(
//!     Seed::new(42),
//!     "fc1.weight",
//!     (256, 784),
//!     &Layout::linear_out_in(),
//!     DType::BF16,
//!     &Device::Cpu,
//! )?;
//! assert_eq!(w.dims(), [256, 784]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A shard is [`FillTensor::tensor_slice`], a whole model [`var_builder`].
//!
//! Values are computed on the host in the tensor's own format and then moved to its device, so they are the same bits on
//! every device. candle's own generator on the CPU cannot be seeded.

use candle_core::{DType, Device, Error, Result, Shape, Tensor, Var, WithDType};
use candle_nn::init::NormalOrUniform;
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder, VarMap};
use fanin::{Axis, Element, Initializer, Layout, Seed, Slice, Stream};
use half::{bf16, f16};

/// [`Initializer`]s that make tensors.
pub trait FillTensor {
    /// The tensor called `name`, on a device, contiguous.
    ///
    /// # Errors
    /// When the initializer does not suit shape and layout, or the format is none of f64, f32, f16 and bf16.
    fn tensor<S: Into<Shape>>(
        &self,
        seed: Seed,
        name: &str,
        shape: S,
        layout: &Layout,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor>;

    /// A part of the tensor called `name`, on a device, contiguous.
    ///
    /// ```
    /// # use candle_core::{DType, Device};
    /// # use fanin::{Initializer, Layout, Seed, Slice};
    /// # use fanin_candle::FillTensor as _;
    /// let he: Initializer = "kaiming_normal".parse()?;
    /// // Rank 1 of 4, the outputs sharded.
    /// let slice = Slice::shard(&[256, 784], 0, 1, 4)?;
    /// let layout = Layout::linear_out_in();
    /// let part = he.tensor_slice(Seed::new(42), "fc1.weight", &slice, &layout, DType::F32, &Device::Cpu)?;
    /// assert_eq!(part.dims(), [64, 784]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`FillTensor::tensor`].
    fn tensor_slice(
        &self,
        seed: Seed,
        name: &str,
        slice: &Slice,
        layout: &Layout,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor>;
}

impl FillTensor for Initializer {
    fn tensor<S: Into<Shape>>(
        &self,
        seed: Seed,
        name: &str,
        shape: S,
        layout: &Layout,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let slice = Slice::whole(shape.into().dims()).map_err(|error| wrong(name, error))?;
        self.tensor_slice(seed, name, &slice, layout, dtype, device)
    }

    fn tensor_slice(
        &self,
        seed: Seed,
        name: &str,
        slice: &Slice,
        layout: &Layout,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let target = (seed, name, slice, layout);
        match dtype {
            DType::F64 => make::<f64>(self, target, device),
            DType::F32 => make::<f32>(self, target, device),
            DType::F16 => make::<f16>(self, target, device),
            DType::BF16 => make::<bf16>(self, target, device),
            dtype => Err(wrong(
                name,
                format!("it is {dtype:?}; fanin fills f64, f32, f16 and bf16"),
            )),
        }
    }
}

fn make<T: Element + WithDType>(
    initializer: &Initializer,
    (seed, name, slice, layout): (Seed, &str, &Slice, &Layout),
    device: &Device,
) -> Result<Tensor> {
    let memory = || {
        wrong(
            name,
            format!(
                "{:?} does not fit in memory; fill slices of it",
                slice.shape()
            ),
        )
    };
    let filler = initializer
        .resolve(slice.tensor_shape(), layout)
        .map_err(|error| wrong(name, error))?;
    let len = usize::try_from(slice.len()).map_err(|_| memory())?;
    let mut values: Vec<T> = Vec::new();
    values.try_reserve_exact(len).map_err(|_| memory())?;
    values.resize(len, T::default());
    filler
        .fill_slice(&Stream::new(seed, name), slice, 0, &mut values)
        .map_err(|error| wrong(name, error))?;
    Tensor::from_vec(values, slice.shape(), device)
}

fn wrong(name: &str, what: impl std::fmt::Display) -> Error {
    Error::msg(format!("`{name}`: {what}"))
}

/// Builds a model whose variables start from a seed: what [`VarBuilder::from_varmap`] does with candle's generator.
///
/// `choose` says how the variable of a name and shape starts, and its layout. Where it gives `None` the variable starts
/// as the layer asks (candle's hint), but from the seed, and from nothing else.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::{Module as _, VarMap};
/// use fanin::{Initializer, Layout, Seed};
///
/// let varmap = VarMap::new();
/// let orthogonal: Initializer = "orthogonal(gain=1.4142)".parse()?;
/// let vb = fanin_candle::var_builder(&varmap, Seed::new(42), DType::F32, &Device::Cpu, |name, _| {
///     name.ends_with("weight").then(|| (orthogonal.clone(), Layout::linear_out_in()))
/// });
/// let first = candle_nn::linear(784, 256, vb.pp("fc1"))?; // draws fc1.weight and fc1.bias
/// let y = first.forward(&Tensor::zeros((1, 784), DType::F32, &Device::Cpu)?)?;
/// assert_eq!(y.dims(), [1, 256]);
/// assert_eq!(varmap.all_vars().len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn var_builder<'a>(
    varmap: &VarMap,
    seed: Seed,
    dtype: DType,
    device: &Device,
    choose: impl Fn(&str, &[usize]) -> Option<(Initializer, Layout)> + Send + Sync + 'a,
) -> VarBuilder<'a> {
    let backend = Seeded {
        varmap: varmap.clone(),
        seed,
        choose,
    };
    VarBuilder::from_backend(Box::new(backend), dtype, device.clone())
}

struct Seeded<F> {
    varmap: VarMap,
    seed: Seed,
    choose: F,
}

impl<F: Fn(&str, &[usize]) -> Option<(Initializer, Layout)> + Send + Sync> SimpleBackend
    for Seeded<F>
{
    fn get(
        &self,
        shape: Shape,
        name: &str,
        hint: Init,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let mut vars = lock(&self.varmap);
        if let Some(var) = vars.get(name) {
            if *var.shape() != shape {
                return Err(wrong(
                    name,
                    format!(
                        "it has shape {:?}, and {:?} is asked for",
                        var.dims(),
                        shape.dims()
                    ),
                ));
            }
            return Ok(var.as_tensor().clone());
        }
        let (initializer, layout) = match (self.choose)(name, shape.dims()) {
            Some(chosen) => chosen,
            None => (
                hinted(hint, &shape).map_err(|error| wrong(name, error))?,
                // Values that are independent of each other do not look at the axes.
                Layout::new(vec![Axis::Output; shape.rank()]),
            ),
        };
        let tensor = initializer.tensor(self.seed, name, shape, &layout, dtype, device)?;
        let var = Var::from_tensor(&tensor)?;
        let tensor = var.as_tensor().clone();
        vars.insert(name.to_owned(), var);
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        match lock(&self.varmap).get(name) {
            Some(var) => Ok(var.as_tensor().clone()),
            None => Err(wrong(
                name,
                "it has not been made, and without a shape it cannot be",
            )),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        lock(&self.varmap).contains_key(name)
    }
}

fn lock(varmap: &VarMap) -> std::sync::MutexGuard<'_, std::collections::HashMap<String, Var>> {
    varmap
        .data()
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What a layer of candle asks for.
fn hinted(hint: Init, shape: &Shape) -> std::result::Result<Initializer, fanin::InitError> {
    match hint {
        Init::Const(value) => Initializer::constant(value),
        Init::Randn { mean, stdev } => normal(mean, stdev),
        Init::Uniform { lo, up } => uniform(lo, up),
        Init::Kaiming {
            dist,
            fan,
            non_linearity,
        } => {
            let std = non_linearity.gain() / (fan.for_shape(shape) as f64).sqrt();
            match dist {
                NormalOrUniform::Normal => normal(0.0, std),
                NormalOrUniform::Uniform => uniform(-(3f64.sqrt() * std), 3f64.sqrt() * std),
            }
        }
    }
}

fn normal(mean: f64, std: f64) -> std::result::Result<Initializer, fanin::InitError> {
    if std == 0.0 {
        Initializer::constant(mean)
    } else {
        Initializer::normal(mean, std)
    }
}

fn uniform(low: f64, high: f64) -> std::result::Result<Initializer, fanin::InitError> {
    if low == high {
        Initializer::constant(low)
    } else {
        Initializer::uniform(low, high)
    }
}

#[cfg(test)]
mod tests {
    use candle_nn::Conv2dConfig;

    use super::*;

    const SEED: Seed = Seed::new(7);

    fn he() -> Initializer {
        "kaiming_normal".parse().unwrap()
    }

    fn xavier() -> Initializer {
        "xavier_uniform".parse().unwrap()
    }

    fn plain<T: Element>(
        initializer: &Initializer,
        name: &str,
        shape: &[usize],
        layout: &Layout,
    ) -> Vec<T> {
        let mut plain = vec![T::default(); shape.iter().product()];
        initializer
            .fill(SEED, name, shape, layout, &mut plain)
            .unwrap();
        plain
    }

    fn values<T: WithDType>(tensor: &Tensor) -> Vec<T> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn equal_to_the_plain_slice_in_every_format() {
        let layout = Layout::conv(2, 1);
        let shape = [8, 6, 3, 3];
        let make = |dtype| {
            he().tensor(SEED, "w", &shape, &layout, dtype, &Device::Cpu)
                .unwrap()
        };
        let made = make(DType::F32);
        assert!(made.is_contiguous());
        assert_eq!(
            values::<f32>(&made),
            plain::<f32>(&he(), "w", &shape, &layout)
        );
        assert_eq!(
            values::<f64>(&make(DType::F64)),
            plain::<f64>(&he(), "w", &shape, &layout)
        );
        assert_eq!(
            values::<f16>(&make(DType::F16)),
            plain::<f16>(&he(), "w", &shape, &layout)
        );
        assert_eq!(
            values::<bf16>(&make(DType::BF16)),
            plain::<bf16>(&he(), "w", &shape, &layout)
        );
    }

    #[test]
    fn parts_are_parts_of_the_whole() {
        let layout = Layout::linear_out_in();
        let whole = he()
            .tensor(SEED, "w", (20, 30), &layout, DType::F32, &Device::Cpu)
            .unwrap();
        let slice = Slice::parse(&[20, 30], "3:17, 2/3").unwrap();
        let part = he()
            .tensor_slice(SEED, "w", &slice, &layout, DType::F32, &Device::Cpu)
            .unwrap();
        let expected = whole.narrow(0, 3, 14).unwrap().narrow(1, 10, 10).unwrap();
        assert_eq!(part.dims(), expected.dims());
        assert_eq!(values::<f32>(&part), values::<f32>(&expected));
    }

    /// A model with a convolution and a linear layer, and its variables by name.
    fn model(varmap: &VarMap, choose: bool) -> candle_nn::Linear {
        let vb = var_builder(varmap, SEED, DType::F32, &Device::Cpu, |name, shape| {
            (choose && name == "conv.weight").then(|| {
                assert_eq!(shape, [8, 3, 5, 5]);
                (xavier(), Layout::conv(2, 1))
            })
        });
        candle_nn::conv2d(3, 8, 5, Conv2dConfig::default(), vb.pp("conv")).unwrap();
        candle_nn::linear(16, 4, vb.pp("head")).unwrap()
    }

    #[test]
    fn a_model_starts_from_the_seed_alone() {
        let (first, second) = (VarMap::new(), VarMap::new());
        model(&first, true);
        model(&second, false);
        let var = |map: &VarMap, name: &str| values::<f32>(&map.data().lock().unwrap()[name]);
        assert_eq!(
            var(&first, "conv.weight"),
            plain::<f32>(&xavier(), "conv.weight", &[8, 3, 5, 5], &Layout::conv(2, 1))
        );
        // What candle's convolution asks for: Kaiming normal for ReLU.
        assert_eq!(
            var(&second, "conv.weight"),
            plain::<f32>(&he(), "conv.weight", &[8, 3, 5, 5], &Layout::conv(2, 1))
        );
        // And Linear: the same, its bias U(±1/√in).
        let weight = Initializer::normal(0.0, (2.0f64 / 16.0).sqrt()).unwrap();
        assert_eq!(
            var(&first, "head.weight"),
            plain::<f32>(&weight, "head.weight", &[4, 16], &Layout::linear_out_in())
        );
        let bias = Initializer::uniform(-0.25, 0.25).unwrap();
        assert_eq!(
            var(&first, "head.bias"),
            plain::<f32>(&bias, "head.bias", &[4], &Layout::vector())
        );
        assert_eq!(var(&first, "head.weight"), var(&second, "head.weight"));
    }

    #[test]
    fn variables_are_shared_and_train() {
        let varmap = VarMap::new();
        let head = model(&varmap, true);
        let again = model(&varmap, true);
        let count = varmap.all_vars().len();
        assert_eq!(count, 4);
        let var = varmap.data().lock().unwrap()["head.weight"].clone();
        var.set(&Tensor::zeros((4, 16), DType::F32, &Device::Cpu).unwrap())
            .unwrap();
        for layer in [head, again] {
            assert!(values::<f32>(layer.weight()).iter().all(|&x| x == 0.0));
        }
    }

    #[test]
    fn what_does_not_fit_gets_a_sentence() {
        let error = he()
            .tensor(
                SEED,
                "bias",
                5,
                &Layout::linear_out_in(),
                DType::F32,
                &Device::Cpu,
            )
            .unwrap_err();
        assert!(error.to_string().starts_with("`bias`: "), "{error}");
        let error = he()
            .tensor(
                SEED,
                "ids",
                (2, 2),
                &Layout::linear_out_in(),
                DType::U8,
                &Device::Cpu,
            )
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("it is U8; fanin fills f64, f32, f16 and bf16"),
            "{error}"
        );
        let varmap = VarMap::new();
        model(&varmap, true);
        let vb = var_builder(&varmap, SEED, DType::F32, &Device::Cpu, |_, _| None);
        let error = candle_nn::linear(17, 4, vb.pp("head")).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("it has shape [4, 16], and [4, 17] is asked for"),
            "{error}"
        );
    }
}
