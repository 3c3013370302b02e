//! What the next step of a transfer gives to the kernel, and in whose memory.

use std::ptr::{self, NonNull};

use crate::bounce::{BouncePool, Budget, MAX_POOLED};
use crate::error::Errno;
use crate::file::File;
use crate::file::carrier::Carrier;
use crate::file::transfer::{Attempt, Transfer};
use crate::kernel::Direction;
use crate::memory::Memory;

/// Bytes from which on a write is made in place: below, copying is cheaper than looking twice.
const LENT_FROM: u32 = 64 * 1024;

/// Bytes that a write to a pipe or device holds on to: nobody may be there to read them.
const MAX_STUCK: u32 = 64 * 1024;

/// Where memory for `O_DIRECT` has to begin, whatever the device.
const DIRECT_ALIGNMENT: usize = 4096;

/// What the next step of a transfer gives to the kernel.
pub(crate) struct Load {
    pub(crate) data: NonNull<u8>,
    pub(crate) length: u32,
    pub(crate) carrier: Carrier,
    /// It is a write to the page cache that was not done at once: likely a worker of the kernel's will do it.
    pub(crate) by_worker: bool,
}

impl Load {
    /// Decides what carries the next step, and fills it for a write. `None` while there is no bounce buffer to be had.
    ///
    /// # Errors
    /// `EFAULT` where JavaScript's memory is gone, `ENOMEM` where there is none for a bounce buffer.
    pub(crate) fn of(
        transfer: &Transfer,
        file: &File,
        bounces: &mut BouncePool,
        budget: Budget,
        memory: &mut impl Memory,
    ) -> Result<Option<Self>, Errno> {
        let rest = transfer.rest();
        let data = memory.resolve(&rest).ok_or(Errno(libc::EFAULT))?;
        let whole = transfer.role.is_whole();
        if !whole && transfer.attempt == Attempt::First && file.tries_nowait(transfer.direction) {
            return Ok(Some(Self { data, length: rest.length, carrier: Carrier::Nowait, by_worker: false }));
        }
        let writes = transfer.direction == Direction::Write;
        let by_worker = writes && file.is_seekable() && !file.is_direct();
        let aligned = !file.is_direct() || (data.as_ptr() as usize).is_multiple_of(DIRECT_ALIGNMENT);
        if aligned && let Some(keeper) = memory.keeper(data, rest.length) {
            return Ok(Some(Self { data, length: rest.length, carrier: Carrier::Kept(keeper), by_worker }));
        }
        if by_worker && rest.length >= LENT_FROM {
            return Ok(Some(Self { data, length: rest.length, carrier: Carrier::InPlace(data), by_worker }));
        }
        let whole = whole || (file.is_seekable() && (file.is_direct() || (file.append && writes)));
        let most = if writes && !file.is_seekable() { MAX_STUCK } else { MAX_POOLED as u32 };
        let length = if whole { rest.length } else { rest.length.min(most) };
        let Some(buffer) = bounces.take(length as usize, budget)? else {
            return Ok(None);
        };
        let start = buffer.start();
        if writes {
            // SAFETY: both have room for `length` bytes, and the buffer is ours alone.
            unsafe { ptr::copy_nonoverlapping(data.as_ptr(), start.as_ptr(), length as usize) };
        }
        Ok(Some(Self { data: start, length, carrier: Carrier::Bounce(buffer), by_worker }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsRawFd;
    use std::sync::Arc;

    use super::*;
    use crate::file::look::Mounts;
    use crate::memory::{Mapping, Span};

    const PAGES: usize = 4 * DIRECT_ALIGNMENT;

    /// Memory that JavaScript has, and that a file's transfers may keep.
    struct Aligned(Arc<Mapping>);

    // SAFETY: the mapping is there as long as whoever holds it, and a span of these tests lies within it.
    unsafe impl Memory for Aligned {
        fn resolve(&mut self, span: &Span) -> Option<NonNull<u8>> {
            // SAFETY: within the mapping.
            Some(unsafe { self.0.start().add(usize::try_from(span.offset).expect("small")) })
        }

        fn keeper(&mut self, _start: NonNull<u8>, _length: u32) -> Option<Arc<Mapping>> {
            Some(Arc::clone(&self.0))
        }
    }

    fn load(direct: bool, direction: Direction, offset: u64, bounces: &mut BouncePool) -> Load {
        let on_disk = fs::File::open("/dev/null").expect("there");
        let (mut file, _) = File::of(on_disk.as_raw_fd(), &mut Mounts::default()).expect("open");
        if direct {
            file.pretend_direct();
        }
        let mut memory = Aligned(Arc::new(Mapping::new(PAGES).expect("memory")));
        let transfer = Transfer::new(0, direction, Span { region: 0, offset, length: 4096 }, 0);
        Load::of(&transfer, &file, bounces, Budget::Within, &mut memory).expect("there").expect("room")
    }

    #[test]
    fn a_direct_file_gets_kept_memory_as_it_is_where_that_is_aligned() {
        let mut bounces = BouncePool::default();
        for direction in [Direction::Read, Direction::Write] {
            assert!(matches!(load(true, direction, 4096, &mut bounces).carrier, Carrier::Kept(_)));
            assert_eq!(bounces.count(), 0);
            let Load { data, carrier, length, .. } = load(true, direction, 24, &mut bounces);
            assert!((data.as_ptr() as usize).is_multiple_of(DIRECT_ALIGNMENT));
            assert_eq!((length, bounces.count()), (4096, 1));
            bounces.take_back(carrier);
        }
        // Without `O_DIRECT` it does not matter where memory begins.
        assert!(matches!(load(false, Direction::Write, 24, &mut bounces).carrier, Carrier::Kept(_)));
        assert_eq!(bounces.count(), 0);
    }
}
