//! Reads past the rings, for what is in memory.
//!
//! Where the page cache has the bytes, a ring would only copy them as well, for the price of a request, a completion and two trips through the
//! queues. So a read may be tried first in the call that asks for it: done, or refused at once by a kernel that would have to wait, and then it takes the
//! usual way.

use std::os::fd::RawFd;

use crate::error::Errno;
use crate::file::engine::{cursor, set_cursor};
use crate::file::transfer::Direction;
use crate::handle::HandleId;
use crate::kernel::Kernel;
use crate::reactor::Reactor;

impl<K: Kernel> Reactor<K> {
    /// Reads `length` bytes, or up to the end of the file, at `position`, or at the file's own where that is negative. Nothing is under way
    /// afterwards, whatever comes of it.
    ///
    /// # Errors
    /// `EAGAIN` where it cannot be done at once, and whatever the file system says. The bytes at `data` may have been changed then, the file's own
    /// position has not; [`transfer`](Self::transfer) will tell what is the matter.
    ///
    /// # Safety
    /// `data` points at `length` bytes that may be written for the length of the call.
    pub unsafe fn read_now(&mut self, id: HandleId, data: *mut u8, length: u32, position: i64) -> Result<u32, Errno> {
        let failed = self.context.files.broken_off;
        let Some((file, common, context)) = self.file(id) else {
            return Err(Errno(libc::EBADF));
        };
        let waited_for = file.cursor_busy && position < 0;
        if failed || waited_for || file.priority != 0 || !file.tries_now(Direction::Read) {
            return Err(Errno(libc::EAGAIN));
        }
        let fd: RawFd = common.fd();
        let start = if position < 0 { cursor(fd) } else { position };
        let mut done = 0;
        while done < length {
            let (rest, at) = (length - done, start.saturating_add(done.into()));
            // SAFETY: what is left of the caller's bytes.
            match unsafe { context.kernel.read_now(fd, data.add(done as usize), rest, at) } {
                Ok(0) => break,
                Ok(count) => done += count.min(rest),
                Err(errno) => {
                    if errno == Errno(libc::EOPNOTSUPP) {
                        file.never_now(Direction::Read);
                    }
                    return Err(errno);
                }
            }
        }
        if position < 0 && done > 0 {
            set_cursor(fd, start.saturating_add(done.into()));
        }
        Ok(done)
    }
}
