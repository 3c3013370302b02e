//! A ring of provided buffers: how the kernel is given memory to receive into.
//!
//! NOTE on what is shared. Its **entries** are written by us, at positions from the tail that was published last up to
//! the one that will be, and read by the kernel only between its own head and the published tail. Its **tail** is
//! written by us, with release order, and read by the kernel.

use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;

use crate::error::Errno;
use crate::memory::Mapping;

/// `IOU_PBUF_RING_INC`: a buffer is consumed bit by bit (Linux 6.12). The crate does not export it.
pub(crate) const PBUF_RING_INC: u16 = 2;

/// `struct io_uring_buf`. Written field by field, through pointers: the tail lies in the first entry, and a reference
/// to all of an entry would say that nobody else looks at it.
#[repr(C)]
struct Entry {
    address: u64,
    length: u32,
    buffer: u16,
    /// Of the first entry: the ring's tail.
    tail: AtomicU16,
}
const _: () = assert!(size_of::<Entry>() == size_of::<io_uring::types::BufRingEntry>());

/// A ring of provided buffers, at the beginning of a mapping.
pub(crate) struct BufferRing {
    memory: Mapping,
    mask: u16,
    tail: u16,
}

impl BufferRing {
    /// Bytes of a ring of `count` entries.
    pub(crate) const fn size(count: u16) -> usize {
        count as usize * size_of::<Entry>()
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
        // longer, and there are no more buffers than entries. The tail is left alone.
        unsafe {
            let entry = self.entries().add(position);
            (&raw mut (*entry).address).write(address.expose_provenance() as u64);
            (&raw mut (*entry).length).write(length);
            (&raw mut (*entry).buffer).write(buffer);
        }
    }

    /// Lets the kernel have what was provided.
    pub(crate) fn publish(&self) {
        // SAFETY: the first entry exists; its tail is shared with the kernel alone, which only reads it.
        unsafe { (*self.entries()).tail.store(self.tail, Ordering::Release) };
    }

    /// The first of them.
    fn entries(&self) -> *mut Entry {
        self.memory.start().as_ptr().cast()
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::{Layout, alloc_zeroed, dealloc};
    use std::ptr::NonNull;
    use std::sync::atomic::AtomicU32;
    use std::thread;

    use super::*;

    const COUNT: u16 = 4;
    const ROUNDS: u32 = 50;

    /// The start of a ring's memory, for the thread that is the kernel.
    #[derive(Clone, Copy)]
    struct Shared(NonNull<u8>);
    // SAFETY: an address; what is read there is what the kernel reads.
    unsafe impl Send for Shared {}

    impl Shared {
        fn tail(self) -> u16 {
            // SAFETY: the first entry exists.
            unsafe { (*self.0.as_ptr().cast::<Entry>()).tail.load(Ordering::Acquire) }
        }

        /// Address, length and number of the buffer at a position.
        fn entry(self, position: u16) -> (u64, u32, u16) {
            // SAFETY: the position is within the ring's memory.
            unsafe {
                let entry = self.0.as_ptr().cast::<Entry>().add(usize::from(position & (COUNT - 1)));
                (
                    (&raw const (*entry).address).read(),
                    (&raw const (*entry).length).read(),
                    (&raw const (*entry).buffer).read(),
                )
            }
        }
    }

    /// With Miri this is a test of the order in which memory is written: it has the kernel's thread see old values
    /// where nothing forbids that, and finds accesses that race.
    #[test]
    fn an_entry_is_whole_before_the_kernel_sees_its_tail() {
        let layout = Layout::from_size_align(BufferRing::size(COUNT), 4096).expect("a layout");
        // SAFETY: of more than no bytes.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory");
        let shared = Shared(start);
        let mut ring = BufferRing { memory: Mapping::of_test(start, layout.size()), mask: COUNT - 1, tail: 0 };
        // How many buffers the kernel has used up: what completions tell us.
        let used = AtomicU32::new(0);
        thread::scope(|scope| {
            let used = &used;
            scope.spawn(move || {
                for number in 0..ROUNDS {
                    let head = u16::try_from(number).expect("small");
                    while shared.tail() == head {
                        thread::yield_now();
                    }
                    let buffer = head % COUNT;
                    assert_eq!(shared.entry(head), (0x1000 + u64::from(number), number, buffer));
                    used.store(number + 1, Ordering::Release);
                }
            });
            for number in 0..ROUNDS {
                while number - used.load(Ordering::Acquire) == u32::from(COUNT) {
                    thread::yield_now();
                }
                let address = std::ptr::without_provenance_mut(0x1000 + number as usize);
                let buffer = u16::try_from(number).expect("small") % COUNT;
                // SAFETY: nobody writes there: the kernel is a thread that looks at entries alone.
                unsafe { ring.provide(address, number, buffer) };
                ring.publish();
            }
        });
        ring.leak();
        // SAFETY: allocated above with this layout; the thread that looked at it has ended.
        unsafe { dealloc(start.as_ptr(), layout) };
    }
}
