//! Can this process use io_uring, and if not, why.

use std::ffi::CStr;
use std::mem;

use io_uring::{IoUring, Probe, opcode};

use crate::config::{self, Config, Obtained};
use crate::error::{Error, Reason};
use crate::features::Features;
use crate::self_test::SelfTest;

/// The operations that are asked of the ring, by the kernel's names. `FTRUNCATE` (Linux 6.9) may be missing: a file is
/// truncated by a system call then, and a chain of operations says that it cannot.
const REQUIRED: &[(u8, &str)] = &[
    (opcode::Accept::CODE, "IORING_OP_ACCEPT"),
    (opcode::AsyncCancel::CODE, "IORING_OP_ASYNC_CANCEL"),
    (opcode::Close::CODE, "IORING_OP_CLOSE"),
    (opcode::Connect::CODE, "IORING_OP_CONNECT"),
    (opcode::Fadvise::CODE, "IORING_OP_FADVISE"),
    (opcode::Fallocate::CODE, "IORING_OP_FALLOCATE"),
    (opcode::FGetXattr::CODE, "IORING_OP_FGETXATTR"),
    (opcode::FSetXattr::CODE, "IORING_OP_FSETXATTR"),
    (opcode::Fsync::CODE, "IORING_OP_FSYNC"),
    (opcode::GetXattr::CODE, "IORING_OP_GETXATTR"),
    (opcode::LinkAt::CODE, "IORING_OP_LINKAT"),
    (opcode::MkDirAt::CODE, "IORING_OP_MKDIRAT"),
    (opcode::OpenAt::CODE, "IORING_OP_OPENAT"),
    (opcode::PollAdd::CODE, "IORING_OP_POLL_ADD"),
    (opcode::Read::CODE, "IORING_OP_READ"),
    (opcode::Recv::CODE, "IORING_OP_RECV"),
    (opcode::RecvMsg::CODE, "IORING_OP_RECVMSG"),
    (opcode::RenameAt::CODE, "IORING_OP_RENAMEAT"),
    (opcode::Send::CODE, "IORING_OP_SEND"),
    (opcode::SendMsg::CODE, "IORING_OP_SENDMSG"),
    (opcode::SetXattr::CODE, "IORING_OP_SETXATTR"),
    (opcode::Statx::CODE, "IORING_OP_STATX"),
    (opcode::SymlinkAt::CODE, "IORING_OP_SYMLINKAT"),
    (opcode::Timeout::CODE, "IORING_OP_TIMEOUT"),
    (opcode::UnlinkAt::CODE, "IORING_OP_UNLINKAT"),
    (opcode::Write::CODE, "IORING_OP_WRITE"),
];

/// Finds out, by trying, whether this process can use io_uring, and what its kernel has beyond the floor.
///
/// Sets up a small ring, sends a few bytes through it over sockets of its own, and takes everything down again, in
/// about half a millisecond. What it finds can change only by the process's own doing (a seccomp filter installed
/// later, a limit lowered), so once is enough, except after an error that is not [permanent](Reason::permanent).
///
/// # Errors
/// [`Error::Unsupported`] says what is in the way; [`Error::Os`] is an error number that no one could expect.
pub fn detect() -> Result<Features, Error> {
    let smallest = Config { submission_entries: 64, completion_entries: 128, ..Config::default() };
    let (mut ring, obtained) = config::set_up(&smallest)?;
    examine(&mut ring, obtained).map(|findings| findings.features)
}

/// What was found out about a ring.
pub(crate) struct Findings {
    pub(crate) features: Features,
    /// Whether the ring can be used for more: nothing that was tried has been left behind in it.
    pub(crate) is_clean: bool,
}

/// Tries a ring out; see [`detect`].
pub(crate) fn examine(ring: &mut IoUring, obtained: Obtained) -> Result<Findings, Error> {
    let probe = probe(ring)?;
    let parameters = ring.params();
    let bits = [
        (parameters.is_feature_nodrop(), "IORING_FEAT_NODROP"),
        (parameters.is_feature_ext_arg(), "IORING_FEAT_EXT_ARG"),
        (parameters.is_feature_skip_cqe_on_success(), "IORING_FEAT_CQE_SKIP"),
    ];
    let operations = REQUIRED.iter().map(|&(code, name)| (probe.is_supported(code), name));
    if let Some((_, missing)) = bits.into_iter().chain(operations).find(|&(present, _)| !present) {
        return Err(Error::Unsupported { reason: Reason::KernelTooOld { missing }, errno: None });
    }

    let min_wait = parameters.is_feature_min_timeout();
    let mut test = SelfTest::new(ring);
    test.multishot_receive()?;
    test.accept()?;
    test.synchronous_cancel()?;
    let features = Features {
        msg_ring: probe.is_supported(opcode::MsgRingData::CODE),
        send_zc: probe.is_supported(opcode::SendZc::CODE),
        sendmsg_zc: probe.is_supported(opcode::SendMsgZc::CODE),
        no_sq_array: obtained.no_sq_array,
        multishot_read: probe.is_supported(opcode::ReadMulti::CODE),
        ftruncate: probe.is_supported(opcode::Ftruncate::CODE),
        bundles: test.receive_bundles()?,
        bind_listen: probe.is_supported(opcode::Bind::CODE) && probe.is_supported(opcode::Listen::CODE),
        incremental_buffers: test.incremental_buffers()?,
        min_wait,
        bounded_receive: test.bounded_receive()?,
        prompt_signals: test.prompt_signals()?,
    };
    Ok(Findings { features, is_clean: test.is_clean() })
}

fn probe(ring: &IoUring) -> Result<Probe, Error> {
    let mut probe = Probe::new();
    match ring.submitter().register_probe(&mut probe) {
        Ok(()) => Ok(probe),
        Err(error) => Err(Reason::of_register(error.into(), "IORING_REGISTER_PROBE")),
    }
}

/// The kernel's release, such as `6.1.0-18-amd64`. For people: nothing is decided by it.
#[doc(alias = "uname")]
pub fn kernel_release() -> String {
    // SAFETY: utsname is a structure of character arrays, for which all-zero bytes are a valid value.
    let mut name: libc::utsname = unsafe { mem::zeroed() };
    // SAFETY: uname(2) fills the structure and keeps nothing of it. Should it fail, the strings stay empty.
    unsafe { libc::uname(&raw mut name) };
    // SAFETY: uname(2) writes a NUL-terminated string, and before it there were only NULs.
    let release = unsafe { CStr::from_ptr(name.release.as_ptr()) };
    release.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn exactly_what_is_asked_of_the_ring_is_required() {
        // `RecvMulti` is a way to ask for `RECV`.
        let asked: BTreeSet<String> = include_str!("sqe.rs")
            .split("opcode::")
            .filter_map(|rest| rest.split_once("::new(").map(|(name, _)| name.trim_end_matches("Multi").to_uppercase()))
            .filter(|name| name != "FTRUNCATE" && name.bytes().all(|byte| byte.is_ascii_alphabetic()))
            .collect();
        let required = REQUIRED.iter().map(|(_, name)| name.trim_start_matches("IORING_OP_").replace('_', ""));
        assert_eq!(asked, required.collect());
    }
}
