//! Two reactors talk to each other; both directions end by themselves.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;

use iouring_reactor::socket::{self, Domain};
use iouring_reactor::{Config, HandleId};

use crate::node::{Node, available, pattern, run, small, std_connect};

/// Clients that send `length` bytes in pieces and get them back.
fn echo(domain: Domain, config: &Config, incremental: bool, clients: usize, length: usize, piece: usize) {
    if !available() {
        return;
    }
    let (mut server, mut client) = (Node::new(config, incremental), Node::new(config, incremental));
    server.echo = true;
    let (listener, address) = server.listen(domain, 128);
    let ids: Vec<HandleId> = (0..clients).map(|_| client.connect(address)).collect();
    run(&mut [&mut server, &mut client], |nodes| ids.iter().all(|id| nodes[1].book(*id).connected.is_some()));
    for (seed, &id) in ids.iter().enumerate() {
        assert_eq!(client.book(id).connected, Some(0));
        client.reactor.read_start(id);
        for bytes in pattern(seed, length).chunks(piece) {
            client.write(id, bytes);
        }
        client.reactor.shut_down_write(id);
    }
    run(&mut [&mut server, &mut client], |nodes| ids.iter().all(|id| nodes[1].book(*id).ended.is_some()));
    for (seed, id) in ids.iter().enumerate() {
        let book = client.book(*id);
        assert!(book.received == pattern(seed, length), "bytes lost, doubled or out of order");
        assert_eq!((book.ended, book.shut_down), (Some(0), Some(0)));
        assert_eq!(book.written, vec![0; length.div_ceil(piece)]);
    }
    assert_eq!(server.book(listener).accepted.len(), clients);
    client.finish();
    server.finish();
}

#[test]
fn over_tcp() {
    echo(Domain::Ipv4, &Config::default(), false, 20, 300_000, 7_001);
}

#[test]
fn over_tcp_with_incremental_buffers() {
    if iouring_reactor::support::detect().is_ok_and(|features| features.incremental_buffers) {
        echo(Domain::Ipv4, &Config::default().with_incremental_buffers(), true, 20, 300_000, 7_001);
        echo(Domain::Ipv4, &small(), true, 20, 100_000, 333);
        echo(Domain::Unix, &small(), true, 20, 100_000, 333);
    }
}

/// As on kernels that signal late what they defer.
#[test]
fn without_deferring_work() {
    let undeferred = |config: Config| Config { defer_work: false, ..config };
    echo(Domain::Ipv4, &undeferred(Config::default()), false, 20, 300_000, 7_001);
    echo(Domain::Ipv4, &undeferred(small()), false, 20, 100_000, 333);
    echo(Domain::Unix, &undeferred(small()), false, 20, 100_000, 333);
}

#[test]
fn over_ipv6() {
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        echo(Domain::Ipv6, &Config::default(), false, 2, 10_000, 1_000);
    }
}

#[test]
fn over_unix_sockets() {
    echo(Domain::Unix, &Config::default(), false, 20, 300_000, 7_001);
}

#[test]
fn with_the_smallest_of_everything() {
    echo(Domain::Ipv4, &small(), false, 30, 50_000, 500);
    echo(Domain::Unix, &small(), false, 30, 50_000, 500);
}

/// Linux has had kernels whose multishot receive on UNIX sockets missed the end.
#[test]
fn the_end_of_a_unix_stream_is_seen_however_it_comes() {
    if !available() {
        return;
    }
    for rest in [0, 10, 5_000] {
        for armed in [true, false] {
            for shutdown in [true, false] {
                let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
                let mut node = Node::new(&small(), false);
                let id = node.add(near.into());
                if armed {
                    node.reactor.read_start(id);
                    while node.turn() {}
                }
                far.write_all(&pattern(1, rest)).unwrap();
                if shutdown {
                    far.shutdown(Shutdown::Write).unwrap();
                }
                let keep = shutdown.then_some(far);
                node.reactor.read_start(id);
                run(&mut [&mut node], |nodes| nodes[0].book(id).ended.is_some());
                assert_eq!(node.book(id).ended, Some(0));
                assert_eq!(node.book(id).received, pattern(1, rest));
                drop(keep);
                node.finish();
            }
        }
    }
}

#[test]
fn either_half_may_end_first() {
    if !available() {
        return;
    }
    // Ours ends first, the peer still sends.
    let mut node = Node::new(&small(), false);
    let (listener, address) = node.listen(Domain::Ipv4, 16);
    let mut peer = std_connect(&address);
    run(&mut [&mut node], |nodes| !nodes[0].book(listener).accepted.is_empty());
    let id = node.book(listener).accepted[0];
    node.write(id, b"last words");
    node.reactor.shut_down_write(id);
    run(&mut [&mut node], |nodes| nodes[0].book(id).shut_down.is_some());
    let mut heard = String::new();
    peer.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "last words");
    peer.write_all(b"still here").unwrap();
    run(&mut [&mut node], |nodes| nodes[0].book(id).received.len() == 10);
    assert_eq!(node.book(id).ended, None);

    // The peer ends first, ours still sends.
    let mut peer = std_connect(&address);
    peer.shutdown(Shutdown::Write).unwrap();
    run(&mut [&mut node], |nodes| nodes[0].book(listener).accepted.len() == 2);
    let id = node.book(listener).accepted[1];
    run(&mut [&mut node], |nodes| nodes[0].book(id).ended.is_some());
    node.write(id, b"an answer");
    run(&mut [&mut node], |nodes| !nodes[0].book(id).written.is_empty());
    node.reactor.close(id);
    run(&mut [&mut node], |nodes| nodes[0].book(id).closed);
    let mut heard = String::new();
    peer.read_to_string(&mut heard).unwrap();
    assert_eq!((heard.as_str(), &node.book(id).written), ("an answer", &vec![0]));
    node.finish();
}

#[test]
fn a_reset_ends_reading_and_fails_writing() {
    if !available() {
        return;
    }
    let mut node = Node::new(&small(), false);
    let (listener, address) = node.listen(Domain::Ipv4, 16);
    let peer = std_connect(&address);
    run(&mut [&mut node], |nodes| !nodes[0].book(listener).accepted.is_empty());
    let id = node.book(listener).accepted[0];
    socket::set_reset_on_close(peer.as_raw_fd()).unwrap();
    drop(peer);
    run(&mut [&mut node], |nodes| nodes[0].book(id).ended.is_some());
    assert_eq!(node.book(id).ended, Some(-libc::ECONNRESET));
    node.write(id, b"to nobody");
    node.write(id, b"to nobody");
    node.reactor.shut_down_write(id);
    run(&mut [&mut node], |nodes| nodes[0].book(id).shut_down.is_some());
    assert_eq!(node.book(id).written, [-libc::EPIPE, -libc::EPIPE]);

    // The other way round: ours resets, after what was written before.
    let mut peer = std_connect(&address);
    run(&mut [&mut node], |nodes| nodes[0].book(listener).accepted.len() == 2);
    let id = node.book(listener).accepted[1];
    node.write(id, b"last words");
    socket::set_reset_on_close(node.reactor.descriptor(id).unwrap()).unwrap();
    node.reactor.close(id);
    run(&mut [&mut node], |nodes| nodes[0].book(id).closed);
    let mut heard = Vec::new();
    assert_eq!(peer.read_to_end(&mut heard).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(heard, b"last words");
    node.finish();
}

#[test]
fn reading_stops_and_goes_on_without_loss() {
    if !available() {
        return;
    }
    let mut node = Node::new(&small(), false);
    let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
    let id = node.add(near.into());
    let sender = std::thread::spawn(move || far.write_all(&pattern(3, 500_000)).unwrap());
    let mut toggle = 0;
    while node.book(id).ended.is_none() {
        toggle += 1;
        match toggle % 5 {
            0 => node.reactor.read_stop(id),
            1 | 3 => node.reactor.read_start(id),
            _ => {}
        }
        if !node.turn() && toggle % 5 == 4 {
            std::thread::yield_now();
        }
    }
    sender.join().unwrap();
    assert!(node.book(id).received == pattern(3, 500_000));
    // Stopped for good: nothing comes any more.
    node.finish();
}

/// The kernel hears of a stop when bytes come that nobody wants: these are passed on, and are the last.
#[test]
fn who_stops_reading_gets_what_is_on_its_way_and_no_more_from_the_kernel() {
    if !available() {
        return;
    }
    let mut node = Node::new(&small(), false);
    let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
    let id = node.add(near.into());
    node.reactor.read_start(id);
    while node.turn() {}
    node.reactor.read_stop(id);
    while node.turn() {}
    far.write_all(b"last").unwrap();
    run(&mut [&mut node], |nodes| !nodes[0].book(id).received.is_empty());
    while node.turn() {}
    far.write_all(b"wait").unwrap();
    crate::node::run_for(&mut node, std::time::Duration::from_millis(20));
    assert_eq!(node.book(id).received, b"last");
    node.reactor.read_start(id);
    run(&mut [&mut node], |nodes| nodes[0].book(id).received == b"lastwait");
    node.finish();
}
