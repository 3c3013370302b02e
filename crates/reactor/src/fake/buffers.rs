//! The fake's ring of provided buffers, with the rules of who owns them.

use std::collections::{HashMap, VecDeque};

/// What a buffer is filled with when it becomes the kernel's: whoever still reads it notices.
const POISON: u8 = 0xdb;

struct Provided {
    address: *mut u8,
    length: usize,
    used: usize,
    buffer: u16,
}

/// The buffers that the kernel holds.
pub(crate) struct Buffers {
    incremental: bool,
    /// Handed over, not yet published.
    staged: Vec<Provided>,
    ring: VecDeque<Provided>,
    /// Where each buffer was when it was first seen.
    places: HashMap<u16, (usize, usize)>,
}

impl Buffers {
    pub(crate) fn new(incremental: bool) -> Self {
        Self { incremental, staged: Vec::new(), ring: VecDeque::new(), places: HashMap::new() }
    }

    pub(crate) fn provide(&mut self, address: *mut u8, length: u32, buffer: u16) {
        assert!(!self.holds(buffer), "buffer {buffer} is provided twice");
        let place = (address as usize, length as usize);
        for (&other, &(start, length)) in &self.places {
            let apart = place.0 >= start + length || place.0 + place.1 <= start;
            assert!(
                if other == buffer { place == (start, length) } else { apart },
                "buffers {other} and {buffer} overlap"
            );
        }
        self.places.insert(buffer, place);
        // SAFETY: the buffer is the kernel's from here on, all of its bytes.
        unsafe { address.write_bytes(POISON, place.1) };
        self.staged.push(Provided { address, length: place.1, used: 0, buffer });
    }

    pub(crate) fn publish(&mut self) {
        self.ring.extend(self.staged.drain(..));
    }

    /// Whether a receive finds no buffer.
    pub(crate) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Buffers that the kernel holds.
    pub(crate) fn held(&self) -> usize {
        self.staged.len() + self.ring.len()
    }

    /// Whether it holds that one.
    pub(crate) fn holds(&self, buffer: u16) -> bool {
        self.staged.iter().chain(&self.ring).any(|it| it.buffer == buffer)
    }

    /// Bytes that the next buffer takes.
    pub(crate) fn room(&self) -> usize {
        self.ring.front().map_or(0, |it| it.length - it.used)
    }

    /// Fills the next buffer, from where it was left.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let next = self.ring.front().expect("not empty");
        assert!(bytes.len() <= next.length - next.used);
        // SAFETY: the bytes fit, and the kernel owns what it has not yet used of the buffer.
        unsafe { next.address.add(next.used).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// Uses bytes up. The buffer, and whether the kernel keeps the rest of it.
    pub(crate) fn consume(&mut self, length: usize) -> (u16, bool) {
        let next = self.ring.front_mut().expect("not empty");
        next.used += length;
        let (buffer, more) = (next.buffer, self.incremental && next.used < next.length);
        if !more {
            self.ring.pop_front();
        }
        (buffer, more)
    }
}
