//! Connected stream sockets: TCP and UNIX.
//!
//! **Receiving.** One multishot receive per stream that wants to read. Each completion fills a provided buffer, which is lent to
//! the reader and comes back when it has been read. The operation ends with the stream, with an error, when it is cancelled
//! because nobody wants to read, and silently whenever the kernel feels like it (queue overflow, too much at once): a missing
//! `F_MORE` re-arms it. An empty buffer ring ends it with `ENOBUFS`; it is armed again when a buffer comes back.
//!
//! **The end.** Bytes and the end behind them may come in one turn. With core what a listener writes in answer to the bytes is offered within the call, and the
//! end is looked for afterwards. So here the end is told of when the bytes have been heard of and the answer has been offered: who answers a peer that has gone
//! learns of it by the answer. A connection that has broken down behind the bytes never just ends, since bytes may be missing: the error is told, as by libuv from
//! Node 24 on. It is told to who reads: a reader that has stopped has bytes yet to look at, which an error would have it throw away.
//!
//! **Sending.** Writes queue up here, and at most one send per stream is in flight, since two could overtake each other. A send
//! takes all that is queued, up to [`MAX_SLICES`] slices, and says `MSG_DONTWAIT`: the kernel copies what fits while it takes the
//! request, so that it never holds memory that belongs to JavaScript. What did not fit waits for room ([`crate::room`]) and goes again.
//! Many bytes are offered before they are queued ([`Reactor::send_nowait`](crate::Reactor::send_nowait)).
//!
//! **Descriptors** that travel with the bytes of UNIX streams have their own chapter: [`crate::scm_rights`].
//!
//! **Closing.** What was written in the same turn is offered to the kernel once. What does not fit is given up and reported with
//! `ECANCELED`; then the close request cancels whatever is in flight.

mod send_nowait;

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use crate::address::SocketAddress;
use crate::error::Errno;
use crate::event::Event;
use crate::handle::HandleState;
use crate::io::Io;
use crate::kernel::{BufferGroup, Cqe, Extent, Kernel, Request};
use crate::memory::{Memory, Span};
use crate::message::{MAX_SLICES, Passed, Receipt};
use crate::operation::{CancelableOperation, SendOperation};
use crate::room::{Room, Waiting};
use crate::scm_rights::ScmRights;
use crate::slab::OperationId;
use crate::socket;

/// After so many bytes a receive ends and is armed anew in the next turn. The buffer that they end in is filled: 128 KiB at most.
const RUN: u32 = 64 * 1024;

#[derive(Default)]
enum Receiving {
    #[default]
    Idle,
    Armed(OperationId),
    /// A cancel is on its way.
    Stopping,
    /// There was no buffer.
    Starved,
    /// Nothing will ever follow, with this status, which is told once the bytes before it have been heard of.
    Ending(i32),
    /// Nothing will ever follow, with this error, which is told when somebody reads.
    Broken(i32),
    /// Nothing will ever follow.
    Ended,
}

#[derive(Default)]
enum Sending {
    #[default]
    Idle,
    /// Listed among the streams that the next submission takes up.
    Listed,
    /// A send is in flight.
    InFlight,
    /// Waiting for room in the socket's buffer.
    Waiting,
}

struct Segment {
    span: Span,
    /// The write request ends with this segment: report it.
    last: bool,
    /// Go with the first byte, and with it they are the kernel's. None on nearly all segments.
    descriptors: Vec<OwnedFd>,
}

/// A stream socket.
#[derive(Default)]
pub(crate) struct Stream {
    receiving: Receiving,
    /// Number of the last event with bytes; see [`Io::heard`].
    last_bytes: u64,
    wants_to_read: bool,
    /// It did not want to once: it may again.
    has_stopped: bool,
    sending: Sending,
    room: Room,
    queue: VecDeque<Segment>,
    /// What bytes were refused with that were offered at once: they are queued next, and end with it.
    refused: Option<i32>,
    shutdown: bool,
    connecting: bool,
    /// There from the first descriptor that travels.
    scm_rights: Option<Box<ScmRights>>,
}

impl Stream {
    /// Starts connecting. A UNIX socket connects at once or not at all, as core's does, instead of waiting for the listener.
    pub(crate) fn connect<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>, peer: SocketAddress) {
        if peer.family() == libc::AF_UNIX {
            let status = socket::connect_unix_nowait(state.fd(), &peer).map_or_else(Errno::negated, |()| 0);
            io.connects.push_back(Event::Connected { handle: state.id, status });
            return;
        }
        self.connecting = true;
        io.start(state, CancelableOperation::Connect(Box::new(peer)));
    }

    /// Lets data come.
    pub(crate) fn read_start<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) {
        self.wants_to_read = true;
        if let Receiving::Broken(status) = self.receiving {
            // With the turn, as everything that is told: until then the handle may be closed.
            self.receiving = Receiving::Ending(status);
            io.end_when_heard(state.id);
        } else {
            self.arm(state, io);
        }
    }

    /// Lets no more data come. What is already on its way is still delivered. The kernel is told only when bytes come that nobody wants: a
    /// reader that keeps stopping and starting, as streams do under backpressure, costs nothing as long as it is as fast as the writer.
    pub(crate) fn read_stop(&mut self) {
        self.wants_to_read = false;
        self.has_stopped = true;
    }

    /// Starts receiving, where that is wanted and nothing stands against it.
    pub(crate) fn arm<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) {
        if self.wants_to_read && !state.closing && matches!(self.receiving, Receiving::Idle) {
            let operation = match &mut self.scm_rights {
                // Goes on when they have been taken.
                Some(scm_rights) if !scm_rights.arrived.is_empty() => return,
                Some(scm_rights) if scm_rights.limit > 0 => {
                    scm_rights.armed = true;
                    CancelableOperation::ReceiveMessage(Receipt::new(scm_rights.limit))
                }
                _ => {
                    // What is on its way when a reader stops is what one receive delivers.
                    CancelableOperation::Receive(match (io.kernel.bounds_receives(), self.has_stopped) {
                        (true, _) => Extent::Bounded(RUN),
                        (false, false) => Extent::Endless,
                        (false, true) => Extent::Single,
                    })
                }
            };
            self.receiving = Receiving::Armed(io.start(state, operation));
        }
    }

    /// From here on descriptors are received as well: [`Event::Message`] takes the place of [`Event::Received`].
    pub(crate) fn receive_descriptors<K: Kernel>(&mut self, io: &mut Io<K>, limit: usize) {
        let scm_rights = self.scm_rights.get_or_insert_default();
        let before = std::mem::replace(&mut scm_rights.limit, limit);
        if let Receiving::Armed(operation) = &self.receiving
            && (!scm_rights.armed || before != limit)
        {
            io.cancel(*operation);
            self.receiving = Receiving::Stopping;
        }
    }

    /// The descriptors that came last. With that others may come.
    pub(crate) fn take_descriptors<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) -> Vec<OwnedFd> {
        let taken =
            self.scm_rights.as_mut().map(|scm_rights| std::mem::take(&mut scm_rights.arrived)).unwrap_or_default();
        self.arm(state, io);
        taken
    }

    /// Keeps descriptors for a write to come.
    pub(crate) fn stage_descriptors(&mut self, descriptors: Vec<OwnedFd>) {
        self.scm_rights.get_or_insert_default().staged.push_back(descriptors);
    }

    /// A buffer has come back.
    pub(crate) fn feed<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) {
        if matches!(self.receiving, Receiving::Starved) {
            self.receiving = Receiving::Idle;
            self.arm(state, io);
        }
    }

    /// A completion of the receive.
    pub(crate) fn received<K: Kernel>(
        &mut self,
        state: &mut HandleState,
        io: &mut Io<K>,
        completion: &Cqe,
        passed: Passed,
    ) {
        let by_message = self.scm_rights.as_ref().is_some_and(|scm_rights| scm_rights.armed);
        let before = io.so_far();
        if by_message {
            self.take_message(state, io, completion, passed);
        } else {
            Self::take_bytes(state, io, completion);
        }
        if io.so_far() > before {
            self.last_bytes = io.so_far();
        }
        if completion.more() {
            if let (false, Receiving::Armed(operation)) = (self.wants_to_read, &self.receiving) {
                io.cancel(*operation);
                self.receiving = Receiving::Stopping;
            }
            return;
        }
        self.receiving = Receiving::Idle;
        if let Some(scm_rights) = &mut self.scm_rights {
            scm_rights.armed = false;
        }
        match completion.result {
            _ if state.closing => {}
            0 => self.end(state, io, 0),
            1.. => io.arm_when_heard(state.id),
            _ => match -completion.result {
                libc::ENOBUFS if self.wants_to_read => {
                    self.receiving = Receiving::Starved;
                    match &mut io.datagrams {
                        Some(datagrams) if by_message => datagrams.starve(state.id),
                        _ => io.bytes.starve(state.id),
                    }
                }
                libc::ENOBUFS => {}
                libc::ECANCELED | libc::EINTR | libc::EAGAIN => self.arm(state, io),
                _ => self.end(state, io, completion.result),
            },
        }
    }

    fn take_bytes<K: Kernel>(state: &HandleState, io: &mut Io<K>, completion: &Cqe) {
        match io.bytes.take(completion) {
            Some(slice) if slice.length > 0 && !state.closing => {
                io.events.push_back(Event::Received { handle: state.id, slice });
            }
            Some(slice) => io.give_back(BufferGroup::Bytes, slice.buffer),
            None => {}
        }
    }

    fn take_message<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>, completion: &Cqe, passed: Passed) {
        let slice = io.datagrams.as_mut().and_then(|datagrams| datagrams.take(completion));
        match (slice, &mut self.scm_rights) {
            (Some(slice), Some(scm_rights)) if slice.length > 0 && !state.closing => {
                let Passed { descriptors, lost } = passed;
                let count = u8::try_from(descriptors.len()).unwrap_or(u8::MAX);
                scm_rights.arrived = descriptors;
                io.events.push_back(Event::Message { handle: state.id, slice, descriptors: count, lost });
            }
            (Some(slice), _) => io.give_back(BufferGroup::Datagrams, slice.buffer),
            (None, _) => {}
        }
    }

    fn end<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>, status: i32) {
        if self.last_bytes > io.heard() {
            self.receiving = Receiving::Ending(status);
            io.end_when_heard(state.id);
        } else if status < 0 && !self.wants_to_read {
            self.receiving = Receiving::Broken(status);
        } else {
            self.ended(state, io, status);
        }
    }

    fn ended<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>, status: i32) {
        self.receiving = Receiving::Ended;
        io.events.push_back(Event::Ended { handle: state.id, status });
    }

    /// The bytes before the end have been heard of.
    pub(crate) fn tell_end<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>) {
        if let Receiving::Ending(status) = self.receiving {
            self.end(state, io, status);
        }
    }

    /// Queues bytes. `last` marks the end of a write request, which is reported once all of it has been handed to the kernel.
    pub(crate) fn write<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>, span: Span, last: bool) {
        self.queue.push_back(Segment { span, last, descriptors: Vec::new() });
        self.list(state, io);
    }

    /// Queues bytes, at least one, that take the descriptors staged first with them. `last` as in [`write`](Self::write).
    pub(crate) fn write_with_descriptors<K: Kernel>(
        &mut self,
        state: &HandleState,
        io: &mut Io<K>,
        span: Span,
        last: bool,
    ) {
        let staged = self.scm_rights.as_mut().and_then(|scm_rights| scm_rights.staged.pop_front());
        self.queue.push_back(Segment { span, last, descriptors: staged.unwrap_or_default() });
        self.list(state, io);
    }

    fn list<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>) {
        if matches!(self.sending, Sending::Idle) {
            self.sending = Sending::Listed;
            io.unsent.push(state.id);
        }
    }

    /// Hands what is queued to the kernel. False when the submission queue has no room: the stream stays listed.
    pub(crate) fn send<K: Kernel>(
        &mut self,
        state: &mut HandleState,
        io: &mut Io<K>,
        memory: &mut impl Memory,
    ) -> bool {
        if !matches!(self.sending, Sending::Listed) {
            return true;
        }
        self.sending = Sending::Idle;
        if let Some(status) = self.refused.take() {
            self.settle_writes(state, io, status);
            self.shut_down_when_sent(state, io);
            return true;
        }
        let (send, request) = if let [segment] = self.queue.make_contiguous()
            && segment.descriptors.is_empty()
        {
            let Some(data) = memory.resolve(&segment.span) else {
                return self.fail_writes(state, io);
            };
            let length = segment.span.length;
            let request = Request::Send { fd: state.fd(), data: data.as_ptr(), length };
            (SendOperation::Bytes(length as usize), request)
        } else {
            let mut message = io.message();
            let mut offered = 0;
            for segment in self.queue.iter().take(MAX_SLICES) {
                // A write with descriptors goes by itself.
                if !segment.descriptors.is_empty() {
                    if !message.slices.is_empty() {
                        break;
                    }
                    message.pass(&segment.descriptors);
                }
                let Some(data) = memory.resolve(&segment.span) else {
                    return self.fail_writes(state, io);
                };
                message
                    .slices
                    .push(libc::iovec { iov_base: data.as_ptr().cast(), iov_len: segment.span.length as usize });
                offered += segment.span.length as usize;
                if !segment.descriptors.is_empty() {
                    break;
                }
            }
            message.header.msg_iov = message.slices.as_mut_ptr();
            message.header.msg_iovlen = message.slices.len() as _;
            let request = Request::SendMessage { fd: state.fd(), message: &raw const message.header };
            (SendOperation::Message(offered, message), request)
        };
        // SAFETY: the header is the operation's own, and what `resolve` has found holds until JavaScript runs again, which it does after the turn.
        if unsafe { io.start_send(state, send, &request) } {
            self.sending = Sending::InFlight;
            true
        } else {
            self.sending = Sending::Listed;
            false
        }
    }

    /// The memory of a write is gone: what is queued fails. True, since there is no lack of room.
    fn fail_writes<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>) -> bool {
        self.settle_writes(state, io, -libc::EFAULT);
        self.shut_down_when_sent(state, io);
        true
    }

    /// The send of `offered` bytes has come back.
    pub(crate) fn sent<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>, result: i32, offered: usize) {
        self.sending = Sending::Idle;
        match usize::try_from(result) {
            Ok(sent) => {
                if sent > 0 {
                    self.room.progress();
                }
                self.advance(state, io, sent);
                if !self.queue.is_empty() {
                    if sent < offered {
                        self.wait(state, io);
                    } else {
                        self.list(state, io);
                    }
                }
            }
            Err(_) => match -result {
                // ENOBUFS: the device's queue is full, or memory is short. libuv waits for room likewise.
                libc::EAGAIN | libc::ENOBUFS => self.wait(state, io),
                libc::EINTR => self.list(state, io),
                _ => self.settle_writes(state, io, self.refusal(result)),
            },
        }
        self.shut_down_when_sent(state, io);
    }

    /// What a write that was refused ends with. The error of a connection is told once: where the receive has had it, this would be `EPIPE`.
    fn refusal(&self, result: i32) -> i32 {
        match self.receiving {
            Receiving::Ending(status) | Receiving::Broken(status) if status < 0 => status,
            _ => result,
        }
    }

    /// Waits for room in the socket's send buffer. A stream that is closing does not wait.
    fn wait<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) {
        if state.closing {
            return;
        }
        self.sending = Sending::Waiting;
        io.waiting_streams += 1;
        self.room.wait(state, io);
    }

    /// Sends nothing and waits for nothing.
    fn rest<K: Kernel>(&mut self, io: &mut Io<K>) {
        if matches!(std::mem::replace(&mut self.sending, Sending::Idle), Sending::Waiting) {
            io.waiting_streams -= 1;
        }
    }

    /// The wait for room has news.
    pub(crate) fn writable<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>, completion: &Cqe) {
        if self.room.polled(state, io, completion, self.waiting()) {
            self.rest(io);
            self.list(state, io);
        }
    }

    /// A pause in the wait for room is over.
    pub(crate) fn resume<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) {
        self.room.paused(state, io, self.waiting());
    }

    fn waiting(&self) -> Waiting {
        match self.sending {
            Sending::Waiting => Waiting::Yes,
            Sending::Listed | Sending::InFlight => Waiting::Trying,
            Sending::Idle => Waiting::No,
        }
    }

    fn advance<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>, mut sent: usize) {
        while let Some(segment) = self.queue.front_mut() {
            let length = segment.span.length as usize;
            if sent > 0 {
                // The kernel has taken them with the first byte.
                segment.descriptors.clear();
            }
            if sent < length {
                // Below 4 GiB, since it is below the segment's length.
                let sent = u32::try_from(sent).expect("less than a segment");
                segment.span.offset += u64::from(sent);
                segment.span.length -= sent;
                break;
            }
            sent -= length;
            if segment.last {
                io.events.push_back(Event::Written { handle: state.id, status: 0 });
            }
            self.queue.pop_front();
        }
    }

    /// Settles everything that is queued.
    fn settle_writes<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>, status: i32) {
        for segment in self.queue.drain(..) {
            if segment.last {
                io.events.push_back(Event::Written { handle: state.id, status });
            }
        }
    }

    /// Ends the sending half after everything written before.
    pub(crate) fn shut_down<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>) {
        self.shutdown = true;
        self.shut_down_when_sent(state, io);
    }

    /// `shutdown(2)` never blocks; as a request it would go through a kernel worker thread (the opcode is always punted).
    fn shut_down_when_sent<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>) {
        if self.shutdown && self.queue.is_empty() && matches!(self.sending, Sending::Idle) {
            self.shutdown = false;
            let status = socket::shutdown_write(state.fd()).map_or_else(Errno::negated, |()| 0);
            io.events.push_back(Event::ShutDown { handle: state.id, status });
        }
    }

    /// The handle is being closed.
    pub(crate) fn close(&mut self) {
        self.wants_to_read = false;
    }

    /// The connect has ended.
    pub(crate) fn connected<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>, status: i32) {
        self.connecting = false;
        if !state.closing {
            io.connects.push_back(Event::Connected { handle: state.id, status });
        }
    }

    /// The ring has failed: what is in flight will never complete, and what is wanted will not be done.
    pub(crate) fn abort<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>, errno: Errno) {
        let status = errno.negated();
        if self.connecting {
            self.connected(state, io, status);
        }
        self.rest(io);
        self.settle_writes(state, io, status);
        if std::mem::take(&mut self.shutdown) {
            io.events.push_back(Event::ShutDown { handle: state.id, status });
        }
        match self.receiving {
            Receiving::Ending(status) => self.ended(state, io, status),
            Receiving::Broken(_) | Receiving::Ended => {}
            _ if self.wants_to_read && !state.closing => self.ended(state, io, status),
            _ => {}
        }
    }

    /// Whether something is about to be sent, or being sent, without waiting for room.
    pub(crate) fn is_sending(&self) -> bool {
        matches!(self.sending, Sending::Listed | Sending::InFlight)
    }

    /// The handle is being closed: what the kernel has not taken is settled.
    pub(crate) fn cancel_unsent<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>) {
        self.rest(io);
        self.settle_writes(state, io, -libc::ECANCELED);
        if std::mem::take(&mut self.shutdown) {
            io.events.push_back(Event::ShutDown { handle: state.id, status: -libc::ECANCELED });
        }
    }
}
