//! How the end of a transfer is reported, and what it lets go on.

use std::os::fd::RawFd;

use crate::error::Errno;
use crate::file::File;
use crate::file::commit::written;
use crate::file::files::{Files, Queued, Step};
use crate::file::transfer::{Progress, Role, Transfer};
use crate::handle::HandleState;
use crate::io::Io;
use crate::kernel::Kernel;

impl<K: Kernel> Io<K> {
    /// Reports a transfer whose file is closed, and that the sync behind it will not be done.
    pub(crate) fn settle_all(&mut self, transfer: &Transfer, result: i32) {
        self.settle(transfer.token, result);
        if let Some(commit) = transfer.commit() {
            self.settle(commit.token, -libc::ECANCELED);
        }
    }
}

/// Reports a transfer, and lets what waits for it go on: the sync behind it, or the next one at the file's position
/// start.
pub(crate) fn settle_transfer<K: Kernel>(
    state: &HandleState,
    transfer: &Transfer,
    result: i32,
    file: &mut File,
    files: &mut Files,
    io: &mut Io<K>,
) {
    io.settle(transfer.token, result);
    match transfer.role {
        Role::Single | Role::Step => {}
        Role::Commit(commit) => {
            let complete = transfer.done == transfer.place.length && result >= 0;
            written(state.id, commit, complete, file, files, io);
        }
        Role::AtCursor => {
            if transfer.position >= 0 && transfer.done > 0 {
                set_cursor(state.fd(), transfer.rest_position());
            }
            let lane = file.lane(transfer.direction);
            match lane.queue.pop_front() {
                Some(next) => files.waiting.push_back(Queued::One(Step::Transfer(state.id, next))),
                None => lane.busy = false,
            }
        }
    }
}

/// Settles a transfer that found no memory, or whose memory is gone.
pub(crate) fn settle_failed<K: Kernel>(
    state: &HandleState,
    transfer: &Transfer,
    errno: Errno,
    file: &mut File,
    files: &mut Files,
    io: &mut Io<K>,
) {
    let done = i32::try_from(transfer.done).unwrap_or(i32::MAX);
    settle_transfer(state, transfer, if done > 0 { done } else { errno.negated() }, file, files, io);
}

/// Takes account of what the kernel has done of a transfer, which goes on or is settled.
pub(crate) fn advance<K: Kernel>(
    state: &HandleState,
    mut transfer: Transfer,
    result: i32,
    file: &mut File,
    files: &mut Files,
    io: &mut Io<K>,
) {
    if transfer.role.is_whole() {
        if let Ok(count) = u32::try_from(result) {
            transfer.done = count;
        }
        return settle_transfer(state, &transfer, result, file, files, io);
    }
    match transfer.advance(result, file.goes_on(transfer.direction)) {
        Progress::Settled(result) => return settle_transfer(state, &transfer, result, file, files, io),
        Progress::Again => {}
        Progress::Refused if result == -libc::EOPNOTSUPP => file.refuse_nowait(transfer.direction),
        Progress::Refused => {}
    }
    files.waiting.push_front(Queued::One(Step::Transfer(state.id, transfer)));
}

/// The file's own position, or -1 where it has none.
///
/// The kernel advances it for requests of a ring as well, but not when one ends early: a write that found no room after
/// half of its bytes leaves it where it was (seen on Linux 6.18), and the next would overwrite them. So it is read
/// before and set after.
pub(crate) fn cursor(fd: RawFd) -> i64 {
    // SAFETY: takes and returns integers only.
    unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) }
}

/// Sets the file's own position. It stays where it is for one that no file can have.
pub(crate) fn set_cursor(fd: RawFd, position: i64) {
    // SAFETY: takes and returns integers only.
    unsafe { libc::lseek(fd, position, libc::SEEK_SET) };
}
