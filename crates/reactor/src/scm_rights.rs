//! Descriptors that travel with the bytes of a UNIX stream (`SCM_RIGHTS`, unix(7)).
//!
//! **Life of a descriptor that is sent.** The caller keeps its own. It is duplicated when it is
//! [staged](ScmRights::staged), and the duplicate belongs to the stream: first in that list, then, when the write comes
//! that it goes with, in the write's segment. `sendmsg` makes the kernel hold the open file itself, with the first of
//! the write's bytes; the duplicate is closed as soon as the kernel has taken at least one byte. A refusal (`EAGAIN`,
//! `EINTR`) takes none and the duplicate waits with the bytes; a short send has taken all of them, and the rest of the
//! bytes follows without. An error drops the queue and with it the duplicates; so does a close, once what fits has been
//! offered. Whatever is left goes with the stream: the reactor's end closes it.
//!
//! **Life of one that is received.** Only a stream that asks for them gets any: `recv` makes the kernel drop them. It
//! arrives with `recvmsg`, close-on-exec, and belongs to the stream from the moment its completion is looked at: in
//! [`ScmRights::arrived`], until the reader takes it. If the stream is closing by then, or is closed before it is
//! taken, it is closed with it. What is still in the socket's queue is the kernel's, and goes with the socket. Where
//! the descriptor table is full (`EMFILE`) the kernel hands over those that fit and drops the rest (`MSG_CTRUNC`),
//! which is told.
//!
//! **How many.** A peer can pass them faster than they are taken, and those that have arrived fill the table that all
//! others live in. So a stream never holds more than its limit: its receive takes one message, with room for so many,
//! beyond which the kernel closes them itself and says so as above; and the next receive is armed when these were
//! taken. (A multishot brings up to 32 messages before the first is seen.)
//!
//! **Order.** A write with descriptors is a message of its own, and what arrives ends at the latest where that message
//! ends: descriptors are a barrier in the stream. The kernel may put bytes that were sent before into the same chunk,
//! never bytes of a later write.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

/// What a stream holds of descriptors that travel.
#[derive(Default)]
pub(crate) struct ScmRights {
    /// Most descriptors that a receive takes; zero where they are not wanted.
    pub(crate) limit: usize,
    /// The receive under way is one that takes them.
    pub(crate) armed: bool,
    /// Duplicates for writes to come, in order.
    pub(crate) staged: VecDeque<Vec<OwnedFd>>,
    /// What has arrived with the last message and was not taken.
    pub(crate) arrived: Vec<OwnedFd>,
}
