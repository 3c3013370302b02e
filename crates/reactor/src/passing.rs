//! Descriptors that travel with the bytes of a UNIX stream (`SCM_RIGHTS`, unix(7)).
//!
//! **Life of a descriptor that is sent.** The caller keeps its own. It is duplicated when it is [staged](Passing::staged), and the duplicate
//! belongs to the stream: first in that list, then, when the write comes that it goes with, in the write's segment. `sendmsg` makes the kernel hold the
//! open file itself, with the first of the write's bytes; the duplicate is closed as soon as the kernel has taken at least one byte. A refusal
//! (`EAGAIN`, `EINTR`) takes none and the duplicate waits with the bytes; a short send has taken all of them, and the rest of the bytes
//! follows without. An error drops the queue and with it the duplicates; so does a close, once what fits has been offered. Whatever is
//! left goes with the stream: the reactor's end closes it.
//!
//! **Life of one that is received.** Only a stream that asks for them gets any: `recv` makes the kernel drop them. It arrives with
//! `recvmsg`, close-on-exec, and belongs to the stream from the moment its completion is looked at: in [`Passing::arrived`], until the
//! reader takes it. If the stream is closing by then, or is closed before it is taken, it is closed with it. What is still in the socket's queue is the
//! kernel's, and goes with the socket. Where the descriptor table is full (`EMFILE`) the kernel hands over those that fit and drops
//! the rest (`MSG_CTRUNC`), which is told.
//!
//! **Order.** A write with descriptors is a message of its own, and what arrives ends at the latest where that message ends: descriptors are a
//! barrier in the stream. The kernel may put bytes that were sent before into the same chunk, never bytes of a later write.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use io_uring::types::RecvMsgOut;

use crate::buffer_pool::{BufferPool, Slice};
use crate::control;
use crate::error::Errno;
use crate::handle::HandleId;
use crate::kernel::Kernel;
use crate::memory::Source;
use crate::operation::DatagramMessage;
use crate::reactor::Reactor;
use crate::socket;

/// The kernel's header in front of what was received: `struct io_uring_recvmsg_out`.
const HEADER: usize = 16;

/// What a stream holds of descriptors that travel.
#[derive(Default)]
pub(crate) struct Passing {
    /// Descriptors are received.
    pub(crate) receives: bool,
    /// The receive under way is one that takes them.
    pub(crate) armed: bool,
    /// Duplicates for writes to come, in order.
    pub(crate) staged: VecDeque<Vec<OwnedFd>>,
    /// What has arrived and was not taken, in order: an entry for each message that had any.
    pub(crate) arrived: VecDeque<Vec<OwnedFd>>,
}

/// A message as it lies in its buffer.
pub(crate) struct Arrived {
    /// Its bytes.
    pub(crate) slice: Slice,
    pub(crate) descriptors: Vec<OwnedFd>,
    /// There was no room for some in the descriptor table.
    pub(crate) lost: bool,
}

/// The header of a receive: no name, and room for as many descriptors as one message can carry.
pub(crate) fn receive_header() -> libc::msghdr {
    let mut header = DatagramMessage::empty_header();
    header.msg_controllen = control::DESCRIPTORS_ROOM as _;
    header
}

/// Finds the parts of a message. `None` where there is not even a whole header.
///
/// # Safety
/// The kernel has just filled the slice for a receive with [`receive_header`], and it is parsed once.
pub(crate) unsafe fn parse(pool: &BufferPool, slice: Slice) -> Option<Arrived> {
    let message = RecvMsgOut::parse(pool.bytes(&slice), &receive_header()).ok()?;
    // SAFETY: as the caller promises.
    let descriptors = unsafe { control::take_descriptors(message.control_data()) };
    let front = u32::try_from(HEADER + control::DESCRIPTORS_ROOM).ok()?;
    let length = u32::try_from(message.payload_data().len()).ok()?;
    Some(Arrived {
        slice: Slice { buffer: slice.buffer, offset: slice.offset + front, length },
        descriptors,
        lost: message.is_control_data_truncated(),
    })
}

impl<K: Kernel> Reactor<K> {
    /// From here on descriptors are received on a stream as well: [`Event::Message`](crate::Event::Message) takes the place of
    /// [`Event::Received`](crate::Event::Received). What has arrived before has lost them.
    ///
    /// # Errors
    /// `EBADF` for what is not an open stream; `ENOMEM` where there is no memory for the buffers.
    pub fn receive_descriptors(&mut self, id: HandleId) -> Result<(), Errno> {
        self.stream(id).ok_or(Errno(libc::EBADF))?;
        self.context.prepare_receivers()?;
        let (stream, _, context) = self.stream(id).ok_or(Errno(libc::EBADF))?;
        stream.receive_descriptors(context);
        Ok(())
    }

    /// The descriptors of the oldest message that had some and of which they were not taken; none where the stream is gone, and they with
    /// it.
    pub fn take_descriptors(&mut self, id: HandleId) -> Vec<OwnedFd> {
        self.stream(id).map(|(stream, ..)| stream.take_descriptors()).unwrap_or_default()
    }

    /// Duplicates descriptors for a [write to come](Self::write_with_descriptors).
    ///
    /// # Errors
    /// `EBADF` for what is not an open stream or an open descriptor; `EMFILE`; `EINVAL` for none, or for more than
    /// [`control::MAX_DESCRIPTORS`]. Nothing is kept then.
    pub fn stage_descriptors(&mut self, id: HandleId, fds: &[i32]) -> Result<(), Errno> {
        let (stream, ..) = self.stream(id).ok_or(Errno(libc::EBADF))?;
        if fds.is_empty() || fds.len() > control::MAX_DESCRIPTORS {
            return Err(Errno::EINVAL);
        }
        let duplicates: Result<Vec<OwnedFd>, Errno> = fds.iter().map(socket::duplicate).collect();
        stream.stage_descriptors(duplicates?);
        Ok(())
    }

    /// Queues bytes, at least one, that take the descriptors staged first with them. `last` as in [`write`](Self::write).
    pub fn write_with_descriptors(&mut self, id: HandleId, source: Source, last: bool) {
        if let Some((stream, common, context)) = self.stream(id) {
            stream.write_with_descriptors(common, context, source, last);
        }
    }
}
