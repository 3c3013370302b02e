//! Whose memory carries the bytes of a transfer, or of one step of it.
//!
//! - **At once**, JavaScript's: the kernel copies while it takes the request, or refuses.
//! - **Kept** memory: ours, though JavaScript has it in its hands. The kernel may hold on to it, since the operation does as well.
//! - A **bounce buffer**, ours: for whatever else the kernel may hold on to.
//! - **Lent**, JavaScript's: for long writes to the page cache that are not done at once. A worker of the kernel copies from it while
//!   JavaScript runs on; copying first would take half as long again. JavaScript keeps the view until then. The kernel only reads, and finds out
//!   by itself where memory has gone (`EFAULT`), so that nothing of ours can come to harm; but what it finds in memory that was given away meanwhile is
//!   not what was to be written. That is looked at in the end: a write whose memory is not where it was has failed.

use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::bounce::{Bounce, BouncePool, Budget, LARGEST_KEPT};
use crate::error::Errno;
use crate::file::File;
use crate::file::transfer::Transfer;
use crate::kernel::Direction;
use crate::memory::{Mapping, Memory, Source};

/// Bytes from which on a write is lent: below, copying is cheaper than looking twice.
const LENT_FROM: u32 = 64 * 1024;

/// Bytes that a write to a pipe or device holds on to: nobody may be there to read them.
const LONGEST_STUCK: u32 = 64 * 1024;

/// Where memory for `O_DIRECT` has to begin, whatever the device.
const DIRECT_ALIGNMENT: usize = 4096;

/// See the module.
pub enum Carrier {
    /// JavaScript's memory, for as long as the request is taken.
    AtOnce,
    /// Memory of ours that JavaScript sees.
    Kept(#[allow(dead_code, reason = "held, not looked at")] Arc<Mapping>),
    /// Memory of ours.
    Bounce(Bounce),
    /// JavaScript's memory until the completion: where it was.
    Lent(NonNull<u8>),
}

/// What the next step of a transfer gives to the kernel.
pub(super) struct Load {
    pub(super) data: NonNull<u8>,
    pub(super) length: u32,
    pub(super) carrier: Carrier,
    /// It is a write to the page cache that was not done at once: likely a worker of the kernel's will do it.
    pub(super) by_worker: bool,
}

impl Load {
    /// Decides what carries the next step, and fills it for a write. `None` while there is no bounce buffer to be had.
    ///
    /// # Errors
    /// `EFAULT` where JavaScript's memory is gone, `ENOMEM` where there is none for a bounce buffer.
    pub(super) fn of(
        transfer: Transfer,
        chained: bool,
        file: &File,
        bounces: &mut BouncePool,
        budget: Budget,
        memory: &mut impl Memory,
    ) -> Result<Option<Self>, Errno> {
        let rest = transfer.rest();
        let data = memory.resolve(&rest).ok_or(Errno(libc::EFAULT))?;
        if !chained && !transfer.refused && file.tries_now(transfer.direction) {
            return Ok(Some(Self { data, length: rest.length, carrier: Carrier::AtOnce, by_worker: false }));
        }
        let writes = transfer.direction == Direction::Write;
        let by_worker = writes && file.seekable && !file.direct;
        let aligned = !file.direct || (data.as_ptr() as usize).is_multiple_of(DIRECT_ALIGNMENT);
        if aligned && let Some(keeper) = memory.keeper(data, rest.length) {
            return Ok(Some(Self { data, length: rest.length, carrier: Carrier::Kept(keeper), by_worker }));
        }
        if by_worker && rest.length >= LENT_FROM {
            return Ok(Some(Self { data, length: rest.length, carrier: Carrier::Lent(data), by_worker }));
        }
        let whole = chained || (file.seekable && (file.direct || (file.append && writes)));
        let most = if writes && !file.seekable { LONGEST_STUCK } else { LARGEST_KEPT as u32 };
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

impl Carrier {
    /// Takes account of the kernel's result: what was read is copied to where it belongs, and what was lent must still be there. Otherwise the transfer
    /// has failed.
    pub(super) fn collect(&self, transfer: &Transfer, result: i32, memory: &mut impl Memory) -> i32 {
        match (self, u32::try_from(result)) {
            (Self::AtOnce | Self::Kept(_), _) => result,
            (Self::Lent(start), _) if memory.resolve(&transfer.rest()) == Some(*start) => result,
            (Self::Lent(_), _) => -libc::EFAULT,
            (Self::Bounce(bounce), Ok(length)) if transfer.direction == Direction::Read && length > 0 => {
                deliver(bounce, transfer.rest(), length, memory).map_or_else(Errno::negated, |()| result)
            }
            (Self::Bounce(_), _) => result,
        }
    }
}

impl BouncePool {
    /// Takes back what carried a transfer, of which the kernel has let go.
    pub(super) fn take_back(&mut self, carrier: Carrier) {
        if let Carrier::Bounce(bounce) = carrier {
            self.give_back(bounce);
        }
    }
}

/// Copies what was read to where it belongs. What is no longer there gets nothing.
fn deliver(bounce: &Bounce, rest: Source, length: u32, memory: &mut impl Memory) -> Result<(), Errno> {
    if length > rest.length || length as usize > bounce.capacity() {
        return Err(Errno(libc::EIO));
    }
    let target = memory.resolve(&Source { length, ..rest }).ok_or(Errno(libc::EFAULT))?;
    // SAFETY: the kernel has filled `length` bytes of the buffer, which is at least as large, and the target has room for as many.
    unsafe { ptr::copy_nonoverlapping(bounce.start().as_ptr(), target.as_ptr(), length as usize) };
    Ok(())
}
