//! A turn: what was asked for goes to the kernel, and what is ready is collected.

use crate::error::Errno;
use crate::kernel::{Kernel, Wait};
use crate::memory::Memory;
use crate::reactor::Reactor;
use crate::resource::{Handle, Resource};

impl<K: Kernel> Reactor<K> {
    /// Submits what was asked for and collects what is ready.
    ///
    /// # Errors
    /// What `io_uring_enter(2)` reports beyond conditions of the moment: the ring is unusable. It is not entered again,
    /// since sends may be left in its queue whose memory is gone by then; every later turn fails likewise, and with it
    /// whatever was asked for.
    pub fn turn(&mut self, memory: &mut impl Memory) -> Result<(), Errno> {
        self.turn_with(memory, Wait::No)
    }

    pub(crate) fn turn_with(&mut self, memory: &mut impl Memory, wait: Wait) -> Result<(), Errno> {
        self.turn_up_to(self.completions_per_turn, memory, wait)
    }

    /// A turn that takes no more from the kernel once there are so many completions and events to be looked at.
    pub(super) fn turn_up_to(&mut self, limit: usize, memory: &mut impl Memory, wait: Wait) -> Result<(), Errno> {
        self.turns += 1;
        if self.io.failure().is_none() {
            self.io.push_backlog();
            // First what was written in answer to what was received: its outcome comes before news of the peer.
            self.send_listed(memory);
            self.arm_due();
            self.feed_starved();
            self.start_waiting(memory);
        }
        self.io.enter_again = false;
        if self.io.kernel.unsubmitted() > 0 || self.io.kernel.ready() || wait != Wait::No {
            // A failure is seen to at the end: what has completed is true all the same.
            let _ = self.io.enter(wait);
        }
        // Events that nobody has taken yet count as well: what is not taken stays in the kernel's queue, which holds
        // its peers back when it is full. After a failure there is no other turn that could look at the rest: it may
        // hold descriptors.
        let limit = if self.io.failure().is_some() { usize::MAX } else { limit };
        self.collect(limit, memory);
        // Behind a datagram that ended its receive there may be others, one at a time and in order, as by `recvmsg(2)`.
        // And who has closed a socket behind its last write has it closed in this turn: what its peer answers comes too
        // late, as with core.
        while std::mem::take(&mut self.io.enter_again)
            && self.io.events.len() < limit
            && self.io.enter(Wait::No).is_ok()
        {
            self.collect(limit, memory);
        }
        self.tell_due_ends();
        // What was refused goes again in the same turn.
        if self.io.failure().is_none() && self.files.has_work() {
            self.start_waiting(memory);
            if self.io.kernel.unsubmitted() > 0 {
                let _ = self.io.enter(Wait::No);
            }
        }
        match self.io.failure() {
            None => Ok(()),
            Some(errno) => {
                self.abort(errno);
                Err(errno)
            }
        }
    }

    /// Looks at what has completed, as far as there is room for what comes of it.
    fn collect(&mut self, limit: usize, memory: &mut impl Memory) {
        let room = limit.saturating_sub(self.io.arrived.len() + self.io.events.len());
        self.io.reap(room);
        let mut arrived = std::mem::take(&mut self.io.arrived);
        for completion in arrived.drain(..) {
            self.complete(&completion, memory);
        }
        // An overflow may have appended to the list while it was out; what `enter` reaps stays for the next turn.
        arrived.append(&mut self.io.arrived);
        self.io.arrived = arrived;
    }

    fn arm_due(&mut self) {
        while let Some(id) = self.io.next_due_arm() {
            match self.handles.get_mut(id) {
                Some(Handle { state, resource: Resource::Stream(stream) }) => {
                    stream.arm_when_heard(state, &mut self.io);
                }
                Some(Handle { state, resource: Resource::Listener(listener) }) => {
                    listener.arm(state, &mut self.io);
                }
                Some(Handle { state, resource: Resource::Datagram(datagram) }) => {
                    datagram.receive_when_heard(state, &mut self.io);
                }
                _ => {}
            }
        }
    }

    /// Tells of ends, now that JavaScript has heard of what came before them and what it answered has been offered.
    fn tell_due_ends(&mut self) {
        let heard = self.io.heard();
        while let Some(id) = self.io.next_due_end(heard) {
            if let Some((stream, state, io)) = self.stream(id) {
                stream.tell_end(state, io);
            }
        }
    }

    fn feed_starved(&mut self) {
        let io = &mut self.io;
        let mut starved = io.bytes.take_starved(&mut io.kernel);
        if let Some(datagrams) = &mut io.datagrams {
            starved.append(&mut datagrams.take_starved(&mut io.kernel));
        }
        for id in starved {
            if let Some((stream, state, io)) = self.stream(id) {
                stream.feed(state, io);
            } else if let Some((datagram, state, io)) = self.datagram(id) {
                datagram.feed(state, io);
            }
        }
    }

    fn send_listed(&mut self, memory: &mut impl Memory) {
        let mut listed = std::mem::take(&mut self.io.unsent);
        let mut done = 0;
        for &id in &listed {
            // One that is closing sends as well: what was written before the close.
            let room = match self.handles.get_mut(id) {
                Some(Handle { state, resource: Resource::Stream(stream) }) => stream.send(state, &mut self.io, memory),
                Some(Handle { state, resource: Resource::Datagram(datagram) }) => {
                    datagram.send(state, &mut self.io, memory)
                }
                _ => true,
            };
            if !room {
                break;
            }
            self.proceed_with_close(id);
            done += 1;
        }
        listed.drain(..done);
        // Streams listed meanwhile come behind those that found no room.
        listed.append(&mut self.io.unsent);
        self.io.unsent = listed;
    }
}
