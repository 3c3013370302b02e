//! Reads at once, for what is in memory.
//!
//! Where the page cache has the bytes, a read may be tried first in the call that asks for it: done, or refused by a
//! kernel that would have to wait, and then it takes the usual way. One alone is a system call, which saves a request,
//! a completion and two trips through the queues. Many share a system call: they are requests that the kernel does
//! while it takes them (`RWF_NOWAIT`), and have their completions when that returns.

use std::os::fd::RawFd;

use crate::error::Errno;
use crate::file::File;
use crate::file::files::Files;
use crate::file::settle::{cursor, set_cursor};
use crate::handle::HandleState;
use crate::io::Io;
use crate::kernel::{Direction, FileRequest, Kernel, Request, Wait};
use crate::user_data::nowait_user_data;

/// Fewer reads than that are done one by one.
const MIN_TOGETHER: usize = 4;

/// Most reads of one system call.
const MAX_TOGETHER: usize = 64;

/// See [`Reactor::read_nowait`](crate::Reactor::read_nowait).
///
/// # Errors
/// `EAGAIN` where it cannot be done at once, and whatever the file system says.
///
/// # Safety
/// `data` points at `length` bytes that may be written for the length of the call.
pub(crate) unsafe fn read_nowait<K: Kernel>(
    state: &HandleState,
    data: *mut u8,
    length: u32,
    position: i64,
    file: &mut File,
    io: &mut Io<K>,
) -> Result<u32, Errno> {
    if !may_read(file, io, position < 0) {
        return Err(Errno(libc::EAGAIN));
    }
    let fd: RawFd = state.fd();
    let start = if position < 0 { cursor(fd) } else { position };
    let mut done = 0;
    while done < length {
        let (rest, at) = (length - done, start.saturating_add(done.into()));
        // SAFETY: what is left of the caller's bytes.
        match unsafe { io.kernel.read_nowait(fd, data.add(done as usize), rest, at) } {
            Ok(0) => break,
            Ok(count) => done += count.min(rest),
            Err(errno) => {
                if errno == Errno(libc::EOPNOTSUPP) {
                    file.refuse_nowait(Direction::Read);
                }
                return Err(errno);
            }
        }
    }
    if position < 0 && done > 0 {
        set_cursor(fd, start.saturating_add(done.into()));
    }
    io.totals.bytes_read += u64::from(done);
    Ok(done)
}

/// Places for what is read: `count` of `size` bytes each, one behind the other.
pub(crate) struct Pieces<P> {
    /// The first byte.
    pub(crate) data: *mut u8,
    pub(crate) size: u32,
    pub(crate) count: usize,
    /// Where in the file each is.
    pub(crate) position: P,
}

impl<P: Fn(usize) -> i64> Pieces<P> {
    /// # Safety
    /// There are more pieces than that.
    unsafe fn place(&self, piece: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.data.add(piece * self.size as usize) }
    }
}

/// See [`Reactor::read_many_nowait`](crate::Reactor::read_many_nowait).
///
/// # Safety
/// The pieces may be written for the length of the call.
pub(crate) unsafe fn read_many<K: Kernel>(
    state: &HandleState,
    pieces: &Pieces<impl Fn(usize) -> i64>,
    mut done: impl FnMut(usize, u32),
    file: &mut File,
    files: &mut Files,
    io: &mut Io<K>,
) -> usize {
    let &Pieces { size, count, ref position, .. } = pieces;
    let mut read = 0;
    while count - read >= MIN_TOGETHER {
        let asked = (count - read).min(MAX_TOGETHER);
        // SAFETY: as many pieces lie behind that place.
        let data = unsafe { pieces.place(read) };
        let some = Pieces { data, size, count: asked, position: |piece| position(read + piece) };
        // SAFETY: the caller's promise, for some of the pieces.
        let group = unsafe { read_together(state, &some, file, files, io) };
        for &had in &group {
            // SAFETY: the place of a piece.
            let bytes = unsafe { read_rest(state, pieces.place(read), size, position(read), had, file, io) };
            let Some(bytes) = bytes else { return read };
            done(read, bytes);
            read += 1;
        }
        if group.len() < asked {
            return read;
        }
    }
    while read < count {
        // SAFETY: the place of a piece.
        let bytes = unsafe { read_rest(state, pieces.place(read), size, position(read), 0, file, io) };
        let Some(bytes) = bytes else { break };
        done(read, bytes);
        read += 1;
    }
    read
}

/// Reads what is left of a piece of which `had` bytes are there: it is short where the file ends, and where its other
/// pages are not in memory. The bytes of it all; `None` where it cannot be read at once.
///
/// # Safety
/// As for [`read_nowait`], for the whole piece.
unsafe fn read_rest<K: Kernel>(
    state: &HandleState,
    data: *mut u8,
    size: u32,
    position: i64,
    had: u32,
    file: &mut File,
    io: &mut Io<K>,
) -> Option<u32> {
    if had >= size {
        return Some(size);
    }
    let position = position.max(0).saturating_add(had.into());
    // SAFETY: what is left of the piece.
    let more = unsafe { read_nowait(state, data.add(had as usize), size - had, position, file, io) };
    more.ok().map(|more| had + more)
}

/// Reads pieces with one system call: the bytes of each, up to the first that was refused.
///
/// # Safety
/// The pieces may be written for the length of the call.
unsafe fn read_together<K: Kernel>(
    state: &HandleState,
    pieces: &Pieces<impl Fn(usize) -> i64>,
    file: &File,
    files: &mut Files,
    io: &mut Io<K>,
) -> Vec<u32> {
    let &Pieces { size, count, ref position, .. } = pieces;
    if !may_read(file, io, false) || !io.backlog.is_empty() || io.failure().is_some() {
        return Vec::new();
    }
    let (fd, batch) = (state.fd(), files.next_batch());
    let mut results = Vec::with_capacity(count);
    while results.len() < count {
        let piece = results.len();
        // SAFETY: there are more pieces than that.
        let data = unsafe { pieces.place(piece) };
        let position = position(piece).max(0);
        let request = FileRequest::read_nowait(fd, data, size, position);
        let number = u32::try_from(piece).unwrap_or(u32::MAX);
        // SAFETY: the caller vouches for the bytes, and the kernel needs them no longer when this returns: see below.
        if !unsafe { io.hand(&Request::File { request, linked: false }, nowait_user_data(batch, number)) } {
            break;
        }
        results.push(-libc::EAGAIN);
    }
    // The kernel has done them all when this returns, or it is not entered again: it needs the memory no longer either
    // way.
    if io.enter(Wait::No).is_err() {
        return Vec::new();
    }
    io.reap(usize::MAX);
    let first = nowait_user_data(batch, 0);
    io.arrived.retain(|completion| {
        let Some(result) = completion
            .user_data
            .checked_sub(first)
            .and_then(|number| usize::try_from(number).ok().and_then(|number| results.get_mut(number)))
        else {
            return true;
        };
        *result = completion.result;
        false
    });
    let read: Vec<u32> = results.into_iter().map_while(|result| u32::try_from(result).ok()).collect();
    io.totals.bytes_read += read.iter().copied().map(u64::from).sum::<u64>();
    read
}

/// Whether it is worth trying.
fn may_read<K: Kernel>(file: &File, io: &Io<K>, at_cursor: bool) -> bool {
    let waited_for = at_cursor && file.cursor_is_busy();
    file.is_seekable()
        && io.failure().is_none()
        && !waited_for
        && file.priority == 0
        && file.tries_nowait(Direction::Read)
}
