//! Sending at once, by a system call: many bytes.
//!
//! The ring saves what a message costs apart from its bytes. Of a long one they are the price: bytes that are offered
//! within the write, as core does, need not be copied first, and are still in the cache. What was written just before,
//! and waits for the next submission, goes with them, as an answer's head does with its body.

use crate::error::Errno;
use crate::handle::HandleState;
use crate::io::Io;
use crate::kernel::Kernel;
use crate::memory::Memory;
use crate::stream::Stream;
use crate::stream::sending::{Segment, Sending};

/// Most queued segments that go before the slices of a call.
const MAX_BEFORE: usize = 16;

/// Most slices of [`Reactor::send_nowait`](crate::Reactor::send_nowait): with what goes before them as many as a system
/// call takes (`IOV_MAX`).
pub const MAX_SLICES_NOWAIT: usize = 1024 - MAX_BEFORE;

impl Stream {
    /// See [`Reactor::send_nowait`](crate::Reactor::send_nowait).
    ///
    /// # Safety
    /// Each slice points at as many bytes as it says, which stay as they are for the length of the call.
    pub(crate) unsafe fn send_nowait<K: Kernel>(
        &mut self,
        state: &HandleState,
        io: &mut Io<K>,
        memory: &mut impl Memory,
        slices: &[libc::iovec],
    ) -> usize {
        if self.connecting || self.refused.is_some() || io.failure().is_some() {
            return 0;
        }
        let before = match self.sending {
            Sending::Idle if self.queue.is_empty() => Vec::new(),
            Sending::Listed => match self.unsent_slices(memory) {
                Some(before) => before,
                None => return 0,
            },
            _ => return 0,
        };
        let queued = before.iter().map(|slice| slice.iov_len).sum();
        let joined = if before.is_empty() { Vec::new() } else { [&before, slices].concat() };
        let all = if before.is_empty() { slices } else { &joined };
        // SAFETY: the caller's promise; what `resolve` has found holds until JavaScript runs again, which it does after
        // the call.
        match unsafe { io.kernel.send_nowait(state.fd(), all) } {
            Ok(sent) => {
                io.totals.bytes_sent += sent as u64;
                if sent > 0 {
                    self.room.progress();
                }
                self.advance(state, io, sent.min(queued));
                sent.saturating_sub(queued)
            }
            // The last three are those of a filter for system calls: the ring may be allowed to.
            Err(Errno(libc::EAGAIN | libc::EINTR | libc::ENOBUFS | libc::EPERM | libc::EACCES | libc::ENOSYS)) => 0,
            Err(errno) => {
                self.refused = Some(self.refusal(errno.negated()));
                0
            }
        }
    }

    /// What is queued, unless that is much, or descriptors travel with it.
    fn unsent_slices(&self, memory: &mut impl Memory) -> Option<Vec<libc::iovec>> {
        if self.queue.len() > MAX_BEFORE {
            return None;
        }
        let mut slice = |Segment { span, descriptors, .. }: &Segment| {
            let start = if descriptors.is_empty() { memory.resolve(span)? } else { return None };
            Some(libc::iovec { iov_base: start.as_ptr().cast(), iov_len: span.length as usize })
        };
        self.queue.iter().map(&mut slice).collect()
    }
}
