//! The descriptors of the fake and the peers behind them.
//!
//! Descriptors are real ones, since the reactor owns, closes and shuts them down: one end of a socket pair each. The
//! other end tells whether ours is still open, whatever numbers other tests of the process use meanwhile.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use super::datagrams::Mailbox;
use crate::kernel::Request;

/// A descriptor with what its peer does.
pub(crate) struct Descriptor {
    /// Closed by a request.
    pub(crate) closed: bool,
    /// A close was pushed.
    closing: bool,
    /// Bytes that wait to be received.
    pub(crate) inbound: VecDeque<u8>,
    /// What follows them: zero, the end of the stream, or an error.
    pub(crate) inbound_end: Option<i32>,
    /// Of a datagram socket.
    pub(crate) mailbox: Mailbox,
    /// Bytes, or datagrams, that the socket takes now.
    pub(crate) window: usize,
    /// What polls find besides room and errors, for as long as it stands here: `POLLRDHUP`, say.
    pub(crate) poll_finds: i16,
    /// What polls for edges have been told.
    pub(crate) told: i16,
    /// What the socket has taken.
    pub(crate) sent: Vec<u8>,
    /// What sending ends in.
    pub(crate) send_error: Option<i32>,
    /// How a connect ends.
    pub(crate) connected: Option<i32>,
    /// Connections that wait to be accepted.
    pub(crate) waiting: VecDeque<OwnedFd>,
    /// What the next accept ends in.
    pub(crate) accept_error: Option<i32>,
}

impl Descriptor {
    /// What poll(2) says of it to whoever asks for `POLLOUT`.
    pub(crate) fn poll(&self) -> i16 {
        let room = if self.window > 0 { libc::POLLOUT } else { 0 };
        let error = if self.send_error.is_some() { libc::POLLERR } else { 0 };
        let end = if self.inbound_end.is_some() { libc::POLLRDHUP } else { 0 };
        room | error | end | self.poll_finds
    }

    /// A send was refused, or taken in part: room is news again, unless there always seems to be some.
    pub(crate) fn refused(&mut self) {
        self.told &= !libc::POLLOUT | self.poll_finds;
    }
}

/// The other end of a descriptor.
pub(crate) struct FarEnd(UnixStream);

impl FarEnd {
    /// Whether the near end is closed, every copy of it; not merely shut down in one direction.
    pub(crate) fn hung_up(&self) -> bool {
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: 0, revents: 0 };
        // SAFETY: poll(2) writes into one structure, a local.
        unsafe { libc::poll(&raw mut poll, 1, 0) };
        poll.revents & libc::POLLHUP != 0
    }

    /// Whether nothing more comes from the near end: it is closed, or at least shut down.
    pub(crate) fn ended(&self) -> bool {
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
        // SAFETY: one entry, which lives for the length of the call.
        unsafe { libc::poll(&raw mut poll, 1, 0) };
        poll.revents & (libc::POLLRDHUP | libc::POLLHUP) != 0
    }
}

/// All of them, by number.
#[derive(Default)]
pub(crate) struct Descriptors {
    open: HashMap<RawFd, Descriptor>,
}

impl Descriptors {
    /// Makes a descriptor and its other end.
    pub(crate) fn pair() -> (OwnedFd, FarEnd) {
        let (near, far) = UnixStream::pair().expect("socketpair(2)");
        far.set_nonblocking(true).expect("fcntl(2)");
        (near.into(), FarEnd(far))
    }

    /// Takes note of a descriptor that the reactor will use.
    pub(crate) fn add(&mut self, fd: RawFd) {
        // The number may be one that was used before: the reactor closes connections that it does not want without a
        // request.
        self.open.insert(
            fd,
            Descriptor {
                closed: false,
                closing: false,
                inbound: VecDeque::new(),
                inbound_end: None,
                mailbox: Mailbox::default(),
                window: 0,
                poll_finds: 0,
                told: 0,
                sent: Vec::new(),
                send_error: None,
                connected: None,
                waiting: VecDeque::new(),
                accept_error: None,
            },
        );
    }

    pub(crate) fn get(&mut self, fd: RawFd) -> &mut Descriptor {
        self.open.get_mut(&fd).filter(|it| !it.closed).expect("the request is for an open descriptor")
    }

    pub(crate) fn find(&self, fd: RawFd) -> Option<&Descriptor> {
        self.open.get(&fd)
    }

    /// Holds the reactor to it: nothing is asked of a descriptor whose close was asked for.
    pub(crate) fn pushed(&mut self, request: &Request) {
        let (fd, close) = match *request {
            Request::Accept { fd }
            | Request::Connect { fd, .. }
            | Request::Receive { fd, .. }
            | Request::Send { fd, .. }
            | Request::SendMessage { fd, .. }
            | Request::ReceiveDatagrams { fd, .. }
            | Request::ReceiveMessage { fd, .. }
            | Request::SendDatagram { fd, .. }
            | Request::PollReadable { fd }
            | Request::PollWritable { fd, .. } => (fd, false),
            Request::Close { fd } => (fd, true),
            Request::Cancel { .. } | Request::Timeout { .. } | Request::File { .. } => return,
        };
        let descriptor = self.get(fd);
        assert!(!descriptor.closing, "after the close of its descriptor: {request:?}");
        descriptor.closing = close;
    }

    pub(crate) fn close(&mut self, closed: &OwnedFd) {
        let descriptor = self.get(closed.as_raw_fd());
        descriptor.closed = true;
        descriptor.waiting.clear();
        descriptor.mailbox.inbound.clear();
    }

    /// Takes a waiting connection; its descriptor belongs to whoever gets the completion.
    pub(crate) fn accept(&mut self, listener: RawFd) -> Option<RawFd> {
        let accepted = self.get(listener).waiting.pop_front()?;
        self.add(accepted.as_raw_fd());
        self.get(accepted.as_raw_fd()).window = usize::MAX;
        Some(accepted.into_raw_fd())
    }
}
