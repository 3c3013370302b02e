//! Listening sockets.
//!
//! Life of the operation: one accept per listener, armed by [`listen`](crate::Reactor::listen). It completes with a
//! descriptor, which becomes a [`Stream`](crate::stream::Stream) at once, and is armed anew: in the same turn where
//! others wait, unless JavaScript has so many to hear of that it would keep everybody else waiting
//! ([`AcceptPace`](crate::accept_pace::AcceptPace)). A multishot accept takes all that wait, 200 where 200 do. Closing
//! cancels it; a connection that the kernel has already taken is reported all the same, before the end of the listener:
//! where other processes have the socket too it would have been theirs, so that it must not be lost.
//!
//! Out of descriptors (`EMFILE`, `ENFILE`): a waiting connection would make every new accept fail at once, so the
//! reactor gives up the [one kept for that](crate::spare_descriptor), takes what waits and closes it, so that clients
//! see an end instead of a hang, as libuv does. The error is one of the moment in which the kernel did the accept:
//! where there are descriptors again, what waits is taken as ever. Without one it pauses, and also where nothing waits:
//! the kernel looks for a free descriptor before it looks for a connection, so that arming again would fail at once,
//! for as long as there is none.

use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;

use crate::error::Errno;
use crate::event::Event;
use crate::handle::HandleState;
use crate::io::Io;
use crate::kernel::{Cqe, Kernel};
use crate::operation::CancelableOperation;
use crate::slab::OperationId;

/// Pause before a listener that has no descriptor to spare tries again.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// A listening socket.
#[derive(Default)]
pub(crate) struct Listener {
    accept: Option<OperationId>,
    /// Connections taken since JavaScript was last known to have heard of all.
    taken: u32,
    /// To be armed when it has.
    due: bool,
    /// Pausing.
    retry: Option<OperationId>,
    /// The accept was refused for want of descriptors, and was armed again since there were some.
    hopeful: bool,
}

impl Listener {
    /// Arms the accept, unless it is armed.
    pub(crate) fn arm<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) {
        if std::mem::take(&mut self.due) {
            self.taken = 0;
        }
        if self.accept.is_none() && !state.closing {
            self.accept = Some(io.start(state, CancelableOperation::Accept));
        }
    }

    /// Arms it when it is next asked to, or after a pause.
    fn pause<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) {
        if self.retry.is_none() {
            self.retry = Some(io.start_pause(state, RETRY_AFTER));
        }
    }

    /// The pause is over.
    pub(crate) fn resume<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) {
        self.retry = None;
        self.arm(state, io);
    }

    /// The ring has failed: what is in flight will never complete.
    pub(crate) fn abort<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>, errno: Errno) {
        let wanted = self.accept.take().is_some() || self.retry.take().is_some() || std::mem::take(&mut self.due);
        if wanted && !state.closing {
            io.events.push_back(Event::AcceptFailed { listener: state.id, status: errno.negated() });
        }
    }

    /// A completion of the accept. Returns what was accepted, to be entered in the handle table.
    pub(crate) fn accepted<K: Kernel>(
        &mut self,
        state: &mut HandleState,
        io: &mut Io<K>,
        completion: &Cqe,
    ) -> Option<OwnedFd> {
        self.accept = None;
        let accepted = if completion.result >= 0 {
            self.hopeful = false;
            // The last shortage may have cost it: other threads take descriptors, too.
            io.spare_descriptor.fill();
            // SAFETY: the kernel has just made this descriptor for us and nobody else knows its number.
            Some(unsafe { OwnedFd::from_raw_fd(completion.result) })
        } else {
            self.failed(state, io, Errno(-completion.result));
            None
        };
        if transient(completion.result) {
            self.arm(state, io);
        }
        accepted
    }

    /// Goes on behind a connection that was accepted and reported.
    pub(crate) fn go_on<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>, others_wait: bool) {
        self.taken += 1;
        if io.accept_pace.allows(self.taken) {
            self.arm(state, io);
            io.enter_again |= others_wait;
        } else {
            self.due = true;
            io.arm_when_heard(state.id);
        }
    }

    fn failed<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>, errno: Errno) {
        match errno.0 {
            _ if state.closing => {}
            libc::EMFILE | libc::ENFILE => {
                self.hopeful = !self.hopeful && io.spare_descriptor.is_one_of_many();
                if self.hopeful || io.spare_descriptor.shed(state.fd()) > 0 {
                    self.arm(state, io);
                } else {
                    self.pause(state, io);
                }
            }
            // EAGAIN: a kernel that minds O_NONBLOCK, which another process may have set on a listener that it shares.
            libc::ENOBUFS | libc::ENOMEM | libc::EAGAIN => self.pause(state, io),
            raw if transient(-raw) => {}
            _ => io.events.push_back(Event::AcceptFailed { listener: state.id, status: errno.negated() }),
        }
    }
}

/// Errors of a connection that came and went, or of the moment: the listener is as good as before.
/// `accept(2)` lists the network errors that Linux passes on from the new socket.
fn transient(result: i32) -> bool {
    matches!(
        -result,
        libc::ECONNABORTED
            | libc::EINTR
            | libc::EPROTO
            | libc::EPERM
            | libc::ENETDOWN
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::ENOPROTOOPT
            | libc::ENONET
            | libc::ECANCELED
    )
}
