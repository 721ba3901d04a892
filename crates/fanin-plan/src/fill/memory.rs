//! Filling in memory.

use std::collections::BTreeMap;

use fanin::{DType, Element, F8E4M3, F8E5M2};
use fanin_network::memory::FreeMemory;
use fanin_network::{ElementType, HostData, HostTensor, Weights};
use half::{bf16, f16};
use rayon::prelude::*;

use super::{BLOCK, Source, fault};
use crate::{Entry, Plan, PlanError};

impl Plan {
    /// The weights this plan describes, rounded to the plan's formats: f16 and bf16 are held as the
    /// f32 of the same value.
    ///
    /// # Errors
    ///
    /// [`PlanError::Parameter`] where an initializer does not suit its shape, and
    /// [`PlanError::Request`] where the weights do not fit in memory; [`Plan::fill_file`] needs a few
    /// blocks only.
    pub fn fill_weights(&self) -> Result<Weights, PlanError> {
        self.room_in_memory(FreeMemory::now())?;
        let tensors = self
            .entries
            .par_iter()
            .map(|entry| Ok((entry.name.clone(), self.tensor(entry)?)))
            .collect::<Result<BTreeMap<_, _>, PlanError>>()?;
        Ok(Weights { tensors })
    }

    /// Refuses a plan whose weights do not fit into what is free, before anything is computed.
    fn room_in_memory(&self, free: FreeMemory) -> Result<(), PlanError> {
        let bytes = self.entries.iter().try_fold(0u64, |sum, entry| {
            let held = if entry.dtype == DType::F64 { 8 } else { 4 };
            sum.checked_add(entry.elements()?.checked_mul(held)?)
        });
        free.holds(
            "the weights of this plan do not fit in memory: they take",
            bytes.filter(|&bytes| usize::try_from(bytes).is_ok()),
            "write them to a file instead, which needs little",
        )
        .map_err(PlanError::Request)
    }

    fn tensor(&self, entry: &Entry) -> Result<HostTensor, PlanError> {
        let source = Source::new(self, entry)?;
        let (element, data) = match entry.dtype {
            DType::F64 => (
                ElementType::F64,
                HostData::F64(values::<f64, _>(&source, entry, |x| x)?),
            ),
            DType::F32 => (
                ElementType::F32,
                HostData::F32(values::<f32, _>(&source, entry, |x| x)?),
            ),
            DType::F16 => (
                ElementType::F16,
                HostData::F32(values(&source, entry, f16::to_f32)?),
            ),
            DType::BF16 => (
                ElementType::Bf16,
                HostData::F32(values(&source, entry, bf16::to_f32)?),
            ),
            // No network computes in eight bits: the values, as f32.
            DType::F8E4M3 => (
                ElementType::F32,
                HostData::F32(values(&source, entry, F8E4M3::to_f32)?),
            ),
            DType::F8E5M2 => (
                ElementType::F32,
                HostData::F32(values(&source, entry, F8E5M2::to_f32)?),
            ),
        };
        HostTensor::new(entry.shape.clone(), element, data).ok_or_else(|| too_large(entry))
    }
}

/// All elements of an entry, drawn as `T` and held as `H`.
fn values<T: Element + Default, H: Copy + Default + Send>(
    source: &Source,
    entry: &Entry,
    hold: impl Fn(T) -> H + Sync,
) -> Result<Vec<H>, PlanError> {
    let count = entry
        .elements()
        .and_then(|count| usize::try_from(count).ok())
        .ok_or_else(|| too_large(entry))?;
    let mut all = Vec::new();
    all.try_reserve_exact(count).map_err(|_| too_large(entry))?;
    all.resize(count, H::default());
    let fill = |drawn: &mut Vec<T>, (k, chunk): (usize, &mut [H])| {
        drawn.resize(chunk.len(), T::default());
        source
            .filler
            .fill(&source.stream, (k * BLOCK) as u64, drawn)
            .map_err(|error| fault(entry, error.to_string()))?;
        for (held, &x) in chunk.iter_mut().zip(drawn.iter()) {
            *held = hold(x);
        }
        Ok(())
    };
    if source.upwards {
        let mut drawn = Vec::new();
        all.chunks_mut(BLOCK)
            .enumerate()
            .try_for_each(|block| fill(&mut drawn, block))?;
    } else {
        all.par_chunks_mut(BLOCK)
            .enumerate()
            .try_for_each_init(Vec::new, fill)?;
    }
    Ok(all)
}

fn too_large(entry: &Entry) -> PlanError {
    fault(
        entry,
        "does not fit in memory; write the weights to a file instead, which needs little",
    )
}
