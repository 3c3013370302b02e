//! The border to the kernel: what the reactor asks of it and what comes back.
//!
//! The reactor is written against the [`Kernel`] trait. [`Ring`](crate::ring::Ring) is the real one; the tests use a
//! fake that reorders, shortens and fails. A [`Request`] says what is wanted in the kernel's words and nothing about
//! how an SQE is laid out: only `ring.rs` knows that.

mod file_op;
mod file_request;

use std::os::fd::{OwnedFd, RawFd};
use std::time::Duration;

use crate::error::Errno;
pub use file_op::{FileOp, Operands};
pub use file_request::{Direction, Durability, FileRequest};

/// Completion flag: the upper 16 bits of `flags` name the provided buffer that was used.
pub(crate) const CQE_F_BUFFER: u32 = 1 << 0;
/// Completion flag: the kernel goes on filling that buffer (incremental consumption).
pub(crate) const CQE_F_BUF_MORE: u32 = 1 << 4;
/// Completion flag: the request stays armed, more completions will follow.
pub(crate) const CQE_F_MORE: u32 = 1 << 1;
/// Completion flag: the socket has more, of an accept (Linux 6.10, TCP alone) that others wait to be accepted.
pub(crate) const CQE_F_SOCK_NONEMPTY: u32 = 1 << 2;

/// One thing asked of the kernel.
///
/// It is nothing but numbers and pointers until it is [pushed](Kernel::push).
#[derive(Clone, Copy, Debug)]
pub enum Request {
    /// `IORING_OP_ACCEPT` of one connection. Its descriptor is close-on-exec and in blocking mode.
    Accept {
        /// The listening socket.
        fd: RawFd,
    },
    /// `IORING_OP_CONNECT`.
    Connect {
        /// An unconnected socket.
        fd: RawFd,
        /// The peer; lives until the terminal completion.
        address: *const libc::sockaddr,
        /// Length of `address` in bytes.
        length: libc::socklen_t,
    },
    /// `IORING_OP_RECV`, multishot, into the provided buffers.
    Receive {
        /// A connected socket.
        fd: RawFd,
        /// After how much it ends by itself.
        extent: Extent,
    },
    /// `IORING_OP_SEND` with `MSG_DONTWAIT | MSG_NOSIGNAL`: done, short or `EAGAIN` at once.
    Send {
        /// A connected socket.
        fd: RawFd,
        /// First byte.
        data: *const u8,
        /// Number of bytes.
        length: u32,
    },
    /// `IORING_OP_SENDMSG` with `MSG_DONTWAIT | MSG_NOSIGNAL`.
    SendMessage {
        /// A connected socket.
        fd: RawFd,
        /// The message header; it and what it points at follow the rule of [`Request::Send`].
        message: *const libc::msghdr,
    },
    /// `IORING_OP_RECVMSG` with `MSG_CMSG_CLOEXEC`, multishot, into the provided buffers of [`BufferGroup::Datagrams`].
    ReceiveDatagrams {
        /// A datagram socket.
        fd: RawFd,
        /// Says how much room name and control data get in a buffer; lives until the terminal completion.
        message: *const libc::msghdr,
    },
    /// `IORING_OP_RECVMSG` with `MSG_CMSG_CLOEXEC`, once, into a provided buffer of [`BufferGroup::Datagrams`].
    ReceiveMessage {
        /// A UNIX stream.
        fd: RawFd,
        /// Says where control data go and how much there is room for, and is told how much there was; lives until the
        /// terminal completion.
        message: *mut libc::msghdr,
    },
    /// `IORING_OP_SENDMSG` of one datagram, with `MSG_DONTWAIT | MSG_NOSIGNAL`.
    SendDatagram {
        /// A datagram socket.
        fd: RawFd,
        /// The message header; it and what it points at follow the rule of [`Request::Send`].
        message: *const libc::msghdr,
        /// Further `MSG_*` flags.
        flags: i32,
    },
    /// `IORING_OP_POLL_ADD` for `POLLOUT`. `POLLERR`, `POLLHUP` and `POLLRDHUP` complete it as well.
    PollWritable {
        /// Any descriptor.
        fd: RawFd,
        /// Multishot: completes once if anything is the case, and from then on for every change. Otherwise one shot.
        edges: bool,
    },
    /// `IORING_OP_POLL_ADD` for `POLLIN`, one shot. `POLLERR` and `POLLHUP` complete it as well.
    PollReadable {
        /// Any descriptor.
        fd: RawFd,
    },
    /// `IORING_OP_ASYNC_CANCEL` of one request. Its own completion is not reported.
    Cancel {
        /// The request's `user_data`.
        user_data: u64,
    },
    /// `IORING_OP_CLOSE`: for files, whose close may wait for a server. Sockets are closed by [`Kernel::close`].
    Close {
        /// The descriptor; the kernel owns it from the moment at which it takes the request.
        fd: RawFd,
    },
    /// `IORING_OP_TIMEOUT`, relative, completing with `ETIME`.
    Timeout {
        /// The duration; lives until the terminal completion.
        after: *const io_uring::types::Timespec,
    },
    /// Something about a file.
    File {
        /// What.
        request: FileRequest,
        /// Whether the next request starts only when this one has succeeded (`IOSQE_IO_LINK`).
        linked: bool,
    },
}

/// One completion queue entry, copied out of the queue.
#[derive(Clone, Copy, Debug)]
pub struct Cqe {
    /// What the request was tagged with.
    pub user_data: u64,
    /// Zero or positive on success, negative errno on failure.
    pub result: i32,
    /// `IORING_CQE_F_*`.
    pub flags: u32,
}

impl Cqe {
    /// Whether the request stays armed. Without it this is the request's terminal completion.
    #[must_use]
    pub fn more(&self) -> bool {
        self.flags & CQE_F_MORE != 0
    }

    /// Whether the kernel knows of others that wait: connections behind the one that was accepted, bytes behind those
    /// that were received.
    #[must_use]
    pub(crate) fn others_wait(&self) -> bool {
        self.flags & CQE_F_SOCK_NONEMPTY != 0
    }

    /// The provided buffer that the kernel used, which now belongs to us.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "the kernel puts the buffer id in the upper 16 bits")]
    pub fn buffer(&self) -> Option<u16> {
        (self.flags & CQE_F_BUFFER != 0).then_some((self.flags >> 16) as u16)
    }

    /// Whether the kernel keeps the buffer and goes on filling it behind these bytes.
    #[must_use]
    pub(crate) fn buffer_more(&self) -> bool {
        self.flags & CQE_F_BUF_MORE != 0
    }
}

/// How much a [`Request::Receive`] delivers before it ends by itself, as the kernel may end it at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// It does not: up to 32 buffers are filled in one go, whoever wants them.
    Endless,
    /// It ends with the buffer that holds the last of so many bytes (Linux 6.17). Only where
    /// [`Kernel::bounds_receives`].
    Bounded(u32),
    /// One buffer: not a multishot.
    Single,
}

/// A ring of provided buffers, which the kernel has from its start on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum BufferGroup {
    /// For streams: consumed bit by bit where the kernel can.
    Bytes = 0,
    /// For datagrams: one buffer each.
    Datagrams = 1,
}

/// How long an [`enter`](Kernel::enter) may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Submit and collect what is ready; never sleep.
    No,
    /// Sleep until one completion is there, or the time is over. For tear-down alone: it blocks the thread.
    Until(Duration),
}

/// The kernel as the reactor sees it.
pub trait Kernel {
    /// Puts a request into the submission queue. False when there is no room: [`enter`](Self::enter), then try again.
    ///
    /// # Safety
    /// What the request points at must be readable, and writable where the kernel writes, until its terminal
    /// completion. For [`Request::Send`], [`Request::SendMessage`], [`Request::SendDatagram`] and file requests that
    /// say `now` the end of the [`enter`](Self::enter) that consumes it is enough, since the kernel does or refuses
    /// them while it takes them.
    ///
    /// A descriptor to be closed must be nobody's but the request's.
    unsafe fn push(&mut self, request: &Request, user_data: u64) -> bool;

    /// Submits what was pushed and runs the deferred work of what has become ready.
    ///
    /// # Errors
    /// `EBUSY` while the completion queue has overflowed (reap, then retry), `EAGAIN` and `ENOMEM` when the kernel is
    /// short of memory, `EINTR`. What was not consumed stays in the submission queue.
    fn enter(&mut self, wait: Wait) -> Result<(), Errno>;

    /// Requests pushed but not yet consumed by the kernel.
    fn unsubmitted(&self) -> usize;

    /// Requests that can be pushed before the next [`enter`](Self::enter).
    fn room(&self) -> usize;

    /// Appends at most `limit` completions to `into` and advances the queue's head.
    fn reap(&mut self, into: &mut Vec<Cqe>, limit: usize);

    /// Reads from a file without waiting, past the rings: `preadv2(2)` with `RWF_NOWAIT`. The memory is the kernel's
    /// for the length of the call.
    ///
    /// # Errors
    /// `EAGAIN` where the bytes are not in memory, `EOPNOTSUPP` where the file system cannot tell, and `read(2)`'s.
    ///
    /// # Safety
    /// `data` points at `length` writable bytes.
    unsafe fn read_nowait(&mut self, fd: RawFd, data: *mut u8, length: u32, position: i64) -> Result<u32, Errno>;

    /// Reads or writes past the rings: `read(2)`, `write(2)`, or `pread(2)`, `pwrite(2)` at a position that is not
    /// negative. For files with `O_NONBLOCK`, which let nobody wait. The memory is the kernel's for the length of the
    /// call.
    ///
    /// # Errors
    /// `EAGAIN` where it would have to wait, and what those say else.
    ///
    /// # Safety
    /// `data` points at `length` bytes, writable for a read.
    unsafe fn transfer_nowait(
        &mut self,
        fd: RawFd,
        direction: Direction,
        data: *mut u8,
        length: u32,
        position: i64,
    ) -> Result<u32, Errno>;

    /// Sends on a stream socket without waiting, past the rings: `sendmsg(2)` of at most 1024 slices. The memory is the
    /// kernel's for the length of the call.
    ///
    /// # Errors
    /// `EAGAIN` where there is no room, and `sendmsg(2)`'s.
    ///
    /// # Safety
    /// Each slice points at as many bytes as it says.
    unsafe fn send_nowait(&mut self, fd: RawFd, slices: &[libc::iovec]) -> Result<usize, Errno>;

    /// Receives on a stream socket without waiting, past the rings: `recv(2)`. The memory is the kernel's for the
    /// length of the call.
    ///
    /// # Errors
    /// `EAGAIN` where nothing waits, and `recv(2)`'s.
    ///
    /// # Safety
    /// `room` points at as many bytes as it says, which may be written.
    unsafe fn receive_nowait(&mut self, fd: RawFd, room: libc::iovec) -> Result<usize, Errno>;

    /// Receives a message without waiting, past the rings: `recvmsg(2)` with `MSG_CMSG_CLOEXEC`. The memory is the
    /// kernel's for the length of the call, which tells in the header what there was.
    ///
    /// # Errors
    /// `EAGAIN` where nothing waits, and `recvmsg(2)`'s.
    ///
    /// # Safety
    /// What the header points at may be written, as far as it says.
    unsafe fn receive_message_nowait(&mut self, fd: RawFd, message: &mut libc::msghdr) -> Result<usize, Errno>;

    /// What has gone wrong with a socket since it was last asked, as a negative errno, or 0: `SO_ERROR`, which takes it
    /// away.
    fn pending_error(&mut self, fd: RawFd) -> i32;

    /// Closes a descriptor on which nothing is in flight: `close(2)`.
    fn close(&mut self, descriptor: OwnedFd) {
        drop(descriptor);
    }

    /// Whether a receive may be [`Extent::Bounded`].
    fn bounds_receives(&self) -> bool;

    /// Whether [`enter`](Self::enter) or [`reap`](Self::reap) would find something: completions, deferred work or
    /// overflow.
    fn ready(&self) -> bool;

    /// Hands a buffer to the kernel; it becomes visible with the next [`publish`](Self::publish).
    ///
    /// # Safety
    /// `address` points at `length` bytes that may be written until a completion says that the kernel has let go of the
    /// buffer, or the ring is closed with nothing in flight; nobody else looks at them before.
    unsafe fn provide(&mut self, group: BufferGroup, address: *mut u8, length: u32, buffer: u16);

    /// Makes the buffers handed over since the last call visible to the kernel.
    fn publish(&mut self, group: BufferGroup);
}
