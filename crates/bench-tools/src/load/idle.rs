//! Connections that do nothing: opened, used for one message each (so that the server has set up what it sets up), and
//! held.

use std::io::{self, Read, Write};
use std::time::Duration;

use clap::Args;
use serde_json::json;
use socket2::Socket;

use crate::address::Address;
use crate::pattern::Pattern;

/// Options of the scenario.
#[derive(Args)]
pub(crate) struct Options {
    /// Server: `host:port` or `unix:/path`.
    #[arg(long)]
    address: Address,
    /// Connections to hold.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Size in bytes of the one message that each connection carries; 0 for none.
    #[arg(long, default_value_t = 64)]
    size: usize,
}

/// Opens the connections, prints a line when all of them are there, and holds them until standard input closes.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let held = open("tcp-idle", options)?;
    io::copy(&mut io::stdin(), &mut io::sink())?;
    drop(held);
    Ok(())
}

/// Opens the connections, sends a message over each and waits for its echo, and prints a line when all of them are
/// there.
pub(super) fn open(scenario: &str, options: &Options) -> anyhow::Result<Vec<Socket>> {
    let pattern = Pattern::new(options.size);
    let mut held: Vec<Socket> = Vec::with_capacity(options.connections);
    for index in 0..options.connections {
        let mut socket = options.address.socket()?;
        options.address.spread_source(&socket, index)?;
        socket.connect(&options.address.to_kernel()?)?;
        if options.size > 0 {
            socket.set_read_timeout(Some(Duration::from_secs(10)))?;
            let message = pattern.at(index, 0, options.size);
            socket.write_all(message)?;
            let mut received = vec![0; options.size];
            socket.read_exact(&mut received)?;
            anyhow::ensure!(received == message, "connection {index}: wrong bytes came back");
        }
        held.push(socket);
    }
    println!("{}", json!({ "scenario": scenario, "connections": held.len(), "size": options.size }));
    io::stdout().flush()?;
    Ok(held)
}
