//! The receive buffers: their memory and who holds each of them.
//!
//! A buffer is the kernel's (provided, waiting to be filled) or ours (filled, lent to whoever reads it). With incremental
//! consumption (Linux 6.12) it is both at once: the front is lent in slices while the kernel fills the rest. It goes back to the
//! kernel when the kernel has let go of it and every slice has been given back. Idle connections hold no buffer.

use std::sync::Arc;

use crate::error::Errno;
use crate::kernel::{BufferGroup, Kernel};
use crate::memory::Mapping;

/// Distance between the starts of two buffers beyond their size: without it every buffer would begin at the same offset in its
/// page, and a turn full of small messages would fight for a handful of cache sets.
const STAGGER: usize = 64;

/// Where received bytes lie in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The buffer to give back.
    pub buffer: u16,
    /// First byte, counted from the start of the pool.
    pub offset: u32,
    /// Number of bytes.
    pub length: u32,
}

#[derive(Clone, Copy, Default)]
struct State {
    /// The kernel may still write into it.
    provided: bool,
    /// Bytes the kernel has filled since it was provided.
    filled: u32,
    /// Slices lent and not given back.
    lent: u32,
}

/// The pool.
pub struct BufferPool {
    group: BufferGroup,
    memory: Arc<Mapping>,
    size: u32,
    states: Vec<State>,
    lent: usize,
    provided: usize,
}

impl BufferPool {
    /// Maps `count` buffers of `size` bytes.
    ///
    /// # Errors
    /// `ENOMEM` when the address space is full.
    pub fn new(count: u16, size: u32) -> Result<Self, Errno> {
        Self::of_group(BufferGroup::Bytes, count, size)
    }

    /// Likewise, for another group.
    ///
    /// # Errors
    /// `ENOMEM` when the address space is full.
    pub fn of_group(group: BufferGroup, count: u16, size: u32) -> Result<Self, Errno> {
        let memory = Arc::new(Mapping::new(usize::from(count) * Self::stride(size))?);
        Ok(Self { group, memory, size, states: vec![State::default(); usize::from(count)], lent: 0, provided: 0 })
    }

    fn stride(size: u32) -> usize {
        size as usize + STAGGER
    }

    /// The memory of the whole pool.
    #[must_use]
    pub fn memory(&self) -> &Arc<Mapping> {
        &self.memory
    }

    /// Slices lent and not given back.
    #[must_use]
    pub fn lent(&self) -> usize {
        self.lent
    }

    /// Buffers that the kernel holds, for all that its completions have told so far.
    #[must_use]
    pub fn provided(&self) -> usize {
        self.provided
    }

    /// Hands every buffer to the kernel. Once, after set-up.
    pub fn provide_all(&mut self, kernel: &mut impl Kernel) {
        for buffer in 0..self.states.len() {
            self.provide(u16::try_from(buffer).expect("a pool has at most 2^15 buffers"), kernel);
        }
        kernel.publish(self.group);
    }

    fn provide(&mut self, buffer: u16, kernel: &mut impl Kernel) {
        self.states[usize::from(buffer)] = State { provided: true, filled: 0, lent: 0 };
        self.provided += 1;
        let offset = usize::from(buffer) * Self::stride(self.size);
        // SAFETY: the buffer's index is below the count that the mapping was made for.
        let address = unsafe { self.memory.start().as_ptr().add(offset) };
        kernel.provide(self.group, address, self.size, buffer);
    }

    /// Takes what the kernel put into a buffer. `more` says that the kernel goes on filling it.
    ///
    /// `None` when the kernel names a buffer that it does not hold or more bytes than there is room for: never, unless it is
    /// broken, and then nobody gets to see the memory.
    pub fn take(&mut self, buffer: u16, length: u32, more: bool) -> Option<Slice> {
        let state = self.states.get_mut(usize::from(buffer))?;
        if !state.provided || length > self.size - state.filled {
            return None;
        }
        let start = usize::from(buffer) * Self::stride(self.size) + state.filled as usize;
        state.filled += length;
        state.lent += 1;
        state.provided = more;
        self.provided -= usize::from(!more);
        self.lent += 1;
        Some(Slice { buffer, offset: u32::try_from(start).expect("a pool is smaller than 4 GiB"), length })
    }

    /// The bytes of a slice that was lent and not given back.
    pub(crate) fn bytes(&self, slice: &Slice) -> &[u8] {
        let end = slice.offset as usize + slice.length as usize;
        assert!(end <= self.memory.length(), "inside the pool");
        // SAFETY: the bytes are inside the mapping, which lives as long as `self`, and the kernel does not write to what it has let go of
        // before it is given back, for which `self` is borrowed mutably.
        unsafe {
            std::slice::from_raw_parts(self.memory.start().as_ptr().add(slice.offset as usize), slice.length as usize)
        }
    }

    /// Gives one slice back. True when the buffer went back to the kernel with it: those who starve may be served.
    ///
    /// A buffer of which nothing is lent is left alone, whoever asks.
    pub fn give_back(&mut self, buffer: u16, kernel: &mut impl Kernel) -> bool {
        let Some(state) = self.states.get_mut(usize::from(buffer)).filter(|state| state.lent > 0) else {
            return false;
        };
        state.lent -= 1;
        self.lent -= 1;
        let idle = state.lent == 0 && !state.provided;
        if idle {
            self.provide(buffer, kernel);
        }
        idle
    }

    /// Keeps the memory for the life of the process: the kernel may still write into it.
    pub fn leak(&self) {
        std::mem::forget(Arc::clone(&self.memory));
    }
}
