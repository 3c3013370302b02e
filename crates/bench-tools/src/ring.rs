//! The ring as both the load generator and the native server set it up, and a ring of provided buffers.

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::{BufRingEntry, Fd};
use io_uring::{IoUring, opcode, squeue};

/// A ring that runs its work in our own calls alone, with its descriptor registered.
pub(crate) fn open() -> io::Result<IoUring> {
    let ring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_submit_all()
        .setup_cqsize(8192)
        .build(1024)?;
    // Saves a look-up of the descriptor in every call. Not all kernels have it.
    let _ = ring.submitter().register_ring_fd();
    Ok(ring)
}

/// Queues an entry, submitting what is there when the queue is full.
///
/// # Safety
/// Everything the entry points to has to live until its last completion.
pub(crate) unsafe fn push(ring: &mut IoUring, entry: &squeue::Entry) -> io::Result<()> {
    // SAFETY: passed on to our caller.
    while unsafe { ring.submission().push(entry) }.is_err() {
        ring.submit()?;
    }
    Ok(())
}

/// Queues linked entries. They are submitted together, since a submission ends a chain.
///
/// # Safety
/// As for [`push`].
pub(crate) unsafe fn push_chain(ring: &mut IoUring, chain: &[squeue::Entry]) -> io::Result<()> {
    // SAFETY: passed on to our caller.
    while unsafe { ring.submission().push_multiple(chain) }.is_err() {
        ring.submit()?;
    }
    Ok(())
}

/// Queues a look at standard input: it completes when the process is to end.
pub(crate) fn watch_input(ring: &mut IoUring, user_data: u64) -> io::Result<()> {
    let input = opcode::PollAdd::new(Fd(libc::STDIN_FILENO), libc::POLLIN as u32).build().user_data(user_data);
    // SAFETY: a poll points to nothing.
    unsafe { push(ring, &input) }
}

/// Submits what is queued and waits for one completion.
pub(crate) fn turn(ring: &IoUring) -> io::Result<()> {
    match ring.submit_and_wait(1) {
        Ok(_) => Ok(()),
        // EBUSY: completions have to be taken first, which is what comes next.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::EBUSY)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Provided buffers of one size, given to the kernel and taken back by their number.
pub(crate) struct BufferRing {
    entries: NonNull<BufRingEntry>,
    mapped: usize,
    buffers: Vec<u8>,
    size: usize,
    count: u16,
    /// Written by us alone; the kernel reads it.
    tail: u16,
    /// Whether a buffer was given back since [`BufferRing::take_returned`] was last asked.
    returned: bool,
}

impl BufferRing {
    /// Registers `count` (a power of two) buffers of `size` bytes as `group`.
    pub(crate) fn register(ring: &IoUring, group: u16, count: u16, size: usize) -> io::Result<Self> {
        assert!(count.is_power_of_two());
        let mapped = usize::from(count) * size_of::<BufRingEntry>();
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches nothing that exists.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                mapped,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
                -1,
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let entries = NonNull::new(memory.cast::<BufRingEntry>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let mut this = Self {
            entries,
            mapped,
            buffers: vec![0; usize::from(count) * size],
            size,
            count,
            tail: 0,
            returned: false,
        };
        // SAFETY: the mapping outlives the registration: the ring is dropped before it, or the process ends.
        unsafe { ring.submitter().register_buf_ring_with_flags(entries.as_ptr() as u64, count, group, 0)? };
        for id in 0..count {
            this.give_back(id);
        }
        Ok(this)
    }

    /// The first `length` bytes of a buffer that the kernel gave us.
    pub(crate) fn bytes(&self, id: u16, length: usize) -> &[u8] {
        &self.buffers[usize::from(id) * self.size..][..length.min(self.size)]
    }

    /// Whether buffers were given back since this was last asked: only then is it worth receiving after ENOBUFS.
    pub(crate) fn take_returned(&mut self) -> bool {
        std::mem::take(&mut self.returned)
    }

    /// Lets the kernel have a buffer again.
    pub(crate) fn give_back(&mut self, id: u16) {
        let index = usize::from(self.tail & (self.count - 1));
        let address = self.buffers[usize::from(id) * self.size..].as_mut_ptr();
        // SAFETY: the index is within the mapping, and the kernel does not read an entry before the tail has passed it.
        unsafe {
            let entry = &mut *self.entries.as_ptr().add(index);
            entry.set_addr(address as u64);
            entry.set_len(self.size as u32);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies in the first entry of the mapping, aligned for u16, and only we write it.
        let tail = unsafe { &*BufRingEntry::tail(self.entries.as_ptr()).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
        self.returned = true;
    }
}

impl Drop for BufferRing {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours. Whoever owns the ring drops it first: fields are dropped in order.
        unsafe { libc::munmap(self.entries.as_ptr().cast(), self.mapped) };
    }
}
