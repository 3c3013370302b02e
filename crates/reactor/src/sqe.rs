//! How requests are laid out in submission queue entries.

use std::os::fd::RawFd;

use io_uring::types::{Fd, FsyncFlags};
use io_uring::{opcode, squeue};

use crate::kernel::{BufferGroup, Extent, FileRequest, Request, Until};

/// Where `optlen` lies in an SQE.
const OPTLEN: usize = 44;

/// Lays a request out, but for its `user_data`.
pub(crate) fn entry(request: &Request) -> squeue::Entry {
    match *request {
        Request::Accept { fd } => {
            opcode::Accept::new(Fd(fd), std::ptr::null_mut(), std::ptr::null_mut()).flags(libc::SOCK_CLOEXEC).build()
        }
        Request::Connect { fd, address, length } => opcode::Connect::new(Fd(fd), address, length).build(),
        Request::Receive { fd, extent } => match extent {
            Extent::Endless => opcode::RecvMulti::new(Fd(fd), BufferGroup::Bytes as u16).build(),
            Extent::Bounded(limit) => bounded_receive(fd, BufferGroup::Bytes as u16, limit),
            Extent::Single => opcode::Recv::new(Fd(fd), std::ptr::null_mut(), 0)
                .buf_group(BufferGroup::Bytes as u16)
                .build()
                .flags(squeue::Flags::BUFFER_SELECT),
        },
        Request::ReceiveDatagrams { fd, message } => {
            #[allow(clippy::cast_sign_loss, reason = "a flag bit")]
            let flags = libc::MSG_CMSG_CLOEXEC as u32;
            opcode::RecvMsgMulti::new(Fd(fd), message, BufferGroup::Datagrams as u16).flags(flags).build()
        }
        Request::ReceiveMessage { fd, message } => {
            #[allow(clippy::cast_sign_loss, reason = "a flag bit")]
            let flags = libc::MSG_CMSG_CLOEXEC as u32;
            opcode::RecvMsg::new(Fd(fd), message)
                .buf_group(BufferGroup::Datagrams as u16)
                .flags(flags)
                .build()
                .flags(squeue::Flags::BUFFER_SELECT)
        }
        Request::Send { fd, data, length } => {
            opcode::Send::new(Fd(fd), data, length).flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL).build()
        }
        Request::SendMessage { fd, message } => {
            #[allow(clippy::cast_sign_loss, reason = "flag bits")]
            let flags = (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as u32;
            opcode::SendMsg::new(Fd(fd), message).flags(flags).build()
        }
        Request::SendDatagram { fd, message, flags } => {
            #[allow(clippy::cast_sign_loss, reason = "flag bits")]
            let flags = (flags | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as u32;
            opcode::SendMsg::new(Fd(fd), message).flags(flags).build()
        }
        Request::PollWritable { fd, edges } => {
            #[allow(clippy::cast_sign_loss, reason = "flag bits")]
            let events = libc::POLLOUT as u32;
            opcode::PollAdd::new(Fd(fd), events).multi(edges).build()
        }
        Request::Cancel { user_data } => opcode::AsyncCancel::new(user_data).build().flags(squeue::Flags::SKIP_SUCCESS),
        Request::Close { fd } => opcode::Close::new(Fd(fd)).build(),
        Request::Timeout { after } => opcode::Timeout::new(after).build(),
        Request::File { ref request, linked } => {
            let flags = if linked { squeue::Flags::IO_LINK } else { squeue::Flags::empty() };
            file_entry(request).flags(flags)
        }
    }
}

/// A multishot receive that ends by itself once it has delivered `limit` bytes, or up to a buffer more (Linux 6.17).
pub(crate) fn bounded_receive(fd: RawFd, group: u16, limit: u32) -> squeue::Entry {
    let mut entry = opcode::RecvMulti::new(Fd(fd), group).build();
    const { assert!(size_of::<squeue::Entry>() == 64) }
    // The crate has no name for this field.
    // SAFETY: an entry is the kernel's `struct io_uring_sqe` and nothing else (`repr(C)`, 64 bytes); the four bytes from 44 on are its union of
    // integers that is called `optlen` here. The entry is borrowed by nobody else.
    unsafe { (&raw mut entry).cast::<u8>().add(OPTLEN).cast::<u32>().write(limit) };
    entry
}

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
fn file_entry(request: &FileRequest) -> squeue::Entry {
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
