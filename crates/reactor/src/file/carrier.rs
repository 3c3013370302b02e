//! Whose memory carries the bytes of a transfer, or of one step of it.
//!
//! - **Nowait**, JavaScript's: the kernel copies while it takes the request, or refuses.
//! - **Kept** memory: ours, though JavaScript sees it. The kernel may hold on to it, since the operation does as well.
//! - A **bounce buffer**, ours: for whatever else the kernel may hold on to.
//! - **In place**, JavaScript's: for long writes to the page cache that are not done at once. A worker of the kernel
//!   copies from it while JavaScript runs on; copying first would take half as long again. JavaScript keeps the view
//!   until then. The kernel only reads, and finds out by itself where memory has gone (`EFAULT`), so that no memory of
//!   ours is touched; but what it finds in memory that was given away meanwhile is not what was to be written. That is
//!   looked at in the end: a write whose memory is not where it was has failed.

use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::bounce::{Bounce, BouncePool};
use crate::error::Errno;
use crate::file::transfer::Transfer;
use crate::kernel::Direction;
use crate::memory::{Mapping, Memory, Span};

/// See the module.
pub(crate) enum Carrier {
    /// JavaScript's memory, for as long as the request is taken.
    Nowait,
    /// Memory of ours that JavaScript sees.
    Kept(#[allow(dead_code, reason = "held, not looked at")] Arc<Mapping>),
    /// Memory of ours.
    Bounce(Bounce),
    /// JavaScript's memory until the completion: where it was.
    InPlace(NonNull<u8>),
}

impl Carrier {
    /// Takes account of the kernel's result: what was read is copied to where it belongs, and what was written in place
    /// must still be there. Otherwise the transfer has failed.
    pub(crate) fn collect(&self, transfer: &Transfer, result: i32, memory: &mut impl Memory) -> i32 {
        match (self, u32::try_from(result)) {
            (Self::Nowait | Self::Kept(_), _) => result,
            (Self::InPlace(start), _) if memory.resolve(&transfer.rest()) == Some(*start) => result,
            (Self::InPlace(_), _) => -libc::EFAULT,
            (Self::Bounce(bounce), Ok(length)) if transfer.direction == Direction::Read && length > 0 => {
                deliver(bounce, transfer.rest(), length, memory).map_or_else(Errno::negated, |()| result)
            }
            (Self::Bounce(_), _) => result,
        }
    }
}

impl BouncePool {
    /// Takes back what carried a transfer, of which the kernel has let go.
    pub(crate) fn take_back(&mut self, carrier: Carrier) {
        if let Carrier::Bounce(bounce) = carrier {
            self.give_back(bounce);
        }
    }
}

/// Copies what was read to where it belongs. What is no longer there gets nothing.
fn deliver(bounce: &Bounce, rest: Span, length: u32, memory: &mut impl Memory) -> Result<(), Errno> {
    if length > rest.length || length as usize > bounce.capacity() {
        return Err(Errno(libc::EIO));
    }
    let target = memory.resolve(&Span { length, ..rest }).ok_or(Errno(libc::EFAULT))?;
    // SAFETY: the kernel has filled `length` bytes of the buffer, which is at least as large, and the target has room
    // for as many.
    unsafe { ptr::copy_nonoverlapping(bounce.start().as_ptr(), target.as_ptr(), length as usize) };
    Ok(())
}
