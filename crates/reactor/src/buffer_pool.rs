//! The receive buffers: their memory and who holds each of them.
//!
//! A buffer is the kernel's (provided, waiting to be filled) or ours (filled, lent to whoever reads it). With
//! incremental consumption (Linux 6.12) it is both at once: the front is lent in slices while the kernel fills the
//! rest. It goes back to the kernel when the kernel has let go of it and every slice has been given back. Idle
//! connections hold no buffer.
//!
//! The kernel uses the buffers that it holds one after the other, so that all of them would pass through the
//! processor's cache in turn. So it holds only as many as it needs, and those that were read last: filling and reading
//! memory that is in the cache cost a tenth of a TLS upload's CPU time less.

use std::sync::Arc;

use crate::error::Errno;
use crate::kernel::{BufferGroup, Kernel};
use crate::memory::Mapping;

/// Distance between the starts of two buffers beyond their size: without it every buffer would begin at the same offset
/// in its page, and a turn full of small messages would fight for a handful of cache sets.
const STAGGER: usize = 64;

/// The kernel holds as many buffers as this has room for, however few it needs.
const FEWEST: u32 = 256 * 1024;

/// The most that was needed at once in so many rounds tells what the kernel is to hold.
const ROUNDS: u32 = 256;

/// Of the buffers for datagrams one in so many is for those that are received by a system call.
const SPARE_PART: usize = 16;

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
    /// Buffers that nobody holds. The last one was read last.
    idle: Vec<u16>,
    /// How many buffers the kernel is to hold, and the fewest and the most that this can be.
    wanted: usize,
    fewest: usize,
    most: usize,
    /// How many it has used up in this round, the most of the last rounds, and how many those are.
    used: usize,
    most_used: usize,
    rounds: u32,
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
    pub(crate) fn of_group(group: BufferGroup, count: u16, size: u32) -> Result<Self, Errno> {
        let memory = Arc::new(Mapping::new(usize::from(count) * Self::stride(size))?);
        let idle = (0..count).rev().collect();
        let states = vec![State::default(); usize::from(count)];
        // A datagram takes a buffer of its own, however short it is. Some are kept from the kernel.
        let (fewest, most) = match group {
            BufferGroup::Bytes => (((FEWEST / size).max(1) as usize).min(states.len()), states.len()),
            BufferGroup::Datagrams => {
                let most = states.len() - states.len() / SPARE_PART;
                (most, most)
            }
        };
        Ok(Self {
            group,
            memory,
            size,
            states,
            lent: 0,
            provided: 0,
            idle,
            fewest,
            most,
            wanted: fewest,
            used: 0,
            most_used: 0,
            rounds: 0,
        })
    }

    /// Which ring of the kernel's they go to.
    #[must_use]
    pub fn group(&self) -> BufferGroup {
        self.group
    }

    fn stride(size: u32) -> usize {
        size as usize + STAGGER
    }

    /// The memory of the whole pool.
    #[must_use]
    pub fn memory(&self) -> &Arc<Mapping> {
        &self.memory
    }

    /// How many buffers there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.states.len()
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

    /// Buffers that nobody holds.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.idle.len()
    }

    /// Begins a round: hands the kernel what it lacks, at the beginning and after it has starved. To be published.
    pub(crate) fn replenish(&mut self, kernel: &mut impl Kernel) {
        self.most_used = self.most_used.max(std::mem::take(&mut self.used));
        self.rounds += 1;
        if self.rounds == ROUNDS {
            // As many again, so that the kernel need not wait for those that are being read.
            self.wanted = (2 * self.most_used).clamp(self.fewest, self.wanted);
            (self.most_used, self.rounds) = (0, 0);
        }
        while self.provided < self.wanted
            && self.idle.len() > self.spares()
            && let Some(buffer) = self.idle.pop()
        {
            self.provide(buffer, kernel);
        }
    }

    /// The kernel has had too few buffers. True when it holds some by now, or gets some with the next
    /// [`Self::replenish`].
    pub fn starve(&mut self) -> bool {
        self.wanted = (2 * self.wanted).min(self.most);
        self.can_serve()
    }

    /// Whether the kernel holds a buffer, or gets one with the next [`Self::replenish`].
    pub(crate) fn can_serve(&self) -> bool {
        self.provided > 0 || self.idle.len() > self.spares()
    }

    /// How many buffers are kept from the kernel.
    fn spares(&self) -> usize {
        self.states.len() - self.most
    }

    /// How many of those nobody holds.
    pub(crate) fn spare(&self) -> usize {
        self.idle.len().min(self.spares())
    }

    /// Whether any are kept from it.
    pub(crate) fn has_spares(&self) -> bool {
        self.spares() > 0
    }

    /// Lends a buffer that nobody holds, all of it, to be written to by who gets it. `None` where there is none.
    pub(crate) fn take_spare(&mut self) -> Option<(Slice, *mut u8)> {
        let buffer = self.idle.pop()?;
        self.states[usize::from(buffer)] = State { provided: false, filled: self.size, lent: 1 };
        self.lent += 1;
        let start = usize::from(buffer) * Self::stride(self.size);
        let offset = u32::try_from(start).expect("a pool is smaller than 4 GiB");
        Some((Slice { buffer, offset, length: self.size }, self.memory.start().as_ptr().wrapping_add(start)))
    }

    fn provide(&mut self, buffer: u16, kernel: &mut impl Kernel) {
        self.states[usize::from(buffer)] = State { provided: true, filled: 0, lent: 0 };
        self.provided += 1;
        let offset = usize::from(buffer) * Self::stride(self.size);
        // SAFETY: the buffer's index is below the count that the mapping was made for.
        let address = unsafe { self.memory.start().as_ptr().add(offset) };
        // SAFETY: nobody holds the buffer; from here on `states` says that it is the kernel's until a completion brings
        // it back, and the mapping is leaked where the ring goes away with anything in flight.
        unsafe { kernel.provide(self.group, address, self.size, buffer) };
    }

    /// Takes what the kernel put into a buffer. `more` says that the kernel goes on filling it.
    ///
    /// `None` when the kernel names a buffer that it does not hold or more bytes than there is room for: never, unless
    /// it is broken, and then nobody gets to see the memory.
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
        self.used += usize::from(!more);
        self.lent += 1;
        Some(Slice { buffer, offset: u32::try_from(start).expect("a pool is smaller than 4 GiB"), length })
    }

    /// The bytes of a slice that was lent and not given back.
    pub(crate) fn bytes(&self, slice: &Slice) -> &[u8] {
        let end = slice.offset as usize + slice.length as usize;
        assert!(end <= self.memory.length(), "inside the pool");
        // SAFETY: the bytes are inside the mapping, which lives as long as `self`, and the kernel does not write to
        // what it has let go of before it is given back, for which `self` is borrowed mutably.
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
        if state.lent > 0 || state.provided {
            return false;
        }
        if self.provided >= self.wanted || self.idle.len() < self.spares() {
            self.idle.push(buffer);
            return false;
        }
        self.provide(buffer, kernel);
        true
    }

    /// Keeps the memory for the life of the process: the kernel may still write into it.
    pub(crate) fn leak(&self) {
        std::mem::forget(Arc::clone(&self.memory));
    }
}
