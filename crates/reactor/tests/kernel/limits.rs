//! Too few descriptors, little locked memory, and what is left when all is over.
//!
//! Limits cannot be taken back and descriptors are counted by process, so each of these runs in a process of its own:
//! this test binary again, told to run only [`child`].

use std::io::Read;
use std::process::Command;
use std::time::{Duration, Instant};

use iouring_reactor::socket::Domain;
use iouring_reactor::{Config, HandleId};

use crate::node::{Node, available, pattern, run, run_for, small, std_address, std_connect};

const TASK: &str = "KERNEL_TEST_TASK";

/// The user without privileges that a child becomes. Locked memory is counted by user: one that no other run of these
/// tests becomes meanwhile.
fn nobody() -> libc::uid_t {
    60_000 + std::process::id() % 5_000
}

fn run_child(task: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "limits::child", "--nocapture"])
        .env(TASK, task)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn without_descriptors_connections_are_turned_away_and_then_served_again() {
    if available() {
        run_child("descriptors");
    }
}

#[test]
fn little_locked_memory_is_enough() {
    // SAFETY: geteuid(2) cannot fail.
    if available() && unsafe { libc::geteuid() } == 0 {
        run_child("memory");
    }
}

#[test]
fn nothing_is_left_open() {
    if available() {
        run_child("leaks");
    }
}

#[test]
#[ignore = "is the child process of the other tests"]
fn child() {
    match std::env::var(TASK).unwrap_or_default().as_str() {
        "descriptors" => exhaust_descriptors(),
        "memory" => exhaust_memory(),
        "leaks" => count_descriptors(),
        _ => {}
    }
}

fn exhaust_descriptors() {
    // First: a request goes by the limit that was set when it was made.
    set_limit(libc::RLIMIT_NOFILE, 64);
    let mut node = Node::new(&small(), false);
    let (listener, address) = node.listen(Domain::Ipv4, 128);
    let address = std_address(&address);
    while node.turn() {}
    // Sockets for the clients first, then every descriptor but two.
    let clients: Vec<early::Client> = (0..10).map(|_| early::Client::new()).collect();
    let mut taken = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        taken.push(file);
    }
    taken.truncate(taken.len() - 2);

    let mut streams: Vec<std::net::TcpStream> = clients.into_iter().map(|client| client.connect(address)).collect();
    streams.iter().for_each(|stream| stream.set_nonblocking(true).unwrap());
    // Two are served, the others see an end.
    let ended = |stream: &mut std::net::TcpStream| stream.read(&mut [0; 1]).is_ok_and(|count| count == 0);
    let deadline = Instant::now() + Duration::from_secs(20);
    while streams.iter_mut().map(ended).filter(|&ended| ended).count() < 8 {
        assert!(Instant::now() < deadline, "neither served nor turned away");
        run_for(&mut node, Duration::from_millis(10));
    }
    assert_eq!(node.book(listener).accepted.len(), 2);
    assert_eq!(node.book(listener).accept_failed, None);
    // Nobody waits, and there is still no descriptor: that must not keep the processor busy.
    let turns = run_for(&mut node, Duration::from_millis(500));
    assert!(turns < 50, "{turns} turns in half a second");
    // As soon as there are descriptors, it serves again.
    drop(taken);
    let client = std::net::TcpStream::connect(address).unwrap();
    run(&mut [&mut node], |nodes| nodes[0].book(listener).accepted.len() == 3);
    drop((client, streams));
    // The pause, should there be one, does not hold anything up.
    let start = Instant::now();
    node.finish();
    assert!(start.elapsed() < Duration::from_secs(2));
}

mod early {
    use std::net::{SocketAddr, TcpStream};
    use std::os::fd::{AsRawFd, OwnedFd};

    use iouring_reactor::address::SocketAddress;
    use iouring_reactor::socket::{self, Domain, Type};

    /// A socket made before there is no descriptor left to make it with.
    pub struct Client(OwnedFd);

    impl Client {
        pub fn new() -> Self {
            Self(socket::open(Domain::Ipv4, Type::Stream).unwrap())
        }

        pub fn connect(self, address: SocketAddr) -> TcpStream {
            let peer = SocketAddress::ip("127.0.0.1", address.port()).unwrap();
            // SAFETY: the pointer and the length describe one address, which outlives the call.
            let returned = unsafe { libc::connect(self.0.as_raw_fd(), peer.as_ptr(), peer.len()) };
            assert_eq!(returned, 0);
            self.0.into()
        }
    }
}

fn exhaust_memory() {
    set_limit(libc::RLIMIT_MEMLOCK, 64 * 1024);
    // SAFETY: setgroups(2) reads no groups when told that there are none.
    let failed = unsafe {
        libc::setgroups(0, std::ptr::null()) != 0 || libc::setgid(nobody()) != 0 || libc::setuid(nobody()) != 0
    };
    assert!(!failed);
    let mut node = Node::new(&Config::default(), false);
    node.echo = true;
    let (listener, address) = node.listen(Domain::Ipv4, 128);
    let ids: Vec<HandleId> = (0..50).map(|_| node.connect(address)).collect();
    run(&mut [&mut node], |nodes| ids.iter().all(|id| nodes[0].book(*id).connected == Some(0)));
    run(&mut [&mut node], |nodes| nodes[0].book(listener).accepted.len() == 50);
    node.finish();
}

fn count_descriptors() {
    let before = open_descriptors();
    for round in 0..3 {
        let mut server = Node::new(&small(), false);
        server.echo = true;
        let (listener, address) = server.listen(Domain::Ipv4, 128);
        let mut clients: Vec<_> = (0..30).map(|_| std_connect(&address)).collect();
        run(&mut [&mut server], |nodes| nodes[0].book(listener).accepted.len() == 30);
        for (seed, client) in clients.iter_mut().enumerate() {
            std::io::Write::write_all(client, &pattern(seed, 3_000)).unwrap();
        }
        for _ in 0..round * 4 {
            server.turn();
        }
        drop(clients);
        if round == 1 {
            assert!(server.stop().0);
        } else {
            server.finish();
        }
    }
    assert_eq!(open_descriptors(), before);
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// What names a limit: not the same type in all C libraries.
#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

fn set_limit(resource: Resource, value: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: setrlimit(2) reads the structure and keeps nothing of it.
    assert_eq!(unsafe { libc::setrlimit(resource, &raw const limit) }, 0);
}
