//! `eventfd(2)`: a descriptor that one end signals and the other polls.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::error::Errno;

/// An eventfd that nobody waits for in `read(2)`: it is nonblocking, and close-on-exec.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    /// One that is not signalled.
    ///
    /// # Errors
    /// `eventfd2(2)`'s.
    pub fn new() -> Result<Self, Errno> {
        // SAFETY: takes and returns integers only.
        let fd = Errno::check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Makes it readable.
    pub fn signal(&self) {
        let one = 1_u64;
        // SAFETY: eight bytes of a local are written. It fails only when the counter is full, and then it is readable
        // already.
        unsafe { libc::write(self.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
    }

    /// Takes the signal back. Whether there was one.
    pub fn acknowledge(&self) -> bool {
        let mut count = 0_u64;
        // SAFETY: eight bytes of a local are read into. `EAGAIN` says that there was no signal.
        unsafe { libc::read(self.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) > 0 }
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
