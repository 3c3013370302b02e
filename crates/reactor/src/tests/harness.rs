//! A reactor on the fake, with the books kept: what every stream was sent, what came of it and in which order.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::NonNull;
use std::rc::Rc;
use std::time::Duration;

use crate::buffer_pool::{BufferPool, Slice};
use crate::fake::{Behavior, Descriptor, Descriptors, Fake, FarEnd, Random, World, content};
use crate::{Event, HandleId, Memory, Reactor, Span, Stats};

/// Turns after which whatever is still going on is taken to go on for ever.
const MAX_TURNS: usize = 20_000;

/// Memory that moves: every look-up gives another copy, and all copies are spoilt when the turn is over.
#[derive(Default)]
pub(crate) struct Moving {
    regions: Vec<Vec<u8>>,
    lent: Vec<Box<[u8]>>,
    spoilt: Vec<Box<[u8]>>,
    written: Vec<(Span, NonNull<u8>)>,
    /// Finds nothing any more, as if JavaScript had detached everything.
    pub(crate) gone: bool,
}

impl Moving {
    pub(crate) fn add(&mut self, bytes: Vec<u8>) -> Span {
        let length = u32::try_from(bytes.len()).expect("small");
        self.regions.push(bytes);
        Span { region: u32::try_from(self.regions.len() - 1).expect("few"), offset: 0, length }
    }

    /// What was written into copies of a region since the last call, in order: the reactor may write to each as if it
    /// were the region.
    pub(crate) fn settle_copies(&mut self) {
        for (span, copy) in std::mem::take(&mut self.written) {
            // SAFETY: `lent` and `spoilt` keep the copy at its address.
            let bytes = unsafe { std::slice::from_raw_parts(copy.as_ptr(), span.length as usize) };
            self.regions[span.region as usize][span.offset as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        self.spoil();
    }

    pub(crate) fn region(&self, region: u32) -> &[u8] {
        &self.regions[region as usize]
    }

    pub(crate) fn spoil(&mut self) {
        self.written.clear();
        for copy in &mut self.lent {
            copy.fill(0xee);
        }
        // Kept for a while: a late read finds wrong bytes, which the test reports, instead of undefined behaviour.
        self.spoilt.append(&mut self.lent);
        if self.spoilt.len() > 4096 {
            self.spoilt.drain(..2048);
        }
    }
}

// SAFETY: each answer is a copy of its own, of the length asked for, which lives as long as the test.
unsafe impl Memory for Moving {
    fn resolve(&mut self, span: &Span) -> Option<NonNull<u8>> {
        if self.gone {
            return None;
        }
        let start = span.offset as usize;
        let mut copy: Box<[u8]> = self.regions[span.region as usize][start..start + span.length as usize].into();
        let address = NonNull::new(copy.as_mut_ptr());
        self.lent.push(copy);
        self.written.extend(address.map(|address| (*span, address)));
        address
    }
}

/// What is known of a stream.
#[derive(Default)]
pub(crate) struct Books {
    /// What its peer has sent.
    pub(crate) inbound: Vec<u8>,
    /// Reading was ceased.
    pub(crate) ceased: bool,
    pub(crate) received: Vec<u8>,
    pub(crate) ended: Option<i32>,
    /// What was written to it, and the length of that at the end of each write request.
    pub(crate) outbound: Vec<u8>,
    pub(crate) requests: VecDeque<usize>,
    pub(crate) written: Vec<i32>,
    /// Write requests made.
    pub(crate) asked: usize,
    pub(crate) shutdown_asked: bool,
    pub(crate) shut_down: Option<i32>,
    pub(crate) connected: Option<i32>,
    pub(crate) close_asked: bool,
    pub(crate) closed: bool,
    /// Whether anything but zero may be reported.
    pub(crate) may_fail: bool,
}

/// The reactor and everything around it.
pub(crate) struct Simulation {
    pub(crate) reactor: Reactor<Fake>,
    pub(crate) world: Rc<RefCell<World>>,
    pub(crate) memory: Moving,
    pub(crate) random: Random,
    pub(crate) streams: Vec<HandleId>,
    pub(crate) fds: Vec<RawFd>,
    pub(crate) far_ends: Vec<FarEnd>,
    pub(crate) books: HashMap<HandleId, Books>,
    pub(crate) lent: Vec<(Slice, Vec<u8>)>,
    /// Connections that listeners reported, in order.
    pub(crate) accepted: Vec<(HandleId, HandleId)>,
    pub(crate) accept_failures: Vec<i32>,
    /// It was told that the ring has failed.
    pub(crate) ring_failed: bool,
    buffers: usize,
}

impl Simulation {
    pub(crate) fn new(behavior: Behavior, buffers: u16, size: u32, per_turn: usize) -> Self {
        let (kernel, world) = Fake::new(behavior);
        let pool = BufferPool::new(buffers, size).expect("memory");
        Self {
            reactor: Reactor::new(kernel, pool, per_turn),
            world,
            memory: Moving::default(),
            random: Random::new(behavior.seed ^ 0x5eed),
            streams: Vec::new(),
            fds: Vec::new(),
            far_ends: Vec::new(),
            books: HashMap::new(),
            lent: Vec::new(),
            accepted: Vec::new(),
            accept_failures: Vec::new(),
            ring_failed: false,
            buffers: usize::from(buffers),
        }
    }

    /// Opens a stream.
    pub(crate) fn stream(&mut self) -> HandleId {
        let (near, far) = Descriptors::pair();
        let fd = near.as_raw_fd();
        self.world.borrow_mut().descriptors.add(fd);
        let id = self.reactor.add_stream(near).expect("room");
        self.streams.push(id);
        self.fds.push(fd);
        self.far_ends.push(far);
        self.books.insert(id, Books::default());
        id
    }

    /// Does something to a descriptor from the other end.
    pub(crate) fn peer<T>(&self, stream: usize, act: impl FnOnce(&mut Descriptor) -> T) -> T {
        act(self.world.borrow_mut().descriptors.get(self.fds[stream]))
    }

    pub(crate) fn book(&mut self, stream: usize) -> &mut Books {
        self.books.get_mut(&self.streams[stream]).expect("known")
    }

    /// Lets a stream read no more.
    pub(crate) fn cease(&mut self, stream: usize) {
        self.book(stream).ceased = true;
        self.reactor.read_cease(self.streams[stream]);
    }

    /// Bytes that the socket of a stream has and nobody has received: those that are left when reading was ceased.
    fn unread(&self, handle: HandleId) -> usize {
        let ceased = self.books.get(&handle).is_some_and(|book| book.ceased);
        let stream = self.streams.iter().position(|&id| id == handle).filter(|_| ceased);
        stream.map_or(0, |stream| self.peer(stream, |it| it.inbound.len()))
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| u8::try_from(self.random.below(251)).expect("below 251")).collect()
    }

    /// The peer sends.
    pub(crate) fn peer_sends(&mut self, stream: usize, count: usize) {
        if self.book(stream).close_asked {
            return;
        }
        let bytes = self.bytes(count);
        if self.peer(stream, |it| it.inbound_end.is_some()) {
            return;
        }
        self.peer(stream, |it| it.inbound.extend(&bytes));
        self.book(stream).inbound.extend(bytes);
    }

    /// Writes one request, in pieces.
    pub(crate) fn write(&mut self, stream: usize, pieces: &[usize]) {
        if self.book(stream).close_asked || self.book(stream).shutdown_asked {
            return;
        }
        for (index, &length) in pieces.iter().enumerate() {
            let bytes = self.bytes(length);
            self.book(stream).outbound.extend(&bytes);
            let span = self.memory.add(bytes);
            self.reactor.write(self.streams[stream], span, index + 1 == pieces.len());
        }
        let book = self.book(stream);
        book.asked += 1;
        book.requests.push_back(book.outbound.len());
    }

    /// Offers bytes at once, in slices of up to seven, and writes what was not taken: how many were.
    pub(crate) fn write_nowait(&mut self, stream: usize, length: usize) -> usize {
        if self.book(stream).close_asked || self.book(stream).shutdown_asked {
            return 0;
        }
        let mut bytes = self.bytes(length);
        self.book(stream).outbound.extend(&bytes);
        let slices: Vec<_> = bytes
            .chunks_mut(7)
            .map(|piece| libc::iovec { iov_base: piece.as_mut_ptr().cast(), iov_len: piece.len() })
            .collect();
        // SAFETY: the bytes are a local.
        let sent = unsafe { self.reactor.send_nowait(self.streams[stream], &mut self.memory, &slices) };
        let rest = bytes.split_off(sent);
        bytes.fill(0xee);
        if !rest.is_empty() {
            let span = self.memory.add(rest);
            self.reactor.write(self.streams[stream], span, true);
            let book = self.book(stream);
            book.asked += 1;
            book.requests.push_back(book.outbound.len());
        }
        sent
    }

    /// Lets bytes come; every other stream has a use for pieces.
    pub(crate) fn read_start(&mut self, stream: usize) {
        let id = self.streams[stream];
        if stream.is_multiple_of(2) { self.reactor.read_start_in_pieces(id) } else { self.reactor.read_start(id) }
    }

    pub(crate) fn shut_down(&mut self, stream: usize) {
        let book = self.book(stream);
        if !book.close_asked && !std::mem::replace(&mut book.shutdown_asked, true) {
            self.reactor.shut_down_write(self.streams[stream]);
        }
    }

    pub(crate) fn close(&mut self, stream: usize) {
        self.book(stream).close_asked = true;
        self.reactor.close(self.streams[stream]);
    }

    /// Gives a slice back, after a look at what is in it.
    pub(crate) fn give_back(&mut self, pick: usize) {
        if self.lent.is_empty() {
            return;
        }
        let index = pick % self.lent.len();
        let (slice, bytes) = self.lent.swap_remove(index);
        assert_eq!(self.read(slice), bytes, "a lent buffer was written into");
        self.reactor.give_back(slice.buffer);
    }

    /// Looks at what a read has delivered.
    pub(crate) fn check_read(&self, region: u32, position: i64, length: usize, result: i32) {
        let bytes = self.memory.region(region);
        let count = usize::try_from(result).unwrap_or(0);
        assert!(count <= length, "more than was asked for");
        for (index, &byte) in bytes.iter().enumerate().take(count) {
            assert_eq!(byte, content(position, index), "wrong bytes");
        }
    }

    fn read(&self, slice: Slice) -> Vec<u8> {
        let start = self.reactor.pool().memory().start();
        // SAFETY: the slice lies in the pool and is lent to us: nobody writes to it.
        unsafe { std::slice::from_raw_parts(start.as_ptr().add(slice.offset as usize), slice.length as usize) }.to_vec()
    }

    /// A turn, and what comes of it.
    pub(crate) fn turn(&mut self) {
        self.reactor.turn(&mut self.memory).expect("nothing that is reported");
        self.memory.spoil();
        while let Some(event) = self.reactor.next_event() {
            self.note(event);
        }
        let stats = self.reactor.stats();
        assert_eq!(stats.buffers_lent, self.lent.len());
        assert!(stats.starved <= self.reactor.stats().handles.max(self.streams.len()), "the starved are listed twice");
    }

    /// Takes a piece of what waits, or does not care to. One that stopped reading meanwhile has none.
    fn take_piece(&mut self, handle: HandleId) {
        let length = self.random.below(64);
        let mut piece = self.bytes(length);
        let room = libc::iovec { iov_base: piece.as_mut_ptr().cast(), iov_len: length };
        // SAFETY: the room is a local.
        let count = unsafe { self.reactor.receive_nowait(handle, room) };
        piece.truncate(count);
        let book = self.open_book(handle);
        assert_eq!(book.ended, None, "bytes behind the end are offered");
        book.received.extend(piece);
        assert!(book.inbound.starts_with(&book.received), "bytes lost, doubled or out of order");
    }

    fn open_book(&mut self, handle: HandleId) -> &mut Books {
        let book = self.books.get_mut(&handle).expect("an event of a handle that we know");
        assert!(!book.closed, "an event after Closed");
        book
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Received { handle, slice } => {
                let bytes = self.read(slice);
                assert!(!bytes.is_empty());
                let book = self.open_book(handle);
                assert_eq!(book.ended, None, "bytes after the end");
                assert!(!book.close_asked, "bytes after close()");
                book.received.extend(&bytes);
                assert!(book.inbound.starts_with(&book.received), "bytes lost, doubled or out of order");
                self.lent.push((slice, bytes));
            }
            Event::Readable { handle } => (0..self.random.below(4)).for_each(|_| self.take_piece(handle)),
            Event::Ended { handle, status } => {
                let book = self.open_book(handle);
                assert_eq!(book.ended.replace(status), None, "two ends");
                assert!(!book.close_asked);
                assert!(book.ceased || status != -libc::ECANCELED);
                let (received, inbound) = (book.received.len(), book.inbound.len());
                assert_eq!(received + self.unread(handle), inbound, "bytes lost at the end");
            }
            Event::Written { handle, status } => {
                let fd = self.streams.iter().position(|&id| id == handle).map(|index| self.fds[index]);
                let sent = fd.and_then(|fd| self.world.borrow().descriptors.find(fd).map(|it| it.sent.len()));
                let book = self.open_book(handle);
                let until = book.requests.pop_front().expect("a request for every report");
                book.written.push(status);
                assert_eq!(book.shut_down, None, "written after the shutdown");
                if status == 0 {
                    assert!(sent.is_none_or(|sent| sent >= until), "reported before it was sent");
                } else {
                    assert!(book.may_fail || (book.close_asked && status == -libc::ECANCELED), "{status}");
                }
            }
            Event::ShutDown { handle, status } => {
                let book = self.open_book(handle);
                assert!(book.shutdown_asked && book.requests.is_empty());
                assert!(status == 0 || book.close_asked && status == -libc::ECANCELED, "{status}");
                assert_eq!(book.shut_down.replace(status), None, "two reports");
            }
            Event::RingFailed { .. } => {
                assert!(!std::mem::replace(&mut self.ring_failed, true), "two reports");
            }
            Event::Opened { .. } | Event::FileDone { .. } => unreachable!("no files here"),
            Event::Message { .. } => unreachable!("no descriptors here"),
            Event::Datagram { .. } | Event::ReceiveFailed { .. } | Event::Sent { .. } => unreachable!("streams alone"),
            Event::Closed { handle } => {
                let book = self.open_book(handle);
                assert!(book.close_asked, "closed without being asked");
                assert!(book.requests.is_empty(), "closed with a write unsettled");
                assert_eq!(book.shutdown_asked, book.shut_down.is_some(), "closed with a shutdown unsettled");
                book.closed = true;
            }
            Event::Connected { handle, status } => {
                assert_eq!(self.open_book(handle).connected.replace(status), None, "two reports");
            }
            Event::Accepted { listener, peer } => {
                // Also after close(), what the kernel has accepted by then: but not after its end.
                self.open_book(listener);
                self.books.insert(peer, Books::default());
                self.accepted.push((listener, peer));
            }
            Event::AcceptFailed { listener, status } => {
                self.open_book(listener);
                self.accept_failures.push(status);
            }
        }
    }

    /// Turns for as long as the reactor says that there is work, as the event loop does. Fails when that does not end.
    pub(crate) fn settle(&mut self) {
        for _ in 0..MAX_TURNS {
            if !self.reactor.has_work() {
                return;
            }
            self.turn();
        }
        let world = self.world.borrow();
        let latest = world.executed.iter().rev().take(6).collect::<Vec<_>>();
        panic!("a livelock: {:?}, {} unfinished, of late {latest:?}", self.reactor.stats(), world.unfinished());
    }

    /// Settles with everything given back as it comes.
    pub(crate) fn settle_and_give_back(&mut self) {
        for _ in 0..MAX_TURNS {
            self.settle();
            if self.lent.is_empty() {
                return;
            }
            while !self.lent.is_empty() {
                let pick = self.random.below(self.lent.len());
                self.give_back(pick);
            }
        }
        panic!("a livelock of buffers: {:?}", self.reactor.stats());
    }

    /// Opens all windows and lets everybody read, until nothing is left to do.
    pub(crate) fn finish(&mut self) {
        for stream in 0..self.streams.len() {
            if !self.book(stream).close_asked {
                self.peer(stream, |it| it.window = usize::MAX);
                self.read_start(stream);
            }
        }
        self.settle_and_give_back();
        for (stream, id) in self.streams.clone().into_iter().enumerate() {
            let open = !self.book(stream).close_asked;
            let end = open.then(|| self.peer(stream, |it| it.inbound_end)).flatten();
            let book = self.book(stream);
            assert!(book.requests.is_empty(), "{id:?}: a write hangs");
            assert_eq!(book.shutdown_asked, book.shut_down.is_some(), "{id:?}: a shutdown hangs");
            assert_eq!(book.closed, book.close_asked, "{id:?}: a close hangs");
            if open && book.ceased {
                assert!(book.ended.is_some(), "{id:?}: an end hangs");
                let (received, inbound) = (book.received.len(), book.inbound.len());
                assert_eq!(received + self.unread(id), inbound, "{id:?}: bytes are lost");
            } else if open {
                // What breaks down behind bytes that nobody has heard of yet just ends.
                let just_ends = end.is_some() && book.ended == Some(0);
                assert!(just_ends || book.ended == end.map(|errno| -errno), "{id:?}: an end hangs");
                assert_eq!(book.received.len(), book.inbound.len(), "{id:?}: a receive hangs");
            }
        }
        assert_eq!(self.world.borrow().buffers.held(), self.buffers, "a buffer is lost");
    }

    /// What was sent is what was written.
    pub(crate) fn check_sent(&mut self) {
        for stream in 0..self.streams.len() {
            let sent =
                self.world.borrow().descriptors.find(self.fds[stream]).map(|it| it.sent.clone()).unwrap_or_default();
            let book = self.book(stream);
            assert!(book.outbound.starts_with(&sent), "bytes lost, doubled or out of order");
            if !book.close_asked && !book.may_fail {
                assert_eq!(sent.len(), book.outbound.len());
            }
        }
    }

    /// Closes everything; nothing must be left.
    pub(crate) fn close_all(&mut self) {
        for (stream, id) in self.streams.clone().into_iter().enumerate() {
            if !self.book(stream).close_asked {
                assert!(!self.far_ends[stream].hung_up(), "closed too early");
                self.close(stream);
                assert_eq!(self.reactor.descriptor(id), None);
            }
        }
        for (_, peer) in self.accepted.clone() {
            let book = self.books.get_mut(&peer).expect("known");
            if !std::mem::replace(&mut book.close_asked, true) {
                self.reactor.close(peer);
            }
        }
        self.settle_and_give_back();
        self.check_nothing_left();
    }

    pub(crate) fn check_nothing_left(&self) {
        let stats = self.reactor.stats();
        assert_eq!(stats, Stats { turns: stats.turns, ..Stats::default() });
        assert_eq!(self.world.borrow().unfinished(), 0);
        assert_eq!(self.world.borrow().buffers.held(), self.buffers, "a buffer is lost");
        assert!(self.far_ends.iter().all(FarEnd::hung_up), "a descriptor is left open");
        for book in self.books.values() {
            assert_eq!(book.closed, book.close_asked);
        }
    }

    /// Ends the reactor as an exiting process does.
    pub(crate) fn stop(&mut self) {
        self.reactor.shut_down(&mut self.memory, Duration::from_secs(5));
    }
}
