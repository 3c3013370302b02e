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
//! **How many.** A peer can pass them faster than they are taken, and those that have arrived fill the table that all others live in. So a stream
//! never holds more than its limit: its receive takes one message, with room for so many, beyond which the kernel closes them itself and says so as above;
//! and the next receive is armed when these were taken. (A multishot brings up to 32 messages before the first is seen.)
//!
//! **Order.** A write with descriptors is a message of its own, and what arrives ends at the latest where that message ends: descriptors are a
//! barrier in the stream. The kernel may put bytes that were sent before into the same chunk, never bytes of a later write.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use crate::control;
use crate::error::Errno;
use crate::handle_id::HandleId;
use crate::kernel::Kernel;
use crate::memory::Source;
use crate::reactor::Reactor;
use crate::socket;

/// What a stream holds of descriptors that travel.
#[derive(Default)]
pub(crate) struct Passing {
    /// Most descriptors that a receive takes; zero where they are not wanted.
    pub(crate) limit: usize,
    /// The receive under way is one that takes them.
    pub(crate) armed: bool,
    /// Duplicates for writes to come, in order.
    pub(crate) staged: VecDeque<Vec<OwnedFd>>,
    /// What has arrived with the last message and was not taken.
    pub(crate) arrived: Vec<OwnedFd>,
}

impl<K: Kernel> Reactor<K> {
    /// From here on descriptors are received on a stream as well: [`Event::Message`](crate::Event::Message) takes the place of
    /// [`Event::Received`](crate::Event::Received). What has arrived before has lost them. At most `limit` of a message's are received, and nothing more
    /// until they were [taken](Self::take_descriptors).
    ///
    /// # Errors
    /// `EBADF` for what is not an open stream; `EINVAL` for a limit of zero or above [`control::MAX_DESCRIPTORS`]; `ENOMEM` where there is no memory for the
    /// buffers.
    pub fn receive_descriptors(&mut self, id: HandleId, limit: usize) -> Result<(), Errno> {
        self.stream(id).ok_or(Errno(libc::EBADF))?;
        if !(1..=control::MAX_DESCRIPTORS).contains(&limit) {
            return Err(Errno::EINVAL);
        }
        self.context.prepare_datagrams()?;
        let (stream, _, context) = self.stream(id).ok_or(Errno(libc::EBADF))?;
        stream.receive_descriptors(context, limit);
        Ok(())
    }

    /// The descriptors that came last, where they were not taken; none where the stream is gone, and they with it.
    pub fn take_descriptors(&mut self, id: HandleId) -> Vec<OwnedFd> {
        self.stream(id).map(|(stream, common, context)| stream.take_descriptors(common, context)).unwrap_or_default()
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
