//! What is asked of the kernel about files: the part of [`Request`](crate::kernel::Request) that is about them.

use std::os::fd::RawFd;

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
pub enum Until {
    /// When the page cache or the device has the bytes.
    Written,
    /// When a crash cannot undo it: `RWF_DSYNC`, as if by `fdatasync(2)` of these bytes.
    DataSynced,
    /// The same with all metadata: `RWF_SYNC`, as if by `fsync(2)`.
    Synced,
}

/// A file request. Pointers live until the terminal completion, except those of reads and writes with `now`, which the kernel needs only
/// until the [`enter`](crate::kernel::Kernel::enter) that consumes the request: `RWF_NOWAIT` makes it complete or refuse at once.
///
/// NOTE: that holds for buffered files only. `O_DIRECT` starts the transfer and goes on holding the memory, `RWF_NOWAIT` or not.
///
/// NOTE: of the writes to regular files only those that [wait for the disk](Until) say `IOSQE_ASYNC`, though a file system may be known to leave all to the kernel's workers. The kernel
/// knows the file of such a request too late to keep the writes of one file in order, and several workers would fight for it (seen on Linux 6.18).
///
/// NOTE: what a long write points at may be JavaScript's; see [`carrier`](crate::file::carrier).
#[derive(Clone, Copy, Debug)]
pub enum FileRequest {
    /// `IORING_OP_READ`.
    Read {
        /// The file.
        fd: RawFd,
        /// Where to.
        data: *mut u8,
        /// Number of bytes.
        length: u32,
        /// Where in the file; -1 for the file's own position.
        position: i64,
        /// Whether to say `RWF_NOWAIT`.
        now: bool,
        /// Whether a worker is to do it (`IOSQE_ASYNC`), since it may block whoever takes the request.
        by_worker: bool,
        /// `ioprio`: 0 for the thread's own. See `ioprio_set(2)`.
        priority: u16,
    },
    /// `IORING_OP_WRITE`; fields as in [`FileRequest::Read`].
    Write {
        /// The file.
        fd: RawFd,
        /// Where from.
        data: *const u8,
        /// Number of bytes.
        length: u32,
        /// Where in the file; -1 for the file's own position.
        position: i64,
        /// Whether to say `RWF_NOWAIT`.
        now: bool,
        /// Whether a worker is to do it (`IOSQE_ASYNC`), since it may block whoever takes the request.
        by_worker: bool,
        /// When it counts as done.
        until: Until,
        /// `ioprio`.
        priority: u16,
    },
    /// `IORING_OP_POLL_ADD`, one shot, for `POLLIN` or `POLLOUT`. Hang-ups and errors end it as well.
    Await {
        /// The file.
        fd: RawFd,
        /// For `POLLOUT`.
        writable: bool,
    },
    /// `IORING_OP_FSYNC`.
    Sync {
        /// The file.
        fd: RawFd,
        /// `fdatasync(2)` instead of `fsync(2)`.
        data_only: bool,
    },
    /// `IORING_OP_FTRUNCATE` (Linux 6.9).
    Truncate {
        /// The file.
        fd: RawFd,
        /// Its new length in bytes.
        length: u64,
    },
    /// `IORING_OP_FALLOCATE`.
    Allocate {
        /// The file.
        fd: RawFd,
        /// `FALLOC_FL_*`.
        mode: i32,
        /// First byte.
        offset: u64,
        /// Number of bytes.
        length: u64,
    },
    /// `IORING_OP_FADVISE`.
    Advise {
        /// The file.
        fd: RawFd,
        /// First byte.
        offset: u64,
        /// Number of bytes, 0 for all that follow.
        length: u32,
        /// `POSIX_FADV_*`.
        advice: i32,
    },
    /// `IORING_OP_OPENAT`, relative to the working directory, like all that follow with paths.
    Open {
        /// Terminated path.
        path: *const libc::c_char,
        /// `O_*`.
        flags: i32,
        /// Permissions of a file that is created.
        mode: u32,
        /// Whether a worker is to do it (`IOSQE_ASYNC`). Otherwise the kernel tries it with `O_NONBLOCK` first, which means something else for a pipe.
        by_worker: bool,
    },
    /// `IORING_OP_STATX`.
    Status {
        /// Terminated path.
        path: *const libc::c_char,
        /// `AT_*`.
        flags: i32,
        /// Where the answer goes.
        into: *mut libc::statx,
    },
    /// `IORING_OP_UNLINKAT`.
    Unlink {
        /// Terminated path.
        path: *const libc::c_char,
        /// `AT_REMOVEDIR` for directories.
        flags: i32,
    },
    /// `IORING_OP_RENAMEAT`.
    Rename {
        /// Terminated path.
        from: *const libc::c_char,
        /// Terminated path.
        to: *const libc::c_char,
        /// `RENAME_*`.
        flags: u32,
    },
    /// `IORING_OP_MKDIRAT`.
    MakeDirectory {
        /// Terminated path.
        path: *const libc::c_char,
        /// Its permissions.
        mode: u32,
    },
    /// `IORING_OP_SYMLINKAT`.
    Symlink {
        /// Terminated path, what the link says.
        target: *const libc::c_char,
        /// Terminated path of the link.
        link: *const libc::c_char,
    },
    /// `IORING_OP_LINKAT`.
    Link {
        /// Terminated path.
        from: *const libc::c_char,
        /// Terminated path.
        to: *const libc::c_char,
    },
    /// `IORING_OP_SPLICE`; one of the two is a pipe, whose position is -1.
    Splice {
        /// Where from.
        from: RawFd,
        /// Its position, -1 for its own.
        from_position: i64,
        /// Where to.
        to: RawFd,
        /// Its position, -1 for its own.
        to_position: i64,
        /// Number of bytes at most.
        length: u32,
    },
    /// `IORING_OP_GETXATTR`.
    GetXattr {
        /// Terminated path.
        path: *const libc::c_char,
        /// Terminated name.
        name: *const libc::c_char,
        /// Where the value goes.
        value: *mut u8,
        /// Bytes of room; 0 to be told the length.
        length: u32,
    },
    /// `IORING_OP_FGETXATTR`; fields as in [`FileRequest::GetXattr`].
    FGetXattr {
        /// The file.
        fd: RawFd,
        /// Terminated name.
        name: *const libc::c_char,
        /// Where the value goes.
        value: *mut u8,
        /// Bytes of room; 0 to be told the length.
        length: u32,
    },
    /// `IORING_OP_SETXATTR`.
    SetXattr {
        /// Terminated path.
        path: *const libc::c_char,
        /// Terminated name.
        name: *const libc::c_char,
        /// The value.
        value: *const u8,
        /// Its bytes.
        length: u32,
        /// `XATTR_CREATE`, `XATTR_REPLACE`.
        flags: i32,
    },
    /// `IORING_OP_FSETXATTR`; fields as in [`FileRequest::SetXattr`].
    FSetXattr {
        /// The file.
        fd: RawFd,
        /// Terminated name.
        name: *const libc::c_char,
        /// The value.
        value: *const u8,
        /// Its bytes.
        length: u32,
        /// `XATTR_CREATE`, `XATTR_REPLACE`.
        flags: i32,
    },
}
