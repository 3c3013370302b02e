//! The receiving half of a stream.
//!
//! One multishot receive per stream that wants to read. Each completion fills a provided buffer, which is lent to the
//! reader and comes back when it has been read. The operation ends with the stream, with an error, when it is cancelled
//! because nobody wants to read, and without an error when the kernel takes it off (the completion queue is full, or it
//! has served it for long): a missing `F_MORE` re-arms it. An empty buffer ring ends it with `ENOBUFS`, and it is not
//! armed while that is known to be empty; it is armed again in its turn when buffers come back. Where it ends and more
//! waits, the reader may have that by a system call ([`Reactor::receive_nowait`](crate::Reactor::receive_nowait)).
//!
//! **The end.** Bytes and the end behind them may come in one turn. With core what a listener writes in answer to the
//! bytes is offered within the call, and the end is looked for afterwards. So here the end is told of when the bytes
//! have been heard of and the answer has been offered: who answers a peer that has gone learns of it by the answer. A
//! connection that has broken down behind the bytes never just ends, since bytes may be missing: the error is told, as
//! by libuv from Node 24 on. It is told to who reads: a reader that has stopped has bytes yet to look at, which an
//! error would have it throw away.

use std::os::fd::OwnedFd;

use super::Stream;
use crate::event::Event;
use crate::handle::HandleState;
use crate::io::Io;
use crate::kernel::{BufferGroup, Cqe, Extent, Kernel};
use crate::message::{Passed, Receipt};
use crate::operation::CancelableOperation;
use crate::slab::OperationId;

/// After so many bytes a receive ends and is armed anew in the next turn. The buffer that they end in is filled: 128
/// KiB at most.
const RUN: u32 = 64 * 1024;

#[derive(Default)]
pub(super) enum Receiving {
    #[default]
    Idle,
    Armed(OperationId),
    /// A cancel is on its way.
    Stopping,
    /// There was no buffer.
    Starved,
    /// The reader may take a piece at once, until it has heard of the event of this number.
    Offered(u64),
    /// Nothing will ever follow, with this status, which is told once the bytes before it have been heard of.
    Ending(i32),
    /// Nothing will ever follow, with this error, which is told when somebody reads.
    Broken(i32),
    /// Nothing will ever follow.
    Ended,
}

impl Stream {
    /// Lets data come. `takes_pieces`: what waits behind a receive is offered to the reader.
    pub(crate) fn read_start<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>, takes_pieces: bool) {
        // For good.
        if self.ceasing {
            return;
        }
        self.wants_to_read = true;
        self.takes_pieces = takes_pieces;
        if let Receiving::Broken(status) = self.receiving {
            // With the turn, as everything that is told: until then the handle may be closed.
            self.receiving = Receiving::Ending(status);
            io.end_when_heard(state.id);
        } else {
            self.arm(state, io);
        }
    }

    /// Lets no more data come. What is already on its way is still delivered. The kernel is told only when bytes come
    /// that nobody wants: a reader that keeps stopping and starting, as streams do under backpressure, costs nothing as
    /// long as it is as fast as the writer.
    pub(crate) fn read_stop(&mut self) {
        self.wants_to_read = false;
        self.has_stopped = true;
    }

    /// Lets no more data come for good, and takes none: what was on its way is delivered, then the end is told of with
    /// `ECANCELED`. What the peer sends waits in the socket, for whoever is given it.
    pub(crate) fn read_cease<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) {
        self.wants_to_read = false;
        self.ceasing = true;
        match self.receiving {
            Receiving::Armed(operation) => {
                io.cancel(operation);
                self.receiving = Receiving::Stopping;
            }
            // What was offered and not taken stays in the socket.
            Receiving::Idle | Receiving::Starved | Receiving::Offered(_) => self.end(state, io, -libc::ECANCELED),
            Receiving::Broken(status) => self.end(state, io, status),
            Receiving::Stopping | Receiving::Ending(_) | Receiving::Ended => {}
        }
    }

    /// Starts receiving, where that is wanted and nothing stands against it.
    pub(crate) fn arm<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) {
        if self.wants_to_read && !state.closing && matches!(self.receiving, Receiving::Idle) {
            if self.more_waits && self.takes_pieces && !self.takes_descriptors() {
                return self.offer_more(state, io);
            }
            let operation = match &mut self.scm_rights {
                // Goes on when they have been taken.
                Some(scm_rights) if !scm_rights.arrived.is_empty() => return,
                Some(scm_rights) if scm_rights.limit > 0 => {
                    scm_rights.armed = true;
                    CancelableOperation::ReceiveMessage(Receipt::new(scm_rights.limit))
                }
                // It would end at once.
                _ if io.bytes.is_exhausted() => {
                    io.totals.exhaustions += 1;
                    self.receiving = Receiving::Starved;
                    return io.bytes.starve(state.id);
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

    pub(super) fn takes_descriptors(&self) -> bool {
        self.scm_rights.as_ref().is_some_and(|scm_rights| scm_rights.limit > 0)
    }

    /// The descriptors that came last. With that others may come.
    pub(crate) fn take_descriptors<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) -> Vec<OwnedFd> {
        let taken =
            self.scm_rights.as_mut().map(|scm_rights| std::mem::take(&mut scm_rights.arrived)).unwrap_or_default();
        self.arm(state, io);
        taken
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
            1.. if self.ceasing => self.end(state, io, -libc::ECANCELED),
            1.. => {
                self.more_waits = completion.others_wait();
                io.arm_when_heard(state.id);
            }
            _ => match -completion.result {
                libc::ENOBUFS if self.wants_to_read => {
                    self.receiving = Receiving::Starved;
                    match &mut io.datagrams {
                        Some(datagrams) if by_message => datagrams.starve(state.id),
                        _ => io.bytes.starve(state.id),
                    }
                }
                libc::ECANCELED | libc::EINTR | libc::EAGAIN | libc::ENOBUFS if self.ceasing => {
                    self.end(state, io, -libc::ECANCELED);
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

    pub(super) fn end<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>, status: i32) {
        if self.last_bytes > io.heard() {
            self.receiving = Receiving::Ending(status);
            io.end_when_heard(state.id);
        } else if status < 0 && !self.wants_to_read && !self.ceasing {
            self.receiving = Receiving::Broken(status);
        } else {
            self.ended(state, io, status);
        }
    }

    pub(super) fn ended<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>, status: i32) {
        self.receiving = Receiving::Ended;
        io.events.push_back(Event::Ended { handle: state.id, status });
    }

    /// The bytes before the end have been heard of.
    pub(crate) fn tell_end<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>) {
        if let Receiving::Ending(status) = self.receiving {
            self.end(state, io, status);
        }
    }
}
