//! What every operation needs at hand, and how requests get into the submission queue.

use std::collections::VecDeque;
use std::time::Duration;

use crate::buffer_pool::BufferPool;
use crate::datagram::{BUFFERS, Receivers};
use crate::error::Errno;
use crate::event::Event;
use crate::file::Files;
use crate::handle::{Common, HandleId};
use crate::kernel::{BufferGroup, Completion, Kernel, Request, Wait};
use crate::listener::Reserve;
use crate::operation::{DatagramMessage, IGNORED, Message, Operation, OperationId, OperationKind, Operations, Owned};
use crate::stream::MAX_SLICES;

/// Message headers kept for reuse.
const SPARE_MESSAGES: usize = 64;

/// Headers of datagrams kept for reuse.
const SPARE_DATAGRAMS: usize = 512;

/// Attempts in a row to get the kernel to take what was submitted, while it takes nothing: it says that it is short of memory or
/// that the completion queue has overflowed.
const ENTER_ATTEMPTS: usize = 256;

/// Of these, attempts made at once. A pause of a millisecond lies before each of the others.
const PATIENT_AFTER: usize = 64;

/// What every operation needs at hand: the kernel, the slab, the buffers and the lists.
pub(crate) struct Context<K> {
    // Dropped first: closing the ring ends the kernel's use of what follows.
    pub(crate) kernel: K,
    pub(crate) operations: Operations,
    pub(crate) pool: BufferPool,
    pub(crate) events: VecDeque<Event>,
    /// Streams with something to send.
    pub(crate) unsent: Vec<HandleId>,
    /// Streams that found no buffer.
    pub(crate) starved: VecDeque<HandleId>,
    pub(crate) reserve: Reserve,
    /// Of datagram sockets, and of streams that take descriptors; there from the first of them on.
    pub(crate) receivers: Option<Receivers>,
    /// Requests that found no room in the submission queue. They go first, in order.
    pub(crate) backlog: VecDeque<(Request, u64)>,
    /// Completions taken from the kernel and not yet looked at.
    pub(crate) arrived: Vec<Completion>,
    #[allow(clippy::vec_box, reason = "the kernel reads the header: its address must hold while the vector grows")]
    spare: Vec<Box<Message>>,
    #[allow(clippy::vec_box, reason = "as above")]
    spare_datagrams: Vec<Box<DatagramMessage>>,
    /// The kernel has got buffers back since the starved were last fed.
    pub(crate) buffer_returned: bool,
    /// What made the ring unusable: it is not entered any more.
    pub(crate) failure: Option<Errno>,
    pub(crate) files: Files,
}

impl<K: Kernel> Context<K> {
    /// Hands all buffers to the kernel.
    pub(crate) fn new(mut kernel: K, mut pool: BufferPool) -> Self {
        pool.provide_all(&mut kernel);
        Self {
            kernel,
            operations: Operations::default(),
            pool,
            events: VecDeque::new(),
            unsent: Vec::new(),
            starved: VecDeque::new(),
            reserve: Reserve::default(),
            receivers: None,
            backlog: VecDeque::new(),
            arrived: Vec::new(),
            spare: Vec::new(),
            spare_datagrams: Vec::new(),
            buffer_returned: false,
            failure: None,
            files: Files::default(),
        }
    }

    /// Whether a turn would find anything to do.
    pub(crate) fn has_work(&self) -> bool {
        if self.failure.is_some() {
            return !self.events.is_empty()
                || !self.unsent.is_empty()
                || !self.backlog.is_empty()
                || !self.files.waiting.is_empty();
        }
        self.kernel.unsubmitted() > 0
            || !self.unsent.is_empty()
            || !self.backlog.is_empty()
            || !self.arrived.is_empty()
            || !self.events.is_empty()
            || self.buffer_returned
            || self.files.has_work()
            || self.receivers.as_ref().is_some_and(|receivers| receivers.returned)
            || self.kernel.ready()
    }

    /// Starts an operation. It counts as in flight on its handle until its terminal completion.
    pub(crate) fn start(
        &mut self,
        common: &mut Common,
        kind: OperationKind,
        owned: Owned,
        request: &Request,
    ) -> OperationId {
        common.in_flight += 1;
        let id = self.operations.insert(Operation { handle: common.id, kind, offered: 0, owned });
        self.push(request, id.user_data());
        id
    }

    /// Starts a send, unless the submission queue has no room: a send may point into JavaScript's memory, which holds only until
    /// JavaScript runs again, so it cannot wait in the backlog.
    pub(crate) fn start_send(&mut self, common: &mut Common, offered: usize, owned: Owned, request: &Request) -> bool {
        let id = self.operations.insert(Operation { handle: common.id, kind: OperationKind::Send, offered, owned });
        if self.try_push(request, id.user_data()) {
            common.in_flight += 1;
            return true;
        }
        if let Some(operation) = self.operations.remove(id) {
            self.recycle(operation.owned);
        }
        false
    }

    /// Wakes the handle after a while, by way of [`OperationKind::Retry`].
    pub(crate) fn start_timeout(&mut self, common: &mut Common, after: Duration) -> OperationId {
        let timespec = Box::new(io_uring::types::Timespec::from(after));
        let request = Request::Timeout { after: &raw const *timespec };
        self.start(common, OperationKind::Retry, Owned::Timespec(timespec), &request)
    }

    /// Asks for the end of an operation, which still has its terminal completion to come.
    pub(crate) fn cancel(&mut self, operation: OperationId) {
        self.push(&Request::Cancel { user_data: operation.user_data() }, IGNORED);
    }

    pub(crate) fn try_push(&mut self, request: &Request, user_data: u64) -> bool {
        if !self.backlog.is_empty() || self.failure.is_some() {
            return false;
        }
        if self.kernel.push(request, user_data) {
            return true;
        }
        // Full. What the kernel answers is looked at in the next turn; here only room is wanted.
        let _ = self.kernel.enter(Wait::No);
        self.kernel.push(request, user_data)
    }

    fn push(&mut self, request: &Request, user_data: u64) {
        if !self.try_push(request, user_data) {
            self.backlog.push_back((*request, user_data));
        }
    }

    pub(crate) fn push_backlog(&mut self) {
        while let Some((request, user_data)) = self.backlog.front().copied() {
            if !self.kernel.push(&request, user_data) {
                break;
            }
            self.backlog.pop_front();
        }
    }

    /// Gets the kernel to take everything that was pushed, and collects what is ready.
    ///
    /// Nothing may stay behind: the memory of a send that is still in the queue when JavaScript runs again may be gone by the time
    /// the kernel reads it. A kernel that takes nothing for some 200 ms is an error, after which the ring must not be entered again.
    pub(crate) fn enter(&mut self, wait: Wait) -> Result<(), Errno> {
        let (mut wait, mut attempt) = (wait, 0);
        loop {
            let before = self.kernel.unsubmitted();
            let outcome = self.kernel.enter(wait);
            wait = Wait::No;
            match outcome.map_err(|errno| errno.0) {
                Ok(()) | Err(libc::EINTR | libc::ETIME | libc::EAGAIN | libc::ENOMEM) => {}
                // The completion queue has overflowed: make room.
                Err(libc::EBUSY) => self.kernel.reap(&mut self.arrived, usize::MAX),
                Err(_) => return outcome,
            }
            let left = self.kernel.unsubmitted();
            if left == 0 {
                return Ok(());
            }
            attempt = if left < before { 0 } else { attempt + 1 };
            match attempt {
                0 => {}
                ENTER_ATTEMPTS => return outcome.and(Err(Errno(libc::EAGAIN))),
                PATIENT_AFTER.. => std::thread::sleep(Duration::from_millis(1)),
                _ => std::thread::yield_now(),
            }
        }
    }

    /// Sees to it that there are buffers for datagrams and messages.
    pub(crate) fn prepare_receivers(&mut self) -> Result<(), Errno> {
        if self.receivers.is_none() {
            self.receivers = Some(Receivers::new(&mut self.kernel, BUFFERS)?);
        }
        Ok(())
    }

    /// Takes a slice back.
    pub(crate) fn give_back(&mut self, group: BufferGroup, buffer: u16) {
        match (group, &mut self.receivers) {
            (BufferGroup::Bytes, _) => self.buffer_returned |= self.pool.give_back(buffer, &mut self.kernel),
            (BufferGroup::Datagrams, Some(receivers)) => {
                receivers.returned |= receivers.pool.give_back(buffer, &mut self.kernel);
            }
            (BufferGroup::Datagrams, None) => {}
        }
    }

    /// An empty message header.
    pub(crate) fn message(&mut self) -> Box<Message> {
        self.spare.pop().unwrap_or_else(|| Message::new(MAX_SLICES))
    }

    /// An empty header for a datagram.
    pub(crate) fn datagram_message(&mut self) -> Box<DatagramMessage> {
        self.spare_datagrams.pop().unwrap_or_else(DatagramMessage::new)
    }

    pub(crate) fn recycle(&mut self, owned: Owned) {
        match owned {
            Owned::Message(mut message) if self.spare.len() < SPARE_MESSAGES => {
                message.clear();
                self.spare.push(message);
            }
            Owned::Datagram(mut message) if self.spare_datagrams.len() < SPARE_DATAGRAMS => {
                message.clear();
                self.spare_datagrams.push(message);
            }
            _ => {}
        }
    }
}
