//! Receiving at once, by a system call: many bytes that are known to wait.
//!
//! What the ring receives lies in buffers that are lent, and is copied out of them. Of many bytes that copy is the
//! price. Where a receive has ended and the kernel says that more waits, the reader is told so, and can have it put
//! where it is to stay: piece by piece until one does not fill its room, as many in a row as leaves others their turn.

use super::Stream;
use super::receiving::Receiving;
use crate::error::Errno;
use crate::event::Event;
use crate::handle::HandleState;
use crate::io::Io;
use crate::kernel::Kernel;

impl Stream {
    /// Tells the reader that more waits. Nothing else receives until it has heard of that.
    pub(super) fn offer_more<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>) {
        self.more_waits = false;
        io.events.push_back(Event::Readable { handle: state.id });
        self.receiving = Receiving::Offered(io.so_far());
        io.arm_when_heard(state.id);
    }

    /// Starts receiving again, now that the reader has heard of what was due.
    pub(crate) fn arm_when_heard<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) {
        if let Receiving::Offered(number) = self.receiving
            && number <= io.heard()
        {
            self.receiving = Receiving::Idle;
        }
        self.arm(state, io);
    }

    /// See [`Reactor::receive_nowait`](crate::Reactor::receive_nowait).
    ///
    /// # Safety
    /// `room` points at as many bytes as it says, which nobody else looks at for the length of the call.
    pub(crate) unsafe fn receive_nowait<K: Kernel>(
        &mut self,
        state: &HandleState,
        io: &mut Io<K>,
        room: libc::iovec,
    ) -> usize {
        // Otherwise a receive may be in flight, or what it has delivered be untold.
        let is_offered = matches!(self.receiving, Receiving::Offered(_)) && self.wants_to_read && !state.closing;
        if !is_offered || self.takes_descriptors() || room.iov_len == 0 || io.failure().is_some() {
            return 0;
        }
        self.more_waits = false;
        // SAFETY: the caller's promise.
        match unsafe { io.kernel.receive_nowait(state.fd(), room) } {
            // The end of the stream: the ring finds it as well, when what the reader has answered is offered.
            Ok(0) => 0,
            Ok(count) => {
                self.more_waits = count == room.iov_len;
                io.totals.bytes_received += count as u64;
                count
            }
            // The last three are those of a filter for system calls: the ring may be allowed to.
            Err(Errno(libc::EAGAIN | libc::EINTR | libc::ENOBUFS | libc::EPERM | libc::EACCES | libc::ENOSYS)) => 0,
            // The kernel tells of it once.
            Err(errno) => {
                self.end(state, io, errno.negated());
                0
            }
        }
    }
}
