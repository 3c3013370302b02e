//! What is in flight: one variant for each thing that the kernel does for us, with what it may touch meanwhile.
//!
//! Three sorts differ in how they end and in whose memory they use:
//!
//! - A [`CancelableOperation`] may stay with the kernel for long. It owns all that it points at, and a close cancels
//!   it.
//! - A [`SendOperation`] is over when the kernel has taken it. It may point into JavaScript's memory, which holds for
//!   so long.
//! - A [`FileOperation`] may do either; see [`file`](crate::file).

use std::os::fd::RawFd;

use io_uring::types::Timespec;

use crate::address::SocketAddress;
use crate::file::call::FileCall;
use crate::file::carrier::Carrier;
use crate::file::transfer::{SyncedBy, Transfer};
use crate::kernel::{Direction, Extent, Request};
use crate::message::{DatagramMessage, Message, Receipt};
use crate::user_data::Kind;

/// An operation in flight.
pub(crate) enum Operation {
    Cancelable(CancelableOperation),
    Send(SendOperation),
    File(FileOperation),
    /// Close of a file, of which the kernel owns the descriptor by then.
    Close,
}

/// What may stay with the kernel for long.
pub(crate) enum CancelableOperation {
    /// One connection.
    Accept,
    /// To this peer.
    Connect(Box<SocketAddress>),
    /// Bytes, into provided buffers.
    Receive(Extent),
    /// A message with descriptors, once.
    ReceiveMessage(Box<Receipt>),
    /// Datagrams, into provided buffers. The header says how much room names and control data get.
    ReceiveDatagrams(Box<DatagramMessage>),
    /// A datagram to be received by a system call.
    PollReadable,
    /// Room in the socket's send buffer; `edges` as in [`Request::PollWritable`].
    PollWritable { edges: bool },
    /// Time, before what was refused is tried again: an accept for want of descriptors, a send for want of room.
    Pause(Box<Timespec>),
}

/// What the kernel does or refuses while it takes the request.
pub(crate) enum SendOperation {
    /// That many bytes of a stream.
    Bytes(usize),
    /// That many bytes of a stream, in several slices or with descriptors.
    Message(usize, Box<Message>),
    /// One datagram or several together, the first of which has this number.
    Datagram(usize, Box<DatagramMessage>),
}

impl Operation {
    /// See [`Kind`].
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Cancelable(CancelableOperation::Accept) => Kind::Accept,
            Self::Cancelable(CancelableOperation::Connect(_)) => Kind::Connect,
            Self::Cancelable(
                CancelableOperation::Receive(_)
                | CancelableOperation::ReceiveMessage(_)
                | CancelableOperation::ReceiveDatagrams(_)
                | CancelableOperation::PollReadable,
            ) => Kind::Receive,
            Self::Cancelable(CancelableOperation::PollWritable { .. }) => Kind::PollWritable,
            Self::Cancelable(CancelableOperation::Pause(_)) => Kind::Pause,
            Self::Send(_) => Kind::Send,
            Self::File(_) => Kind::File,
            Self::Close => Kind::Close,
        }
    }
}

impl CancelableOperation {
    /// What to ask the kernel for. Points at nothing but what is boxed here, which stays where it is when this is
    /// moved.
    pub(crate) fn request(&mut self, fd: RawFd) -> Request {
        match self {
            Self::Accept => Request::Accept { fd },
            Self::Connect(peer) => Request::Connect { fd, address: peer.as_ptr(), length: peer.len() },
            Self::Receive(extent) => Request::Receive { fd, extent: *extent },
            Self::ReceiveMessage(receipt) => Request::ReceiveMessage { fd, message: &raw mut receipt.header },
            Self::ReceiveDatagrams(message) => Request::ReceiveDatagrams { fd, message: &raw const message.header },
            Self::PollReadable => Request::PollReadable { fd },
            Self::PollWritable { edges } => Request::PollWritable { fd, edges: *edges },
            Self::Pause(after) => Request::Timeout { after: &raw const **after },
        }
    }
}

/// An operation on files in flight, with what the kernel may touch on its behalf.
pub(crate) enum FileOperation {
    /// A transfer, or one step of it.
    Transfer {
        /// What is left to be moved, this step included.
        transfer: Transfer,
        /// The memory.
        carrier: Carrier,
        /// See [`ShortOps`](crate::file::ShortOps).
        short: bool,
    },
    /// A call.
    Call {
        /// Which.
        call: Box<FileCall>,
        /// See [`ShortOps`](crate::file::ShortOps).
        short: bool,
    },
    /// The sync of a group of writes: nothing.
    GroupSync,
    /// A transfer that waits until it can go on: nothing.
    Awaiting(Transfer),
}

impl FileOperation {
    /// Whether it takes one of the [`MAX_IN_FLIGHT`](crate::file::MAX_IN_FLIGHT) places. What merely waits may do so
    /// for ever.
    pub(crate) fn takes_place(&self) -> bool {
        !matches!(self, Self::Awaiting(_))
    }

    /// Whether it may leave something in the file that no sync has been about.
    pub(crate) fn leaves_dirt(&self) -> bool {
        match self {
            Self::Transfer { transfer, .. } => {
                let synced = transfer.commit().is_some_and(|commit| commit.by == SyncedBy::Write);
                transfer.direction == Direction::Write && !synced
            }
            Self::Call { .. } => true,
            Self::GroupSync | Self::Awaiting(_) => false,
        }
    }

    pub(crate) fn is_in_place(&self) -> bool {
        matches!(self, Self::Transfer { carrier: Carrier::InPlace(_), .. })
    }

    pub(crate) fn is_short(&self) -> bool {
        match self {
            Self::Transfer { short, .. } | Self::Call { short, .. } => *short,
            Self::GroupSync | Self::Awaiting(_) => false,
        }
    }
}
