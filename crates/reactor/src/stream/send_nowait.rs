//! Sending at once, by a system call: many bytes.
//!
//! The ring saves what a message costs apart from its bytes. Of a long one they are the price: bytes that are offered
//! within the write, as core does, need not be copied first, and are still in the cache.

use crate::error::Errno;
use crate::handle::HandleState;
use crate::io::Io;
use crate::kernel::Kernel;
use crate::stream::{Sending, Stream};

impl Stream {
    /// See [`Reactor::send_nowait`](crate::Reactor::send_nowait).
    ///
    /// # Safety
    /// Each slice points at as many bytes as it says, which stay as they are for the length of the call.
    pub(crate) unsafe fn send_nowait<K: Kernel>(
        &mut self,
        state: &HandleState,
        io: &mut Io<K>,
        slices: &[libc::iovec],
    ) -> usize {
        let goes_first = self.queue.is_empty() && matches!(self.sending, Sending::Idle);
        if !goes_first || self.connecting || self.refused.is_some() || io.failure().is_some() {
            return 0;
        }
        // SAFETY: the caller's promise.
        match unsafe { io.kernel.send_nowait(state.fd(), slices) } {
            Ok(sent) => {
                io.totals.bytes_sent += sent as u64;
                sent
            }
            // The last three are those of a filter for system calls: the ring may be allowed to.
            Err(Errno(libc::EAGAIN | libc::EINTR | libc::ENOBUFS | libc::EPERM | libc::EACCES | libc::ENOSYS)) => 0,
            Err(errno) => {
                self.refused = Some(self.refusal(errno.negated()));
                0
            }
        }
    }
}
