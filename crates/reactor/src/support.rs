//! Can this process use io_uring, and if not, why.

use std::fmt;
use std::fs;

use crate::error::{Errno, Error};

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
    /// Not enough memory, or not enough of it may be locked (`RLIMIT_MEMLOCK`). Can pass.
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
            Self::OutOfMemory => "ERR_IOURING_OUT_OF_MEMORY",
            Self::OutOfDescriptors => "ERR_IOURING_OUT_OF_DESCRIPTORS",
        }
    }

    /// Whether trying again in this process is pointless, so that falling back is right.
    pub const fn permanent(self) -> bool {
        !matches!(self, Self::OutOfMemory | Self::OutOfDescriptors)
    }

    /// What a failed `io_uring_setup` means.
    pub(crate) fn of_set_up(errno: Errno) -> Error {
        let reason = match errno {
            Errno::ENOSYS => Self::NoSystemCall,
            Errno::EPERM | Errno::EACCES if sysctl_forbids() => Self::RefusedBySysctl,
            Errno::EPERM | Errno::EACCES => Self::RefusedBySeccomp,
            Errno::EINVAL => Self::KernelTooOld {
                missing: "IORING_SETUP_DEFER_TASKRUN",
            },
            Errno::ENOMEM | Errno::EAGAIN => Self::OutOfMemory,
            Errno::EMFILE | Errno::ENFILE => Self::OutOfDescriptors,
            _ => {
                return Error::Os {
                    syscall: "io_uring_setup",
                    errno,
                };
            }
        };
        Error::Unsupported {
            reason,
            errno: Some(errno),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLinux => formatter.write_str("io_uring needs Linux"),
            Self::NoSystemCall => formatter.write_str("this kernel or sandbox has no io_uring"),
            Self::RefusedBySysctl => formatter
                .write_str("io_uring is forbidden to this process by the sysctl kernel.io_uring_disabled"),
            Self::RefusedBySeccomp => formatter.write_str(
                "io_uring_setup is forbidden to this process, most likely by a container's seccomp profile",
            ),
            Self::EnterRefused => formatter
                .write_str("a ring can be set up but not used, most likely because of a seccomp profile"),
            Self::KernelTooOld { missing } => {
                write!(
                    formatter,
                    "this kernel lacks {missing}; Linux 6.1 or newer is needed"
                )
            }
            Self::TrialFailed { trial } => write!(
                formatter,
                "io_uring did not work as it should when tried: {trial}"
            ),
            Self::OutOfMemory => formatter.write_str(
                "no memory for a ring: too little is free, or RLIMIT_MEMLOCK is too small for this user",
            ),
            Self::OutOfDescriptors => formatter.write_str("no file descriptor left for a ring"),
        }
    }
}

/// Whether `kernel.io_uring_disabled` (Linux 6.6) is what forbids io_uring here.
///
/// At 1 a process may still be allowed by privilege or group, but then the set-up would not have failed for this.
fn sysctl_forbids() -> bool {
    fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
        .is_ok_and(|value| matches!(value.trim(), "1" | "2"))
}
