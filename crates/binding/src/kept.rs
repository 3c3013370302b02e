//! Memory of ours that JavaScript asks for, to read and write files with: page-aligned, and the kernel can be given it as it is.
//!
//! Each is a mapping behind an `ArrayBuffer`. This table has it as long as JavaScript does, and an operation that uses it for as long as the kernel may
//! touch it: neither a collected nor a detached `ArrayBuffer` takes it away from under the kernel's hands.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::Arc;

use iouring_reactor::memory::Mapping;

/// The mappings of a JavaScript thread, by where they start.
#[derive(Default)]
pub struct KeptMemory {
    by_start: RefCell<BTreeMap<usize, Arc<Mapping>>>,
}

impl KeptMemory {
    /// Takes a mapping in.
    pub fn add(&self, memory: &Arc<Mapping>) {
        self.by_start.borrow_mut().insert(memory.start().as_ptr() as usize, Arc::clone(memory));
    }

    /// JavaScript has let go of it.
    pub fn remove(&self, memory: &Mapping) {
        self.by_start.borrow_mut().remove(&(memory.start().as_ptr() as usize));
    }

    /// The mapping that `length` bytes from `start` on lie in.
    pub fn find(&self, start: NonNull<u8>, length: usize) -> Option<Arc<Mapping>> {
        let address = start.as_ptr() as usize;
        let by_start = self.by_start.borrow();
        let (&first, memory) = by_start.range(..=address).next_back()?;
        (address - first + length <= memory.length()).then(|| Arc::clone(memory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_lies_within_one_mapping_and_nothing_else() {
        let kept = KeptMemory::default();
        let mappings: Vec<_> = (0..3).map(|_| Arc::new(Mapping::new(8192).expect("memory"))).collect();
        assert!(kept.find(mappings[0].start(), 0).is_none());
        for memory in &mappings {
            kept.add(memory);
        }
        for memory in &mappings {
            // SAFETY: within the mapping, or one behind its end.
            let at = |offset| unsafe { memory.start().add(offset) };
            let found = |offset, length| kept.find(at(offset), length).is_some_and(|found| Arc::ptr_eq(&found, memory));
            assert!(found(0, 8192) && found(5, 8187) && found(8191, 1));
            assert!(!found(0, 8193) && !found(8191, 2));
        }
        kept.remove(&mappings[1]);
        assert!(kept.find(mappings[1].start(), 1).is_none());
        assert!(kept.find(mappings[2].start(), 1).is_some());
        assert_eq!(Arc::strong_count(&mappings[1]), 1);
    }
}
