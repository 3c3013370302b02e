//! The load generator.

mod echo;
mod meter;

use clap::Subcommand;

/// What to put a server under.
#[derive(Subcommand)]
pub(crate) enum Load {
    /// Messages that the server sends back: every connection keeps a number of them under way.
    TcpEcho(echo::Options),
}

impl Load {
    /// Runs it and prints the result.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let result = match self {
            Self::TcpEcho(options) => echo::run(&options)?,
        };
        println!("{result}");
        Ok(())
    }
}
