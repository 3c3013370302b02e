//! Datagrams that come back.
//!
//! In a closed loop a number of them is under way at any time. Without that number (`--rate`) they are sent at a pace
//! that does not depend on the answers: what a server cannot keep up with is lost.

mod ledger;

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Map, Value};
use socket2::Socket;

use super::meter::{Meter, WindowOptions};
use super::pace::Pace;
use crate::address::Address;
use crate::datagrams::{self, Batch};
use crate::watch::UdpQueue;
use ledger::Ledger;

/// Options of the scenario.
#[derive(Args)]
pub(crate) struct Options {
    /// Server: `udp:host:port`.
    #[arg(long)]
    address: Address,
    /// Sockets that datagrams are sent from, in turn.
    #[arg(long, default_value_t = 1)]
    sockets: usize,
    /// Size of a datagram in bytes: 8 to 65507.
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// Datagrams under way over all sockets, in a closed loop. Ignored with a rate.
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// Datagrams sent a second, whatever comes back. 0: a closed loop.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    #[command(flatten)]
    window: WindowOptions,
}

/// After so long a datagram is given up.
const PATIENCE: Duration = Duration::from_millis(100);

/// At a given rate: so many are remembered. Enough for what arrives in the time of [`PATIENCE`], and then some.
const REMEMBERED: usize = 1 << 18;

/// Datagrams a call.
const BATCH: usize = 64;

/// Bytes of a receive buffer of ours.
const RECEIVE_BUFFER: usize = 16 << 20;

/// Runs the scenario.
pub(crate) fn run(options: &Options) -> anyhow::Result<Value> {
    let Address::Udp(server) = options.address else { anyhow::bail!("the address has to be one of UDP") };
    anyhow::ensure!(options.sockets > 0 && options.in_flight > 0, "counts start at 1");
    anyhow::ensure!((ledger::HEAD..=datagrams::LARGEST).contains(&options.size), "a datagram has 8 to 65507 bytes");
    datagrams::sharpen_timers();
    let mut meter = Meter::new(&options.window)?;
    let mut run = Run::new(options)?;
    let mut dropped = 0;
    let mut pace = (options.rate > 0.0).then(|| Pace::new(options.rate));
    loop {
        let now = Instant::now();
        let was_measuring = meter.is_measuring();
        if meter.tick(now)? {
            dropped = UdpQueue::of(server)?.drops - dropped;
            break;
        }
        if meter.is_measuring() && !was_measuring {
            dropped = UdpQueue::of(server)?.drops;
        }
        run.give_up_overdue(now);
        let due = match &mut pace {
            Some(pace) => pace.due(now, BATCH * options.sockets),
            None => usize::MAX,
        };
        run.send(due, meter.is_measuring())?;
        if run.receive(&mut meter)? == 0 {
            let wait = pace.as_ref().map_or(PATIENCE / 10, |pace| pace.until_next(Instant::now()));
            datagrams::wait_for_input(&run.sockets, wait.as_nanos() as i64)?;
        }
    }
    // What is still under way may come back.
    let end = Instant::now() + PATIENCE;
    while !run.ledger.is_settled() && Instant::now() < end {
        if run.receive(&mut meter)? == 0 {
            datagrams::wait_for_input(&run.sockets, 1_000_000)?;
        }
    }
    run.ledger.give_up_overdue(Instant::now(), Duration::ZERO, &mut run.free);

    let tally = run.ledger.tally;
    let mut result = Map::new();
    result.insert("scenario".into(), "udp-echo".into());
    result.insert("sockets".into(), options.sockets.into());
    result.insert("size".into(), options.size.into());
    if options.rate > 0.0 {
        result.insert("rate".into(), options.rate.into());
    } else {
        result.insert("inFlight".into(), options.in_flight.into());
    }
    result.insert("sent".into(), tally.sent.into());
    result.insert("received".into(), tally.received.into());
    result.insert("late".into(), tally.late.into());
    super::insert_loss(&mut result, tally.lost, tally.sent);
    result.insert("serverDrops".into(), dropped.into());
    let ours = run.sockets.iter().map(datagrams::drops).sum::<std::io::Result<u64>>()?;
    result.insert("loadDrops".into(), ours.into());
    result.append(&mut meter.to_json()?);
    Ok(result.into())
}

/// Sockets, and what is under way on them.
struct Run {
    ledger: Ledger,
    sockets: Vec<Socket>,
    size: usize,
    outgoing: Batch,
    incoming: Batch,
    /// Slots that may send. In a closed loop they leave this list and come back to it with the answers.
    free: Vec<usize>,
    /// Of each socket: slots about to be sent. Kept for its memory.
    listed: Vec<Vec<usize>>,
    /// At a given rate: the slot whose turn it is. Slots are used in order, whether they were answered or not.
    next: Option<usize>,
    looked: Instant,
}

impl Run {
    fn new(options: &Options) -> anyhow::Result<Self> {
        let mut sockets = Vec::with_capacity(options.sockets);
        for _ in 0..options.sockets {
            let socket = options.address.connect()?;
            datagrams::enlarge_receive_buffer(&socket, RECEIVE_BUFFER)?;
            sockets.push(socket);
        }
        let paced = options.rate > 0.0;
        // As many for each socket, so that the turn of the sockets goes on where the slots begin anew.
        let slots = if paced { REMEMBERED / options.sockets * options.sockets } else { options.in_flight };
        Ok(Self {
            ledger: Ledger::new(options.size, slots, options.sockets),
            sockets,
            size: options.size,
            outgoing: Batch::new(BATCH, options.size),
            // A byte more than is expected, so that what is too long is noticed.
            incoming: Batch::new(BATCH, options.size + 1),
            free: if paced { Vec::new() } else { (0..slots).rev().collect() },
            listed: vec![Vec::new(); options.sockets],
            next: paced.then_some(0),
            looked: Instant::now(),
        })
    }

    /// Looks for what has not come back, now and then. In a closed loop its slot may send again: a loss would end the
    /// loop otherwise.
    fn give_up_overdue(&mut self, now: Instant) {
        if self.next.is_some() || now.duration_since(self.looked) < PATIENCE / 10 {
            return;
        }
        self.looked = now;
        self.ledger.give_up_overdue(now, PATIENCE, &mut self.free);
    }

    /// Sends up to `most` datagrams.
    fn send(&mut self, most: usize, counts: bool) -> anyhow::Result<()> {
        let count = self.sockets.len();
        if let Some(next) = &mut self.next {
            for _ in 0..most {
                self.listed[*next % count].push(*next);
                *next = if *next + 1 == REMEMBERED / count * count { 0 } else { *next + 1 };
            }
        } else {
            for slot in self.free.drain(..) {
                self.listed[slot % count].push(slot);
            }
        }
        for (socket, slots) in self.sockets.iter().zip(&mut self.listed) {
            for chunk in slots.chunks(BATCH) {
                let now = Instant::now();
                for (index, slot) in chunk.iter().enumerate() {
                    self.ledger.issue(*slot, now, counts, self.outgoing.outgoing(index, self.size));
                }
                self.outgoing.send(socket, chunk.len())?;
            }
            slots.clear();
        }
        Ok(())
    }

    /// Takes what has come back to each socket, a batch each. Returns how many there were.
    fn receive(&mut self, meter: &mut Meter) -> anyhow::Result<usize> {
        let mut total = 0;
        for (number, socket) in self.sockets.iter().enumerate() {
            let count = self.incoming.receive(socket, libc::MSG_DONTWAIT, false)?;
            let now = Instant::now();
            for index in 0..count {
                let bytes = self.incoming.received(index);
                meter.record_bytes(bytes.len());
                match self.ledger.take(number, bytes)? {
                    Some((slot, started)) => {
                        meter.record(started, now);
                        if self.next.is_none() {
                            self.free.push(slot);
                        }
                    }
                    None => meter.progress(),
                }
            }
            total += count;
        }
        Ok(total)
    }
}
