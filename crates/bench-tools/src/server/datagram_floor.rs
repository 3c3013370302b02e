//! io_uring used directly for UDP: a multishot `recvmsg` into provided buffers, `sendmsg` straight from those.

use std::os::fd::AsRawFd;

use io_uring::types::{Fd, RecvMsgOut};
use io_uring::{IoUring, cqueue, opcode};
use socket2::Socket;

use super::{Mode, Options, announce};
use crate::datagrams;
use crate::ring::{self, BufferRing};

const GROUP: u16 = 0;
/// Kinds of operation, in the upper half of `user_data`; the lower half is the number of a buffer or slot.
const RECEIVE: u64 = 0;
const SEND: u64 = 1 << 32;
const INPUT: u64 = 2 << 32;
/// Room for the sender's name.
const NAME: usize = size_of::<libc::sockaddr_in6>();
/// Datagrams that `source` keeps under way.
const SOURCE_DEPTH: u16 = 64;

/// Serves until standard input closes.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let (socket, got) = options.address.listen()?;
    let mut ring = ring::open()?;
    let buffers = BufferRing::register(&ring, GROUP, options.buffers, options.buffer_size)?;
    // SAFETY: all-zero bytes are a valid header that points to nothing.
    let mut room: libc::msghdr = unsafe { std::mem::zeroed() };
    room.msg_namelen = NAME as libc::socklen_t;
    let mut server = Floor {
        mode: options.mode,
        socket,
        buffers,
        room: Box::new(room),
        slots: (0..options.buffers.max(SOURCE_DEPTH)).map(|_| Slot::default()).collect(),
        starved: false,
        count: 0,
        flood: Vec::new(),
        flooded: false,
        answer: Vec::new(),
    };
    server.arm(&mut ring)?;
    ring::watch_input(&mut ring, INPUT)?;
    announce(&got);
    let mut completions = Vec::with_capacity(1024);
    loop {
        ring::turn(&ring)?;
        completions.extend(ring.completion());
        for completion in completions.drain(..) {
            match completion.user_data() & !0xFFFF_FFFF {
                RECEIVE => server.on_receive(&mut ring, &completion)?,
                SEND => server.on_sent(&mut ring, completion.user_data() as u16)?,
                _ => return Ok(()),
            }
        }
        if server.starved && server.buffers.take_returned() {
            server.arm(&mut ring)?;
        }
    }
}

/// What a send points to.
struct Slot {
    header: libc::msghdr,
    part: libc::iovec,
    name: [u8; NAME],
}

impl Default for Slot {
    fn default() -> Self {
        // SAFETY: all-zero bytes are a valid header, a valid iovec and a valid array.
        unsafe { std::mem::zeroed() }
    }
}

struct Floor {
    mode: Mode,
    socket: Socket,
    buffers: BufferRing,
    /// How much room the receive leaves for names. Boxed: the kernel reads it.
    room: Box<libc::msghdr>,
    /// One a buffer. Never grows: the kernel reads them.
    slots: Vec<Slot>,
    /// Whether the receive ended because no buffer was left.
    starved: bool,
    /// Datagrams that `sink` has counted.
    count: u64,
    /// What `source` sends. Set once.
    flood: Vec<u8>,
    flooded: bool,
    /// What `sink` answers. Written only when nobody else's answer is under way: one asks at a time.
    answer: Vec<u8>,
}

impl Floor {
    fn arm(&mut self, ring: &mut IoUring) -> std::io::Result<()> {
        self.starved = false;
        let entry = opcode::RecvMsgMulti::new(Fd(self.socket.as_raw_fd()), &raw const *self.room, GROUP)
            .build()
            .user_data(RECEIVE);
        // SAFETY: the header lives as long as the server, and the buffers are registered ones.
        unsafe { ring::push(ring, &entry) }
    }

    fn on_receive(&mut self, ring: &mut IoUring, completion: &cqueue::Entry) -> anyhow::Result<()> {
        if let (length @ 1.., Some(id)) = (completion.result(), cqueue::buffer_select(completion.flags())) {
            let bytes = self.buffers.bytes(id, length as usize);
            let message =
                RecvMsgOut::parse(bytes, &self.room).map_err(|()| anyhow::anyhow!("a datagram without a header"))?;
            let (payload, from) = (message.payload_data(), message.name_data());
            let slot = &mut self.slots[usize::from(id)];
            slot.name[..from.len()].copy_from_slice(from);
            slot.header.msg_namelen = from.len() as libc::socklen_t;
            match self.mode {
                Mode::Echo => {
                    slot.part = part(payload);
                    self.send(ring, id, id)?;
                }
                Mode::Sink => {
                    if payload.len() == 1 {
                        self.answer = self.count.to_string().into_bytes();
                        slot.part = part(&self.answer);
                        self.send(ring, id, id)?;
                    } else {
                        self.count += 1;
                        self.buffers.give_back(id);
                    }
                }
                Mode::Proxy => anyhow::bail!("a proxy is for streams"),
                Mode::Source => {
                    let size = datagrams::number_in(payload).filter(|_| !self.flooded);
                    self.buffers.give_back(id);
                    if let Some(size) = size {
                        self.flooded = true;
                        self.flood = vec![b'x'; size as usize];
                        for other in 0..SOURCE_DEPTH {
                            self.slots[usize::from(other)].part = part(&self.flood);
                            self.send(ring, other, id)?;
                        }
                    }
                }
            }
        } else if completion.result() == -libc::ENOBUFS {
            self.starved = true;
            return Ok(());
        }
        if !cqueue::more(completion.flags()) {
            self.arm(ring)?;
        }
        Ok(())
    }

    /// Sends what a slot points to, to whom the datagram in the slot `to` came from.
    fn send(&mut self, ring: &mut IoUring, id: u16, to: u16) -> std::io::Result<()> {
        if id != to {
            let (name, length) = (self.slots[usize::from(to)].name, self.slots[usize::from(to)].header.msg_namelen);
            let slot = &mut self.slots[usize::from(id)];
            slot.name = name;
            slot.header.msg_namelen = length;
        }
        let slot = &mut self.slots[usize::from(id)];
        slot.header.msg_name = slot.name.as_mut_ptr().cast();
        slot.header.msg_iov = &raw mut slot.part;
        slot.header.msg_iovlen = 1;
        let entry = opcode::SendMsg::new(Fd(self.socket.as_raw_fd()), &raw const slot.header)
            .build()
            .user_data(SEND | u64::from(id));
        // SAFETY: slot and buffer are not touched before the send has completed.
        unsafe { ring::push(ring, &entry) }
    }

    fn on_sent(&mut self, ring: &mut IoUring, id: u16) -> std::io::Result<()> {
        if self.mode == Mode::Source {
            return self.send(ring, id, id);
        }
        self.buffers.give_back(id);
        Ok(())
    }
}

fn part(bytes: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
}
