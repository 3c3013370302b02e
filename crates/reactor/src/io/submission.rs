//! How requests get to the kernel: operations are started, their requests pushed, and the ring is entered, here and
//! nowhere else.

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::time::Duration;

use io_uring::types::Timespec;

use crate::error::Errno;
use crate::event::Event;
use crate::handle::HandleState;
use crate::io::Io;
use crate::kernel::{Kernel, Request, Wait};
use crate::operation::{CancelableOperation, Operation, SendOperation};
use crate::slab::{Entry, OperationId};
use crate::user_data::IGNORED;

/// Attempts in a row to get the kernel to take what was submitted, while it takes nothing: it says that it is short of
/// memory or that the completion queue has overflowed.
const ENTER_ATTEMPTS: usize = 256;

/// Of these, attempts made at once. A pause of a millisecond lies before each of the others.
const PATIENT_AFTER: usize = 64;

/// Whether the ring can be used. Set where it is entered, and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Working,
    /// It is not entered any more, since there may be sends in its queue whose memory is gone by then.
    Failed(Errno),
}

impl<K: Kernel> Io<K> {
    /// Starts an operation that may stay with the kernel for long. It counts as in flight on its handle until its
    /// terminal completion.
    pub(crate) fn start(&mut self, state: &mut HandleState, mut operation: CancelableOperation) -> OperationId {
        let request = operation.request(state.fd());
        let id = self.insert(state, Operation::Cancelable(operation));
        // SAFETY: the request points at nothing but what the operation owns, which stays in the slab until its terminal
        // completion.
        unsafe { self.push(&request, id.user_data()) };
        id
    }

    /// Closes the descriptor of a file, which its handle has given away. [`complete`](crate::Reactor) hears of it.
    pub(crate) fn start_close(&mut self, state: &mut HandleState, descriptor: OwnedFd) {
        let id = self.insert(state, Operation::Close);
        // SAFETY: it points at nothing, and the descriptor is the request's alone.
        unsafe { self.push(&Request::Close { fd: descriptor.into_raw_fd() }, id.user_data()) };
    }

    fn insert(&mut self, state: &mut HandleState, operation: Operation) -> OperationId {
        state.in_flight += 1;
        let id = self.operations.insert(state.id, operation);
        self.operations.link(id, &mut state.cancelable);
        id
    }

    /// Starts a send, unless the submission queue has no room: a send may point into JavaScript's memory, which holds
    /// only until JavaScript runs again, so it cannot wait in the backlog.
    ///
    /// # Safety
    /// What the request points at must be the operation's own, or readable until JavaScript runs again.
    pub(crate) unsafe fn start_send(
        &mut self,
        state: &mut HandleState,
        send: SendOperation,
        request: &Request,
    ) -> bool {
        let id = self.operations.insert(state.id, Operation::Send(send));
        // SAFETY: it is entered before JavaScript runs (`enter`), or never again, and has done or refused the send
        // then.
        if unsafe { self.try_push(request, id.user_data()) } {
            state.in_flight += 1;
            return true;
        }
        if let Some(Entry { operation: Operation::Send(send), .. }) = self.operations.remove(id, &mut state.cancelable)
        {
            self.recycle(send);
        }
        false
    }

    /// Wakes the handle after a while, by way of [`CancelableOperation::Pause`].
    pub(crate) fn start_pause(&mut self, state: &mut HandleState, after: Duration) -> OperationId {
        self.start(state, CancelableOperation::Pause(Box::new(Timespec::from(after))))
    }

    /// Asks for the end of an operation, which still has its terminal completion to come. One that is just being served
    /// cannot be cancelled and may go on after that: it is asked again when it does.
    pub(crate) fn cancel(&mut self, operation: OperationId) {
        if let Some((_, entry)) = self.operations.get(operation.user_data()) {
            entry.cancelled = true;
        }
        // SAFETY: a cancellation points at nothing.
        unsafe { self.push(&Request::Cancel { user_data: operation.user_data() }, IGNORED) };
    }

    /// Asks for the end of all that a close cannot wait for.
    pub(crate) fn cancel_all(&mut self, state: &HandleState) {
        let mut next = self.operations.first(&state.cancelable);
        while let Some(operation) = next {
            self.cancel(operation);
            next = self.operations.behind(operation);
        }
    }

    /// What made the ring unusable: it is not entered any more.
    pub(crate) fn failure(&self) -> Option<Errno> {
        match self.health {
            Health::Working => None,
            Health::Failed(errno) => Some(errno),
        }
    }

    /// Pushes a request, unless others wait to be pushed first or there is no room even after the kernel has been
    /// entered.
    ///
    /// # Safety
    /// As for [`Kernel::push`].
    pub(crate) unsafe fn try_push(&mut self, request: &Request, user_data: u64) -> bool {
        if !self.backlog.is_empty() || self.failure().is_some() {
            return false;
        }
        // SAFETY: the caller's promise.
        unsafe { self.hand(request, user_data) || self.make_room().is_ok() && self.hand(request, user_data) }
    }

    /// Puts a request into the submission queue. False where it has no room.
    ///
    /// # Safety
    /// As for [`Kernel::push`].
    pub(crate) unsafe fn hand(&mut self, request: &Request, user_data: u64) -> bool {
        // SAFETY: the caller's promise.
        let pushed = unsafe { self.kernel.push(request, user_data) };
        if pushed {
            self.totals.submissions += 1;
            if let Request::Close { fd } = *request {
                self.pushed_closes.push_back((self.totals.submissions, fd));
            }
        }
        pushed
    }

    /// Lets the kernel take what the submission queue holds, or a part of it.
    pub(crate) fn make_room(&mut self) -> Result<(), Errno> {
        self.enter_once(Wait::No).map(drop)
    }

    /// Pushes a request now, or behind others as soon as there is room.
    ///
    /// # Safety
    /// As for [`Kernel::push`], beginning with this call. A send cannot wait: see [`Self::start_send`].
    unsafe fn push(&mut self, request: &Request, user_data: u64) {
        // SAFETY: the caller's promise.
        if !unsafe { self.try_push(request, user_data) } {
            self.backlog.push_back((*request, user_data));
        }
    }

    pub(crate) fn push_backlog(&mut self) {
        while let Some((request, user_data)) = self.backlog.front().copied() {
            // SAFETY: whoever has put it there vouches for it from that moment on (`push`); its operation is still in
            // the slab.
            if !unsafe { self.hand(&request, user_data) } {
                break;
            }
            self.backlog.pop_front();
        }
    }

    /// Gets the kernel to take everything that was pushed, and collects what is ready.
    ///
    /// Nothing may stay behind: the memory of a send that is still in the queue when JavaScript runs again may be gone
    /// by the time the kernel reads it. A kernel that takes nothing for some 200 ms is an error, after which the ring
    /// must not be entered again.
    pub(crate) fn enter(&mut self, wait: Wait) -> Result<(), Errno> {
        let (mut wait, mut attempt) = (wait, 0);
        loop {
            let before = self.kernel.unsubmitted();
            let refusal = self.enter_once(wait)?;
            wait = Wait::No;
            let left = self.kernel.unsubmitted();
            if left == 0 {
                return Ok(());
            }
            attempt = if left < before { 0 } else { attempt + 1 };
            match attempt {
                0 => {}
                ENTER_ATTEMPTS => return self.fail(refusal.unwrap_or(Errno(libc::EAGAIN))),
                PATIENT_AFTER.. => std::thread::sleep(Duration::from_millis(1)),
                _ => std::thread::yield_now(),
            }
        }
    }

    /// Enters the kernel, once: the only place where that is done, and which finds out that the ring is beyond use. A
    /// refusal of the moment is no error.
    fn enter_once(&mut self, wait: Wait) -> Result<Option<Errno>, Errno> {
        if let Some(errno) = self.failure() {
            return Err(errno);
        }
        self.totals.enters += 1;
        let outcome = self.kernel.enter(wait);
        let left = u64::try_from(self.kernel.unsubmitted()).unwrap_or(u64::MAX);
        while self
            .pushed_closes
            .front()
            .is_some_and(|&(count, _)| count <= self.totals.submissions.saturating_sub(left))
        {
            self.pushed_closes.pop_front();
        }
        match outcome {
            Ok(()) => return Ok(None),
            Err(Errno(libc::EINTR | libc::ETIME | libc::EAGAIN | libc::ENOMEM)) => {}
            // The completion queue has overflowed: make room.
            Err(Errno(libc::EBUSY)) => {
                self.totals.overflows += 1;
                self.reap(usize::MAX);
            }
            Err(errno) => self.fail(errno)?,
        }
        Ok(outcome.err())
    }

    /// Takes completions from the kernel, behind those that have arrived already.
    pub(crate) fn reap(&mut self, limit: usize) {
        let before = self.arrived.len();
        self.kernel.reap(&mut self.arrived, limit);
        let batch = (self.arrived.len() - before) as u64;
        self.totals.completions += batch;
        self.totals.largest_batch = self.totals.largest_batch.max(batch);
    }

    /// The ring is beyond use, from now on: it is not entered again, so that this comes once.
    fn fail(&mut self, errno: Errno) -> Result<(), Errno> {
        self.health = Health::Failed(errno);
        self.events.push_back(Event::RingFailed { errno });
        Err(errno)
    }
}

impl<K> Io<K> {
    /// Gives up the requests that did not reach the kernel, which is not entered again. What they were to close is
    /// closed.
    pub(crate) fn drop_requests(&mut self) {
        let waiting = self.backlog.drain(..).filter_map(|(request, _)| match request {
            Request::Close { fd } => Some(fd),
            _ => None,
        });
        for fd in self.pushed_closes.drain(..).map(|(_, fd)| fd).chain(waiting) {
            // SAFETY: the request was given the descriptor to close, and the kernel has not taken the request.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }
}
