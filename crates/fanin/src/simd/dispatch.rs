//! Which instruction set a kernel runs with.

#[cfg(target_arch = "x86_64")]
use super::{Avx2, Avx512};
use super::{Kernel, Portable};
use crate::isa::Isa;

/// Runs the kernel with the instruction set in use.
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    on(Isa::active(), kernel)
}

/// Runs the kernel with this instruction set, or the portable code where the processor lacks it.
pub(crate) fn on<K: Kernel>(isa: Isa, kernel: K) -> K::Output {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 if let Some(s) = Avx512::detect() => s.run(kernel),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 if let Some(s) = Avx2::detect() => s.run(kernel),
        _ => kernel.run(Portable),
    }
}
