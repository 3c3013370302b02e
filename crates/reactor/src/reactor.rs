//! The reactor: one per thread, driven by whoever owns the thread's event loop.
//!
//! A **turn** hands the kernel what has been asked for, collects what has become ready and turns it into [`Event`]s.
//! Nothing is called back while the completion queue is walked: the owner takes the events out afterwards, and whatever
//! it asks for in response goes with the next turn.
//!
//! No call here blocks, except [`Reactor::shut_down`] for the time it is given.

mod adoption;
mod descriptors;
mod dispatch;
mod ending;
mod files;
mod turn;

use std::os::fd::{OwnedFd, RawFd};

use crate::address::SocketAddress;
use crate::buffer_pool::BufferPool;
use crate::datagram::{Datagram, Outgoing};
use crate::error::Errno;
use crate::event::{Event, Stats, Totals};
use crate::file::files::Files;
use crate::handle::HandleState;
use crate::handle_id::HandleId;
use crate::io::Io;
use crate::kernel::{BufferGroup, Kernel, Wait};
use crate::listener::Listener;
use crate::memory::{Memory, Span};
use crate::receive_buffers::ReceiveBuffers;
use crate::resource::{Handle, Handles, Resource};
use crate::socket;
use crate::stream::Stream;

pub use adoption::Adopted;

/// Turns that [`Reactor::close_now`] makes at most: in each the kernel does at least some twenty of the things that it
/// has put off.
const MAX_TURNS_OF_A_CLOSE: usize = 4096;

/// An io_uring reactor. Belongs to the thread that made it.
pub struct Reactor<K: Kernel> {
    // Declared before `io`: descriptors are closed before the ring goes away.
    pub(crate) handles: Handles,
    pub(crate) io: Io<K>,
    pub(crate) files: Files,
    completions_per_turn: usize,
    turns: u64,
}

impl<K: Kernel> Reactor<K> {
    /// Makes a reactor over a kernel and hands it the receive buffers. One turn takes at most `completions_per_turn`
    /// from the kernel: what is left waits for the next, so that timers and other handles of the event loop are not
    /// starved.
    #[must_use]
    pub fn new(kernel: K, pool: BufferPool, completions_per_turn: usize) -> Self {
        Self {
            handles: Handles::default(),
            io: Io::new(kernel, pool),
            files: Files::default(),
            completions_per_turn,
            turns: 0,
        }
    }

    /// The kernel.
    pub fn kernel(&self) -> &K {
        &self.io.kernel
    }

    /// The kernel, to change how it works.
    pub fn kernel_mut(&mut self) -> &mut K {
        &mut self.io.kernel
    }

    /// The receive buffers.
    pub fn pool(&self) -> &BufferPool {
        self.io.bytes.pool()
    }

    /// Counts.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            handles: self.handles.open(),
            operations: self.io.operations.live(),
            buffers_lent: self.io.bytes.pool().lent() + self.datagram_pool().map_or(0, BufferPool::lent),
            starved: self.io.bytes.starved() + self.io.datagrams.as_ref().map_or(0, ReceiveBuffers::starved),
            events: self.io.events.len(),
            backlog: self.io.backlog.len(),
            waiting: self.files.waiting.len(),
            bounces: self.files.bounces.count(),
            turns: self.turns,
        }
    }

    /// Counts of what has happened.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.io.totals
    }

    /// Takes over a stream socket. `None`, and the descriptor closed, when the handle table is full.
    pub fn add_stream(&mut self, descriptor: OwnedFd) -> Option<HandleId> {
        self.handles.insert(descriptor, Resource::Stream(Stream::default()))
    }

    /// Maps the buffers of datagram sockets, which else the first of them does: for those who must know beforehand that
    /// there is room.
    ///
    /// # Errors
    /// `ENOMEM` when the address space is full.
    pub fn prepare_for_datagrams(&mut self) -> Result<(), Errno> {
        self.io.prepare_datagrams()
    }

    /// Takes over a datagram socket, a UNIX one or not.
    ///
    /// # Errors
    /// `EMFILE` where the handle table is full; with the first one also `ENOMEM`. The descriptor is closed then.
    pub fn add_datagram(&mut self, descriptor: OwnedFd, unix: bool) -> Result<HandleId, Errno> {
        self.io.prepare_datagrams()?;
        self.handles.insert(descriptor, Resource::Datagram(Box::new(Datagram::new(unix)))).ok_or(Errno::EMFILE)
    }

    /// The receive buffers of datagram sockets, and of streams that take descriptors: there from the first of them on.
    pub fn datagram_pool(&self) -> Option<&BufferPool> {
        self.io.datagrams.as_ref().map(ReceiveBuffers::pool)
    }

    /// Takes over a socket that listens or will.
    pub fn add_listener(&mut self, descriptor: OwnedFd) -> Option<HandleId> {
        self.handles.insert(descriptor, Resource::Listener(Listener::default()))
    }

    /// The descriptor of a handle that is not being closed.
    #[must_use]
    pub fn descriptor(&self, id: HandleId) -> Option<RawFd> {
        self.handles.get(id).filter(|handle| !handle.state.closing).map(|handle| handle.state.fd())
    }

    pub(crate) fn stream(&mut self, id: HandleId) -> Option<(&mut Stream, &mut HandleState, &mut Io<K>)> {
        match self.handles.get_mut(id) {
            Some(Handle { state, resource: Resource::Stream(stream) }) if !state.closing => {
                Some((stream, state, &mut self.io))
            }
            _ => None,
        }
    }

    pub(crate) fn datagram(&mut self, id: HandleId) -> Option<(&mut Datagram, &mut HandleState, &mut Io<K>)> {
        match self.handles.get_mut(id) {
            Some(Handle { state, resource: Resource::Datagram(datagram) }) if !state.closing => {
                Some((datagram, state, &mut self.io))
            }
            _ => None,
        }
    }

    /// Sends a datagram, after all that were sent before. [`Event::Sent`] follows.
    pub fn send_datagram(&mut self, id: HandleId, outgoing: Outgoing) {
        if let Some((datagram, state, io)) = self.datagram(id) {
            datagram.queue(state, io, outgoing);
        }
    }

    /// Datagrams that the kernel has not taken yet, and the bytes of their payloads.
    #[must_use]
    pub fn datagram_queue(&self, id: HandleId) -> (usize, usize) {
        match self.handles.get(id) {
            Some(Handle { resource: Resource::Datagram(datagram), .. }) => datagram.queued(),
            _ => (0, 0),
        }
    }

    /// Hands over what a datagram socket has queued, as far as there is room.
    ///
    /// # Errors
    /// Those of [`turn`](Self::turn).
    pub fn offer_datagrams(&mut self, id: HandleId, memory: &mut impl Memory) -> Result<(), Errno> {
        // Each turn hands something over, and the kernel answers at once: were it not to, what is left goes with the
        // turns to come.
        let most = self.datagram_queue(id).0 + 1;
        for _ in 0..most {
            match self.datagram(id) {
                Some((datagram, ..)) if datagram.is_sending() => self.turn(memory)?,
                _ => break,
            }
        }
        Ok(())
    }

    /// Connects a datagram socket, at once, or ends its connection. What was sent to its peer before still goes there.
    ///
    /// # Errors
    /// `connect(2)`'s; `EBADF` for what is not an open datagram socket.
    pub fn connect_datagram(&mut self, id: HandleId, peer: Option<&SocketAddress>) -> Result<(), Errno> {
        let (datagram, state, _) = self.datagram(id).ok_or(Errno(libc::EBADF))?;
        let before = socket::peer_address(state.fd());
        socket::connect_datagram(state.fd(), peer.unwrap_or(&SocketAddress::unspecified()))?;
        if let Ok(before) = before {
            datagram.keep_peer(&before);
        }
        Ok(())
    }

    /// Receives one datagram after another from now on, each when the one before has been heard of: other processes
    /// have the socket, too, and are to get what is not wanted here any more.
    pub fn share_datagram(&mut self, id: HandleId) {
        if let Some((datagram, _, io)) = self.datagram(id) {
            datagram.share(io);
        }
    }

    /// Gives control data room in what is received, or takes it away. From the next datagram on, or soon after.
    pub fn set_datagram_control(&mut self, id: HandleId, wanted: bool) {
        if let Some((datagram, _, io)) = self.datagram(id) {
            datagram.set_control(io, wanted);
        }
    }

    /// Starts accepting on a bound socket. [`Event::Accepted`] follows for every connection.
    ///
    /// # Errors
    /// `listen(2)`'s; `EBADF` for what is not an open listener.
    pub fn listen(&mut self, id: HandleId, backlog: i32) -> Result<(), Errno> {
        let Some(Handle { state, resource: Resource::Listener(listener) }) = self.handles.get_mut(id) else {
            return Err(Errno(libc::EBADF));
        };
        if state.closing {
            return Err(Errno(libc::EBADF));
        }
        socket::listen(state.fd(), backlog)?;
        self.io.spare_descriptor.fill();
        listener.arm(state, &mut self.io);
        Ok(())
    }

    /// Starts connecting a stream; [`Event::Connected`] follows.
    ///
    /// # Errors
    /// `EBADF` for what is not an open stream.
    pub fn connect(&mut self, id: HandleId, peer: SocketAddress) -> Result<(), Errno> {
        let (stream, state, io) = self.stream(id).ok_or(Errno(libc::EBADF))?;
        stream.connect(state, io, peer);
        Ok(())
    }

    /// Lets data come: [`Event::Received`], then one [`Event::Ended`]; [`Event::Datagram`] on a datagram socket. Does
    /// nothing on a handle that is closing or gone, like all that follow here.
    pub fn read_start(&mut self, id: HandleId) {
        if let Some((stream, state, io)) = self.stream(id) {
            stream.read_start(state, io, false);
        } else if let Some((datagram, state, io)) = self.datagram(id) {
            datagram.receive_start(state, io);
        }
    }

    /// The same for a stream's reader that has a use for [`Event::Readable`].
    pub fn read_start_in_pieces(&mut self, id: HandleId) {
        if let Some((stream, state, io)) = self.stream(id) {
            stream.read_start(state, io, true);
        }
    }

    /// Receives a piece of what waits, behind [`Event::Readable`]: how many bytes. Zero where nothing is to be had at
    /// once, which includes the stream's end and errors: they are told of as ever. Behind a piece that has filled its
    /// room another one may be had at once; if none is asked for, another such event follows.
    ///
    /// # Safety
    /// `room` points at as many bytes as it says, which may be written and which nobody else looks at for the length of
    /// the call.
    pub unsafe fn receive_nowait(&mut self, id: HandleId, room: libc::iovec) -> usize {
        let Some((stream, state, io)) = self.stream(id) else { return 0 };
        // SAFETY: the caller's promise.
        unsafe { stream.receive_nowait(state, io, room) }
    }

    /// Stops [`read_start`](Self::read_start). What was on its way is still delivered.
    pub fn read_stop(&mut self, id: HandleId) {
        if let Some((stream, ..)) = self.stream(id) {
            stream.read_stop();
        } else if let Some((datagram, _, io)) = self.datagram(id) {
            datagram.receive_stop(io);
        }
    }

    /// Stops [`read_start`](Self::read_start) for good: behind what was on its way [`Event::Ended`] says `ECANCELED`,
    /// unless the stream has ended. From then on nothing is taken from the socket. Of a stream alone.
    pub fn read_cease(&mut self, id: HandleId) {
        if let Some((stream, state, io)) = self.stream(id) {
            stream.read_cease(state, io);
        }
    }

    /// Queues bytes for sending, after all that was queued before. [`Event::Written`] follows for those marked `last`.
    pub fn write(&mut self, id: HandleId, span: Span, last: bool) {
        if let Some((stream, state, io)) = self.stream(id) {
            stream.write(state, io, span, last);
        }
    }

    /// Offers bytes, in at most [`MAX_SLICES_NOWAIT`](crate::MAX_SLICES_NOWAIT) slices, to the kernel, behind what was
    /// written since the last turn, unless that is much, or waits for room: how many of them it has taken. What it has
    /// not is to be [written](Self::write) then, and ends with the error where it was refused for good.
    ///
    /// # Safety
    /// Each slice points at as many bytes as it says, which stay as they are for the length of the call.
    pub unsafe fn send_nowait(&mut self, id: HandleId, memory: &mut impl Memory, slices: &[libc::iovec]) -> usize {
        let Some((stream, state, io)) = self.stream(id) else { return 0 };
        // SAFETY: the caller's promise.
        unsafe { stream.send_nowait(state, io, memory, slices) }
    }

    /// Ends the sending half once everything queued is sent; [`Event::ShutDown`] follows.
    pub fn shut_down_write(&mut self, id: HandleId) {
        if let Some((stream, state, io)) = self.stream(id) {
            stream.shut_down(state, io);
        }
    }

    /// Closes a handle; [`Event::Closed`] follows. What was written before is offered to the kernel once, as core would
    /// have done while it was written; what does not fit is given up, and reported with `ECANCELED` before.
    pub fn close(&mut self, id: HandleId) {
        let Some(Handle { state, resource }) = self.handles.get_mut(id) else {
            return;
        };
        if std::mem::replace(&mut state.closing, true) {
            return;
        }
        match resource {
            Resource::Stream(stream) => stream.close(),
            Resource::Listener(_) => {}
            Resource::File(file) => {
                let commits = file.commits.take_tokens();
                for token in file.waiting_at_cursor().map(|transfer| transfer.token).chain(commits) {
                    self.io.settle(token, -libc::ECANCELED);
                }
            }
            Resource::Datagram(datagram) => datagram.close(),
        }
        match self.io.failure() {
            None => self.proceed_with_close(id),
            Some(errno) => self.abort_handle(id, errno),
        }
    }

    /// Closes a handle and returns when its descriptor is closed, so that its address is free: the kernel gets round to
    /// what was cancelled when it is entered, but does some twenty things at a time. [`Event::Closed`] follows. Gives
    /// up on what the kernel does not let go of, which is closed later.
    ///
    /// # Errors
    /// As [`turn`](Self::turn).
    pub fn close_now(&mut self, id: HandleId, memory: &mut impl Memory) -> Result<(), Errno> {
        self.close(id);
        for _ in 0..MAX_TURNS_OF_A_CLOSE {
            if self.handles.get(id).is_none_or(|handle| !handle.state.has_descriptor()) || !self.io.has_requests() {
                break;
            }
            // Whatever comes before the end of what was cancelled has to be looked at.
            self.turn_up_to(usize::MAX, memory, Wait::No)?;
        }
        Ok(())
    }

    /// Cancels what is in flight on a handle that is closing and has nothing left to send, and ends the handle with the
    /// last of it.
    pub(super) fn proceed_with_close(&mut self, id: HandleId) {
        let Some(Handle { state, resource }) = self.handles.get_mut(id) else {
            return;
        };
        // Where the ring has failed, the end of the turn sees to it.
        if !state.closing || self.io.failure().is_some() {
            return;
        }
        if state.ending {
            return self.end_if_closed(id);
        }
        match resource {
            Resource::Stream(stream) if stream.is_sending() => return,
            Resource::Stream(stream) => stream.cancel_unsent(state, &mut self.io),
            Resource::Datagram(datagram) if datagram.is_sending() => return,
            Resource::Datagram(datagram) => datagram.cancel_unsent(state, &mut self.io),
            Resource::Listener(_) | Resource::File(_) => {}
        }
        state.ending = true;
        self.io.cancel_all(state);
        self.io.enter_again |= state.in_flight > 0;
        self.end_if_closed(id);
    }

    /// Gives back what [`Event::Received`] lent. Once for each; more is ignored.
    pub fn give_back(&mut self, buffer: u16) {
        self.io.give_back(BufferGroup::Bytes, buffer);
    }

    /// Gives back what [`Event::Datagram`] or [`Event::Message`] lent. Once for each; more is ignored.
    pub fn give_datagram_back(&mut self, buffer: u16) {
        self.io.give_back(BufferGroup::Datagrams, buffer);
    }

    /// Whether a stream has bytes that the kernel has not taken: it had no room for them, or has not been asked yet.
    #[must_use]
    pub fn holds_bytes(&self) -> bool {
        self.io.waiting_streams > 0 || !self.io.unsent.is_empty() || !self.io.backlog.is_empty()
    }

    /// Whether a turn would find anything to do.
    #[must_use]
    pub fn has_work(&self) -> bool {
        // What waits is settled where the ring has failed.
        let settles = self.io.failure().is_some() && !self.files.waiting.is_empty();
        self.io.has_work() || self.files.has_work() || settles
    }

    /// Whether anything is in flight that would complete.
    #[must_use]
    pub fn awaits_completions(&self) -> bool {
        self.io.operations.live() > 0
    }

    /// Says how many of the events that were taken out JavaScript has yet to hear of: until it has, it cannot say that
    /// it has had enough.
    pub fn set_unheard(&mut self, unheard: usize) {
        self.io.unheard = unheard as u64;
    }

    /// Tells whether what the last turn brought was seen to in the time that there is for a turn, so that the next may
    /// take more connections, or had better take fewer.
    pub fn pace(&mut self, in_time: bool) {
        self.io.accept_pace.adjust(in_time);
    }

    /// How many connections of a listener are among the events that nobody has taken out yet.
    #[must_use]
    pub fn accepted_and_untold(&self, id: HandleId) -> usize {
        let events = self.io.events.iter();
        events.filter(|event| matches!(event, Event::Accepted { listener, .. } if *listener == id)).count()
    }

    /// Takes the next event out.
    pub fn next_event(&mut self) -> Option<Event> {
        self.io.next_event()
    }
}
