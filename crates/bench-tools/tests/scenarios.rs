//! Every scenario against every server, for a moment each. Left out, and said so, where io_uring is refused.

// A failed unwrap in a test is the test's failure, in its helpers too.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

const TOOL: &str = env!("CARGO_BIN_EXE_iouring-bench");

/// A server that ends when it is dropped.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(name: &str, mode: &str, address: &str) -> Option<Self> {
        let mut process = Command::new(TOOL)
            .args(["server", name, "--mode", mode, "--address", address])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            eprintln!("left out: {name} does not start here: {:?}", process.wait());
            return None;
        }
        Some(Self { process, address: line.trim().to_owned() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}

/// Runs a scenario and returns what it printed.
fn load(kind: &str, server: &Server, more: &[&str]) -> Value {
    let pid = server.process.id().to_string();
    let output = Command::new(TOOL)
        .args(["load", kind, "--address", &server.address, "--watch", &pid, "--seconds", "0.2", "--warmup", "0.1"])
        .args(more)
        .output()
        .unwrap();
    assert!(output.status.success(), "{kind} {more:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

const SERVERS: [&str; 2] = ["native-floor", "tokio-uring"];

#[test]
fn echoes() {
    for name in SERVERS {
        let Some(server) = Server::start(name, "echo", "127.0.0.1:0") else { continue };
        for more in [
            ["--connections", "1", "--size", "64", "--pipeline", "1"],
            ["--connections", "40", "--size", "1000", "--pipeline", "16"],
            ["--connections", "10", "--size", "65536", "--pipeline", "16"],
        ] {
            let result = load("tcp-echo", &server, &more);
            assert!(result["messages"].as_u64() > Some(0), "{name}: {result}");
            assert!(result["latencyMicros"]["p99"].as_f64() > Some(0.0), "{name}: {result}");
            assert!(result["serverCpuMicrosPerMessage"].as_f64() > Some(0.0), "{name}: {result}");
        }
    }
}

#[test]
fn echoes_over_unix_sockets() {
    let path = std::env::temp_dir().join(format!("iouring-bench-{}", std::process::id()));
    let address = format!("unix:{}", path.display());
    if let Some(server) = Server::start("native-floor", "echo", &address) {
        let result = load("tcp-echo", &server, &["--connections", "5", "--size", "5000", "--pipeline", "3"]);
        assert!(result["messages"].as_u64() > Some(0), "{result}");
    }
    let _ = std::fs::remove_file(path);
}

#[test]
fn keeps_to_a_rate() {
    let Some(server) = Server::start("native-floor", "echo", "127.0.0.1:0") else { return };
    for kind in ["tcp-echo", "tcp-connect"] {
        let result = load(kind, &server, &["--connections", "2", "--rate", "100"]);
        // Those under way as the window opens, and what is made up for of a pause.
        let most = 100.0 * result["seconds"].as_f64().unwrap() + 5.0;
        let messages = result["messages"].as_f64().unwrap();
        assert!(messages > 0.0 && messages <= most, "{result}");
    }
}

#[test]
fn connects() {
    for name in SERVERS {
        let Some(server) = Server::start(name, "echo", "127.0.0.1:0") else { continue };
        let result = load("tcp-connect", &server, &["--connections", "10"]);
        assert!(result["messages"].as_u64() > Some(0), "{name}: {result}");
    }
}

#[test]
fn streams_both_ways() {
    for name in SERVERS {
        for (mode, direction) in [("sink", "upload"), ("source", "download")] {
            let Some(server) = Server::start(name, mode, "127.0.0.1:0") else { continue };
            let result = load("tcp-stream", &server, &["--connections", "2", "--direction", direction]);
            assert!(result["bytes"].as_u64() > Some(1_000_000), "{name}: {result}");
        }
    }
}

#[test]
fn holds_idle_connections_until_its_input_closes() {
    let Some(server) = Server::start("native-floor", "echo", "127.0.0.1:0") else { return };
    let mut idle = Command::new(TOOL)
        .args(["load", "tcp-idle", "--address", &server.address, "--connections", "100"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(idle.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["connections"], 100);
    assert!(idle.try_wait().unwrap().is_none(), "it has to hold them");
    drop(idle.stdin.take());
    assert!(idle.wait().unwrap().success());
    assert_eq!(output.read_to_string(&mut line).unwrap(), 0);
}

#[test]
fn sees_the_end_of_every_connection_that_the_server_closes() {
    let Some(mut server) = Server::start("native-floor", "echo", "127.0.0.1:0") else { return };
    let mut close = Command::new(TOOL)
        .args(["load", "tcp-close", "--address", &server.address, "--connections", "50"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(close.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["connections"], 50);
    server.process.kill().unwrap();
    assert_eq!(next()["ended"], 50);
    drop(close.stdin.take());
    assert!(close.wait().unwrap().success());
}

#[test]
fn reports_a_server_that_is_not_there() {
    let output = Command::new(TOOL).args(["load", "tcp-echo", "--address", "127.0.0.1:1"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("refused"));
}
