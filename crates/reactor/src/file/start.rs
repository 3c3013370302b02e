//! How transfers are started.

use std::os::fd::RawFd;

use crate::bounce::Budget;
use crate::error::Errno;
use crate::file::carrier::Carrier;
use crate::file::commit::durability;
use crate::file::files::{Files, Lack, Linked, NotNow, Prepared, Step};
use crate::file::load::Load;
use crate::file::settle::{cursor, settle_failed, settle_transfer};
use crate::file::transfer::{Attempt, Role, Transfer};
use crate::file::{File, MAX_SHORT_WRITE};
use crate::handle::HandleState;
use crate::io::Io;
use crate::kernel::{Direction, Durability, FileRequest, Kernel};
use crate::memory::Memory;
use crate::operation::FileOperation;

/// Starts a transfer, or its next step.
pub(crate) fn start_transfer<K: Kernel>(
    state: &mut HandleState,
    mut transfer: Transfer,
    file: &mut File,
    files: &mut Files,
    io: &mut Io<K>,
    memory: &mut impl Memory,
) -> Result<(), NotNow> {
    if file.never_waits(state.fd()) {
        let result = do_nowait(&transfer, state.fd(), io, memory).map_or_else(Errno::negated, u32::cast_signed);
        settle_transfer(state, &transfer, result, file, files, io);
        return Ok(());
    }
    if file.polls_first(transfer.direction) && transfer.attempt == Attempt::First {
        return start_await(state, Transfer { attempt: Attempt::Refused, ..transfer }, files, io);
    }
    let appends = file.append && transfer.direction == Direction::Write;
    if transfer.role == Role::AtCursor && transfer.position < 0 && file.is_seekable() && !appends {
        transfer.position = cursor(state.fd());
    }
    match prepare_transfer(state, transfer, Linked::No, Budget::Within, file, files, memory) {
        Ok(Some(prepared)) => {
            let leaves_dirt = prepared.leaves_dirt();
            files.start(prepared, Linked::No, Some(state), io)?;
            file.commits.dirty |= leaves_dirt;
        }
        Ok(None) => return Err(NotNow(Step::Transfer(state.id, transfer), Lack::Place)),
        Err(errno) => settle_failed(state, &transfer, errno, file, files, io),
    }
    Ok(())
}

/// Waits until a pipe or device is ready.
pub(crate) fn start_await<K: Kernel>(
    state: &mut HandleState,
    transfer: Transfer,
    files: &mut Files,
    io: &mut Io<K>,
) -> Result<(), NotNow> {
    let request = FileRequest::Await { fd: state.fd(), writable: transfer.direction == Direction::Write };
    // SAFETY: a poll points at nothing.
    let prepared = unsafe { Prepared::new(state.id, FileOperation::Awaiting(transfer), request) };
    files.start(prepared, Linked::No, Some(state), io)
}

/// What the next step of a transfer asks for; `None` while there is no memory for it.
///
/// # Errors
/// Those of [`Load::of`].
pub(crate) fn prepare_transfer(
    state: &HandleState,
    transfer: Transfer,
    linked: Linked,
    budget: Budget,
    file: &File,
    files: &mut Files,
    memory: &mut impl Memory,
) -> Result<Option<Prepared>, Errno> {
    let Some(load) = Load::of(&transfer, file, &mut files.bounces, budget, memory)? else { return Ok(None) };
    let Load { data, length, carrier, by_worker: likely_by_worker } = load;
    let nowait = matches!(carrier, Carrier::Nowait);
    let by_worker = !nowait && file.needs_worker(transfer.direction);
    let (fd, position, priority) = (state.fd(), transfer.rest_position(), file.priority);
    let (data, durability) = (data.as_ptr(), durability(&transfer));
    let direction = transfer.direction;
    let request =
        FileRequest::Transfer { direction, fd, data, length, position, nowait, by_worker, durability, priority };
    let waits_for_disk = linked == Linked::ToNext || durability != Durability::Written;
    let short = likely_by_worker && !waits_for_disk && length <= MAX_SHORT_WRITE;
    let operation = FileOperation::Transfer { transfer, carrier, short };
    // SAFETY: the memory is the carrier's, which the operation owns; or JavaScript's, for a request that says `nowait`,
    // which holds until JavaScript runs again, or that is written in place, which the kernel reads by its address: it
    // finds it gone where that is the case.
    Ok(Some(unsafe { Prepared::new(state.id, operation, request) }))
}

/// Does a transfer by a system call, on a file that does not let anybody wait.
fn do_nowait<K: Kernel>(
    transfer: &Transfer,
    fd: RawFd,
    io: &mut Io<K>,
    memory: &mut impl Memory,
) -> Result<u32, Errno> {
    let data = memory.resolve(&transfer.place).ok_or(Errno(libc::EFAULT))?.as_ptr();
    let (length, position) = (transfer.place.length, transfer.position);
    // SAFETY: the memory has that many bytes, and stays where it is until JavaScript runs again.
    let moved = unsafe { io.kernel.transfer_nowait(fd, transfer.direction, data, length, position) }?;
    io.totals.count_transfer(transfer.direction, moved.into());
    Ok(moved)
}
