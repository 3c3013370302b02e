//! Memory that is shared with the kernel or with JavaScript.

use std::cell::RefCell;
use std::io;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::error::Errno;

/// An anonymous, private, zeroed, page-aligned mapping, kept out of children of `fork`. Pages cost nothing until they
/// are touched.
pub struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

impl Mapping {
    /// Maps `length` bytes, more than zero.
    ///
    /// # Errors
    /// `mmap(2)`'s: `ENOMEM` in practice.
    pub fn new(length: usize) -> Result<Self, Errno> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new private anonymous mapping touches no memory that exists.
        let address = unsafe { libc::mmap(ptr::null_mut(), length, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        if address == libc::MAP_FAILED {
            return Err(Errno::from(io::Error::last_os_error()));
        }
        // SAFETY: the range was mapped above. A child of fork must not share pages that the kernel or the parent writes
        // into: where this works, one that touches them all the same is ended by the kernel.
        unsafe { libc::madvise(address, length, libc::MADV_DONTFORK) };
        Ok(Self { start: NonNull::new(address.cast()).expect("mmap returns no null page"), length })
    }

    /// A test's own memory, where nothing can be mapped. To be [leaked](Self::leak): it cannot be unmapped either.
    #[cfg(test)]
    pub(crate) fn of_test(start: NonNull<u8>, length: usize) -> Self {
        Self { start, length }
    }

    /// First byte.
    #[must_use]
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Bytes asked for.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Keeps the memory for the life of the process: the kernel may still write into it.
    pub(crate) fn leak(self) {
        std::mem::forget(self);
    }
}

// SAFETY: a mapping is an address range without access of its own; whoever reads or writes through the address answers
// for it.
unsafe impl Send for Mapping {}
// SAFETY: a mapping is an address range: nothing is read or written through a shared reference.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and whoever used it has stopped, or its owner would have forgotten it instead of
        // dropping it.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// Bytes in memory that the reactor does not own, to be written from or read into: somewhere in a numbered region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Which memory; only [`Memory`] knows what the number means.
    pub region: u32,
    /// First byte, counted from the start of the region: JavaScript's views may be longer than 4 GiB.
    pub offset: u64,
    /// Number of bytes.
    pub length: u32,
}

/// Finds the bytes of a [`Span`] at the moment when they are handed to the kernel.
///
/// They are looked up anew for every attempt, since JavaScript may have detached or resized the memory in between.
///
/// # Safety
/// What [`resolve`](Self::resolve) and [`keeper`](Self::keeper) say is relied upon: the kernel reads and writes there.
pub unsafe trait Memory {
    /// The address of the first byte, with all of `length` bytes readable and writable until JavaScript runs again;
    /// `None` if they are gone. JavaScript may have them at the same time, so that nothing may be concluded from what
    /// they hold.
    fn resolve(&mut self, span: &Span) -> Option<NonNull<u8>>;

    /// What keeps `length` bytes from `start` on where they are for as long as it is held, whatever JavaScript does;
    /// `None` where nothing does.
    fn keeper(&mut self, _start: NonNull<u8>, _length: u32) -> Option<Arc<Mapping>> {
        None
    }
}

/// Mappings that JavaScript has as `ArrayBuffer`s, to read and write files with: page-aligned, and the kernel can be
/// given them as they are.
///
/// This table has each of them as long as JavaScript does, and an operation that uses it for as long as the kernel may
/// touch it: neither a collected nor a detached `ArrayBuffer` takes it away from under the kernel's hands.
#[derive(Default)]
pub struct Mappings {
    /// With where they start, in that order. Not a tree, which would be 5 KB of the binary: moving the places of a
    /// thousand takes no longer than mapping one.
    by_start: RefCell<Vec<(usize, Arc<Mapping>)>>,
}

impl Mappings {
    /// Takes a mapping in.
    pub fn add(&self, memory: &Arc<Mapping>) {
        let mut by_start = self.by_start.borrow_mut();
        let start = memory.start().as_ptr() as usize;
        let place = by_start.partition_point(|&(other, _)| other < start);
        by_start.insert(place, (start, Arc::clone(memory)));
    }

    /// JavaScript has let go of it.
    pub fn remove(&self, memory: &Mapping) {
        let mut by_start = self.by_start.borrow_mut();
        let start = memory.start().as_ptr() as usize;
        if let Ok(place) = by_start.binary_search_by_key(&start, |&(other, _)| other) {
            by_start.remove(place);
        }
    }

    /// The mapping that `length` bytes from `start` on lie in.
    pub fn find(&self, start: NonNull<u8>, length: usize) -> Option<Arc<Mapping>> {
        let address = start.as_ptr() as usize;
        let by_start = self.by_start.borrow();
        let behind = by_start.partition_point(|&(first, _)| first <= address);
        let (first, memory) = by_start[..behind].last()?;
        (address - first + length <= memory.length()).then(|| Arc::clone(memory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_lies_within_one_mapping_and_nothing_else() {
        let table = Mappings::default();
        let mappings: Vec<_> = (0..3).map(|_| Arc::new(Mapping::new(8192).expect("memory"))).collect();
        assert!(table.find(mappings[0].start(), 0).is_none());
        for memory in &mappings {
            table.add(memory);
        }
        for memory in &mappings {
            // SAFETY: within the mapping, or one behind its end.
            let at = |offset| unsafe { memory.start().add(offset) };
            let found =
                |offset, length| table.find(at(offset), length).is_some_and(|found| Arc::ptr_eq(&found, memory));
            assert!(found(0, 8192) && found(5, 8187) && found(8191, 1));
            assert!(!found(0, 8193) && !found(8191, 2));
        }
        table.remove(&mappings[1]);
        assert!(table.find(mappings[1].start(), 1).is_none());
        assert!(table.find(mappings[2].start(), 1).is_some());
        assert_eq!(Arc::strong_count(&mappings[1]), 1);
    }
}
