//! Connections that carry one message each.
//!
//! The life of a connection is one chain of operations: connect, send, receive the echo, shut down the sending side,
//! see the server's end of stream, close. It counts when the last of them has completed, hence the server's close is
//! part of it. Because our end closes first, it is ours that stays in TIME_WAIT: sources 127.0.0.2 to 127.0.0.65 take
//! turns, so that there are ports for well over a million connections a minute.

use std::io;
use std::os::fd::IntoRawFd;
use std::time::Instant;

use clap::Args;
use io_uring::{IoUring, cqueue, opcode, squeue, types};
use serde_json::{Map, Value};
use socket2::SockAddr;

use super::meter::{Meter, WindowOptions};
use super::pace::Pace;
use crate::address::Address;
use crate::pattern::Pattern;
use crate::ring;

/// Options of the scenario.
#[derive(Args)]
pub(crate) struct Options {
    /// Server: `host:port` or `unix:/path`.
    #[arg(long)]
    address: Address,
    /// Connections that exist at a time.
    #[arg(long, default_value_t = 50)]
    connections: usize,
    /// Size of the message in bytes.
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// Connections a second; 0: the next as soon as one is over. None is opened beyond those that may exist at a time.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    #[command(flatten)]
    window: WindowOptions,
}

/// Steps of a connection's life, in the upper half of `user_data`; the lower half is its slot.
const CONNECT: u64 = 0;
const SEND: u64 = 1;
const RECEIVE: u64 = 2;
const SHUTDOWN: u64 = 3;
const END: u64 = 4;
const CLOSE: u64 = 5;
const TICK: u64 = 6;

/// A place for one connection after the other.
struct Slot {
    started: Instant,
    /// What came back.
    received: Vec<u8>,
    /// Where a byte goes that comes where the end of the stream is expected.
    surplus: [u8; 1],
}

/// Runs the scenario.
pub(crate) fn run(options: &Options) -> anyhow::Result<Value> {
    let mut meter = Meter::new(&options.window)?;
    let mut ring = ring::open()?;
    let mut client = Client {
        options,
        pattern: Pattern::new(options.size),
        peer: options.address.to_kernel()?,
        slots: Vec::with_capacity(options.connections),
        free: (0..options.connections).collect(),
        pace: (options.rate > 0.0).then(|| Pace::new(options.rate)),
        opened: 0,
    };
    let tick = types::Timespec::new().nsec(if client.pace.is_some() { 1_000_000 } else { 20_000_000 });
    arm_tick(&mut ring, &tick)?;
    for _ in 0..options.connections {
        client.slots.push(Slot { started: Instant::now(), received: vec![0; options.size], surplus: [0] });
    }
    client.open_due(&mut ring)?;
    let mut completions = Vec::with_capacity(1024);
    loop {
        ring::turn(&ring)?;
        completions.extend(ring.completion());
        for completion in completions.drain(..) {
            if completion.user_data() >> 32 == TICK {
                arm_tick(&mut ring, &tick)?;
            } else {
                client.on_step(&completion, &mut meter)?;
            }
        }
        client.open_due(&mut ring)?;
        if meter.tick(Instant::now())? {
            break;
        }
    }
    let mut result = Map::new();
    result.insert("scenario".into(), "tcp-connect".into());
    result.insert("connections".into(), options.connections.into());
    result.insert("size".into(), options.size.into());
    result.append(&mut meter.to_json()?);
    Ok(result.into())
}

fn arm_tick(ring: &mut IoUring, tick: &types::Timespec) -> io::Result<()> {
    let entry = opcode::Timeout::new(tick).build().user_data(TICK << 32);
    // SAFETY: the timespec outlives the ring.
    unsafe { ring::push(ring, &entry) }
}

struct Client<'a> {
    options: &'a Options,
    pattern: Pattern,
    peer: SockAddr,
    slots: Vec<Slot>,
    /// Slots without a connection.
    free: Vec<usize>,
    /// Absent where the next connection begins as soon as one is over.
    pace: Option<Pace>,
    /// Connections opened so far.
    opened: usize,
}

impl Client<'_> {
    /// Begins the connections that are due.
    fn open_due(&mut self, ring: &mut IoUring) -> io::Result<()> {
        let free = self.free.len();
        let due = self.pace.as_mut().map_or(free, |pace| pace.due(Instant::now(), free));
        for index in self.free.split_off(free - due) {
            self.open(ring, index)?;
        }
        Ok(())
    }

    /// Begins a connection's life.
    fn open(&mut self, ring: &mut IoUring, index: usize) -> io::Result<()> {
        let socket = self.options.address.socket()?;
        self.options.address.spread_source(&socket, self.opened)?;
        self.opened += 1;
        let slot = &mut self.slots[index];
        slot.started = Instant::now();
        // Closed by the last step of its life.
        let fd = types::Fd(socket.into_raw_fd());
        let message = self.pattern.at(index, 0, self.options.size);
        let length = message.len() as u32;
        let chain = [
            (CONNECT, opcode::Connect::new(fd, self.peer.as_ptr().cast(), self.peer.len()).build()),
            (
                SEND,
                opcode::Send::new(fd, message.as_ptr(), length).flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL).build(),
            ),
            (RECEIVE, opcode::Recv::new(fd, slot.received.as_mut_ptr(), length).flags(libc::MSG_WAITALL).build()),
            (SHUTDOWN, opcode::Shutdown::new(fd, libc::SHUT_WR).build()),
            (END, opcode::Recv::new(fd, slot.surplus.as_mut_ptr(), 1).build()),
            (CLOSE, opcode::Close::new(fd).build()),
        ];
        let chain = chain.map(|(step, entry)| {
            let flags = if step == CLOSE { squeue::Flags::empty() } else { squeue::Flags::IO_LINK };
            entry.flags(flags).user_data(step << 32 | index as u64)
        });
        // SAFETY: the message, the buffers and the address outlive the ring, and a slot's buffers are used by one
        // chain.
        unsafe { ring::push_chain(ring, &chain) }
    }

    fn on_step(&mut self, completion: &cqueue::Entry, meter: &mut Meter) -> anyhow::Result<()> {
        let (step, index) = (completion.user_data() >> 32, completion.user_data() as u32 as usize);
        let size = self.options.size;
        let slot = &self.slots[index];
        let done = match (step, completion.result()) {
            (SEND, length) => length == size as i32,
            (RECEIVE, length) if length == size as i32 => {
                anyhow::ensure!(slot.received == self.pattern.at(index, 0, size), "wrong bytes came back");
                meter.record_bytes(size);
                true
            }
            (RECEIVE, _) => false,
            (_, result) => result == 0,
        };
        if !done {
            const STEPS: [&str; 6] = ["connect", "send", "receive", "shut down", "see the end", "close"];
            let reason = match completion.result() {
                code if code < 0 => io::Error::from_raw_os_error(-code).to_string(),
                length => format!("{length} bytes"),
            };
            anyhow::bail!("could not {}: {reason}", STEPS[step as usize]);
        }
        if step == CLOSE {
            meter.record(slot.started, Instant::now());
            self.free.push(index);
        }
        Ok(())
    }
}
