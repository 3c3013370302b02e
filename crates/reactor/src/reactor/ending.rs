//! How a reactor ends: because its ring has failed, or because its thread is done with it.

use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use crate::error::Errno;
use crate::event::Event;
use crate::handle_id::HandleId;
use crate::kernel::{Kernel, Wait};
use crate::memory::Memory;
use crate::reactor::Reactor;
use crate::resource::{Handle, Resource};
use crate::socket;

/// How long to wait at a time for what is waited for without a limit.
const PAUSE: Duration = Duration::from_millis(10);

/// How long files are waited for that have something under way. Core waits for its own without a limit; what takes
/// longer than this is taken for a server that does not answer.
const FILE_PATIENCE: Duration = Duration::from_secs(10);

impl<K: Kernel> Reactor<K> {
    /// The ring has failed: everything that is wanted of it ends with that error, and what is being closed is closed
    /// without it.
    pub(crate) fn abort(&mut self, errno: Errno) {
        self.io.unsent.clear();
        self.forget_starved();
        self.io.drop_requests();
        self.files.abort(&mut self.io, errno);
        for id in self.handles.ids() {
            self.abort_handle(id, errno);
        }
    }

    /// The same for one handle.
    pub(crate) fn abort_handle(&mut self, id: HandleId, errno: Errno) {
        let Some(Handle { state, resource }) = self.handles.get_mut(id) else {
            return;
        };
        match resource {
            Resource::Stream(stream) => stream.abort(state, &mut self.io, errno),
            Resource::Listener(listener) => listener.abort(state, &mut self.io, errno),
            Resource::File(file) => file.abort(state, &mut self.io, errno),
            Resource::Datagram(datagram) => datagram.abort(state, &mut self.io, errno),
        }
        if state.closing {
            if matches!(resource, Resource::File(_)) {
                state.leave_open_if_used();
            }
            if let Some(descriptor) = state.take_descriptor() {
                // Requests in flight keep the socket open beyond this: its peer hears of the end all the same.
                let _ = socket::shutdown_write(descriptor.as_raw_fd());
            }
            self.io.closed(id);
            self.handles.remove(id);
        }
    }

    /// Sends what is queued and fits, closes everything and waits for the kernel to let go: for as long as it does so,
    /// and then for at most `patience`, or [`FILE_PATIENCE`] where it is files that it is busy with: a sync may take
    /// seconds. Writes of files that are under way from JavaScript's memory, which is about to go, are waited for as
    /// long as the ring works: core waits for its own as well.
    ///
    /// What is still open afterwards is closed when the reactor is dropped, and what is still in flight is leaked,
    /// files included that something is in flight on.
    pub fn shut_down(&mut self, memory: &mut impl Memory, patience: Duration) {
        let _ = self.turn(memory);
        self.discard_events();
        self.files.waiting.clear();
        for id in self.handles.ids() {
            self.close(id);
        }
        self.forget_starved();
        let mut moved = Instant::now();
        let mut before = self.in_the_way();
        while self.in_the_way() > 0 {
            let waited = moved.elapsed();
            let mut left = patience.saturating_sub(waited);
            if left.is_zero() && (self.files.in_place > 0 || waited < FILE_PATIENCE && self.uses_files()) {
                left = PAUSE;
            }
            // What waits for room in the submission queue must not wait for a completion as well.
            let wait = if self.has_work() { Wait::No } else { Wait::Until(left) };
            if left.is_zero() || self.turn_with(memory, wait).is_err() {
                break;
            }
            self.discard_events();
            if self.in_the_way() < before {
                before = self.in_the_way();
                moved = Instant::now();
            }
        }
        self.discard_events();
        for id in self.handles.ids() {
            if let Some(Handle { state, resource: Resource::File(_) }) = self.handles.get_mut(id) {
                state.leave_open_if_used();
            }
        }
    }

    /// Whether something is in flight on a file that is no pipe or device, which nobody may ever read or write.
    fn uses_files(&mut self) -> bool {
        self.handles.ids().into_iter().any(|id| match self.handles.get_mut(id) {
            Some(Handle { state, resource: Resource::File(file) }) => state.in_flight > 0 && file.is_seekable(),
            _ => false,
        })
    }

    fn forget_starved(&mut self) {
        self.io.bytes.forget_starved();
        if let Some(datagrams) = &mut self.io.datagrams {
            datagrams.forget_starved();
        }
        self.io.forget_due();
    }

    /// What the end waits for.
    fn in_the_way(&self) -> usize {
        self.handles.open() + self.io.operations.live() + self.io.backlog.len()
    }

    fn discard_events(&mut self) {
        while let Some(event) = self.next_event() {
            match event {
                Event::Received { slice, .. } => self.give_back(slice.buffer),
                Event::Datagram { received, .. } => self.give_datagram_back(received.slice.buffer),
                Event::Message { slice, .. } => self.give_datagram_back(slice.buffer),
                // It came while everything was being closed.
                Event::Accepted { peer, .. } => self.close(peer),
                Event::Opened { handle, .. } => self.close(handle),
                _ => {}
            }
        }
    }
}
