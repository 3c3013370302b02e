//! Datagram sockets on the real kernel.

use std::io::IoSlice;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use iouring_reactor::Received;
use iouring_reactor::buffer_pool::BufferPool;
use iouring_reactor::datagram::Outgoing;
use iouring_reactor::receive_buffers::BUFFERS;
use iouring_reactor::socket::{self, Domain, Type};
use iouring_reactor::{Config, Event, HandleId, Memory, Reactor, Ring, Span};

use crate::node::{available, ring};

/// Regions are payloads by number; region 0 holds the destination.
pub(super) struct Payloads(pub(super) Vec<Vec<u8>>);

// SAFETY: the length is checked, and no vector changes while a turn runs.
unsafe impl Memory for Payloads {
    fn resolve(&mut self, span: &Span) -> Option<NonNull<u8>> {
        let bytes = self.0.get_mut(span.region as usize)?;
        let end = span.offset as usize + span.length as usize;
        (end <= bytes.len()).then(|| NonNull::new(bytes[span.offset as usize..].as_mut_ptr()).expect("not null"))
    }
}

pub(super) struct Node {
    pub(super) reactor: Reactor<Ring>,
    pub(super) memory: Payloads,
    pub(super) received: Vec<(Vec<u8>, Received)>,
    pub(super) sent: Vec<(i32, u32)>,
    pub(super) failed: Vec<i32>,
    pub(super) closed: usize,
    pub(super) hold: bool,
}

impl Node {
    pub(super) fn new() -> Self {
        let config = Config::default();
        let ring = ring(&config, false);
        let pool = BufferPool::new(config.recv_buffers, config.recv_buffer_size).expect("memory");
        Self {
            reactor: Reactor::new(ring, pool, 512),
            memory: Payloads(vec![Vec::new()]),
            received: Vec::new(),
            sent: Vec::new(),
            failed: Vec::new(),
            closed: 0,
            hold: false,
        }
    }

    pub(super) fn open(&mut self, domain: Domain, address: Option<&str>) -> HandleId {
        let descriptor = socket::open(domain, Type::Datagram).expect("a socket");
        if let Some(address) = address {
            let address = iouring_reactor::address::SocketAddress::ip(address, 0).expect("an address");
            socket::bind(descriptor.as_raw_fd(), &address).expect("bind");
        }
        let id = self.reactor.add_datagram(descriptor, domain == Domain::Unix).expect("room");
        self.reactor.read_start(id);
        id
    }

    pub(super) fn send(&mut self, id: HandleId, payload: &[u8], to: bool) {
        let region = u32::try_from(self.memory.0.len()).expect("few");
        self.memory.0.push(payload.to_vec());
        let span = Span { region, offset: 0, length: u32::try_from(payload.len()).expect("short") };
        let length = u32::try_from(self.memory.0[0].len()).expect("short");
        let destination = to.then_some(Span { region: 0, offset: 0, length });
        self.reactor.send_datagram(id, Outgoing { span, destination, flags: 0, segment: 0, together: false });
    }

    pub(super) fn run(&mut self, mut done: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !done(self) {
            assert!(Instant::now() < deadline, "nothing happens: {:?}", self.reactor.stats());
            self.reactor.turn(&mut self.memory).expect("a turn");
            while let Some(event) = self.reactor.next_event() {
                self.note(event);
            }
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Datagram { received, .. } => {
                let start = self.reactor.datagram_pool().expect("there").memory().start();
                // SAFETY: the slice lies in the pool and is lent until it is given back.
                let bytes = unsafe {
                    std::slice::from_raw_parts(
                        start.as_ptr().add(received.slice.offset as usize),
                        received.slice.length as usize,
                    )
                };
                self.received.push((bytes.to_vec(), received));
                if !self.hold {
                    self.reactor.give_datagram_back(received.slice.buffer);
                }
            }
            Event::Sent { status, count, .. } => self.sent.push((status, count)),
            Event::ReceiveFailed { status, .. } => self.failed.push(status),
            Event::Closed { .. } => self.closed += 1,
            event => unreachable!("{event:?}"),
        }
    }

    pub(super) fn sent_count(&self) -> u32 {
        self.sent.iter().map(|sent| sent.1).sum()
    }

    pub(super) fn address_of(&self, id: HandleId) -> iouring_reactor::address::SocketAddress {
        socket::local_address(self.reactor.descriptor(id).expect("open")).expect("bound")
    }

    pub(super) fn end(mut self, id: HandleId) {
        self.reactor.close(id);
        self.run(|node| node.closed == 1);
        let stats = self.reactor.stats();
        assert_eq!((stats.handles, stats.operations, stats.starved), (0, 0, 0));
        if !self.hold {
            assert_eq!(stats.buffers_lent, 0);
        }
    }
}

#[test]
fn datagrams_arrive_in_order_and_errors_are_told_in_their_place() {
    if !available() {
        return;
    }
    let mut node = Node::new();
    let id = node.open(Domain::Ipv4, Some("127.0.0.1"));
    node.memory.0[0] = node.address_of(id).bytes().to_vec();
    for number in 0..1000_u32 {
        if number == 500 {
            node.send(id, &[0; 65508], true);
        }
        node.send(id, &number.to_le_bytes(), true);
        if number % 50 == 49 {
            node.run(|node| node.received.len() == number as usize + 1);
        }
    }
    node.run(|node| node.sent_count() == 1001);
    let numbers: Vec<u32> =
        node.received.iter().map(|it| u32::from_le_bytes(it.0.as_slice().try_into().expect("four"))).collect();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
    let mut before = 0;
    let failed = node.sent.iter().find(|sent| {
        before += sent.1;
        sent.0 != 0
    });
    assert_eq!((failed, before), (Some(&(-libc::EMSGSIZE, 1)), 501));
    node.end(id);
}

#[test]
fn empty_datagrams_end_no_receive() {
    if !available() {
        return;
    }
    let mut node = Node::new();
    let id = node.open(Domain::Ipv4, Some("127.0.0.1"));
    node.memory.0[0] = node.address_of(id).bytes().to_vec();
    for payload in [&b""[..], b"", b"x", b"", b"y"] {
        node.send(id, payload, true);
    }
    node.run(|node| node.received.len() == 5);
    let received: Vec<&[u8]> = node.received.iter().map(|it| it.0.as_slice()).collect();
    assert_eq!(received, [&b""[..], b"", b"x", b"", b"y"]);
    assert!(node.received.iter().all(|it| it.1.name_length == 16));
    node.end(id);
}

#[test]
fn who_starves_is_served_when_a_buffer_comes_back() {
    if !available() {
        return;
    }
    // The rest is kept from the kernel, for sockets that other processes have as well.
    let provided = usize::from(BUFFERS - BUFFERS / 16);
    let mut node = Node::new();
    node.hold = true;
    let id = node.open(Domain::Ipv4, Some("127.0.0.1"));
    node.memory.0[0] = node.address_of(id).bytes().to_vec();
    // In lots that every kernel has room for: how much of a socket's a datagram takes up depends on the kernel.
    for sent in 1..=provided + 10 {
        node.send(id, b"x", true);
        if sent % 64 == 0 && sent <= provided {
            node.run(|node| node.received.len() == sent);
        }
    }
    node.run(|node| node.reactor.stats().starved == 1);
    assert_eq!(node.received.len(), provided);
    node.hold = false;
    for at in 0..node.received.len() {
        node.reactor.give_datagram_back(node.received[at].1.slice.buffer);
    }
    node.run(|node| node.received.len() == provided + 10);
    node.end(id);
}

#[test]
fn refusals_are_told_and_the_socket_goes_on() {
    if !available() {
        return;
    }
    let gone = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let address = gone.local_addr().expect("bound");
    drop(gone);
    let mut node = Node::new();
    let id = node.open(Domain::Ipv4, Some("127.0.0.1"));
    let peer = iouring_reactor::address::SocketAddress::ip("127.0.0.1", address.port()).expect("an address");
    socket::connect_datagram(node.reactor.descriptor(id).expect("open"), &peer).expect("connect");
    for round in 1..4 {
        node.send(id, b"x", false);
        node.run(|node| node.failed.len() + node.sent.iter().filter(|sent| sent.0 != 0).count() == round);
    }
    node.end(id);
}

#[test]
fn what_does_not_fit_waits_in_order() {
    if !available() {
        return;
    }
    let (ours, theirs) = UnixDatagram::pair().expect("a pair");
    let mut node = Node::new();
    let id = node.reactor.add_datagram(OwnedFd::from(ours), true).expect("room");
    for number in 0..2000_u32 {
        node.send(id, &number.to_le_bytes(), false);
    }
    for _ in 0..50 {
        node.run({
            let mut turns = 0;
            move |_| {
                turns += 1;
                turns > 3
            }
        });
    }
    assert!(node.sent_count() < 2000, "the peer's queue is full");
    theirs.set_read_timeout(Some(Duration::from_secs(5))).expect("an option");
    for number in 0..2000_u32 {
        let mut buffer = [0; 4];
        theirs.set_nonblocking(true).expect("an option");
        loop {
            match theirs.recv(&mut buffer) {
                Ok(_) => break,
                Err(_) => node.run({
                    let mut turns = 0;
                    move |_| {
                        turns += 1;
                        turns > 2
                    }
                }),
            }
        }
        assert_eq!(u32::from_le_bytes(buffer), number);
    }
    node.run(|node| node.sent_count() == 2000);
    assert!(node.sent.iter().all(|sent| sent.0 == 0));
    node.end(id);
}

#[test]
fn descriptors_that_nobody_asked_for_are_closed() {
    if !available() {
        return;
    }
    let (ours, theirs) = UnixDatagram::pair().expect("a pair");
    let mut node = Node::new();
    let id = node.reactor.add_datagram(OwnedFd::from(ours), true).expect("room");
    node.reactor.set_datagram_control(id, true);
    node.reactor.read_start(id);
    node.run(|node| node.reactor.stats().operations == 1);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    send_descriptor(&theirs, writer.into());
    node.run(|node| node.received.len() == 1);
    assert!(node.received[0].1.control_length > 0);
    let mut end = [0; 1];
    assert_eq!(std::io::Read::read(&mut &reader, &mut end).expect("no writer is left"), 0);
    node.end(id);
}

/// Sends a descriptor and drops it here.
fn send_descriptor(through: &UnixDatagram, descriptor: OwnedFd) {
    let mut control = [0_u64; 3];
    let bytes = IoSlice::new(b"x");
    // SAFETY: an all-zero msghdr is valid; what it points at is local and outlives the call; the room for control data
    // is that of one descriptor.
    unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = (&raw const bytes).cast_mut().cast();
        header.msg_iovlen = 1;
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = size_of_val(&control) as _;
        let message = libc::CMSG_FIRSTHDR(&raw const header);
        (*message).cmsg_level = libc::SOL_SOCKET;
        (*message).cmsg_type = libc::SCM_RIGHTS;
        (*message).cmsg_len = libc::CMSG_LEN(4) as _;
        libc::CMSG_DATA(message).cast::<i32>().write_unaligned(descriptor.as_raw_fd());
        assert_eq!(libc::sendmsg(through.as_raw_fd(), &raw const header, 0), 1);
    }
    drop(descriptor);
}

#[test]
fn a_socket_that_is_nonblocking_waits_for_datagrams() {
    if !available() {
        return;
    }
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_nonblocking(true).expect("an option");
    let address = socket.local_addr().expect("an address");
    let mut node = Node::new();
    let id = node.reactor.add_datagram(OwnedFd::from(socket), false).expect("room");
    node.reactor.read_start(id);
    let theirs = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for count in 1..=3 {
        // Armed, with nothing there.
        node.reactor.turn(&mut node.memory).expect("a turn");
        theirs.send_to(b"a datagram", address).expect("sendto(2)");
        node.run(|node| node.received.len() == count);
    }
    assert!(node.failed.is_empty());
}
