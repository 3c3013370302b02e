//! Servers to compare with.

mod datagram_calls;
mod datagram_floor;
mod native_floor;
mod proxy;
mod tokio_uring;

use std::io::{Read, Write};

use clap::{Args, Subcommand, ValueEnum};

use crate::address::Address;

/// Which server to run.
#[derive(Subcommand)]
pub(crate) enum Server {
    /// io_uring used directly: what there is to reach.
    NativeFloor(Options),
    /// The same with the tokio-uring crate, as its users write it.
    TokioUring(Options),
    /// UDP with recvmmsg(2) and sendmmsg(2): what system calls reach without io_uring.
    NativeCalls(Options),
    /// A proxy by splice(2): the kernel moves what it has received.
    NativeSplice(Options),
}

/// Options that all servers have.
#[derive(Args)]
pub(crate) struct Options {
    /// Where to listen: `host:port` (port 0 for any), `udp:host:port` or `unix:/path`.
    #[arg(long, default_value = "127.0.0.1:0")]
    address: Address,
    /// What to do with a connection, or with datagrams.
    #[arg(long, value_enum, default_value_t = Mode::Echo)]
    mode: Mode,
    /// Size in bytes of a receive buffer.
    #[arg(long, default_value_t = 16_384)]
    buffer_size: usize,
    /// Number of receive buffers where they are shared by all connections. A power of two.
    #[arg(long, default_value_t = 256)]
    buffers: u16,
}

/// What a server does with a connection, or with datagrams: there `sink` answers a datagram of one byte with the number
/// of the others that came, in decimal digits, and `source` sends to whom a datagram came from, of the size whose
/// decimal digits it holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Mode {
    /// Send back what comes in.
    Echo,
    /// Read and forget.
    Sink,
    /// Send without end.
    Source,
    /// Pass on, to a connection to the server that BENCH_UPSTREAM names, and back: by system calls.
    Proxy,
}

impl Server {
    /// Serves until standard input closes.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::NativeFloor(options) if options.address.is_udp() => datagram_floor::run(&options),
            Self::NativeFloor(options) if options.mode == Mode::Proxy => proxy::run(&options, proxy::Way::Copy),
            Self::NativeSplice(options) => proxy::run(&options, proxy::Way::Splice),
            Self::NativeCalls(options) => datagram_calls::run(&options),
            Self::NativeFloor(options) => native_floor::run(&options),
            Self::TokioUring(options) => tokio_uring::run(&options),
        }
    }
}

/// Tells whoever started us where the server listens.
fn announce(address: &Address) {
    println!("{address}");
    // A reader that is gone already will have closed our standard input too.
    let _ = std::io::stdout().flush();
}

/// Ends the process when standard input closes.
fn end_with_input() {
    std::thread::spawn(|| {
        let mut byte = [0];
        while std::io::stdin().read(&mut byte).is_ok_and(|length| length > 0) {}
        std::process::exit(0);
    });
}
