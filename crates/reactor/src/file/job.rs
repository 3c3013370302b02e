//! Jobs: everything about files but the transfer of bytes. A job owns what the kernel reads and writes on its behalf.

use std::ffi::CString;

use crate::error::Errno;
use crate::file::request::FileRequest;
use crate::handle::HandleId;
use crate::memory::Source;

/// What a job does. Numbers that are meant for the kernel are passed on to it as they are: it checks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Open `path`: flags, mode.
    Open(i32, u32),
    /// Status of `path` (with the `AT_*` flags), copied to a place of [`STATUS_BYTES`] bytes.
    Status(i32, Source),
    /// Remove `path`: `AT_REMOVEDIR` or 0.
    Unlink(i32),
    /// Rename `path` to `other`: `RENAME_*`.
    Rename(u32),
    /// Make the directory `path`: mode.
    MakeDirectory(u32),
    /// Make `other` a symbolic link that says `path`.
    Symlink,
    /// Make `other` a hard link to `path`.
    Link,
    /// Write everything of the handle's file to the disk.
    Sync,
    /// The same without metadata that is not needed to read it back.
    DataSync,
    /// Set the length.
    Truncate(u64),
    /// Reserve space: `FALLOC_FL_*`, offset, length.
    Allocate(i32, u64, u64),
    /// Say how the file will be used: `POSIX_FADV_*`, offset, length (0: to the end).
    Advise(i32, u64, u32),
    /// Move bytes from the handle's file at a position (-1: its own) to another handle at a position (-1: its own). One of the two is a pipe.
    Splice(i64, HandleId, i64, u32),
}

impl Task {
    /// Whether it is about an open handle, not a path.
    #[must_use]
    pub fn needs_handle(self) -> bool {
        matches!(
            self,
            Self::Sync | Self::DataSync | Self::Truncate(_) | Self::Allocate(..) | Self::Advise(..) | Self::Splice(..)
        )
    }
}

/// Words of 64 bits that a status is told in.
pub const STATUS_WORDS: usize = 18;
/// The same in bytes.
pub const STATUS_BYTES: u32 = (STATUS_WORDS * 8) as u32;

/// A job that waits or is in flight.
pub struct Job {
    /// Whose it is.
    pub token: u32,
    /// The handle that it is about; no handle for those with paths.
    pub handle: HandleId,
    /// What it does.
    pub task: Task,
    path: CString,
    other: CString,
    /// Present for [`Task::Status`] alone.
    status: Option<Box<libc::statx>>,
}

impl Job {
    /// A job about paths, or about a handle with empty ones.
    ///
    /// # Errors
    /// `EINVAL` for a path with a zero byte in it.
    pub fn new(token: u32, handle: HandleId, task: Task, path: &[u8], other: &[u8]) -> Result<Self, Errno> {
        let terminated = |bytes: &[u8]| CString::new(bytes).map_err(|_| Errno(libc::EINVAL));
        let status = matches!(task, Task::Status(..)).then(|| {
            // SAFETY: all fields are integers.
            Box::new(unsafe { std::mem::zeroed::<libc::statx>() })
        });
        Ok(Self { token, handle, task, path: terminated(path)?, other: terminated(other)?, status })
    }

    /// The request, about descriptors that the caller has looked up. Points into the job, whose heap memory stays where it is.
    pub(crate) fn request(&mut self, fd: i32, other_fd: i32) -> FileRequest {
        let (path, other) = (self.path.as_ptr(), self.other.as_ptr());
        match self.task {
            Task::Open(flags, mode) => FileRequest::Open { path, flags, mode },
            Task::Status(flags, _) => {
                let into = self.status.as_deref_mut().map_or(std::ptr::null_mut(), std::ptr::from_mut);
                FileRequest::Status { path, flags, into }
            }
            Task::Unlink(flags) => FileRequest::Unlink { path, flags },
            Task::Rename(flags) => FileRequest::Rename { from: path, to: other, flags },
            Task::MakeDirectory(mode) => FileRequest::MakeDirectory { path, mode },
            Task::Symlink => FileRequest::Symlink { target: path, link: other },
            Task::Link => FileRequest::Link { from: path, to: other },
            Task::Sync => FileRequest::Sync { fd, data_only: false },
            Task::DataSync => FileRequest::Sync { fd, data_only: true },
            Task::Truncate(length) => FileRequest::Truncate { fd, length },
            Task::Allocate(mode, offset, length) => FileRequest::Allocate { fd, mode, offset, length },
            Task::Advise(advice, offset, length) => FileRequest::Advise { fd, offset, length, advice },
            Task::Splice(from_position, _, to_position, length) => {
                FileRequest::Splice { from: fd, from_position, to: other_fd, to_position, length }
            }
        }
    }

    /// The status that the kernel has written, in the order of core's `Stats`: dev, mode, nlink, uid, gid, rdev, blksize, ino, size, blocks, then
    /// seconds and nanoseconds of access, modification, change and birth.
    pub(crate) fn status(&self) -> Option<[u64; STATUS_WORDS]> {
        let found = self.status.as_deref()?;
        let device = |major, minor| libc::makedev(major, minor);
        let time = |time: &libc::statx_timestamp| [time.tv_sec.cast_unsigned(), u64::from(time.tv_nsec)];
        let [access, modification, change, birth] =
            [&found.stx_atime, &found.stx_mtime, &found.stx_ctime, &found.stx_btime].map(time);
        Some([
            device(found.stx_dev_major, found.stx_dev_minor),
            found.stx_mode.into(),
            found.stx_nlink.into(),
            found.stx_uid.into(),
            found.stx_gid.into(),
            device(found.stx_rdev_major, found.stx_rdev_minor),
            found.stx_blksize.into(),
            found.stx_ino,
            found.stx_size,
            found.stx_blocks,
            access[0],
            access[1],
            modification[0],
            modification[1],
            change[0],
            change[1],
            birth[0],
            birth[1],
        ])
    }
}
