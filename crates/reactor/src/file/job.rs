//! Jobs: everything about files but the transfer of bytes. A job owns what the kernel reads and writes on its behalf.

use std::ffi::CString;
use std::ptr;

use crate::error::Errno;
use crate::file::look::{self, Mounts};
use crate::handle_id::HandleId;
use crate::kernel::FileRequest;
use crate::memory::{Memory, Source};

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
    /// Extended attribute `other` of `path`, copied to a place of at most [`LONGEST_VALUE`] bytes. The result is its length.
    GetXattr(Source),
    /// The same of the handle's file.
    FGetXattr(Source),
    /// Set extended attribute `other` of `path`: `XATTR_*`, the value.
    SetXattr(i32, Source),
    /// The same of the handle's file.
    FSetXattr(i32, Source),
}

impl Task {
    /// Whether it is about an open handle, not a path.
    #[must_use]
    pub fn needs_handle(self) -> bool {
        matches!(
            self,
            Self::Sync
                | Self::DataSync
                | Self::Truncate(_)
                | Self::Allocate(..)
                | Self::Advise(..)
                | Self::Splice(..)
                | Self::FGetXattr(_)
                | Self::FSetXattr(..)
        )
    }

    /// Whether it seldom has to wait for a disk; see [`ShortOps`](crate::file::ShortOps).
    pub(crate) fn is_short(self) -> bool {
        match self {
            Self::Open(..)
            | Self::Status(..)
            | Self::Unlink(_)
            | Self::Rename(_)
            | Self::MakeDirectory(_)
            | Self::Symlink
            | Self::Link
            | Self::Truncate(_)
            | Self::GetXattr(_)
            | Self::FGetXattr(_)
            | Self::SetXattr(..)
            | Self::FSetXattr(..) => true,
            Self::Sync | Self::DataSync | Self::Allocate(..) | Self::Advise(..) | Self::Splice(..) => false,
        }
    }

    /// Where the value of an extended attribute goes to or comes from.
    fn value_place(self) -> Option<Source> {
        match self {
            Self::GetXattr(place) | Self::FGetXattr(place) | Self::SetXattr(_, place) | Self::FSetXattr(_, place) => {
                Some(place)
            }
            _ => None,
        }
    }
}

/// Words of 64 bits that a status is told in.
pub const STATUS_WORDS: usize = 18;
/// The same in bytes.
pub const STATUS_BYTES: u32 = (STATUS_WORDS * 8) as u32;

/// Bytes of the longest value that an extended attribute may have: `XATTR_SIZE_MAX`.
pub const LONGEST_VALUE: u32 = 65_536;

/// A job that waits or is in flight.
pub struct Job {
    /// Whose it is.
    pub token: u32,
    /// The handle that it is about; no handle for those with paths.
    pub handle: HandleId,
    /// What it does.
    pub task: Task,
    /// Opening may wait for ever.
    by_worker: bool,
    path: CString,
    other: CString,
    /// Present for [`Task::Status`] alone.
    status: Option<Box<libc::statx>>,
    /// The value of an extended attribute: what the kernel reads or writes instead of JavaScript's memory. Empty for all other jobs.
    value: Vec<u8>,
}

impl Job {
    /// A job about paths, or about a handle with empty ones.
    ///
    /// # Errors
    /// `EINVAL` for a path with a zero byte in it, `E2BIG` for a value longer than [`LONGEST_VALUE`].
    pub fn new(token: u32, handle: HandleId, task: Task, path: &[u8], other: &[u8]) -> Result<Self, Errno> {
        let terminated = |bytes: &[u8]| CString::new(bytes).map_err(|_| Errno(libc::EINVAL));
        let status = matches!(task, Task::Status(..)).then(|| {
            // SAFETY: all fields are integers.
            Box::new(unsafe { std::mem::zeroed::<libc::statx>() })
        });
        let length = task.value_place().map_or(0, |place| place.length);
        if length > LONGEST_VALUE {
            return Err(Errno(libc::E2BIG));
        }
        let value = vec![0; length as usize];
        Ok(Self {
            token,
            handle,
            task,
            by_worker: false,
            path: terminated(path)?,
            other: terminated(other)?,
            status,
            value,
        })
    }

    /// Finds out whether an open has to be left to a worker. The kernel does so by itself where a file may be made.
    pub(crate) fn look(&mut self, mounts: &mut Mounts) {
        if let Task::Open(flags, _) = self.task {
            let makes = flags & (libc::O_CREAT | libc::O_TRUNC) != 0;
            self.by_worker = !makes && !look::opens_at_once(&self.path, flags, mounts);
        }
    }

    /// Takes a copy of the value that is to be set.
    ///
    /// # Errors
    /// `EFAULT` where it is no longer there.
    pub(crate) fn gather(&mut self, memory: &mut impl Memory) -> Result<(), Errno> {
        let (Task::SetXattr(_, place) | Task::FSetXattr(_, place)) = self.task else {
            return Ok(());
        };
        let source = memory.resolve(&place).ok_or(Errno(libc::EFAULT))?;
        // SAFETY: the place has as many bytes as the vector, which was made for it and is nobody else's.
        unsafe { ptr::copy_nonoverlapping(source.as_ptr(), self.value.as_mut_ptr(), self.value.len()) };
        Ok(())
    }

    /// Copies the value that the kernel has written, `length` bytes, to where it belongs.
    ///
    /// # Errors
    /// `EFAULT` where that is no longer there, `EIO` for more bytes than there was room for.
    pub(crate) fn deliver(&self, place: Source, length: u32, memory: &mut impl Memory) -> Result<(), Errno> {
        let value = self.value.get(..length as usize).ok_or(Errno(libc::EIO))?;
        let target = memory.resolve(&Source { length, ..place }).ok_or(Errno(libc::EFAULT))?;
        // SAFETY: the target has room for exactly these bytes, and is JavaScript's memory, never this vector.
        unsafe { ptr::copy_nonoverlapping(value.as_ptr(), target.as_ptr(), value.len()) };
        Ok(())
    }

    /// The request, about descriptors that the caller has looked up. Points into the job, whose heap memory stays where it is.
    pub(crate) fn request(&mut self, fd: i32, other_fd: i32) -> FileRequest {
        let (path, other) = (self.path.as_ptr(), self.other.as_ptr());
        match self.task {
            Task::Open(flags, mode) => FileRequest::Open { path, flags, mode, by_worker: self.by_worker },
            Task::Status(flags, _) => {
                let into = self.status.as_deref_mut().map_or(ptr::null_mut(), ptr::from_mut);
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
            Task::GetXattr(Source { length, .. }) => {
                FileRequest::GetXattr { path, name: other, value: self.value.as_mut_ptr(), length }
            }
            Task::FGetXattr(Source { length, .. }) => {
                FileRequest::FGetXattr { fd, name: other, value: self.value.as_mut_ptr(), length }
            }
            Task::SetXattr(flags, Source { length, .. }) => {
                FileRequest::SetXattr { path, name: other, value: self.value.as_ptr(), length, flags }
            }
            Task::FSetXattr(flags, Source { length, .. }) => {
                FileRequest::FSetXattr { fd, name: other, value: self.value.as_ptr(), length, flags }
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
