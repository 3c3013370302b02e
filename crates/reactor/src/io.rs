//! What every operation needs at hand. How requests get to the kernel has a [file of its own](submission).

mod submission;

use std::collections::VecDeque;
use std::os::fd::RawFd;

use crate::accept_pace::AcceptPace;
use crate::buffer_pool::BufferPool;
use crate::error::Errno;
use crate::event::{Event, Received, Totals};
use crate::handle_id::HandleId;
use crate::kernel::{BufferGroup, Cqe, Kernel, Request};
use crate::message::{DatagramMessage, MAX_SLICES, Message};
use crate::operation::SendOperation;
use crate::receive_buffers::{BUFFERS, ReceiveBuffers};
use crate::slab::Operations;
use crate::spare_descriptor::SpareDescriptor;
use submission::Health;

/// Message headers kept for reuse.
const SPARE_MESSAGES: usize = 64;

/// Headers of datagrams kept for reuse.
const SPARE_DATAGRAMS: usize = 512;

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
    /// Streams whose receive has ended by itself, listeners that have taken enough, and datagram sockets that receive
    /// one by one, each with the number of events up to its own last one. It is armed again once JavaScript has heard
    /// of that one, and may have had enough. Not of all that there are: under load others come all the time.
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
    /// Descriptors in close requests that the kernel has not taken yet, with the count of submissions at which each was
    /// pushed. Ours until it does.
    pushed_closes: VecDeque<(u64, RawFd)>,
    /// Completions taken from the kernel and not yet looked at.
    pub(crate) arrived: Vec<Cqe>,
    #[allow(clippy::vec_box, reason = "the kernel reads the header: its address must hold while the vector grows")]
    spare_messages: Vec<Box<Message>>,
    #[allow(clippy::vec_box, reason = "the same holds for these")]
    spare_datagrams: Vec<Box<DatagramMessage>>,
    /// A request waits to be handed over whose outcome is to be had in the same turn: a receive behind one that was
    /// ended by what it received, an accept where others wait, or what ends a handle.
    pub(crate) enter_again: bool,
    health: Health,
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
