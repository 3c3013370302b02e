//! Connects that fail, and connections that come and go.

use std::time::Duration;

use iouring_reactor::HandleId;
use iouring_reactor::address::SocketAddress;
use iouring_reactor::socket::Domain;

use crate::node::{Node, available, run, run_for, small, std_connect, unanswering};

#[test]
fn a_refused_connect_says_so() {
    if !available() {
        return;
    }
    let mut node = Node::new(&small(), false);
    let (listener, address) = node.listen(Domain::Ipv4, 16);
    node.reactor.close(listener);
    run(&mut [&mut node], |nodes| nodes[0].book(listener).closed);
    let id = node.connect(address);
    let unix = node.connect(SocketAddress::unix(b"\0nobody-listens-here").unwrap());
    run(&mut [&mut node], |nodes| nodes[0].book(id).connected.is_some() && nodes[0].book(unix).connected.is_some());
    assert_eq!(node.book(id).connected, Some(-libc::ECONNREFUSED));
    assert_eq!(node.book(unix).connected, Some(-libc::ECONNREFUSED));
    node.finish();
}

#[test]
fn a_connect_that_nobody_answers_can_be_given_up() {
    if !available() {
        return;
    }
    let (_full, address) = unanswering();
    let mut node = Node::new(&small(), false);
    let ids: Vec<HandleId> = (0..4).map(|_| node.connect(address)).collect();
    run_for(&mut node, Duration::from_millis(50));
    let waiting: Vec<HandleId> = ids.iter().copied().filter(|id| node.book(*id).connected.is_none()).collect();
    assert!(!waiting.is_empty(), "the backlog is not full");
    for &id in &waiting {
        // Written before it is connected: settled with the close.
        node.write(id, b"too early");
        node.reactor.read_start(id);
        node.reactor.close(id);
    }
    run(&mut [&mut node], |nodes| waiting.iter().all(|id| nodes[0].book(*id).closed));
    for id in &waiting {
        assert_eq!((node.book(*id).connected, &node.book(*id).written), (None, &vec![-libc::ECANCELED]));
    }
    node.finish();
}

#[test]
fn connections_that_are_gone_before_they_are_accepted_do_no_harm() {
    if !available() {
        return;
    }
    let mut node = Node::new(&small(), false);
    let (listener, address) = node.listen(Domain::Ipv4, 128);
    for number in 0..50 {
        let client = std_connect(&address);
        if number % 2 == 0 {
            iouring_reactor::socket::set_reset_on_close(std::os::fd::AsRawFd::as_raw_fd(&client)).unwrap();
        }
    }
    let last = std_connect(&address);
    run(&mut [&mut node], |nodes| {
        let accepted = &nodes[0].book(listener).accepted;
        accepted.len() >= 26
            && accepted.iter().filter(|id| nodes[0].book(**id).ended.is_some()).count() + 1 == accepted.len()
    });
    assert_eq!(node.book(listener).accept_failed, None);
    drop(last);
    node.finish();
}

#[test]
fn what_waits_when_a_listener_closes_is_closed_with_it() {
    if !available() {
        return;
    }
    let mut node = Node::new(&small(), false);
    let (listener, address) = node.listen(Domain::Ipv4, 128);
    let mut clients: Vec<_> = (0..50).map(|_| std_connect(&address)).collect();
    node.turn();
    node.reactor.close(listener);
    run(&mut [&mut node], |nodes| nodes[0].book(listener).closed);
    let accepted = node.book(listener).accepted.clone();
    accepted.iter().for_each(|&id| node.reactor.close(id));
    node.finish();
    for client in &mut clients {
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        // An end or a reset, but no silence.
        let end = std::io::Read::read(client, &mut [0; 8]);
        assert!(
            end.as_ref().is_ok_and(|&count| count == 0)
                || end.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
        );
    }
}
