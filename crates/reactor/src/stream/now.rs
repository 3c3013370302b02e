//! Sending at once, by a system call: many bytes.
//!
//! The ring saves what a message costs apart from its bytes. Of a long one they are the price: bytes that are offered within the write, as core does, need not
//! be copied first, and are still in the cache.

use crate::error::Errno;
use crate::handle_id::HandleId;
use crate::kernel::Kernel;
use crate::reactor::Reactor;
use crate::stream::Sending;

impl<K: Kernel> Reactor<K> {
    /// Offers bytes to the kernel, unless others are to go before: how many it has taken. What it has not is to be written then, and ends with the error where it was
    /// refused for good.
    ///
    /// # Safety
    /// `data` points at `length` bytes that stay as they are for the length of the call.
    pub unsafe fn send_now(&mut self, id: HandleId, data: *const u8, length: usize) -> usize {
        let Some((stream, common, context)) = self.stream(id) else { return 0 };
        let goes_first = stream.queue.is_empty() && matches!(stream.sending, Sending::Idle);
        if !goes_first || stream.connecting || stream.refused.is_some() || context.failure().is_some() {
            return 0;
        }
        // SAFETY: the caller's promise.
        match unsafe { context.kernel.send_now(common.fd(), data, length) } {
            Ok(sent) => sent,
            // The last three are those of a filter for system calls: the ring may be allowed to.
            Err(Errno(libc::EAGAIN | libc::EINTR | libc::ENOBUFS | libc::EPERM | libc::EACCES | libc::ENOSYS)) => 0,
            Err(errno) => {
                stream.refused = Some(stream.refusal(errno.negated()));
                0
            }
        }
    }
}
