//! Whether files hold what a plan says.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanin::{DType, Element, F8E4M3, F8E5M2};
use half::{bf16, f16};

use super::blocks::{self, Tensor};
use super::place::read_at;
use super::slices::Part;
use super::written::{Written, WrittenFile, unreadable};
use super::{Progress, Slices, header};
use crate::{Plan, PlanError};

/// How to check files.
#[derive(Default)]
pub struct Verify {
    /// The parts of tensors that the files hold. None: what the files themselves say.
    pub slices: Slices,
    /// Told after every block.
    pub progress: Option<Progress>,
}

/// What a check came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The files that were read.
    pub files: Vec<PathBuf>,
    /// Tensors that were looked for.
    pub tensors: usize,
    /// Bytes of the files.
    pub bytes: u64,
    /// The first difference, in the plan's order, if there is one.
    pub difference: Option<Difference>,
}

/// Where files differ from their plan. It prints as a sentence.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// No file has this tensor.
    Missing {
        /// Its name.
        tensor: String,
    },
    /// The plan does not have this tensor.
    Surplus {
        /// Its name.
        tensor: String,
        /// The file that has it.
        file: PathBuf,
    },
    /// A tensor of another shape or format, or in another file than the index says.
    Form {
        /// Its name.
        tensor: String,
        /// The file that has it.
        file: PathBuf,
        /// What is different.
        message: String,
    },
    /// An element of another value. Its bits are compared, so zeros of two signs differ.
    Element {
        /// The tensor's name.
        tensor: String,
        /// The file that has it.
        file: PathBuf,
        /// Position of the element along each axis, within the part that the file holds.
        position: Vec<usize>,
        /// The tensor's format.
        dtype: DType,
        /// The value in the file.
        found: f64,
        /// The value of the plan.
        expected: f64,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { tensor } => write!(f, "`{tensor}` is missing"),
            Self::Surplus { tensor, file } => {
                write!(
                    f,
                    "{} holds `{tensor}`, which the plan does not have",
                    file.display()
                )
            }
            Self::Form {
                tensor,
                file,
                message,
            } => write!(f, "`{tensor}` in {} {message}", file.display()),
            Self::Element {
                tensor,
                file,
                position,
                dtype,
                found,
                expected,
            } => {
                write!(
                    f,
                    "`{tensor}` in {} differs at element {position:?}: it is ",
                    file.display()
                )?;
                // As short as the format allows.
                if *dtype == DType::F64 {
                    write!(f, "{found:?}, and the plan gives {expected:?}")
                } else {
                    let (found, expected) = (*found as f32, *expected as f32);
                    write!(f, "{found:?}, and the plan gives {expected:?}")
                }
            }
        }
    }
}

impl Plan {
    /// Computes the weights again and compares the files with them, bit by bit: a safetensors file, an
    /// index of shards, or a folder that has one of these. Memory stays at a few blocks per thread.
    ///
    /// One shard alone need not hold all tensors.
    ///
    /// # Errors
    ///
    /// [`PlanError::Read`] where a file cannot be read or is no safetensors file; that files differ from
    /// the plan is no error, but in [`Verified::difference`].
    pub fn verify(&self, path: &Path, options: &Verify) -> Result<Verified, PlanError> {
        let written = Written::open(path)?;
        let mut verified = Verified {
            files: written.files.iter().map(|file| file.path.clone()).collect(),
            tensors: 0,
            bytes: written.files.iter().map(|file| file.bytes).sum(),
            difference: None,
        };
        let stated = (!options.slices.is_empty())
            .then(|| options.slices.of(self))
            .transpose()?;
        // The tensors to compare up to the first that differs in something else, each with its file.
        let mut tensors = Vec::new();
        let mut files = Vec::new();
        for (k, entry) in self.entries.iter().enumerate() {
            let holders: Vec<&WrittenFile> = written
                .files
                .iter()
                .filter(|file| file.tensors.contains_key(&entry.name))
                .collect();
            let Some(&file) = holders.first() else {
                if written.is_shard {
                    continue;
                }
                verified.difference = Some(Difference::Missing {
                    tensor: entry.name.clone(),
                });
                break;
            };
            verified.tensors += 1;
            let part = match &stated {
                Some(parts) => parts
                    .get(k)
                    .cloned()
                    .map_or_else(|| Part::new(entry, ""), Ok)?,
                None => {
                    let ranges = file.slices.get(&entry.name).map_or("", String::as_str);
                    Part::new(entry, ranges)
                        .map_err(|error| unreadable(&file.path, error.to_string()))?
                }
            };
            if let Some(message) = form(&part, file, &written, &holders) {
                verified.difference = Some(Difference::Form {
                    tensor: entry.name.clone(),
                    file: file.path.clone(),
                    message,
                });
                break;
            }
            let begin = file
                .tensors
                .get(&entry.name)
                .map_or(0, |info| info.data_offsets.0 as u64);
            let number = tensors.len() as u64;
            tensors.push(Tensor::new(
                self,
                entry,
                part.slice,
                file.begin + begin,
                number,
            )?);
            files.push(file);
        }
        if verified.difference.is_none() {
            verified.difference = self.surplus(&written);
        }
        if let Some(difference) = compare(&tensors, &files, options.progress.as_ref())? {
            verified.difference = Some(difference);
        }
        Ok(verified)
    }

    /// The first tensor of the files that is not in the plan.
    fn surplus(&self, written: &Written) -> Option<Difference> {
        let planned: HashMap<&str, ()> = self
            .entries
            .iter()
            .map(|entry| (entry.name.as_str(), ()))
            .collect();
        written.files.iter().find_map(|file| {
            let mut names: Vec<&String> = file.tensors.keys().collect();
            names.sort_unstable();
            names
                .into_iter()
                .find(|name| !planned.contains_key(name.as_str()))
                .map(|name| Difference::Surplus {
                    tensor: name.clone(),
                    file: file.path.clone(),
                })
        })
    }
}

/// What is different about a tensor besides its values.
fn form(
    part: &Part<'_>,
    file: &WrittenFile,
    written: &Written,
    holders: &[&WrittenFile],
) -> Option<String> {
    let name = &part.entry.name;
    let info = file.tensors.get(name)?;
    if let [_, second, ..] = holders {
        return Some(format!("is in {} as well", second.path.display()));
    }
    if let Some(index) = &written.index
        && index.get(name) != Some(&file.path)
    {
        return Some(index.get(name).map_or_else(
            || "is not in the index".to_owned(),
            |path| format!("should be in {}, by the index", path.display()),
        ));
    }
    let dtype = header::dtype(part.entry.dtype);
    if info.dtype.to_string() != dtype {
        return Some(format!("is {}, and the plan gives {dtype}", info.dtype));
    }
    if info.shape != part.slice.shape() {
        let what = if part.slice.is_whole() {
            "the plan"
        } else {
            "its slice of the plan"
        };
        return Some(format!(
            "has the shape {:?}, and {what} gives {:?}",
            info.shape,
            part.slice.shape()
        ));
    }
    None
}

/// The first element that differs.
fn compare(
    tensors: &[Tensor<'_>],
    files: &[&WrittenFile],
    progress: Option<&Progress>,
) -> Result<Option<Difference>, PlanError> {
    let total = tensors
        .iter()
        .map(|tensor| tensor.slice.len() * tensor.entry.dtype.size_of() as u64)
        .sum();
    let shown = |done: u64| {
        if let Some(progress) = progress {
            progress(done, total);
        }
    };
    let first = AtomicUsize::new(usize::MAX);
    let difference: Mutex<Option<(usize, u64, Difference)>> = Mutex::new(None);
    let failed: Mutex<Option<PathBuf>> = Mutex::new(None);
    let result = blocks::each(tensors, &shown, |tensor, block, room| {
        let number = tensor.first as usize;
        // Only what comes before the first difference known so far can still matter.
        if number > first.load(Ordering::Relaxed) {
            return Ok(());
        }
        let Some(file) = files.get(number) else {
            return Ok(());
        };
        let bytes = tensor.bytes(block);
        let mut read = std::mem::take(&mut room.read);
        read.resize((bytes.end - bytes.start) as usize, 0);
        read_at(&file.file, &mut read, bytes.start).inspect_err(|_| {
            let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.get_or_insert_with(|| file.path.clone());
        })?;
        let drawn = tensor.draw(block, room)?;
        let size = tensor.entry.dtype.size_of();
        let differs = (read != drawn)
            .then(|| read.iter().zip(drawn).position(|(a, b)| a != b))
            .flatten()
            .map(|byte| byte / size);
        if let Some(at) = differs {
            let element = tensor.elements(block).start + at as u64;
            let value =
                |bytes: &[u8]| decode(tensor.entry.dtype, &bytes[at * size..(at + 1) * size]);
            let (found, expected) = (value(&read), value(drawn));
            first.fetch_min(number, Ordering::Relaxed);
            let mut difference = difference.lock().unwrap_or_else(PoisonError::into_inner);
            if difference
                .as_ref()
                .is_none_or(|(n, e, _)| (number, element) < (*n, *e))
            {
                let this = Difference::Element {
                    tensor: tensor.entry.name.clone(),
                    file: file.path.clone(),
                    position: position(&tensor.slice.shape(), element),
                    dtype: tensor.entry.dtype,
                    found,
                    expected,
                };
                *difference = Some((number, element, this));
            }
        }
        room.read = read;
        Ok(())
    });
    if let Err(error) = result {
        let path = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        return Err(unreadable(&path.unwrap_or_default(), error.to_string()));
    }
    let difference = difference
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    Ok(difference.map(|(.., difference)| difference))
}

/// The position of an element along each axis.
fn position(shape: &[usize], element: u64) -> Vec<usize> {
    let mut rest = element;
    let mut position: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&size| {
            let size = size.max(1) as u64;
            let at = rest % size;
            rest /= size;
            at as usize
        })
        .collect();
    position.reverse();
    position
}

/// The value of an element in a file; `bytes` are as many as its format has.
fn decode(dtype: DType, bytes: &[u8]) -> f64 {
    fn of<const N: usize>(bytes: &[u8]) -> [u8; N] {
        let mut array = [0; N];
        for (to, from) in array.iter_mut().zip(bytes) {
            *to = *from;
        }
        array
    }
    match dtype {
        DType::F64 => f64::from_le_bytes(of(bytes)),
        DType::F32 => f32::from_le_bytes(of(bytes)).into(),
        DType::F16 => f16::from_le_bytes(of(bytes)).into(),
        DType::BF16 => bf16::from_le_bytes(of(bytes)).into(),
        DType::F8E4M3 => F8E4M3::from_bits(of::<1>(bytes)[0]).to_f64(),
        DType::F8E5M2 => F8E5M2::from_bits(of::<1>(bytes)[0]).to_f64(),
    }
}
