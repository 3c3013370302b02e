//! The sending half of a stream.
//!
//! Writes queue up here, and at most one send per stream is in flight, since two could overtake each other. A send
//! takes all that is queued, up to [`MAX_SLICES`] slices, and says `MSG_DONTWAIT`: the kernel copies what fits while it
//! takes the request, so that it never holds memory that belongs to JavaScript. What did not fit waits for room
//! ([`crate::room`]) and goes again. Many bytes are offered before they are queued
//! ([`Reactor::send_nowait`](crate::Reactor::send_nowait)).

use std::os::fd::OwnedFd;

use super::Stream;
use super::receiving::Receiving;
use crate::error::Errno;
use crate::event::Event;
use crate::handle::HandleState;
use crate::io::Io;
use crate::kernel::{Cqe, Kernel, Request};
use crate::memory::{Memory, Span};
use crate::message::MAX_SLICES;
use crate::operation::SendOperation;
use crate::room::Waiting;
use crate::socket;

#[derive(Default)]
pub(super) enum Sending {
    #[default]
    Idle,
    /// Listed among the streams that the next submission takes up.
    Listed,
    /// A send is in flight.
    InFlight,
    /// Waiting for room in the socket's buffer.
    Waiting,
}

pub(super) struct Segment {
    pub(super) span: Span,
    /// The write request ends with this segment: report it.
    last: bool,
    /// Go with the first byte, and with it they are the kernel's. None on nearly all segments.
    pub(super) descriptors: Vec<OwnedFd>,
}

impl Stream {
    /// Keeps descriptors for a write to come.
    pub(crate) fn stage_descriptors(&mut self, descriptors: Vec<OwnedFd>) {
        self.scm_rights.get_or_insert_default().staged.push_back(descriptors);
    }

    /// Queues bytes. `last` marks the end of a write request, which is reported once all of it has been handed to the
    /// kernel.
    pub(crate) fn write<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>, span: Span, last: bool) {
        self.queue.push_back(Segment { span, last, descriptors: Vec::new() });
        self.list(state, io);
    }

    /// Queues bytes, at least one, that take the descriptors staged first with them. `last` as in
    /// [`write`](Self::write).
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
        if self.queue.is_empty() {
            // It has gone with what was sent at once.
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
        // SAFETY: the header is the operation's own, and what `resolve` has found holds until JavaScript runs again,
        // which it does after the turn.
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

    /// What a write that was refused ends with. The error of a connection is told once: where the receive has had it,
    /// this would be `EPIPE`.
    pub(super) fn refusal(&self, result: i32) -> i32 {
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
    pub(super) fn rest<K: Kernel>(&mut self, io: &mut Io<K>) {
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

    pub(super) fn advance<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>, mut sent: usize) {
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
    pub(super) fn settle_writes<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>, status: i32) {
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

    /// `shutdown(2)` never blocks; as a request it would go through a kernel worker thread (the opcode is always
    /// punted).
    fn shut_down_when_sent<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>) {
        if self.shutdown && self.queue.is_empty() && matches!(self.sending, Sending::Idle) {
            self.shutdown = false;
            let status = socket::shutdown_write(state.fd()).map_or_else(Errno::negated, |()| 0);
            io.events.push_back(Event::ShutDown { handle: state.id, status });
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
