//! Input and output of the echo through io_uring: one call of the kernel for all connections that have something to do.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Instant;

use io_uring::{IoUring, cqueue, opcode, types};

use super::{Exchange, Options};
use crate::load::meter::Meter;
use crate::load::pace::Pace;
use crate::pattern::Pattern;
use crate::ring::{self, BufferRing};

/// Largest receive buffer.
pub(crate) const MAX_BUFFER: usize = 65_536;

const GROUP: u16 = 0;
/// Kinds of operation, in the upper half of `user_data`; the lower half is the number of the connection.
const RECEIVE: u64 = 0;
const SEND: u64 = 1 << 32;
const TICK: u64 = 2 << 32;

/// Runs the exchanges until the meter says that it is over.
pub(crate) fn run(
    options: &Options,
    pattern: &Pattern,
    exchanges: &mut [Exchange],
    meter: &mut Meter,
) -> anyhow::Result<()> {
    // Buffers that hold what usually arrives at once, few enough to stay in the second-level cache.
    let buffer_size = (options.size * options.pipeline).next_power_of_two().clamp(1024, MAX_BUFFER);
    let buffer_count = (1_048_576 / buffer_size).clamp(16, 512) as u16;
    let mut ring = ring::open()?;
    let buffers = BufferRing::register(&ring, GROUP, buffer_count, buffer_size)?;
    let pace = (options.rate > 0.0).then(|| Pace::new(options.rate));
    // The window is decided about at least this often, and what is due at a rate is sent.
    let tick = types::Timespec::new().nsec(if pace.is_some() { 1_000_000 } else { 20_000_000 });
    let mut engine = Engine { buffers, pattern, pace, completions: Vec::with_capacity(1024) };
    engine.arm_tick(&mut ring, &tick)?;
    for (index, exchange) in exchanges.iter_mut().enumerate() {
        engine.arm_receive(&mut ring, index, exchange)?;
        engine.send(&mut ring, index, exchange, Instant::now())?;
    }
    // Who sends next at a rate: the connections take turns.
    let mut next = 0;
    loop {
        ring::turn(&ring)?;
        let mut completions = std::mem::take(&mut engine.completions);
        completions.extend(ring.completion());
        for completion in completions.drain(..) {
            let index = completion.user_data() as u32 as usize;
            match completion.user_data() & !0xFFFF_FFFF {
                RECEIVE => engine.on_receive(&mut ring, index, &mut exchanges[index], &completion, meter)?,
                SEND => engine.on_sent(&mut ring, index, &mut exchanges[index], &completion)?,
                _ => engine.arm_tick(&mut ring, &tick)?,
            }
        }
        engine.completions = completions;
        for _ in 0..engine.due(Instant::now(), exchanges.len()) {
            engine.send_one(&mut ring, next, &mut exchanges[next], Instant::now())?;
            next = (next + 1) % exchanges.len();
        }
        if meter.tick(Instant::now())? {
            return Ok(());
        }
    }
}

struct Engine<'a> {
    buffers: BufferRing,
    pattern: &'a Pattern,
    /// Absent in a closed loop.
    pace: Option<Pace>,
    completions: Vec<cqueue::Entry>,
}

impl Engine<'_> {
    fn arm_tick(&self, ring: &mut IoUring, tick: &types::Timespec) -> io::Result<()> {
        let entry = opcode::Timeout::new(tick).build().user_data(TICK);
        // SAFETY: the timespec outlives the ring.
        unsafe { ring::push(ring, &entry) }
    }

    fn arm_receive(&self, ring: &mut IoUring, index: usize, exchange: &Exchange) -> io::Result<()> {
        let fd = types::Fd(exchange.socket.as_raw_fd());
        let entry = opcode::RecvMulti::new(fd, GROUP).build().user_data(RECEIVE | index as u64);
        // SAFETY: the buffers are registered ones.
        unsafe { ring::push(ring, &entry) }
    }

    /// How many messages are due at the rate; none in a closed loop.
    fn due(&mut self, now: Instant, most: usize) -> usize {
        self.pace.as_mut().map_or(0, |pace| pace.due(now, most))
    }

    /// Sends what is owed, in a closed loop.
    fn send(&self, ring: &mut IoUring, index: usize, exchange: &mut Exchange, now: Instant) -> io::Result<()> {
        if self.pace.is_some() {
            return Ok(());
        }
        match exchange.begin_send(self.pattern, now, usize::MAX) {
            Some(bytes) => self.push_send(ring, index, exchange, bytes),
            None => Ok(()),
        }
    }

    /// Sends a message that is due.
    fn send_one(&self, ring: &mut IoUring, index: usize, exchange: &mut Exchange, now: Instant) -> io::Result<()> {
        match exchange.begin_send(self.pattern, now, 1) {
            Some(bytes) => self.push_send(ring, index, exchange, bytes),
            None => Ok(()),
        }
    }

    fn push_send(&self, ring: &mut IoUring, index: usize, exchange: &Exchange, bytes: &[u8]) -> io::Result<()> {
        let fd = types::Fd(exchange.socket.as_raw_fd());
        let entry = opcode::Send::new(fd, bytes.as_ptr(), bytes.len() as u32)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build()
            .user_data(SEND | index as u64);
        // SAFETY: the bytes are the pattern's, which outlives the ring.
        unsafe { ring::push(ring, &entry) }
    }

    fn on_receive(
        &mut self,
        ring: &mut IoUring,
        index: usize,
        exchange: &mut Exchange,
        completion: &cqueue::Entry,
        meter: &mut Meter,
    ) -> anyhow::Result<()> {
        match (completion.result(), cqueue::buffer_select(completion.flags())) {
            (length @ 1.., Some(id)) => {
                let now = Instant::now();
                let bytes = self.buffers.bytes(id, length as usize);
                exchange.received(bytes, self.pattern, now, meter)?;
                self.buffers.give_back(id);
                self.send(ring, index, exchange, now)?;
            }
            (0, _) => anyhow::bail!("connection {index}: the server ended it"),
            // Its buffers are given back in this very turn.
            (code, _) if code == -libc::ENOBUFS => {}
            (code, _) => {
                anyhow::bail!("connection {index}: receiving failed: {}", io::Error::from_raw_os_error(-code))
            }
        }
        if !cqueue::more(completion.flags()) {
            self.arm_receive(ring, index, exchange)?;
        }
        Ok(())
    }

    fn on_sent(
        &self,
        ring: &mut IoUring,
        index: usize,
        exchange: &mut Exchange,
        completion: &cqueue::Entry,
    ) -> anyhow::Result<()> {
        let length = usize::try_from(completion.result()).map_err(|_| {
            anyhow::anyhow!(
                "connection {index}: sending failed: {}",
                io::Error::from_raw_os_error(-completion.result())
            )
        })?;
        match exchange.sent(length, self.pattern) {
            Some(rest) => self.push_send(ring, index, exchange, rest)?,
            None => self.send(ring, index, exchange, Instant::now())?,
        }
        Ok(())
    }
}
