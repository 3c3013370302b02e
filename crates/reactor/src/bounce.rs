//! Bounce buffers: memory of ours that the kernel may hold for as long as it needs to, on behalf of reads and writes
//! whose own memory belongs to JavaScript.
//!
//! They are page-aligned, so that they serve `O_DIRECT` as well. Sizes are powers of two up to [`MAX_POOLED`], of which
//! some are kept for reuse; beyond that every buffer is mapped for the occasion.

use std::ptr::NonNull;

use crate::error::Errno;
use crate::memory::Mapping;

const SMALLEST: usize = 4096;
/// The largest size of which buffers are reused.
pub(crate) const MAX_POOLED: usize = 1024 * 1024;
const CLASSES: usize = (MAX_POOLED / SMALLEST).ilog2() as usize + 1;
/// Spare bytes in one class.
const SPARE_PER_CLASS: usize = 4 * 1024 * 1024;
/// Bytes that may be in use at once; beyond that transfers wait. One buffer is always to be had, however large.
pub(crate) const BUDGET: usize = 64 * 1024 * 1024;

/// Whether [`BUDGET`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Budget {
    /// It does.
    Within,
    /// Nothing was in use before: what asks for more than all of it would wait for ever otherwise.
    Exceeded,
}

/// A buffer. Dropped only by who knows that the kernel has let go of it.
pub(crate) struct Bounce {
    memory: Mapping,
}

impl Bounce {
    /// The first byte.
    #[must_use]
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.memory.start()
    }

    /// Bytes there is room for.
    #[must_use]
    pub(crate) fn capacity(&self) -> usize {
        self.memory.length()
    }
}

/// The class that serves a length, or `None` above the largest.
fn class(length: usize) -> Option<usize> {
    (length <= MAX_POOLED).then(|| (length.max(SMALLEST).next_power_of_two() / SMALLEST).ilog2() as usize)
}

/// The buffers.
#[derive(Default)]
pub(crate) struct BouncePool {
    spare: [Vec<Bounce>; CLASSES],
    bytes: usize,
    count: usize,
}

impl BouncePool {
    /// Buffers in use.
    #[must_use]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// How to take the buffers of a chain, which has to have all of them at once.
    #[must_use]
    pub(crate) fn budget_of_chain(&self) -> Budget {
        if self.bytes == 0 { Budget::Exceeded } else { Budget::Within }
    }

    /// A buffer of at least `length` bytes; `None` while too much is in use.
    ///
    /// # Errors
    /// `ENOMEM` when the address space is full.
    pub(crate) fn take(&mut self, length: usize, budget: Budget) -> Result<Option<Bounce>, Errno> {
        let size = class(length).map_or_else(|| length.next_multiple_of(SMALLEST), |class| SMALLEST << class);
        if self.bytes > 0 && self.bytes + size > BUDGET && budget == Budget::Within {
            return Ok(None);
        }
        let spare = class(length).and_then(|class| self.spare[class].pop());
        let bounce = match spare {
            Some(bounce) => bounce,
            None => Bounce { memory: Mapping::new(size)? },
        };
        self.bytes += bounce.capacity();
        self.count += 1;
        Ok(Some(bounce))
    }

    /// Takes a buffer back that the kernel has let go of.
    pub(crate) fn give_back(&mut self, bounce: Bounce) {
        self.bytes -= bounce.capacity();
        self.count -= 1;
        if let Some(class) = class(bounce.capacity())
            && self.spare[class].len() < SPARE_PER_CLASS / bounce.capacity()
        {
            self.spare[class].push(bounce);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Buffers are large enough and aligned, no two in use overlap, and the books balance.
        #[test]
        fn buffers_fit_and_never_overlap(lengths in proptest::collection::vec((0_usize..3_000_000, any::<bool>()), 1..60)) {
            let mut pool = BouncePool::default();
            let mut held: Vec<Bounce> = Vec::new();
            for (length, give_back) in lengths {
                if give_back && let Some(bounce) = held.pop() {
                    pool.give_back(bounce);
                }
                if let Some(bounce) = pool.take(length, Budget::Within).expect("address space") {
                    prop_assert!(bounce.capacity() >= length);
                    let start = bounce.start().as_ptr() as usize;
                    prop_assert!(start.is_multiple_of(SMALLEST));
                    for other in &held {
                        let first = other.start().as_ptr() as usize;
                        prop_assert!(start >= first + other.capacity() || first >= start + bounce.capacity());
                    }
                    held.push(bounce);
                }
                prop_assert_eq!(pool.count(), held.len());
            }
            for bounce in held.drain(..) {
                pool.give_back(bounce);
            }
            prop_assert_eq!((pool.bytes, pool.count), (0, 0));
        }
    }

    #[test]
    fn the_budget_holds_and_one_buffer_is_always_to_be_had() {
        let mut pool = BouncePool::default();
        let huge = pool.take(2 * BUDGET, Budget::Within).expect("address space").expect("the first");
        assert!(pool.take(1, Budget::Within).expect("address space").is_none());
        assert_eq!(pool.budget_of_chain(), Budget::Within);
        pool.give_back(huge);
        assert_eq!(pool.budget_of_chain(), Budget::Exceeded);
        assert!(pool.take(1, Budget::Within).expect("address space").is_some());
    }
}
