//! The load generator.

mod close;
mod connect;
mod echo;
mod idle;
mod meter;
mod pace;
mod stream;
mod udp_echo;
mod udp_receive;
mod udp_send;

use clap::Subcommand;
use serde_json::{Map, Value};

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
    /// Connections that are opened, used once and held until the server closes them.
    #[command(name = "tcp-close")]
    Close(idle::Options),
    /// Bytes in one direction.
    #[command(name = "tcp-stream")]
    Stream(stream::Options),
    /// Datagrams that the server sends back, in a closed loop or at a given rate. Losses are counted.
    UdpEcho(udp_echo::Options),
    /// Datagrams to the server, at a given rate or as many as can be sent.
    UdpReceive(udp_receive::Options),
    /// Datagrams from the server, as many as it sends.
    UdpSend(udp_send::Options),
}

impl Load {
    /// Runs it and prints the result.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let result = match self {
            Self::Echo(options) => echo::run(&options)?,
            Self::Connect(options) => connect::run(&options)?,
            Self::Stream(options) => stream::run(&options)?,
            Self::UdpEcho(options) => udp_echo::run(&options)?,
            Self::UdpReceive(options) => udp_receive::run(&options)?,
            Self::UdpSend(options) => udp_send::run(&options)?,
            // These print their results by themselves, before they are over.
            Self::Idle(options) => return idle::run(&options),
            Self::Close(options) => return close::run(&options),
        };
        println!("{result}");
        Ok(())
    }
}

/// Puts down how many datagrams were lost, and which share of those sent that is.
fn insert_loss(result: &mut Map<String, Value>, lost: u64, sent: u64) {
    result.insert("lost".into(), lost.into());
    result.insert("lossShare".into(), (if sent > 0 { lost as f64 / sent as f64 } else { 0.0 }).into());
}
