//! Closing and ending with everything in flight.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use iouring_reactor::HandleId;
use iouring_reactor::socket::Domain;

use crate::node::{Node, available, pattern, run, small, std_connect, unanswering};

/// A listener that accepts; streams that connect, receive, send, wait for room in the send buffer, starve.
struct Busy {
    node: Node,
    far_ends: Vec<UnixStream>,
    senders: Vec<HandleId>,
    _full: std::net::TcpListener,
    clients: Vec<std::net::TcpStream>,
}

impl Busy {
    fn new(turns: usize) -> Self {
        let mut node = Node::new(&small(), false);
        node.hold = 8;
        let (_, address) = node.listen(Domain::Ipv4, 128);
        node.listen(Domain::Unix, 128);
        let (full, unanswered) = unanswering();
        for _ in 0..4 {
            node.connect(unanswered);
        }
        let (mut far_ends, mut senders) = (Vec::new(), Vec::new());
        for seed in 0..20 {
            let (near, mut far) = UnixStream::pair().unwrap();
            far.write_all(&pattern(seed, 5_000)).unwrap();
            far_ends.push(far);
            let id = node.add(near.into());
            node.reactor.read_start(id);
            // More than the socket takes: the rest waits for POLLOUT.
            node.write(id, &pattern(seed, 1 << 20));
            node.write(id, b"and more");
            node.reactor.shut_down_write(id);
            senders.push(id);
        }
        let clients = (0..10).map(|_| std_connect(&address)).collect();
        for _ in 0..turns {
            node.turn();
        }
        Self { node, far_ends, senders, _full: full, clients }
    }
}

#[test]
fn everything_in_flight_is_settled_before_it_closes() {
    if !available() {
        return;
    }
    for turns in [0, 1, 2, 5, 50] {
        let mut busy = Busy::new(turns);
        let ids: Vec<HandleId> = busy.node.books.keys().copied().collect();
        for id in ids {
            busy.node.reactor.close(id);
            busy.node.reactor.close(id);
        }
        // What was accepted by then is told of, and is closed as well.
        run(&mut [&mut busy.node], |nodes| {
            nodes[0].close_all();
            nodes[0].all_closed()
        });
        for id in &busy.senders {
            let book = busy.node.book(*id);
            assert_eq!(book.written, [-libc::ECANCELED; 2]);
            assert_eq!(book.shut_down, Some(-libc::ECANCELED));
        }
        for far in &mut busy.far_ends {
            let mut rest = Vec::new();
            // The far end wrote what we never read: it may see that as a reset.
            let _ = far.read_to_end(&mut rest);
        }
        busy.node.finish();
        drop(busy.clients);
    }
}

#[test]
fn the_end_of_the_process_does_not_wait_for_peers() {
    if !available() {
        return;
    }
    for turns in [0, 1, 2, 5, 50] {
        let busy = Busy::new(turns);
        let (done, time) = busy.node.stop();
        assert!(done);
        assert!(time < Duration::from_secs(2), "{time:?}");
        for mut client in busy.clients {
            client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let end = client.read(&mut [0; 8]);
            assert!(
                !end.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock),
                "a descriptor is left open"
            );
        }
    }
}

#[test]
fn what_was_written_before_the_end_of_the_process_arrives_if_it_fits() {
    if !available() {
        return;
    }
    let mut node = Node::new(&small(), false);
    let (near, mut far) = UnixStream::pair().unwrap();
    let id = node.add(near.into());
    node.write(id, &pattern(1, 10_000));
    assert!(node.stop().0);
    let mut heard = Vec::new();
    far.read_to_end(&mut heard).unwrap();
    assert!(heard == pattern(1, 10_000));
}
