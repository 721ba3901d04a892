//! PNG pictures (ISO/IEC 15948): every colour type and depth, without interlacing; transparency and
//! colour spaces are passed over.
//!
//! A decoder of our own, because what is needed is small and inflate is here already.

use std::io::Read;
use std::path::Path;

use flate2::read::ZlibDecoder;

use super::open;

/// What every PNG starts with.
const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];
/// Most pixels of one picture.
const PIXELS: usize = 1 << 26;
/// Most bytes of one file.
const BYTES: u64 = 1 << 28;

/// A picture of 8 bits per channel.
pub(super) struct Picture {
    pub(super) height: usize,
    pub(super) width: usize,
    /// Channels that are stored: 1 grey, 2 grey and alpha, 3 colours, 4 colours and alpha.
    depth: usize,
    bytes: Vec<u8>,
}

impl Picture {
    /// Reads a file; one sentence where it is broken or too large.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let mut file = Vec::new();
        open(path)?
            .take(BYTES)
            .read_to_end(&mut file)
            .map_err(|e| format!("cannot be read: {e}"))?;
        if file.len() as u64 == BYTES {
            return Err(format!("is larger than {BYTES} bytes"));
        }
        Self::parse(&file).map_err(|m| format!("is no PNG that can be read: {m}"))
    }

    fn parse(file: &[u8]) -> Result<Self, String> {
        let mut rest = file
            .strip_prefix(&SIGNATURE)
            .ok_or("it does not start as one does")?;
        let mut header: Option<Header> = None;
        let mut palette: &[u8] = &[];
        let mut packed = Vec::new();
        loop {
            let (kind, data, after) = chunk(rest)?;
            rest = after;
            match (kind, &header) {
                (b"IHDR", None) => header = Some(Header::parse(data)?),
                (b"IHDR", Some(_)) => return Err("it has two headers".to_owned()),
                (_, None) => return Err("it does not begin with its header".to_owned()),
                (b"PLTE", _) => palette = data,
                (b"IDAT", _) => packed.extend_from_slice(data),
                (b"IEND", _) => break,
                // A capital letter marks what a reader must understand.
                ([b'A'..=b'Z', ..], _) => {
                    return Err(format!(
                        "it has a chunk `{}` that is not known",
                        String::from_utf8_lossy(kind)
                    ));
                }
                _ => {}
            }
        }
        let header = header.ok_or("it has no header")?;
        header.pixels(&header.inflate(&packed)?, palette)
    }

    /// A pixel's channel, out of one (grey) or three.
    pub(super) fn at(&self, row: usize, column: usize, channel: usize, of: usize) -> f32 {
        let start = (row * self.width + column) * self.depth;
        let byte = |k: usize| f32::from(self.bytes.get(start + k).copied().unwrap_or(0));
        match (self.depth, of) {
            (1 | 2, _) => byte(0),
            // ITU-R BT.601.
            (_, 1) => 0.299 * byte(0) + 0.587 * byte(1) + 0.114 * byte(2),
            _ => byte(channel),
        }
    }
}

/// A chunk's kind, its data, and what follows it.
type Chunk<'a> = (&'a [u8; 4], &'a [u8], &'a [u8]);

/// The first chunk.
fn chunk(bytes: &[u8]) -> Result<Chunk<'_>, String> {
    let cut = || "it is cut short".to_owned();
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
    let (kind, _) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
    let length = u32::from_be_bytes(*length) as usize;
    let end = length.checked_add(4).ok_or_else(cut)?;
    let body = rest.get(..end).ok_or_else(cut)?;
    let (sum, after) = rest[end..].split_first_chunk::<4>().ok_or_else(cut)?;
    if crc32fast::hash(body) != u32::from_be_bytes(*sum) {
        return Err(format!(
            "the checksum of its chunk `{}` is wrong",
            String::from_utf8_lossy(kind)
        ));
    }
    Ok((kind, &body[4..], after))
}

#[derive(Clone, Copy)]
struct Header {
    height: usize,
    width: usize,
    bits: usize,
    /// Samples of a pixel as they are stored.
    samples: usize,
    palette: bool,
}

impl Header {
    fn parse(data: &[u8]) -> Result<Self, String> {
        let &[a, b, c, d, e, f, g, h, bits, colour, 0, 0, interlace] = data else {
            return Err("its header is not as the standard has it".to_owned());
        };
        let width = u32::from_be_bytes([a, b, c, d]) as usize;
        let height = u32::from_be_bytes([e, f, g, h]) as usize;
        if interlace != 0 {
            return Err("it is interlaced; save it without".to_owned());
        }
        let samples = match (colour, bits) {
            (0, 1 | 2 | 4 | 8 | 16) | (3, 1 | 2 | 4 | 8) => 1,
            (2, 8 | 16) => 3,
            (4, 8 | 16) => 2,
            (6, 8 | 16) => 4,
            _ => return Err(format!("there is no colour type {colour} of {bits} bits")),
        };
        if height == 0 || width == 0 || height.saturating_mul(width) > PIXELS {
            return Err(format!(
                "it declares {height} by {width} pixels; from 1 to {PIXELS} are read"
            ));
        }
        Ok(Self {
            height,
            width,
            bits: usize::from(bits),
            samples,
            palette: colour == 3,
        })
    }

    /// Bytes of a row, without the one that names its filter.
    fn row(self) -> usize {
        (self.width * self.samples * self.bits).div_ceil(8)
    }

    /// The filtered rows; memory grows with what is there.
    fn inflate(self, packed: &[u8]) -> Result<Vec<u8>, String> {
        let size = self.height * (1 + self.row());
        let mut rows = Vec::new();
        ZlibDecoder::new(packed)
            .take(size as u64)
            .read_to_end(&mut rows)
            .map_err(|e| format!("its pixels cannot be unpacked: {e}"))?;
        if rows.len() < size {
            return Err(format!(
                "it has {} bytes of pixels where {size} are needed",
                rows.len()
            ));
        }
        Ok(rows)
    }

    /// Undoes the filters and brings every sample to 8 bits.
    fn pixels(self, rows: &[u8], palette: &[u8]) -> Result<Picture, String> {
        let step = (self.samples * self.bits).div_ceil(8);
        let depth = if self.palette { 3 } else { self.samples };
        let mut bytes = Vec::new();
        let mut above = vec![0u8; self.row()];
        for filtered in rows.chunks_exact(1 + self.row()) {
            let mut row = filtered[1..].to_vec();
            unfilter(filtered[0], &mut row, &above, step)?;
            for k in 0..self.width * self.samples {
                let value = self.sample(&row, k);
                if self.palette {
                    let colour = palette.get(3 * value..3 * value + 3);
                    let colour = colour.ok_or("a pixel has a colour beyond its palette")?;
                    bytes.extend_from_slice(colour);
                } else {
                    bytes.push(match self.bits {
                        16 => (value >> 8) as u8,
                        bits => (value * 255 / ((1 << bits) - 1)) as u8,
                    });
                }
            }
            above = row;
        }
        Ok(Picture {
            height: self.height,
            width: self.width,
            depth,
            bytes,
        })
    }

    /// Sample `k` of a row, as it is stored.
    fn sample(self, row: &[u8], k: usize) -> usize {
        match self.bits {
            16 => usize::from(row[2 * k]) << 8 | usize::from(row[2 * k + 1]),
            8 => usize::from(row[k]),
            bits => {
                let per_byte = 8 / bits;
                // The leftmost pixel has the highest bits.
                let shift = bits * (per_byte - 1 - k % per_byte);
                usize::from(row[k / per_byte]) >> shift & ((1 << bits) - 1)
            }
        }
    }
}

/// Undoes the filter of one row (section 9 of the standard).
fn unfilter(kind: u8, row: &mut [u8], above: &[u8], step: usize) -> Result<(), String> {
    for k in 0..row.len() {
        let left = if k < step { 0 } else { row[k - step] };
        let up = above[k];
        let corner = if k < step { 0 } else { above[k - step] };
        let guess = match kind {
            0 => 0,
            1 => left,
            2 => up,
            3 => ((u16::from(left) + u16::from(up)) / 2) as u8,
            4 => paeth(left, up, corner),
            _ => return Err(format!("a row has a filter {kind}, which there is not")),
        };
        row[k] = row[k].wrapping_add(guess);
    }
    Ok(())
}

/// Whichever of three neighbours is nearest to left + up - corner.
fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let [a, b, c] = [left, up, corner].map(i16::from);
    let near = |x: i16| (a + b - c - x).abs();
    if near(a) <= near(b) && near(a) <= near(c) {
        left
    } else if near(b) <= near(c) {
        up
    } else {
        corner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let pairs = hex.as_bytes().chunks(2);
        let text = |pair| std::str::from_utf8(pair).unwrap();
        pairs
            .map(|pair| u8::from_str_radix(text(pair), 16).unwrap())
            .collect()
    }

    /// Files by Pillow and what it reads from them (tools/golden_pictures.py).
    fn golden() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
        include_str!("golden_pictures.txt")
            .lines()
            .map(|line| {
                let fields: Vec<&str> = line.split(' ').collect();
                (fields[0], bytes(fields[1]), bytes(fields[2]))
            })
            .collect()
    }

    #[test]
    fn pillow_reads_the_same() {
        for (name, file, samples) in golden() {
            let picture = Picture::parse(&file).unwrap();
            assert_eq!((picture.width, picture.height), (11, 6), "{name}");
            assert_eq!(picture.bytes, samples, "{name}");
        }
        assert_eq!(golden().len(), 9);
    }

    #[test]
    fn a_file_that_ends_or_changes_anywhere_is_refused() {
        for (name, file, _) in golden() {
            for end in 0..file.len() - 12 {
                assert!(Picture::parse(&file[..end]).is_err(), "{name} to {end}");
            }
            for k in 0..file.len() {
                let mut spoilt = file.clone();
                spoilt[k] ^= 0x10;
                assert!(Picture::parse(&spoilt).is_err(), "{name} at {k}");
            }
        }
    }

    #[test]
    fn headers_beyond_reason_get_a_sentence() {
        let header = |width: u32, height: u32, rest: [u8; 5]| {
            let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
            Header::parse(&[&size[..], &rest].concat()).err()
        };
        assert_eq!(header(4, 4, [8, 2, 0, 0, 0]), None);
        for (width, height, rest, message) in [
            (u32::MAX, u32::MAX, [8, 0, 0, 0, 0], "pixels; from 1 to"),
            (0, 4, [8, 0, 0, 0, 0], "declares 4 by 0 pixels"),
            (4, 4, [8, 0, 0, 0, 1], "is interlaced"),
            (4, 4, [7, 0, 0, 0, 0], "no colour type 0 of 7 bits"),
            (4, 4, [4, 2, 0, 0, 0], "no colour type 2 of 4 bits"),
            (4, 4, [8, 0, 1, 0, 0], "not as the standard has it"),
        ] {
            let error = header(width, height, rest).unwrap();
            assert!(error.contains(message), "{error}");
        }
    }
}
