//! How a reactor ends: because its ring has failed, or because its thread is done with it.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::context::Context;
use crate::error::Errno;
use crate::event::Event;
use crate::handle::{Handle, Resource};
use crate::kernel::{Kernel, Request, Wait};
use crate::memory::Memory;
use crate::reactor::Reactor;
use crate::socket;

/// How long to wait at a time for what is waited for without a limit.
const PAUSE: Duration = Duration::from_millis(10);

impl<K: Kernel> Reactor<K> {
    /// The ring has failed: everything that is wanted of it ends with that error, and what is being closed is closed without it.
    pub(crate) fn break_off(&mut self, errno: Errno) {
        self.context.unsent.clear();
        self.context.starved.clear();
        if let Some(receivers) = &mut self.context.receivers {
            receivers.starved.clear();
        }
        for (request, _) in self.context.backlog.drain(..) {
            if let Request::Close { fd, .. } = request {
                // SAFETY: the request was given the descriptor to close, and never reached the kernel.
                drop(unsafe { OwnedFd::from_raw_fd(fd) });
            }
        }
        self.context.break_off_files(errno);
        for id in self.handles.ids() {
            let Some(Handle { common, resource }) = self.handles.get_mut(id) else {
                continue;
            };
            match resource {
                Resource::Stream(stream) => stream.break_off(common, &mut self.context, errno),
                Resource::Listener(listener) => listener.break_off(common, &mut self.context, errno),
                Resource::File(file) => file.break_off(common, &mut self.context, errno),
                Resource::Datagram(datagram) => datagram.break_off(common, &mut self.context, errno),
            }
            if common.closing {
                if let Some(descriptor) = common.take_descriptor() {
                    // Requests in flight keep the socket open beyond this: its peer hears of the end all the same.
                    let _ = socket::shutdown_write(descriptor.as_raw_fd());
                }
                self.context.events.push_back(Event::Closed { handle: id });
                self.handles.remove(id);
            }
        }
    }

    /// Sends what is queued and fits, closes everything and waits for the kernel to let go, for at most `patience`. Writes of files that are under way from
    /// JavaScript's memory, which is about to go, are waited for as long as the ring works: core waits for its own as well. True when nothing is in flight any
    /// more and the memory may be freed.
    pub fn shut_down(&mut self, memory: &mut impl Memory, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let _ = self.turn(memory);
        self.discard_events();
        self.context.files.waiting.clear();
        for id in self.handles.ids() {
            self.close(id);
        }
        while self.handles.open() > 0 || self.context.operations.live() > 0 {
            let mut left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() && self.context.files.lent > 0 {
                left = PAUSE;
            }
            // What waits for room in the submission queue must not wait for a completion as well.
            let wait = if self.has_work() { Wait::No } else { Wait::Until(left) };
            if left.is_zero() || self.turn_with(memory, wait).is_err() {
                return false;
            }
            self.discard_events();
        }
        true
    }

    fn discard_events(&mut self) {
        while let Some(event) = self.next_event() {
            match event {
                Event::Received { slice, .. } => self.give_back(slice.buffer),
                Event::Datagram { received, .. } => self.give_datagram_back(received.slice.buffer),
                Event::Message { slice, .. } => self.give_datagram_back(slice.buffer),
                _ => {}
            }
        }
    }

    /// Ends the reactor without freeing what the kernel might still touch: for when [`shut_down`](Self::shut_down) gave up.
    pub fn abandon(self) {
        let Context { kernel, operations, pool, receivers, .. } = self.context;
        drop(kernel);
        std::mem::forget(operations);
        pool.leak();
        if let Some(receivers) = receivers {
            receivers.pool.leak();
        }
    }
}
