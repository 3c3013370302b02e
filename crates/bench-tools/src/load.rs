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
    #[command(name = "tcp-echo", alias = "unix-echo")]
    Echo(echo::Options),
    /// Connections that carry one message each and close: the next begins when one is over.
    #[command(name = "tcp-connect")]
    Connect(connect::Options),
    /// Connections that are opened, used once and held until standard input closes.
    #[command(name = "tcp-idle")]
    Idle(idle::Options),
    /// Bytes in one direction.
    #[command(name = "tcp-stream")]
    Stream(stream::Options),
}

impl Load {
    /// Runs it and prints the result.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let result = match self {
            Self::Echo(options) => echo::run(&options)?,
            Self::Connect(options) => connect::run(&options)?,
            Self::Stream(options) => stream::run(&options)?,
            // Prints its result by itself, before it is over.
            Self::Idle(options) => return idle::run(&options),
        };
        println!("{result}");
        Ok(())
    }
}
