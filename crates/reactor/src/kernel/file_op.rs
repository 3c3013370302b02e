//! What the kernel does with files beside moving bytes.

use std::os::fd::RawFd;
use std::ptr;

/// Something done with a file, or with what a path names. Numbers that are meant for the kernel are passed on to it as
/// they are: it checks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileOp {
    /// Open `path`, relative to the working directory, as all that have paths (`IORING_OP_OPENAT`).
    Open {
        /// `O_*`.
        flags: i32,
        /// Permissions of a file that is created.
        mode: u32,
    },
    /// Status of `path` (`IORING_OP_STATX`), to `data`.
    Status {
        /// `AT_*`.
        flags: i32,
    },
    /// Remove `path` (`IORING_OP_UNLINKAT`).
    Unlink {
        /// `AT_REMOVEDIR` for directories.
        flags: i32,
    },
    /// Rename `path` to `other` (`IORING_OP_RENAMEAT`).
    Rename {
        /// `RENAME_*`.
        flags: u32,
    },
    /// Make the directory `path` (`IORING_OP_MKDIRAT`).
    MakeDirectory {
        /// Its permissions.
        mode: u32,
    },
    /// Make `other` a symbolic link that says `path` (`IORING_OP_SYMLINKAT`).
    Symlink,
    /// Make `other` a hard link to `path` (`IORING_OP_LINKAT`).
    Link,
    /// Write everything of the file to the disk (`IORING_OP_FSYNC`).
    Sync {
        /// `fdatasync(2)` instead of `fsync(2)`: without metadata that is not needed to read it back.
        data_only: bool,
    },
    /// Set the file's length (`IORING_OP_FTRUNCATE`, Linux 6.9).
    Truncate {
        /// In bytes.
        length: u64,
    },
    /// Reserve space (`IORING_OP_FALLOCATE`).
    Allocate {
        /// `FALLOC_FL_*`.
        mode: i32,
        /// First byte.
        offset: u64,
        /// Number of bytes.
        length: u64,
    },
    /// Say how the file will be used (`IORING_OP_FADVISE`).
    Advise {
        /// `POSIX_FADV_*`.
        advice: i32,
        /// First byte.
        offset: u64,
        /// Number of bytes, 0 for all that follow.
        length: u32,
    },
    /// Read extended attribute `other` of `path` to `data`, or ask for its length where there is no room
    /// (`IORING_OP_GETXATTR`).
    GetXattr,
    /// The same of the file (`IORING_OP_FGETXATTR`).
    FGetXattr,
    /// Set extended attribute `other` of `path` to `data` (`IORING_OP_SETXATTR`).
    SetXattr {
        /// `XATTR_CREATE`, `XATTR_REPLACE`.
        flags: i32,
    },
    /// The same of the file (`IORING_OP_FSETXATTR`).
    FSetXattr {
        /// `XATTR_CREATE`, `XATTR_REPLACE`.
        flags: i32,
    },
}

impl FileOp {
    /// Whether it is about an open file, not a path.
    #[must_use]
    pub(crate) fn is_about_open_file(self) -> bool {
        matches!(
            self,
            Self::Sync { .. }
                | Self::Truncate { .. }
                | Self::Allocate { .. }
                | Self::Advise { .. }
                | Self::FGetXattr
                | Self::FSetXattr { .. }
        )
    }

    /// Whether it reads or sets an extended attribute.
    pub(crate) fn has_value(self) -> bool {
        matches!(self, Self::GetXattr | Self::FGetXattr | Self::SetXattr { .. } | Self::FSetXattr { .. })
    }

    /// Whether it seldom has to wait for a disk; see [`ShortOps`](crate::file::ShortOps).
    pub(crate) fn is_short(self) -> bool {
        !matches!(self, Self::Sync { .. } | Self::Allocate { .. } | Self::Advise { .. })
    }
}

/// What a [`FileOp`] is about: of these it uses what it needs. What is pointed at lives until the terminal completion.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// The open file.
    pub fd: RawFd,
    /// Terminated path.
    pub path: *const libc::c_char,
    /// Terminated: a second path, or the name of an attribute.
    pub other: *const libc::c_char,
    /// A `libc::statx`, or the value of an attribute: readable, and writable where it is asked for.
    pub data: *mut u8,
    /// Bytes of the value.
    pub length: u32,
}

impl Operands {
    /// An open file and nothing else.
    #[must_use]
    pub fn of(fd: RawFd) -> Self {
        Self { fd, path: ptr::null(), other: ptr::null(), data: ptr::null_mut(), length: 0 }
    }
}
