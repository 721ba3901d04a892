//! PNG pictures: every colour type and depth; what is transparent is drawn as if it were not.

use std::io::{Cursor, Read};
use std::path::Path;

use png::{ColorType, DecodeOptions, Decoder, Limits, Transformations};

use crate::DataError;
use crate::file::open;

/// Most pixels of one picture.
const PIXELS: usize = 1 << 26;
/// Most bytes of one file.
const BYTES: u64 = 1 << 28;

/// A picture of 8 bits per channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels that are stored: 1 grey, 2 grey and alpha, 3 colours, 4 colours and alpha.
    depth: usize,
    bytes: Vec<u8>,
}

impl Picture {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is broken or too large.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        Self::load(path).map_err(|message| DataError::new(path, message))
    }

    fn load(path: &Path) -> Result<Self, String> {
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
        let mut options = DecodeOptions::default();
        options.set_ignore_adler32(false);
        let mut decoder = Decoder::new_with_options(Cursor::new(file), options);
        // A row of the most pixels there can be.
        decoder.set_limits(Limits { bytes: 8 * PIXELS });
        decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
        let header = decoder.read_header_info().map_err(|e| e.to_string())?;
        let (width, height) = (header.width as usize, header.height as usize);
        if height.saturating_mul(width) > PIXELS {
            return Err(format!(
                "it declares {height} by {width} pixels; at most {PIXELS} are read"
            ));
        }
        let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
        let size = reader.output_buffer_size().ok_or("it is too large")?;
        let mut bytes = vec![0; size];
        let frame = reader.next_frame(&mut bytes).map_err(|e| e.to_string())?;
        reader.finish().map_err(|e| e.to_string())?;
        bytes.truncate(frame.buffer_size());
        let depth = match frame.color_type {
            ColorType::Grayscale | ColorType::Indexed => 1,
            ColorType::GrayscaleAlpha => 2,
            ColorType::Rgb => 3,
            ColorType::Rgba => 4,
        };
        Ok(Self {
            height,
            width,
            depth,
            bytes,
        })
    }

    /// A pixel's channel, out of one (grey) or three.
    pub fn at(&self, row: usize, column: usize, channel: usize, of: usize) -> f32 {
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
    fn a_picture_beyond_reason_is_refused_before_memory_is_taken() {
        let mut file = Vec::new();
        let encoder = png::Encoder::new(&mut file, 1 << 16, 1 << 15);
        drop(encoder.write_header().unwrap());
        let error = Picture::parse(&file).err().unwrap();
        assert!(error.contains("32768 by 65536 pixels; at most"), "{error}");
    }
}
