//! The load generator.

mod connect;
mod echo;
mod idle;
mod meter;
mod stream;

use clap::Subcommand;

/// What to put a server under.
#[derive(Subcommand)]
pub(crate) enum Load {
    /// Messages that the server sends back: every connection keeps a number of them under way.
    #[command(alias = "unix-echo")]
    TcpEcho(echo::Options),
    /// Connections that carry one message each and close: the next begins when one is over.
    TcpConnect(connect::Options),
    /// Connections that are opened, used once and held until standard input closes.
    TcpIdle(idle::Options),
    /// Bytes in one direction.
    TcpStream(stream::Options),
}

impl Load {
    /// Runs it and prints the result.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let result = match self {
            Self::TcpEcho(options) => echo::run(&options)?,
            Self::TcpConnect(options) => connect::run(&options)?,
            Self::TcpStream(options) => stream::run(&options)?,
            // Prints its result by itself, before it is over.
            Self::TcpIdle(options) => return idle::run(&options),
        };
        println!("{result}");
        Ok(())
    }
}
