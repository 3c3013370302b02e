//! Load generator and peers for the benchmark.
//!
//! `iouring-bench load …` drives a server and prints what it measured as one line of JSON; `iouring-bench server …` is
//! a server to compare with. Built for Linux only.

mod address;
mod datagrams;
mod files;
mod limits;
mod load;
mod pattern;
mod ring;
mod send_file;
mod server;
mod watch;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "iouring-bench", about = "Load generator and peers for the benchmark", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Drive a server and print what was measured as one line of JSON.
    #[command(subcommand)]
    Load(load::Load),
    /// Run a server to compare with. Prints its address when ready; ends when standard input closes.
    #[command(subcommand)]
    Server(server::Server),
    /// Transfer at random positions of a file, with io_uring used directly.
    Files(files::Files),
    /// Send a file over TCP by copying or by splicing.
    SendFile(send_file::SendFile),
    /// Tell what a process has cost so far, a line of JSON for every line of standard input.
    Watch(watch::Options),
}

fn main() -> anyhow::Result<()> {
    limits::raise_open_files();
    match Arguments::parse().command {
        Command::Load(load) => load.run(),
        Command::Server(server) => server.run(),
        Command::Files(files) => files.run(),
        Command::SendFile(send_file) => send_file.run(),
        Command::Watch(options) => watch::run(&options),
    }
}
