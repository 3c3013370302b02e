//! The fake kernel: what the tests run the reactor on.
//!
//! It holds requests, plays the peers of every descriptor and does whatever a kernel may do: completes in any order across
//! requests, ends multishots, shortens sends, consumes a part of the submission queue, is short of memory, overflows. All of it
//! follows from a seed, and it is fair: mischief has a budget, after which everything that can be done is done.
//!
//! It also holds the reactor to its promises, and panics where one is broken: see the assertions.

mod behavior;
mod buffers;
mod datagrams;
mod descriptors;
mod files;
mod random;

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use crate::error::Errno;
use crate::kernel::{
    BufferGroup, CQE_F_BUF_MORE, CQE_F_BUFFER, CQE_F_MORE, CQE_F_SOCK_NONEMPTY, Completion, Direction, Extent,
    FileRequest, Kernel, Request, Wait,
};
use crate::operation::{IGNORED, Kind, kind_of};

pub(crate) use behavior::Behavior;
use buffers::Buffers;
pub(crate) use datagrams::{Delivered, Inbound, Mailbox, Outbound};
pub(crate) use descriptors::{Descriptor, Descriptors, FarEnd};
pub(crate) use files::content;
pub(crate) use random::Random;

/// Deferred items that one enter runs, as the real kernel's local work list does.
const WORK_PER_ENTER: usize = 20;

/// A request that the kernel has taken and not finished.
struct Flight {
    request: Request,
    user_data: u64,
    /// What the memory of the request held when it was pushed.
    memory: Vec<u8>,
}

impl Flight {
    fn fd(&self) -> Option<RawFd> {
        match self.request {
            Request::Accept { fd }
            | Request::Connect { fd, .. }
            | Request::Receive { fd, .. }
            | Request::ReceiveDatagrams { fd, .. }
            | Request::ReceiveMessage { fd, .. }
            | Request::PollWritable { fd, .. } => Some(fd),
            _ => None,
        }
    }
}

/// The kernel's side, shared between the reactor's [`Fake`] and the test.
pub(crate) struct World {
    behavior: Behavior,
    random: Random,
    pub(crate) descriptors: Descriptors,
    pub(crate) buffers: Buffers,
    /// Of datagrams, once they are registered.
    pub(crate) datagram_buffers: Buffers,
    submission: VecDeque<Flight>,
    flights: Vec<Flight>,
    /// Done, but not yet in the completion queue: deferred work and overflow.
    pending: Vec<Completion>,
    completion: VecDeque<Completion>,
    /// `user_data` between push and the reaping of the terminal completion.
    live: HashSet<u64>,
    /// Whether timeouts end.
    pub(crate) time_passes: bool,
    /// Refuses every enter with this error,
    pub(crate) refusal: Option<i32>,
    /// once there were so many.
    pub(crate) refuses_after: usize,
    /// Whether receives can be bounded.
    pub(crate) bounds_receives: bool,
    /// Takes nothing while completions wait for room, until somebody reaps.
    pub(crate) busy_when_overflowed: bool,
    /// Calls of `enter`.
    pub(crate) enters: usize,
    /// Every request that was executed, for tests that count.
    pub(crate) executed: Vec<Request>,
    /// Bytes of the one file that is played.
    pub(crate) file_length: usize,
    /// Whoever waits for something to be read waits on.
    pub(crate) nothing_to_read: bool,
    /// The last file request was linked to the next.
    linking: bool,
    /// A step of the chain has failed: those that follow are cancelled.
    broken_chain: bool,
}

/// The fake as the reactor sees it.
pub(crate) struct Fake(Rc<RefCell<World>>);

impl Fake {
    pub(crate) fn new(behavior: Behavior) -> (Self, Rc<RefCell<World>>) {
        assert!(behavior.submission_entries >= 2 && behavior.completion_entries >= 1);
        let world = Rc::new(RefCell::new(World {
            behavior,
            random: Random::new(behavior.seed),
            descriptors: Descriptors::default(),
            buffers: Buffers::new(behavior.incremental),
            datagram_buffers: Buffers::new(false),
            submission: VecDeque::new(),
            flights: Vec::new(),
            pending: Vec::new(),
            completion: VecDeque::new(),
            live: HashSet::new(),
            time_passes: true,
            refusal: None,
            refuses_after: 0,
            bounds_receives: behavior.seed.is_multiple_of(2),
            busy_when_overflowed: behavior.malice > 0 && behavior.seed.is_multiple_of(2),
            enters: 0,
            executed: Vec::new(),
            file_length: 0,
            nothing_to_read: false,
            linking: false,
            broken_chain: false,
        }));
        (Self(Rc::clone(&world)), world)
    }
}

impl Kernel for Fake {
    unsafe fn push(&mut self, request: &Request, user_data: u64) -> bool {
        let mut world = self.0.borrow_mut();
        if world.submission.len() == world.behavior.submission_entries {
            return false;
        }
        if user_data != IGNORED {
            assert!(world.live.insert(user_data), "user_data is used twice at once: {request:?}");
        }
        world.descriptors.pushed(request);
        let memory = snapshot(request);
        world.submission.push_back(Flight { request: *request, user_data, memory });
        true
    }

    fn enter(&mut self, wait: Wait) -> Result<(), Errno> {
        let mut world = self.0.borrow_mut();
        world.enters += 1;
        if let Some(errno) = world.refusal.filter(|_| world.enters > world.refuses_after) {
            return Err(Errno(errno));
        }
        let full = world.completion.len() >= world.behavior.completion_entries;
        if full && !world.pending.is_empty() && world.busy_when_overflowed {
            return Err(Errno(libc::EBUSY));
        }
        if world.mischief() {
            return Err(Errno([libc::EINTR, libc::ENOMEM, libc::EAGAIN][world.random.below(3)]));
        }
        let mut take = world.submission.len();
        if take > 0 && world.mischief() {
            take = world.random.below(take);
        }
        for _ in 0..take {
            let flight = world.submission.pop_front().expect("counted");
            world.execute(flight);
        }
        world.work();
        world.flush();
        if wait != Wait::No && world.completion.is_empty() {
            return Err(Errno(libc::ETIME));
        }
        Ok(())
    }

    fn bounds_receives(&self) -> bool {
        self.0.borrow().bounds_receives
    }

    fn unsubmitted(&self) -> usize {
        self.0.borrow().submission.len()
    }

    fn room(&self) -> usize {
        self.0.borrow().behavior.submission_entries - self.unsubmitted()
    }

    fn reap(&mut self, into: &mut Vec<Completion>, limit: usize) {
        let mut world = self.0.borrow_mut();
        for _ in 0..limit.min(world.completion.len()) {
            let completion = world.completion.pop_front().expect("counted");
            if !completion.more() {
                world.live.remove(&completion.user_data);
            }
            into.push(completion);
        }
    }

    unsafe fn read_now(&mut self, fd: RawFd, data: *mut u8, length: u32, position: i64) -> Result<u32, Errno> {
        let request = FileRequest::Read { fd, data, length, position, now: true, by_worker: false, priority: 0 };
        self.0.borrow_mut().play_now(&request)
    }

    unsafe fn transfer_now(&mut self, _: RawFd, _: Direction, _: *mut u8, _: u32, _: i64) -> Result<u32, Errno> {
        panic!("no file here has `O_NONBLOCK`")
    }

    unsafe fn send_now(&mut self, fd: RawFd, data: *const u8, length: usize) -> Result<usize, Errno> {
        let result = self.0.borrow_mut().send(fd, &[(data, length)]);
        usize::try_from(result).map_err(|_| Errno(-result))
    }

    fn close(&mut self, descriptor: OwnedFd) {
        let mut world = self.0.borrow_mut();
        let fd = descriptor.as_raw_fd();
        let left = world.flights.iter().chain(&world.submission).find(|flight| flight.fd() == Some(fd));
        assert!(left.is_none(), "closed under a request: {:?}", left.map(|flight| flight.request));
        world.descriptors.close(&descriptor);
    }

    fn ready(&self) -> bool {
        let world = self.0.borrow();
        !world.completion.is_empty() || !world.pending.is_empty() || world.flights.iter().any(|it| world.can_go_on(it))
    }

    unsafe fn provide(&mut self, group: BufferGroup, address: *mut u8, length: u32, buffer: u16) {
        self.0.borrow_mut().group(group).provide(address, length, buffer);
    }

    fn publish(&mut self, group: BufferGroup) {
        self.0.borrow_mut().group(group).publish();
    }
}

/// What no kernel turns round: completions of one request, the slices of one buffer, and answers to sends, which it has when it takes them, with the
/// news of polls, which are deferred work.
fn ordered(first: &Completion, second: &Completion) -> bool {
    let (send, poll) = (Kind::Send, Kind::PollWritable);
    kind_of(first.user_data) == send as u64 && kind_of(second.user_data) == poll as u64
        || first.user_data == second.user_data
        || first.buffer().is_some() && first.buffer() == second.buffer()
}

/// The memory that must hold until the terminal completion.
fn snapshot(request: &Request) -> Vec<u8> {
    let (start, length) = match *request {
        Request::Connect { address, length, .. } => (address.cast::<u8>(), length as usize),
        Request::Timeout { after } => (after.cast::<u8>(), size_of::<io_uring::types::Timespec>()),
        Request::ReceiveDatagrams { message, .. } => (message.cast::<u8>(), size_of::<libc::msghdr>()),
        _ => return Vec::new(),
    };
    // SAFETY: the caller of `Kernel::push` promises that it lives; that is what is being tested (AddressSanitizer sees to it).
    unsafe { std::slice::from_raw_parts(start, length) }.to_vec()
}

impl World {
    fn group(&mut self, group: BufferGroup) -> &mut Buffers {
        match group {
            BufferGroup::Bytes => &mut self.buffers,
            BufferGroup::Datagrams => &mut self.datagram_buffers,
        }
    }

    /// Whether to do mischief now.
    fn mischief(&mut self) -> bool {
        let now = self.behavior.budget > 0 && self.random.chance(self.behavior.malice);
        if now {
            self.behavior.budget -= 1;
        }
        now
    }

    /// Requests taken and not finished, and completions not yet collected.
    pub(crate) fn unfinished(&self) -> usize {
        self.live.len()
    }

    /// Puts a completion nobody asked for into the queue.
    pub(crate) fn forge(&mut self, user_data: u64, result: i32, flags: u32) {
        self.completion.push_back(Completion { user_data, result, flags });
    }

    fn post(&mut self, user_data: u64, result: i32, flags: u32) {
        self.pending.push(Completion { user_data, result, flags });
    }

    /// Ends a flight.
    fn end(&mut self, index: usize, result: i32, flags: u32) {
        let flight = self.flights.swap_remove(index);
        assert_eq!(snapshot(&flight.request), flight.memory, "memory changed in flight: {:?}", flight.request);
        self.post(flight.user_data, result, flags);
    }

    fn execute(&mut self, flight: Flight) {
        self.executed.push(flight.request);
        let (request, user_data) = (flight.request, flight.user_data);
        match request {
            Request::Send { fd, data, length } => {
                let result = self.send(fd, &[(data, length as usize)]);
                self.post(user_data, result, 0);
            }
            Request::SendMessage { fd, message } => {
                // SAFETY: sends hold their memory until the enter that takes them, which is this one.
                #[allow(clippy::unnecessary_cast, reason = "the type of the length is not the same in all C libraries")]
                let slices: Vec<(*const u8, usize)> = unsafe {
                    let header = &*message;
                    std::slice::from_raw_parts(header.msg_iov, header.msg_iovlen as usize)
                        .iter()
                        .map(|slice| (slice.iov_base.cast_const().cast::<u8>(), slice.iov_len))
                        .collect()
                };
                let result = self.send(fd, &slices);
                self.post(user_data, result, 0);
            }
            Request::SendDatagram { fd, message, flags } => {
                let result = self.send_datagram(fd, message, flags);
                self.post(user_data, result, 0);
            }
            Request::Cancel { user_data: target } => {
                self.linking = false;
                let found = self.flights.iter().position(|flight| flight.user_data == target);
                match found {
                    // It was just being served, and may go on after that.
                    Some(index) if self.can_go_on(&self.flights[index]) && self.mischief() => {
                        self.go_on(index);
                        self.post(IGNORED, -libc::EALREADY, 0);
                    }
                    Some(index) => {
                        self.cancel(index);
                        self.post(IGNORED, 0, 0);
                    }
                    None => self.post(IGNORED, -libc::ENOENT, 0),
                }
            }
            Request::Close { fd } => {
                // SAFETY: the request gave the descriptor to the kernel, and it is its first close, as was checked when it was pushed.
                self.descriptors.close(&unsafe { OwnedFd::from_raw_fd(fd) });
                self.post(user_data, 0, 0);
            }
            Request::File { request, linked } => self.execute_file(flight.user_data, &request, linked, flight),
            Request::PollWritable { fd, edges: true } => {
                self.descriptors.get(fd).told = 0;
                self.flights.push(flight);
            }
            Request::Receive { .. } if self.buffers.is_empty() => self.post(user_data, -libc::ENOBUFS, 0),
            Request::ReceiveDatagrams { .. } | Request::ReceiveMessage { .. }
                if self.group(BufferGroup::Datagrams).is_empty() =>
            {
                self.post(user_data, -libc::ENOBUFS, 0);
            }
            _ => {
                self.flights.push(flight);
            }
        }
    }

    fn send(&mut self, fd: RawFd, slices: &[(*const u8, usize)]) -> i32 {
        if self.mischief() {
            self.descriptors.get(fd).refused();
            return [-libc::EINTR, -libc::EAGAIN, -libc::ENOBUFS][self.random.below(3)];
        }
        let offered = slices.iter().map(|slice| slice.1).sum();
        let descriptor = self.descriptors.get(fd);
        if let Some(errno) = descriptor.send_error {
            return -errno;
        }
        let mut room = descriptor.window.min(offered);
        if descriptor.window < offered {
            descriptor.refused();
        }
        if room == 0 && offered > 0 {
            return -libc::EAGAIN;
        }
        if room > 1 && self.mischief() {
            self.descriptors.get(fd).refused();
            room = 1 + self.random.below(room - 1);
        }
        let descriptor = self.descriptors.get(fd);
        descriptor.window -= room;
        let mut left = room;
        for &(start, length) in slices {
            let length = length.min(left);
            left -= length;
            // SAFETY: as in `execute`.
            descriptor.sent.extend_from_slice(unsafe { std::slice::from_raw_parts(start, length) });
        }
        i32::try_from(room).expect("tests send little")
    }

    /// Ends a flight before its time. What it had been about to deliver may still come.
    fn cancel(&mut self, index: usize) {
        let deliver = self.behavior.malice > 0 && self.random.chance(128);
        match self.flights[index].request {
            Request::Receive { fd, .. } if deliver && !self.buffers.is_empty() => {
                if self.descriptors.get(fd).inbound.is_empty() {
                    self.end(index, -libc::ECANCELED, 0);
                } else {
                    let (length, flags) = self.fill(fd);
                    self.end(index, length, flags);
                }
            }
            Request::ReceiveDatagrams { fd, message } if deliver && !self.descriptors.get(fd).mailbox.is_empty() => {
                let (result, flags) = self.deliver_datagram(fd, message);
                self.end(index, result, flags);
            }
            Request::ReceiveMessage { fd, message } if deliver && !self.descriptors.get(fd).mailbox.is_empty() => {
                let (result, flags) = self.deliver_message(fd, message);
                self.end(index, result, flags);
            }
            Request::Accept { fd } if deliver => {
                let accepted = self.descriptors.accept(fd);
                self.end(index, accepted.unwrap_or(-libc::ECANCELED), 0);
            }
            _ => self.end(index, -libc::ECANCELED, 0),
        }
    }

    /// Whether a flight has something to deliver.
    fn can_go_on(&self, flight: &Flight) -> bool {
        let descriptor = flight.fd().and_then(|fd| self.descriptors.find(fd));
        match (flight.request, descriptor) {
            (Request::Timeout { .. }, _) => self.time_passes,
            (Request::File { request: FileRequest::Await { writable: false, .. }, .. }, _) => !self.nothing_to_read,
            (Request::File { .. }, _) => true,
            (Request::Receive { .. }, Some(it)) => !it.inbound.is_empty() || it.inbound_end.is_some(),
            (Request::ReceiveDatagrams { .. } | Request::ReceiveMessage { .. }, Some(it)) => !it.mailbox.is_empty(),
            (Request::Accept { .. }, Some(it)) => !it.waiting.is_empty() || it.accept_error.is_some(),
            (Request::PollWritable { edges: false, .. }, Some(it)) => it.poll() != 0,
            (Request::PollWritable { edges: true, .. }, Some(it)) => it.poll() & !it.told != 0,
            (Request::Connect { .. }, Some(it)) => it.connected.is_some(),
            _ => false,
        }
    }

    /// Runs deferred work: whatever can go on, in any order.
    fn work(&mut self) {
        for _ in 0..WORK_PER_ENTER {
            let able: Vec<usize> =
                (0..self.flights.len()).filter(|&index| self.can_go_on(&self.flights[index])).collect();
            if able.is_empty() || self.mischief() {
                break;
            }
            let index = able[self.random.below(able.len())];
            self.go_on(index);
        }
    }

    fn go_on(&mut self, index: usize) {
        // A full completion queue ends a multishot, and so does the kernel's whim.
        let full = self.completion.len() + self.pending.len() >= self.behavior.completion_entries;
        let more = if full || self.mischief() { 0 } else { CQE_F_MORE };
        let user_data = self.flights[index].user_data;
        match self.flights[index].request {
            Request::Receive { fd, extent } => {
                if self.mischief() {
                    let errno = [libc::EINTR, libc::EAGAIN, libc::ECANCELED][self.random.below(3)];
                    self.end(index, -errno, 0);
                } else if self.buffers.is_empty() {
                    self.end(index, -libc::ENOBUFS, 0);
                } else if !self.descriptors.get(fd).inbound.is_empty() {
                    let (length, flags) = self.fill(fd);
                    let left = match extent {
                        Extent::Endless => u32::MAX,
                        Extent::Single => 0,
                        Extent::Bounded(limit) => limit.saturating_sub(u32::try_from(length).unwrap_or(0)),
                    };
                    if let (Request::Receive { extent, .. }, Extent::Bounded(_)) =
                        (&mut self.flights[index].request, extent)
                    {
                        *extent = Extent::Bounded(left);
                    }
                    if more == 0 || left == 0 {
                        self.end(index, length, flags);
                    } else {
                        self.post(user_data, length, flags | more);
                    }
                } else {
                    let status = self.descriptors.get(fd).inbound_end.expect("can go on");
                    // The end of a stream may come with a buffer that holds nothing.
                    let flags = if status == 0 && self.random.chance(64) { self.take_buffer(0) } else { 0 };
                    self.end(index, -status, flags);
                }
            }
            Request::ReceiveDatagrams { fd, message } => {
                if self.mischief() {
                    let errno = [libc::EINTR, libc::EAGAIN, libc::ECANCELED][self.random.below(3)];
                    return self.end(index, -errno, 0);
                }
                // An empty datagram ends the receive, as an end of the stream would.
                let empty = self.descriptors.get(fd).mailbox.next_is_empty();
                let (result, flags) = self.deliver_datagram(fd, message);
                if result < 0 || empty || more == 0 {
                    self.end(index, result, flags);
                } else {
                    self.post(user_data, result, flags | more);
                }
            }
            Request::ReceiveMessage { fd, message } => {
                if self.mischief() {
                    let errno = [libc::EINTR, libc::EAGAIN, libc::ECANCELED][self.random.below(3)];
                    return self.end(index, -errno, 0);
                }
                let (result, flags) = self.deliver_message(fd, message);
                self.end(index, result, flags);
            }
            Request::Accept { fd } => {
                let error = self.descriptors.get(fd).accept_error.take();
                if let Some(errno) = error {
                    self.end(index, -errno, 0);
                } else if self.mischief() {
                    let errno = [libc::EINTR, libc::ECONNABORTED, libc::ENOBUFS, libc::EPROTO][self.random.below(4)];
                    self.end(index, -errno, 0);
                } else {
                    let accepted = self.descriptors.accept(fd).expect("can go on");
                    let others_wait = !self.descriptors.get(fd).waiting.is_empty() && !self.mischief();
                    self.end(index, accepted, if others_wait { CQE_F_SOCK_NONEMPTY } else { 0 });
                }
            }
            Request::PollWritable { fd, edges } => {
                let descriptor = self.descriptors.get(fd);
                let found = i32::from(descriptor.poll());
                if edges {
                    descriptor.told = descriptor.poll();
                }
                if edges && more != 0 {
                    self.post(user_data, found, more);
                } else {
                    self.end(index, found, 0);
                }
            }
            Request::Connect { fd, .. } => {
                let status = self.descriptors.get(fd).connected.expect("can go on");
                self.end(index, -status, 0);
            }
            Request::Timeout { .. } => self.end(index, -libc::ETIME, 0),
            Request::File { request, .. } => {
                let result = self.play_file(&request);
                self.end(index, result, 0);
            }
            request => unreachable!("not a flight: {request:?}"),
        }
    }

    /// Receives into a buffer: the number of bytes and the flags.
    fn fill(&mut self, fd: RawFd) -> (i32, u32) {
        let waiting = self.descriptors.get(fd).inbound.len();
        let room = self.buffers.room();
        let mut length = waiting.min(room);
        if length > 1 && self.mischief() {
            length = 1 + self.random.below(length - 1);
        }
        let bytes: Vec<u8> = self.descriptors.get(fd).inbound.drain(..length).collect();
        self.buffers.write(&bytes);
        (i32::try_from(length).expect("buffers are small"), self.take_buffer(length))
    }

    fn take_buffer(&mut self, length: usize) -> u32 {
        if self.buffers.is_empty() {
            return 0;
        }
        let (buffer, more) = self.buffers.consume(length);
        CQE_F_BUFFER | u32::from(buffer) << 16 | if more { CQE_F_BUF_MORE } else { 0 }
    }

    /// Moves what is done into the completion queue, as far as there is room: in any order, but for what [`ordered`] says.
    fn flush(&mut self) {
        while !self.pending.is_empty() && self.completion.len() < self.behavior.completion_entries {
            if self.mischief() {
                break;
            }
            let picked = if self.behavior.malice > 0 { self.random.below(self.pending.len()) } else { 0 };
            let mut picked = picked;
            while let Some(earlier) = (0..picked).find(|&it| ordered(&self.pending[it], &self.pending[picked])) {
                picked = earlier;
            }
            self.completion.push_back(self.pending.remove(picked));
        }
    }
}
