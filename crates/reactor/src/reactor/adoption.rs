//! Taking over descriptors that somebody else has opened, and giving them away.
//!
//! All of it happens here, so that one rule holds for every kind of handle: a descriptor has one owner. A second would
//! close a number that belongs to somebody else by then.

use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use crate::datagram::Datagram;
use crate::error::Errno;
use crate::file::File;
use crate::handle_id::HandleId;
use crate::kernel::Kernel;
use crate::listener::Listener;
use crate::reactor::Reactor;
use crate::resource::Resource;
use crate::socket::{self, Domain, Type};
use crate::stream::Stream;

/// What a descriptor is taken over as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// A stream socket that is connected or will connect.
    Stream,
    /// A stream socket that listens or will.
    Listener,
    /// A datagram socket, of the UNIX domain or not.
    Datagram {
        /// It is an `AF_UNIX` socket.
        unix: bool,
    },
    /// Anything open, to be read and written as a file.
    File,
}

impl<K: Kernel> Reactor<K> {
    /// Takes over an open descriptor. Sockets are made close-on-exec; whether they are in blocking mode does not
    /// matter, see [`socket::adopt`]. Standard input, output and error are never closed (the next file to be opened
    /// would take their place): a duplicate is taken of those.
    ///
    /// # Errors
    /// `EBADF`; `ENOTSOCK`, and `EINVAL` for a socket of another kind; `EEXIST` where a handle has it already, as in
    /// libuv, or somebody else whom the reactor does not know, which `watched` says; `EMFILE` where the handle table is
    /// full; `ENOMEM`. The descriptor is then still the caller's.
    ///
    /// # Safety
    /// The descriptor must be the caller's to give away: from success on, the handle closes it.
    pub unsafe fn adopt(
        &mut self,
        fd: RawFd,
        kind: Adopted,
        watched: impl FnOnce(RawFd) -> bool,
    ) -> Result<HandleId, Errno> {
        let resource = match kind {
            Adopted::File => Resource::File(Box::new(File::of(fd, &mut self.files.mounts)?.0)),
            Adopted::Stream | Adopted::Listener | Adopted::Datagram { .. } => {
                // Two system calls: a cluster's worker does this for each connection that it is dealt.
                let (domain, found) = socket::classify(fd)?;
                let fits = match kind {
                    Adopted::Datagram { unix } => found == Type::Datagram && (domain == Domain::Unix) == unix,
                    _ => found == Type::Stream,
                };
                if !fits {
                    return Err(Errno::EINVAL);
                }
                match kind {
                    Adopted::Listener => Resource::Listener(Listener::default()),
                    Adopted::Datagram { unix } => {
                        self.io.prepare_datagrams()?;
                        Resource::Datagram(Box::new(Datagram::new(unix)))
                    }
                    _ => Resource::Stream(Stream::default()),
                }
            }
        };
        if self.owns(fd) || watched(fd) {
            return Err(Errno(libc::EEXIST));
        }
        if self.handles.is_full() {
            return Err(Errno::EMFILE);
        }
        let duplicate = if fd <= libc::STDERR_FILENO { Some(socket::duplicate(&fd)?) } else { None };
        let number = duplicate.as_ref().map_or(fd, AsRawFd::as_raw_fd);
        let descriptor = if kind == Adopted::File {
            // SAFETY: it is open, as fstat(2) has shown, and the caller's to give away, or a duplicate given up below.
            unsafe { OwnedFd::from_raw_fd(number) }
        } else {
            // SAFETY: the caller gives it away; a duplicate is given up below.
            unsafe { socket::adopt(number)? }
        };
        // One owner: the handle.
        duplicate.map(IntoRawFd::into_raw_fd);
        self.handles.insert(descriptor, resource).ok_or(Errno::EMFILE)
    }

    /// Gives a stream's descriptor away, with which nothing has been done yet: it is the caller's from success on.
    /// [`Event::Closed`](crate::Event::Closed) follows, as behind a close.
    ///
    /// # Errors
    /// `EBADF` where there is no such stream, or it is being closed; `EBUSY` where it has anything under way.
    pub fn release(&mut self, id: HandleId) -> Result<OwnedFd, Errno> {
        let (stream, state, _) = self.stream(id).ok_or(Errno(libc::EBADF))?;
        if state.in_flight > 0 || !stream.is_untouched() {
            return Err(Errno(libc::EBUSY));
        }
        let descriptor = state.take_descriptor().ok_or(Errno(libc::EBADF))?;
        self.close(id);
        Ok(descriptor)
    }

    /// Whether a descriptor belongs to a handle, from the moment that it gets it until it is closed.
    #[must_use]
    pub fn owns(&self, fd: RawFd) -> bool {
        self.handles.owner(fd).is_some()
    }
}
