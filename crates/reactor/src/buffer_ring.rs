//! A ring of provided buffers: how the kernel is given memory to receive into.
//!
//! NOTE on what is shared. Its **entries** are written by us, at positions from the tail that was published last up to
//! the one that will be, and read by the kernel only between its own head and the published tail. Its **tail** is
//! written by us, with release order, and read by the kernel.

use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

use crate::error::Errno;
use crate::memory::Mapping;

/// `IOU_PBUF_RING_INC`: a buffer is consumed bit by bit (Linux 6.12). The crate does not export it.
pub(crate) const PBUF_RING_INC: u16 = 2;

/// A ring of provided buffers, at the beginning of a mapping.
pub(crate) struct BufferRing {
    memory: Mapping,
    mask: u16,
    tail: u16,
}

impl BufferRing {
    /// Bytes of a ring of `count` entries.
    pub(crate) const fn size(count: u16) -> usize {
        count as usize * size_of::<BufRingEntry>()
    }

    /// Registers the beginning of `memory` as a ring of `count` entries, a power of two, under the number of a group.
    ///
    /// # Errors
    /// `io_uring_register(2)`'s.
    ///
    /// # Safety
    /// The result must outlive the io_uring, or be unregistered before.
    pub(crate) unsafe fn register(
        ring: &IoUring,
        group: u16,
        memory: Mapping,
        count: u16,
        flags: u16,
    ) -> Result<Self, Errno> {
        assert!(count.is_power_of_two() && memory.length() >= Self::size(count), "a ring within its memory");
        let start = memory.start().as_ptr().expose_provenance() as u64;
        // SAFETY: the mapping is page-aligned, holds `count` entries and, as the caller promises, outlives the ring.
        unsafe { ring.submitter().register_buf_ring_with_flags(start, count, group, flags) }?;
        Ok(Self { memory, mask: count - 1, tail: 0 })
    }

    /// What it lies in.
    pub(crate) fn memory(&self) -> &Mapping {
        &self.memory
    }

    /// Never gives the memory back, which the kernel may still read and write.
    pub(crate) fn leak(self) {
        self.memory.leak();
    }

    /// Adds a buffer, which the kernel may use once that is [published](Self::publish).
    ///
    /// # Safety
    /// The kernel may write so many bytes there until it has used the buffer up, or the ring is gone. It holds no more
    /// buffers than the ring has entries, and not this one.
    pub(crate) unsafe fn provide(&mut self, address: *mut u8, length: u32, buffer: u16) {
        let position = usize::from(self.tail & self.mask);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the position is below the number of entries in the mapping. The kernel does not read it before the
        // tail is published, nor has it left anything unread there: a buffer is handed over only when it holds it no
        // longer, and there are no more buffers than entries.
        let entry = unsafe { &mut *self.memory.start().as_ptr().cast::<BufRingEntry>().add(position) };
        entry.set_addr(address.expose_provenance() as u64);
        entry.set_len(length);
        entry.set_bid(buffer);
    }

    /// Lets the kernel have what was provided.
    pub(crate) fn publish(&self) {
        // SAFETY: the first entry exists; its address, page-aligned, is where the kernel has the ring's tail.
        let tail =
            unsafe { BufRingEntry::tail(self.memory.start().as_ptr().cast::<BufRingEntry>()) }.cast::<AtomicU16>();
        // SAFETY: the tail is a 16-bit field of the mapping, aligned to two bytes, and shared with the kernel alone,
        // which only reads it.
        unsafe { (*tail).store(self.tail, Ordering::Release) };
    }
}
