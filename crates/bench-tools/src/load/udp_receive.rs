//! Datagrams to the server, which counts them: `server … --mode sink`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Map, Value};

use super::meter::{Meter, WindowOptions};
use super::pace::Pace;
use crate::address::{Address, set_option};
use crate::datagrams::{self, Batch};
use crate::watch::UdpQueue;

/// Options of the scenario.
#[derive(Args)]
pub(crate) struct Options {
    /// Server: `udp:host:port`. It has to be one that counts, and tells its count when a datagram of one byte comes.
    #[arg(long)]
    address: Address,
    /// Size of a datagram in bytes, at least 2.
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// Datagrams sent a second. 0: as many as can be sent.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    /// Datagrams that the kernel cuts out of one buffer (GSO), at most 64. 1: each is handed over by itself.
    #[arg(long, default_value_t = 1)]
    segments: usize,
    #[command(flatten)]
    window: WindowOptions,
}

/// Buffers a call.
const BATCH: usize = 64;

/// Runs the scenario.
pub(crate) fn run(options: &Options) -> anyhow::Result<Value> {
    let Address::Udp(server) = options.address else { anyhow::bail!("the address has to be one of UDP") };
    let Options { size, segments, .. } = *options;
    anyhow::ensure!(size >= 2 && (1..=64).contains(&segments), "sizes start at 2; there are 1 to 64 segments");
    anyhow::ensure!(size * segments <= datagrams::LARGEST, "a buffer has up to 65507 bytes");
    datagrams::sharpen_timers();
    let socket = options.address.connect()?;
    if segments > 1 {
        // The kernel cuts what is sent into datagrams of that size.
        set_option(&socket, libc::SOL_UDP, libc::UDP_SEGMENT, size as libc::c_int)?;
    }
    let mut meter = Meter::new(&options.window)?;
    let mut batch = Batch::new(BATCH, size * segments);
    for index in 0..BATCH {
        batch.outgoing(index, size * segments).fill(b'x');
    }
    let mut pace = (options.rate > 0.0).then(|| Pace::new(options.rate / segments as f64));
    let mut sent = 0;
    let mut window = 0;
    loop {
        let now = Instant::now();
        let was_measuring = meter.is_measuring();
        if meter.tick(now)? {
            window = sent - window;
            break;
        }
        if meter.is_measuring() && !was_measuring {
            window = sent;
        }
        let due = pace.as_mut().map_or(BATCH, |pace| pace.due(now, BATCH));
        batch.send(&socket, due)?;
        sent += (due * segments) as u64;
        if due > 0 {
            meter.progress();
        } else if let Some(pace) = &pace {
            let wait = pace.until_next(Instant::now());
            datagrams::wait_for_input(&[], wait.as_nanos() as i64)?;
        }
    }
    let received = ask(&options.address, server)?;
    anyhow::ensure!(received <= sent, "the server counts more ({received}) than were sent ({sent})");
    // Of those sent meanwhile as large a share as of all. The kernel's count of the lost would not do: one that holds
    // many datagrams (GRO) counts once.
    meter.messages = (window as f64 * received as f64 / sent.max(1) as f64) as u64;
    meter.bytes = meter.messages * size as u64;
    let mut result = Map::new();
    result.insert("scenario".into(), "udp-receive".into());
    result.insert("size".into(), size.into());
    result.insert("rate".into(), options.rate.into());
    result.insert("segments".into(), segments.into());
    result.insert("sent".into(), sent.into());
    result.insert("received".into(), received.into());
    super::insert_loss(&mut result, sent - received, sent);
    result.insert("serverDrops".into(), UdpQueue::of(server)?.drops.into());
    result.append(&mut meter.to_json()?);
    Ok(result.into())
}

/// The server's count, once it has read everything.
fn ask(address: &Address, server: SocketAddr) -> anyhow::Result<u64> {
    const ATTEMPTS: usize = 20;
    let socket = address.connect()?;
    let mut batch = Batch::new(1, 64);
    let mut last = None;
    for _ in 0..ATTEMPTS {
        batch.outgoing(0, 1)[0] = b'?';
        batch.send(&socket, 1)?;
        datagrams::wait_for_input(std::slice::from_ref(&socket), 200_000_000)?;
        if batch.receive(&socket, libc::MSG_DONTWAIT, false)? == 0 {
            continue;
        }
        let count = datagrams::number_in(batch.received(0));
        let is_empty = UdpQueue::of(server)?.waiting == 0;
        // The same twice: nothing is on its way inside the server either.
        if let Some(count) = count
            && is_empty
            && count == last.unwrap_or(u64::MAX)
        {
            return Ok(count);
        }
        last = count;
        std::thread::sleep(Duration::from_millis(20));
    }
    anyhow::bail!("the server does not tell its count")
}
