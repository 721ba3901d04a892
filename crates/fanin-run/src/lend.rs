//! Slices that arrays read without owning them.
//!
//! Weights in memory or in a mapped file are used where they lie: a run borrows them for as long as it
//! lasts. Arrays have no lifetime in their type, since they sit in the closures of the tape; that none of
//! them outlives the loan is seen to by counting.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// Lends slices that live for `'a` to arrays, inside of [`scope`].
pub(crate) struct Lender<'a> {
    count: Arc<()>,
    /// Neither shorter nor longer: a slice that lives less must not be lent.
    life: PhantomData<Cell<&'a [f32]>>,
}

/// A slice that is read until the scope it was lent in ends.
#[derive(Clone)]
pub(crate) struct Loan {
    first: *const f32,
    len: usize,
    /// Held as long as the slice may be read.
    _count: Arc<()>,
}

// SAFETY: a loan is a shared slice of f32, which may be read from any thread.
unsafe impl Send for Loan {}
// SAFETY: the same.
unsafe impl Sync for Loan {}

/// Runs `work`, which may lend slices that outlive it.
///
/// Ends the process if an array still reads one of them afterwards: nothing that `work` leaves behind may
/// hold such an array, which is a defect of this crate if it happens.
pub(crate) fn scope<'a, T>(work: impl FnOnce(&Lender<'a>) -> T) -> T {
    /// Looks also where `work` panics.
    struct Settled(Arc<()>);
    impl Drop for Settled {
        fn drop(&mut self) {
            if Arc::strong_count(&self.0) > 1 {
                std::process::abort();
            }
        }
    }
    let settled = Settled(Arc::default());
    let lender = Lender {
        count: Arc::clone(&settled.0),
        life: PhantomData,
    };
    let result = work(&lender);
    drop(lender);
    drop(settled);
    result
}

impl<'a> Lender<'a> {
    /// Lends a slice until the scope ends.
    pub(crate) fn lend(&self, data: &'a [f32]) -> Loan {
        Loan {
            first: data.as_ptr(),
            len: data.len(),
            _count: Arc::clone(&self.count),
        }
    }
}

impl Loan {
    /// The slice.
    pub(crate) fn elements(&self) -> &[f32] {
        // SAFETY: the slice was borrowed for longer than the scope, and the scope does not end while this
        // loan is counted.
        unsafe { std::slice::from_raw_parts(self.first, self.len) }
    }
}

impl fmt::Debug for Loan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loan({})", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loan_reads_the_slice_itself() {
        let data = vec![1.0, 2.0, 3.0];
        scope(|lender| {
            let loan = lender.lend(&data);
            let other = loan.clone();
            drop(loan);
            assert_eq!(other.elements(), [1.0, 2.0, 3.0]);
            assert_eq!(other.elements().as_ptr(), data.as_ptr());
        });
    }
}
