//! What is asked of the kernel about files: the part of [`Request`](crate::kernel::Request) that is about them.

use std::os::fd::RawFd;

use crate::kernel::{FileOp, Operands};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the file.
    Read,
    /// To the file.
    Write,
}

/// When a write counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When the page cache or the device has the bytes.
    Written,
    /// When a crash cannot undo it: `RWF_DSYNC`, as if by `fdatasync(2)` of these bytes.
    DataSynced,
    /// The same with all metadata: `RWF_SYNC`, as if by `fsync(2)`.
    Synced,
}

/// A file request. Pointers live until the terminal completion, except those of reads and writes with `nowait`, which
/// the kernel needs only until the [`enter`](crate::kernel::Kernel::enter) that consumes the request: `RWF_NOWAIT`
/// makes it complete or refuse at once.
///
/// NOTE: that holds for buffered files only. `O_DIRECT` starts the transfer and goes on holding the memory,
/// `RWF_NOWAIT` or not.
///
/// NOTE: of the writes to regular files only those that [wait for the disk](Durability) say `IOSQE_ASYNC`, though a
/// file system may be known to leave all to the kernel's workers. The kernel knows the file of such a request too late
/// to keep the writes of one file in order, and several workers would fight for it (seen on Linux 6.18).
///
/// NOTE: what a long write points at may be JavaScript's; see [`carrier`](crate::file::carrier).
#[derive(Clone, Copy, Debug)]
pub enum FileRequest {
    /// `IORING_OP_READ` or `IORING_OP_WRITE`.
    Transfer {
        /// Which of them.
        direction: Direction,
        /// The file.
        fd: RawFd,
        /// Where to, or where from.
        data: *mut u8,
        /// Number of bytes.
        length: u32,
        /// Where in the file; -1 for the file's own position.
        position: i64,
        /// Whether to say `RWF_NOWAIT`.
        nowait: bool,
        /// Whether a worker is to do it (`IOSQE_ASYNC`), since it may block whoever takes the request.
        by_worker: bool,
        /// When a write counts as done.
        durability: Durability,
        /// `ioprio`: 0 for the thread's own. See `ioprio_set(2)`.
        priority: u16,
    },
    /// `IORING_OP_POLL_ADD`, one shot, for `POLLIN` or `POLLOUT`. Hang-ups and errors end it as well.
    Await {
        /// The file.
        fd: RawFd,
        /// For `POLLOUT`.
        writable: bool,
    },
    /// Anything else.
    Op {
        /// What.
        op: FileOp,
        /// On what.
        operands: Operands,
        /// Whether a worker is to do it (`IOSQE_ASYNC`). Otherwise the kernel tries an open with `O_NONBLOCK` first,
        /// which means something else for a pipe.
        by_worker: bool,
    },
}

impl FileRequest {
    /// A read that is done or refused at once.
    pub(crate) fn read_nowait(fd: RawFd, data: *mut u8, length: u32, position: i64) -> Self {
        let (direction, durability) = (Direction::Read, Durability::Written);
        Self::Transfer {
            direction,
            fd,
            data,
            length,
            position,
            nowait: true,
            by_worker: false,
            durability,
            priority: 0,
        }
    }
}
