//! Queues that are full, buffers that run out, peers that do not read.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use iouring_reactor::socket::Domain;
use iouring_reactor::{Config, HandleId};

use crate::node::{Node, available, descriptors, pattern, run, small, std_address, std_connect};

/// 8 KiB of buffers, a hundred streams with more than that each, at once, and buffers held back on top.
#[test]
fn a_hundred_streams_share_eight_small_buffers() {
    if !available() {
        return;
    }
    for hold in [0, 7] {
        let mut node = Node::new(&Config { max_completions_per_turn: 512, ..small() }, false);
        node.hold = hold;
        let mut far_ends = Vec::new();
        let ids: Vec<HandleId> = (0..100)
            .map(|seed| {
                let (near, mut far) = UnixStream::pair().unwrap();
                far.write_all(&pattern(seed, 10_000)).unwrap();
                far_ends.push(far);
                node.add(near.into())
            })
            .collect();
        ids.iter().for_each(|&id| node.reactor.read_start(id));
        run(&mut [&mut node], |nodes| ids.iter().all(|id| nodes[0].book(*id).received.len() == 10_000));
        for (seed, id) in ids.iter().enumerate() {
            assert!(node.book(*id).received == pattern(seed, 10_000));
        }
        drop(far_ends);
        node.hold = 0;
        run(&mut [&mut node], |nodes| ids.iter().all(|id| nodes[0].book(*id).ended == Some(0)));
        node.finish();
    }
}

#[test]
fn a_peer_that_reads_slowly_gets_everything() {
    if !available() {
        return;
    }
    const LENGTH: usize = 8 << 20;
    for domain in [Domain::Ipv4, Domain::Unix] {
        let mut node = Node::new(&Config::default(), false);
        let (listener, address) = node.listen(domain, 16);
        let mut peer: Box<dyn Read + Send> = if domain == Domain::Unix {
            let (near, far) = UnixStream::pair().unwrap();
            let id = node.add(near.into());
            node.adopt_accepted(listener, id);
            Box::new(far)
        } else {
            Box::new(std_connect(&address))
        };
        let reader = thread::spawn(move || {
            let (mut heard, mut buffer) = (Vec::<u8>::new(), vec![0; 128 * 1024]);
            loop {
                thread::sleep(Duration::from_millis(1));
                match peer.read(&mut buffer).unwrap() {
                    0 => return heard,
                    count => heard.extend(&buffer[..count]),
                }
            }
        });
        run(&mut [&mut node], |nodes| !nodes[0].book(listener).accepted.is_empty());
        let id = node.book(listener).accepted[0];
        // One large write, then many small ones.
        let bytes = pattern(5, LENGTH);
        node.write(id, &bytes[..LENGTH / 2]);
        bytes[LENGTH / 2..].chunks(5_000).for_each(|piece| node.write(id, piece));
        node.reactor.shut_down_write(id);
        run(&mut [&mut node], |nodes| nodes[0].book(id).shut_down.is_some());
        assert!(reader.join().unwrap() == bytes, "bytes lost, doubled or out of order");
        assert!(node.book(id).written.iter().all(|&status| status == 0));
        node.finish();
    }
}

/// More in one turn than the submission queue holds, and many times more completions than theirs.
#[test]
fn full_queues_delay_and_lose_nothing() {
    const STREAMS: usize = 1_500;
    if !available() || !descriptors(2 * STREAMS as u64 + 500) {
        return;
    }
    // Enough buffers, so that it is the queue that overflows.
    for buffers in [4096, 64] {
        let mut node = Node::new(&Config { recv_buffers: buffers, ..small() }, false);
        let mut far_ends = Vec::new();
        let ids: Vec<HandleId> = (0..STREAMS)
            .map(|seed| {
                let (near, mut far) = UnixStream::pair().unwrap();
                far.write_all(&pattern(seed, 1_500)).unwrap();
                far_ends.push(far);
                node.add(near.into())
            })
            .collect();
        for (seed, &id) in ids.iter().enumerate() {
            node.reactor.read_start(id);
            node.write(id, &pattern(seed + 1, 100));
            node.write(id, &pattern(seed + 2, 100));
        }
        run(&mut [&mut node], |nodes| {
            ids.iter().all(|id| {
                let book = nodes[0].book(*id);
                book.received.len() == 1_500 && book.written.len() == 2
            })
        });
        for (seed, (id, far)) in ids.iter().zip(&mut far_ends).enumerate() {
            assert!(node.book(*id).received == pattern(seed, 1_500));
            let mut heard = [0; 200];
            far.read_exact(&mut heard).unwrap();
            assert!(heard[..] == [pattern(seed + 1, 100), pattern(seed + 2, 100)].concat());
        }
        // Everything is armed. Now all of it is closed in one turn: twice as many entries as streams.
        node.finish();
        for far in &mut far_ends {
            assert_eq!(far.read(&mut [0; 8]).unwrap(), 0);
        }
    }
}

#[test]
fn many_connections_are_accepted() {
    const CONNECTIONS: usize = 1_000;
    if !available() || !descriptors(2 * CONNECTIONS as u64 + 500) {
        return;
    }
    for config in [Config::default(), small()] {
        let mut node = Node::new(&config, false);
        let (listener, address) = node.listen(Domain::Ipv4, 4096);
        let address = std_address(&address);
        let clients = thread::spawn(move || {
            (0..CONNECTIONS)
                .map(|number| {
                    let mut client = std::net::TcpStream::connect(address).unwrap();
                    client.write_all(&number.to_le_bytes()).unwrap();
                    client
                })
                .collect::<Vec<_>>()
        });
        run(&mut [&mut node], |nodes| {
            let accepted = &nodes[0].book(listener).accepted;
            accepted.len() == CONNECTIONS && accepted.iter().all(|id| nodes[0].book(*id).received.len() == 8)
        });
        let mut numbers: Vec<usize> = node
            .book(listener)
            .accepted
            .iter()
            .map(|id| usize::from_le_bytes(node.book(*id).received[..8].try_into().unwrap()))
            .collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..CONNECTIONS));
        drop(clients.join().unwrap());
        node.finish();
    }
}
