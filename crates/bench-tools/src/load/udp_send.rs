//! Datagrams from the server, as many as it sends: `server … --mode source`.
//!
//! They are counted here. On the way from a socket of this machine to another they can only be lost at the end, for
//! lack of room, which the kernel counts: received and lost together are what the server has sent.

use std::time::Instant;

use clap::Args;
use serde_json::{Map, Value};

use super::meter::{Meter, WindowOptions};
use crate::address::Address;
use crate::datagrams::{self, Batch};

/// Options of the scenario.
#[derive(Args)]
pub(crate) struct Options {
    /// Server: `udp:host:port`. It has to be one that sends without end to whom a datagram came from.
    #[arg(long)]
    address: Address,
    /// Size of a datagram in bytes.
    #[arg(long, default_value_t = 64)]
    size: usize,
    #[command(flatten)]
    window: WindowOptions,
}

/// Datagrams a call.
const BATCH: usize = 256;

/// Bytes of our receive buffer.
const RECEIVE_BUFFER: usize = 16 << 20;

/// Runs the scenario.
pub(crate) fn run(options: &Options) -> anyhow::Result<Value> {
    anyhow::ensure!(options.address.is_udp(), "the address has to be one of UDP");
    let size = options.size;
    anyhow::ensure!((1..=datagrams::LARGEST).contains(&size), "a datagram has 1 to 65507 bytes");
    let socket = options.address.connect()?;
    datagrams::enlarge_receive_buffer(&socket, RECEIVE_BUFFER)?;
    socket.send(size.to_string().as_bytes())?;
    let sockets = [socket];
    let [socket] = &sockets;
    let expected = vec![b'x'; size];
    // A byte more than is expected, so that what is too long is noticed.
    let mut batch = Batch::new(BATCH, size + 1);
    let mut meter = Meter::new(&options.window)?;
    let mut received = 0;
    let mut dropped = 0;
    loop {
        let was_measuring = meter.is_measuring();
        if meter.tick(Instant::now())? {
            dropped = datagrams::drops(socket)? - dropped;
            break;
        }
        if meter.is_measuring() && !was_measuring {
            dropped = datagrams::drops(socket)?;
        }
        let count = batch.receive(socket, libc::MSG_DONTWAIT, false)?;
        if count == 0 {
            datagrams::wait_for_input(&sockets, 10_000_000)?;
            continue;
        }
        meter.progress();
        for index in 0..count {
            anyhow::ensure!(batch.received(index) == expected, "the server sent something else");
        }
        if meter.is_measuring() {
            received += count as u64;
        }
    }
    // What the server did counts, wherever it ended.
    meter.messages = received + dropped;
    meter.bytes = meter.messages * size as u64;
    let mut result = Map::new();
    result.insert("scenario".into(), "udp-send".into());
    result.insert("size".into(), size.into());
    result.insert("sent".into(), meter.messages.into());
    result.insert("received".into(), received.into());
    super::insert_loss(&mut result, dropped, meter.messages);
    result.append(&mut meter.to_json()?);
    Ok(result.into())
}
