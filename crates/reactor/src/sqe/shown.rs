//! Submission queue entries for people.

use std::fmt;

use io_uring::squeue;

/// An entry by the name of its `IORING_OP_*`, with the fields that most operations have in common.
pub(crate) struct Shown<'a>(pub(crate) &'a squeue::Entry);

/// The beginning of the kernel's `struct io_uring_sqe`, with names for what most operations use its unions for.
#[derive(Clone, Copy)]
#[repr(C)]
struct Fields {
    opcode: u8,
    flags: u8,
    ioprio: u16,
    fd: i32,
    offset: u64,
    address: u64,
    length: u32,
    op_flags: u32,
}

const _: () = assert!(size_of::<Fields>() <= size_of::<squeue::Entry>());

/// Names without `IORING_OP_`, by number.
const NAMES: [&str; 56] = [
    "NOP",
    "READV",
    "WRITEV",
    "FSYNC",
    "READ_FIXED",
    "WRITE_FIXED",
    "POLL_ADD",
    "POLL_REMOVE",
    "SYNC_FILE_RANGE",
    "SENDMSG",
    "RECVMSG",
    "TIMEOUT",
    "TIMEOUT_REMOVE",
    "ACCEPT",
    "ASYNC_CANCEL",
    "LINK_TIMEOUT",
    "CONNECT",
    "FALLOCATE",
    "OPENAT",
    "CLOSE",
    "FILES_UPDATE",
    "STATX",
    "READ",
    "WRITE",
    "FADVISE",
    "MADVISE",
    "SEND",
    "RECV",
    "OPENAT2",
    "EPOLL_CTL",
    "SPLICE",
    "PROVIDE_BUFFERS",
    "REMOVE_BUFFERS",
    "TEE",
    "SHUTDOWN",
    "RENAMEAT",
    "UNLINKAT",
    "MKDIRAT",
    "SYMLINKAT",
    "LINKAT",
    "MSG_RING",
    "FSETXATTR",
    "SETXATTR",
    "FGETXATTR",
    "GETXATTR",
    "SOCKET",
    "URING_CMD",
    "SEND_ZC",
    "SENDMSG_ZC",
    "READ_MULTISHOT",
    "WAITID",
    "FUTEX_WAIT",
    "FUTEX_WAKE",
    "FUTEX_WAITV",
    "FIXED_FD_INSTALL",
    "FTRUNCATE",
];

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: an entry is the kernel's `struct io_uring_sqe` and nothing else (`repr(C)`, 64 bytes, aligned to
        // eight), which begins with these integers.
        let fields = unsafe { std::ptr::from_ref(self.0).cast::<Fields>().read() };
        let Fields { opcode, flags, ioprio, fd, offset, address, length, op_flags } = fields;
        let name = NAMES.get(usize::from(opcode)).copied().unwrap_or("?");
        write!(formatter, "{name} fd {fd}")?;
        let others = [
            ("flags", u64::from(flags)),
            ("ioprio", ioprio.into()),
            ("off", offset),
            ("addr", address),
            ("len", length.into()),
            ("op_flags", op_flags.into()),
        ];
        others
            .iter()
            .filter(|(_, value)| *value != 0)
            .try_for_each(|(name, value)| write!(formatter, " {name} {value:#x}"))
    }
}

#[cfg(test)]
mod tests {
    use io_uring::opcode;
    use io_uring::types::Fd;

    use super::*;

    #[test]
    fn entries_are_shown_by_the_names_of_the_manual() {
        assert_eq!(Shown(&opcode::Close::new(Fd(7)).build()).to_string(), "CLOSE fd 7");
        let write = opcode::Write::new(Fd(3), std::ptr::without_provenance(0x1000), 64).offset(16).build();
        assert_eq!(Shown(&write).to_string(), "WRITE fd 3 off 0x10 addr 0x1000 len 0x40");
        for (code, name) in [
            (opcode::Accept::CODE, "ACCEPT"),
            (opcode::Recv::CODE, "RECV"),
            (opcode::SendMsg::CODE, "SENDMSG"),
            (opcode::Statx::CODE, "STATX"),
            (opcode::LinkAt::CODE, "LINKAT"),
            (opcode::GetXattr::CODE, "GETXATTR"),
            (opcode::Ftruncate::CODE, "FTRUNCATE"),
        ] {
            assert_eq!(NAMES[usize::from(code)], name);
        }
    }
}
