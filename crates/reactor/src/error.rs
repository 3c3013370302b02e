//! Errors: the kernel's numbers by name, and what the reactor makes of them.

use std::fmt;
use std::io;

use crate::support::Reason;

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

    /// The reverse of [`Errno::negated`]: a completion's result as a count or an error.
    pub const fn from_result(result: i32) -> Result<u32, Self> {
        if result < 0 { Err(Self(-result)) } else { Ok(result as u32) }
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

/// Why a reactor could not be set up.
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
            Self::Unsupported { reason, errno: Some(errno) } => write!(formatter, "{reason} ({errno})"),
            Self::Unsupported { reason, errno: None } => write!(formatter, "{reason}"),
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
    fn results_cross_as_negative_numbers_and_back() {
        assert_eq!(Errno::ECONNRESET.negated(), -104);
        assert_eq!(Errno::from_result(-104), Err(Errno::ECONNRESET));
        assert_eq!(Errno::from_result(0), Ok(0));
        assert_eq!(Errno::from_result(i32::MAX), Ok(i32::MAX as u32));
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
