//! Reads at once, for what is in memory.
//!
//! Where the page cache has the bytes, a read may be tried first in the call that asks for it: done, or refused by a kernel that would have to wait, and then
//! it takes the usual way. One alone is a system call, which saves a request, a completion and two trips through the queues. Many share a system call: they
//! are requests that the kernel does while it takes them (`RWF_NOWAIT`), and have their completions when that returns.

use std::os::fd::RawFd;

use crate::context::Context;
use crate::error::Errno;
use crate::file::File;
use crate::file::settle::{cursor, set_cursor};
use crate::handle_id::HandleId;
use crate::kernel::{Direction, FileRequest, Kernel, Request, Wait};
use crate::operation::at_once;
use crate::reactor::Reactor;

/// Fewer reads than that are done one by one.
const LEAST_TOGETHER: usize = 4;

/// Most reads of one system call.
const MOST_TOGETHER: usize = 64;

impl<K: Kernel> Reactor<K> {
    /// Reads `length` bytes, or up to the end of the file, at `position`, or at the file's own where that is negative. Nothing is under way
    /// afterwards, whatever comes of it.
    ///
    /// # Errors
    /// `EAGAIN` where it cannot be done at once, and whatever the file system says. The bytes at `data` may have been changed then, the file's own
    /// position has not; [`transfer`](Self::transfer) will tell what is the matter.
    ///
    /// # Safety
    /// `data` points at `length` bytes that may be written for the length of the call.
    pub unsafe fn read_now(&mut self, id: HandleId, data: *mut u8, length: u32, position: i64) -> Result<u32, Errno> {
        if length == 0 {
            return Ok(0);
        }
        let Some((file, common, _, context)) = self.file(id) else {
            return Err(Errno(libc::EBADF));
        };
        if !may_read(file, context, position < 0) {
            return Err(Errno(libc::EAGAIN));
        }
        let fd: RawFd = common.fd();
        let start = if position < 0 { cursor(fd) } else { position };
        let mut done = 0;
        while done < length {
            let (rest, at) = (length - done, start.saturating_add(done.into()));
            // SAFETY: what is left of the caller's bytes.
            match unsafe { context.kernel.read_now(fd, data.add(done as usize), rest, at) } {
                Ok(0) => break,
                Ok(count) => done += count.min(rest),
                Err(errno) => {
                    if errno == Errno(libc::EOPNOTSUPP) {
                        file.never_now(Direction::Read);
                    }
                    return Err(errno);
                }
            }
        }
        if position < 0 && done > 0 {
            set_cursor(fd, start.saturating_add(done.into()));
        }
        Ok(done)
    }

    /// Reads `count` pieces of `size` bytes each, to consecutive places from `data` on, as [`read_now`](Self::read_now) does: up to the first that cannot be
    /// read at once. `position` tells where in the file each is, and `done` hears of those that were read, in order: number, bytes. Nothing is under way
    /// afterwards. Returns how many were read; beyond them bytes may have been changed as well.
    ///
    /// # Safety
    /// `data` points at `count * size` bytes that may be written for the length of the call.
    pub unsafe fn read_many_now(
        &mut self,
        id: HandleId,
        data: *mut u8,
        size: u32,
        count: usize,
        position: impl Fn(usize) -> i64,
        mut done: impl FnMut(usize, u32),
    ) -> usize {
        // SAFETY: the place of that piece, within the caller's bytes.
        let place = |piece: usize| unsafe { data.add(piece * size as usize) };
        let mut read = 0;
        while count - read >= LEAST_TOGETHER {
            let asked = (count - read).min(MOST_TOGETHER);
            // SAFETY: as many pieces lie behind that place.
            let group = unsafe { self.read_together(id, place(read), size, asked, |piece| position(read + piece)) };
            for &had in &group {
                // SAFETY: the place of a piece.
                let Some(bytes) = (unsafe { self.read_rest(id, place(read), size, position(read), had) }) else {
                    return read;
                };
                done(read, bytes);
                read += 1;
            }
            if group.len() < asked {
                return read;
            }
        }
        while read < count {
            // SAFETY: the place of a piece.
            let Some(bytes) = (unsafe { self.read_rest(id, place(read), size, position(read), 0) }) else {
                break;
            };
            done(read, bytes);
            read += 1;
        }
        read
    }

    /// Reads what is left of a piece of which `had` bytes are there: it is short where the file ends, and where its other pages are not in memory. The bytes
    /// of it all; `None` where it cannot be read at once.
    ///
    /// # Safety
    /// As for [`read_now`](Self::read_now), for the whole piece.
    unsafe fn read_rest(&mut self, id: HandleId, data: *mut u8, size: u32, position: i64, had: u32) -> Option<u32> {
        let had = had.min(size);
        // SAFETY: what is left of the piece.
        let more = unsafe {
            self.read_now(id, data.add(had as usize), size - had, position.max(0).saturating_add(had.into()))
        };
        more.ok().map(|more| had + more)
    }

    /// Does many reads with one system call: the bytes of each, up to the first that was refused.
    ///
    /// # Safety
    /// As for [`read_many_now`](Self::read_many_now).
    unsafe fn read_together(
        &mut self,
        id: HandleId,
        data: *mut u8,
        size: u32,
        count: usize,
        position: impl Fn(usize) -> i64,
    ) -> Vec<u32> {
        let Some((file, common, files, context)) = self.file(id) else { return Vec::new() };
        if !may_read(file, context, false) || !context.backlog.is_empty() || context.failure().is_some() {
            return Vec::new();
        }
        let (fd, batch) = (common.fd(), files.next_batch());
        let mut results = Vec::with_capacity(count);
        while results.len() < count {
            let piece = results.len();
            // SAFETY: the place of that piece, within the caller's bytes.
            let data = unsafe { data.add(piece * size as usize) };
            let position = position(piece).max(0);
            let request =
                FileRequest::Read { fd, data, length: size, position, now: true, by_worker: false, priority: 0 };
            let number = u32::try_from(piece).unwrap_or(u32::MAX);
            // SAFETY: the caller vouches for the bytes, and the kernel needs them no longer when this returns: see below.
            if !unsafe { context.hand(&Request::File { request, linked: false }, at_once(batch, number)) } {
                break;
            }
            results.push(-libc::EAGAIN);
        }
        // The kernel has done them all when this returns, or it is not entered again: it needs the memory no longer either way.
        if context.enter(Wait::No).is_err() {
            return Vec::new();
        }
        context.kernel.reap(&mut context.arrived, usize::MAX);
        let first = at_once(batch, 0);
        context.arrived.retain(|completion| {
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
        results.into_iter().map_while(|result| u32::try_from(result).ok()).collect()
    }
}

/// Whether it is worth trying.
fn may_read<K: Kernel>(file: &File, context: &Context<K>, at_cursor: bool) -> bool {
    let waited_for = at_cursor && file.lanes[0].busy;
    file.seekable && context.failure().is_none() && !waited_for && file.priority == 0 && file.tries_now(Direction::Read)
}
