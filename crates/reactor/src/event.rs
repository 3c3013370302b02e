//! What a turn brings to light, and what can be counted.

use crate::buffer_pool::Slice;
use crate::error::Errno;
use crate::handle_id::HandleId;
use crate::kernel::Direction;

/// Something that happened. Statuses are zero or a negative errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A connect has ended.
    Connected {
        /// The connecting stream.
        handle: HandleId,
        /// Zero or the error.
        status: i32,
    },
    /// A connection was accepted.
    Accepted {
        /// The listener.
        listener: HandleId,
        /// The new stream; it does not read yet.
        peer: HandleId,
    },
    /// A listener has stopped accepting.
    AcceptFailed {
        /// The listener.
        listener: HandleId,
        /// The error.
        status: i32,
    },
    /// Bytes have arrived; the buffer is lent until [`Reactor::give_back`](crate::Reactor::give_back).
    Received {
        /// The stream.
        handle: HandleId,
        /// Where they are.
        slice: Slice,
    },
    /// More waits than a receive has delivered. Whoever has a use for a piece of it takes it by
    /// [`Reactor::receive_nowait`](crate::Reactor::receive_nowait) before the next turn; otherwise it comes as
    /// [`Received`](Self::Received).
    Readable {
        /// The stream.
        handle: HandleId,
    },
    /// Bytes have arrived on a stream that takes descriptors; the buffer is lent until
    /// [`Reactor::give_datagram_back`](crate::Reactor::give_datagram_back).
    Message {
        /// The stream.
        handle: HandleId,
        /// Where the bytes are.
        slice: Slice,
        /// How many descriptors came with them: to be had from
        /// [`Reactor::take_descriptors`](crate::Reactor::take_descriptors).
        descriptors: u8,
        /// Some were lost: there was no room for them in the descriptor table.
        lost: bool,
    },
    /// Nothing more will arrive.
    Ended {
        /// The stream.
        handle: HandleId,
        /// Zero at the end of the stream, or the error.
        status: i32,
    },
    /// A write request is with the kernel, or has failed.
    Written {
        /// The stream.
        handle: HandleId,
        /// Zero or the error.
        status: i32,
    },
    /// The sending half has been shut down.
    ShutDown {
        /// The stream.
        handle: HandleId,
        /// Zero or the error.
        status: i32,
    },
    /// A datagram has arrived; its buffer is lent until
    /// [`Reactor::give_datagram_back`](crate::Reactor::give_datagram_back).
    Datagram {
        /// The socket.
        handle: HandleId,
        /// Where its parts are.
        received: Received,
    },
    /// The network reports an error on a datagram socket. It goes on receiving.
    ReceiveFailed {
        /// The socket.
        handle: HandleId,
        /// The error.
        status: i32,
    },
    /// Datagrams are with the kernel, or one has failed. In the order of sending.
    Sent {
        /// The socket.
        handle: HandleId,
        /// Zero or the error.
        status: i32,
        /// How many; one where there is an error.
        count: u32,
    },
    /// The descriptor is closed, nothing is in flight and the handle's name is no longer valid.
    Closed {
        /// What was closed.
        handle: HandleId,
    },
    /// A file has been opened.
    Opened {
        /// Who asked for it.
        token: u32,
        /// The new handle.
        handle: HandleId,
        /// What it is.
        opened: Opened,
    },
    /// A transfer or call is done.
    FileDone {
        /// Who asked for it.
        token: u32,
        /// Bytes or zero on success, a negative errno on failure.
        result: i32,
    },
    /// The ring is beyond use. Told once, before what ends because of it: whatever is asked for from then on ends with
    /// that error.
    RingFailed {
        /// What it failed with.
        errno: Errno,
    },
}

/// Where the parts of a received datagram lie in its buffer. All of it is inside `slice`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// The payload.
    pub slice: Slice,
    /// Where the sender's name begins, counted from the start of the pool.
    pub name: u32,
    /// Bytes of the name; 0 where the sender has none.
    pub name_length: u8,
    /// Bytes of control data, which end where the payload begins less what is left of their room.
    pub control_length: u16,
    /// The datagram was longer than the buffer.
    pub truncated: bool,
    /// There was more control data than room.
    pub control_truncated: bool,
}

/// What is told of a file when it is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// `st_mode`.
    pub mode: u32,
    /// Bytes, as far as that is known here: what a server knows has not been asked for.
    pub size: u64,
    /// Its file system is known to keep all that `fstat(2)` tells in memory.
    pub local: bool,
}

/// What can be counted. All but `turns` return to zero when everything has been closed and read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Handles open or closing.
    pub handles: usize,
    /// Operations in flight.
    pub operations: usize,
    /// Slices of receive buffers lent to readers.
    pub buffers_lent: usize,
    /// Streams waiting for a receive buffer.
    pub starved: usize,
    /// Events not yet taken out.
    pub events: usize,
    /// Requests waiting for room in the submission queue.
    pub backlog: usize,
    /// File operations waiting to be handed to the kernel.
    pub waiting: usize,
    /// Bounce buffers in use.
    pub bounces: usize,
    /// Turns made so far.
    pub turns: u64,
}

/// What has happened since the reactor was made. Never goes down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Calls of `io_uring_enter(2)`.
    pub enters: u64,
    /// Requests put into the submission queue.
    pub submissions: u64,
    /// Completions taken from the completion queue.
    pub completions: u64,
    /// Most completions that were taken at once.
    pub largest_batch: u64,
    /// Calls that the kernel refused because its completion queue had overflowed (`EBUSY`): nothing is lost by that,
    /// but it costs time.
    pub overflows: u64,
    /// Receives that ended because there was no receive buffer (`ENOBUFS`), or were put off since there was none.
    pub exhaustions: u64,
    /// Bytes received by sockets: payloads alone.
    pub bytes_received: u64,
    /// Bytes that the kernel took from sockets.
    pub bytes_sent: u64,
    /// Bytes read from files.
    pub bytes_read: u64,
    /// Bytes written to files.
    pub bytes_written: u64,
}

impl Totals {
    /// Counts what a read or write of a file has moved.
    pub(crate) fn count_transfer(&mut self, direction: Direction, bytes: u64) {
        match direction {
            Direction::Read => self.bytes_read += bytes,
            Direction::Write => self.bytes_written += bytes,
        }
    }
}

/// The bytes that an operation has moved: none where it has failed.
pub(crate) fn bytes(result: i32) -> u64 {
    u64::try_from(result).unwrap_or(0)
}
