//! Datagram sockets in the fake: what waits to be received, and what has been sent.

use std::collections::VecDeque;
use std::os::fd::{IntoRawFd, OwnedFd, RawFd};

use super::{Flight, World};
use crate::control;
use crate::error::Errno;
use crate::kernel::{BufferGroup, CQE_F_BUFFER, Request};

/// Something that waits to be received.
pub(crate) enum Inbound {
    /// A datagram.
    Datagram {
        /// The sender's name.
        name: Vec<u8>,
        payload: Vec<u8>,
        /// Content of a control message of a kind that nobody interprets; empty for none.
        control: Vec<u8>,
        /// A descriptor that the sender has sent along.
        right: Option<OwnedFd>,
    },
    /// A message of a stream, with descriptors.
    Message { payload: Vec<u8>, rights: Vec<OwnedFd> },
    /// An error that the network reports.
    Error(i32),
}

/// A datagram as it was put into a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) name: Vec<u8>,
    /// As much of it as there was room for.
    pub(crate) payload: Vec<u8>,
    pub(crate) truncated: bool,
    pub(crate) control: Vec<u8>,
    pub(crate) control_truncated: bool,
}

/// What a datagram was sent with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outbound {
    pub(crate) payload: Vec<u8>,
    /// Whom it was sent to: the socket's peer where it named nobody.
    pub(crate) destination: Vec<u8>,
    pub(crate) segment: u16,
    pub(crate) flags: i32,
}

/// A datagram that the kernel was offered, and its answer.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) outbound: Outbound,
    pub(crate) result: i32,
}

/// The two queues of a datagram socket.
#[derive(Default)]
pub(crate) struct Mailbox {
    pub(crate) inbound: VecDeque<Inbound>,
    /// What was put into buffers, in order, until the test has seen it arrive.
    pub(crate) delivered: VecDeque<Delivered>,
    /// What was offered, in order.
    pub(crate) offered: Vec<Sent>,
    /// Sends of more bytes than this fail with `EMSGSIZE`; 0 for no limit.
    pub(crate) largest: usize,
    /// Errors that the next sends end in.
    pub(crate) refusals: VecDeque<i32>,
    /// The socket's peer.
    pub(crate) peer: Vec<u8>,
    /// What the device says to datagrams that come together; 0 where it takes them.
    pub(crate) apart: i32,
}

impl Mailbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.inbound.is_empty()
    }

    pub(crate) fn next_is_empty(&self) -> bool {
        matches!(self.inbound.front(), Some(Inbound::Datagram { payload, .. }) if payload.is_empty())
    }
}

/// A control message. Nobody cares for its level and type, unless they are those of descriptors.
fn control_message(level: i32, kind: i32, content: &[u8]) -> Vec<u8> {
    let mut words = vec![0_u64; control::words(content.len())];
    control::begin(&mut words, level, kind, content.len()).copy_from_slice(content);
    words.into_iter().flat_map(u64::to_ne_bytes).collect()
}

impl World {
    /// Puts the next datagram into a buffer, as a multishot `recvmsg` does: the result and the flags.
    pub(super) fn deliver_datagram(&mut self, fd: RawFd, message: *const libc::msghdr) -> (i32, u32) {
        if self.group(BufferGroup::Datagrams).is_empty() {
            return (-libc::ENOBUFS, 0);
        }
        // SAFETY: the caller of `Kernel::push` promises that it lives; `snapshot` has seen that it did.
        #[allow(clippy::unnecessary_cast, reason = "the types are not the same in all C libraries")]
        let (name_room, control_room) =
            unsafe { ((*message).msg_namelen as usize, (*message).msg_controllen as usize) };
        let front = 16 + name_room + control_room;
        let payload_room = self.group(BufferGroup::Datagrams).room() - front;
        let (delivered, whole, flags) = match self.next_datagram(fd, name_room, control_room, payload_room) {
            Ok(next) => next,
            Err(errno) => return (-errno, 0),
        };
        let Delivered { name, payload, control, .. } = &delivered;
        let mut bytes = Vec::with_capacity(front + payload.len());
        for field in [name.len(), control.len(), whole, usize::try_from(flags).expect("flags")] {
            bytes.extend(u32::try_from(field).expect("small").to_ne_bytes());
        }
        bytes.extend(name);
        bytes.resize(16 + name_room, 0xcc);
        bytes.extend(control);
        bytes.resize(front, 0xcc);
        bytes.extend(payload);
        let buffers = self.group(BufferGroup::Datagrams);
        buffers.write(&bytes);
        let (buffer, more) = buffers.consume(bytes.len());
        assert!(!more, "datagrams have a buffer each");
        self.descriptors.get(fd).mailbox.delivered.push_back(delivered);
        (i32::try_from(bytes.len()).expect("small"), CQE_F_BUFFER | u32::from(buffer) << 16)
    }

    /// Takes the next datagram off the queue, as far as there is room: that, the length of its whole payload, and
    /// flags.
    fn next_datagram(
        &mut self,
        fd: RawFd,
        name_room: usize,
        control_room: usize,
        payload_room: usize,
    ) -> Result<(Delivered, usize, i32), i32> {
        let (name, mut payload, content, right) =
            match self.descriptors.get(fd).mailbox.inbound.pop_front().expect("can go on") {
                Inbound::Error(errno) => return Err(errno),
                Inbound::Datagram { name, payload, control, right } => (name, payload, control, right),
                Inbound::Message { .. } => panic!("streams have no datagrams"),
            };
        assert!(name.len() <= name_room);
        let mut control = Vec::new();
        let mut control_truncated = false;
        for (level, kind, content) in [
            (libc::SOL_SOCKET, libc::SCM_RIGHTS, right.as_ref().map(|_| vec![0; 4])),
            (99, 1, Some(content).filter(|it| !it.is_empty())),
        ] {
            let Some(mut content) = content else { continue };
            let needed = control_message(level, kind, &content).len();
            if control.len() + needed > control_room {
                control_truncated = true;
                break;
            }
            if kind == libc::SCM_RIGHTS && level == libc::SOL_SOCKET {
                // From here on the descriptor is the receiver's, which has it closed.
                let right = right.as_ref().and_then(|it| it.try_clone().ok()).expect("a descriptor");
                content = right.into_raw_fd().to_ne_bytes().to_vec();
            }
            control.extend(control_message(level, kind, &content));
        }
        let whole = payload.len();
        payload.truncate(payload_room);
        let truncated = payload.len() < whole;
        let flags = if truncated { libc::MSG_TRUNC } else { 0 } | if control_truncated { libc::MSG_CTRUNC } else { 0 };
        Ok((Delivered { name, payload, truncated, control, control_truncated }, whole, flags))
    }

    /// Receives a datagram past the rings, as `recvmsg(2)` does.
    ///
    /// # Safety
    /// What the header points at may be written, as far as it says.
    pub(super) unsafe fn receive_datagram(&mut self, fd: RawFd, message: &mut libc::msghdr) -> Result<usize, Errno> {
        let receives =
            |flight: &Flight| matches!(flight.request, Request::ReceiveDatagrams { fd: other, .. } if other == fd);
        assert!(!self.flights.iter().any(receives), "received under a receive");
        if self.fault() {
            return Err(Errno([libc::EINTR, libc::EAGAIN][self.random.below(2)]));
        }
        if self.descriptors.get(fd).mailbox.is_empty() {
            return Err(Errno(libc::EAGAIN));
        }
        // SAFETY: the caller's promise.
        let room = unsafe { *message.msg_iov };
        #[allow(clippy::unnecessary_cast, reason = "the types are not the same in all C libraries")]
        let (name_room, control_room) = (message.msg_namelen as usize, message.msg_controllen as usize);
        let (delivered, _, flags) = self.next_datagram(fd, name_room, control_room, room.iov_len).map_err(Errno)?;
        let Delivered { name, payload, control, .. } = &delivered;
        for (bytes, start) in [(name, message.msg_name), (control, message.msg_control), (payload, room.iov_base)] {
            if !bytes.is_empty() {
                // SAFETY: the caller's promise; each was held against its room.
                unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start.cast(), bytes.len()) };
            }
        }
        (message.msg_namelen, message.msg_controllen) = (name.len() as _, control.len() as _);
        message.msg_flags = flags;
        let length = payload.len();
        self.descriptors.get(fd).mailbox.delivered.push_back(delivered);
        Ok(length)
    }

    /// Puts the next message of a stream into a buffer and its descriptors where the header says, as `recvmsg` does:
    /// the result and the flags.
    pub(super) fn deliver_message(&mut self, fd: RawFd, message: *mut libc::msghdr) -> (i32, u32) {
        if self.group(BufferGroup::Datagrams).is_empty() {
            return (-libc::ENOBUFS, 0);
        }
        let (payload, mut rights) = match self.descriptors.get(fd).mailbox.inbound.pop_front().expect("can go on") {
            Inbound::Message { payload, rights } => (payload, rights),
            Inbound::Error(errno) => return (-errno, 0),
            Inbound::Datagram { .. } => panic!("datagrams have no streams"),
        };
        // SAFETY: the caller of `Kernel::push` promises that it and what it points at live.
        let header = unsafe { &mut *message };
        #[allow(clippy::unnecessary_cast, reason = "the types are not the same in all C libraries")]
        let room = header.msg_controllen as usize;
        let count = (room.saturating_sub(size_of::<libc::cmsghdr>()) / size_of::<i32>()).min(rights.len());
        header.msg_flags = if count < rights.len() { libc::MSG_CTRUNC } else { 0 };
        let numbers: Vec<u8> = rights.drain(..count).flat_map(|it| it.into_raw_fd().to_ne_bytes()).collect();
        let mut control =
            if count > 0 { control_message(libc::SOL_SOCKET, libc::SCM_RIGHTS, &numbers) } else { vec![] };
        control.truncate(room);
        header.msg_controllen = control.len() as _;
        // SAFETY: there is so much room, as the header says.
        unsafe { std::ptr::copy_nonoverlapping(control.as_ptr(), header.msg_control.cast(), control.len()) };
        let buffers = self.group(BufferGroup::Datagrams);
        buffers.write(&payload);
        let (buffer, _) = buffers.consume(payload.len());
        (i32::try_from(payload.len()).expect("small"), CQE_F_BUFFER | u32::from(buffer) << 16)
    }

    /// Sends a datagram, or refuses it: the result.
    pub(super) fn send_datagram(&mut self, fd: RawFd, message: *const libc::msghdr, flags: i32) -> i32 {
        // SAFETY: sends hold their memory until the enter that takes them, which is this one.
        let mut outbound = unsafe { read_message(&*message, flags) };
        let fault = self.fault().then(|| [libc::EINTR, libc::EAGAIN, libc::ENOBUFS][self.random.below(3)]);
        let descriptor = self.descriptors.get(fd);
        let mailbox = &mut descriptor.mailbox;
        for nameless in outbound.iter_mut().filter(|it| it.destination.is_empty()) {
            nameless.destination.clone_from(&mailbox.peer);
        }
        let refusal = if let Some(errno) = fault.or_else(|| mailbox.refusals.pop_front()) {
            Some(errno)
        } else if outbound.len() > 1 && mailbox.apart != 0 {
            Some(mailbox.apart)
        } else if mailbox.largest > 0 && outbound[0].payload.len() > mailbox.largest {
            Some(libc::EMSGSIZE)
        } else if descriptor.window == 0 {
            Some(libc::EAGAIN)
        } else {
            descriptor.window -= 1;
            None
        };
        if refusal.is_some() {
            descriptor.refused();
        }
        let sum: usize = outbound.iter().map(|it| it.payload.len()).sum();
        let result = refusal.map_or_else(|| i32::try_from(sum).expect("small"), |errno| -errno);
        descriptor.mailbox.offered.extend(outbound.into_iter().map(|outbound| Sent { outbound, result }));
        result
    }
}

/// The datagrams of a request: several where it is a list of them with the size that the kernel is to cut them apart
/// by.
///
/// # Safety
/// The header and what it points at must be there.
unsafe fn read_message(header: &libc::msghdr, flags: i32) -> Vec<Outbound> {
    let bytes = |start: *const libc::c_void, length: usize| {
        if length == 0 {
            return Vec::new();
        }
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) }.to_vec()
    };
    // SAFETY: the caller's promise.
    #[allow(clippy::unnecessary_cast, reason = "the types are not the same in all C libraries")]
    let slices = unsafe { std::slice::from_raw_parts(header.msg_iov, header.msg_iovlen as usize) };
    #[allow(clippy::unnecessary_cast, reason = "the types are not the same in all C libraries")]
    let control = bytes(header.msg_control, header.msg_controllen as usize);
    let segment = control::messages(&control).next().map_or(0, |(level, kind, content)| {
        assert_eq!((level, kind), (libc::SOL_UDP, libc::UDP_SEGMENT));
        u16::from_ne_bytes(content.try_into().expect("two bytes"))
    });
    if let [front @ .., last] = slices
        && !front.is_empty()
    {
        // What the kernel finds where it cuts are the datagrams that were put in.
        assert!(slices.len() <= 64);
        assert!(front.iter().all(|it| it.iov_len == usize::from(segment)), "cut in the wrong place");
        assert!(last.iov_len > 0 && last.iov_len <= usize::from(segment), "cut in the wrong place");
    }
    let outbound = |slice: &libc::iovec| Outbound {
        payload: bytes(slice.iov_base, slice.iov_len),
        destination: bytes(header.msg_name, header.msg_namelen as usize),
        segment: if slices.len() > 1 { 0 } else { segment },
        flags,
    };
    slices.iter().map(outbound).collect()
}
