//! UNIX datagrams on the real kernel: a peer whose queue is full, and more control data than there is room for.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use iouring_reactor::HandleId;
use iouring_reactor::Received;
use iouring_reactor::address::SocketAddress;
use iouring_reactor::control::{MAX_DESCRIPTORS, messages};
use iouring_reactor::receive_buffers::{UNIX_CONTROL, UNIX_NAME};
use iouring_reactor::socket::{self, Domain};

use crate::datagrams::Node;
use crate::node::available;

/// Far more than a peer's queue takes (`net.unix.max_dgram_qlen`, 10 or some hundred) and a socket's buffer (some
/// hundred).
const MANY: u32 = 3000;

/// A socket with an abstract name that nobody else uses. It is not connected, so that its queue has a bound of its own:
/// two that are connected to each other have none but the sender's buffer.
fn peer(test: &str) -> (UnixDatagram, SocketAddress) {
    let name = format!("iouring-{test}-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    socket.set_nonblocking(true).unwrap();
    (socket, SocketAddress::unix(format!("\0{name}").as_bytes()).unwrap())
}

/// A sender that is connected to `address`.
fn connected(node: &mut Node, address: &SocketAddress) -> HandleId {
    let id = node.open(Domain::Unix, None);
    socket::connect_datagram(node.reactor.descriptor(id).unwrap(), address).unwrap();
    id
}

/// The same, with far more to send than `address` takes.
fn sending_many(node: &mut Node, address: &SocketAddress) -> HandleId {
    let id = connected(node, address);
    for number in 0..MANY {
        node.send(id, &number.to_le_bytes(), false);
    }
    id
}

/// Turns until nothing is left to do but to wait for the kernel.
fn settle(node: &mut Node) {
    node.run(|node| !node.reactor.has_work());
}

/// The numbers that wait in a peer's queue.
fn read_all(peer: &UnixDatagram, into: &mut Vec<u32>) {
    let mut buffer = [0; 8];
    while let Ok(length) = peer.recv(&mut buffer) {
        into.push(u32::from_le_bytes(buffer[..length].try_into().unwrap()));
    }
}

fn successes(node: &Node) -> u32 {
    node.sent.iter().filter(|sent| sent.0 == 0).map(|sent| sent.1).sum()
}

#[test]
fn a_connected_peer_that_does_not_read_is_waited_for_in_order() {
    if !available() {
        return;
    }
    let (peer, address) = peer("waits");
    let mut node = Node::new();
    let id = sending_many(&mut node, &address);
    settle(&mut node);
    let taken = node.sent_count();
    assert!(taken > 0 && taken < MANY, "{taken}");
    // The receive, and one that waits for room: nobody asks again and again.
    assert_eq!(node.reactor.stats().operations, 2);
    assert_eq!(node.reactor.datagram_queue(id), ((MANY - taken) as usize, (MANY - taken) as usize * 4));
    let mut numbers = Vec::new();
    while numbers.len() < MANY as usize {
        read_all(&peer, &mut numbers);
        // Nothing is skipped while there is no room either: what has gone so far are the first.
        assert!(numbers.iter().zip(0..).all(|(&number, expected)| number == expected), "{numbers:?}");
        let before = node.sent_count();
        node.run(|node| node.sent_count() > before || node.sent_count() == MANY);
    }
    assert!(node.sent.iter().all(|sent| sent.0 == 0), "{:?}", node.sent);
    assert_eq!(node.reactor.datagram_queue(id), (0, 0));
    node.end(id);
}

#[test]
fn closing_gives_up_what_a_full_peer_has_not_taken() {
    if !available() {
        return;
    }
    let (peer, address) = peer("closes");
    for settled in [false, true] {
        let mut node = Node::new();
        let id = sending_many(&mut node, &address);
        // Before any of it was offered, or while it waits for room.
        if settled {
            settle(&mut node);
        }
        node.reactor.close(id);
        node.run(|node| node.closed == 1);
        assert_eq!(node.sent_count(), MANY);
        let taken = successes(&node);
        assert!(taken > 0 && taken < MANY);
        // The first went, the rest did not, and both is told in that order.
        assert_eq!(node.sent.last(), Some(&(-libc::ECANCELED, 1)));
        let failed_from = node.sent.iter().position(|sent| sent.0 != 0).unwrap();
        assert!(node.sent[failed_from..].iter().all(|&sent| sent == (-libc::ECANCELED, 1)));
        let mut numbers = Vec::new();
        read_all(&peer, &mut numbers);
        assert_eq!(numbers, (0..taken).collect::<Vec<_>>());
        let stats = node.reactor.stats();
        assert_eq!((stats.handles, stats.operations, stats.buffers_lent, stats.backlog), (0, 0, 0, 0));
    }
}

#[test]
fn a_full_peer_that_goes_away_fails_what_waits() {
    if !available() {
        return;
    }
    let (peer, address) = peer("goes");
    let mut node = Node::new();
    let id = sending_many(&mut node, &address);
    settle(&mut node);
    let taken = successes(&node);
    drop(peer);
    node.run(|node| node.sent_count() == MANY);
    assert_eq!(successes(&node), taken);
    // The kernel tells once that the peer has gone and dissolves the connection: the rest have no destination.
    for &(status, _) in node.sent.iter().filter(|sent| sent.0 != 0) {
        assert!(matches!(-status, libc::ECONNREFUSED | libc::ENOTCONN), "{status}");
    }
    node.end(id);
}

/// What fits has gone before, and the rest is for the old peer still, whom nobody can wait for any more.
#[test]
fn what_waits_for_a_full_peer_does_not_go_to_the_next() {
    if !available() {
        return;
    }
    let ((old, old_address), (new, new_address)) = (peer("old"), peer("new"));
    for (settled, disconnects) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut node = Node::new();
        let id = sending_many(&mut node, &old_address);
        if settled {
            settle(&mut node);
        } else {
            node.reactor.offer_datagrams(id, &mut node.memory).unwrap();
        }
        if disconnects {
            node.reactor.connect_datagram(id, None).unwrap();
        }
        node.reactor.connect_datagram(id, Some(&new_address)).unwrap();
        for number in MANY..MANY + 3 {
            node.send(id, &number.to_le_bytes(), false);
        }
        node.run(|node| node.sent_count() == MANY + 3);
        let taken = successes(&node) - 3;
        assert!(taken > 0 && taken < MANY);
        assert!(node.sent.iter().all(|sent| matches!(-sent.0, 0 | libc::EAGAIN)), "{:?}", node.sent);
        let (mut olds, mut news) = (Vec::new(), Vec::new());
        read_all(&old, &mut olds);
        read_all(&new, &mut news);
        assert_eq!(olds, (0..taken).collect::<Vec<_>>());
        assert_eq!(news, (MANY..MANY + 3).collect::<Vec<_>>());
        node.end(id);
    }
}

#[test]
fn a_peer_that_is_only_named_is_not_waited_for() {
    if !available() {
        return;
    }
    let (peer, address) = peer("named");
    let mut node = Node::new();
    let id = node.open(Domain::Unix, None);
    node.memory.0[0] = address.bytes().to_vec();
    for number in 0..MANY {
        node.send(id, &number.to_le_bytes(), true);
    }
    node.run(|node| node.sent_count() == MANY);
    let taken = successes(&node);
    assert!(taken > 0 && taken < MANY);
    assert!(node.sent.iter().all(|sent| matches!(-sent.0, 0 | libc::EAGAIN)), "{:?}", node.sent);
    let mut numbers = Vec::new();
    read_all(&peer, &mut numbers);
    assert_eq!(numbers, (0..taken).collect::<Vec<_>>());
    // There is room again, and the socket has come to no harm.
    node.send(id, &MANY.to_le_bytes(), true);
    node.run(|node| node.sent_count() == MANY + 1);
    assert_eq!(node.sent.last(), Some(&(0, 1)));
    node.end(id);
}

/// A receiver with as much control data as the kernel has for UNIX datagrams beside descriptors, and a sender.
fn with_everything(node: &mut Node, room: bool) -> (HandleId, UnixDatagram) {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    for option in [libc::SO_PASSCRED, libc::SO_TIMESTAMPNS] {
        enable(ours.as_raw_fd(), option);
    }
    let id = node.reactor.add_datagram(OwnedFd::from(ours), true).unwrap();
    node.reactor.set_datagram_control(id, room);
    node.reactor.read_start(id);
    settle(node);
    (id, theirs)
}

fn enable(fd: RawFd, option: i32) {
    let on = 1_i32;
    let length = libc::socklen_t::try_from(size_of::<i32>()).unwrap();
    // SAFETY: setsockopt(2) reads an integer, which outlives the call.
    assert_eq!(unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, option, (&raw const on).cast(), length) }, 0);
}

/// Control data of a datagram, by level and type.
fn control_of(node: &Node, received: &Received) -> Vec<(i32, i32)> {
    let start = node.reactor.datagram_pool().unwrap().memory().start();
    let name_room = u32::try_from(UNIX_NAME).unwrap();
    // SAFETY: it lies in the pool, in a buffer that is held until it is given back.
    let data = unsafe {
        std::slice::from_raw_parts(
            start.as_ptr().add((received.name + name_room) as usize),
            usize::from(received.control_length),
        )
    };
    messages(data).map(|(level, kind, _)| (level, kind)).collect()
}

#[test]
fn control_data_beyond_the_room_is_told_and_costs_neither_payload_nor_descriptors() {
    if !available() {
        return;
    }
    let mut node = Node::new();
    node.hold = true;
    let (id, sender) = with_everything(&mut node, true);
    let payload: Vec<u8> = (0..60_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    for (round, (count, truncated)) in
        [(0, false), (1, true), (40, true), (60, true), (MAX_DESCRIPTORS, true)].into_iter().enumerate()
    {
        let (reader, writer) = std::io::pipe().unwrap();
        send_descriptors(&sender, &payload, &vec![writer.as_raw_fd(); count]);
        node.run(|node| node.received.len() == round + 1);
        let (bytes, received) = &node.received[round];
        assert_eq!(received.control_truncated, truncated, "{count} descriptors");
        assert!(!received.truncated && *bytes == payload, "{count} descriptors: the payload has suffered");
        assert!(usize::from(received.control_length) <= UNIX_CONTROL);
        let found = control_of(&node, received);
        // Those that were asked for fill the room: the kernel has not even opened a descriptor.
        let expected = [(libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS), (libc::SOL_SOCKET, libc::SCM_CREDENTIALS)];
        assert_eq!(found, expected, "{count} descriptors");
        // Ours, and no copy that was put into our table with the datagram.
        assert_eq!(copies(writer.as_raw_fd()), 1, "{count} descriptors");
        drop(writer);
        assert_eq!(std::io::Read::read(&mut &reader, &mut [0]).unwrap(), 0);
    }
    // What comes after is as ever.
    node.hold = false;
    for at in 0..node.received.len() {
        node.reactor.give_datagram_back(node.received[at].1.slice.buffer);
    }
    send_descriptors(&sender, b"after", &[]);
    node.run(|node| node.received.len() == 6);
    assert_eq!((node.received[5].0.as_slice(), node.received[5].1.control_truncated), (&b"after"[..], false));
    node.end(id);
}

#[test]
fn where_there_is_no_room_for_control_data_no_descriptor_is_taken() {
    if !available() {
        return;
    }
    let mut node = Node::new();
    let (id, sender) = with_everything(&mut node, false);
    let (reader, writer) = std::io::pipe().unwrap();
    send_descriptors(&sender, b"x", &[writer.as_raw_fd(); MAX_DESCRIPTORS]);
    node.run(|node| node.received.len() == 1);
    let (bytes, received) = &node.received[0];
    assert_eq!(bytes, b"x");
    assert!(received.control_truncated && received.control_length == 0);
    assert_eq!(copies(writer.as_raw_fd()), 1);
    drop(writer);
    assert_eq!(std::io::Read::read(&mut &reader, &mut [0]).unwrap(), 0);
    node.end(id);
}

/// How many descriptors of this process are of the same pipe: counting all would count those of other tests.
fn copies(fd: RawFd) -> usize {
    let target = |fd: &str| std::fs::read_link(format!("/proc/self/fd/{fd}")).ok();
    let ours = target(&fd.to_string()).unwrap();
    let same_end = |entry: &std::fs::DirEntry| {
        let number: RawFd = entry.file_name().to_str().unwrap().parse().unwrap();
        // SAFETY: this fcntl(2) takes integers alone; that the descriptor may have been closed meanwhile is an error
        // like another.
        let writes = unsafe { libc::fcntl(number, libc::F_GETFL) } & libc::O_ACCMODE == libc::O_WRONLY;
        writes && target(&number.to_string()).as_ref() == Some(&ours)
    };
    std::fs::read_dir("/proc/self/fd").unwrap().flatten().filter(same_end).count()
}

/// Sends a datagram with descriptors, which stay open here.
fn send_descriptors(through: &UnixDatagram, payload: &[u8], descriptors: &[RawFd]) {
    let bytes = std::io::IoSlice::new(payload);
    let length = size_of_val(descriptors);
    let mut control = vec![0_u64; (size_of::<libc::cmsghdr>() + length).div_ceil(8)];
    // SAFETY: an all-zero msghdr is valid; what it points at is local and outlives the call; the room for control data
    // is that of all descriptors.
    unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = (&raw const bytes).cast_mut().cast();
        header.msg_iovlen = 1;
        if length > 0 {
            header.msg_control = control.as_mut_ptr().cast();
            header.msg_controllen = (control.len() * 8) as _;
            let message = libc::CMSG_FIRSTHDR(&raw const header);
            (*message).cmsg_level = libc::SOL_SOCKET;
            (*message).cmsg_type = libc::SCM_RIGHTS;
            (*message).cmsg_len = (size_of::<libc::cmsghdr>() + length) as _;
            std::ptr::copy_nonoverlapping(descriptors.as_ptr().cast(), libc::CMSG_DATA(message), length);
        }
        let sent = libc::sendmsg(through.as_raw_fd(), &raw const header, 0);
        assert_eq!(usize::try_from(sent), Ok(payload.len()), "{}", std::io::Error::last_os_error());
    }
}
