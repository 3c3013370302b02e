//! Calls: everything about files but the transfer of bytes. A call owns what the kernel reads and writes on its behalf.

use std::ffi::CString;
use std::ptr;

use crate::error::Errno;
use crate::file::look::{self, Mounts};
use crate::handle_id::HandleId;
use crate::kernel::{FileOp, FileRequest, Operands};
use crate::memory::{Memory, Span};

/// Words of 64 bits that a status is told in.
pub(crate) const STATUS_WORDS: usize = 18;
/// The same in bytes.
pub const STATUS_BYTES: u32 = (STATUS_WORDS * 8) as u32;

/// Bytes of the longest value that an extended attribute may have: `XATTR_SIZE_MAX`.
pub(crate) const MAX_VALUE: u32 = 65_536;

/// What a call is about: of these its operation uses what it needs.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The open file; no handle for those with paths.
    pub handle: HandleId,
    /// A path, without a terminating zero.
    pub path: &'a [u8],
    /// A second path, or the name of an attribute.
    pub other: &'a [u8],
    /// JavaScript's memory: where a status of [`STATUS_BYTES`] bytes or the value of an attribute goes, or where the
    /// value comes from.
    pub place: Span,
}

impl Default for Subject<'_> {
    fn default() -> Self {
        let nobody = HandleId::from_raw(-1);
        let place = Span { region: u32::MAX, offset: 0, length: 0 };
        Self { handle: nobody, path: &[], other: &[], place }
    }
}

/// A call that waits or is in flight.
pub struct FileCall {
    /// Whose it is.
    pub token: u32,
    /// The handle that it is about; no handle for those with paths.
    pub handle: HandleId,
    /// What it does.
    pub op: FileOp,
    /// Where in JavaScript's memory a status or a value belongs.
    pub(crate) place: Span,
    /// Opening may wait for ever.
    by_worker: bool,
    path: CString,
    other: CString,
    /// Present for [`FileOp::Status`] alone.
    status: Option<Box<libc::statx>>,
    /// The value of an extended attribute: what the kernel reads or writes instead of JavaScript's memory. Empty for
    /// all other calls.
    value: Vec<u8>,
}

impl FileCall {
    /// A call on `subject`.
    ///
    /// # Errors
    /// `EINVAL` for a path with a zero byte in it, `E2BIG` for a value longer than [`MAX_VALUE`].
    pub fn new(token: u32, op: FileOp, subject: &Subject) -> Result<Self, Errno> {
        let &Subject { handle, path, other, place } = subject;
        let terminated = |bytes: &[u8]| CString::new(bytes).map_err(|_| Errno(libc::EINVAL));
        let status = matches!(op, FileOp::Status { .. }).then(|| {
            // SAFETY: all fields are integers.
            Box::new(unsafe { std::mem::zeroed::<libc::statx>() })
        });
        let length = if op.has_value() { place.length } else { 0 };
        if length > MAX_VALUE {
            return Err(Errno(libc::E2BIG));
        }
        Ok(Self {
            token,
            handle,
            op,
            place,
            by_worker: false,
            path: terminated(path)?,
            other: terminated(other)?,
            status,
            value: vec![0; length as usize],
        })
    }

    /// Finds out whether an open has to be left to a worker. The kernel does so by itself where a file may be made.
    pub(crate) fn look(&mut self, mounts: &mut Mounts) {
        if let FileOp::Open { flags, .. } = self.op {
            let makes = flags & (libc::O_CREAT | libc::O_TRUNC) != 0;
            self.by_worker = !makes && !look::opens_nowait(&self.path, flags, mounts);
        }
    }

    /// Takes a copy of the value that is to be set.
    ///
    /// # Errors
    /// `EFAULT` where it is no longer there.
    pub(crate) fn gather(&mut self, memory: &mut impl Memory) -> Result<(), Errno> {
        if !matches!(self.op, FileOp::SetXattr { .. } | FileOp::FSetXattr { .. }) {
            return Ok(());
        }
        let source = memory.resolve(&self.place).ok_or(Errno(libc::EFAULT))?;
        // SAFETY: the place has as many bytes as the vector, which was made for it and is nobody else's.
        unsafe { ptr::copy_nonoverlapping(source.as_ptr(), self.value.as_mut_ptr(), self.value.len()) };
        Ok(())
    }

    /// Copies the value that the kernel has written, `length` bytes, to where it belongs.
    ///
    /// # Errors
    /// `EFAULT` where that is no longer there, `EIO` for more bytes than there was room for.
    pub(crate) fn deliver(&self, length: u32, memory: &mut impl Memory) -> Result<(), Errno> {
        let value = self.value.get(..length as usize).ok_or(Errno(libc::EIO))?;
        let target = memory.resolve(&Span { length, ..self.place }).ok_or(Errno(libc::EFAULT))?;
        // SAFETY: the target has room for exactly these bytes, and is JavaScript's memory, never this vector.
        unsafe { ptr::copy_nonoverlapping(value.as_ptr(), target.as_ptr(), value.len()) };
        Ok(())
    }

    /// The request, about the descriptor that the caller has looked up. Points into the call, whose heap memory stays
    /// where it is.
    pub(crate) fn request(&mut self, fd: i32) -> FileRequest {
        let data = match self.status.as_deref_mut() {
            Some(status) => ptr::from_mut(status).cast(),
            None => self.value.as_mut_ptr(),
        };
        let (path, other, length) = (self.path.as_ptr(), self.other.as_ptr(), self.value.len() as u32);
        let operands = Operands { fd, path, other, data, length };
        FileRequest::Op { op: self.op, operands, by_worker: self.by_worker }
    }

    /// The status that the kernel has written, in the order of core's `Stats`: dev, mode, nlink, uid, gid, rdev,
    /// blksize, ino, size, blocks, then seconds and nanoseconds of access, modification, change and birth.
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
