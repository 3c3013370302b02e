//! io_uring used directly: multishot accept, multishot receive into provided buffers, sends straight from those.
//!
//! What is received is sent from the very buffer it came in, which returns to the kernel when the send has completed.
//! One send of a connection is under way at a time; what comes in meanwhile is sent in one go afterwards.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use io_uring::{IoUring, cqueue, opcode, types};
use socket2::Socket;

use super::{Mode, Options, announce};
use crate::address;
use crate::ring::{self, BufferRing};

const GROUP: u16 = 0;
/// Kinds of operation, in the upper half of `user_data`; the lower half is the slot of the connection.
const ACCEPT: u64 = 0;
const RECEIVE: u64 = 1 << 32;
const SEND: u64 = 2 << 32;
const INPUT: u64 = 3 << 32;
/// Buffers that one send takes at most.
const GATHER: usize = 64;

/// Serves until standard input closes.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let (listener, got) = options.address.listen()?;
    let mut ring = ring::open()?;
    let buffers = BufferRing::register(&ring, GROUP, options.buffers, options.buffer_size)?;
    let mut server = Floor {
        mode: options.mode,
        buffers,
        slots: Vec::new(),
        free: Vec::new(),
        starved: VecDeque::new(),
        // As much as the servers in JavaScript write at a time. (Four times as much would cost a third less.)
        endless: vec![b'x'; 65_536],
    };
    server.arm_accept(&mut ring, &listener)?;
    ring::watch_input(&mut ring, INPUT)?;
    announce(&got);
    let mut completions = Vec::with_capacity(1024);
    loop {
        ring::turn(&ring)?;
        completions.extend(ring.completion());
        for completion in completions.drain(..) {
            let slot = completion.user_data() as u32 as usize;
            match completion.user_data() & !0xFFFF_FFFF {
                ACCEPT => server.on_accept(&mut ring, &listener, &completion)?,
                RECEIVE => server.on_receive(&mut ring, slot, &completion)?,
                SEND => server.on_sent(&mut ring, slot, completion.result())?,
                _ => return Ok(()),
            }
        }
        server.feed_starved(&mut ring)?;
    }
}

/// A connection. Lives in its slot until nothing of it is under way in the kernel.
struct Connection {
    fd: OwnedFd,
    /// Received and not yet sent: number of the buffer, and the part of it that holds bytes to send.
    pending: VecDeque<(u16, usize, usize)>,
    /// How many of `pending`, from the front, the send under way covers.
    sending: usize,
    receiving: bool,
    ended: bool,
    message: Box<Message>,
}

/// What a gathering send points to.
struct Message {
    header: libc::msghdr,
    parts: [libc::iovec; GATHER],
}

struct Floor {
    mode: Mode,
    buffers: BufferRing,
    slots: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// Connections whose receive ended because no buffer was left.
    starved: VecDeque<usize>,
    endless: Vec<u8>,
}

impl Floor {
    fn arm_accept(&self, ring: &mut IoUring, listener: &Socket) -> io::Result<()> {
        let entry = opcode::AcceptMulti::new(types::Fd(listener.as_raw_fd()))
            .flags(libc::SOCK_CLOEXEC)
            .build()
            .user_data(ACCEPT);
        // SAFETY: a multishot accept points to nothing.
        unsafe { ring::push(ring, &entry) }
    }

    fn arm_receive(&mut self, ring: &mut IoUring, slot: usize) -> io::Result<()> {
        let Some(connection) = &mut self.slots[slot] else { return Ok(()) };
        connection.receiving = true;
        let entry = opcode::RecvMulti::new(types::Fd(connection.fd.as_raw_fd()), GROUP)
            .build()
            .user_data(RECEIVE | slot as u64);
        // SAFETY: the buffers are registered ones.
        unsafe { ring::push(ring, &entry) }
    }

    fn on_accept(&mut self, ring: &mut IoUring, listener: &Socket, completion: &cqueue::Entry) -> io::Result<()> {
        if completion.result() >= 0 {
            // SAFETY: the kernel just gave us this descriptor.
            let fd = unsafe { OwnedFd::from_raw_fd(completion.result()) };
            address::set_no_delay(&fd);
            let connection = Connection {
                fd,
                pending: VecDeque::new(),
                sending: 0,
                receiving: false,
                ended: false,
                // SAFETY: all-zero bytes are a valid msghdr and valid iovecs.
                message: unsafe { Box::new(std::mem::zeroed()) },
            };
            let slot = self.free.pop().unwrap_or(self.slots.len());
            if slot == self.slots.len() {
                self.slots.push(None);
            }
            self.slots[slot] = Some(connection);
            self.arm_receive(ring, slot)?;
            if self.mode == Mode::Source {
                self.send_endless(ring, slot)?;
            }
        }
        if !cqueue::more(completion.flags()) {
            self.arm_accept(ring, listener)?;
        }
        Ok(())
    }

    fn on_receive(&mut self, ring: &mut IoUring, slot: usize, completion: &cqueue::Entry) -> io::Result<()> {
        let more = cqueue::more(completion.flags());
        let Some(connection) = &mut self.slots[slot] else { return Ok(()) };
        connection.receiving = more;
        match (completion.result(), cqueue::buffer_select(completion.flags())) {
            (length @ 1.., Some(id)) => {
                if self.mode == Mode::Echo && !connection.ended {
                    connection.pending.push_back((id, 0, length as usize));
                    if connection.sending == 0 {
                        self.send(ring, slot)?;
                    }
                } else {
                    self.buffers.give_back(id);
                }
                if !more {
                    self.arm_receive(ring, slot)?;
                }
            }
            (code, _) if code == -libc::ENOBUFS => self.starved.push_back(slot),
            // End of stream, or the connection broke. A send that is under way completes by itself.
            _ => {
                connection.ended = true;
                self.release(slot);
            }
        }
        Ok(())
    }

    /// Sends as many of the pending bytes as one send takes.
    fn send(&mut self, ring: &mut IoUring, slot: usize) -> io::Result<()> {
        let Some(connection) = &mut self.slots[slot] else { return Ok(()) };
        let fd = types::Fd(connection.fd.as_raw_fd());
        const FLAGS: i32 = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        let count = connection.pending.len().min(GATHER);
        connection.sending = count;
        let entry = if let [(id, from, to)] = connection.pending.make_contiguous() {
            let bytes = &self.buffers.bytes(*id, *to)[*from..];
            opcode::Send::new(fd, bytes.as_ptr(), bytes.len() as u32).flags(FLAGS).build()
        } else {
            let message = &mut *connection.message;
            for (part, (id, from, to)) in message.parts.iter_mut().zip(&connection.pending) {
                let bytes = &self.buffers.bytes(*id, *to)[*from..];
                *part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            }
            message.header.msg_iov = message.parts.as_mut_ptr();
            message.header.msg_iovlen = count as _;
            opcode::SendMsg::new(fd, &raw const message.header).flags(FLAGS as u32).build()
        };
        // SAFETY: the buffers are not given back, and the connection not dropped, before the send has completed.
        unsafe { ring::push(ring, &entry.user_data(SEND | slot as u64)) }
    }

    fn send_endless(&mut self, ring: &mut IoUring, slot: usize) -> io::Result<()> {
        let Some(connection) = &mut self.slots[slot] else { return Ok(()) };
        connection.sending = 1;
        let fd = types::Fd(connection.fd.as_raw_fd());
        let entry = opcode::Send::new(fd, self.endless.as_ptr(), self.endless.len() as u32)
            .flags(libc::MSG_NOSIGNAL)
            .build()
            .user_data(SEND | slot as u64);
        // SAFETY: the bytes live as long as the server.
        unsafe { ring::push(ring, &entry) }
    }

    fn on_sent(&mut self, ring: &mut IoUring, slot: usize, result: i32) -> io::Result<()> {
        let Some(connection) = &mut self.slots[slot] else { return Ok(()) };
        let mut covered = std::mem::take(&mut connection.sending);
        if result < 0 {
            connection.ended = true;
        }
        if self.mode == Mode::Source {
            if !connection.ended {
                return self.send_endless(ring, slot);
            }
            self.release(slot);
            return Ok(());
        }
        let mut length = usize::try_from(result).unwrap_or(0);
        while covered > 0 {
            let Some((id, from, to)) = connection.pending.front_mut() else { break };
            if length < *to - *from && !connection.ended {
                *from += length;
                break;
            }
            length = length.saturating_sub(*to - *from);
            self.buffers.give_back(*id);
            connection.pending.pop_front();
            covered -= 1;
        }
        if connection.ended {
            for (id, ..) in connection.pending.drain(..) {
                self.buffers.give_back(id);
            }
            self.release(slot);
        } else if !connection.pending.is_empty() {
            self.send(ring, slot)?;
        }
        Ok(())
    }

    /// Closes a connection that has ended, once nothing of it is under way.
    fn release(&mut self, slot: usize) {
        let done = |connection: &Connection| connection.ended && connection.sending == 0 && !connection.receiving;
        if self.slots[slot].as_ref().is_some_and(done) {
            self.slots[slot] = None;
            self.free.push(slot);
        } else if let Some(connection) = &self.slots[slot]
            && connection.ended
        {
            // Ends the operation that is still under way, whose completion brings us here again.
            // SAFETY: shutdown takes a descriptor that we own.
            unsafe { libc::shutdown(connection.fd.as_raw_fd(), libc::SHUT_RDWR) };
        }
    }

    /// Lets connections receive again for which no buffer was left, once some have come back.
    fn feed_starved(&mut self, ring: &mut IoUring) -> io::Result<()> {
        if self.starved.is_empty() || !self.buffers.take_returned() {
            return Ok(());
        }
        for _ in 0..self.starved.len() {
            if let Some(slot) = self.starved.pop_front() {
                self.arm_receive(ring, slot)?;
            }
        }
        Ok(())
    }
}
