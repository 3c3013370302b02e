//! Listening sockets.
//!
//! Life of the operation: one accept per listener, armed by [`listen`](crate::Reactor::listen). It completes with a
//! descriptor, which becomes a [`Stream`] at once, and is armed anew: in the same turn where others wait, unless JavaScript has
//! so many to hear of that it would keep everybody else waiting ([`Pace`]). A multishot accept takes all that wait, 200 where 200
//! do. Closing cancels it; a connection that the kernel has already taken is reported all the same, before the end of the
//! listener: where other processes have the socket too it would have been theirs, so that it must not be lost.
//!
//! Out of descriptors (`EMFILE`, `ENFILE`): a waiting connection would make every new accept fail at once, so the reactor gives
//! up a descriptor held in reserve, takes what waits and closes it, so that clients see an end instead of a hang, as libuv does.
//! The error is one of the moment in which the kernel did the accept: where there are descriptors again, what waits is taken as ever.
//! Without a reserve it pauses, and also where nothing waits: the kernel looks for a free descriptor before it looks for a
//! connection, so that arming again would fail at once, for as long as there is none.

use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;

use crate::context::Context;
use crate::error::Errno;
use crate::event::Event;
use crate::handle::Common;
use crate::handle_id::HandleId;
use crate::kernel::{Completion, Kernel};
use crate::operation::CancelableOperation;
use crate::resource::{Handle, Handles, Resource};
use crate::slab::OperationId;
use crate::socket::NonBlocking;
use crate::stream::Stream;

/// Pause before a listener that has no descriptor to spare tries again.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// How many connections of each listener are taken before JavaScript has heard of them. Together they cost less, as what becomes of
/// them comes in the same few turns; but all of that takes its time, in which timers and other sockets wait. So it is one more after
/// each turn that was over in time, and half as many after one that was not.
pub(crate) struct Pace(u32);

impl Pace {
    const MOST: u32 = 16;

    pub(crate) fn adjust(&mut self, in_time: bool) {
        self.0 = if in_time { (self.0 + 1).min(Self::MOST) } else { (self.0 / 2).max(1) };
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self(Self::MOST)
    }
}

/// A listening socket.
#[derive(Default)]
pub struct Listener {
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
    pub(crate) fn arm<K: Kernel>(&mut self, common: &mut Common, context: &mut Context<K>) {
        if std::mem::take(&mut self.due) {
            self.taken = 0;
        }
        if self.accept.is_none() && !common.closing {
            self.accept = Some(context.start(common, CancelableOperation::Accept));
        }
    }

    /// Arms it when it is next asked to, or after a pause.
    fn pause<K: Kernel>(&mut self, common: &mut Common, context: &mut Context<K>) {
        if self.retry.is_none() {
            self.retry = Some(context.start_pause(common, RETRY_AFTER));
        }
    }

    /// The pause is over.
    pub(crate) fn resume<K: Kernel>(&mut self, common: &mut Common, context: &mut Context<K>) {
        self.retry = None;
        self.arm(common, context);
    }

    /// The ring has failed: what is in flight will never complete.
    pub(crate) fn break_off<K: Kernel>(&mut self, common: &Common, context: &mut Context<K>, errno: Errno) {
        let wanted = self.accept.take().is_some() || self.retry.take().is_some() || std::mem::take(&mut self.due);
        if wanted && !common.closing {
            context.events.push_back(Event::AcceptFailed { listener: common.id, status: errno.negated() });
        }
    }

    /// A completion of the accept. Returns what was accepted, to be entered in the handle table.
    pub(crate) fn accepted<K: Kernel>(
        &mut self,
        common: &mut Common,
        context: &mut Context<K>,
        completion: &Completion,
    ) -> Option<OwnedFd> {
        self.accept = None;
        let accepted = if completion.result >= 0 {
            self.hopeful = false;
            // SAFETY: the kernel has just made this descriptor for us and nobody else knows its number.
            Some(unsafe { OwnedFd::from_raw_fd(completion.result) })
        } else {
            self.failed(common, context, Errno(-completion.result));
            None
        };
        if transient(completion.result) {
            self.arm(common, context);
        }
        accepted
    }

    /// Goes on behind a connection that was accepted and reported.
    fn go_on<K: Kernel>(&mut self, common: &mut Common, context: &mut Context<K>, others_wait: bool) {
        self.taken += 1;
        if self.taken < context.pace.0 {
            self.arm(common, context);
            context.enter_again |= others_wait;
        } else {
            self.due = true;
            context.arm_when_heard(common.id);
        }
    }

    fn failed<K: Kernel>(&mut self, common: &mut Common, context: &mut Context<K>, errno: Errno) {
        match errno.0 {
            _ if common.closing => {}
            libc::EMFILE | libc::ENFILE => {
                self.hopeful = !self.hopeful && context.reserve.is_one_of_many();
                if self.hopeful || context.reserve.shed(common.fd()) > 0 {
                    self.arm(common, context);
                } else {
                    self.pause(common, context);
                }
            }
            // EAGAIN: a kernel that minds O_NONBLOCK, which another process may have set on a listener that it shares.
            libc::ENOBUFS | libc::ENOMEM | libc::EAGAIN => self.pause(common, context),
            raw if transient(-raw) => {}
            _ => context.events.push_back(Event::AcceptFailed { listener: common.id, status: errno.negated() }),
        }
    }

    /// Enters an accepted descriptor in the table, reports it, and goes on.
    pub(crate) fn admit<K: Kernel>(
        id: HandleId,
        accepted: OwnedFd,
        others_wait: bool,
        handles: &mut Handles,
        context: &mut Context<K>,
    ) {
        // A full table closes the connection: the peer sees an end, the listener goes on.
        if let Some(peer) = handles.insert(accepted, Resource::Stream(Stream::default())) {
            context.events.push_back(Event::Accepted { listener: id, peer });
        }
        if let Some(Handle { common, resource: Resource::Listener(listener) }) = handles.get_mut(id) {
            listener.go_on(common, context, others_wait);
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

/// A descriptor kept for the day when there is none left.
#[derive(Default)]
pub(crate) struct Reserve(Option<OwnedFd>);

impl Reserve {
    /// Takes the reserve, if the process can spare a descriptor.
    pub(crate) fn fill(&mut self) {
        if self.0.is_none() {
            self.0 = std::fs::File::open("/dev/null").ok().map(Into::into);
        }
    }

    /// Whether there are descriptors beside it.
    fn is_one_of_many(&mut self) -> bool {
        self.fill();
        self.0.as_ref().is_some_and(|reserve| reserve.try_clone().is_ok())
    }

    /// Accepts and closes what waits at a listener: the number of connections. None when there is no reserve to do it with.
    fn shed(&mut self, listener: i32) -> usize {
        if self.0.take().is_none() {
            self.fill();
            return 0;
        }
        let mut shed = 0;
        let Ok(guard) = NonBlocking::new(listener) else {
            self.fill();
            return 0;
        };
        loop {
            // SAFETY: a null address is allowed and means that the peer's name is not wanted.
            let fd = unsafe { libc::accept4(listener, std::ptr::null_mut(), std::ptr::null_mut(), libc::SOCK_CLOEXEC) };
            if fd < 0 {
                if std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) {
                    continue;
                }
                break;
            }
            // SAFETY: the descriptor was made by the call above.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
            shed += 1;
        }
        drop(guard);
        self.fill();
        shed
    }
}
