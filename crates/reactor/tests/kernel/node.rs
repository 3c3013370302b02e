//! A reactor on a real ring, driven by its eventfd as an event loop would, with the books kept.

use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use iouring_reactor::address::{Endpoint, SocketAddress};
use iouring_reactor::buffer_pool::BufferPool;
use iouring_reactor::socket::{self, Domain, Type};
use iouring_reactor::{Config, Errno, Event, HandleId, Memory, Reactor, Ring, Span, Stats, support};

/// After this long without a sign of life, a wake-up was lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// Room for a piece of what waits behind a receive.
const PIECE: usize = 16 * 1024;

/// The smallest of everything.
pub fn small() -> Config {
    Config {
        submission_entries: 64,
        completion_entries: 128,
        recv_buffer_size: 1024,
        recv_buffers: 8,
        max_completions_per_turn: 16,
        ..Config::default()
    }
}

/// Whether io_uring can be used; says so where it cannot. Written past the capture of the test harness, so that it is
/// seen.
pub fn available() -> bool {
    match support::detect() {
        Ok(_) => true,
        Err(error) => {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            let _ = writeln!(std::io::stderr(), "skipped: {test}: io_uring is not available here: {error}");
            false
        }
    }
}

/// The bytes that a sender numbered `seed` sends.
pub fn pattern(seed: usize, length: usize) -> Vec<u8> {
    let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The memory of writes: copied anew for every attempt, spoilt and freed when the turn is over.
#[derive(Default)]
struct Regions {
    bytes: Vec<Option<Vec<u8>>>,
    lent: Vec<Box<[u8]>>,
}

// SAFETY: each answer is a copy of its own, of the length asked for, which lives as long as the test.
unsafe impl Memory for Regions {
    fn resolve(&mut self, span: &Span) -> Option<NonNull<u8>> {
        let start = span.offset as usize;
        let region = self.bytes.get(span.region as usize)?.as_ref()?;
        let mut copy: Box<[u8]> = region.get(start..start + span.length as usize)?.into();
        let address = NonNull::new(copy.as_mut_ptr());
        self.lent.push(copy);
        address
    }
}

/// What is known of a handle.
#[derive(Default)]
pub struct Books {
    pub received: Vec<u8>,
    pub ended: Option<i32>,
    pub written: Vec<i32>,
    pub shut_down: Option<i32>,
    pub connected: Option<i32>,
    pub accepted: Vec<HandleId>,
    pub accept_failed: Option<i32>,
    pub closed: bool,
    /// Descriptors that came, with the number of bytes received before their chunk, and whether some were lost.
    pub passed: Vec<(usize, Vec<OwnedFd>, bool)>,
    regions: VecDeque<u32>,
    /// Pieces taken of what waited behind a receive.
    pub pieces: usize,
}

/// A ring that can be slept on, as [`Ring::tried_out`] makes one.
pub fn ring(config: &Config, incremental: bool) -> Ring {
    static PROMPT: LazyLock<bool> = LazyLock::new(|| support::detect().is_ok_and(|features| features.prompt_signals));
    let defer_work = config.defer_work && *PROMPT;
    Ring::new(&Config { defer_work, ..*config }, incremental).expect("a ring")
}

/// A reactor, and what it does with the events.
pub struct Node {
    pub reactor: Reactor<Ring>,
    memory: Regions,
    pub books: HashMap<HandleId, Books>,
    /// Send back whatever is received, and end when the peer ends.
    pub echo: bool,
    /// Read from accepted connections.
    pub read: bool,
    /// Hold received bytes back for so many turns before the buffers are given back.
    pub held: VecDeque<u16>,
    pub hold: usize,
}

impl Node {
    pub fn new(config: &Config, incremental: bool) -> Self {
        let ring = ring(config, incremental);
        let pool = BufferPool::new(config.recv_buffers, config.recv_buffer_size).expect("memory");
        Self {
            reactor: Reactor::new(ring, pool, config.max_completions_per_turn as usize),
            memory: Regions::default(),
            books: HashMap::new(),
            echo: false,
            read: true,
            held: VecDeque::new(),
            hold: 0,
        }
    }

    pub fn book(&self, id: HandleId) -> &Books {
        &self.books[&id]
    }

    pub fn add(&mut self, descriptor: OwnedFd) -> HandleId {
        let id = self.reactor.add_stream(descriptor).expect("room");
        self.books.insert(id, Books::default());
        id
    }

    /// Listens on a free port of the loopback, or on an abstract UNIX name.
    pub fn listen(&mut self, domain: Domain, backlog: i32) -> (HandleId, SocketAddress) {
        let socket = socket::open(domain, Type::Stream).expect("socket(2)");
        let any = match domain {
            Domain::Ipv4 => SocketAddress::ip("127.0.0.1", 0),
            Domain::Ipv6 => SocketAddress::ip("::1", 0),
            Domain::Unix => Ok(SocketAddress::unix_any()),
        };
        socket::bind(socket.as_raw_fd(), &any.expect("an address")).expect("bind(2)");
        let address = socket::local_address(socket.as_raw_fd()).expect("getsockname(2)");
        (self.adopt_listener(socket, backlog), address)
    }

    /// Takes over a bound socket.
    pub fn adopt_listener(&mut self, socket: OwnedFd, backlog: i32) -> HandleId {
        let id = self.reactor.add_listener(socket).expect("room");
        self.books.insert(id, Books::default());
        self.reactor.listen(id, backlog).expect("listen(2)");
        id
    }

    /// Treats a stream as if a listener had accepted it.
    pub fn adopt_accepted(&mut self, listener: HandleId, peer: HandleId) {
        self.books.get_mut(&listener).expect("known").accepted.push(peer);
    }

    pub fn connect(&mut self, peer: SocketAddress) -> HandleId {
        let domain = match peer.family() {
            libc::AF_INET => Domain::Ipv4,
            libc::AF_INET6 => Domain::Ipv6,
            _ => Domain::Unix,
        };
        let id = self.add(socket::open(domain, Type::Stream).expect("socket(2)"));
        self.reactor.connect(id, peer).expect("started");
        id
    }

    pub fn write(&mut self, id: HandleId, bytes: &[u8]) {
        let span = self.keep(id, bytes);
        self.reactor.write(id, span, true);
    }

    fn keep(&mut self, id: HandleId, bytes: &[u8]) -> Span {
        let free = self.memory.bytes.iter().position(Option::is_none).unwrap_or_else(|| {
            self.memory.bytes.push(None);
            self.memory.bytes.len() - 1
        });
        self.memory.bytes[free] = Some(bytes.to_vec());
        let region = u32::try_from(free).expect("few");
        self.books.get_mut(&id).expect("known").regions.push_back(region);
        let length = u32::try_from(bytes.len()).expect("small");
        Span { region, offset: 0, length }
    }

    /// Writes bytes that take descriptors with them.
    pub fn pass(&mut self, id: HandleId, bytes: &[u8], fds: &[RawFd]) {
        self.reactor.stage_descriptors(id, fds).expect("open descriptors");
        let span = self.keep(id, bytes);
        self.reactor.write_with_descriptors(id, span, true);
    }

    /// One turn. False when there was nothing to do.
    pub fn turn(&mut self) -> bool {
        if !self.reactor.has_work() {
            return false;
        }
        self.reactor.turn(&mut self.memory).expect("a ring that works");
        for copy in &mut self.memory.lent {
            copy.fill(0xee);
        }
        self.memory.lent.clear();
        while let Some(event) = self.reactor.next_event() {
            self.note(event);
        }
        while self.held.len() > self.hold {
            let buffer = self.held.pop_front().expect("counted");
            self.reactor.give_back(buffer);
        }
        true
    }

    fn open_book(&mut self, id: HandleId) -> &mut Books {
        let book = self.books.get_mut(&id).expect("a known handle");
        assert!(!book.closed, "an event after Closed");
        book
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Message { handle, slice, descriptors, lost } => {
                let pool = self.reactor.datagram_pool().expect("there");
                let start = slice.offset as usize;
                // SAFETY: the slice lies in the pool and is lent to us.
                let bytes = unsafe {
                    std::slice::from_raw_parts(pool.memory().start().as_ptr().add(start), slice.length as usize)
                }
                .to_vec();
                self.reactor.give_datagram_back(slice.buffer);
                let taken = if descriptors > 0 { self.reactor.take_descriptors(handle) } else { Vec::new() };
                assert_eq!(taken.len(), usize::from(descriptors));
                let book = self.open_book(handle);
                if descriptors > 0 || lost {
                    book.passed.push((book.received.len(), taken, lost));
                }
                book.received.extend(bytes);
            }
            Event::Received { handle, slice } => {
                let start = self.reactor.pool().memory().start();
                // SAFETY: the slice lies in the pool and is lent to us until it is given back.
                let bytes = unsafe {
                    std::slice::from_raw_parts(start.as_ptr().add(slice.offset as usize), slice.length as usize)
                }
                .to_vec();
                let book = self.open_book(handle);
                assert_eq!(book.ended, None, "bytes after the end");
                book.received.extend(&bytes);
                self.held.push_back(slice.buffer);
                if self.echo {
                    self.write(handle, &bytes);
                }
            }
            Event::Readable { handle } => {
                let mut piece = vec![0_u8; PIECE];
                let room = libc::iovec { iov_base: piece.as_mut_ptr().cast(), iov_len: piece.len() };
                // SAFETY: the room is a local.
                let count = unsafe { self.reactor.receive_nowait(handle, room) };
                let book = self.open_book(handle);
                book.pieces += usize::from(count > 0);
                book.received.extend(&piece[..count]);
            }
            Event::Ended { handle, status } => {
                assert_eq!(self.open_book(handle).ended.replace(status), None, "two ends");
                if self.echo && status == 0 {
                    self.reactor.shut_down_write(handle);
                }
            }
            Event::Written { handle, status } => {
                let book = self.open_book(handle);
                book.written.push(status);
                let region = book.regions.pop_front().expect("a write for every report");
                self.memory.bytes[region as usize] = None;
            }
            Event::ShutDown { handle, status } => {
                assert_eq!(self.open_book(handle).shut_down.replace(status), None, "two reports");
                if self.echo {
                    self.reactor.close(handle);
                }
            }
            Event::Connected { handle, status } => {
                assert_eq!(self.open_book(handle).connected.replace(status), None, "two reports");
            }
            Event::Accepted { listener, peer } => {
                self.open_book(listener).accepted.push(peer);
                // The names of handles are used again, long after.
                self.books.insert(peer, Books::default());
                if self.read {
                    self.reactor.read_start(peer);
                }
            }
            Event::AcceptFailed { listener, status } => {
                self.open_book(listener).accept_failed = Some(status);
            }
            Event::RingFailed { errno } => panic!("the ring has failed: {errno}"),
            Event::Opened { .. } | Event::FileDone { .. } => unreachable!("no files here"),
            Event::Datagram { .. } | Event::ReceiveFailed { .. } | Event::Sent { .. } => unreachable!("streams alone"),
            Event::Closed { handle } => {
                let book = self.open_book(handle);
                assert!(book.regions.is_empty(), "closed with a write unsettled");
                book.closed = true;
            }
        }
    }

    pub fn all_closed(&self) -> bool {
        self.books.values().all(|book| book.closed)
    }

    /// Closes everything; nothing must be left.
    pub fn finish(mut self) {
        self.hold = 0;
        for buffer in self.held.drain(..) {
            self.reactor.give_back(buffer);
        }
        run(&mut [&mut self], |nodes| {
            // Every time: a listener may still tell of what was accepted before it was closed.
            nodes[0].close_all();
            nodes[0].all_closed() && !nodes[0].reactor.has_work()
        });
        let stats = self.reactor.stats();
        assert_eq!(stats, Stats { turns: stats.turns, ..Stats::default() });
        self.reactor.shut_down(&mut self.memory, PATIENCE);
    }

    /// Asks for the end of everything.
    pub fn close_all(&mut self) {
        for &id in self.books.keys() {
            self.reactor.close(id);
        }
    }

    /// Ends it with everything in flight, as an exiting process does. Whether that ended well, and how long it took.
    pub fn stop(mut self) -> (bool, Duration) {
        let start = Instant::now();
        self.reactor.shut_down(&mut self.memory, PATIENCE);
        (self.reactor.stats().operations == 0, start.elapsed())
    }
}

/// Turns the reactors for as long as they have work, and sleeps on their eventfds when they have none, until `done`.
/// Fails when nothing wakes it up.
pub fn run(nodes: &mut [&mut Node], mut done: impl FnMut(&mut [&mut Node]) -> bool) {
    loop {
        let mut turned = false;
        for node in nodes.iter_mut() {
            turned |= node.turn();
        }
        if done(nodes) {
            return;
        }
        // What `done` has asked for is work as well.
        if !turned && !nodes.iter().any(|node| node.reactor.has_work()) {
            let fds: Vec<RawFd> = nodes.iter().map(|node| node.reactor.kernel().eventfd()).collect();
            assert!(
                wait(&fds, PATIENCE),
                "nothing happens any more: {:?}",
                nodes.iter().map(|node| node.reactor.stats()).collect::<Vec<_>>()
            );
            for node in nodes.iter() {
                node.reactor.kernel().acknowledge();
            }
        }
    }
}

/// Goes on for a while, whatever happens.
pub fn run_for(node: &mut Node, time: Duration) -> u64 {
    let (start, turns) = (Instant::now(), node.reactor.stats().turns);
    while start.elapsed() < time {
        if !node.turn() && wait(&[node.reactor.kernel().eventfd()], time.saturating_sub(start.elapsed())) {
            node.reactor.kernel().acknowledge();
        }
    }
    node.reactor.stats().turns - turns
}

fn wait(fds: &[RawFd], patience: Duration) -> bool {
    let mut polls: Vec<libc::pollfd> =
        fds.iter().map(|&fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }).collect();
    let timeout = i32::try_from(patience.as_millis()).expect("short").max(1);
    // SAFETY: poll(2) writes into the structures, as many as it is told there are.
    unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, timeout) > 0 }
}

/// The address as the standard library has it.
pub fn std_address(address: &SocketAddress) -> SocketAddr {
    match address.to_endpoint() {
        Endpoint::V4 { address, port } | Endpoint::V6 { address, port } => {
            SocketAddr::new(address.parse().expect("an address"), port)
        }
        other => panic!("not an IP address: {other:?}"),
    }
}

pub fn std_connect(address: &SocketAddress) -> TcpStream {
    TcpStream::connect(std_address(address)).expect("connect(2)")
}

/// Raises the limit of open descriptors. False, with a word about it, when it cannot be raised so far.
pub fn descriptors(wanted: u64) -> bool {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit(2) writes into the structure and setrlimit(2) reads from it.
    let raised = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_cur.max(wanted);
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit)
    } == 0;
    if !raised {
        let _ = writeln!(std::io::stderr(), "skipped: no {wanted} descriptors: {}", Errno::last_os_error());
    }
    raised
}

/// A listener with a backlog so small that of a few connects some get no answer.
pub fn unanswering() -> (std::net::TcpListener, SocketAddress) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind(2)");
    // A second listen(2) changes the backlog.
    socket::listen(listener.as_raw_fd(), 0).expect("listen(2)");
    let address = socket::local_address(listener.as_raw_fd()).expect("getsockname(2)");
    (listener, address)
}
