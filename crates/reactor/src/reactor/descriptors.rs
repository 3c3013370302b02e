//! Descriptors that travel with the bytes of a UNIX stream; see `scm_rights.rs`.

use std::os::fd::OwnedFd;

use crate::control;
use crate::error::Errno;
use crate::handle_id::HandleId;
use crate::kernel::Kernel;
use crate::memory::Span;
use crate::reactor::Reactor;
use crate::socket;

impl<K: Kernel> Reactor<K> {
    /// From here on descriptors are received on a stream as well: [`Event::Message`](crate::Event::Message) takes the
    /// place of [`Event::Received`](crate::Event::Received). What has arrived before has lost them. At most `limit` of
    /// a message's are received, and nothing more until they were [taken](Self::take_descriptors).
    ///
    /// # Errors
    /// `EBADF` for what is not an open stream; `EINVAL` for a limit of zero or above [`control::MAX_DESCRIPTORS`];
    /// `ENOMEM` where there is no memory for the buffers.
    pub fn receive_descriptors(&mut self, id: HandleId, limit: usize) -> Result<(), Errno> {
        self.stream(id).ok_or(Errno(libc::EBADF))?;
        if !(1..=control::MAX_DESCRIPTORS).contains(&limit) {
            return Err(Errno::EINVAL);
        }
        self.io.prepare_datagrams()?;
        let (stream, _, io) = self.stream(id).ok_or(Errno(libc::EBADF))?;
        stream.receive_descriptors(io, limit);
        Ok(())
    }

    /// The descriptors that came last, where they were not taken; none where the stream is gone, and they with it.
    pub fn take_descriptors(&mut self, id: HandleId) -> Vec<OwnedFd> {
        self.stream(id).map(|(stream, state, io)| stream.take_descriptors(state, io)).unwrap_or_default()
    }

    /// Duplicates descriptors for a [write to come](Self::write_with_descriptors).
    ///
    /// # Errors
    /// `EBADF` for what is not an open stream or an open descriptor; `EMFILE`; `EINVAL` for none, or for more than
    /// [`control::MAX_DESCRIPTORS`]. Nothing is kept then.
    pub fn stage_descriptors(&mut self, id: HandleId, fds: &[i32]) -> Result<(), Errno> {
        let (stream, ..) = self.stream(id).ok_or(Errno(libc::EBADF))?;
        if fds.is_empty() || fds.len() > control::MAX_DESCRIPTORS {
            return Err(Errno::EINVAL);
        }
        let duplicates: Result<Vec<OwnedFd>, Errno> = fds.iter().map(socket::duplicate).collect();
        stream.stage_descriptors(duplicates?);
        Ok(())
    }

    /// Queues bytes, at least one, that take the descriptors staged first with them. `last` as in
    /// [`write`](Self::write).
    pub fn write_with_descriptors(&mut self, id: HandleId, span: Span, last: bool) {
        if let Some((stream, state, io)) = self.stream(id) {
            stream.write_with_descriptors(state, io, span, last);
        }
    }
}
