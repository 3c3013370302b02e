//! Servers to compare with.

mod native_floor;
mod tokio_uring;

use std::io::Write;

use clap::{Args, Subcommand, ValueEnum};

use crate::address::Address;

/// Which server to run.
#[derive(Subcommand)]
pub(crate) enum Server {
    /// io_uring used directly: what there is to reach.
    NativeFloor(Options),
    /// The same with the tokio-uring crate, as its users write it.
    TokioUring(Options),
}

/// Options that all servers have.
#[derive(Args)]
pub(crate) struct Options {
    /// Where to listen: `host:port` (port 0 for any) or `unix:/path`.
    #[arg(long, default_value = "127.0.0.1:0")]
    address: Address,
    /// What to do with a connection.
    #[arg(long, value_enum, default_value_t = Mode::Echo)]
    mode: Mode,
    /// Size in bytes of a receive buffer.
    #[arg(long, default_value_t = 16_384)]
    buffer_size: usize,
    /// Number of receive buffers where they are shared by all connections. A power of two.
    #[arg(long, default_value_t = 256)]
    buffers: u16,
}

/// What a server does with a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Mode {
    /// Send back what comes in.
    Echo,
    /// Read and forget.
    Sink,
    /// Send without end.
    Source,
}

impl Server {
    /// Serves until standard input closes.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
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
