//! Where completions go: each to the state machine of what its operation was about.

use std::os::fd::{FromRawFd, OwnedFd};

use crate::event::{Event, bytes};
use crate::handle_id::HandleId;
use crate::io::Io;
use crate::kernel::{Cqe, Kernel};
use crate::memory::Memory;
use crate::message::Passed;
use crate::operation::{CancelableOperation, Operation, SendOperation};
use crate::reactor::Reactor;
use crate::resource::{Handle, Handles, Resource};
use crate::slab::{Entry, InFlight};
use crate::stream::Stream;
use crate::user_data::{IGNORED, Kind, is_nowait};

/// What a completion is about.
struct Completed<'a> {
    id: HandleId,
    /// An operation on files need not have one.
    handle: Option<&'a mut Handle>,
    kind: Kind,
    /// The operation, where this was the last of it.
    ended: Option<Operation>,
    passed: Passed,
}

/// Finds what a completion is about, and takes the operation out of what is in flight where it has ended.
fn take_out<'a, K: Kernel>(completion: &Cqe, handles: &'a mut Handles, io: &mut Io<K>) -> Option<Completed<'a>> {
    if completion.user_data == IGNORED || is_nowait(completion.user_data) {
        return None;
    }
    let Some((operation_id, &mut Entry { handle: id, ref mut operation, cancelled })) =
        io.operations.get(completion.user_data)
    else {
        debug_assert!(false, "a completion without an operation: {completion:?}");
        return None;
    };
    // Ours from here on, whatever has become of the stream.
    let passed = match operation {
        Operation::Cancelable(CancelableOperation::ReceiveMessage(receipt)) if completion.result >= 0 => receipt.take(),
        _ => Passed::default(),
    };
    let kind = operation.kind();
    match kind {
        Kind::Send => io.totals.bytes_sent += bytes(completion.result),
        Kind::Receive if completion.result == -libc::ENOBUFS => io.totals.exhaustions += 1,
        _ => {}
    }
    let mut handle = handles.get_mut(id);
    if handle.is_none() && kind != Kind::File {
        debug_assert!(io.failure().is_some(), "a handle is freed after its last operation");
        if kind == Kind::Accept && completion.result >= 0 {
            // SAFETY: the kernel has just made this descriptor for us and nobody else knows its number.
            drop(unsafe { OwnedFd::from_raw_fd(completion.result) });
        }
        return None;
    }
    let mut ended = None;
    if !completion.more() {
        let mut nowhere = InFlight::default();
        let list = match &mut handle {
            Some(handle) => {
                handle.state.in_flight -= 1;
                &mut handle.state.cancelable
            }
            None => &mut nowhere,
        };
        ended = io.operations.remove(operation_id, list).map(|entry| entry.operation);
    } else if cancelled {
        // It was being served then.
        io.cancel(operation_id);
    }
    Some(Completed { id, handle, kind, ended, passed })
}

/// Tells whoever has started the operation. A connection that was accepted comes back.
fn dispatch<K: Kernel>(
    Handle { state, resource }: &mut Handle,
    kind: Kind,
    ended: Option<Operation>,
    completion: &Cqe,
    passed: Passed,
    io: &mut Io<K>,
) -> Option<OwnedFd> {
    match (resource, kind, ended) {
        (Resource::Stream(stream), Kind::Receive, _) => stream.received(state, io, completion, passed),
        (Resource::Stream(stream), Kind::Send, Some(Operation::Send(SendOperation::Bytes(offered)))) => {
            stream.sent(state, io, completion.result, offered);
        }
        (Resource::Stream(stream), Kind::Send, Some(Operation::Send(SendOperation::Message(offered, message)))) => {
            io.recycle_message(message);
            stream.sent(state, io, completion.result, offered);
        }
        (Resource::Stream(stream), Kind::PollWritable, _) => stream.writable(state, io, completion),
        (Resource::Stream(stream), Kind::Connect, _) => stream.connected(state, io, completion.result),
        (Resource::Stream(stream), Kind::Pause, _) => stream.resume(state, io),
        (
            Resource::Datagram(datagram),
            Kind::Receive,
            Some(Operation::Cancelable(CancelableOperation::PollReadable)),
        ) => datagram.readable(state, io, completion),
        (Resource::Datagram(datagram), Kind::Receive, ended) => {
            if let Some(Operation::Cancelable(CancelableOperation::ReceiveDatagrams(message))) = ended {
                io.recycle_datagram_message(message);
            }
            datagram.received(state, io, completion);
        }
        (Resource::Datagram(datagram), Kind::Send, Some(Operation::Send(SendOperation::Datagram(number, message)))) => {
            io.recycle_datagram_message(message);
            datagram.sent(state, io, completion.result, number);
        }
        (Resource::Datagram(datagram), Kind::PollWritable, _) => datagram.writable(state, io, completion),
        (Resource::Datagram(datagram), Kind::Pause, _) => datagram.resume(state, io),
        (Resource::Listener(listener), Kind::Accept, _) => {
            return listener.accepted(state, io, completion);
        }
        (Resource::Listener(listener), Kind::Pause, _) => listener.resume(state, io),
        (Resource::File(file), Kind::Close, _) => {
            // A failed close has released the descriptor all the same (close(2)).
            if let Some(token) = file.closer.take() {
                io.settle(token, completion.result);
            }
        }
        _ => debug_assert!(false, "an operation of another resource's kind"),
    }
    None
}

impl<K: Kernel> Reactor<K> {
    /// Takes account of a completion.
    pub(super) fn complete(&mut self, completion: &Cqe, memory: &mut impl Memory) {
        let Some(completed) = take_out(completion, &mut self.handles, &mut self.io) else { return };
        let Completed { id, handle, kind, ended, passed } = completed;
        if let Some(Operation::File(operation)) = ended {
            return self.complete_file(id, operation, completion, memory);
        }
        let Some(handle) = handle else { return };
        let accepted = dispatch(handle, kind, ended, completion, passed, &mut self.io);
        let closing = handle.state.closing;
        if let Some(accepted) = accepted {
            self.admit(id, accepted, completion.others_wait());
        }
        if closing {
            self.proceed_with_close(id);
        }
    }

    /// Enters an accepted descriptor in the table and reports it. The listener goes on.
    fn admit(&mut self, id: HandleId, accepted: OwnedFd, others_wait: bool) {
        // A full table closes the connection: the peer sees an end, the listener goes on.
        if let Some(peer) = self.handles.insert(accepted, Resource::Stream(Stream::default())) {
            self.io.events.push_back(Event::Accepted { listener: id, peer });
        }
        if let Some(Handle { state, resource: Resource::Listener(listener) }) = self.handles.get_mut(id) {
            listener.go_on(state, &mut self.io, others_wait);
        }
    }

    /// Ends a handle that is to end and on which nothing is in flight any more. A file's descriptor goes to a close
    /// request only then: the kernel looks up the number of a linked request, or of a worker's, when it starts it.
    pub(crate) fn end_if_closed(&mut self, id: HandleId) {
        let Some(Handle { state, resource }) = self.handles.get_mut(id) else { return };
        if !state.ending || state.in_flight > 0 {
            return;
        }
        let descriptor = state.take_descriptor();
        match (resource, descriptor) {
            (Resource::File(_), Some(descriptor)) => {
                self.io.start_close(state, descriptor);
                self.io.enter_again = true;
                return;
            }
            (_, Some(descriptor)) => self.io.kernel.close(descriptor),
            (_, None) => {}
        }
        self.handles.remove(id);
        self.io.closed(id);
    }
}
