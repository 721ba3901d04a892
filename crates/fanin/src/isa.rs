//! The instruction sets the fill path is written for.
//!
//! Which one is used is found out at run time and decides the speed, never a bit: each is tested against
//! [`Isa::Portable`], and no fused multiplication and addition occurs in any.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

/// A set of instructions.
///
/// ```
/// use fanin::isa::Isa;
///
/// println!("weights are filled with {}", Isa::active());
/// assert!(Isa::available().any(|isa| isa == Isa::active()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// Safe Rust, one value at a time as far as the source goes; the compiler may use the target's base vectors.
    Portable,
    /// x86-64 with AVX2 and F16C: 8 lanes.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL: 16 lanes.
    Avx512,
}

/// 0 for the best one, else one more than the position in [`ALL`].
static CHOSEN: AtomicU8 = AtomicU8::new(0);
const ALL: [Isa; 3] = [Isa::Portable, Isa::Avx2, Isa::Avx512];

/// This processor lacks the instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this processor has no {0}; choose one of Isa::available()")]
pub struct Unavailable(Isa);

impl Isa {
    /// Those this processor has, slowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// The one in use: the fastest available, unless [`Isa::choose`] said otherwise.
    pub fn active() -> Self {
        match CHOSEN.load(Ordering::Relaxed) {
            0 => {
                let best = Self::available().last().unwrap_or(Self::Portable);
                CHOSEN.store(best as u8 + 1, Ordering::Relaxed);
                best
            }
            chosen => ALL[usize::from(chosen - 1)],
        }
    }

    /// Makes this the one in use in the whole process. For tests and measurements: the values stay the same.
    ///
    /// # Errors
    /// When this processor lacks it.
    pub fn choose(self) -> Result<(), Unavailable> {
        if !self.is_available() {
            return Err(Unavailable(self));
        }
        CHOSEN.store(self as u8 + 1, Ordering::Relaxed);
        Ok(())
    }

    fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => crate::simd::Avx2::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => crate::simd::Avx512::detect().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Portable => "portable code",
            Self::Avx2 => "AVX2",
            Self::Avx512 => "AVX-512",
        })
    }
}
