//! Named tensors in memory, and as a safetensors file.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::storage;
use fanin_graph::memory::FreeMemory;
use fanin_graph::{ElementType, HostTensor, Network, NetworkError};
use fanin_graph::{decode, encode};

/// Named float tensors in memory: what a plan fills and a run reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// The tensors by parameter name.
    pub tensors: BTreeMap<String, HostTensor>,
}

impl Weights {
    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&HostTensor> {
        self.tensors.get(name)
    }

    /// The weights that the model itself stores, one tensor per parameter.
    ///
    /// # Errors
    ///
    /// If the model is a one-line architecture, which stores none, or an element cannot be read;
    /// see [`Network::elements`].
    pub fn from_model(network: &Network) -> Result<Self, NetworkError> {
        room(network, FreeMemory::now()).map_err(NetworkError::Request)?;
        let mut declared: usize = 0;
        let mut tensors = BTreeMap::new();
        for parameter in &network.parameters {
            if let fanin_graph::Payload::Filled(_) = parameter.payload {
                declared = declared.saturating_add(parameter.len());
                if declared > fanin_graph::MAX_FILLED {
                    return Err(NetworkError::Request(format!(
                        "the model declares more than {} elements without storing them, more than \
                         fanin makes; fill it from a plan",
                        fanin_graph::MAX_FILLED
                    )));
                }
            }
            tensors.insert(parameter.name.clone(), network.elements_of(parameter)?);
        }
        Ok(Self { tensors })
    }

    /// Reads the parameters of a network from a safetensors file.
    ///
    /// Tensors are matched by the parameter's name or, where the file has not that, by one of its
    /// aliases. Tensors of the file that are no parameters of the network (running statistics) are
    /// passed over.
    ///
    /// # Errors
    ///
    /// If the file is no safetensors file, a parameter is missing or has another shape or no float
    /// type, or the file gives tied parameters different elements.
    pub fn read_safetensors(path: &Path, network: &Network) -> Result<Self, NetworkError> {
        let io = |source| NetworkError::Io {
            path: path.to_owned(),
            source,
        };
        let model = |message| NetworkError::Model {
            path: path.to_owned(),
            message,
        };
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() || metadata.len() == 0 {
            return Err(model(
                "this is an empty file or none, not safetensors".to_owned(),
            ));
        }
        room(network, FreeMemory::now()).map_err(model)?;
        let bytes = storage::map(&file).map_err(io)?;
        let stored = SafeTensors::deserialize(&bytes)
            .map_err(|e| model(format!("this is no safetensors file, or cut off: {e}")))?;
        let mut tensors = BTreeMap::new();
        let mut missing = Vec::new();
        let mut wrong = Vec::new();
        for parameter in &network.parameters {
            let names = std::iter::once(&parameter.name).chain(&parameter.aliases);
            let mut found = names.filter_map(|n| Some((n, stored.tensor(n).ok()?)));
            let Some((_, view)) = found.next() else {
                missing.push(parameter.name.as_str());
                continue;
            };
            for (alias, other) in found {
                if other.data() != view.data() {
                    wrong.push(format!(
                        "`{}` and `{alias}` are one parameter of the model but differ in the file",
                        parameter.name
                    ));
                }
            }
            match tensor(&view) {
                Some(tensor) if tensor.shape == parameter.shape => {
                    tensors.insert(parameter.name.clone(), tensor);
                }
                Some(tensor) => wrong.push(format!(
                    "`{}` has shape {:?} where the model has {:?}",
                    parameter.name, tensor.shape, parameter.shape
                )),
                None => wrong.push(format!(
                    "`{}` has type {:?}, which is none of F32, F64, F16, BF16",
                    parameter.name,
                    view.dtype()
                )),
            }
        }
        if !missing.is_empty() {
            let known = |name: &str| network.parameters.iter().any(|p| p.name == name);
            let mut extra: Vec<_> = stored.names().into_iter().filter(|n| !known(n)).collect();
            extra.sort_unstable();
            let instead = match extra.is_empty() {
                true => String::new(),
                false => format!("; it has instead {}", some(&extra)),
            };
            return Err(model(format!(
                "the file lacks {} of the model's {} parameters: {}{instead}",
                missing.len(),
                network.parameters.len(),
                some(&missing)
            )));
        }
        if !wrong.is_empty() {
            let more = match wrong.len() {
                n if n > 5 => format!(" and {} more", n - 5),
                _ => String::new(),
            };
            wrong.truncate(5);
            return Err(model(format!("{}{more}", wrong.join("; "))));
        }
        Ok(Self { tensors })
    }

    /// Writes a safetensors file with these tensors, under a temporary name that is then renamed.
    ///
    /// `element` is the type of all tensors, or each tensor's own ([`HostTensor::element`]) where
    /// it is `None`; values are rounded to nearest even. `metadata` goes into the file's header.
    ///
    /// # Errors
    ///
    /// If the file cannot be written, or a tensor has no float type.
    pub fn write_safetensors(
        &self,
        path: &Path,
        element: Option<ElementType>,
        metadata: &BTreeMap<String, String>,
    ) -> Result<(), NetworkError> {
        let fail = |error: &dyn std::fmt::Display| {
            NetworkError::Request(format!("cannot write {}: {error}", path.display()))
        };
        let mut entries = Vec::with_capacity(self.tensors.len());
        for (name, tensor) in &self.tensors {
            let element = element.unwrap_or(tensor.element);
            let (Some(dtype), Some(size)) = (dtype(element), element.size()) else {
                return Err(fail(&format!(
                    "tensor `{name}` would have type {element}, which is no float type"
                )));
            };
            entries.push((name, tensor, element, dtype, size));
        }
        // Wide elements first, so that each tensor starts at a multiple of its element's size.
        entries.sort_by_key(|&(_, _, _, _, size)| std::cmp::Reverse(size));
        let mut header = serde_json::Map::new();
        if !metadata.is_empty() {
            header.insert("__metadata__".to_owned(), serde_json::json!(metadata));
        }
        let mut offset = 0u64;
        for (name, tensor, _, dtype, size) in &entries {
            let end = offset + (tensor.len() * size) as u64;
            let entry = serde_json::json!({
                "dtype": dtype, "shape": tensor.shape, "data_offsets": [offset, end],
            });
            header.insert((*name).clone(), entry);
            offset = end;
        }
        let mut header = serde_json::to_vec(&header).map_err(|e| fail(&e))?;
        header.resize(header.len().next_multiple_of(8), b' ');
        storage::replace(path, |out| {
            out.write_all(&(header.len() as u64).to_le_bytes())?;
            out.write_all(&header)?;
            for (_, tensor, element, _, _) in &entries {
                encode(&tensor.data, 0..tensor.len(), *element, out)?;
            }
            Ok(())
        })
    }
}

/// Refuses weights that are not held because too little memory is free.
fn room(network: &Network, free: FreeMemory) -> Result<(), String> {
    let bytes = network.parameters.iter().try_fold(0u64, |sum, parameter| {
        let size = match parameter.element {
            ElementType::F64 => size_of::<f64>(),
            // Half precision is held in the next wider type.
            _ => size_of::<f32>(),
        };
        let mut axes = parameter.shape.iter();
        let bytes = axes.try_fold(size as u64, |n, &axis| n.checked_mul(axis as u64))?;
        sum.checked_add(bytes)
    });
    free.holds(
        "the weights of this model do not fit into memory: they take",
        bytes,
        "read them where more is free",
    )
}

/// Up to five names, and how many more.
fn some(names: &[&str]) -> String {
    let shown: Vec<_> = names.iter().take(5).map(|n| format!("`{n}`")).collect();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What safetensors calls a float type.
fn dtype(element: ElementType) -> Option<&'static str> {
    match element {
        ElementType::F64 => Some("F64"),
        ElementType::F32 => Some("F32"),
        ElementType::F16 => Some("F16"),
        ElementType::Bf16 => Some("BF16"),
        _ => None,
    }
}

/// A stored tensor in memory, if it holds floats.
fn tensor(view: &TensorView<'_>) -> Option<HostTensor> {
    let element = match view.dtype() {
        Dtype::F64 => ElementType::F64,
        Dtype::F32 => ElementType::F32,
        Dtype::F16 => ElementType::F16,
        Dtype::BF16 => ElementType::Bf16,
        _ => return None,
    };
    HostTensor::new(view.shape().to_vec(), element, decode(view.data(), element))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fanin_graph::HostData;

    fn weights() -> Weights {
        let tensor = |shape: Vec<usize>, element, data| HostTensor::new(shape, element, data);
        let tensors = [
            (
                "half",
                tensor(
                    vec![3],
                    ElementType::F16,
                    HostData::F32(vec![1.0, -0.5, 65504.0]),
                ),
            ),
            (
                "plain \"quoted\"",
                tensor(
                    vec![1, 2],
                    ElementType::F32,
                    HostData::F32(vec![0.1, f32::NAN]),
                ),
            ),
            (
                "wide",
                tensor(vec![], ElementType::F64, HostData::F64(vec![0.1])),
            ),
            (
                "none",
                tensor(vec![0, 4], ElementType::Bf16, HostData::F32(vec![])),
            ),
        ];
        Weights {
            tensors: tensors
                .into_iter()
                .map(|(name, tensor)| (name.to_owned(), tensor.unwrap()))
                .collect(),
        }
    }

    #[test]
    fn the_library_reads_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let metadata = BTreeMap::from([("seed".to_owned(), "7".to_owned())]);
        weights().write_safetensors(&path, None, &metadata).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let stored = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(stored.len(), 4);
        for (name, expected) in weights().tensors {
            let read = tensor(&stored.tensor(&name).unwrap()).unwrap();
            assert_eq!(read.shape, expected.shape);
            assert_eq!(read.element, expected.element);
            assert_eq!(format!("{:?}", read.data), format!("{:?}", expected.data));
        }
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap()["seed"], "7");
        // Nothing but the file is left, and the same weights give the same bytes.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        weights().write_safetensors(&path, None, &metadata).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn one_type_for_all_rounds_to_nearest_even() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let exact = HostTensor::f32(vec![2], vec![1.0 + 1.0 / 2048.0, 1.0 + 3.0 / 2048.0]);
        let weights = Weights {
            tensors: BTreeMap::from([("w".to_owned(), exact.unwrap())]),
        };
        let element = Some(ElementType::F16);
        weights
            .write_safetensors(&path, element, &BTreeMap::new())
            .unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let stored = SafeTensors::deserialize(&bytes).unwrap();
        let read = tensor(&stored.tensor("w").unwrap()).unwrap();
        assert_eq!(read.data, HostData::F32(vec![1.0, 1.0 + 4.0 / 2048.0]));
    }

    #[test]
    fn what_cannot_be_written_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        std::fs::write(&path, "old").unwrap();
        let element = Some(ElementType::I64);
        let error = weights().write_safetensors(&path, element, &BTreeMap::new());
        assert!(error.unwrap_err().to_string().contains("no float type"));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
    }
}
