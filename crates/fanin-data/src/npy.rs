//! The `.npy` format, versions 1 to 3, as numpy's `lib.format` describes it.

use std::io::Read;

use fanin_network::{ElementType, HostData, HostTensor};

/// What every `.npy` file starts with.
pub(crate) const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// The longest header that is read; numpy's own are under 1 kB.
const LONGEST_HEADER: usize = 1 << 16;

/// Reads one array from a source of at most `size` bytes.
pub(crate) fn read(source: &mut impl Read, size: u64) -> Result<HostTensor, String> {
    let cut = |e: std::io::Error| format!("it is cut short ({e})");
    let mut start = [0u8; 8];
    source.read_exact(&mut start).map_err(cut)?;
    if !start.starts_with(MAGIC) {
        return Err("it does not start as a .npy array does".to_owned());
    }
    let header_len = match start[6] {
        1 => {
            let mut n = [0u8; 2];
            source.read_exact(&mut n).map_err(cut)?;
            usize::from(u16::from_le_bytes(n))
        }
        2 | 3 => {
            let mut n = [0u8; 4];
            source.read_exact(&mut n).map_err(cut)?;
            u32::from_le_bytes(n) as usize
        }
        v => {
            return Err(format!(
                "its format version is {v}; versions 1 to 3 are known"
            ));
        }
    };
    if header_len > LONGEST_HEADER {
        return Err(format!(
            "its header declares {header_len} bytes, more than {LONGEST_HEADER}"
        ));
    }
    let mut header = vec![0u8; header_len];
    source.read_exact(&mut header).map_err(cut)?;
    let header = Header::parse(&String::from_utf8_lossy(&header))?;
    let n = header
        .shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .ok_or_else(|| format!("its shape {:?} overflows", header.shape))?;
    let bytes = n
        .checked_mul(header.kind.size())
        .filter(|&b| b as u64 <= size)
        .ok_or_else(|| {
            format!(
                "its header declares shape {:?}, which is more than the {size} bytes there are",
                header.shape
            )
        })?;
    let mut raw = Vec::new();
    let got = source
        .take(bytes as u64)
        .read_to_end(&mut raw)
        .map_err(|e| format!("it cannot be read ({e})"))?;
    if got != bytes {
        return Err(format!(
            "shape {:?} needs {bytes} bytes and {got} are there",
            header.shape
        ));
    }
    let (element, mut data) = header.kind.elements(&raw, header.big_endian);
    if header.fortran && header.shape.len() > 1 {
        data = transpose(data, &header.shape);
    }
    HostTensor::new(header.shape, element, data)
        .ok_or_else(|| "its shape does not fit its elements".to_owned())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    letter: u8,
    bytes: usize,
}

impl Kind {
    fn size(self) -> usize {
        self.bytes
    }

    fn elements(self, raw: &[u8], big: bool) -> (ElementType, HostData) {
        macro_rules! numbers {
            ($type:ty, $variant:ident, $map:expr) => {
                HostData::$variant(
                    raw.chunks_exact(size_of::<$type>())
                        .map(|c| {
                            let mut b = [0u8; size_of::<$type>()];
                            b.copy_from_slice(c);
                            $map(if big {
                                <$type>::from_be_bytes(b)
                            } else {
                                <$type>::from_le_bytes(b)
                            })
                        })
                        .collect(),
                )
            };
        }
        match (self.letter, self.bytes) {
            (b'f', 8) => (ElementType::F64, numbers!(f64, F64, |v| v)),
            (b'f', 4) => (ElementType::F32, numbers!(f32, F32, |v| v)),
            (b'f', _) => (ElementType::F16, numbers!(u16, F32, half_to_f32)),
            (b'i', 8) => (ElementType::I64, numbers!(i64, I64, |v| v)),
            (b'i', 4) => (ElementType::I32, numbers!(i32, I64, i64::from)),
            (b'i', 2) => (ElementType::I16, numbers!(i16, I64, i64::from)),
            (b'i', _) => (ElementType::I8, numbers!(i8, I64, i64::from)),
            (b'u', 8) => (ElementType::U64, numbers!(u64, I64, |v| v as i64)),
            (b'u', 4) => (ElementType::U32, numbers!(u32, I64, i64::from)),
            (b'u', 2) => (ElementType::U16, numbers!(u16, I64, i64::from)),
            (b'u', _) => (ElementType::U8, numbers!(u8, I64, i64::from)),
            _ => (ElementType::Bool, numbers!(u8, Bool, |v| v != 0)),
        }
    }
}

struct Header {
    kind: Kind,
    big_endian: bool,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Reads the Python dictionary of a header: `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
    fn parse(text: &str) -> Result<Self, String> {
        let after = |key: &str| {
            let quoted = [format!("'{key}'"), format!("\"{key}\"")];
            quoted
                .iter()
                .find_map(|q| text.split_once(q.as_str()))
                .and_then(|(_, rest)| rest.trim_start().strip_prefix(':'))
                .map(str::trim_start)
                .ok_or_else(|| format!("its header has no `{key}`"))
        };
        let descr = after("descr")?;
        let quote = descr.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let descr = quote
            .and_then(|q| descr[1..].split_once(q))
            .map(|(d, _)| d)
            .ok_or("it holds records, not plain numbers")?;
        let (order, kind) = match descr.as_bytes() {
            [order @ (b'<' | b'>' | b'|' | b'='), kind @ ..] => (*order, kind),
            kind => (b'=', kind),
        };
        let kind = match kind {
            [letter @ (b'f' | b'i' | b'u' | b'b'), digits @ ..] => {
                let bytes = std::str::from_utf8(digits).ok().and_then(|d| d.parse::<usize>().ok());
                match (letter, bytes) {
                    (b'f', Some(bytes @ (2 | 4 | 8)))
                    | (b'i' | b'u', Some(bytes @ (1 | 2 | 4 | 8)))
                    | (b'b', Some(bytes @ 1)) => Some(Kind { letter: *letter, bytes }),
                    _ => None,
                }
            }
            _ => None,
        }
        .ok_or_else(|| {
            format!("its elements are of type `{descr}`; floats, integers and booleans of up to 64 bits can be read")
        })?;
        let fortran = after("fortran_order")?.starts_with("True");
        let shape = after("shape")?
            .strip_prefix('(')
            .and_then(|s| s.split_once(')'))
            .map(|(s, _)| s)
            .ok_or("its shape is not a tuple")?;
        let shape = shape
            .split(',')
            .map(str::trim)
            .filter(|s| !s.is_empty())
            .map(|s| {
                s.trim_end_matches('L')
                    .parse::<usize>()
                    .map_err(|_| format!("its shape has the size `{s}`"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            kind,
            big_endian: order == b'>',
            fortran,
            shape,
        })
    }
}

/// Elements in Fortran order brought into C order.
fn transpose(data: HostData, shape: &[usize]) -> HostData {
    let n: usize = shape.iter().product();
    let mut strides = vec![1usize; shape.len()];
    for k in 1..shape.len() {
        strides[k] = strides[k - 1] * shape[k - 1];
    }
    let mut order = Vec::with_capacity(n);
    let mut index = vec![0usize; shape.len()];
    for _ in 0..n {
        order.push(
            index
                .iter()
                .zip(&strides)
                .map(|(i, s)| i * s)
                .sum::<usize>(),
        );
        for k in (0..shape.len()).rev() {
            index[k] += 1;
            if index[k] < shape[k] {
                break;
            }
            index[k] = 0;
        }
    }
    fn pick<T: Copy>(v: &[T], order: &[usize]) -> Vec<T> {
        order.iter().filter_map(|&i| v.get(i).copied()).collect()
    }
    match data {
        HostData::F32(v) => HostData::F32(pick(&v, &order)),
        HostData::F64(v) => HostData::F64(pick(&v, &order)),
        HostData::I64(v) => HostData::I64(pick(&v, &order)),
        HostData::Bool(v) => HostData::Bool(pick(&v, &order)),
    }
}

/// The value of an IEEE half.
fn half_to_f32(bits: u16) -> f32 {
    half::f16::from_bits(bits).to_f32()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([version, 0]);
        match version {
            1 => bytes.extend((header.len() as u16).to_le_bytes()),
            _ => bytes.extend((header.len() as u32).to_le_bytes()),
        }
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn parse(bytes: &[u8]) -> Result<HostTensor, String> {
        read(&mut &bytes[..], bytes.len() as u64)
    }

    #[test]
    fn reads_every_version_and_type() {
        let two = |kind: &str, data: &[u8], version| {
            parse(&file(
                version,
                &format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (2,), }}\n"),
                data,
            ))
        };
        let f4: Vec<u8> = [1.5f32, -2.0]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        for version in 1..=3 {
            assert_eq!(
                two("<f4", &f4, version).unwrap().data,
                HostData::F32(vec![1.5, -2.0])
            );
        }
        let f8: Vec<u8> = [1.5f64, -2.0]
            .iter()
            .flat_map(|v| v.to_be_bytes())
            .collect();
        assert_eq!(
            two(">f8", &f8, 1).unwrap().data,
            HostData::F64(vec![1.5, -2.0])
        );
        assert_eq!(
            two("<f2", &[0, 0x3e, 0, 0xc0], 1).unwrap().data,
            HostData::F32(vec![1.5, -2.0])
        );
        assert_eq!(
            two("|b1", &[1, 0], 1).unwrap().data,
            HostData::Bool(vec![true, false])
        );
        assert_eq!(
            two("|u1", &[200, 1], 1).unwrap().data,
            HostData::I64(vec![200, 1])
        );
        assert_eq!(
            two("<i2", &[255, 255, 1, 0], 1).unwrap().data,
            HostData::I64(vec![-1, 1])
        );
        let big = (u64::MAX - 1).to_le_bytes().repeat(2);
        assert_eq!(
            two("<u8", &big, 1).unwrap().data,
            HostData::I64(vec![-2, -2])
        );
    }

    #[test]
    fn fortran_order_is_brought_into_c_order() {
        let header = "{'descr': '|i1', 'fortran_order': True, 'shape': (2, 3), }\n";
        let tensor = parse(&file(1, header, &[1, 4, 2, 5, 3, 6])).unwrap();
        assert_eq!(tensor.shape, [2, 3]);
        assert_eq!(tensor.data, HostData::I64(vec![1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn a_header_that_lies_takes_no_memory() {
        let huge = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }\n";
        assert!(
            parse(&file(1, huge, &[0; 16]))
                .unwrap_err()
                .contains("more than the")
        );
        let over = "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4294967296), }\n";
        assert!(
            parse(&file(1, over, &[0; 16]))
                .unwrap_err()
                .contains("overflows")
        );
    }

    #[test]
    fn what_is_no_array_gets_a_sentence() {
        assert!(parse(b"").is_err());
        assert!(
            parse(b"hello, world, hello")
                .unwrap_err()
                .contains("does not start")
        );
        assert!(parse(&file(9, "{}", &[])).unwrap_err().contains("version"));
        assert!(parse(&file(1, "{}", &[])).unwrap_err().contains("descr"));
        let complex = "{'descr': '<c16', 'fortran_order': False, 'shape': (1,), }";
        assert!(
            parse(&file(1, complex, &[0; 16]))
                .unwrap_err()
                .contains("<c16")
        );
        let record = "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }";
        assert!(
            parse(&file(1, record, &[0; 4]))
                .unwrap_err()
                .contains("records")
        );
        let short = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
        assert!(parse(&file(1, short, &[0; 4])).is_err());
    }
}
