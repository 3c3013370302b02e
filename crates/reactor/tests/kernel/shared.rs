//! Sockets that other processes have as well: `O_NONBLOCK` is theirs to set, and connections are anybody's to take.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};

use iouring_reactor::socket::{self, Domain};

use crate::node::{Node, available, pattern, run, small, std_connect};

fn set_nonblocking(fd: i32) {
    let flag = 1;
    // SAFETY: FIONBIO reads one int, which outlives the call.
    assert_eq!(unsafe { libc::ioctl(fd, libc::FIONBIO, &raw const flag) }, 0);
}

#[test]
fn a_listener_waits_whether_it_is_nonblocking_from_the_start_or_becomes_so() {
    if !available() {
        return;
    }
    for from_the_start in [true, false] {
        let socket = TcpListener::bind("127.0.0.1:0").expect("bind(2)");
        let address = socket::local_address(socket.as_raw_fd()).expect("getsockname(2)");
        socket.set_nonblocking(from_the_start).expect("an option");
        let theirs = socket.try_clone().expect("dup(2)");
        let mut node = Node::new(&small(), false);
        let listener = node.adopt_listener(OwnedFd::from(socket), 128);
        // Armed, with nobody there.
        while node.turn() {}
        theirs.set_nonblocking(true).expect("an option");
        for count in 1..=3 {
            let _client = std_connect(&address);
            run(&mut [&mut node], |nodes| nodes[0].book(listener).accepted.len() == count);
            // It sleeps in between.
            while node.turn() {}
            assert_eq!(node.book(listener).accept_failed, None);
        }
        node.finish();
    }
}

#[test]
fn a_stream_that_is_nonblocking_waits_for_bytes_and_for_room() {
    if !available() {
        return;
    }
    let mut node = Node::new(&small(), false);
    let (listener, address) = node.listen(Domain::Ipv4, 16);
    let mut client = std_connect(&address);
    run(&mut [&mut node], |nodes| !nodes[0].book(listener).accepted.is_empty());
    let peer = node.book(listener).accepted[0];
    set_nonblocking(node.reactor.descriptor(peer).expect("open"));
    for seed in 0..3 {
        let bytes = pattern(seed, 1000);
        let before = node.book(peer).received.len();
        while node.turn() {}
        client.write_all(&bytes).expect("write(2)");
        run(&mut [&mut node], |nodes| nodes[0].book(peer).received.len() == before + bytes.len());
        assert_eq!(node.book(peer).received[before..], bytes);
    }
    // More than fits at once.
    let bytes = pattern(7, 8 << 20);
    node.write(peer, &bytes);
    while node.turn() {}
    let reader = std::thread::spawn(move || {
        let mut received = vec![0; 8 << 20];
        client.read_exact(&mut received).map(|()| received)
    });
    run(&mut [&mut node], |nodes| nodes[0].book(peer).written == [0]);
    assert!(reader.join().expect("no panic").expect("read(2)") == bytes);
    node.finish();
}

#[test]
fn of_two_who_share_a_listener_one_takes_a_connection_and_the_other_goes_on_waiting() {
    if !available() {
        return;
    }
    let socket = TcpListener::bind("127.0.0.1:0").expect("bind(2)");
    socket.set_nonblocking(true).expect("an option");
    let address = socket::local_address(socket.as_raw_fd()).expect("getsockname(2)");
    let mut nodes = [Node::new(&small(), false), Node::new(&small(), false)];
    let listeners = nodes.each_mut().map(|node| {
        let shared = socket.try_clone().expect("dup(2)");
        node.adopt_listener(OwnedFd::from(shared), 128)
    });
    drop(socket);
    let [first, second] = &mut nodes;
    let _clients: Vec<_> = (1..=20)
        .map(|count| {
            let client = std_connect(&address);
            run(&mut [first, second], |nodes| {
                let accepted = |node: usize| nodes[node].book(listeners[node]).accepted.len();
                accepted(0) + accepted(1) == count
            });
            client
        })
        .collect();
    nodes.into_iter().for_each(Node::finish);
}
