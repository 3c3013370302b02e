//! Messages that come back: a closed loop in which every connection keeps a fixed number of messages under way, or
//! sends them at a given rate.

mod exchange;
mod ring;

use clap::Args;
use serde_json::{Map, Value};

use super::meter::{Meter, WindowOptions};
use crate::address::Address;
use crate::pattern::Pattern;
use exchange::Exchange;

/// Options of the scenario.
#[derive(Args)]
pub(crate) struct Options {
    /// Server: `host:port` or `unix:/path`.
    #[arg(long)]
    address: Address,
    /// Connections.
    #[arg(long, default_value_t = 50)]
    connections: usize,
    /// Size of a message in bytes.
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// Messages that a connection keeps under way.
    #[arg(long, default_value_t = 1)]
    pipeline: usize,
    /// Messages a second, of all connections; 0: the next as soon as one has come back. One that is due while as many
    /// as may be are under way is left out.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    #[command(flatten)]
    window: WindowOptions,
}

/// Runs the scenario.
pub(crate) fn run(options: &Options) -> anyhow::Result<Value> {
    anyhow::ensure!(options.size > 0 && options.pipeline > 0 && options.connections > 0, "sizes and counts start at 1");
    let pattern = Pattern::new((options.size * options.pipeline).max(ring::MAX_BUFFER));
    let mut meter = Meter::new(&options.window)?;
    let mut exchanges = Vec::with_capacity(options.connections);
    for index in 0..options.connections {
        exchanges.push(Exchange::new(options.address.connect()?, index, options.size, options.pipeline));
    }
    ring::run(options, &pattern, &mut exchanges, &mut meter)?;

    let mut result = Map::new();
    result.insert("scenario".into(), "tcp-echo".into());
    result.insert("engine".into(), "ring".into());
    result.insert("connections".into(), options.connections.into());
    result.insert("size".into(), options.size.into());
    result.insert("pipeline".into(), options.pipeline.into());
    result.append(&mut meter.to_json()?);
    Ok(result.into())
}
