//! Connections that the server closes: opened and used as idle ones are, and watched until the last of them has ended.

use std::io::{self, Read};
use std::time::Duration;

use serde_json::json;

use super::idle::{self, Options};

/// How long the end of a connection may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Opens the connections and prints a line when all of them are there, and another when the server has ended the last.
/// Returns when standard input closes.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut held = idle::open("tcp-close", options)?;
    for (index, socket) in held.iter_mut().enumerate() {
        socket.set_read_timeout(Some(PATIENCE))?;
        let read = socket.read(&mut [0])?;
        anyhow::ensure!(read == 0, "connection {index}: bytes where its end was expected");
    }
    println!("{}", json!({ "scenario": "tcp-close", "ended": held.len() }));
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
