//! SQEs of file requests.

use io_uring::types::{Fd, FsyncFlags};
use io_uring::{opcode, squeue};

use crate::file::request::{FileRequest, Until};

fn rw_flags(now: bool) -> libc::c_int {
    if now { libc::RWF_NOWAIT } else { 0 }
}

/// A write that waits for the disk is left to a worker as well: some file systems would do it while the request is taken, and keep this thread waiting.
fn entry_flags(by_worker: bool, until: Until) -> squeue::Flags {
    if by_worker || until != Until::Written { squeue::Flags::ASYNC } else { squeue::Flags::empty() }
}

fn sync_flags(until: Until) -> libc::c_int {
    match until {
        Until::Written => 0,
        Until::DataSynced => libc::RWF_DSYNC,
        Until::Synced => libc::RWF_SYNC,
    }
}

/// Lays a file request out.
pub(super) fn entry(request: &FileRequest) -> squeue::Entry {
    let here = Fd(libc::AT_FDCWD);
    match *request {
        FileRequest::Read { fd, data, length, position, now, by_worker, priority } => {
            opcode::Read::new(Fd(fd), data, length)
                .offset(position.cast_unsigned())
                .rw_flags(rw_flags(now))
                .ioprio(priority)
                .build()
                .flags(entry_flags(by_worker, Until::Written))
        }
        FileRequest::Write { fd, data, length, position, now, by_worker, until, priority } => {
            opcode::Write::new(Fd(fd), data, length)
                .offset(position.cast_unsigned())
                .rw_flags(rw_flags(now) | sync_flags(until))
                .ioprio(priority)
                .build()
                .flags(entry_flags(by_worker, until))
        }
        FileRequest::Await { fd, writable } => {
            #[allow(clippy::cast_sign_loss, reason = "flag bits")]
            let events = if writable { libc::POLLOUT } else { libc::POLLIN } as u32;
            opcode::PollAdd::new(Fd(fd), events).build()
        }
        FileRequest::Sync { fd, data_only } => {
            opcode::Fsync::new(Fd(fd)).flags(if data_only { FsyncFlags::DATASYNC } else { FsyncFlags::empty() }).build()
        }
        FileRequest::Truncate { fd, length } => opcode::Ftruncate::new(Fd(fd), length).build(),
        FileRequest::Allocate { fd, mode, offset, length } => {
            opcode::Fallocate::new(Fd(fd), length).offset(offset).mode(mode).build()
        }
        FileRequest::Advise { fd, offset, length, advice } => {
            opcode::Fadvise::new(Fd(fd), length.into(), advice).offset(offset).build()
        }
        FileRequest::Open { path, flags, mode, by_worker } => {
            let entry = opcode::OpenAt::new(here, path).flags(flags).mode(mode).build();
            entry.flags(entry_flags(by_worker, Until::Written))
        }
        FileRequest::Status { path, flags, into } => opcode::Statx::new(here, path, into.cast())
            .flags(flags)
            .mask(libc::STATX_BASIC_STATS | libc::STATX_BTIME)
            .build(),
        FileRequest::Unlink { path, flags } => opcode::UnlinkAt::new(here, path).flags(flags).build(),
        FileRequest::Rename { from, to, flags } => opcode::RenameAt::new(here, from, here, to).flags(flags).build(),
        FileRequest::MakeDirectory { path, mode } => opcode::MkDirAt::new(here, path).mode(mode).build(),
        FileRequest::Symlink { target, link } => opcode::SymlinkAt::new(here, target, link).build(),
        FileRequest::Link { from, to } => opcode::LinkAt::new(here, from, here, to).build(),
        FileRequest::Splice { from, from_position, to, to_position, length } => {
            opcode::Splice::new(Fd(from), from_position, Fd(to), to_position, length).build()
        }
        FileRequest::GetXattr { path, name, value, length } => {
            opcode::GetXattr::new(name, value.cast(), path, length).build()
        }
        FileRequest::FGetXattr { fd, name, value, length } => {
            opcode::FGetXattr::new(Fd(fd), name, value.cast(), length).build()
        }
        FileRequest::SetXattr { path, name, value, length, flags } => {
            opcode::SetXattr::new(name, value.cast(), path, length).flags(flags).build()
        }
        FileRequest::FSetXattr { fd, name, value, length, flags } => {
            opcode::FSetXattr::new(Fd(fd), name, value.cast(), length).flags(flags).build()
        }
    }
}
