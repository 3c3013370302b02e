//! Receiving from a socket that other processes have as well, as workers of a cluster do.
//!
//! Whatever is taken from such a socket is gone for the others. A multishot receive takes all there is, and what it has
//! taken when the socket is closed, or does not want any more, would be lost. So it goes as with libuv: the ring says
//! that there is something, one datagram is taken by a system call, and the next when JavaScript has heard of that one.
//! What is taken is heard of in any case.

use std::ptr;

use super::{Datagram, Receiving};
use crate::buffer_pool::Slice;
use crate::control;
use crate::error::Errno;
use crate::event::{Event, Received};
use crate::handle::HandleState;
use crate::io::Io;
use crate::kernel::{BufferGroup, Cqe, Kernel};
use crate::message::DatagramMessage;
use crate::receive_buffers::HEADER;

impl Datagram {
    /// See [`Reactor::share_datagram`](crate::Reactor::share_datagram).
    pub(crate) fn share<K: Kernel>(&mut self, io: &mut Io<K>) {
        if !self.shared && io.datagrams.as_ref().is_some_and(|receivers| receivers.pool().has_spares()) {
            self.shared = true;
            self.disarm(io);
        }
    }

    /// The wait for a datagram is over.
    pub(crate) fn readable<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>, completion: &Cqe) {
        if completion.result < 0 {
            return self.receive_ended(state, io, -completion.result);
        }
        self.receiving = Receiving::Idle;
        self.receive_one(state, io);
    }

    /// Goes on, now that the last one has been heard of.
    pub(crate) fn receive_when_heard<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) {
        if let Receiving::Unheard(number) = self.receiving
            && number <= io.heard()
        {
            self.receiving = Receiving::Idle;
            self.receive_one(state, io);
        }
    }

    /// Takes the next one, or waits for it.
    fn receive_one<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) {
        if !self.wants_to_receive || state.closing {
            return;
        }
        let Some(receivers) = &mut io.datagrams else { return };
        let Some((slice, memory)) = receivers.take_spare() else {
            self.receiving = Receiving::Starved;
            return receivers.lack(state.id);
        };
        // As a multishot receive lays it out: a header, of which there is none here, the name, control data, the
        // payload.
        let (name, behind) = (HEADER, HEADER + self.name_room());
        let front = behind + self.control;
        let mut room = libc::iovec {
            iov_base: memory.wrapping_add(front).cast(),
            iov_len: (slice.length as usize).saturating_sub(front),
        };
        let mut message = DatagramMessage::empty_header();
        message.msg_name = memory.wrapping_add(name).cast();
        message.msg_namelen = self.name_room() as _;
        message.msg_iov = ptr::from_mut(&mut room);
        message.msg_iovlen = 1;
        if self.control > 0 {
            message.msg_control = memory.wrapping_add(behind).cast();
            message.msg_controllen = self.control as _;
        }
        // SAFETY: the header points into a buffer that is nobody else's until it is given back, which has room for all
        // of its parts.
        match unsafe { io.kernel.receive_message_nowait(state.fd(), &mut message) } {
            Ok(length) => {
                #[allow(clippy::unnecessary_cast, reason = "the types are not the same in all C libraries")]
                let (name_length, control_length) = (message.msg_namelen as usize, message.msg_controllen as usize);
                let start = memory.wrapping_add(behind);
                // SAFETY: the kernel has just written so many bytes of the room that it was told of.
                let content = unsafe { std::slice::from_raw_parts(start, control_length.min(self.control)) };
                // SAFETY: a datagram's control data are looked at once. Nobody has asked for descriptors.
                drop(unsafe { control::take_descriptors(content) });
                let received = Received {
                    slice: Slice { buffer: slice.buffer, offset: slice.offset + word(front), length: word(length) },
                    name: slice.offset + word(name),
                    name_length: u8::try_from(name_length.min(self.name_room())).expect("names are short"),
                    control_length: u16::try_from(content.len()).expect("control data are short"),
                    truncated: message.msg_flags & libc::MSG_TRUNC != 0,
                    control_truncated: message.msg_flags & libc::MSG_CTRUNC != 0,
                };
                io.events.push_back(Event::Datagram { handle: state.id, received });
                self.receiving = Receiving::Unheard(io.so_far());
                io.arm_when_heard(state.id);
            }
            Err(Errno(errno)) => {
                io.give_back(BufferGroup::Datagrams, slice.buffer);
                // A filter for system calls may say so. The ring is allowed to, or there would be none.
                self.shared = !matches!(errno, libc::EPERM | libc::EACCES | libc::ENOSYS);
                self.receive_ended(state, io, if self.shared { errno } else { libc::EAGAIN });
            }
        }
    }
}

/// A place in a buffer, or a length.
#[allow(clippy::cast_possible_truncation, reason = "buffers are smaller than 4 GiB")]
fn word(place: usize) -> u32 {
    place as u32
}
