//! Descriptors that travel with the bytes of UNIX streams.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use iouring_reactor::HandleId;
use iouring_reactor::control::MAX_DESCRIPTORS;
use iouring_reactor::socket::{self, Domain, Type};

use crate::node::{Node, available, pattern, run, small};

/// Two streams of one reactor that are connected to each other; the second takes descriptors.
fn pair() -> (Node, HandleId, HandleId) {
    let mut node = Node::new(&small(), false);
    let (one, other) = UnixStream::pair().unwrap();
    let (one, other) = (node.add(one.into()), node.add(other.into()));
    node.reactor.receive_descriptors(other, MAX_DESCRIPTORS).unwrap();
    (node, one, other)
}

/// The reading end of a pipe that goes to its end when the last copy of the returned writing end is closed.
fn pipe() -> (File, OwnedFd) {
    let (reader, writer) = std::io::pipe().unwrap();
    (OwnedFd::from(reader).into(), writer.into())
}

/// Whether every copy of the writing end is closed.
fn all_closed(reader: &mut File) -> bool {
    let mut poll = libc::pollfd { fd: reader.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: poll(2) writes into one structure, a local.
    unsafe { libc::poll(&raw mut poll, 1, 0) };
    poll.revents & libc::POLLHUP != 0 && reader.read(&mut [0]).unwrap() == 0
}

#[test]
fn each_message_brings_its_own_in_order() {
    if !available() {
        return;
    }
    let (mut node, one, other) = pair();
    node.reactor.read_start(other);
    let mut sent = Vec::new();
    let mut pipes = Vec::new();
    for round in 0..40 {
        node.write(one, &pattern(round, 100));
        sent.extend(pattern(round, 100));
        let (reader, writer) = pipe();
        // The second is longer than the socket takes at once.
        let bytes = pattern(round + 100, if round == 1 { 1 << 20 } else { 50 });
        node.pass(one, &bytes, &[writer.as_raw_fd()]);
        sent.extend(bytes);
        pipes.push((reader, sent.len()));
    }
    node.reactor.shut_down_write(one);
    run(&mut [&mut node], |nodes| nodes[0].book(other).ended.is_some());
    let book = node.books.get_mut(&other).unwrap();
    assert!(book.received == sent, "bytes lost, doubled or out of order");
    let passed = std::mem::take(&mut book.passed);
    assert_eq!(passed.len(), 40);
    for (index, ((at, descriptors, lost), (mut reader, end))) in passed.into_iter().zip(pipes).enumerate() {
        assert!(!lost && descriptors.len() == 1, "message {index}");
        assert!(at < end, "message {index}: after its bytes");
        assert!(!all_closed(&mut reader), "message {index}: another descriptor, or closed");
        let flags = socket_flags(descriptors[0].as_raw_fd());
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        drop(descriptors);
        assert!(all_closed(&mut reader), "message {index}: a copy is left");
    }
    assert_eq!(node.book(one).written, vec![0; 80]);
    node.finish();
}

fn socket_flags(fd: RawFd) -> i32 {
    // SAFETY: this fcntl(2) takes integers alone.
    unsafe { libc::fcntl(fd, libc::F_GETFD) }
}

#[test]
fn as_many_as_there_can_be() {
    if !available() {
        return;
    }
    let (mut node, one, other) = pair();
    node.reactor.read_start(other);
    let (mut reader, writer) = pipe();
    node.pass(one, b"x", &[writer.as_raw_fd(); MAX_DESCRIPTORS]);
    let too_many = [writer.as_raw_fd(); MAX_DESCRIPTORS + 1];
    assert_eq!(node.reactor.stage_descriptors(one, &too_many).unwrap_err().0, libc::EINVAL);
    assert_eq!(node.reactor.stage_descriptors(one, &[]).unwrap_err().0, libc::EINVAL);
    assert_eq!(node.reactor.stage_descriptors(one, &[writer.as_raw_fd(), -1]).unwrap_err().0, libc::EBADF);
    drop(writer);
    run(&mut [&mut node], |nodes| !nodes[0].book(other).received.is_empty());
    let passed = std::mem::take(&mut node.books.get_mut(&other).unwrap().passed);
    assert_eq!(passed[0].1.len(), MAX_DESCRIPTORS);
    drop(passed);
    assert!(all_closed(&mut reader));
    node.finish();
}

#[test]
fn whoever_closes_in_between_leaves_none_open() {
    if !available() {
        return;
    }
    for turns in 0..4 {
        for close_receiver in [false, true] {
            let (mut node, one, other) = pair();
            let mut readers = Vec::new();
            for round in 0..20 {
                let (reader, writer) = pipe();
                // Far more than the socket takes.
                node.pass(one, &pattern(round, 300_000), &[writer.as_raw_fd()]);
                readers.push(reader);
            }
            let (reader, writer) = pipe();
            node.reactor.stage_descriptors(one, &[writer.as_raw_fd()]).unwrap();
            readers.push(reader);
            drop(writer);
            for turn in 0..turns {
                if turn == 1 {
                    node.reactor.read_start(other);
                }
                node.turn();
            }
            node.reactor.close(if close_receiver { other } else { one });
            node.finish();
            assert!(readers.iter_mut().all(all_closed), "{turns} turns: a descriptor is left");
        }
    }
}

/// A stream that does not ask for them gets none, and leaks none.
#[test]
fn nobody_who_has_not_asked_gets_any() {
    if !available() {
        return;
    }
    let mut node = Node::new(&small(), false);
    let (one, other) = UnixStream::pair().unwrap();
    let (one, other) = (node.add(one.into()), node.add(other.into()));
    node.reactor.read_start(other);
    let (mut reader, writer) = pipe();
    node.pass(one, b"x", &[writer.as_raw_fd()]);
    drop(writer);
    run(&mut [&mut node], |nodes| !nodes[0].book(other).received.is_empty());
    assert!(node.book(other).passed.is_empty() && all_closed(&mut reader));
    // It asks while it receives: what comes from then on is kept.
    node.reactor.receive_descriptors(other, MAX_DESCRIPTORS).unwrap();
    run(&mut [&mut node], |nodes| !nodes[0].turn());
    let (mut reader, writer) = pipe();
    node.pass(one, b"y", &[writer.as_raw_fd()]);
    drop(writer);
    run(&mut [&mut node], |nodes| nodes[0].book(other).received.len() == 2);
    assert!(!all_closed(&mut reader));
    node.books.get_mut(&other).unwrap().passed.clear();
    assert!(all_closed(&mut reader));
    node.finish();
}

#[test]
fn the_peer_of_a_pair_is_ourselves() {
    let (one, _other) = UnixStream::pair().unwrap();
    let found = socket::peer_credentials(one.as_raw_fd()).unwrap();
    assert_eq!(found.pid.cast_unsigned(), std::process::id());
    // SAFETY: takes nothing and cannot fail.
    assert_eq!((found.uid, found.gid), unsafe { (libc::geteuid(), libc::getegid()) });
    let alone = socket::open(Domain::Unix, Type::Stream).unwrap();
    assert_eq!(socket::peer_credentials(alone.as_raw_fd()).unwrap_err().0, libc::ENOTCONN);
    let other = socket::open(Domain::Ipv4, Type::Stream).unwrap();
    assert_eq!(socket::peer_credentials(other.as_raw_fd()).unwrap_err().0, libc::EOPNOTSUPP);
}
