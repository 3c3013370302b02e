//! Reads within the call that asks for them; see `file/read_nowait.rs`.

use crate::error::Errno;
use crate::file::read_nowait::{self, Pieces};
use crate::handle_id::HandleId;
use crate::kernel::Kernel;
use crate::reactor::Reactor;

/// Fewer reads than that are done one by one.
const MIN_TOGETHER: usize = 4;

/// Most reads of one system call.
const MAX_TOGETHER: usize = 64;

impl<K: Kernel> Reactor<K> {
    /// Reads `length` bytes, or up to the end of the file, at `position`, or at the file's own where that is negative.
    /// Nothing is under way afterwards, whatever comes of it.
    ///
    /// # Errors
    /// `EAGAIN` where it cannot be done at once, and whatever the file system says. The bytes at `data` may have been
    /// changed then, the file's own position has not; [`transfer`](Self::transfer) will tell what is the matter.
    ///
    /// # Safety
    /// `data` points at `length` bytes that may be written for the length of the call.
    pub unsafe fn read_nowait(
        &mut self,
        id: HandleId,
        data: *mut u8,
        length: u32,
        position: i64,
    ) -> Result<u32, Errno> {
        if length == 0 {
            return Ok(0);
        }
        let (file, state, _, io) = self.file(id).ok_or(Errno(libc::EBADF))?;
        // SAFETY: the caller's promise.
        unsafe { read_nowait::read_nowait(state, data, length, position, file, io) }
    }

    /// Reads `count` pieces of `size` bytes each, to consecutive places from `data` on, as
    /// [`read_nowait`](Self::read_nowait) does: up to the first that cannot be read at once. `position` tells where in
    /// the file each is, and `done` hears of those that were read, in order: number, bytes. Nothing is under way
    /// afterwards. Returns how many were read; beyond them bytes may have been changed as well.
    ///
    /// # Safety
    /// `data` points at `count * size` bytes that may be written for the length of the call.
    pub unsafe fn read_many_nowait(
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
        while count - read >= MIN_TOGETHER {
            let asked = (count - read).min(MAX_TOGETHER);
            let Some((file, state, files, io)) = self.file(id) else { return read };
            let pieces =
                Pieces { data: place(read), size, count: asked, position: |piece: usize| position(read + piece) };
            // SAFETY: as many pieces lie behind that place.
            let group = unsafe { read_nowait::read_together(state, &pieces, file, files, io) };
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

    /// Reads what is left of a piece of which `had` bytes are there: it is short where the file ends, and where its
    /// other pages are not in memory. The bytes of it all; `None` where it cannot be read at once.
    ///
    /// # Safety
    /// As for [`read_nowait`](Self::read_nowait), for the whole piece.
    unsafe fn read_rest(&mut self, id: HandleId, data: *mut u8, size: u32, position: i64, had: u32) -> Option<u32> {
        let had = had.min(size);
        // SAFETY: what is left of the piece.
        let more = unsafe {
            self.read_nowait(id, data.add(had as usize), size - had, position.max(0).saturating_add(had.into()))
        };
        more.ok().map(|more| had + more)
    }
}
