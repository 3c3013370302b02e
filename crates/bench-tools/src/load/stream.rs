//! Bytes in one direction, as many as the other end takes or gives.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Instant;

use clap::{Args, ValueEnum};
use io_uring::{IoUring, opcode, types};
use serde_json::{Map, Value};
use socket2::Socket;

use super::meter::{Meter, WindowOptions};
use crate::address::Address;
use crate::ring;

/// Options of the scenario.
#[derive(Args)]
pub(crate) struct Options {
    /// Server: `host:port` or `unix:/path`. It has to be one that reads and forgets, or one that sends without end.
    #[arg(long)]
    address: Address,
    /// Connections.
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Bytes that one call sends or receives.
    #[arg(long, default_value_t = 262_144)]
    size: usize,
    /// Which way the bytes go.
    #[arg(long, value_enum, default_value_t = Direction::Upload)]
    direction: Direction,
    #[command(flatten)]
    window: WindowOptions,
}

#[derive(Clone, Copy, Eq, PartialEq, ValueEnum)]
enum Direction {
    /// To the server. Counted when our kernel has taken them.
    Upload,
    /// From the server. Over TCP they are dropped in the kernel (MSG_TRUNC) rather than copied to us, so that the load
    /// generator costs little: contents are checked by the echo.
    Download,
}

const TICK: u64 = u64::MAX;

/// Runs the scenario.
pub(crate) fn run(options: &Options) -> anyhow::Result<Value> {
    let mut meter = Meter::new(&options.window)?;
    let mut ring = ring::open()?;
    let mut buffer = vec![b'x'; options.size];
    let sockets = (0..options.connections).map(|_| options.address.connect()).collect::<io::Result<Vec<_>>>()?;
    for (index, socket) in sockets.iter().enumerate() {
        push(&mut ring, options, socket, index, &mut buffer)?;
    }
    let tick = types::Timespec::new().nsec(20_000_000);
    arm_tick(&mut ring, &tick)?;
    let mut completions = Vec::with_capacity(64);
    loop {
        ring::turn(&ring)?;
        completions.extend(ring.completion().map(|completion| (completion.user_data(), completion.result())));
        for (data, result) in completions.drain(..) {
            if data == TICK {
                arm_tick(&mut ring, &tick)?;
                continue;
            }
            match usize::try_from(result) {
                Ok(0) => anyhow::bail!("the server ended the connection"),
                Ok(length) => meter.record_stream(length),
                Err(_) => anyhow::bail!("the connection failed: {}", io::Error::from_raw_os_error(-result)),
            }
            push(&mut ring, options, &sockets[data as usize], data as usize, &mut buffer)?;
        }
        if meter.tick(Instant::now())? {
            break;
        }
    }
    let mut result = Map::new();
    result.insert("scenario".into(), "tcp-stream".into());
    result.insert("connections".into(), options.connections.into());
    result.append(&mut meter.to_json()?);
    Ok(result.into())
}

fn arm_tick(ring: &mut IoUring, tick: &types::Timespec) -> io::Result<()> {
    let entry = opcode::Timeout::new(tick).build().user_data(TICK);
    // SAFETY: the timespec outlives the ring.
    unsafe { ring::push(ring, &entry) }
}

fn push(ring: &mut IoUring, options: &Options, socket: &Socket, index: usize, buffer: &mut [u8]) -> io::Result<()> {
    let fd = types::Fd(socket.as_raw_fd());
    let length = buffer.len() as u32;
    let entry = match options.direction {
        Direction::Upload => opcode::Send::new(fd, buffer.as_ptr(), length).flags(libc::MSG_NOSIGNAL).build(),
        Direction::Download => {
            let drop_in_kernel = if matches!(options.address, Address::Tcp(_)) { libc::MSG_TRUNC } else { 0 };
            opcode::Recv::new(fd, buffer.as_mut_ptr(), length).flags(drop_in_kernel).build()
        }
    };
    // SAFETY: the buffer outlives the ring. Its contents do not matter to anyone, so all connections may share it.
    unsafe { ring::push(ring, &entry.user_data(index as u64)) }
}
