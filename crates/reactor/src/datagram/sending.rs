//! The sending half of a datagram socket.
//!
//! Datagrams that follow each other to one destination, all of one length (the last may be shorter), go out as one
//! request where their senders allow it ([`Outgoing::together`]): the kernel takes them through its layers as one and
//! cuts them up where they leave or are received (`UDP_SEGMENT`). Their payloads stay where they are; the request lists
//! them. Nobody else notices:
//!
//! - Success is success for each.
//! - What may have failed only because they went together (a path's MTU that is smaller than a segment, a device
//!   without checksums, memory) is tried again one by one.
//! - Any other error is the answer to the first, as it would have been had it gone alone; the rest are sent again.

use super::{Datagram, Outgoing, Progress};
use crate::address::SocketAddress;
use crate::error::Errno;
use crate::event::Event;
use crate::handle::HandleState;
use crate::io::Io;
use crate::kernel::{Cqe, Kernel, Request};
use crate::memory::Memory;
use crate::message::DatagramMessage;
use crate::operation::SendOperation;
use crate::room::Waiting;

/// Datagrams of one socket that are handed over before another gets its turn.
const WINDOW: usize = 256;

/// Most datagrams that go together: what all kernels take.
const MAX_TOGETHER: usize = 64;

/// Most bytes of datagrams that go together: the largest payload over IPv4.
const MAX_BYTES_TOGETHER: usize = 65507;

impl Datagram {
    /// Queues a datagram for sending. [`Event::Sent`] follows.
    pub(crate) fn queue<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>, outgoing: Outgoing) {
        self.queue.push_back((outgoing, Progress::Queued));
        self.list(state, io);
    }

    fn list<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>) {
        if !self.listed && !self.waiting {
            self.listed = true;
            io.unsent.push(state.id);
        }
    }

    /// Datagrams that are not sent yet, and the bytes of their payloads.
    pub(crate) fn queued(&self) -> (usize, usize) {
        let waiting = self.queue.iter().filter(|(_, progress)| !matches!(progress, Progress::Done(_)));
        waiting.fold((0, 0), |(count, bytes), (outgoing, _)| (count + 1, bytes + outgoing.span.length as usize))
    }

    /// The socket is about to get another peer, or none: what is queued goes on to the one that it has had.
    pub(crate) fn keep_peer(&mut self, peer: &SocketAddress) {
        let known = self.former.back().map_or(self.first, |(end, _)| *end);
        let end = self.first + self.queue.len();
        let queued = self.queue.iter().skip(known.saturating_sub(self.first));
        if queued.into_iter().any(|(outgoing, _)| outgoing.destination.is_none()) {
            self.former.push_back((end, *peer));
        }
    }

    /// The former peer that the datagram of this number goes to.
    fn former_peer(&self, number: usize) -> Option<&SocketAddress> {
        self.former.iter().find(|(end, _)| number < *end).map(|(_, peer)| peer)
    }

    /// Where the datagram at this place of the queue goes to: a `sockaddr`, empty for the socket's peer. `None` where
    /// its memory is gone.
    fn destination(&self, memory: &mut impl Memory, at: usize) -> Option<&[u8]> {
        match self.queue[at].0.destination {
            // SAFETY: `resolve` vouches for so many bytes, and nobody writes to them while this runs.
            Some(it) => memory
                .resolve(&it)
                .map(|start| unsafe { std::slice::from_raw_parts(start.as_ptr(), it.length as usize) }),
            None => Some(self.former_peer(self.first + at).map_or(&[], SocketAddress::bytes)),
        }
    }

    /// Whether something is with the kernel or about to be handed to it.
    pub(crate) fn is_sending(&self) -> bool {
        self.listed || self.in_flight > 0
    }

    fn window(&self) -> usize {
        if self.unix { 1 } else { WINDOW }
    }

    /// Hands what is queued to the kernel. False when the submission queue has no room: the socket stays listed.
    pub(crate) fn send<K: Kernel>(
        &mut self,
        state: &mut HandleState,
        io: &mut Io<K>,
        memory: &mut impl Memory,
    ) -> bool {
        self.listed = false;
        if self.waiting {
            return true;
        }
        while self.in_flight < self.window() {
            let at = self.next - self.first;
            let Some(&(_, progress)) = self.queue.get(at) else {
                break;
            };
            let mut count = 1;
            if progress == Progress::Queued {
                match self.hand_over(state, io, memory, at) {
                    Ok(0) => {
                        self.listed = true;
                        return false;
                    }
                    Ok(handed) => {
                        for (_, progress) in self.queue.range_mut(at..at + handed) {
                            *progress = Progress::InFlight(0);
                        }
                        self.queue[at].1 = Progress::InFlight(handed);
                        self.in_flight += handed;
                        count = handed;
                    }
                    Err(errno) => self.queue[at].1 = Progress::Done(errno.negated()),
                }
            }
            self.next += count;
        }
        self.settle_done(state, io);
        true
    }

    /// Hands over the datagram at this place of the queue, and those behind it that can go with it: how many went, zero
    /// where the submission queue has no room.
    fn hand_over<K: Kernel>(
        &self,
        state: &mut HandleState,
        io: &mut Io<K>,
        memory: &mut impl Memory,
        at: usize,
    ) -> Result<usize, Errno> {
        let (outgoing, _) = self.queue[at];
        let payload = memory.resolve(&outgoing.span).ok_or(Errno::EFAULT)?;
        let mut message = io.datagram_message();
        let destination = self.destination(memory, at).ok_or(Errno::EFAULT)?;
        if !destination.is_empty() {
            message.set_name(destination)?;
        }
        message.add_payload(payload.as_ptr(), outgoing.span.length as usize);
        let mut segment = outgoing.segment;
        let count = self.gather(&mut message, memory, at);
        if count > 1 {
            segment = u16::try_from(outgoing.span.length).expect("several fit into 64 KiB");
        }
        if segment > 0 {
            message.set_segment(segment);
        }
        let request =
            Request::SendDatagram { fd: state.fd(), message: &raw const message.header, flags: outgoing.flags };
        let send = SendOperation::Datagram(self.first + at, message);
        // SAFETY: the header is the operation's own, and what `resolve` has found holds until JavaScript runs again,
        // which it does after the turn.
        let taken = unsafe { io.start_send(state, send, &request) };
        Ok(if taken { count } else { 0 })
    }

    /// Adds the payloads of those that can go with the datagram at this place, which the message holds already: how
    /// many it then holds.
    fn gather(&self, message: &mut Box<DatagramMessage>, memory: &mut impl Memory, at: usize) -> usize {
        let (leader, _) = self.queue[at];
        let (mut count, mut last, mut total) = (1, leader.span.length, leader.span.length as usize);
        // One that must not wait is refused by itself, the kernel itself puts together what is sent with `MSG_MORE`,
        // and UNIX sockets send one at a time.
        if self.unix
            || !leader.together
            || leader.segment > 0
            || leader.flags & (libc::MSG_DONTWAIT | libc::MSG_MORE) != 0
        {
            return count;
        }
        while count < MAX_TOGETHER && last == leader.span.length {
            let Some(&(next, Progress::Queued)) = self.queue.get(at + count) else { break };
            let length = next.span.length;
            total += length as usize;
            let alike = next.together && next.segment == 0 && next.flags == leader.flags;
            if !alike || length == 0 || length > last || total > MAX_BYTES_TOGETHER {
                break;
            }
            if self.destination(memory, at + count) != Some(message.name()) {
                break;
            }
            let Some(payload) = memory.resolve(&next.span) else { break };
            message.add_payload(payload.as_ptr(), length as usize);
            (count, last) = (count + 1, length);
        }
        count
    }

    /// The send that began with the datagram of this number has come back.
    pub(crate) fn sent<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>, result: i32, number: usize) {
        let Some(at) = number.checked_sub(self.first) else {
            return; // Given up when the ring failed.
        };
        let Some(&(outgoing, Progress::InFlight(count))) = self.queue.get(at) else {
            return; // The same.
        };
        self.in_flight -= count;
        let to_peer = outgoing.destination.is_none() && self.former_peer(number).is_none();
        let waits = (!self.unix || to_peer) && outgoing.flags & libc::MSG_DONTWAIT == 0;
        let full = waits && -result == libc::EAGAIN;
        let answered = match -result {
            _ if full => 0,
            libc::EINTR => 0,
            ..=0 => {
                self.room.progress();
                count
            }
            libc::EINVAL | libc::EMSGSIZE | libc::EIO | libc::ENOBUFS | libc::ENOMEM if count > 1 => {
                for (outgoing, _) in self.queue.range_mut(at..at + count) {
                    outgoing.together = false;
                }
                0
            }
            _ => 1,
        };
        for (_, progress) in self.queue.range_mut(at..at + answered) {
            *progress = Progress::Done(result.min(0));
        }
        for (_, progress) in self.queue.range_mut(at + answered..at + count) {
            *progress = Progress::Queued;
        }
        if answered < count {
            self.next = self.next.min(number + answered);
        }
        self.settle_done(state, io);
        if !full && self.next - self.first < self.queue.len() {
            self.list(state, io);
        }
        // One that is being closed offers what it has once, and does not wait.
        if full && !self.waiting && !state.closing {
            self.waiting = true;
            self.room.wait(state, io);
        }
    }

    /// The wait for room has news.
    pub(crate) fn writable<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>, completion: &Cqe) {
        if self.room.polled(state, io, completion, self.waits()) {
            self.waiting = false;
            if !self.queue.is_empty() {
                self.list(state, io);
            }
        }
    }

    /// A pause in the wait for room is over.
    pub(crate) fn resume<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) {
        self.room.paused(state, io, self.waits());
    }

    fn waits(&self) -> Waiting {
        match (self.waiting, self.queue.is_empty()) {
            (true, _) => Waiting::Yes,
            (false, false) => Waiting::Trying,
            (false, true) => Waiting::No,
        }
    }

    /// Settles what is done, in the order of sending.
    fn settle_done<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>) {
        while let Some(&(_, Progress::Done(status))) = self.queue.front() {
            self.queue.pop_front();
            self.first += 1;
            Self::settle(state, io, status);
        }
        self.next = self.next.max(self.first);
        self.forget_former();
    }

    fn forget_former(&mut self) {
        while self.former.front().is_some_and(|(end, _)| *end <= self.first) {
            self.former.pop_front();
        }
    }

    /// Successes in a row become one event.
    fn settle<K: Kernel>(state: &HandleState, io: &mut Io<K>, status: i32) {
        if let Some(Event::Sent { handle, status: 0, count }) = io.events.back_mut()
            && *handle == state.id
            && status == 0
        {
            *count += 1;
        } else {
            io.events.push_back(Event::Sent { handle: state.id, status, count: 1 });
        }
    }

    /// The handle is being closed and nothing is with the kernel any more: what is left is settled.
    pub(crate) fn cancel_unsent<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>) {
        self.settle_all(state, io, -libc::ECANCELED);
    }

    /// Settles all that is queued: with what is known, and `failure` for the rest.
    pub(super) fn settle_all<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>, failure: i32) {
        for (_, progress) in std::mem::take(&mut self.queue) {
            self.first += 1;
            let status = if let Progress::Done(status) = progress { status } else { failure };
            Self::settle(state, io, status);
        }
        self.next = self.first;
        self.forget_former();
    }
}
