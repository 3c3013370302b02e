//! Errors: the kernel's numbers by name, and what the reactor makes of them.

use std::fmt;
use std::fs;
use std::io;

/// A positive error number as the kernel defines it, for example `Errno(104)` for `ECONNRESET`.
///
/// Displays as its symbolic name. Results that cross to JavaScript are negative: see [`Errno::negated`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

/// Defines one associated constant an error number, and the table from number to name.
macro_rules! errnos {
    ($($name:ident)*) => {
        impl Errno {
            $(
                #[doc = concat!("`", stringify!($name), "`, see errno(3).")]
                pub const $name: Self = Self(libc::$name);
            )*

            /// The symbolic name (`"ECONNRESET"`), or `None` for a number that this table does not have.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $(libc::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

errnos! {
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY
    EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK
    EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP ENOMSG EIDRM ENOSTR ENODATA ETIME
    ENOSR ENONET ENOLINK ECOMM EPROTO EMULTIHOP EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG EILSEQ ERESTART
    EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP
    EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET
    ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY
    EINPROGRESS ESTALE EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED
    EOWNERDEAD ENOTRECOVERABLE ERFKILL EHWPOISON
}

impl Errno {
    /// The calling thread's `errno`, as the last failed system call left it.
    pub fn last_os_error() -> Self {
        Self::from(io::Error::last_os_error())
    }

    /// The form in which results travel in completions: the negative of the number.
    pub const fn negated(self) -> i32 {
        -self.0
    }

    /// What a libc function returned: `-1` becomes the thread's `errno`.
    pub(crate) fn check(returned: libc::c_int) -> Result<libc::c_int, Self> {
        if returned == -1 { Err(Self::last_os_error()) } else { Ok(returned) }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => formatter.write_str(name),
            None => write!(formatter, "errno {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Errno({}, {self})", self.0)
    }
}

impl std::error::Error for Errno {}

impl From<io::Error> for Errno {
    /// An `io::Error` without a number (one that Rust itself made) counts as `EIO`.
    fn from(error: io::Error) -> Self {
        error.raw_os_error().map_or(Self::EIO, Self)
    }
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.0)
    }
}

/// Why a reactor could not be set up. Displays as what stands in the way, without the number behind it where there is a
/// reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// io_uring cannot be had here, or not now: [`Reason::permanent`] tells which.
    Unsupported {
        /// What stands in the way.
        reason: Reason,
        /// The error number that showed it, where a system call did.
        errno: Option<Errno>,
    },
    /// A system call failed in a way that says nothing about io_uring's availability.
    Os {
        /// The system call's name, as Node prints it in `error.syscall`.
        syscall: &'static str,
        /// Its error number.
        errno: Errno,
    },
    /// A value of [`Config`](crate::config::Config) outside its documented range.
    Config {
        /// The field's name.
        field: &'static str,
        /// The value it had.
        value: u64,
        /// The values it may have, in words.
        allowed: &'static str,
    },
}

impl Error {
    /// The code for programs: `ERR_IOURING_…`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unsupported { reason, .. } => reason.code(),
            Self::Os { .. } | Self::Config { .. } => "ERR_IOURING_SET_UP",
        }
    }

    /// The error number behind the error, where there is one.
    pub fn errno(&self) -> Option<Errno> {
        match *self {
            Self::Unsupported { errno, .. } => errno,
            Self::Os { errno, .. } => Some(errno),
            Self::Config { .. } => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported { reason, .. } => write!(formatter, "{reason}"),
            Self::Os { syscall, errno } => write!(formatter, "{syscall}: {errno}"),
            Self::Config { field, value, allowed } => write!(formatter, "{field} is {value}, must be {allowed}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unsupported { errno, .. } => errno.as_ref().map(|errno| errno as _),
            Self::Os { errno, .. } => Some(errno),
            Self::Config { .. } => None,
        }
    }
}

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
    /// The kernel has everything, but the self-test got something else than it should.
    SelfTestFailed {
        /// What was tried.
        step: &'static str,
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
            Self::SelfTestFailed { .. } => "ERR_IOURING_SELF_TEST_FAILED",
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
            Self::SelfTestFailed { step } => write!(formatter, "io_uring did not work as it should when tried: {step}"),
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

/// Whether there is a limit to what this user may lock. What the kernel says is the same for no room below the limit
/// and no memory at all; the limit is by far the likelier, and falling back right for both.
fn lock_is_limited() -> bool {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the calls have no preconditions; `limit` is of the type that is written.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) } == 0;
    // SAFETY: the same. Root has no such limit.
    known && limit.rlim_cur != libc::RLIM_INFINITY && unsafe { libc::geteuid() } != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_kernels() {
        assert_eq!(Errno(104).to_string(), "ECONNRESET");
        assert_eq!(Errno::EAGAIN.to_string(), "EAGAIN");
        assert_eq!(Errno(4095).to_string(), "errno 4095");
        assert_eq!(format!("{:?}", Errno::ENOENT), "Errno(2, ENOENT)");
    }

    #[test]
    fn errors_travel_as_negative_numbers() {
        assert_eq!(Errno::ECONNRESET.negated(), -104);
    }

    #[test]
    fn io_errors_convert_without_losing_the_number() {
        assert_eq!(Errno::from(io::Error::from_raw_os_error(libc::EPIPE)), Errno::EPIPE);
        assert_eq!(io::Error::from(Errno::EPIPE).kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(Errno::from(io::Error::other("no number")), Errno::EIO);
    }

    #[test]
    fn a_failed_call_is_read_from_errno() {
        // SAFETY: close(2) of a negative descriptor touches nothing; it only fails with EBADF.
        let returned = unsafe { libc::close(-1) };
        assert_eq!(Errno::check(returned), Err(Errno::EBADF));
    }

    #[test]
    fn errors_say_what_failed() {
        let error = Error::Os { syscall: "eventfd2", errno: Errno::EMFILE };
        assert_eq!(error.to_string(), "eventfd2: EMFILE");
        assert_eq!(error.errno(), Some(Errno::EMFILE));
        let error = Error::Config { field: "recv_buffers", value: 3, allowed: "a power of two" };
        assert_eq!(error.to_string(), "recv_buffers is 3, must be a power of two");
    }
}
