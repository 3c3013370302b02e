//! A descriptor for the day when there is none left.

use std::os::fd::{FromRawFd, OwnedFd};

use crate::socket::NonBlocking;

/// Given up to accept a connection that would wait for ever otherwise, and taken again.
#[derive(Default)]
pub(crate) struct SpareDescriptor(Option<OwnedFd>);

impl SpareDescriptor {
    /// Takes one, if the process can spare a descriptor.
    pub(crate) fn fill(&mut self) {
        if self.0.is_none() {
            self.0 = std::fs::File::open("/dev/null").ok().map(Into::into);
        }
    }

    /// Whether there is one.
    #[cfg(test)]
    pub(crate) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Whether there are descriptors beside it.
    pub(crate) fn is_one_of_many(&mut self) -> bool {
        self.fill();
        self.0.as_ref().is_some_and(|spare| spare.try_clone().is_ok())
    }

    /// Accepts and closes what waits at a listener: the number of connections. None where there is no descriptor to do
    /// it with.
    pub(crate) fn shed(&mut self, listener: i32) -> usize {
        if self.0.take().is_none() {
            self.fill();
            return 0;
        }
        let mut shed = 0;
        let Ok(guard) = NonBlocking::new(listener) else {
            self.fill();
            return 0;
        };
        loop {
            // SAFETY: a null address is allowed and means that the peer's name is not wanted.
            let fd = unsafe { libc::accept4(listener, std::ptr::null_mut(), std::ptr::null_mut(), libc::SOCK_CLOEXEC) };
            if fd < 0 {
                if std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) {
                    continue;
                }
                break;
            }
            // SAFETY: the descriptor was made by the call above.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
            shed += 1;
        }
        drop(guard);
        self.fill();
        shed
    }
}
