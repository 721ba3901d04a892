//! Memory of arrays that goes round: a buffer that nobody reads any more serves the next array of about
//! its size.
//!
//! A run makes and drops arrays of a few sizes thousands of times. Given back to the system each time,
//! every one of them would be cleared page by page before its first use; that took longer than the
//! arithmetic. A run opens a [`scope`]; in it, large buffers come from and return to its pool, and all is
//! freed where it ends.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

use rayon::prelude::*;

/// Elements from which a buffer is worth keeping; smaller ones are the allocator's business.
const LEAST: usize = 1 << 12;

thread_local! {
    /// The pool of the run on this thread.
    static CURRENT: RefCell<Option<Arc<Pool>>> = const { RefCell::new(None) };
}

/// Runs `work` with a pool of its own for the arrays that this thread makes.
pub(crate) fn scope<T>(work: impl FnOnce() -> T) -> T {
    /// Puts back what was there before, also where `work` panics.
    struct Restore(Option<Arc<Pool>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }
    let _restore = Restore(CURRENT.replace(Some(Arc::default())));
    work()
}

/// Buffers that are free.
#[derive(Default)]
struct Pool(Mutex<Free>);

#[derive(Default)]
struct Free {
    /// By the number of elements they hold.
    buffers: BTreeMap<usize, Vec<Vec<f32>>>,
    /// Elements of all of them.
    elements: usize,
    /// Elements of the buffers that are in use.
    used: usize,
}

impl Pool {
    /// A buffer of at least `n` elements, whatever they are, and whether they are zeros.
    fn take(&self, n: usize) -> (Vec<f32>, bool) {
        let size = rounded(n);
        let Ok(mut free) = self.0.lock() else {
            return (vec![0.0; size], true);
        };
        // A buffer a quarter too large is better than a fresh one.
        let fit = free.buffers.range_mut(size..=size + size / 4);
        let found = fit.filter_map(|(_, list)| list.pop()).next();
        if let Some(buffer) = found {
            free.elements -= buffer.len();
            free.used += buffer.len();
            return (buffer, false);
        }
        // Sizes that are no longer asked for must not pile up beside those that are.
        let keep = free.used / 8;
        while free.elements > keep {
            let Some(mut last) = free.buffers.last_entry() else {
                break;
            };
            match last.get_mut().pop() {
                Some(buffer) => free.elements -= buffer.len(),
                None => drop(last.remove()),
            }
        }
        free.used += size;
        drop(free);
        (vec![0.0; size], true)
    }

    fn put(&self, buffer: Vec<f32>) {
        if let Ok(mut free) = self.0.lock() {
            free.used = free.used.saturating_sub(buffer.len());
            free.elements += buffer.len();
            free.buffers.entry(buffer.len()).or_default().push(buffer);
        }
    }
}

/// `n` rounded up so that near sizes share buffers; an eighth is added at most.
fn rounded(n: usize) -> usize {
    let step = (n.next_power_of_two() >> 4).max(1);
    n.next_multiple_of(step)
}

/// Elements of an array: owned, and given back to the run's pool when dropped.
pub(crate) struct Buffer {
    data: Vec<f32>,
    /// How many of them count.
    len: usize,
    pool: Option<Arc<Pool>>,
}

impl Buffer {
    /// Zeros.
    pub(crate) fn zeros(n: usize) -> Self {
        let (mut buffer, cleared) = Self::take(n);
        if !cleared {
            match n {
                ..=0xF_FFFF => buffer.fill(0.0),
                _ => buffer.par_chunks_mut(1 << 18).for_each(|c| c.fill(0.0)),
            }
        }
        buffer
    }

    /// Elements that are yet to be written, every one of them: they hold whatever was there before.
    pub(crate) fn unwritten(n: usize) -> Self {
        Self::take(n).0
    }

    fn take(n: usize) -> (Self, bool) {
        let pool = if n < LEAST {
            None
        } else {
            CURRENT.with_borrow(Clone::clone)
        };
        let (data, cleared) = match &pool {
            Some(pool) => pool.take(n),
            None => (vec![0.0; n], true),
        };
        (Self { data, len: n, pool }, cleared)
    }
}

impl From<Vec<f32>> for Buffer {
    fn from(data: Vec<f32>) -> Self {
        Self {
            len: data.len(),
            data,
            pool: None,
        }
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut copy = Self::unwritten(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            pool.put(std::mem::take(&mut self.data));
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.data[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[..self.len]
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({})", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(buffer: &Buffer) -> *const f32 {
        buffer.as_ptr()
    }

    #[test]
    fn a_buffer_serves_the_next_of_its_size() {
        scope(|| {
            let mut first = Buffer::zeros(100_000);
            first.fill(7.0);
            let at = place(&first);
            drop(first);
            let second = Buffer::zeros(99_000);
            assert_eq!(place(&second), at);
            assert!(second.iter().all(|&v| v == 0.0));
            // Not while it is in use, nor for what is much smaller.
            assert_ne!(place(&Buffer::unwritten(99_000)), at);
            drop(second);
            assert!(Buffer::unwritten(10_000).data.len() < 20_000);
        });
    }

    #[test]
    fn sizes_that_nobody_asks_for_are_freed() {
        scope(|| {
            for n in 1..40 {
                drop(Buffer::zeros(n * 50_000));
            }
            let pool = CURRENT.with_borrow(Clone::clone).unwrap();
            let free = pool.0.lock().unwrap();
            assert!(
                free.elements <= 2 * rounded(39 * 50_000),
                "{}",
                free.elements
            );
            assert_eq!(free.used, 0);
        });
    }

    #[test]
    fn outside_of_a_run_nothing_is_kept() {
        assert!(Buffer::zeros(100_000).pool.is_none());
        scope(|| assert!(Buffer::zeros(100_000).pool.is_some()));
        assert!(Buffer::zeros(100_000).pool.is_none());
    }
}
