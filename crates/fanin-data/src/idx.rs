//! IDX, the format of the MNIST files (<http://yann.lecun.com/exdb/mnist/>): two zero bytes, a type, the
//! number of axes, each axis as a big-endian u32, then the elements.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::DataError;
use crate::file::{BYTES, ELEMENTS, open, too_many};

/// What a file that gzip has compressed starts with.
pub(crate) const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Whether a file that starts like this is meant as IDX.
pub(crate) fn looks_like_one(start: &[u8]) -> bool {
    matches!(start, [0, 0, 0x08..=0x0e, 1..=8, ..])
}

/// Samples of one IDX file, and their labels of another.
#[derive(Clone, Debug, PartialEq)]
pub struct Idx {
    /// How many samples.
    pub count: usize,
    /// Axes of one sample.
    pub shape: Vec<usize>,
    /// All samples, one after the other.
    pub values: Vec<f64>,
    /// One for each sample.
    pub labels: Vec<f64>,
}

impl Idx {
    /// Reads samples and their labels, whose file is found by itself where it is named as MNIST's is.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is cut short or too large, or no labels, or as many as there are no
    /// samples.
    pub fn read(path: &Path, labels: Option<&str>) -> Result<Self, DataError> {
        let fail = |message: String| DataError::new(path, message);
        let beside = match labels {
            Some(labels) => PathBuf::from(labels),
            None => partner(path).ok_or_else(|| fail(
                "the file of labels is not beside it under the name MNIST gives it; name it with --labels".to_owned(),
            ))?,
        };
        let samples = Array::read(path).map_err(fail)?;
        let labels =
            Array::read(&beside).map_err(|m| fail(format!("labels {}: {m}", beside.display())))?;
        let [count, shape @ ..] = &samples.shape[..] else {
            return Err(fail("holds a single number, not samples".to_owned()));
        };
        if labels.shape != [*count] {
            return Err(fail(format!(
                "holds {count} samples, and {} has shape {:?}; there must be one label for each",
                beside.display(),
                labels.shape
            )));
        }
        Ok(Self {
            count: *count,
            shape: shape.to_vec(),
            values: samples.values,
            labels: labels.values,
        })
    }
}

/// MNIST's file of labels beside its file of pictures.
fn partner(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    if !name.contains("images") {
        return None;
    }
    ["idx3", "idx2", "idx4"]
        .map(|axes| name.replace("images", "labels").replace(axes, "idx1"))
        .into_iter()
        .map(|labels| path.with_file_name(labels))
        .find(|path| path.exists())
}

/// An array of an IDX file.
struct Array {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl Array {
    fn read(path: &Path) -> Result<Self, String> {
        let mut start = [0u8; 2];
        // A file of less than two bytes is told below.
        let compressed = open(path)?.read_exact(&mut start).is_ok() && start == GZIP;
        let file = open(path)?;
        if compressed {
            Self::parse(&mut MultiGzDecoder::new(file).take(BYTES))
        } else {
            Self::parse(&mut file.take(BYTES))
        }
    }

    fn parse(source: &mut impl Read) -> Result<Self, String> {
        let cut = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => "is cut short".to_owned(),
            _ => format!("cannot be read: {e}"),
        };
        let mut magic = [0u8; 4];
        source.read_exact(&mut magic).map_err(cut)?;
        let [0, 0, kind, axes @ 1..=8] = magic else {
            return Err(
                "is no IDX file: it does not start with two zeros, a type and 1 to 8 axes"
                    .to_owned(),
            );
        };
        let size = match kind {
            0x08 | 0x09 => 1,
            0x0b => 2,
            0x0c | 0x0d => 4,
            0x0e => 8,
            _ => {
                return Err(format!(
                    "is no IDX file: there is no element type {kind:#04x}"
                ));
            }
        };
        let mut shape = Vec::with_capacity(usize::from(axes));
        for _ in 0..axes {
            let mut axis = [0u8; 4];
            source.read_exact(&mut axis).map_err(cut)?;
            shape.push(u32::from_be_bytes(axis) as usize);
        }
        let n = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let n = n.filter(|&n| n <= ELEMENTS).ok_or_else(|| {
            let count = shape.first().copied().unwrap_or(0);
            let width = shape
                .iter()
                .skip(1)
                .fold(1usize, |n, &d| n.saturating_mul(d));
            too_many(count, width)
        })?;
        let mut raw = Vec::new();
        // Memory grows with what is there, not with what is declared.
        source
            .take((n * size) as u64)
            .read_to_end(&mut raw)
            .map_err(cut)?;
        if raw.len() != n * size {
            return Err(format!(
                "is cut short: shape {shape:?} needs {} bytes and {} are there",
                n * size,
                raw.len()
            ));
        }
        Ok(Self {
            values: elements(kind, &raw),
            shape,
        })
    }
}

fn elements(kind: u8, raw: &[u8]) -> Vec<f64> {
    macro_rules! numbers {
        ($type:ty) => {
            raw.chunks_exact(size_of::<$type>())
                .map(|c| {
                    let mut b = [0u8; size_of::<$type>()];
                    b.copy_from_slice(c);
                    f64::from(<$type>::from_be_bytes(b))
                })
                .collect()
        };
    }
    match kind {
        0x08 => raw.iter().map(|&v| f64::from(v)).collect(),
        0x09 => numbers!(i8),
        0x0b => numbers!(i16),
        0x0c => numbers!(i32),
        0x0d => numbers!(f32),
        _ => numbers!(f64),
    }
}
