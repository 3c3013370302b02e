//! What every operation needs at hand, and how requests get into the submission queue.

use std::collections::VecDeque;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::time::Duration;

use io_uring::types::Timespec;

use crate::accept_pace::AcceptPace;
use crate::buffer_pool::BufferPool;
use crate::error::Errno;
use crate::event::{Event, Received, Totals};
use crate::handle::HandleState;
use crate::handle_id::HandleId;
use crate::kernel::{BufferGroup, Cqe, Kernel, Request, Wait};
use crate::message::{DatagramMessage, MAX_SLICES, Message};
use crate::operation::{CancelableOperation, Operation, SendOperation};
use crate::receive_buffers::{BUFFERS, ReceiveBuffers};
use crate::slab::{Entry, OperationId, Operations};
use crate::spare_descriptor::SpareDescriptor;
use crate::user_data::IGNORED;

/// Message headers kept for reuse.
const SPARE_MESSAGES: usize = 64;

/// Headers of datagrams kept for reuse.
const SPARE_DATAGRAMS: usize = 512;

/// Attempts in a row to get the kernel to take what was submitted, while it takes nothing: it says that it is short of
/// memory or that the completion queue has overflowed.
const ENTER_ATTEMPTS: usize = 256;

/// Of these, attempts made at once. A pause of a millisecond lies before each of the others.
const PATIENT_AFTER: usize = 64;

/// What every operation needs at hand: the kernel, the slab, the buffers and the lists.
pub(crate) struct Io<K> {
    // Dropped first: closing the ring ends the kernel's use of what follows.
    pub(crate) kernel: K,
    pub(crate) operations: Operations,
    /// For bytes of streams.
    pub(crate) bytes: ReceiveBuffers,
    pub(crate) events: VecDeque<Event>,
    /// Ends of connects: taken out behind the others. A connection within the machine stands before its listener has
    /// heard of it, but with core the listener hears of it first: who connects, and closes the server in that moment,
    /// is served.
    pub(crate) connects: VecDeque<Event>,
    /// Streams with something to send.
    pub(crate) unsent: Vec<HandleId>,
    /// How many events were taken out so far,
    pub(crate) taken: u64,
    /// and how many of them their receiver has not heard of yet.
    pub(crate) unheard: u64,
    /// Streams whose receive has ended by itself, and listeners that have taken enough, each with the number of events
    /// up to its own last one. It is armed again once JavaScript has heard of that one, and may have had enough. Not of
    /// all that there are: under load others come all the time.
    due_arms: VecDeque<(HandleId, u64)>,
    /// Likewise, streams whose end is told of once JavaScript has heard of the bytes before it, and what it answered
    /// has been offered.
    due_ends: VecDeque<(HandleId, u64)>,
    /// Number of streams that wait for room in their socket's send buffer.
    pub(crate) waiting_streams: usize,
    pub(crate) spare_descriptor: SpareDescriptor,
    pub(crate) accept_pace: AcceptPace,
    /// For datagram sockets, and streams that take descriptors; there from the first of them on.
    pub(crate) datagrams: Option<ReceiveBuffers>,
    /// Requests that found no room in the submission queue. They go first, in order.
    pub(crate) backlog: VecDeque<(Request, u64)>,
    pub(crate) totals: Totals,
    /// Descriptors in close requests that the kernel has not taken yet, with the count of submissions at which each was pushed. Ours
    /// until it does.
    pushed_closes: VecDeque<(u64, RawFd)>,
    /// Completions taken from the kernel and not yet looked at.
    pub(crate) arrived: Vec<Cqe>,
    #[allow(clippy::vec_box, reason = "the kernel reads the header: its address must hold while the vector grows")]
    spare_messages: Vec<Box<Message>>,
    #[allow(clippy::vec_box, reason = "as above")]
    spare_datagrams: Vec<Box<DatagramMessage>>,
    /// A request waits to be handed over whose outcome is to be had in the same turn: a receive behind one that was
    /// ended by what it received, an accept where others wait, or what ends a handle.
    pub(crate) enter_again: bool,
    health: Health,
}

/// Whether the ring can be used. Set where it is entered, and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Working,
    /// It is not entered any more, since there may be sends in its queue whose memory is gone by then.
    Failed(Errno),
}

impl<K: Kernel> Io<K> {
    /// Hands buffers to the kernel.
    pub(crate) fn new(mut kernel: K, pool: BufferPool) -> Self {
        let bytes = ReceiveBuffers::new(pool, &mut kernel);
        Self {
            kernel,
            operations: Operations::default(),
            bytes,
            events: VecDeque::new(),
            connects: VecDeque::new(),
            unsent: Vec::new(),
            taken: 0,
            unheard: 0,
            due_arms: VecDeque::new(),
            due_ends: VecDeque::new(),
            waiting_streams: 0,
            spare_descriptor: SpareDescriptor::default(),
            accept_pace: AcceptPace::default(),
            datagrams: None,
            backlog: VecDeque::new(),
            totals: Totals::default(),
            pushed_closes: VecDeque::new(),
            arrived: Vec::new(),
            spare_messages: Vec::new(),
            spare_datagrams: Vec::new(),
            enter_again: false,
            health: Health::Working,
        }
    }

    /// Whether a turn would find anything to do.
    pub(crate) fn has_work(&self) -> bool {
        if self.failure().is_some() {
            return self.has_events()
                || !self.unsent.is_empty()
                || !self.backlog.is_empty()
                || !self.due_ends.is_empty();
        }
        self.has_requests()
            || self.has_events()
            || self.bytes.has_work()
            || !self.due_arms.is_empty()
            || !self.due_ends.is_empty()
            || self.datagrams.as_ref().is_some_and(ReceiveBuffers::has_work)
    }

    fn has_events(&self) -> bool {
        !self.events.is_empty() || !self.connects.is_empty()
    }

    /// The last event of a handle; what came of its connect comes before.
    pub(crate) fn closed(&mut self, handle: HandleId) {
        self.events.append(&mut self.connects);
        self.events.push_back(Event::Closed { handle });
    }

    /// Takes the next event out.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front().or_else(|| self.connects.pop_front())?;
        if let Event::Received { slice, .. }
        | Event::Message { slice, .. }
        | Event::Datagram { received: Received { slice, .. }, .. } = event
        {
            self.totals.bytes_received += u64::from(slice.length);
        }
        self.taken += 1;
        Some(event)
    }

    /// Whether the kernel has anything to take or to give.
    pub(crate) fn has_requests(&self) -> bool {
        self.kernel.unsubmitted() > 0
            || !self.unsent.is_empty()
            || !self.backlog.is_empty()
            || !self.arrived.is_empty()
            || self.kernel.ready()
    }

    /// Reports an operation on files.
    pub(crate) fn settle(&mut self, token: u32, result: i32) {
        self.events.push_back(Event::FileDone { token, result });
    }

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

    /// Asks for the end of an operation, which still has its terminal completion to come.
    pub(crate) fn cancel(&mut self, operation: OperationId) {
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

    /// The ring is beyond use.
    fn fail(&mut self, errno: Errno) -> Result<(), Errno> {
        self.health = Health::Failed(errno);
        Err(errno)
    }

    /// Sees to it that there are buffers for datagrams and messages.
    pub(crate) fn prepare_datagrams(&mut self) -> Result<(), Errno> {
        if self.datagrams.is_none() {
            self.datagrams = Some(ReceiveBuffers::for_datagrams(&mut self.kernel, BUFFERS)?);
        }
        Ok(())
    }

    /// How many events there were, those that nobody has taken out yet included.
    pub(crate) fn so_far(&self) -> u64 {
        self.taken + self.events.len() as u64
    }

    /// How many of them JavaScript has heard of.
    pub(crate) fn heard(&self) -> u64 {
        self.taken.saturating_sub(self.unheard)
    }

    /// Has a receive or accept that has ended armed again, once everything up to now has been heard of.
    pub(crate) fn arm_when_heard(&mut self, handle: HandleId) {
        self.due_arms.push_back((handle, self.so_far()));
    }

    /// Has the end of a stream told of, once everything up to now has been heard of.
    pub(crate) fn end_when_heard(&mut self, stream: HandleId) {
        self.due_ends.push_back((stream, self.so_far()));
    }

    /// The next handle whose receive or accept is to be armed.
    pub(crate) fn next_due_arm(&mut self) -> Option<HandleId> {
        let heard = self.heard();
        take_heard(&mut self.due_arms, heard)
    }

    /// The next stream whose end is to be told of, of those that were due when this many events had been heard of.
    pub(crate) fn next_due_end(&mut self, heard: u64) -> Option<HandleId> {
        take_heard(&mut self.due_ends, heard)
    }

    /// Forgets what was to be done.
    pub(crate) fn forget_due(&mut self) {
        self.due_arms.clear();
        self.due_ends.clear();
    }

    /// Takes a slice back.
    pub(crate) fn give_back(&mut self, group: BufferGroup, buffer: u16) {
        let buffers = match group {
            BufferGroup::Bytes => Some(&mut self.bytes),
            BufferGroup::Datagrams => self.datagrams.as_mut(),
        };
        if let Some(buffers) = buffers {
            buffers.give_back(buffer, &mut self.kernel);
        }
    }

    /// An empty message header.
    pub(crate) fn message(&mut self) -> Box<Message> {
        self.spare_messages.pop().unwrap_or_else(|| Message::new(MAX_SLICES))
    }

    /// An empty header for a datagram.
    pub(crate) fn datagram_message(&mut self) -> Box<DatagramMessage> {
        self.spare_datagrams.pop().unwrap_or_else(DatagramMessage::new)
    }

    pub(crate) fn recycle(&mut self, send: SendOperation) {
        match send {
            SendOperation::Message(_, message) => self.recycle_message(message),
            SendOperation::Datagram(_, message) => self.recycle_datagram_message(message),
            SendOperation::Bytes(_) => {}
        }
    }

    pub(crate) fn recycle_message(&mut self, mut message: Box<Message>) {
        if self.spare_messages.len() < SPARE_MESSAGES {
            message.clear();
            self.spare_messages.push(message);
        }
    }

    pub(crate) fn recycle_datagram_message(&mut self, mut message: Box<DatagramMessage>) {
        if self.spare_datagrams.len() < SPARE_DATAGRAMS {
            message.clear();
            self.spare_datagrams.push(message);
        }
    }
}

/// Takes the first of a list, whose turn has come when so many events have been heard of.
fn take_heard(due: &mut VecDeque<(HandleId, u64)>, heard: u64) -> Option<HandleId> {
    let &(stream, count) = due.front()?;
    if count > heard {
        return None;
    }
    due.pop_front();
    Some(stream)
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

impl<K> Drop for Io<K> {
    /// While anything is in flight the kernel may write to what it was given: closing the ring does not wait for that.
    /// Such memory is leaked, never freed.
    fn drop(&mut self) {
        self.drop_requests();
        if self.operations.live() > 0 {
            std::mem::forget(std::mem::take(&mut self.operations));
            self.bytes.leak();
            if let Some(datagrams) = &self.datagrams {
                datagrams.leak();
            }
        }
    }
}
