//! The blocks of a file, computed on all threads.

use std::io;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytemuck::Pod;
use fanin::{DType, Element, F8E4M3, F8E5M2, Slice};
use half::{bf16, f16};

use super::header::FileMap;
use super::{BLOCK, Source};
use crate::{Entry, Plan, PlanError};

/// Elements that one thread draws at a time: so few that they are not shared between threads, which
/// all have blocks of their own.
const PIECE: usize = 1 << 14;

/// A tensor of a file, or the part of it that the file holds.
pub(super) struct Tensor<'a> {
    pub(super) entry: &'a Entry,
    pub(super) slice: Slice,
    /// Position of its first byte.
    pub(super) at: u64,
    /// The number of its first block among those of all tensors.
    pub(super) first: u64,
    source: Source,
}

impl<'a> Tensor<'a> {
    /// The tensors of a file, in its order.
    pub(super) fn of(plan: &Plan, map: &FileMap<'a>) -> Result<Vec<Self>, PlanError> {
        let mut first = 0;
        map.tensors
            .iter()
            .map(|(part, at)| {
                let tensor = Self::new(plan, part.entry, part.slice.clone(), *at, first)?;
                first += tensor.blocks();
                Ok(tensor)
            })
            .collect()
    }

    pub(super) fn new(
        plan: &Plan,
        entry: &'a Entry,
        slice: Slice,
        at: u64,
        first: u64,
    ) -> Result<Self, PlanError> {
        Ok(Self {
            source: Source::new(plan, entry)?,
            entry,
            slice,
            at,
            first,
        })
    }

    pub(super) fn blocks(&self) -> u64 {
        self.slice.len().div_ceil(BLOCK as u64)
    }

    /// Elements of a block, counted within the part.
    pub(super) fn elements(&self, block: u64) -> Range<u64> {
        let start = block * BLOCK as u64;
        start..(start + BLOCK as u64).min(self.slice.len())
    }

    /// Where a block lies in the file.
    pub(super) fn bytes(&self, block: u64) -> Range<u64> {
        let size = self.entry.dtype.size_of() as u64;
        let elements = self.elements(block);
        self.at + elements.start * size..self.at + elements.end * size
    }

    /// Pieces of work that threads may do in any order.
    fn tasks(&self) -> u64 {
        if self.source.upwards {
            self.blocks().min(1)
        } else {
            self.blocks()
        }
    }

    /// The blocks of one piece of work.
    fn blocks_of(&self, task: u64) -> Range<u64> {
        if self.source.upwards {
            0..self.blocks()
        } else {
            task..task + 1
        }
    }

    /// The bytes of a block as they stand in the file.
    pub(super) fn draw<'r>(&self, block: u64, room: &'r mut Room) -> io::Result<&'r [u8]> {
        match self.entry.dtype {
            DType::F64 => self.draw_as::<f64>(block, room),
            DType::F32 => self.draw_as::<f32>(block, room),
            DType::F16 => self.draw_as::<f16>(block, room),
            DType::BF16 => self.draw_as::<bf16>(block, room),
            DType::F8E4M3 => self.draw_as::<F8E4M3>(block, room),
            DType::F8E5M2 => self.draw_as::<F8E5M2>(block, room),
        }
    }

    fn draw_as<'r, T: Element + Pod>(
        &self,
        block: u64,
        room: &'r mut Room,
    ) -> io::Result<&'r [u8]> {
        let elements = self.elements(block);
        let count = (elements.end - elements.start) as usize;
        let bytes = count * size_of::<T>();
        let words = bytes.div_ceil(size_of::<u64>());
        if room.words.len() < words {
            room.words.resize(words, 0);
        }
        let out: &mut [T] = bytemuck::cast_slice_mut(&mut room.words[..words]);
        let out = &mut out[..count];
        let source = &self.source;
        let piece = if source.upwards { count } else { PIECE };
        for (k, piece) in out.chunks_mut(piece.max(1)).enumerate() {
            let start = elements.start + (k * PIECE) as u64;
            source
                .filler
                .fill_slice(&source.stream, &self.slice, start, piece)
                .map_err(io::Error::other)?;
        }
        let out: &mut [u8] = bytemuck::cast_slice_mut(out);
        if cfg!(target_endian = "big") {
            out.chunks_exact_mut(size_of::<T>())
                .for_each(<[u8]>::reverse);
        }
        Ok(out)
    }
}

/// The buffers of one thread, kept from block to block.
#[derive(Default)]
pub(super) struct Room {
    /// What was drawn: words, so that elements of every format are aligned.
    words: Vec<u64>,
    /// What was read.
    pub(super) read: Vec<u8>,
}

/// Calls `work` for all blocks of all tensors; each thread takes the next piece of work that nobody has
/// taken. `progress` is told the bytes that are done.
pub(super) fn each(
    tensors: &[Tensor<'_>],
    progress: &(dyn Fn(u64) + Sync),
    work: impl Fn(&Tensor<'_>, u64, &mut Room) -> io::Result<()> + Sync,
) -> io::Result<()> {
    // The number of the first task of each tensor.
    let mut first = Vec::with_capacity(tensors.len());
    let mut tasks = 0u64;
    for tensor in tensors {
        first.push(tasks);
        tasks += tensor.tasks();
    }
    let next = AtomicU64::new(0);
    let done = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let failure = Mutex::new(None);
    let take = || -> io::Result<()> {
        let mut room = Room::default();
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            if task >= tasks {
                return Ok(());
            }
            // The last tensor that begins at or before this task; those without any share the number
            // of the one after them.
            let k = first.partition_point(|&begin| begin <= task) - 1;
            let (Some(tensor), Some(begin)) = (tensors.get(k), first.get(k)) else {
                return Ok(());
            };
            for block in tensor.blocks_of(task - begin) {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                work(tensor, block, &mut room)?;
                let bytes = tensor.bytes(block);
                let bytes = bytes.end - bytes.start;
                progress(done.fetch_add(bytes, Ordering::Relaxed) + bytes);
            }
        }
    };
    rayon::scope(|scope| {
        for _ in 0..rayon::current_num_threads() {
            scope.spawn(|_| {
                if let Err(error) = take() {
                    stop.store(true, Ordering::Relaxed);
                    if let Ok(mut failure) = failure.lock() {
                        failure.get_or_insert(error);
                    }
                }
            });
        }
    });
    match failure.into_inner() {
        Ok(None) => Ok(()),
        Ok(Some(error)) => Err(error),
        Err(_) => Err(io::Error::other("a thread has failed")),
    }
}
