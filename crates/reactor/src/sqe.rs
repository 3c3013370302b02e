//! How requests are laid out in submission queue entries.

mod shown;

use std::os::fd::RawFd;

use io_uring::types::{Fd, FsyncFlags};
use io_uring::{opcode, squeue};

use crate::kernel::{BufferGroup, Direction, Durability, Extent, FileOp, FileRequest, Operands, Request};

pub(crate) use shown::Shown;

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
        Request::PollReadable { fd } => {
            #[allow(clippy::cast_sign_loss, reason = "flag bits")]
            let events = libc::POLLIN as u32;
            opcode::PollAdd::new(Fd(fd), events).build()
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
    // SAFETY: an entry is the kernel's `struct io_uring_sqe` and nothing else (`repr(C)`, 64 bytes); the four bytes
    // from 44 on are its union of integers that is called `optlen` here. The entry is borrowed by nobody else.
    unsafe { (&raw mut entry).cast::<u8>().add(OPTLEN).cast::<u32>().write(limit) };
    entry
}

fn rw_flags(nowait: bool) -> libc::c_int {
    if nowait { libc::RWF_NOWAIT } else { 0 }
}

/// A write that waits for the disk is left to a worker as well: some file systems would do it while the request is
/// taken, and keep this thread waiting.
fn entry_flags(by_worker: bool, durability: Durability) -> squeue::Flags {
    if by_worker || durability != Durability::Written { squeue::Flags::ASYNC } else { squeue::Flags::empty() }
}

fn sync_flags(durability: Durability) -> libc::c_int {
    match durability {
        Durability::Written => 0,
        Durability::DataSynced => libc::RWF_DSYNC,
        Durability::Synced => libc::RWF_SYNC,
    }
}

/// Lays a file request out.
fn file_entry(request: &FileRequest) -> squeue::Entry {
    match *request {
        FileRequest::Transfer { direction, fd, data, length, position, nowait, by_worker, durability, priority } => {
            let (fd, offset, flags) = (Fd(fd), position.cast_unsigned(), rw_flags(nowait) | sync_flags(durability));
            let entry = match direction {
                Direction::Read => {
                    opcode::Read::new(fd, data, length).offset(offset).rw_flags(flags).ioprio(priority).build()
                }
                Direction::Write => {
                    opcode::Write::new(fd, data, length).offset(offset).rw_flags(flags).ioprio(priority).build()
                }
            };
            entry.flags(entry_flags(by_worker, durability))
        }
        FileRequest::Await { fd, writable } => {
            #[allow(clippy::cast_sign_loss, reason = "flag bits")]
            let events = if writable { libc::POLLOUT } else { libc::POLLIN } as u32;
            opcode::PollAdd::new(Fd(fd), events).build()
        }
        FileRequest::Op { op, ref operands, by_worker } => {
            op_entry(op, operands).flags(entry_flags(by_worker, Durability::Written))
        }
    }
}

fn op_entry(op: FileOp, operands: &Operands) -> squeue::Entry {
    let here = Fd(libc::AT_FDCWD);
    let &Operands { fd, path, other, data, length: room } = operands;
    let (fd, value) = (Fd(fd), data.cast::<libc::c_void>());
    match op {
        FileOp::Open { flags, mode } => opcode::OpenAt::new(here, path).flags(flags).mode(mode).build(),
        FileOp::Status { flags } => opcode::Statx::new(here, path, data.cast())
            .flags(flags)
            .mask(libc::STATX_BASIC_STATS | libc::STATX_BTIME)
            .build(),
        FileOp::Unlink { flags } => opcode::UnlinkAt::new(here, path).flags(flags).build(),
        FileOp::Rename { flags } => opcode::RenameAt::new(here, path, here, other).flags(flags).build(),
        FileOp::MakeDirectory { mode } => opcode::MkDirAt::new(here, path).mode(mode).build(),
        FileOp::Symlink => opcode::SymlinkAt::new(here, path, other).build(),
        FileOp::Link => opcode::LinkAt::new(here, path, here, other).build(),
        FileOp::Sync { data_only } => {
            let flags = if data_only { FsyncFlags::DATASYNC } else { FsyncFlags::empty() };
            opcode::Fsync::new(fd).flags(flags).build()
        }
        FileOp::Truncate { length } => opcode::Ftruncate::new(fd, length).build(),
        FileOp::Allocate { mode, offset, length } => {
            opcode::Fallocate::new(fd, length).offset(offset).mode(mode).build()
        }
        FileOp::Advise { advice, offset, length } => {
            opcode::Fadvise::new(fd, length.into(), advice).offset(offset).build()
        }
        FileOp::GetXattr => opcode::GetXattr::new(other, value, path, room).build(),
        FileOp::FGetXattr => opcode::FGetXattr::new(fd, other, value, room).build(),
        FileOp::SetXattr { flags } => opcode::SetXattr::new(other, value, path, room).flags(flags).build(),
        FileOp::FSetXattr { flags } => opcode::FSetXattr::new(fd, other, value, room).flags(flags).build(),
    }
}
