//! Can this process use io_uring, and if not, why.

use std::ffi::CStr;
use std::fmt;
use std::fs;
use std::mem;

use io_uring::{IoUring, Probe, opcode};

use crate::config::{self, Config, Obtained};
use crate::error::{Errno, Error};
use crate::trial::Trial;

/// What stands between this process and io_uring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The operating system is not Linux.
    NotLinux,
    /// The kernel has no io_uring, or pretends so (gVisor, qemu-user, some seccomp profiles): `ENOSYS`.
    NoSystemCall,
    /// `kernel.io_uring_disabled` forbids it to this process.
    RefusedBySysctl,
    /// `io_uring_setup` is forbidden by something else, nearly always a container's seccomp profile: `EPERM`/`EACCES`.
    RefusedBySeccomp,
    /// A ring can be made, but using it is forbidden: `io_uring_enter` or `io_uring_register` fails.
    EnterRefused,
    /// The kernel has io_uring but lacks something that Linux 6.1 has.
    KernelTooOld {
        /// What is missing, by the kernel's name for it.
        missing: &'static str,
    },
    /// The kernel has everything, but a trial gave something else than it should.
    TrialFailed {
        /// What was tried.
        trial: &'static str,
    },
    /// The limit of memory that this user may lock (`RLIMIT_MEMLOCK`) leaves no room for a ring.
    LockLimit,
    /// Not enough memory. Can pass.
    OutOfMemory,
    /// No file descriptor left. Can pass.
    OutOfDescriptors,
}

impl Reason {
    /// The code for programs: `ERR_IOURING_…`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotLinux => "ERR_IOURING_NOT_LINUX",
            Self::NoSystemCall => "ERR_IOURING_NO_SYSCALL",
            Self::RefusedBySysctl => "ERR_IOURING_REFUSED_SYSCTL",
            Self::RefusedBySeccomp => "ERR_IOURING_REFUSED_SECCOMP",
            Self::EnterRefused => "ERR_IOURING_ENTER_REFUSED",
            Self::KernelTooOld { .. } => "ERR_IOURING_KERNEL_TOO_OLD",
            Self::TrialFailed { .. } => "ERR_IOURING_TRIAL_FAILED",
            Self::LockLimit => "ERR_IOURING_LOCK_LIMIT",
            Self::OutOfMemory => "ERR_IOURING_OUT_OF_MEMORY",
            Self::OutOfDescriptors => "ERR_IOURING_OUT_OF_DESCRIPTORS",
        }
    }

    /// Whether trying again in this process is pointless, so that falling back is right.
    pub const fn permanent(self) -> bool {
        !matches!(self, Self::OutOfMemory | Self::OutOfDescriptors)
    }

    /// The reason as an error, with the error number that showed it.
    pub const fn because(self, errno: Errno) -> Error {
        Error::Unsupported { reason: self, errno: Some(errno) }
    }

    /// What a failed `io_uring_setup` means.
    pub(crate) fn of_set_up(errno: Errno) -> Error {
        let reason = match errno {
            Errno::ENOSYS => Self::NoSystemCall,
            Errno::EPERM | Errno::EACCES if sysctl_forbids() => Self::RefusedBySysctl,
            Errno::EPERM | Errno::EACCES => Self::RefusedBySeccomp,
            Errno::EINVAL => Self::KernelTooOld { missing: "IORING_SETUP_DEFER_TASKRUN" },
            Errno::ENOMEM if lock_is_limited() => Self::LockLimit,
            Errno::ENOMEM | Errno::EAGAIN => Self::OutOfMemory,
            Errno::EMFILE | Errno::ENFILE => Self::OutOfDescriptors,
            _ => {
                return Error::Os { syscall: "io_uring_setup", errno };
            }
        };
        reason.because(errno)
    }

    /// What a failed `io_uring_register` means, when it was asked for what the kernel calls `missing`.
    pub(crate) fn of_register(errno: Errno, missing: &'static str) -> Error {
        let reason = match errno {
            Errno::EINVAL | Errno::EOPNOTSUPP => Self::KernelTooOld { missing },
            Errno::EPERM | Errno::EACCES | Errno::ENOSYS => Self::EnterRefused,
            Errno::ENOMEM if lock_is_limited() => Self::LockLimit,
            Errno::ENOMEM | Errno::EAGAIN => Self::OutOfMemory,
            _ => {
                return Error::Os { syscall: "io_uring_register", errno };
            }
        };
        reason.because(errno)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLinux => formatter.write_str("io_uring needs Linux"),
            Self::NoSystemCall => formatter.write_str("this kernel or sandbox has no io_uring"),
            Self::RefusedBySysctl => {
                formatter.write_str("io_uring is forbidden to this process by the sysctl kernel.io_uring_disabled")
            }
            Self::RefusedBySeccomp => formatter
                .write_str("io_uring_setup is forbidden to this process, most likely by a container's seccomp profile"),
            Self::EnterRefused => {
                formatter.write_str("a ring can be set up but not used, most likely because of a seccomp profile")
            }
            Self::KernelTooOld { missing } => {
                write!(formatter, "this kernel lacks {missing}; Linux 6.1 or newer is needed")
            }
            Self::TrialFailed { trial } => write!(formatter, "io_uring did not work as it should when tried: {trial}"),
            Self::LockLimit => formatter.write_str(
                "RLIMIT_MEMLOCK leaves this user no room for a ring, also because of the rings that others of its processes and libuv have",
            ),
            Self::OutOfMemory => formatter.write_str("no memory for a ring"),
            Self::OutOfDescriptors => formatter.write_str("no file descriptor left for a ring"),
        }
    }
}

/// Whether `kernel.io_uring_disabled` (Linux 6.6) is what forbids io_uring here.
///
/// At 1 a process may still be allowed by privilege or group, but then the set-up would not have failed for this.
fn sysctl_forbids() -> bool {
    fs::read_to_string("/proc/sys/kernel/io_uring_disabled").is_ok_and(|value| matches!(value.trim(), "1" | "2"))
}

/// Whether there is a limit to what this user may lock. What the kernel says is the same for no room below the limit and no memory at all; the
/// limit is by far the likelier, and falling back right for both.
fn lock_is_limited() -> bool {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the calls have no preconditions; `limit` is of the type that is written.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) } == 0;
    // SAFETY: the same. Root may lock what it likes.
    known && limit.rlim_cur != libc::RLIM_INFINITY && unsafe { libc::geteuid() } != 0
}

/// Defines the optional features, with their names for people.
macro_rules! features {
    ($($(#[$documentation:meta])* $field:ident = $name:literal,)*) => {
        /// What this kernel has beyond the floor, which is Linux 6.1.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Features { $($(#[$documentation])* pub $field: bool,)* }

        impl Features {
            /// Every feature's name and whether it is there, in the order of their age.
            pub fn all(&self) -> Vec<(&'static str, bool)> {
                vec![$(($name, self.$field),)*]
            }
        }
    };
}

features! {
    /// Messages between rings (Linux 5.18). By probe.
    msg_ring = "msg-ring",
    /// Zero-copy send (Linux 6.0). By probe.
    send_zc = "send-zc",
    /// Zero-copy sendmsg (Linux 6.1). By probe.
    sendmsg_zc = "sendmsg-zc",
    /// Rings without the submission indirection array (Linux 6.6). By set-up.
    no_sq_array = "no-sq-array",
    /// Multishot read, for pipes and the like (Linux 6.7). By probe.
    multishot_read = "multishot-read",
    /// `ftruncate` as an operation (Linux 6.9). By probe.
    ftruncate = "ftruncate",
    /// Receive and send bundles (Linux 6.10). By feature bit, and a trial that they keep their order.
    bundles = "bundles",
    /// `bind` and `listen` as operations (Linux 6.11). By probe.
    bind_listen = "bind-listen",
    /// Buffers that are filled one message after another (Linux 6.12). By trial.
    incremental_buffers = "incremental-buffers",
    /// A minimum wait for batches of completions (Linux 6.12). By feature bit.
    min_wait = "min-wait",
    /// Multishot receives that end after so many bytes (Linux 6.17). By trial.
    bounded_receive = "bounded-receive",
}

impl Features {
    /// The names of the features that are there.
    pub fn names(&self) -> Vec<&'static str> {
        self.all().into_iter().filter_map(|(name, present)| present.then_some(name)).collect()
    }
}

/// The operations that the reactor cannot do without, by the kernel's names.
const REQUIRED: &[(u8, &str)] = &[
    (opcode::PollAdd::CODE, "IORING_OP_POLL_ADD"),
    (opcode::SendMsg::CODE, "IORING_OP_SENDMSG"),
    (opcode::RecvMsg::CODE, "IORING_OP_RECVMSG"),
    (opcode::Timeout::CODE, "IORING_OP_TIMEOUT"),
    (opcode::Accept::CODE, "IORING_OP_ACCEPT"),
    (opcode::AsyncCancel::CODE, "IORING_OP_ASYNC_CANCEL"),
    (opcode::Connect::CODE, "IORING_OP_CONNECT"),
    (opcode::Close::CODE, "IORING_OP_CLOSE"),
    (opcode::Read::CODE, "IORING_OP_READ"),
    (opcode::Write::CODE, "IORING_OP_WRITE"),
    (opcode::Send::CODE, "IORING_OP_SEND"),
    (opcode::Recv::CODE, "IORING_OP_RECV"),
    (opcode::Shutdown::CODE, "IORING_OP_SHUTDOWN"),
    (opcode::SendZc::CODE, "IORING_OP_SEND_ZC"),
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
    let smallest = Config { submission_entries: 64, completion_multiplier: 2, ..Config::default() };
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
    let mut trial = Trial::new(ring);
    trial.multishot_receive()?;
    trial.accept()?;
    trial.synchronous_cancel()?;
    let features = Features {
        msg_ring: probe.is_supported(opcode::MsgRingData::CODE),
        send_zc: probe.is_supported(opcode::SendZc::CODE),
        sendmsg_zc: probe.is_supported(opcode::SendMsgZc::CODE),
        no_sq_array: obtained.no_sq_array,
        multishot_read: probe.is_supported(opcode::ReadMulti::CODE),
        ftruncate: probe.is_supported(opcode::Ftruncate::CODE),
        bundles: trial.receive_bundles()?,
        bind_listen: probe.is_supported(opcode::Bind::CODE) && probe.is_supported(opcode::Listen::CODE),
        incremental_buffers: trial.incremental_buffers()?,
        min_wait,
        bounded_receive: trial.bounded_receive()?,
    };
    Ok(Findings { features, is_clean: trial.is_clean() })
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
